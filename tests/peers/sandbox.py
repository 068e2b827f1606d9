"""An agent in a directory of its own, and other programs beside it, on loopback."""

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# Seconds until something that comes by itself has to be there.
SOON = 120
# Ports for servers: the kernel takes none of them for a connection that goes out.
PORTS = range(10_000, 32_000)
given = set()

# Ends what was started, also after `kill`.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def free_port():
    """A port of the loopback address that nobody has, and that was not returned before."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in given:
                given.add(port)
                return port


@contextlib.contextmanager
def running(command, log, **more):
    """A program that is ended afterwards. Its output is shown if the block fails."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, **more)
    try:
        yield process
    except BaseException:
        with open(log, encoding="utf-8", errors="replace") as said:
            print(f"--- {command[0]}:\n{said.read()[-4000:]}---")
        raise
    finally:
        process.terminate()
        try:
            process.wait(SOON)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def agent(program, settings, **more):
    """An agent with these lines in its configuration. Yields its process and its directory."""
    with tempfile.TemporaryDirectory() as directory:
        conf = os.path.join(directory, "agent.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(
                f'root = "{directory}/state"\npidfile = "{directory}/pid"\n'
                f'cloud_platform = "none"\n{settings}'
            )
        os.chmod(conf, 0o600)
        command = [os.path.abspath(program), "-conf", conf]
        with running(command, os.path.join(directory, "log"), **more) as process:
            yield process, directory


def listens(port):
    """Whether a program takes connections at this port of the loopback address."""
    with socket.create_connection(("127.0.0.1", port), SOON):
        return True


def get(url, headers=None):
    """Status and body of a GET."""
    request = urllib.request.Request(url, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SOON) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(what, ask, limit=None):
    """The first true result of `ask`, within `limit` seconds, or SOON. A connection that breaks is
    none."""
    limit = limit or SOON
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            found = ask()
            if found:
                return found
        time.sleep(0.1)
    raise SystemExit(f"{what}: not there after {limit} s")
