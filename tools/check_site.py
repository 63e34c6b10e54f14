#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens the documentation site in headless Chromium: tools/check_site.py [--shots FOLDER]

Opens pages at the width of a phone and of a desktop, light and dark. Fails if a page is wider than the window, if the
console shows an error, if the navigation does not show the page, if dark and light look the same, or if the search
does not find what `searches` expects. --shots also writes the screenshots. Exits with 77 if Chromium is not installed.
Run `./dev docs` first.
"""
import base64
import functools
import http.server
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

site = pathlib.Path(__file__).resolve().parent.parent / "build" / "site"
widths = {"phone": (390, 844), "desktop": (1366, 900)}
pages = ["index", "page_recipes", "page_crawler", "page_comparison", "page_start", "page_tutorial", "page_concepts", "page_choosing", "page_streams", "page_coming_from_tokio", "page_coming_from_go",
         "namespaceeddy", "halves_8hpp", "program_crawler", "page_cheat_sheet", "page_benchmarks", "page_compilers", "page_deployment", "classeddy_1_1net_1_1tcp__stream"]
# What a user types, and a result that must be among the first three.
searches = {"tcp_stream": "eddy::net::tcp_stream", "keep-alive": "HTTP", "graceful shutdown": "Limits and a graceful shutdown",
            "how do I read a file": "An open file", "WebSocket": "WebSocket", "authentication": "Pages, users, limits",
            "logging": "How do I write a log?", "self-signed certificate": "TLS"}
limit = 60  # seconds, for each answer of the browser


class handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site."""

    def do_GET(self):
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


class browser:
    """Chromium, by the DevTools protocol: JSON messages in a WebSocket."""

    def __init__(self, program, folder, address):
        self.address = address
        self.program = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.program.stderr:
            if "DevTools listening on" in line:
                break
        where = urllib.parse.urlsplit(line.split()[-1])
        targets = json.load(urllib.request.urlopen(f"http://{where.netloc}/json", timeout=limit))
        path = urllib.parse.urlsplit(next(t for t in targets if t["type"] == "page")["webSocketDebuggerUrl"]).path
        self.socket = socket.create_connection((where.hostname, where.port), timeout=limit)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.stream = self.socket.makefile("rb")
        while self.stream.readline().strip():
            pass
        self.last, self.errors, self.loaded = 0, [], False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def receive(self):
        """Returns the next message. Its events are also noted in `errors` and `loaded`."""
        text = b""
        while True:
            first, second = self.stream.read(2)
            size = second & 127
            if size >= 126:
                size = struct.unpack("!H" if size == 126 else "!Q", self.stream.read(2 if size == 126 else 8))[0]
            text += self.stream.read(size)
            if first & 128:
                break
        message = json.loads(text)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description", params["exceptionDetails"]["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(each.get("value", "")) for each in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Page.loadEventFired":
            self.loaded = True
        return message

    def call(self, method, **params):
        self.last += 1
        data = json.dumps({"id": self.last, "method": method, "params": params}).encode()
        head = bytes([0x81]) + (bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + struct.pack("!H", len(data)))
        self.socket.sendall(head + bytes(4) + data)  # the mask is 0
        while (answer := self.receive()).get("id") != self.last:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def ask(self, script):
        """Returns the value of a script, or what its promise is resolved to."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def open(self, page, size, scheme):
        width, height = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.errors, self.loaded = [], False
        self.call("Page.navigate", url=f"{self.address}/{page}.html")
        while not self.loaded:
            self.receive()
        # The scripts of the site lay the page out after it was loaded.
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def shot(self, file):
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


# What is wider than the page, if that has to be scrolled sideways for it.
too_wide = """(() => {
    const page = document.getElementById('doc-content') || document.documentElement;
    if (page.scrollWidth <= page.clientWidth) return '';
    const right = page.getBoundingClientRect().left + page.clientWidth;
    const isInside = e => {  // inside of something that can be scrolled by itself
        for (let p = e.parentElement; p && p !== page; p = p.parentElement)
            if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return true;
    };
    return [...page.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > right && !isInside(e)).slice(0, 5)
        .map(e => `${e.tagName}.${e.className}`).join(' ') || 'something';
})()"""

# Whether the navigation shows the page, and not only its root, which is what remains after an error.
is_in_tree = """(async () => {
    for (let i = 0; i < 200; ++i) {
        const items = document.querySelectorAll('#nav-tree .item');
        if (items.length > 1 && [...items].some(item => item.classList.contains('selected'))) return true;
        await new Promise(done => setTimeout(done, 50));
    }
    return false;
})()"""

# Types into the search field as a user does, and returns the first results.
search = """(async () => {
    const field = document.getElementById('MSearchField');
    field.focus();
    field.value = %s;
    field.dispatchEvent(new Event('input', {bubbles: true}));
    for (let i = 0; i < 200; ++i) {
        const found = [...document.querySelectorAll('.SRResult')].filter(e => e.offsetParent !== null);
        if (found.length) return found.slice(0, 3).map(e => e.innerText.trim()).join(' | ');
        await new Promise(done => setTimeout(done, 50));
    }
    return '';
})()"""


def main():
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        print("skipped: Chromium is not installed")
        return 77
    shots = pathlib.Path(sys.argv[sys.argv.index("--shots") + 1]) if "--shots" in sys.argv else None
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=site))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = browser(program, folder, f"http://127.0.0.1:{server.server_port}")
        try:
            for page in pages:
                for device, size in widths.items():
                    colors = set()
                    for scheme in ("light", "dark"):
                        tab.open(page, size, scheme)
                        if wide := tab.ask(too_wide):
                            problems.append(f"{page}, {device}: wider than the window: {wide}")
                        if not tab.ask(is_in_tree):
                            problems.append(f"{page}, {device}: the navigation does not show the page")
                        colors.add(tab.ask("getComputedStyle(document.body).backgroundColor"))
                        problems += [f"{page}, {device}, {scheme}: {error}" for error in tab.errors]
                        if shots:
                            tab.shot(shots / f"{page}_{device}_{scheme}.png")
                    if len(colors) != 2:
                        problems.append(f"{page}, {device}: dark and light have the same background: {colors}")
            for device, size in widths.items():
                tab.open("index", size, "light")
                for question, expected in searches.items():
                    found = tab.ask(search % json.dumps(question))
                    if expected not in found:
                        problems.append(f"{device}: the search for {question} does not find {expected}, but: {found or 'nothing'}")
                problems += [f"search, {device}: {error}" for error in tab.errors]
                if shots:
                    tab.shot(shots / f"search_{device}.png")
        finally:
            tab.program.kill()
            tab.program.wait()
            server.shutdown()
    print("\n".join(dict.fromkeys(problems)), end="\n" if problems else "")
    print(f"{len(pages)} pages at {len(widths)} widths, light and dark, and the search: {len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
