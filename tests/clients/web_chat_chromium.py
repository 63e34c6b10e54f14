"""Two windows of a headless Chromium talk through examples/web_chat: web_chat_chromium.py WEB_CHAT"""
import asyncio
import json
import re
import subprocess
import sys

from chromium import LIMIT, browser, open_window


async def join(devtools, url):
    window = await open_window(devtools, url)
    await window.wait_for("typeof socket == 'object' && socket.readyState == 1")
    return window


async def talk(devtools, url, server):
    one, other = await join(devtools, url), await join(devtools, url)
    for sender, text in ((one, "hello"), (other, "hello µ ☃")):
        await sender.run(f"text.value = {json.dumps(text)}; document.forms[0].requestSubmit()")
        for window in (one, other):
            await window.wait_for(f"[...all.children].at(-1)?.textContent == {json.dumps(text)}")
    server.terminate()
    for window in (one, other):
        await window.wait_for("[...all.children].at(-1).textContent == 'closed: 1001'")
    assert server.wait(LIMIT) == 0


def main():
    server = subprocess.Popen([sys.argv[1], "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        url = "http://" + re.search(r"(\S+:\d+)$", server.stdout.readline().strip())[1] + "/"
        with browser() as devtools:
            asyncio.run(asyncio.wait_for(talk(devtools, url, server), LIMIT))
    finally:
        server.kill()
    print("web_chat: two windows of Chromium talk")


if __name__ == "__main__":
    main()
