"""queries.py: OTLP's own classes read the golden request of the fixture two-core, and Prometheus'
engine (promtool) evaluates the queries of docs/opentelemetry.md on its points. The results must be
the values that Mackerel gets of the same minute, or differ for a reason that is listed here."""

import json
import re
import subprocess
import sys
import tempfile

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

GOLDEN = "tests/golden/otlp/"
PAGE = "docs/opentelemetry.md"
CPU_STATES = {"wait": "iowait", "interrupt": "irq"}
DISK, NETWORK = {"read": "reads", "write": "writes"}, {"receive": "rx", "transmit": "tx"}
# What Mackerel has no value of, and the query has: counters that went back, which count from zero.
RESET = {
    "disk": {("sdb1", "write"): 20 / 60},
    "interface": {("eth0.100", "receive"): 1000 / 60},
}


def read(request):
    """The points of a request: series to values by second. Prometheus 2.42 has no dots in names."""
    plain = re.compile(r"[^a-zA-Z0-9_]").sub
    found, first, text = {}, None, []
    for resource in request.resource_metrics:
        own = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                if kind == "sum":
                    assert data.aggregation_temporality == 2, metric.name
                    kind = "counter" if data.is_monotonic else "updown"
                for point in data.data_points:
                    first = first or point.time_unix_nano
                    second = (point.time_unix_nano - first) // 10**9
                    labels = {one.key: one.value.string_value for one in point.attributes}
                    form = point.WhichOneof("value")
                    value = getattr(point, form)
                    shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
                    text.append(f"{second} {metric.name} {kind} {metric.unit} {{{shown}}} "
                                f"{form.removeprefix('as_')} {value:.17g}")
                    series = plain("_", metric.name), tuple(sorted(
                        (plain("_", key), value) for key, value in {**own, **labels}.items()))
                    found.setdefault(series, {})[second] = value
    return found, text


def queries():
    """Heading to query."""
    with open(PAGE, encoding="utf-8") as page:
        return dict(re.findall(r"^### (\S+)$[^#]*?^```promql\n(.+)\n```$", page.read(), re.M))


def expected(mackerel, points, name="web1", resets=None):
    """Heading to the samples that the query must give: labels and value."""
    resets = RESET if resets is None else resets
    states = "user nice system idle wait interrupt softirq steal".split()
    cpu = {state: mackerel[f"cpu.{CPU_STATES.get(state, state)}.percentage"] for state in states}
    cpu["user"] += mackerel["cpu.guest.percentage"]
    # Filesystems by device.
    mounts = {dict(labels)["device"]: {key: value for key, value in labels if key != "state"}
              for (name, labels) in points if name == "system_filesystem_usage"}

    def devices(group, metric, ends):
        for (name, labels) in points:
            labels = dict(labels)
            if name == metric:
                device, direction = labels["device"], labels["direction"]
                end = ends[direction] + ("Bytes.delta" if group == "interface" else ".delta")
                value = mackerel.get(f"{group}.{re.sub('[^a-zA-Z0-9_-]', '_', device)}.{end}",
                                     resets[group].get((device, direction)))
                if value is not None:
                    yield labels, value

    def filesystems(end, **more):
        for device, labels in mounts.items():
            segment = re.sub("[^a-zA-Z0-9_-]", "_", device.removeprefix("/dev/"))
            yield {**labels, **more}, mackerel[f"filesystem.{segment}.{end}"]

    host = {"host_name": name, "os_type": "linux"}
    return {
        "loadavg1": [({"__name__": "system_cpu_load_average_1m", **host}, mackerel["loadavg1"])],
        "cpu": [({"state": state}, value) for state, value in cpu.items()],
        "memory.used": [({"__name__": "system_memory_usage", "state": "used", **host},
                         mackerel["memory.used"])],
        "memory.total": [({"__name__": "system_memory_limit", **host}, mackerel["memory.total"])],
        "memory.mem_available": [({"__name__": "system_linux_memory_available", **host},
                                  mackerel["memory.mem_available"])],
        "memory.swap_free": [({}, mackerel["memory.swap_free"])],
        "memory.swap_total": [({}, mackerel["memory.swap_total"])],
        "disk": list(devices("disk", "system_disk_operations", DISK)),
        "interface": list(devices("interface", "system_network_io", NETWORK)),
        "filesystem.used": list(filesystems("used", state="used",
                                            __name__="system_filesystem_usage")),
        "filesystem.size": list(filesystems("size")),
    }


def of_each_core(points):
    """The same points with CPU time for each of two cores, as with `per_cpu`."""
    for (name, labels), values in points.items():
        if name != "system_cpu_time":
            yield (name, labels), values
            continue
        for cpu in "cpu0", "cpu1":
            half = {second: value / 2 for second, value in values.items()}
            yield (name, tuple(sorted((*labels, ("cpu", cpu))))), half


def selector(labels):
    pairs = ",".join(f"{key}={json.dumps(value)}" for key, value in labels if key != "__name__")
    return f"{dict(labels).get('__name__', '')}{{{pairs}}}"


def promql(query):
    """The query as Prometheus 2.42 reads it."""
    query = re.sub(r"[a-z]+(\.[a-z0-9_]+)+", lambda name: name[0].replace(".", "_"), query)
    return query.replace("$__rate_interval", "2m")


def evaluate(points, samples):
    """Runs promtool. It compares exactly, so that values are rounded to a billionth."""
    tests = []
    for heading, query in queries().items():
        query = promql(query)
        keeps_name = any("__name__" in labels for labels, _ in samples[heading])
        if not keeps_name:
            query = f"round(({query}) * 1e9) / 1e9"
        tests.append({"expr": query, "eval_time": "1m", "exp_samples": [
            {"labels": selector(sorted(labels.items())),
             "value": value if keeps_name else round(value * 1e9) / 1e9}
            for labels, value in samples[heading]]})
    series = [{"series": selector((*labels, ("__name__", name))),
               "values": " ".join(repr(values[at]) if at in values else "_" for at in (0, 60))}
              for (name, labels), values in points.items()]
    promtool("1m", series, tests)
    return len(tests)


def promtool(interval, series, tests):
    """Evaluates `tests` on `series`, which have a value each `interval`."""
    document = {"evaluation_interval": interval, "tests": [
        {"interval": interval, "input_series": series, "promql_expr_test": tests}]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump(document, file)
        file.flush()
        ended = subprocess.run(["promtool", "test", "rules", file.name], capture_output=True,
                               text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def main():
    with open(GOLDEN + "request.bin", "rb") as file:
        raw = file.read()
    request = ExportMetricsServiceRequest.FromString(raw)
    assert request.SerializeToString() == raw, "another serialisation"
    points, text = read(request)

    def normal(line):
        before, value = line.rsplit(" ", 1)
        return before, float(value)

    with open(GOLDEN + "default.txt", encoding="utf-8") as file:
        golden = [normal(line) for line in file.read().splitlines()]
    assert [normal(line) for line in text] == golden, "other points"
    print(f"protobuf: {len(golden)} points, and the same {len(raw)} bytes")

    with open(GOLDEN + "mackerel.txt", encoding="utf-8") as file:
        mackerel = {name: float(value) for name, value in map(str.split, file)}
    samples = expected(mackerel, points)
    missing = set(samples) ^ set(queries())
    assert not missing, f"{PAGE}: {missing}"
    count = evaluate(points, samples)
    evaluate(dict(of_each_core(points)), samples)
    print(f"promtool: {count} queries, {sum(map(len, samples.values()))} values as on Mackerel, "
          "with CPU time of all cores and of each")


if __name__ == "__main__":
    sys.exit(main())
