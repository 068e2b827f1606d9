"""Servers of OTLP by others. Each peer has `cases` after `start`. `stop_one` and `start_one` stop
and start what serves the case "gone"."""

import base64
import contextlib
import json
import os
import sys

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import receiver
import sandbox
from calls import (AGE, BROUGHT, CASE, HTTP, PING, PLAIN, Call, Case, Lines, Text, output, program,
                   text_of)

HERE = os.path.dirname(os.path.abspath(__file__))


class Own:
    """A server program of ours by gRPC of others: server.go or server.js."""

    def __init__(self, command, more=None):
        self.command, self.environment = command, {**os.environ, **(more or {})}
        self.version = output([*command, "--version"], env=self.environment)
        self.one = None

    def start(self, stack, directory, certificate, key):
        self.directory = directory
        refused = {"failures": 1 << 30, "code": 16, "text": "as the test wants",
                   "status": (b"\x08\x10\x12\x11as the test wants").hex()}
        busy = {"failures": 1, "code": 8, "text": "too much at once",
                "status": receiver.RETRY_INFO.hex()}
        rows = {
            "plain": {"age": AGE},
            "tls": {"ping": PING, "certificate": certificate, "key": key},
            "partial": {"answer": receiver.partial(0, None).SerializeToString().hex()},
            "unauthenticated": refused,
            "exhausted": busy,
            "gone": {},
        }
        blank = {"answer": "", "status": "", "failures": 0}
        rows = [{**blank, **row, "name": name, "port": sandbox.free_port()}
                for name, row in rows.items()]
        self.files = {"all": rows[:-1], "one": rows[-1:]}
        for file, chosen in self.files.items():
            with open(self.path(file, "json"), "w", encoding="utf-8") as out:
                json.dump(chosen, out)
        self.known, self.logs = {}, []
        stack.enter_context(self.run("all"))
        stack.callback(self.stop_one)
        self.start_one()
        self.cases = [self.case(row) for row in rows]

    def path(self, file, end):
        return os.path.join(self.directory, f"{self.name}-{file}.{end}")

    def case(self, row):
        name, port = row["name"], row["port"]
        host = "localhost" if name == "tls" else "127.0.0.1"
        return Case(name, f"{host}:{port}", "" if name == "tls" else PLAIN,
                    lambda: self.calls(name))

    @contextlib.contextmanager
    def run(self, file):
        log = self.path(file, f"{len(self.logs)}.log")
        with sandbox.running([*self.command, self.path(file, "json")], log, env=self.environment):
            sandbox.wait_for(f"{self.name}: {log}", lambda: '{"ready":true}' in text_of(log))
            self.logs.append(Lines(log))
            yield

    def start_one(self):
        self.one = contextlib.ExitStack()
        self.one.enter_context(self.run("one"))

    def stop_one(self):
        self.one.close()

    def calls(self, name):
        """The calls of a case that the servers have printed."""
        for log in self.logs:
            for line in log.new():
                said = json.loads(line) if line.startswith("{") else {}
                if "message" in said:
                    raw = base64.b64decode(said["message"])
                    message = ExportMetricsServiceRequest.FromString(raw)
                    self.known.setdefault(said["name"], []).append(
                        Call(message, size=len(raw), time=said["time"], source=said["from"]))
        return self.known.get(name, [])


class GrpcGo(Own):
    name = "grpc-go"

    def __init__(self):
        super().__init__([program(self.name, f"{BROUGHT}/{self.name}")])


class GrpcJs(Own):
    name = "grpc-js"

    def __init__(self):
        package = program(self.name, f"{BROUGHT}/node_modules/@grpc/grpc-js")
        modules = os.path.dirname(os.path.dirname(package))
        command = [program("node"), os.path.join(HERE, "server.js")]
        super().__init__(command, {"NODE_PATH": modules})


class Rotel:
    """A collector. It prints what it has understood, for all cases into one log."""

    name = "rotel"

    def __init__(self):
        packages = f"{sys.prefix}/lib/python3*/site-packages"
        self.program = program("rotel-agent", f"{packages}/rotel/rotel-agent")
        os.chmod(self.program, 0o755)
        self.version = output([self.program, "--version"]).split()[-1]

    def start(self, stack, directory, _certificate, _key):
        self.directory, self.logs, self.known, self.open = directory, [], {}, None
        ports = {name: sandbox.free_port() for name in ("grpc", "http", "gone", "unused")}
        self.ports = ports
        stack.enter_context(self.run(ports["grpc"], ports["http"]))
        stack.callback(self.stop_one)
        self.start_one()
        address = "http://127.0.0.1:{}/{}".format
        wrong = address(ports["http"], "v1/wrong")
        self.cases = [
            Case("plain", f"127.0.0.1:{ports['grpc']}", PLAIN, lambda: self.calls("plain")),
            Case("http", address(ports["http"], "v1/metrics"), HTTP, lambda: self.calls("http")),
            Case("wrong path", wrong, HTTP, list, f"POST {wrong} failed (status 404)"),
            Case("gone", f"127.0.0.1:{ports['gone']}", PLAIN, lambda: self.calls("gone")),
        ]

    @contextlib.contextmanager
    def run(self, grpc, http):
        place = os.path.join(self.directory, f"rotel-{len(self.logs)}")
        command = [self.program, "start", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
                   "--otlp-http-endpoint", f"127.0.0.1:{http}", "--exporter", "blackhole",
                   "--debug-log", "metrics", "--debug-log-verbosity", "detailed",
                   "--pid-file", f"{place}.pid", "--log-file", f"{place}.own.log"]
        with sandbox.running(command, f"{place}.log"):
            for port in grpc, http:
                sandbox.wait_for(f"rotel, port {port}", lambda port=port: sandbox.listens(port))
            self.logs.append(Lines(f"{place}.log"))
            yield

    def start_one(self):
        self.one = contextlib.ExitStack()
        self.one.enter_context(self.run(self.ports["gone"], self.ports["unused"]))

    def stop_one(self):
        self.one.close()

    def calls(self, name):
        """The messages of a case that Rotel has printed."""
        for log in self.logs:
            for line in log.new():
                if line.startswith("ResourceMetrics #"):
                    self.open = Text()
                elif self.open:
                    self.open.add(line)
                # All of the resource is there. Rotel was given the name of the case in it.
                if line.startswith("ScopeMetrics #") and self.open:
                    called = self.open.resources[0].get(CASE, "").removeprefix("rotel ")
                    self.known.setdefault(called, []).append(self.open)
        return self.known.get(name, [])
