"""A headless Chromium, controlled by the DevTools protocol through the library websockets."""
import asyncio
import contextlib
import itertools
import json
import re
import subprocess
import tempfile
import urllib.request

import websockets

LIMIT = 60


class Window:
    """A window of the browser."""

    def __init__(self, socket):
        self.socket, self.numbers = socket, itertools.count(1)

    async def call(self, method, **parameters):
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self.socket.recv())
            if answer.get("id") == number:
                return answer["result"]

    async def run(self, script):
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def wait_for(self, script):
        while not await self.run(script):
            await asyncio.sleep(0.05)


async def open_window(devtools, url):
    request = urllib.request.Request(f"http://{devtools}/json/new?{url}", method="PUT")
    with urllib.request.urlopen(request) as answer:
        target = json.load(answer)
    socket = await websockets.connect(target["webSocketDebuggerUrl"], max_size=None)
    window = Window(socket)
    await window.wait_for("location.href != 'about:blank' && document.readyState == 'complete'")
    return window


@contextlib.contextmanager
def browser(chromium="chromium"):
    """Starts a browser. The value is the address of its DevTools."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
             "--no-proxy-server", f"--user-data-dir={folder}"], stderr=subprocess.PIPE, text=True)
        try:
            yield next(found[1] for line in process.stderr
                       if (found := re.search(r"DevTools listening on ws://([^/]+)/", line)))
        finally:
            process.terminate()
            process.wait(LIMIT)
