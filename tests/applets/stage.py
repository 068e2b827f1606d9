"""The files of one run of a row, and what changes them between two calls."""

import os
import subprocess
import time

import world

# Times of files: fixed ones, and ages in seconds.
LONG_AGO = 1577847845  # 2020-01-01 03:04:05 UTC

LOG = (
    "first line\n"
    "ERROR disk full\n"
    "WARNING slow: 12.5 s\n"
    "error in lower case\n"
    "ERROR again, but ignored\n"
    "took 3 s\n"
    "took 30 s\n"
    "took many s\n"
    "last line\n"
)

MAILQ = """-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------
A1B2C3D4E5      1024 Sun Nov 29 00:00:00  someone@example.test
                                         other@example.test

-- {size} Kbytes in {count} Request{plural}.
"""


def write(path, text, mtime=None, mode=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    with open(path, "wb") as file:
        file.write(data)
    if mode is not None:
        os.chmod(path, mode)
    if mtime is not None:
        os.utime(path, (mtime, mtime))


def _script(place, name, text):
    """A script of that name, first on the PATH.

    Another process writes it: one that another thread has just forked may have a file that is open
    here, and a file that is open for writing cannot be run ("text file busy").
    """
    path = os.path.join(place, "bin", name)
    write(f"{path}.text", f"#!/bin/sh\n{text}")
    subprocess.run(("install", "-m", "755", f"{path}.text", path), check=True)
    os.remove(f"{path}.text")


def _command(place, name, text):
    """A command of that name, first on the PATH, that prints `text`."""
    _script(place, name, f"cat <<'END'\n{text}END\n")


def files(place):
    now = int(time.time())
    write(f"{place}/old", "x" * 100, LONG_AGO)
    write(f"{place}/young", "x" * 100, now - 30)
    write(f"{place}/medium", "x" * 100, now - 300)
    write(f"{place}/empty", "", now - 30)
    write(f"{place}/future", "x", now + 100)
    write(f"{place}/with space", "x", LONG_AGO)
    os.symlink("old", f"{place}/link")
    os.symlink("nowhere", f"{place}/broken")


def tree(place):
    write(f"{place}/tree/a", "x" * 1000)
    write(f"{place}/tree/b", "x" * 24)
    write(f"{place}/tree/below/c", "x" * 5000)
    write(f"{place}/tree/below/deeper/d", "x" * 100000)
    os.symlink("../tree/below/c", f"{place}/tree/link")
    os.makedirs(f"{place}/nothing")


def log(place):
    write(f"{place}/log", LOG)
    write(f"{place}/logs/app.log", "ERROR one\nfine\n")
    write(f"{place}/logs/app.log.1", "ERROR older\n")
    write(f"{place}/logs/web.log", "ERROR two\nERROR three\n")
    write(f"{place}/logs/sub/deep.log", "ERROR four\n")
    write(f"{place}/logs/none.txt", "nothing\n")
    write(f"{place}/empty.log", "")
    write(f"{place}/open.log", "ERROR complete\nERROR not ended")
    write(f"{place}/crlf.log", "ERROR one\r\nok\r\n")
    write(f"{place}/latin.log", b"ERROR caf\xe9\nfine\n")
    write(f"{place}/blob.log", b"\xff\xfe\x00ERROR\x00\n")


def reboot(place):
    write(f"{place}/with/reboot-required", "*** System restart required ***\n")
    write(f"{place}/with/reboot-required.pkgs", "linux-image-amd64\nlibc6\n")
    write(f"{place}/without/reboot-required", "*** System restart required ***\n")
    write(f"{place}/bare/reboot-required.pkgs", "left over\n")
    write(f"{place}/odd/reboot-required", "")
    os.makedirs(f"{place}/odd/reboot-required.pkgs")
    write(f"{place}/file", "")
    os.makedirs(f"{place}/none")


def certificate(place):
    write(f"{place}/empty.pem", "")
    write(f"{place}/text.pem", "not a certificate\n")
    write(f"{place}/broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def mail(count):
    """mailq and qmail-qstat that count so many messages."""

    def make(place):
        if count:
            text = MAILQ.format(size=count, count=count, plural="" if count == 1 else "s")
        else:
            text = "Mail queue is empty\n"
        _command(place, "mailq", text)
        _command(place, "qmail-qstat", f"messages in queue: {count}\nmessages in queue but not yet: 0\n")

    return make


def mail_many(place):
    """A list of 1.4 MB."""
    mail = MAILQ.splitlines(True)[1:3]
    text = MAILQ.format(size=7000, count=7000, plural="s").replace("".join(mail), "".join(mail * 12000))
    _command(place, "mailq", text)


def mail_failing(place):
    for name in ("mailq", "qmail-qstat"):
        _script(place, name, "echo broken >&2\nexit 75\n")


def clock(daemon, text):
    """A time daemon in the list of processes, and its client, which prints `text`."""

    def make(place):
        _command(place, "ps", f"COMMAND\nsh\n{daemon}\n")
        _command(place, "chronyc" if daemon == "chronyd" else "ntpq", text)

    return make


def chrony(offset, stratum=3):
    return clock(
        "chronyd",
        f"Reference ID    : 7F000001 (localhost)\nStratum         : {stratum}\n"
        "Ref time (UTC)  : Sun Nov 29 00:00:00 2026\n"
        "System time     : 0.000000001 seconds fast of NTP time\n"
        f"Last offset     : {offset} seconds\nRMS offset      : 0.1 seconds\n",
    )


def ntpd(offset, stratum=3):
    return clock("ntpd", f"stratum={stratum}, offset={offset}\n")


def nothing(_place):
    pass


# What a step does to the files below `place`.


def append(name, text):
    def act(place):
        with open(f"{place}/{name}", "ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)

    return act


def replace(name, text):
    """Empties the file and writes `text`: the same inode, as copytruncate does."""

    def act(place):
        with open(f"{place}/{name}", "r+b") as file:
            file.truncate(0)
            file.write(text.encode())

    return act


def rename(old, new):
    def act(place):
        os.rename(f"{place}/{old}", f"{place}/{new}")

    return act


def create(name, text):
    def act(place):
        write(f"{place}/{name}", text)

    return act


def link(name, target):
    def act(place):
        os.symlink(target, f"{place}/{name}")

    return act


def remove(name):
    def act(place):
        os.remove(f"{place}/{name}")

    return act


def damage_state(place):
    """Replaces each file of saved state by text that is no JSON."""
    for folder, _, names in os.walk(f"{place}/work"):
        for name in names:
            write(os.path.join(folder, name), "{broken")


def wait(seconds):
    return lambda _place: time.sleep(seconds)


def proc(later):
    """The counters of /proc, the disks and the container, of the begin or of `later`."""

    def act(_place):
        for name, first, second in (
            ("stat", world.STAT, world.STAT_LATER),
            ("vmstat", world.VMSTAT, world.VMSTAT_LATER),
        ):
            with open(f"/proc/{name}", "r+", encoding="ascii") as file:
                file.truncate(0)
                file.write(second if later else first)
        world.container(later)
        world.disks(later)

    return act
