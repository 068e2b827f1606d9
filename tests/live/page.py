"""page.py AGENT FAKE_SERVER PLACE [SECONDS]: the live page of a running agent in Chromium: that it draws, goes on
after cuts and restarts, stops when hidden, and has no errors. Pictures go to PLACE. SECONDS: how
long the page is watched."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import browser
from proxy import Proxy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
import sandbox  # noqa: E402

CHROMIUM = ("chromium-headless-shell", "chromium", "google-chrome")
LIVE = "document.getElementById('state')?.textContent == 'live'"
# Streams that the agent serves at a time.
STREAMS = 8

CONF = """
root = "{directory}/state"
pidfile = "{directory}/pid"
cloud_platform = "none"
apikey = "a-key"
apibase = "{base}"
listen = "127.0.0.1:{port}"

[plugin.metrics.numbers]
command = "printf 'numbers.answer\\\\t42\\\\t%s\\\\nnumbers.half\\\\t0.5\\\\t%s\\\\n' $(date +%s) $(date +%s)"

[plugin.checks.good]
command = "echo 'all is well'"

[plugin.checks.markup]
command = "echo '<b>not</b> & bold'; exit 1"
"""


class Checks:
    """What the page has received, and what went wrong in it."""

    def __init__(self, tab):
        self.tab = tab
        self.failures = []

    def check(self, is_true, what):
        if not is_true:
            self.failures.append(what)
            print(f"FAILED: {what}")

    def received(self, since=0):
        """Events of /events from the index `since` on: (name, id)."""
        found = []
        streams = set()
        for place, (name, params) in enumerate(self.tab.browser.events):
            if name == "Network.requestWillBeSent" and params["request"]["url"].endswith("/events"):
                streams.add(params["requestId"])
            elif name == "Network.eventSourceMessageReceived" and place >= since and params["requestId"] in streams:
                found.append((params["eventName"], params["eventId"]))
        return found

    def mark(self):
        return len(self.tab.browser.events)

    def ids(self, since=0):
        return [number for name, number in self.received(since) if name == "message"]

    def resets(self, since=0):
        return sum(name == "reset" for name, _ in self.received(since))

    def errors(self):
        """What a person would see in the console, but for what a cut makes of the network."""
        found = []
        for name, params in self.tab.browser.events:
            if name == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description", params))
            elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(params["args"])
            elif name == "Log.entryAdded" and params["entry"]["source"] != "network":
                found.append(params["entry"]["text"])
            elif name == "Audits.issueAdded" and "contentSecurityPolicy" in str(params):
                found.append(params["issue"])
        return found


def are_consecutive(ids):
    """Whether these are one run's, each one more than the one before."""
    runs = {one.split("-")[0] for one in ids}
    numbers = [int(one.split("-")[1]) for one in ids]
    return len(runs) == 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@contextlib.contextmanager
def agent(program, directory):
    command = [os.path.abspath(program), "-conf", f"{directory}/agent.conf"]
    with sandbox.running(command, f"{directory}/log") as process:
        yield process


@contextlib.contextmanager
def fake_server(program, directory):
    """Yields the address of a stand-in for Mackerel."""
    with open(f"{directory}/server-log", "wb") as log:
        process = subprocess.Popen([program], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def wait_until(tab, what, is_true):
    end = time.monotonic() + browser.SOON
    while not is_true():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {browser.SOON} s")
        tab.browser.listen(0.1)


def used(process):
    """CPU time of a process in milliseconds, and its share of memory in kB."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        ticks = sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
        share = next(line.split()[1] for line in file if line.startswith("Pss:"))
    return ticks * 1000 // os.sysconf("SC_CLK_TCK"), share


def of_last_run(ids):
    """Those of the ids that are of the same run as the last one."""
    run = ids[-1].rpartition("-")[0] if ids else ""
    return [id for id in ids if id.rpartition("-")[0] == run]


def watch(tab, checks, seconds, process):
    """The page draws and goes on."""
    tab.wait("the page", f"document.querySelector('canvas') && {LIVE}")
    since, begin = checks.mark(), time.monotonic()
    tab.wait("curves", "document.querySelectorAll('section:not([hidden]) canvas').length >= 4")
    seen = set()
    before, _ = used(process)
    for _ in range(seconds):
        tab.browser.listen(1)
        seen.add(tab.ask("document.querySelector('canvas').toDataURL()"))
    ids, elapsed = checks.ids(since), time.monotonic() - begin
    checks.check(len(seen) > seconds * 0.6, f"the curves moved {len(seen)} times in {seconds} s")
    checks.check(seconds * 0.6 < len(ids) <= elapsed * 1.5 + 3, f"{len(ids)} events in {elapsed:.0f} s")
    checks.check(are_consecutive(ids), f"ids are not consecutive: {ids}")
    after, share = used(process)
    print(f"watched for {seconds} s: {len(ids)} events; the agent used {after - before} ms of CPU, PSS {share} kB")


def cuts(tab, checks, proxy):
    """A cut connection leaves neither a gap nor a repeat."""
    for what, by_reset, pause in (("a reset", True, 0), ("a clean end", False, 0), ("an outage", True, 6)):
        since = checks.mark()
        before = checks.ids()[-1]
        proxy.is_closed = pause > 0
        proxy.cut(by_reset)
        tab.browser.listen(pause)
        proxy.is_closed = False
        number = int(before.split("-")[1])
        wait_until(tab, f"events after {what}", lambda: len(checks.ids(since)) >= pause + 5)
        ids = [before] + [one for one in checks.ids(since) if int(one.split("-")[1]) > number]
        checks.check(are_consecutive(ids), f"{what}: ids are not consecutive: {ids}")
        checks.check(len(ids) == 1 + len(checks.ids(since)), f"{what}: repeated: {checks.ids(since)}")
        checks.check(checks.resets(since) == 0, f"{what}: reset")
        tab.wait(f"live after {what}", LIVE)
        print(f"survived {what}")


def hidden(tab, checks, proxy):
    """A page that is not seen has no stream."""
    window = tab.browser.call("Browser.getWindowForTarget", targetId=tab.target)["windowId"]
    since = checks.mark()
    tab.browser.call("Browser.setWindowBounds", windowId=window, bounds={"windowState": "minimized"})
    wait_until(tab, "the end of the stream of a hidden page", lambda: proxy.streams() == 0)
    tab.browser.listen(3)
    checks.check(tab.ask("document.hidden") is True, "the page is not hidden")
    checks.check(proxy.streams() == 0, "a hidden page has a stream")

    def is_back():
        # A busy browser may miss that its window is to be shown.
        if tab.ask("document.hidden"):
            tab.browser.call("Browser.setWindowBounds", windowId=window, bounds={"windowState": "normal"})
        return proxy.streams() == 1

    try:
        wait_until(tab, "the stream of a page that is seen again", is_back)
    except SystemExit as failure:
        state = tab.ask("[document.visibilityState, document.getElementById('state').textContent]")
        raise SystemExit(f"{failure}: {state}, {proxy.streams()} streams") from None
    tab.wait("live after being hidden", LIVE)
    wait_until(tab, "events after being hidden", lambda: checks.ids(since))
    is_sorted = tab.ask("events.every((event, place) => !place || event.time > events[place - 1].time)")
    checks.check(is_sorted, "the page has an event twice")
    print("hidden: no stream; seen again: live")


def crowd(tab, checks, port):
    """The ninth watcher is told so, and comes in later."""
    tab.go("about:blank")
    others = []
    while len(others) < STREAMS:
        other = socket.create_connection(("127.0.0.1", port))
        other.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if other.recv(12).endswith(b"200"):
            others.append(other)
        else:
            # The stream of the page that was left may not have ended yet.
            other.close()
            tab.browser.listen(0.2)
    return others


def logs(tab, checks, process):
    tab.ask("document.getElementById('logs').open = true")
    # Lines are kept while somebody follows.
    end = time.monotonic() + browser.SOON
    while not (lines := tab.ask("document.getElementById('lines').children.length")):
        if time.monotonic() > end:
            raise SystemExit("no line of the log")
        process.send_signal(signal.SIGHUP)
        tab.browser.listen(1)
    tab.ask("document.getElementById('logs').open = false")
    print(f"log: {lines} lines")


def looks(tab, checks, place):
    """Both colour schemes, and a phone."""
    tab.wait("checks, as text", "document.body.innerText.includes('<b>not</b> & bold')")
    backs = set()
    for scheme in ("light", "dark"):
        tab.scheme(scheme)
        for name, width, height, scale in (("", 1280, 900, 1), ("-phone", 360, 740, 2)):
            tab.size(width, height, scale)
            tab.browser.listen(1.5)
            widths = tab.ask("[document.documentElement.scrollWidth, innerWidth]")
            checks.check(widths == [width, width], f"{scheme}{name}: scrolls sideways: {widths}")
            tab.picture(place / f"live-{scheme}{name}.png")
        backs.add(tab.ask("getComputedStyle(document.body).backgroundColor"))
    checks.check(len(backs) == 2, f"one colour for both schemes: {backs}")
    tab.size(1280, 900)
    print(f"pictures are in {place}")


def main():
    program, server, place = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    place.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not chromium:
        raise SystemExit("no Chromium: " + ", ".join(CHROMIUM))
    port = sandbox.free_port()
    proxy = Proxy(port)
    address = f"http://127.0.0.1:{proxy.port}/"
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        base = stack.enter_context(fake_server(server, directory))
        conf = pathlib.Path(directory) / "agent.conf"
        conf.write_text(CONF.format(directory=directory, base=base, port=port))
        conf.chmod(0o600)
        tab = browser.Page(stack.enter_context(browser.running(chromium, place / "chromium.log")))
        checks = Checks(tab)
        tab.size(1280, 900)
        with agent(program, directory) as process:
            sandbox.wait_for("the page", lambda: page_status(port) == 200)
            tab.go(address)
            watch(tab, checks, seconds, process)
            # Plugins run at the first whole minute. Pictures of a long look are taken before the cuts.
            if seconds >= 60:
                looks(tab, checks, place)
            cuts(tab, checks, proxy)
            hidden(tab, checks, proxy)
            logs(tab, checks, process)
            if seconds < 60:
                looks(tab, checks, place)
        since = checks.mark()
        with agent(program, directory) as process:
            # The last event of the run before may arrive as late as here.
            wait_until(tab, "events of the next run", lambda: len(of_last_run(checks.ids(since))) >= 3)
            ids = checks.ids(since)
            checks.check(are_consecutive(of_last_run(ids)), f"after a restart: {ids}")
            checks.check(checks.resets(since) == 1, f"{checks.resets(since)} resets after a restart")
            checks.check(tab.ask("events.length") <= len(checks.ids(since)), "old curves after a reset")
            print(f"restarted: {checks.resets(since)} reset")
            others = crowd(tab, checks, port)
            tab.go(address)
            tab.wait("a refused page", "document.getElementById('state')?.textContent.startsWith('unavailable')")
            for other in others:
                other.close()
            tab.wait("a page that was refused", LIVE)
            print("refused as the ninth, then live")
        errors = checks.errors()
        checks.check(not errors, f"errors in the console: {errors}")
        # That a violation would be seen.
        tab.ask("fetch('http://127.0.0.2:1/').catch(() => 0)")
        tab.browser.listen(0.5)
        checks.check(checks.errors(), "a violation of the policy is not reported")
    if checks.failures:
        raise SystemExit(f"{len(checks.failures)} failures")


def page_status(port):
    request = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(request.encode())
        return int(connection.recv(12)[9:])


main()
