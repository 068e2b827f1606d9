"""Proxies of HTTP/2 between the agent and servers of grpcio, one server for each case."""

import json
import os
import re
import sys

import receiver
import sandbox
from calls import AGE, BROUGHT, PING, PLAIN, Call, Case, output, program


def calls_of(server):
    """A function for a case: the calls that a server of grpcio has received."""
    known = []

    def calls():
        for at, message, raw, _ in server.calls[len(known):]:
            known.append(Call(message, size=len(raw), time=at))
        return known

    return calls


class Proxy:
    """A proxy of HTTP/2 before servers of grpcio, one for each case."""

    def start(self, stack, directory, certificate, key):
        code = receiver.grpc.StatusCode
        self.directory, self.certificate, self.key = directory, certificate, key
        refused = receiver.failing(code.UNAUTHENTICATED, 1 << 30)
        busy = receiver.failing(code.RESOURCE_EXHAUSTED, 1, receiver.RETRY_INFO)
        answers = {"plain": receiver.ok, "tls": receiver.ok, "partial": receiver.partial,
                   "unauthenticated": refused, "exhausted": busy, "gone": receiver.ok}
        self.cases, self.routes = [], []
        for name, answer in answers.items():
            server = receiver.Server(name, answer)
            stack.callback(server.stop)
            port = sandbox.free_port()
            self.routes.append((name, port, server.port))
            host = "localhost" if name == "tls" else "127.0.0.1"
            log = self.gone if name == "gone" else ""
            self.cases.append(Case(name, f"{host}:{port}", "" if name == "tls" else PLAIN,
                                   calls_of(server), log))
            self.one = server
        conf = os.path.join(directory, f"{self.name}.json")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(self.configuration())
        stack.enter_context(sandbox.running(self.command(conf), f"{conf}.log"))
        for _, port, _ in self.routes:
            sandbox.wait_for(f"{self.name}, port {port}", lambda port=port: sandbox.listens(port))

    def stop_one(self):
        self.one.stop()

    def start_one(self):
        self.one.start()


class Envoy(Proxy):
    name = "envoy"
    gone = "{at} answers UNAVAILABLE (14): upstream connect error"

    def __init__(self):
        self.program = program("envoy", f"{sys.prefix}/lib/python3*/site-packages/envoy/_bin/envoy")
        self.version = re.search(r"/(\d+\.\d+\.\d+)", output([self.program, "--version"]))[1]

    def command(self, conf):
        return [self.program, "-c", conf, "-l", "error", "--concurrency", "1",
                "--disable-hot-restart"]

    def configuration(self):
        listeners, clusters = [], []
        for name, port, to in self.routes:
            limits = {"common_http_protocol_options": {"max_connection_duration": f"{AGE // 1000}s"}}
            if name == "tls":
                ping = {"interval": f"{PING // 1000}s", "timeout": "3600s"}
                limits = {"http2_protocol_options": {"connection_keepalive": ping}}
            manager = {
                "@type": "type.googleapis.com/envoy.extensions.filters.network"
                         ".http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "codec_type": "HTTP2",
                **limits,
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
                "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [
                    {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "30s"}}]}]},
            }
            chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager",
                                  "typed_config": manager}]}
            if name == "tls":
                files = {"certificate_chain": {"filename": self.certificate},
                         "private_key": {"filename": self.key}}
                chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
                             ".DownstreamTlsContext",
                    "common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [files]}}}
            listeners.append({"name": name, "address": address(port), "filter_chains": [chain]})
            endpoint = {"endpoint": {"address": address(to)}}
            clusters.append({
                "name": name, "type": "STATIC",
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3"
                                 ".HttpProtocolOptions",
                        "explicit_http_config": {"http2_protocol_options": {}}}}})
        return json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}})


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Nginx(Proxy):
    name = "nginx"
    # It answers with a page of its own, whose status gRPC's list makes UNAVAILABLE.
    gone = "{at} answers UNAVAILABLE (14): HTTP status 502"

    def __init__(self):
        self.program = program("nginx", f"{BROUGHT}/nginx/usr/sbin/nginx")
        self.version = output([self.program, "-v"]).rpartition("/")[2]

    def command(self, conf):
        return [self.program, "-p", self.directory, "-c", conf, "-e", "stderr"]

    def configuration(self):
        places = "".join(f"{kind}_temp_path {self.directory}/nginx-{kind};\n" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        servers = ""
        for name, port, to in self.routes:
            tls = name == "tls"
            servers += (
                f"server {{ listen 127.0.0.1:{port} {'ssl ' * tls}http2;\n"
                + f"ssl_certificate {self.certificate}; ssl_certificate_key {self.key};\n" * tls
                + f"keepalive_timeout {AGE // 1000 if name == 'plain' else 75}s;\n"
                f"location / {{ grpc_pass grpc://127.0.0.1:{to}; }} }}\n")
        # The workers of a master that is root are another user, who may not enter the directory.
        user = "user root;\n" * (os.geteuid() == 0)
        return (f"{user}daemon off; worker_processes 1; pid {self.directory}/nginx.pid;\n"
                f"error_log stderr error; events {{ }}\n"
                f"http {{ access_log off; client_max_body_size 8m;\n{places}{servers}}}\n")
