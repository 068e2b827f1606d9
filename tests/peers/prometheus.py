"""prometheus.py AGENT: the exposition of a running agent, checked by promtool, scraped by Prometheus,
and compared with node_exporter on the same machine, sample by sample."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

import sandbox

TOKEN = "a-token"
SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Gauges that change from moment to moment: both have to be there, and of one magnitude.
VOLATILE = ("node_memory_", "node_load", "node_procs_", "node_filefd_allocated", "node_time_seconds",
            "node_filesystem_", "node_disk_io_now", "node_vmstat_")
# Comparisons, of which one has to be without a difference. Other processes change the machine between
# the measurements of one: they mount and unmount, and write gigabytes.
TRIES = 3
# node_exporter's own pattern, in place of Debian's, which leaves out /mnt, /media and /run.
MOUNTS = (r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)"
          r"($|/)")


def is_not_of_init(labels):
    """node_exporter reads the mounts of process 1, which may be in another namespace."""
    with open("/proc/1/mountinfo", encoding="utf-8", errors="replace") as file:
        points = {line.split()[4] for line in file}
    return labels.get("mountpoint", "").replace(" ", "\\040") not in points


# Where the two differ, and why.
ONLY_THEIRS = {
    # node_exporter before 1.7 shows compressed RAM disks.
    "node_disk_": lambda labels: labels.get("device", "").startswith("zram"),
    # Debian's version has more collectors.
    "node_scrape_collector_success": lambda labels: True,
}
ONLY_OURS = {
    "node_filesystem_": is_not_of_init,
    # Debian's version leaves the loopback interface out.
    "node_network_": lambda labels: labels.get("device") == "lo",
}


def samples(text):
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        name, labels, value = SAMPLE.match(line).groups()
        # A label without a value is the same as none.
        labels = tuple(sorted((key, to) for key, to in LABEL.findall(labels or "") if to))
        found[name, labels] = float(value)
    return found


def is_excused(excuses, name, labels):
    return any(name.startswith(prefix) and excuse(dict(labels)) for prefix, excuse in excuses.items())


def compare(before, theirs, after):
    """The samples of node_exporter, and those of the agent before and after it."""
    families = {name for name, _ in before} & {name for name, _ in theirs}
    wrong, compared = [], 0
    for name, labels in sorted(set(before) | set(theirs)):
        if name not in families:
            continue
        key = name, labels
        # What comes or goes between two of the measurements is no difference.
        was, remains = key in before, key in after
        if key not in theirs:
            if was and remains and not is_excused(ONLY_OURS, name, labels):
                wrong.append(f"node_exporter lacks {key}")
        elif not was and not remains:
            if not is_excused(ONLY_THEIRS, name, labels):
                wrong.append(f"the agent lacks {key}")
        elif was and remains:
            compared += 1
            low, value, high = before[key], theirs[key], after[key]
            if name.startswith(VOLATILE):
                slack = 0.5 * abs(value) + (64 << 20)
            else:
                # The kernel's idle and iowait time of a core goes back by some ticks at times.
                slack = 0.05 if name == "node_cpu_seconds_total" else 1e-6
            is_right = min(low, high) - slack <= value <= max(low, high) + slack
            if not is_right:
                wrong.append(f"{key}: {low}, node_exporter {value}, {high}")
    return families, compared, wrong


def check_by_promtool(text, known):
    """Findings other than the names that node_exporter has, too."""
    ended = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                           capture_output=True, check=False)
    findings = ended.stderr.splitlines()
    camel = [line.split()[0] for line in findings if "not 'camelCase'" in line]
    others = [line for line in findings if "not 'camelCase'" not in line and line]
    new = sorted(set(camel) - known)
    assert not others and not new, (others, new)
    return camel


def scrape_by_prometheus(port):
    """Has Prometheus scrape the agent with its token, and asks it for two values."""
    web = sandbox.free_port()
    with tempfile.TemporaryDirectory() as directory:
        conf = os.path.join(directory, "prometheus.yml")
        with open(conf, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": [{"job_name": "agent",
                                           "authorization": {"credentials": TOKEN},
                                           "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
                      file)
        command = ["prometheus", f"--config.file={conf}", f"--storage.tsdb.path={directory}/data",
                   f"--web.listen-address=127.0.0.1:{web}"]

        def value(query):
            query = urllib.parse.urlencode({"query": query})
            status, body = sandbox.get(f"http://127.0.0.1:{web}/api/v1/query?{query}")
            # While Prometheus starts, it answers 503 with a plain text.
            result = status == 200 and json.loads(body)["data"]["result"]
            return result and float(result[0]["value"][1])

        with sandbox.running(command, os.path.join(directory, "log")):
            assert sandbox.wait_for("up", lambda: value("up")) == 1
            idle = 'sum(irate(node_cpu_seconds_total[10s]))'
            cores = sandbox.wait_for("irate", lambda: value(idle))
            assert cores > 0.1, cores


def main(program):
    versions = [subprocess.run(words, capture_output=True, text=True, check=True)
                for words in (["promtool", "--version"], ["prometheus-node-exporter", "--version"])]
    print(*[(ended.stdout + ended.stderr).splitlines()[0] for ended in versions], sep="\n")
    port, other = sandbox.free_port(), sandbox.free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".token") as token:
        token.write(TOKEN + "\n")
        token.flush()
        settings = (f'mackerel = false\nlisten = "127.0.0.1:{port}"\n'
                    f'listen_token_file = "{token.name}"\n')
        url, header = f"http://127.0.0.1:{port}/metrics", {"Authorization": f"Bearer {TOKEN}"}
        exporter = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{other}",
                    f"--collector.filesystem.mount-points-exclude={MOUNTS}"]

        def ours():
            status, text = sandbox.get(url, header)
            assert status == 200, (status, text)
            return text

        with (sandbox.agent(program, settings),
              tempfile.TemporaryDirectory() as logs,
              sandbox.running(exporter, os.path.join(logs, "exporter"))):
            sandbox.wait_for("the agent's listener", lambda: sandbox.get(url)[0] == 401)
            theirs = f"http://127.0.0.1:{other}/metrics"
            sandbox.wait_for("node_exporter", lambda: sandbox.get(theirs)[0] == 200)
            for left in reversed(range(TRIES)):
                before = ours()
                status, between = sandbox.get(theirs)
                assert status == 200, (status, between)
                # The exposition is measured anew after a second.
                sandbox.wait_for("a new exposition", lambda: ours() != before)
                after = ours()
                families, compared, wrong = compare(*map(samples, (before, between, after)))
                if not wrong:
                    break
                print(*wrong, sep="\n")
                assert left, f"differences in each of {TRIES} comparisons; these are above"
            print(f"node_exporter: {len(families)} families, {compared} samples compared")
            camel = check_by_promtool(before, families)
            print(f"promtool: no findings but {len(camel)} names of node_exporter in camelCase")
            scrape_by_prometheus(port)
            print("prometheus: scrapes with the token")


main(sys.argv[1])
