"""queries_live.py AGENT FAKE_SERVER: a running agent reports to the fake server, to Mackerel's API
and over OTLP. Prometheus' engine (promtool) evaluates the queries of docs/opentelemetry.md on
the points that have arrived, beside the values of the same time that have arrived at the API.

The agent reads a copy of the fixture two-core, whose files change after the first round. Both
outputs are made of the same readings, so that it does not matter when exactly they change."""

import json
import os
import shutil
import sys
import tempfile

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import queries
import sandbox

FIXTURE = "tests/fixtures/two-core/"
MOUNTS = ("srv", "home/media", "var")
RATES = {"disk": "system_disk_operations", "interface": "system_network_io"}
# Mackerel gets rates of rounds that are at least half a minute apart. Times are in whole seconds.
SHORTEST = 35
# Seconds until two rounds with different counters have arrived in both ways. A round is measured at
# each full minute, and sent at most 30 seconds later.
LIMIT = 240
# The agent writes a limited number of digits.
DIGITS = 1e-6


def records(directory, kind):
    """The content of the requests of this kind, oldest first."""
    names = sorted(name for name in os.listdir(directory) if name.startswith(kind + "-"))
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            yield file.read()


def posted(directory):
    """Mackerel's values: time to name to value."""
    found = {}
    for text in records(directory, "tsdb"):
        for one in json.loads(text):
            found.setdefault(one["time"], {})[one["name"]] = one["value"]
    return found


def received(directory):
    """The points, series to values by second, and the Unix time of second 0. Messages one after
    another are one message."""
    raw = b"".join(records(directory, "Export"))
    if not raw:
        raise FileNotFoundError("no message yet")
    request = ExportMetricsServiceRequest.FromString(raw)
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    first = getattr(metric, metric.WhichOneof("data")).data_points[0].time_unix_nano
    return queries.read(request)[0], first // 10**9


def times(points):
    """The seconds at which there are points."""
    return sorted({second for values in points.values() for second in values})


def is_before_a_long_one(directory):
    """Whether the next round after the last one that has arrived is late enough for rates: rounds
    are measured at full minutes, but for the first one."""
    points, start = received(directory)
    return (start + times(points)[-1]) % 60 <= 60 - SHORTEST


def pair(directory):
    """Two rounds, one after the other, with different counters, if Mackerel's values of the later
    one are there: the points of both, by 0 and the seconds between them, and those values."""
    points, start = received(directory)
    mackerel = posted(directory)
    seconds = times(points)
    for before, after in zip(seconds, seconds[1:]):
        both = {series: {at - before: values[at] for at in (before, after) if at in values}
                for series, values in points.items()}
        both = {series: values for series, values in both.items() if values}
        changed = {name for (name, _), values in both.items()
                   if len(values) == 2 and len(set(values.values())) == 2}
        if {"system_cpu_time", *RATES.values()} <= changed and start + after in mackerel:
            return both, after - before, mackerel[start + after]
    return None


def gone_back(points, span):
    """By group: the devices whose counter went back, and what the query counts from zero."""
    found = {}
    for group, metric in RATES.items():
        found[group] = {}
        for (name, labels), values in points.items():
            labels = dict(labels)
            if name == metric and len(values) == 2 and values[span] < values[0]:
                key = labels["device"], labels["direction"]
                found[group][key] = values[span] / span
    return found


def compare(points, span, mackerel, name):
    """Runs promtool. Returns the number of values, and the largest part by which a rate differs."""
    samples = queries.expected(mackerel, points, name, gone_back(points, span))
    missing = set(samples) ^ set(queries.queries())
    assert not missing, missing
    tests, series, at = [], [], f"{span}s"

    def put(labels, values):
        text = [repr(values[second]) if second in values else "_" for second in range(span + 1)]
        if span not in values:
            text[span] = "stale"
        series.append({"series": queries.selector(sorted(labels.items())),
                       "values": " ".join(text)})

    for (metric, labels), values in points.items():
        put({**dict(labels), "__name__": metric}, values)
    for heading, query in queries.queries().items():
        query = queries.promql(query).replace('"web1"', json.dumps(name))
        beside = "mackerel_" + heading.replace(".", "_")
        expected = []
        for labels, value in samples[heading]:
            labels = {key: text for key, text in labels.items() if key != "__name__"}
            put({**labels, "__name__": beside}, {span: value})
            expected.append({"labels": queries.selector(sorted(labels.items())), "value": 1})
        assert expected, f"{heading}: nothing arrived"
        # OTLP has times in whole seconds, Mackerel's rates are of the time between the readings.
        tolerance = 1 / span if heading in RATES else DIGITS
        tests.append({"expr": f"abs(({query}) - {beside}) <= bool {beside} * {tolerance!r}",
                      "eval_time": at, "exp_samples": expected})
        tests.append({"expr": f"count({query})", "eval_time": at,
                      "exp_samples": [{"labels": "{}", "value": len(expected)}]})
    queries.promtool("1s", series, tests)

    differences = [0.0]
    for group, metric in RATES.items():
        for labels, value in samples[group]:
            values = points[metric, tuple(sorted(labels.items()))]
            if values[span] > values[0]:
                differences.append(abs((values[span] - values[0]) / span / value - 1))
    return sum(map(len, samples.values())), max(differences)


def change(tree):
    """Replaces the files of the host by those of a minute later, each at once."""
    for directory, _, names in os.walk(FIXTURE + "t60"):
        for name in names:
            source = os.path.join(directory, name)
            target = os.path.join(tree, os.path.relpath(source, FIXTURE + "t60"))
            shutil.copyfile(source, target + ".new")
            os.rename(target + ".new", target)


def run(agent, fake_server, directory):
    """Returns the points of two rounds, the seconds between them, Mackerel's values of the later
    one, and the name of the host."""
    tree, record = os.path.join(directory, "host"), os.path.join(directory, "record")
    shutil.copytree(FIXTURE + "t0", tree, symlinks=True)
    os.mkdir(record)
    for mount in MOUNTS:
        os.makedirs(os.path.join(tree, mount))
    log = os.path.join(directory, "fake-server")
    command = [os.path.abspath(fake_server), "--otlp", "127.0.0.1:0", "--record", record]
    with sandbox.running(command, log):
        def addresses():
            with open(log, encoding="utf-8") as file:
                lines = file.read().split("\n")
            return lines[:2] if len(lines) > 2 else None

        base, collector = sandbox.wait_for("the fake server", addresses)
        settings = (f'apikey = "stand-in"\napibase = "{base}"\nhost_root = "{tree}"\n'
                    f'[[otlp]]\nendpoint = "{collector}"\ninsecure = true\n')
        with sandbox.agent(agent, settings):
            sandbox.wait_for("a round over OTLP", lambda: is_before_a_long_one(record), LIMIT)
            change(tree)
            found = sandbox.wait_for("two rounds", lambda: pair(record), LIMIT)
        host = json.loads(next(records(record, "hosts")))
    names = {value for (_, labels) in found[0] for key, value in labels if key == "host_name"}
    assert names == {host["name"]}, f"{names}, but {host['name']} is registered"
    return *found, host["name"]


def main():
    with tempfile.TemporaryDirectory() as directory:
        points, span, mackerel, name = run(sys.argv[1], sys.argv[2], directory)
    count, difference = compare(points, span, mackerel, name)
    print(f"promtool: {count} values of a running agent as on Mackerel, of two rounds {span} s "
          f"apart; rates differ by {difference * 100:.4f} % at most")


if __name__ == "__main__":
    sys.exit(main())
