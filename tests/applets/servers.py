"""Servers on the loopback interface: HTTP, TLS, lines over TCP and a Unix socket, DNS, SNTP, Docker."""

import base64
import http.server
import json
import os
import socket
import socketserver
import ssl
import struct
import threading
import time

import world

# Ports, by the name that rows use. The network is the harness's own, so they are free.
PORTS = {
    "HTTP": 8080,
    "PROXY": 1080,
    "TLS": 443,
    "TLS_SOON": 8001,
    "TLS_NEAR": 8002,
    "TLS_TODAY": 8003,
    "TLS_EXPIRED": 8004,
    "TLS_EARLY": 8005,
    "TLS_OTHER": 8006,
    "TLS_SELF": 8007,
    "TLS_CHAIN": 8008,
    "TLS_CLIENT": 8009,
    "GREET": 25,
    "POP": 110,
    "FTP": 21,
    "GEARMAN": 7003,
    "ECHO": 7007,
    "SILENT": 7008,
    "ABRUPT": 7009,
    "CLOSED": 9,
    "DNS": 53,
    "NTP": 123,
    "NTP_75": 1075,
    "NTP_500": 1500,
    "NTP_BEHIND": 1501,
    "NTP_UNSYNC": 1516,
    "NTP_KOD": 1517,
    "NTP_SILENT": 1518,
    "NTP_DAMAGED": 1519,
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path; the documents are constant but for what was asked."""

    protocol_version = "HTTP/1.1"
    # Set for the proxy.
    name = "server"

    def log_message(self, *_):
        pass

    def version_string(self):
        return "quokka"

    def send(self, status, body, *headers, chunked=False, length=True):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        if chunked:
            middle = len(body) // 2
            for part in (body[:middle], body[middle:], b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        else:
            self.wfile.write(body)

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        path = self.path
        if path.startswith("http://"):
            self.send(200, f"{self.name}: {path}\n".encode())
        elif path.startswith("/status/"):
            self.send(int(path[8:]), b"status\n")
        elif path.startswith("/hop/"):
            left = int(path[5:])
            target = f"/hop/{left - 1}" if left > 1 else "/"
            self.send(302, b"elsewhere\n", ("Location", target))
        elif path == "/loop":
            self.send(302, b"", ("Location", "/loop"))
        elif path == "/bytes":
            self.send(200, b"x" * 1000)
        elif path == "/chunked":
            self.send(200, b"in two parts\n", chunked=True)
        elif path == "/end":
            self.send(200, b"until the end\n", length=False)
        elif path == "/empty":
            self.send(204, b"")
        elif path == "/slow":
            time.sleep(2.5)
            self.send(200, b"late\n")
        elif path in ("/auth", "/auth/empty"):
            login = b"user:pass" if path == "/auth" else b"user:"
            expected = "Basic " + base64.b64encode(login).decode()
            granted = self.headers.get("Authorization") == expected
            self.send(200 if granted else 401, b"secret\n" if granted else b"no\n")
        elif path == "/echo":
            shown = [f"{self.command} {self.name}"]
            for name in ("Host", "User-Agent", "X-Test", "Accept", "Content-Type"):
                for value in self.headers.get_all(name, []):
                    shown.append(f"{name}: {value}")
            self.send(200, "\n".join(shown).encode() + b"\n\n" + sent)
        elif path == "/":
            self.send(200, b"Hello, world\nsecond line\n")
        else:
            self.send(404, b"not found\n")

    do_GET = do_HEAD = do_POST = do_PUT = answer


class Proxy(Handler):
    name = "proxy"


class Docker(Handler):
    """Docker's daemon, with no container."""

    containers = ()

    def address_string(self):
        return "docker"

    def answer(self):
        if self.path.startswith("/containers/json"):
            found = self.containers
        elif self.containers and self.path.startswith("/containers/web/stats"):
            found = world.statistics()
        else:
            self.send(404, b'{"message": "no such container"}', ("Content-Type", "application/json"))
            return
        self.send(200, json.dumps(found).encode(), ("Content-Type", "application/json"))

    do_GET = answer


class DockerOne(Docker):
    """The same with the container whose control group is in world.py."""

    containers = (
        {
            "Id": world.CONTAINER,
            "Names": ["/web"],
            "Image": "example/web:1.2",
            "Labels": {"com.example": "front end"},
            "State": "running",
        },
    )


class Quiet(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, *_):
        # Connections that a plugin breaks off.
        pass

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


class QuietUnix(Quiet):
    address_family = socket.AF_UNIX


class Tls(Quiet):
    """The same over TLS; the handshake takes place in the connection's thread."""

    context = None

    def finish_request(self, request, client_address):
        request.settimeout(20)
        with self.context.wrap_socket(request, server_side=True) as stream:
            super().finish_request(stream, client_address)


def _start(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _tls(port, place, name, client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = "good" if name == "chain" else name
    context.load_cert_chain(os.path.join(place, f"{name}.pem"), os.path.join(place, f"{key}.key"))
    if client:
        # In TLS 1.3 a client learns too late that its certificate was missing.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(os.path.join(place, "ca.pem"))
    server = Tls(("127.0.0.1", port), Handler)
    server.context = context
    _start(server)


def _lines(greeting, respond):
    """A handler of connections: sends `greeting`, then what `respond` makes of each piece received."""

    class Lines(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                self.request.settimeout(20)
                if greeting:
                    self.request.sendall(greeting)
                while piece := self.request.recv(4096):
                    reply = respond(piece)
                    if reply is None:
                        return
                    self.request.sendall(reply)
            except OSError:
                pass

    return Lines


class Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


class Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def _until_quit(piece):
    return None if b"QUIT" in piece.upper() else b""


def _tcp(port, greeting, respond):
    _start(Tcp(("127.0.0.1", port), _lines(greeting, respond)))


def _udp(port, reply):
    """Answers each datagram with `reply(datagram)`, unless that is None."""
    handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    handle.bind(("127.0.0.1", port))

    def serve():
        while True:
            datagram, sender = handle.recvfrom(4096)
            answer = reply(datagram)
            if answer is not None:
                handle.sendto(answer, sender)

    threading.Thread(target=serve, daemon=True).start()


# Seconds between 1900 and 1970.
NTP_ERA = 2208988800


def _sntp(offset, stratum=2, leap=0, reference=b"\x7f\x00\x00\x01", damaged=False):
    def reply(datagram):
        if len(datagram) < 48:
            return None
        if damaged:
            return datagram[:20]
        now = time.time() + NTP_ERA + offset
        stamp = struct.pack("!II", int(now), int((now % 1) * (1 << 32)))
        version = (datagram[0] >> 3) & 7
        head = struct.pack("!BBbb", leap << 6 | version << 3 | 4, stratum, 6, -20)
        return head + struct.pack("!II", 0, 16) + reference + stamp + datagram[40:48] + stamp + stamp

    return reply


# Answers by name and type: code, records of (type, data in wire form).
A, NS, CNAME, PTR, MX, TXT, AAAA, SRV = 1, 2, 5, 12, 15, 16, 28, 33
TTL = 300


def _name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".") if part) + b"\0"


ANSWERS = {
    ("example.test", A): (0, [(A, bytes([127, 0, 0, 1]))]),
    ("example.test", AAAA): (0, [(AAAA, bytes(15) + b"\1")]),
    ("example.test", MX): (0, [(MX, struct.pack("!H", 10) + _name("mail.example.test"))]),
    ("example.test", NS): (0, [(NS, _name("ns.example.test"))]),
    ("example.test", TXT): (0, [(TXT, b"\x0bhello world"), (TXT, b'\x08say "hi"')]),
    ("two.test", A): (0, [(A, bytes([1, 1, 1, 1])), (A, bytes([2, 2, 2, 2]))]),
    ("alias.test", A): (0, [(CNAME, _name("example.test")), (A, bytes([127, 0, 0, 1]))]),
    ("1.0.0.127.in-addr.arpa", PTR): (0, [(PTR, _name("localhost"))]),
    ("_http._tcp.example.test", SRV): (0, [(SRV, struct.pack("!HHH", 1, 2, 80) + _name("example.test"))]),
    ("refused.test", A): (5, []),
    ("failing.test", A): (2, []),
    ("empty.test", A): (0, []),
}


def _dns(datagram):
    head, place, labels = datagram[:12], 12, []
    while length := datagram[place]:
        labels.append(datagram[place + 1 : place + 1 + length].decode().lower())
        place += 1 + length
    question = datagram[12 : place + 5]
    kind = struct.unpack("!H", datagram[place + 1 : place + 3])[0]
    name = ".".join(labels)
    if name == "silent.test":
        return None
    known = any(name == key for key, _ in ANSWERS)
    code, records = ANSWERS.get((name, kind), (0 if known or name == "localhost" else 3, []))
    # Response, authoritative; "recursion desired" as asked, and available.
    flags = 0x8480 | (struct.unpack("!H", head[2:4])[0] & 0x0100) | code
    body = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, TTL, len(data)) + data for kind, data in records
    )
    return head[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + body


def start(top, place):
    """Starts all of them, with the certificates in `place`; returns what rows may name."""
    for name, kind in (("HTTP", Handler), ("PROXY", Proxy)):
        _start(Quiet(("127.0.0.1", PORTS[name]), kind))
    for name in ("SOON", "NEAR", "TODAY", "EXPIRED", "EARLY", "OTHER", "SELF", "CHAIN"):
        _tls(PORTS[f"TLS_{name}"], place, name.lower())
    _tls(PORTS["TLS"], place, "good")
    _tls(PORTS["TLS_CLIENT"], place, "good", client=True)
    _tcp(PORTS["GREET"], b"220 quokka ready\r\n", _until_quit)
    _tcp(PORTS["FTP"], b"220 files\r\n", _until_quit)
    _tcp(PORTS["POP"], b"+OK quokka\r\n", _until_quit)
    _tcp(PORTS["GEARMAN"], b"", lambda piece: b"1.18\n" if piece == b"version\n" else b"what\n")
    _tcp(PORTS["ECHO"], b"", lambda piece: b"[" + piece + b"]")
    _tcp(PORTS["SILENT"], b"", lambda piece: b"")
    socket_path = os.path.join(top, "greet.sock")
    _start(Unix(socket_path, _lines(b"220 by a path\r\n", _until_quit)))
    _start(QuietUnix("/run/docker.sock", Docker))
    docker = os.path.join(top, "docker.sock")
    _start(QuietUnix(docker, DockerOne))

    class Abrupt(socketserver.BaseRequestHandler):
        def handle(self):
            pass

    _start(Tcp(("127.0.0.1", PORTS["ABRUPT"]), Abrupt))
    _udp(PORTS["DNS"], _dns)
    _udp(PORTS["NTP"], _sntp(0))
    _udp(PORTS["NTP_75"], _sntp(0.075))
    _udp(PORTS["NTP_500"], _sntp(0.5))
    _udp(PORTS["NTP_BEHIND"], _sntp(-0.5))
    _udp(PORTS["NTP_UNSYNC"], _sntp(0, stratum=16, leap=3))
    _udp(PORTS["NTP_KOD"], _sntp(0, stratum=0, reference=b"RATE"))
    _udp(PORTS["NTP_SILENT"], lambda datagram: None)
    _udp(PORTS["NTP_DAMAGED"], _sntp(0, damaged=True))
    return {
        **{name: str(port) for name, port in PORTS.items()},
        "SOCK": socket_path,
        "DOCKER": docker,
        "CERTS": place,
    }
