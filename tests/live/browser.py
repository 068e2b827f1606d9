"""Chromium without a window, driven over a pair of pipes by its own protocol:
https://chromedevtools.github.io/devtools-protocol/"""

import base64
import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
import time

# Seconds until an answer has to be there. A build machine may be slow.
SOON = 100


class Browser:
    def __init__(self, program, profile, log):
        here, its_out = os.pipe()
        its_in, there = os.pipe()
        arguments = ["--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run", "--disable-gpu",
                     "--disable-dev-shm-usage", "--no-proxy-server", "--force-color-profile=srgb", "--hide-scrollbars"]
        if os.getuid() == 0:
            arguments.append("--no-sandbox")
        # The browser reads from descriptor 3 and writes to 4.
        script = f'exec "$0" "$@" 3<&{its_in} 4>&{its_out}'
        self.process = subprocess.Popen(["sh", "-c", script, program, *arguments], pass_fds=(its_in, its_out),
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        os.close(its_in)
        os.close(its_out)
        self._writer = os.fdopen(there, "wb", 0)
        self._reader = os.fdopen(here, "rb")
        self._answers = {}
        self._number = 0
        self._incoming = queue.Queue()
        # Events: (name, parameters).
        self.events = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        text = b""
        while part := os.read(self._reader.fileno(), 1 << 16):
            *whole, text = (text + part).split(b"\0")
            for message in whole:
                self._incoming.put(json.loads(message))
        self._incoming.put(None)

    def _take(self, limit):
        """Takes one message. Returns whether there was one within `limit` seconds."""
        try:
            message = self._incoming.get(timeout=max(0, limit))
        except queue.Empty:
            return False
        if message is None:
            raise SystemExit("the browser has ended")
        if "id" in message:
            self._answers[message["id"]] = message
        else:
            self.events.append((message["method"], message["params"]))
        return True

    def call(self, method, session=None, **params):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._writer.write(json.dumps(message).encode() + b"\0")
        end = time.monotonic() + SOON
        while number not in self._answers:
            if not self._take(end - time.monotonic()):
                raise SystemExit(f"the browser does not answer to {method}")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    def listen(self, seconds):
        """Takes what comes within that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._take(end - time.monotonic())

    def end(self):
        with contextlib.suppress(OSError):
            self._writer.close()
        self.process.terminate()
        try:
            self.process.wait(SOON)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Page:
    """A tab."""

    def __init__(self, browser):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def go(self, url):
        self.call("Page.navigate", url=url)

    def ask(self, expression):
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, what, expression, limit=SOON):
        """The first true value of an expression."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if found := self.ask(expression):
                return found
            self.browser.listen(0.1)
        raise SystemExit(f"{what}: not within {limit} s: {self.ask('document.body.innerText')}")

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=width < 500)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path, whole=True):
        """Writes a PNG, of the whole page if `whole`."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))


@contextlib.contextmanager
def running(program, log):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, open(log, "wb") as out:
        browser = Browser(program, profile, out)
        try:
            yield browser
        finally:
            browser.end()
