"""What stacks.py and its peers share: the cases, and the calls that a peer has received."""

import contextlib
import functools
import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

import receiver

# What tests/peers/fetch has brought.
BROUGHT = "target/stacks"
# Milliseconds. In the case "plain" the server ends a connection while the agent pauses; in the case
# "tls" it pings the agent.
AGE, PING = 4_000, 1_000
# The last setting but one of a destination; TLS has none.
PLAIN, HTTP = "insecure = true", 'protocol = "http/protobuf"'
# A resource attribute: peer and case.
CASE = "test.case"


class Missing(Exception):
    """The peer is not on this machine. The text is the reason."""


@dataclass
class Case:
    """One destination of the agent."""

    name: str
    endpoint: str
    settings: str
    # Returns the calls until now, in order.
    calls: object = field(repr=False)
    # What the agent has to log, in place of the usual text of such a case.
    log: str = ""
    # Line of its endpoint in the configuration.
    line: int = 0


class Call:
    """A message, as OTLP's own classes read it."""

    def __init__(self, message, size, time, source=None):
        self.message, self.size, self.time = message, size, time
        # The agent's end of the connection; None if the peer does not report it.
        self.source = source

    @functools.cached_property
    def points(self):
        """Name, value, and time in nanoseconds of each point."""
        return [(metric.name, getattr(point, point.WhichOneof("value")), point.time_unix_nano)
                for metric, point in receiver.points(self.message)]

    @functools.cached_property
    def resources(self):
        return [{one.key: one.value.string_value for one in resource.resource.attributes}
                for resource in self.message.resource_metrics]


class Text:
    """A part of a message, as Rotel prints it. It grows while Rotel prints."""

    size = time = source = None
    ATTRIBUTE = re.compile(r" +-> ([^:]+): Str\((.*)\)$")

    def __init__(self):
        self.points, self.resources = [], [{}]
        self.is_resource, self.metric, self.at = True, None, None

    def add(self, line):
        """Takes the next line."""
        kind, _, rest = line.partition(": ")
        attribute = self.ATTRIBUTE.match(line)
        if line.startswith("ScopeMetrics #"):
            self.is_resource = False
        elif self.is_resource and attribute:
            self.resources[0][attribute[1]] = attribute[2]
        elif kind.endswith("-> Name"):
            self.metric = rest
        elif kind == "Timestamp":
            self.at = int(rest)
        elif kind == "Value":
            self.points.append((self.metric, float(rest), self.at))


class Lines:
    """The whole lines that a program adds to a file."""

    def __init__(self, path):
        self.path, self.place = path, 0

    def new(self):
        """Those that were not returned before."""
        with open(self.path, "rb") as file:
            file.seek(self.place)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self.place += len(whole)
        return whole.decode(errors="replace").split("\n")[:-1]


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def program(name, *places):
    """The path of a program: the first of `places` that is there, or one of the search path."""
    for place in places:
        for path in sorted(glob.glob(place)):
            return os.path.abspath(path)
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found:
        return found
    with contextlib.suppress(FileNotFoundError):
        said = [line for line in text_of(f"{BROUGHT}/{name}.missing").splitlines() if line.strip()]
        raise Missing(f"{name}: {(said or ['tests/peers/fetch has failed'])[-1]}")
    raise Missing(f"{name} is not on this machine, and tests/peers/fetch did not bring it")


def output(command, **more):
    """What a program prints that ends with success."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120,
                               **more)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{command[0]} does not run: {error}") from error
    return (ended.stdout + ended.stderr).strip()
