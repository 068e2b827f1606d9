#!/usr/bin/env python3
"""tests/peers/grpcio_server.py [--tls KEY CERTIFICATE] [--max-bytes N]: a receiver of OTLP metrics by grpcio and
opentelemetry-proto (PyPI), on a port of its own on loopback.

Prints JSON, a line each. First {"port": N}; then for each call what came: "connection" (the peer's address), "metadata", "timeout"
in seconds, "bytes", and "metrics": [resource attributes, scope, name, kind, unit, points]. Metadata that is binary is in
hexadecimal. With --raw also "message", in hexadecimal.

Reads JSON from standard input, a line each: what to answer to the next calls, in order. No line: OK.

    {"code": 8, "message": "slow down", "retry": 7.5}       a status, with RetryInfo if "retry" is there
    {"rejected": 3, "message": "too old"}                   OK with partial_success
    {"delay": 2}                                            seconds before the answer; with the others, too

Ends with standard input. Needs: pip install grpcio opentelemetry-proto googleapis-common-protos
"""

import argparse
import json
import queue
import sys
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service_grpc

answers = queue.SimpleQueue()
printing = threading.Lock()


def say(line):
    with printing:
        print(json.dumps(line), flush=True)


def value(any_value):
    kind = any_value.WhichOneof("value")
    return str(getattr(any_value, kind)) if kind else None


def attributes(found):
    return {one.key: value(one.value) for one in found}


def point(found):
    number = found.WhichOneof("value")
    return {
        "attributes": attributes(found.attributes),
        "start": found.start_time_unix_nano,
        "time": found.time_unix_nano,
        "value": getattr(found, number) if number else None,
    }


def metrics(request):
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind) if kind else None
                yield {
                    "resource": attributes(resource.resource.attributes),
                    "scope": [scope.scope.name, scope.scope.version],
                    "name": metric.name,
                    "kind": kind,
                    "unit": metric.unit,
                    "monotonic": getattr(data, "is_monotonic", None),
                    "temporality": getattr(data, "aggregation_temporality", None),
                    "points": [point(one) for one in getattr(data, "data_points", [])],
                }


def shown(raw):
    return raw.hex() if isinstance(raw, bytes) else raw


class Receiver(service_grpc.MetricsServiceServicer):
    def __init__(self, raw):
        self.raw = raw

    def Export(self, request, context):
        message = request.SerializeToString()
        line = {
            "connection": context.peer(),
            "metadata": {key: shown(text) for key, text in context.invocation_metadata()},
            "timeout": context.time_remaining(),
            "bytes": len(message),
            "metrics": list(metrics(request)),
        }
        if self.raw:
            line["message"] = message.hex()
        say(line)
        try:
            answer = answers.get_nowait()
        except queue.Empty:
            answer = {}
        time.sleep(answer.get("delay", 0))
        if "code" in answer:
            context.abort_with_status(status(answer))
        response = service.ExportMetricsServiceResponse()
        if "rejected" in answer:
            response.partial_success.rejected_data_points = answer["rejected"]
            response.partial_success.error_message = answer.get("message", "")
        return response


class Status(grpc.Status):
    def __init__(self, code, details, trailing_metadata):
        self.code, self.details, self.trailing_metadata = code, details, trailing_metadata


def status(answer):
    text = answer.get("message", "")
    code = next(code for code in grpc.StatusCode if code.value[0] == answer["code"])
    if "retry" not in answer:
        return Status(code, text, ())
    nanos = round(answer["retry"] * 1e9)
    delay = duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    details = status_pb2.Status(code=answer["code"], message=text, details=[detail])
    return Status(code, text, (("grpc-status-details-bin", details.SerializeToString()),))


def main():
    parser = argparse.ArgumentParser(description="receives OTLP metrics over gRPC")
    parser.add_argument("--tls", nargs=2, metavar=("KEY", "CERTIFICATE"), help="files in PEM")
    parser.add_argument("--max-bytes", type=int, default=4 << 20, help="of a message")
    parser.add_argument("--raw", action="store_true", help="print messages in hexadecimal, too")
    arguments = parser.parse_args()
    options = [("grpc.max_receive_message_length", arguments.max_bytes)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=options)
    service_grpc.add_MetricsServiceServicer_to_server(Receiver(arguments.raw), server)
    if arguments.tls:
        key, certificate = (open(path, "rb").read() for path in arguments.tls)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say({"port": port})
    for line in sys.stdin:
        answers.put(json.loads(line))
    server.stop(None)


main()
