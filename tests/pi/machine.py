"""Emulated machines: an initial file system of busybox, the agent and a script, and QEMU with a time limit."""

import gzip
import json
import re
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path, PurePath

TOP = Path(__file__).resolve().parents[2]
WORK = TOP / "target/pi"
# Seconds. A boot takes five on an idle machine of 2020; a busy one may need many times that.
LIMIT = 600
# Seconds until the minute's values have been posted, twice.
POSTED = 240
# The API key that the stand-in for Mackerel accepts.
KEY = "stand-in"
# Bytes of the console that are kept.
CONSOLE = 4 << 20


def kernel(architecture):
    """The only kernel of a fetched architecture."""
    (found,) = (WORK / architecture / "boot").glob("vmlinuz-*")
    return found


def module(architecture, name):
    """The file of a kernel module."""
    modules = (WORK / architecture / "lib/modules").rglob("*.ko")
    wanted = name.replace("-", "_")
    for found in modules:
        if found.stem.replace("-", "_") == wanted:
            return found
    return None


def with_dependencies(architecture, names):
    """Modules in the order in which they have to be loaded. What is built in is left out."""
    order = []

    def add(name):
        found = module(architecture, name)
        if found is None or found in order:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", b"\0" + found.read_bytes())
        for other in depends.group(1).decode().split(",") if depends else []:
            add(other)
        if found not in order:
            order.append(found)

    for name in names:
        add(name)
    return order


def initramfs(path, architecture, files):
    """Writes an initial file system. `files` are names and contents; /init is one of them."""
    busybox = (WORK / architecture / "bin/busybox").read_bytes()
    entries = [("dev", stat.S_IFDIR | 0o755, b"", (0, 0))]
    entries += [("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1))]
    folders = {"bin", "etc", "proc", "sys", "tmp", "var"}
    folders |= {str(folder) for name in files for folder in PurePath(name).parents if folder.name}
    for folder in sorted(folders):
        entries.append((folder, stat.S_IFDIR | 0o755, b"", (0, 0)))
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, busybox, (0, 0)))
    entries.append(("bin/sh", stat.S_IFLNK | 0o777, b"busybox", (0, 0)))
    for name, content in files.items():
        entries.append((name, stat.S_IFREG | 0o755, content, (0, 0)))
    entries.append(("TRAILER!!!", 0, b"", (0, 0)))
    archive = bytearray()
    for number, (name, mode, content, (major, minor)) in enumerate(entries, 1):
        name = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4)
        archive += content
        archive += bytes(-len(archive) % 4)
    path.write_bytes(gzip.compress(archive, 1))


class Machine:
    """A machine that runs, and what it says on its console. It ends with the `with` block."""

    def __init__(self, name, command):
        self.name = name
        self.log = WORK / f"{name}.log"
        self.begin = time.monotonic()
        self.output = open(self.log, "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.power_off()

    def power_off(self):
        """Takes its power away."""
        self.process.kill()
        self.process.wait()
        self.output.close()

    def console(self):
        """What it has said until now, the kernel's carriage returns left out."""
        with open(self.log, "rb") as log:
            return log.read(CONSOLE).replace(b"\r", b"").decode(errors="replace")

    def wait(self, text, limit=LIMIT):
        """Waits until its console has said `text`, and returns all it has said."""
        end = time.monotonic() + limit
        while True:
            said = self.console()
            if text in said:
                return said
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit(f"{self.name}: no \"{text}\" within {limit} s; see {self.log}\n" + said[-3000:])
            time.sleep(0.2)

    def seconds(self):
        return time.monotonic() - self.begin


class Server:
    """The stand-in, and what it has printed. It ends with the `with` block."""

    def __init__(self, program):
        command = [program, "--print", "--tls", "--key", KEY, "--ca-out", WORK / "ca.pem"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.port = int(self.process.stdout.readline().strip().rpartition(":")[2])
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def requests(self, since=0):
        """The lines of requests, without their time."""
        found = (re.match(r"[0-9:]+ UTC  (.*)", line) for line in self.lines[since:])
        return [one.group(1) for one in found if one]

    def wait(self, what, accepts, since, machine, limit=POSTED):
        end = time.monotonic() + limit
        while not accepts(self.requests(since)):
            if time.monotonic() > end or machine.process.poll() is not None:
                seen = "\n".join(self.requests(since)) + "\n" + machine.console()[-3000:]
                sys.exit(f"{machine.name}: no {what} within {limit} s:\n{seen}")
            time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Checks:
    """Counts what is as it should be, and says what is not."""

    def __init__(self, name):
        self.name = name
        self.count = 0
        self.wrong = []

    def that(self, what, is_so, seen=""):
        self.count += 1
        if not is_so:
            self.wrong.append(f"{self.name}: not so: {what}: {seen}")

    def end(self, note):
        print("\n".join(self.wrong) or f"{self.name}: {self.count} checks passed; {note}", flush=True)
        return not self.wrong


def section(said, name):
    """What the script has said between `== NAME` and the next `== `."""
    found = re.search(rf"^== {name}\n(.*?)^== ", said, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def document(said, name):
    """The JSON in a section; kernel messages around it do not matter."""
    lines = [line for line in section(said, name).splitlines() if line.startswith("{")]
    return json.loads(lines[0]) if lines else {}
