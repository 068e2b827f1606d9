"""The machine that plugins are shown: namespaces in which mounts, network, processes, the host's name
and some files of /proc are the harness's own, so that outputs do not depend on the machine.

`enter` returns in a child process that is the first one of its process namespace. Needs root, or
user namespaces.
"""

import contextlib
import ctypes
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import time

NEWNS, NEWUTS, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x04000000, 0x10000000, 0x20000000, 0x40000000
# The host's name. No other word of an output is the same.
HOST = "quokka-host"

# Files of /proc that plugins read, with fixed contents. Two processors; `STAT_LATER` is three
# seconds after `STAT`.
LOADAVG = "0.50 1.25 2.00 2/345 6789\n"
STAT = """cpu  1000 100 500 8000 200 50 25 10 5 1
cpu0 600 50 300 4000 100 30 15 5 3 1
cpu1 400 50 200 4000 100 20 10 5 2 0
intr 100000 1 2 3
ctxt 200000
btime 1700000000
processes 3000
procs_running 1
procs_blocked 0
softirq 1000 1 2 3
"""
STAT_LATER = """cpu  1150 110 560 8350 210 60 30 15 8 1
cpu0 700 55 340 4135 105 35 18 8 5 1
cpu1 450 55 220 4215 105 25 12 7 3 0
intr 100600 1 2 3
ctxt 201200
btime 1700000000
processes 3060
procs_running 1
procs_blocked 0
softirq 1000 1 2 3
"""
VMSTAT = "nr_free_pages 1000\npgpgin 5000\npswpin 120\npswpout 340\npgfault 9\n"
VMSTAT_LATER = "nr_free_pages 1000\npgpgin 5000\npswpin 180\npswpout 460\npgfault 9\n"

# Block devices: name, directory, whether it is removable.
DISKS = (
    ("vda", "pci0000:00/block/vda", 0),
    ("sdb", "pci0000:00/block/sdb", 0),
    ("sr0", "pci0000:00/block/sr0", 1),
    ("loop0", "virtual/block/loop0", 0),
    ("fioa", "virtual/block/fioa", 0),
)
DISK_STAT = "  1000 0 8000 400 2000 0 16000 900 0 700 1300 0 0 0 0 0 0\n"
DISK_STAT_LATER = "  1100 0 8800 460 2300 0 18400 1080 0 800 1540 0 0 0 0 0 0\n"

# Entries of the table of connections, and their maximum.
CONNECTIONS, CONNECTIONS_MAXIMUM = 17, 65536

# A container of Docker: its control group (version 2), and what Docker's API says of it.
CONTAINER = "0123456789ab" + "cd" * 26
SCOPE = f"/sys/fs/cgroup/system.slice/docker-{CONTAINER}.scope"
# Microseconds of user and system time, bytes, bytes and calls of reading and writing.
USED = {"user": 1000000, "system": 500000, "anon": 1048576, "file": 2097152, "rw": (4096, 8192, 1, 2)}
USED_LATER = {"user": 1600000, "system": 800000, "anon": 1572864, "file": 2097152, "rw": (8192, 40960, 2, 10)}
# Ticks of all processors, as Docker adds them up, in STAT and in STAT_LATER.
TICKS, TICKS_LATER = 9875, 10470

_is_later = False

# Users who are logged in, by terminal.
LOGINS = ("pts/0", "pts/1", "tty1")


class Unavailable(Exception):
    """Namespaces cannot be had here; the text says why."""


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _call(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def enter():
    """Continues in namespaces of its own; the first process waits and exits with the same code."""
    _keep_descriptors()
    uid, gid = os.geteuid(), os.getegid()
    flags = NEWNS | NEWUTS | NEWPID | NEWNET | (NEWUSER if uid else 0)
    if _libc().unshare(flags) != 0:
        raise Unavailable(f"no namespaces: {os.strerror(ctypes.get_errno())}")
    if uid:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        sys.stdout.flush()
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    socket.sethostname(HOST)
    # Ends with the process that started it: PR_SET_PDEATHSIG.
    _libc().prctl(1, signal.SIGKILL)


def _keep_descriptors():
    """Keeps open files that the harness was started with from the processes that it starts:
    mackerel-plugin-proc-fd counts theirs."""
    for name in os.listdir("/proc/self/fd"):
        # One is of the listing itself, and closed by now.
        with contextlib.suppress(OSError):
            os.set_inheritable(int(name), int(name) <= 2)


def furnish(top):
    """Mounts what plugins are to see; `top` is the directory of the harness."""
    _call("mount", "--make-rprivate", "/")
    _call("mount", "-t", "proc", "proc", "/proc")
    _loopback_up()
    # What is mounted below them would be listed, but not be reached.
    for place in ("/run", "/sys/fs/cgroup"):
        subprocess.run(("umount", "--lazy", "--recursive", place), check=False, stderr=subprocess.DEVNULL)
    # /run has no socket or file of this machine.
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.mkdir("/run/shm")
    _logins("/run/utmp")
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("hosts", "127.0.0.1 localhost\n")):
        _cover(os.path.join(top, name), os.path.realpath(f"/etc/{name}"), text)
    for name, text in (("loadavg", LOADAVG), ("stat", STAT), ("vmstat", VMSTAT)):
        _cover(os.path.join(top, name), f"/proc/{name}", text)
    _call("mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
    container(False)
    _call("mount", "-t", "tmpfs", "tmpfs", "/sys/block")
    for name, place, _ in DISKS:
        os.makedirs(f"/run/devices/{place}")
        os.symlink(f"/run/devices/{place}", f"/sys/block/{name}")
    disks(False)
    _call("mount", "-t", "tmpfs", "tmpfs", "/proc/sys/net")
    os.mkdir("/proc/sys/net/netfilter")
    _write("/proc/sys/net/netfilter/nf_conntrack_count", f"{CONNECTIONS}\n")
    for name in ("nf_conntrack_max", "netfilter/nf_conntrack_max"):
        _write(f"/proc/sys/net/{name}", f"{CONNECTIONS_MAXIMUM}\n")
    small = os.path.join(top, "small")
    os.mkdir(small)
    # 8 MiB and 100 inodes: 2 MiB and 11 inodes are used.
    _call("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=100", "/dev/quokka", small)
    with open(os.path.join(small, "data"), "wb") as file:
        file.write(bytes(2 << 20))
    for number in range(9):
        open(os.path.join(small, f"empty-{number}"), "wb").close()
    # One whose inodes are not limited: it has none, as btrfs.
    unlimited = os.path.join(top, "unlimited")
    os.mkdir(unlimited)
    _call("mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=0", "/dev/wombat", unlimited)
    return {"SMALL": small, "UNLIMITED": unlimited}


def _cover(source, target, text):
    """Mounts a file with `text` over `target`."""
    if not os.path.exists(target):
        if not target.startswith("/run/"):
            raise Unavailable(f"no {target}")
        # A link into the directory that is empty here.
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    with open(source, "w", encoding="ascii") as file:
        file.write(text)
    _call("mount", "--bind", source, target)


def _loopback_up():
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        # SIOCSIFFLAGS with IFF_UP | IFF_LOOPBACK | IFF_RUNNING.
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x8 | 0x40))


def container(later):
    """Writes the files of the container's control group, as of the begin or three seconds later."""
    global _is_later
    _is_later = later
    used = USED_LATER if later else USED
    os.makedirs(SCOPE, exist_ok=True)
    total = used["user"] + used["system"]
    _write("/sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n")
    _write(f"{SCOPE}/cpu.stat", f"usage_usec {total}\nuser_usec {used['user']}\nsystem_usec {used['system']}\n")
    _write(f"{SCOPE}/memory.stat", f"anon {used['anon']}\nfile {used['file']}\nkernel 4096\n")
    _write(f"{SCOPE}/memory.current", f"{used['anon'] + used['file']}\n")
    read, written, reads, writes = used["rw"]
    _write(f"{SCOPE}/io.stat", f"8:0 rbytes={read} wbytes={written} rios={reads} wios={writes} dbytes=0 dios=0\n")


def disks(later):
    """Writes the files of the block devices, as of the begin or later."""
    for name, place, removable in DISKS:
        _write(f"/run/devices/{place}/removable", f"{removable}\n")
        _write(f"/run/devices/{place}/stat", DISK_STAT_LATER if later else DISK_STAT)


def statistics():
    """The answer of Docker's API that belongs to these files and to /proc/stat."""
    used = USED_LATER if _is_later else USED
    usage = {
        "total_usage": (used["user"] + used["system"]) * 1000,
        "usage_in_usermode": used["user"] * 1000,
        "usage_in_kernelmode": used["system"] * 1000,
    }
    ticks = TICKS_LATER if _is_later else TICKS
    processors = {"cpu_usage": usage, "system_cpu_usage": ticks * 10000000, "online_cpus": 2}
    read, written, _, _ = used["rw"]
    return {
        "read": "2026-11-29T00:00:00Z",
        "preread": "2026-11-28T23:59:59Z",
        "cpu_stats": processors,
        "precpu_stats": processors,
        "memory_stats": {"usage": used["anon"] + used["file"], "stats": {"anon": used["anon"], "file": used["file"]}},
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"major": 8, "minor": 0, "op": "read", "value": read},
                {"major": 8, "minor": 0, "op": "write", "value": written},
            ],
        },
        "name": "/web",
        "id": CONTAINER,
    }


def _logins(path):
    with open(path, "wb") as file:
        for line in LOGINS:
            file.write(
                struct.pack(
                    "<hxxi32s4s32s256shhiii16s20x",
                    7, 1, line.encode(), line[-2:].encode(), b"quokka", b"", 0, 0, 0,
                    int(time.time()) - 600, 0, bytes(16),
                )
            )  # fmt: skip


def processes(top):
    """Starts the processes that check-procs looks for; returns their ids by name.

    `quokka-alpha` twice, `quokka-beta` once, and `quokkazombie`, which has ended and is not waited
    for. Their standard files are open, whatever those of the harness are: mackerel-plugin-proc-fd
    counts them.
    """
    ids = {}
    files = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)]
    for name in ("quokka-alpha", "quokka-alpha", "quokka-beta"):
        words = [name, "100000"]
        ids[name] = os.posix_spawn("/bin/sleep", words, {"LANG": "C"}, file_actions=files)
    program = os.path.join(top, "quokkazombie")
    with open("/bin/true", "rb") as source, open(program, "wb") as target:
        target.write(source.read())
    os.chmod(program, 0o755)
    ids["quokkazombie"] = os.posix_spawn(program, ["quokkazombie"], {}, file_actions=files)
    return ids


def user():
    """The name of the user that plugins run as, here."""
    return pwd.getpwuid(os.geteuid()).pw_name
