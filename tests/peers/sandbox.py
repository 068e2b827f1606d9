"""An agent in a directory of its own, and other programs beside it, on loopback."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# Seconds until something that comes by itself has to be there.
SOON = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


def get(url, headers=None):
    """Status and body of a GET."""
    request = urllib.request.Request(url, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SOON) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(what, ask, limit=SOON):
    """The first true result of `ask`, within so many seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            found = ask()
            if found:
                return found
        time.sleep(0.1)
    raise SystemExit(f"{what}: not there after {limit} s")
