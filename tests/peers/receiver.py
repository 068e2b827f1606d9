"""Servers of grpcio for OTLP, each with an answer of its own. Messages are parsed by OTLP's own
classes."""

import concurrent.futures
import os
import subprocess
import threading
import time

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

METHOD = "opentelemetry.proto.collector.metrics.v1.MetricsService"
# google.rpc.Status with code 8 and one detail: its type, and RetryInfo of 3 s.
TYPE = b"type.googleapis.com/google.rpc.RetryInfo"
DETAIL = b"\x0a" + bytes([len(TYPE)]) + TYPE + b"\x12\x04\x0a\x02\x08\x03"
RETRY_INFO = b"\x08\x08\x1a" + bytes([len(DETAIL)]) + DETAIL


class Server:
    """One destination. `answer(number, context)` gives the answer to a call, counted from 1."""

    def __init__(self, name, answer, credentials=None, more=""):
        self.name, self.answer, self.more = name, answer, more
        self.calls, self.lock = [], threading.Lock()
        self.credentials, self.port = credentials, 0
        self.start()

    def start(self):
        """Serves, after `stop` on the same port as before."""
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(self.call)
        handlers = grpc.method_handlers_generic_handler(METHOD, {"Export": handler})
        self.server.add_generic_rpc_handlers((handlers,))
        if self.credentials:
            self.port = self.server.add_secure_port(f"localhost:{self.port}", self.credentials)
        else:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()

    def stop(self):
        self.server.stop(None).wait()

    def call(self, raw, context):
        message = ExportMetricsServiceRequest.FromString(raw)
        with self.lock:
            self.calls.append((time.monotonic(), message, raw, dict(context.invocation_metadata())))
            number = len(self.calls)
        return self.answer(number, context).SerializeToString()

    def settings(self):
        host = "localhost" if "ca_file" in self.more else "127.0.0.1"
        return f'[[otlp]]\nendpoint = "{host}:{self.port}"\n{self.more}\n'


def ok(_number, _context):
    return ExportMetricsServiceResponse()


def partial(_number, _context):
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = 2
    answer.partial_success.error_message = "zwei Punkte abgelehnt: größer"
    return answer


def failing(code, times, details=None):
    def answer(number, context):
        if number <= times:
            if details:
                context.set_trailing_metadata((("grpc-status-details-bin", details),))
            context.abort(code, f"as the test wants, {number}")
        return ExportMetricsServiceResponse()

    return answer


def certificates(directory):
    """Paths of a certificate for localhost, which is its own authority, and of its key."""
    key, pem = os.path.join(directory, "key.pem"), os.path.join(directory, "ca.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", pem, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return pem, key


def credentials(certificate, key):
    with open(key, "rb") as key, open(certificate, "rb") as chain:
        return grpc.ssl_server_credentials([(key.read(), chain.read())])


def points(message):
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = metric.sum if metric.HasField("sum") else metric.gauge
                for point in data.data_points:
                    yield metric, point
