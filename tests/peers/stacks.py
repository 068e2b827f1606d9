"""stacks.py AGENT: running agents, one for each of several programs of others that take OTLP. Each
destination is a case: what the agent sends, what it logs, and what arrives after a failure."""

import contextlib
import os
import sys
import tempfile
import time

import grpc

import receiver
import sandbox
from calls import CASE, Missing, text_of
from proxies import Envoy, Nginx
from servers import GrpcGo, GrpcJs, Rotel

# Seconds for everything. It takes about four minutes: one for the clock, which nobody confirms.
LIMIT = 600
# A plugin's values: a message of more than a megabyte.
LINES = 12_000
LARGE = "many." + "long_name_" * 6
ROUND = "system.cpu.load_average.1m"
SERVICE = "größer & kleiner"
# What a destination logs in a case; "{at}" is its endpoint.
LOGGED = {
    "unauthenticated": "{at} answers UNAUTHENTICATED (16): as the test wants",
    "exhausted": "{at} answers RESOURCE_EXHAUSTED (8)",
    "partial": "data points rejected by the server: 2: zwei Punkte abgelehnt: größer; not sent again",
    "gone": "connect to {at}: Connection refused",
}
KEY, PATH = "check the API key, or headers", "check the path of endpoint"
LATER, RELIEF = "; what waits is sent later", "sending works again; lost meanwhile: 0 rounds"


def expected():
    """Values that do not change: name to value."""
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(file.readline().split()[1]) * 1024
    with open("/proc/stat", encoding="ascii") as file:
        cores = sum(line[:3] == "cpu" and line[3].isdigit() for line in file)
    return {"custom.peers.fraction": 42.5, "custom.peers.negative": -7,
            "system.memory.limit": total, "system.cpu.logical.count": cores}


def rounds(calls):
    """The times of the host's own rounds."""
    return [at for call in calls for name, _, at in call.points if name == ROUND]


def need(is_there, what):
    if not is_there:
        raise AssertionError(what)


def check_points(peer, case, calls):
    """What arrived is what this host and the plugins have."""
    values = {}
    for call in calls:
        for resource in call.resources:
            wanted = {"host.name": os.uname().nodename, "os.type": "linux",
                      "service.name": SERVICE, CASE: f"{peer.name} {case.name}"}
            need(resource == wanted, f"resource {resource}")
        for name, value, at in call.points:
            need(at > 1_700_000_000 * 10**9, f"{name}: time {at}")
            values.setdefault(name, set()).add(value)
    for name, value in expected().items():
        need(values.get(name) == {value}, f"{name}: {values.get(name)}, not {value}")
    for name in "system.cpu.time", "system.memory.usage", "system.network.io":
        need(name in values, f"no {name}")
    many = [values.get(f"custom.{LARGE}{number}") for number in range(1, LINES + 1)]
    need(many.count({1}) == LINES, f"{many.count({1})} of {LINES} values of a plugin")
    sizes = [call.size for call in calls if call.size]
    need(not sizes or max(sizes) > 1_000_000, f"no message of a megabyte: {sizes}")


def logged(case, log, text=None):
    """The line of a destination's that contains `text`, or else what it logs in its case."""
    text = text or (case.log or LOGGED.get(case.name, "")).format(at=case.endpoint)
    place = f"agent.conf:{case.line}: otlp: {text}"
    return text and next((line for line in log.splitlines() if place in line), "")


def check(peer, case, log, seen):
    """Fails with what is still missing. `seen` are the times of rounds that another case got."""
    calls, line = case.calls(), logged(case, log)
    need(line or case.name not in LOGGED and not case.log, "the failure is not logged")
    if case.name == "wrong path":
        need(PATH in line, line)
        # The server answers while the message is on its way, and closes the connection.
        need(len(seen) >= 3, "too early")
        need(not logged(case, log, "send to"), "an answer before the end of a message was lost")
        return "logged"
    if case.name == "unauthenticated":
        need(len(calls) >= 2, f"{len(calls)} calls")
        need(KEY in line, line)
    else:
        need(len(rounds(calls)) >= 3, f"{len(rounds(calls))} rounds")
        check_points(peer, case, calls)
    if case.name in ("exhausted", "gone"):
        need(LATER in line, line)
        need(logged(case, log, RELIEF), "not logged: sending works again, and nothing lost")
        # No round is missing of those before the last.
        mine = rounds(calls)
        lost = [at for at in seen if min(mine) < at < max(mine) and at not in mine]
        need(not lost, f"rounds lost: {lost}")
    if case.name == "exhausted":
        first, second = calls[:2]
        need(second.time - first.time >= 2.9, "RetryInfo says 3 s")
        need(rounds([first])[:1] == rounds([second])[:1], "another round after RetryInfo")
    sources = {call.source for call in calls}
    if None not in sources:
        need(case.name != "tls" or len(sources) == 1, "the connection with pings was not kept")
        need(case.name != "plain" or len(sources) > 1, "the aged connection was kept")
    largest = max((call.size or 0 for call in calls), default=0)
    return f"{len(calls)} calls" + f", up to {largest} bytes" * bool(largest)


def settings(peer, plugin, certificate):
    """The configuration of the agent of a peer."""
    text = f'mackerel = false\n[plugin.metrics.many]\ncommand = "{plugin}"\n'
    for case in peer.cases:
        # Of the endpoint, which messages name. The sandbox writes three lines before all this.
        case.line = text.count("\n") + 5
        trust = case.settings or f'ca_file = "{certificate}"'
        text += (f'[[otlp]]\nendpoint = "{case.endpoint}"\n{trust}\n'
                 f'resource = {{ "service.name" = "{SERVICE}", '
                 f'"{CASE}" = "{peer.name} {case.name}" }}\n')
    return text


def write_plugin(directory):
    plugin = os.path.join(directory, "plugin")
    with open(plugin, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nnow=$(date +%s)\n"
                   'printf "peers.fraction\\t42.5\\t$now\\npeers.negative\\t-7\\t$now\\n"\n'
                   f'seq -f "{LARGE}%.0f\t1\t$now" {LINES}\n')
    os.chmod(plugin, 0o755)
    return plugin


class Trial:
    """An agent and its peer, which is stopped and started once for the case "gone"."""

    def __init__(self, peer, process, log):
        self.peer, self.process, self.log = peer, process, log
        self.is_stopped = self.is_started = False
        self.results = {case.name: "FAILED: not looked at" for case in peer.cases}

    def look(self):
        """Looks at the cases that are not right yet. Returns whether all are."""
        need(self.process.poll() is None, f"the agent of {self.peer.name} has ended")
        text = text_of(self.log)
        cases = {case.name: case for case in self.peer.cases}
        gone = cases["gone"]
        if not self.is_stopped and rounds(gone.calls()):
            self.is_stopped = True
            self.peer.stop_one()
        elif self.is_stopped and not self.is_started and logged(gone, text):
            self.is_started = True
            self.peer.start_one()
        for name in [*self.failed()]:
            try:
                seen = rounds(cases["plain"].calls())
                self.results[name] = check(self.peer, cases[name], text, seen)
            except AssertionError as error:
                self.results[name] = f"FAILED: {error}"
        return not self.failed()

    def failed(self):
        return [name for name, result in self.results.items() if result.startswith("FAILED")]


def available():
    """The peers that are on this machine, and rows for those that are not."""
    found, rows = [], []
    for kind in Rotel, GrpcGo, GrpcJs, Envoy, Nginx:
        try:
            found.append(kind())
        except Missing as reason:
            rows.append((kind.name, "", "", f"skipped: {reason}"))
    return found, rows


def main(agent):
    peers, rows = available()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        certificate, key = receiver.certificates(directory)
        plugin, trials = write_plugin(directory), []
        for peer in peers:
            peer.start(stack, directory, certificate, key)
            started = sandbox.agent(agent, settings(peer, plugin, certificate))
            process, place = stack.enter_context(started)
            trials.append(Trial(peer, process, os.path.join(place, "log")))
        end = time.monotonic() + LIMIT
        while not all([trial.look() for trial in trials]) and time.monotonic() < end:
            time.sleep(1)
        for trial in trials:
            peer = trial.peer
            rows += [(peer.name, peer.version, *result) for result in trial.results.items()]
            if trial.failed():
                print(f"--- the agent of {peer.name}:\n{text_of(trial.log)}---")
    rows.insert(0, ("peer", "version", "case", f"result (beside grpcio {grpc.__version__})"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*map(str.ljust, row, widths), row[3]]))
    failed = [row for row in rows if row[3].startswith("FAILED")]
    skipped = [row for row in rows if row[3].startswith("skipped")]
    sys.exit(bool(failed or (skipped and os.environ.get("CI"))))


main(sys.argv[1])
