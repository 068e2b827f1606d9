#!/usr/bin/env python3
"""A metric plugin in Python: processes by state, from /proc/<pid>/stat."""

import collections
import glob
import json
import os
import time

STATES = {"R": "running", "S": "sleeping", "D": "blocked", "Z": "zombie"}

if os.environ.get("MACKEREL_AGENT_PLUGIN_META") == "1":
    metrics = [
        {"name": name, "label": name, "stacked": True} for name in [*STATES.values(), "other"]
    ]
    graph = {"label": "Processes", "unit": "integer", "metrics": metrics}
    print("# mackerel-agent-plugin version=1")
    print(json.dumps({"graphs": {"processes": graph}}))
else:
    counts = collections.Counter()
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            continue  # it has ended meanwhile
        counts[STATES.get(state, "other")] += 1
    now = int(time.time())
    for name in [*STATES.values(), "other"]:
        print(f"processes.{name}\t{counts[name]}\t{now}")
