"""A page in Debian's chromium without a window, spoken to through two pipes: no driver is needed for that.

The protocol is https://chromedevtools.github.io/devtools-protocol: JSON messages, each ended by a zero byte.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60.0


class Page:
    """One tab. `events` holds all that the browser told without being asked: (method, parameters)."""

    def __init__(self, to_browser, from_browser):
        self._to, self._from, self._numbers = to_browser, from_browser, itertools.count(1)
        self._rest, self._session, self.events = b"", None, []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """Send a command and wait for its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda one: one.get("id") == number)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, file, width, height=844):
        """Load a file at a width in pixels, as a phone or a desktop shows it."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        self.send("Page.navigate", url=file.resolve().as_uri())
        if not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._until(lambda one: one.get("method") == "Page.loadEventFired")

    def run(self, script):
        """Value of an expression of JavaScript."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def key(self, name, code):
        """Press a key."""
        text = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **text)

    def picture(self, file):
        """Save what is seen."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def _until(self, fits):
        end = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self._rest:
                line, self._rest = self._rest.split(b"\0", 1)
                message = json.loads(line)
                if "method" in message:
                    self.events.append((message["method"], message["params"]))
                if fits(message):
                    return message
            left = end - time.monotonic()
            assert left > 0, "chromium does not answer"
            if select.select([self._from], [], [], left)[0]:
                self._rest += os.read(self._from, 1 << 20)


@contextlib.contextmanager
def browser(folder):
    """A page of a browser that keeps its files in this folder."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}"]
    command = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'  # where chromium looks for its pipes
    process = subprocess.Popen(
        ["bash", "-c", command, CHROMIUM, *options, "--remote-debugging-pipe"],
        pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Page(ours_out, ours_in)
    finally:
        process.kill()
        process.wait()
        os.close(ours_in)
        os.close(ours_out)
