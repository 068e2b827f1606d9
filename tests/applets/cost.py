"""Processor time, peak memory and time of each applet and its official counterpart."""

import ctypes
import os
import shlex
import signal
import statistics
import string
import subprocess
import time

import stage as stages

RUNS = 20
# Runs of which the memory is read: it hardly changes.
TRACED = 5
# Processes besides the harness's own, so that those that look at all of them have work.
SLEEPERS = 100

# A typical call of each applet: name, arguments, files.
CALLS = (
    ("check-disk", "-w 10% -c 5% -p $SMALL", stages.nothing),
    ("check-load", "-w 5,4,3 -c 9,8,7", stages.nothing),
    ("check-procs", "-p quokka-alpha", stages.nothing),
    ("check-uptime", "--warning-under 600", stages.nothing),
    ("check-file-age", "-f $DIR/young -w 240 -c 600", stages.files),
    ("check-file-size", "-b $DIR/tree -d 9 -w 1G -c 2G", stages.tree),
    ("check-log", "-f $DIR/log -p ERROR --check-first", stages.log),
    ("check-tcp", "-H 127.0.0.1 --service smtp", stages.nothing),
    ("check-http", "-u http://127.0.0.1:$HTTP/ -p Hello", stages.nothing),
    ("check-http", "-u https://localhost:$TLS/ --ca-file $CERTS/ca.pem", stages.nothing),
    ("check-ssl-cert", "-H localhost --ca-file $CERTS/ca.pem", stages.nothing),
    ("check-cert-file", "-f $CERTS/good.pem", stages.nothing),
    ("check-ping", "-H 127.0.0.1 -w 20", stages.nothing),
    ("check-dns", "-H example.test -s 127.0.0.1", stages.nothing),
    ("check-ntpoffset", "-s 127.0.0.1", stages.nothing),
    ("check-mailq", "", stages.mail(5)),
    ("check-debian-reboot-required", "-dir $DIR/with", stages.reboot),
    ("mackerel-plugin-linux", "--type swap --type proc_stat --type diskstats", stages.nothing),
    ("mackerel-plugin-linux", "", stages.nothing),
    ("mackerel-plugin-uptime", "", stages.nothing),
    ("mackerel-plugin-inode", "", stages.nothing),
    ("mackerel-plugin-multicore", "", stages.nothing),
    ("mackerel-plugin-conntrack", "", stages.nothing),
    ("mackerel-plugin-proc-fd", "-process quokka-alpha", stages.nothing),
    ("mackerel-plugin-docker", "", stages.nothing),
)

HEAD = ("call", "exit", "CPU, ms", "", "time, ms", "", "peak, kB", "", "own pages, kB", "")


def measure(stage, options):
    """Prints a table of the calls: for each figure Go's median and the applet's."""
    # The counters of this machine: constant ones are no work, and none to Go's plugins.
    for name in ("stat", "vmstat", "loadavg"):
        subprocess.run(("umount", f"/proc/{name}"), check=True)
    for _ in range(SLEEPERS):
        os.posix_spawn("/bin/sleep", ["quokka-sleeper", "100000"], {"LANG": "C"})
    print(f"medians of {RUNS} calls, among {SLEEPERS} other processes: Go's, then the applet's;")
    print("processor time includes that of programs that a plugin starts; memory is the plugin's alone\n")
    print("| " + " | ".join(HEAD) + " |\n|---|" + "--:|" * (len(HEAD) - 1))
    for number, (applet, arguments, files) in enumerate(CALLS):
        if options.words and not any(word in f"{applet} {arguments}" for word in options.words):
            continue
        place = os.path.join(stage.top, f"cost-{number}")
        os.makedirs(os.path.join(place, "work"))
        files(place)
        text = string.Template(arguments).substitute({**stage.values, "DIR": place})
        environment = {
            "PATH": f"{place}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": place,
            "LANG": "C",
            "TZ": "UTC",
            "MACKEREL_PLUGIN_WORKDIR": f"{place}/work",
        }
        sides = (
            [os.path.join(options.go, applet)],
            [options.agent, applet],
        )
        sides = [[*words, *shlex.split(text)] for words in sides]
        found = [[], []]
        for _ in range(RUNS):
            for side, words in enumerate(sides):
                if os.access(words[0], os.X_OK):
                    found[side].append(_spent(words, environment))
        memory = [
            [_traced(words, environment) for _ in range(TRACED)] if os.access(words[0], os.X_OK) else []
            for words in sides
        ]
        exits = "/".join(str(runs[-1][2]) if runs else "-" for runs in found)
        cells = [f"{applet} {arguments}".strip(), exits]
        for index, form in ((0, ".1f"), (1, ".1f")):
            cells += [_median([run[index] * 1000 for run in runs], form) for runs in found]
        for index in (0, 1):
            cells += [_median([run[index] for run in runs], ".0f") for runs in memory]
        print("| " + " | ".join(cells) + " |", flush=True)
    return 0


def _median(values, form):
    return format(statistics.median(values), form) if values else "-"


def _spent(words, environment):
    """Seconds of processor time (with that of its children), seconds until it ended, exit code."""
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    begin = time.perf_counter()
    child = os.posix_spawn(words[0], words, environment, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    took = time.perf_counter() - begin
    return usage.ru_utime + usage.ru_stime, took, os.waitstatus_to_exitcode(status)


TRACEME, CONT, SETOPTIONS = 0, 7, 0x4200
OPTION_EXIT, OPTION_KILL, EVENT_EXIT = 0x40, 0x100000, 6
WALL = 0x40000000


def _traced(words, environment):
    """Largest resident memory (VmHWM) and anonymous memory (RssAnon), in kB, as the process exits.

    A process's ru_maxrss is no use: it begins with that of the process that started it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            libc.ptrace(TRACEME, 0, None, None)
            os.execve(words[0], words, environment)
        finally:
            os._exit(127)
    os.waitpid(child, WALL)
    libc.ptrace(SETOPTIONS, child, None, OPTION_EXIT | OPTION_KILL)
    libc.ptrace(CONT, child, None, None)
    figures = (0, 0)
    while True:
        _, status = os.waitpid(child, WALL)
        if not os.WIFSTOPPED(status):
            return figures
        forward = os.WSTOPSIG(status)
        if status >> 16 == EVENT_EXIT:
            figures = _memory(child)
        if forward == signal.SIGTRAP:
            forward = None
        libc.ptrace(CONT, child, None, forward)


def _memory(child):
    found = {}
    with open(f"/proc/{child}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("VmHWM", "RssAnon"):
                found[name] = int(value.split()[0])
    return found.get("VmHWM", 0), found.get("RssAnon", 0)
