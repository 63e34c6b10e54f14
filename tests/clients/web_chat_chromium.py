"""Two windows of a headless Chromium talk through examples/web_chat.
    web_chat_chromium.py WEB_CHAT [CHROMIUM]
It controls the browser by the DevTools protocol, through the library websockets."""
import asyncio
import itertools
import json
import re
import subprocess
import sys
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
    await window.wait_for("document.readyState == 'complete' && typeof socket == 'object' && socket.readyState == 1")
    return window


async def talk(devtools, url, server):
    one, other = await open_window(devtools, url), await open_window(devtools, url)
    for sender, text in ((one, "hello"), (other, "hello µ ☃")):
        await sender.run(f"text.value = {json.dumps(text)}; document.forms[0].requestSubmit()")
        for window in (one, other):
            await window.wait_for(f"[...all.children].at(-1)?.textContent == {json.dumps(text)}")
    server.terminate()
    for window in (one, other):
        await window.wait_for("[...all.children].at(-1).textContent == 'closed: 1001'")
    assert server.wait(LIMIT) == 0


def main():
    chromium = sys.argv[2] if len(sys.argv) > 2 else "chromium"
    server = subprocess.Popen([sys.argv[1], "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory() as folder:
        browser = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
             "--no-proxy-server", f"--user-data-dir={folder}"], stderr=subprocess.PIPE, text=True)
        try:
            url = "http://" + re.search(r"(\S+:\d+)$", server.stdout.readline().strip())[1] + "/"
            devtools = next(found[1] for line in browser.stderr
                            if (found := re.search(r"DevTools listening on ws://([^/]+)/", line)))
            asyncio.run(asyncio.wait_for(talk(devtools, url, server), LIMIT))
        finally:
            server.kill()
            browser.terminate()
            browser.wait(LIMIT)
    print("web_chat: two windows of Chromium talk")


if __name__ == "__main__":
    main()
