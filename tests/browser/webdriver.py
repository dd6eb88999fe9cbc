"""A browser for the tests: headless Chromium, driven by Debian's chromedriver over the WebDriver protocol."""
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

KEYS = {"Tab": "\ue004", "Enter": "\ue007", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "ArrowLeft": "\ue012", "Home": "\ue011", "End": "\ue010", "Space": " "}


def missing():
    """"" where there is a browser, else what is not."""
    absent = [p for p in ("chromium", "chromedriver") if not shutil.which(p)]
    return "needs the Debian packages chromium and chromium-driver (make browser-deps)" if absent else ""


class Browser:
    """with Browser() as b: b.open(url)"""

    def __init__(self, width=1280, height=1000):
        self.dir = tempfile.mkdtemp(prefix="fairlead-browser-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        env = dict(os.environ, HOME=self.dir, TMPDIR=self.dir)
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}", "--allowed-ips=127.0.0.1"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = ""
        try:
            self.wait(lambda: self.send("GET", "/status")["ready"], 30, "chromedriver is ready")
            args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", f"--window-size={width},{height}", f"--user-data-dir={self.dir}/profile"]
            started = self.send("POST", "/session", {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": args}, "goog:loggingPrefs": {"browser": "ALL"}}}}, 90)
            self.session = "/session/" + started["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self.session:
                self.send("DELETE", self.session)
        except OSError:
            pass
        self.driver.terminate()
        try:
            self.driver.wait(10)
        except subprocess.TimeoutExpired:
            self.driver.kill()
            self.driver.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def send(self, method, path, body=None, timeout=60):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise RuntimeError(f"{method} {path}: {json.load(e)['value'].get('message', '')[:500]}") from None

    @staticmethod
    def wait(check, seconds, what):
        end, last = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                if check():
                    return
            except (OSError, RuntimeError) as e:
                last = e
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what}{f' ({last})' if last else ''}")

    def open(self, url):
        self.send("POST", self.session + "/url", {"url": url})

    def url(self):
        return self.send("GET", self.session + "/url")

    def run(self, script, *args):
        """The value of a script's return, or of the promise that it returns."""
        return self.send("POST", self.session + "/execute/sync", {"script": script, "args": list(args)}, 120)

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)

    def rows(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(r => [...r.cells].map(c => c.innerText))", selector)

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def press(self, *keys):
        """Real key presses, to whatever has the focus."""
        actions = [{"type": kind, "value": KEYS.get(k, k)} for k in keys for kind in ("keyDown", "keyUp")]
        self.send("POST", self.session + "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def dark(self, yes):
        self.send("POST", self.session + "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": [{"name": "prefers-color-scheme", "value": "dark" if yes else "light"}]}})

    def console(self):
        """What the page has complained of since the last call."""
        return [e["message"] for e in self.send("POST", self.session + "/se/log", {"type": "browser"}) if e["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_bytes(base64.b64decode(self.send("GET", self.session + "/screenshot")))
