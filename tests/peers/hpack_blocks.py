#!/usr/bin/env python3
"""tests/peers/hpack_blocks.py [SEED [CONNECTIONS]]: prints header blocks as the encoder of `hpack` (PyPI) makes them, and the
fields in them.

    connection                  what follows has a table of its own
    block HEX
    field HEX HEX               a name and a value of the block above

tests/peers/hpack_blocks.txt is what seed 1 and 24 connections print with hpack 4.2; the tests of src/sys/http/h2 decode it, or the
file that HPACK_BLOCKS names. Names and values repeat, so that the table is used; its size changes; some fields are never indexed.
"""

import random
import sys

import hpack
from hpack.table import HeaderTable

STATIC = sorted({name for name, _ in HeaderTable.STATIC_TABLE})


def text(chance, longest, bytes_of):
    return bytes(chance.choice(bytes_of) for _ in range(chance.randint(0, longest)))


def value(chance, earlier):
    kind = chance.random()
    if earlier and kind < 0.4:
        return chance.choice(earlier)
    if kind < 0.9:
        return text(chance, 40, b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_/.:;=,%")
    # Every byte, those with the longest codes too; sometimes as long as the whole table.
    return text(chance, 5000 if kind > 0.998 else 40, range(256))


def connection(chance, out):
    encoder = hpack.Encoder()
    names, values = [], []
    out.append("connection")
    for _ in range(chance.randint(1, 14)):
        if chance.random() < 0.2:
            encoder.header_table_size = chance.choice([0, 31, 32, 100, 256, 1000, 4096])
        fields = []
        for _ in range(chance.randint(0, 8)):
            if names and chance.random() < 0.5:
                name = chance.choice(names)
            elif chance.random() < 0.5:
                name = chance.choice(STATIC)
            else:
                name = b"x" + text(chance, 20, b"abcdefghijklmnopqrstuvwxyz-0123456789")
            names.append(name)
            values.append(value(chance, values))
            kind = hpack.NeverIndexedHeaderTuple if chance.random() < 0.2 else hpack.HeaderTuple
            fields.append(kind(name, values[-1]))
        block = encoder.encode(fields, huffman=chance.random() < 0.7)
        out.append(f"block {block.hex()}")
        out.extend(f"field {name.hex()} {value.hex()}" for name, value in fields)


def main():
    seed, count = (sys.argv[1:] + ["1", "24"][len(sys.argv) - 1:])[:2]
    chance = random.Random(int(seed))
    out = []
    for _ in range(int(count)):
        connection(chance, out)
    print("\n".join(out))


main()
