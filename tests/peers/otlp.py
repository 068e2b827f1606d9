"""otlp.py AGENT: a running agent with several OTLP destinations, each a server of grpcio that
behaves in its own way. Messages are parsed by OTLP's own classes."""

import os
import sys
import tempfile

import grpc

import sandbox
from receiver import RETRY_INFO, Server, certificates, credentials, failing, ok, partial, points

# Seconds for everything: without NTP the agent waits a minute for a confirmation of its clock.
LIMIT = 300
# Values of a plugin, as many as are allowed: a message of more than a megabyte.
LINES = 20_000


def check_message(raw, message):
    """The message is in protobuf's own form, and is a host's."""
    assert message.SerializeToString() == raw, "not as protobuf writes it"
    found = list(points(message))
    names = {metric.name for metric, _ in found}
    for name in ("system.cpu.time", "system.memory.usage", "system.cpu.load_average.1m",
                 "system.network.io"):
        assert name in names, (name, sorted(names))
    for metric, point in found:
        assert point.WhichOneof("value"), metric
        assert point.time_unix_nano > 1_700_000_000 * 10**9, point
        if metric.HasField("sum"):
            assert metric.sum.aggregation_temporality == 2
            assert 0 < point.start_time_unix_nano <= point.time_unix_nano, point
    attributes = {one.key: one.value.string_value
                  for one in message.resource_metrics[0].resource.attributes}
    assert attributes["os.type"] == "linux" and attributes["host.name"], attributes


def main(program):
    print(f"grpcio {grpc.__version__}")
    code = grpc.StatusCode
    with tempfile.TemporaryDirectory() as directory:
        ca_file, key = certificates(directory)
        plain = "insecure = true\n"
        tls = f'ca_file = "{ca_file}"\nheaders = {{ api-key = "SECRET" }}\n'
        servers = [
            Server("plain", ok, more=plain + "per_cpu = true\n"),
            Server("tls", ok, credentials(ca_file, key), more=tls),
            Server("unavailable", failing(code.UNAVAILABLE, 1), more=plain),
            Server("retry_info", failing(code.RESOURCE_EXHAUSTED, 1, RETRY_INFO), more=plain),
            Server("unauthenticated", failing(code.UNAUTHENTICATED, 99), more=plain),
            Server("partial", partial, more=plain),
        ]
        plugin = os.path.join(directory, "plugin")
        with open(plugin, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nnow=$(date +%s)\nseq -f \"many.value_with_a_name%.0f\t1\t$now\" {LINES}\n")
        os.chmod(plugin, 0o755)
        settings = f'mackerel = false\n[plugin.metrics.many]\ncommand = "{plugin}"\n'
        settings += "".join(server.settings() for server in servers)
        by_name = {server.name: server for server in servers}

        def have_all():
            return all(len(server.calls) >= 2 for server in servers) and any(
                len(raw) > 1_000_000 for _, _, raw, _ in by_name["plain"].calls)

        with sandbox.agent(program, settings) as (process, directory):
            sandbox.SOON, soon = LIMIT, sandbox.SOON
            sandbox.wait_for("two calls of each destination, one of a megabyte", have_all)
            sandbox.SOON = soon
            assert process.poll() is None
            with open(os.path.join(directory, "log"), encoding="utf-8") as file:
                log = file.read()
        for server in servers:
            server.stop()
            # A message repeated after a failure is the same one.
            for _, message, raw, _ in server.calls:
                if any(metric.name.startswith("system.") for metric, _ in points(message)):
                    check_message(raw, message)
            sizes = [len(raw) for _, _, raw, _ in server.calls]
            print(f"{server.name}: {len(sizes)} calls, {min(sizes)} to {max(sizes)} bytes")
        metadata = by_name["tls"].calls[0][3]
        assert metadata["api-key"] == "SECRET" and "SECRET" not in log, metadata
        first, second = by_name["retry_info"].calls[:2]
        assert second[0] - first[0] >= 2.9, "RetryInfo says 3 s"
        assert first[2] == second[2][: len(first[2])] or len(second[2]) > len(first[2])
        # A point that was refused is not sent again.
        seen = [point.time_unix_nano for _, message, _, _ in by_name["partial"].calls
                for metric, point in points(message) if metric.name == "system.cpu.load_average.1m"]
        assert len(seen) == len(set(seen)), seen
        assert log.count("zwei Punkte abgelehnt: größer") == 1, log
        assert log.count("UNAUTHENTICATED") == 1, log


main(sys.argv[1])
