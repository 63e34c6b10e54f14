"""Types into the page of examples/shell with a headless Chromium, which also loads a page of another site:
shell_chromium.py SHELL"""
import asyncio
import http.server
import json
import subprocess
import sys
import threading

from chromium import LIMIT, browser, open_window

KEYS = {"\r": ("Enter", "Enter", 13), "\x7f": ("Backspace", "Backspace", 8)}


async def press(window, key, code="", number=0, control=False):
    text = {} if control or len(key) > 1 else {"text": key}
    for kind in ("keyDown", "keyUp"):
        await window.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number,
                          modifiers=2 if control else 0, **(text if kind == "keyDown" else {}))


async def type_keys(window, keys):
    for key in keys:
        await press(window, *KEYS.get(key, (key,)))


async def shows(window, text):
    await window.wait_for(f"view.textContent.includes({json.dumps(text)})")


async def use_shell(devtools, url):
    window = await open_window(devtools, url)
    await window.wait_for("socket.readyState == 1 && document.activeElement == view")
    await type_keys(window, "echo $((6 * 7))-µ\x7f\x7f-☃\r")
    await shows(window, "\n42-☃\n")

    # The size is that of the window, and follows it.
    await type_keys(window, "stty size\r")
    size = "Math.floor((view.clientHeight - 8) / 18)"
    await window.wait_for(f"view.textContent.includes('\\n' + {size} + ' ')")
    await window.call("Emulation.setDeviceMetricsOverride", width=700, height=188, deviceScaleFactor=1, mobile=False)
    await window.wait_for("innerHeight == 188")
    await type_keys(window, "stty size\r")
    await shows(window, "\n10 ")

    await type_keys(window, "sh -c 'echo ready $((1 + 1)); exec sleep 1000'\r")
    await shows(window, "\nready 2\n")
    await press(window, "c", "KeyC", 67, control=True)
    await type_keys(window, "echo status $?\r")
    await shows(window, "\nstatus 130\n")
    await type_keys(window, "exit\r")
    await shows(window, "[closed: 1000]")


async def attack(devtools, other_site, socket):
    """A page of another site gets no shell, also if it knows the token."""
    window = await open_window(devtools, other_site)
    await window.run(f"attack = new WebSocket({json.dumps(socket)}); attack.onclose = event => answer = event.code")
    await window.wait_for("typeof answer != 'undefined'")
    assert await window.run("answer") == 1006


class EmptyPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Other</title>")

    def log_message(self, *_):
        pass


async def both(devtools, url, other_site):
    await use_shell(devtools, url)
    await attack(devtools, other_site, url.replace("http", "ws", 1) + "socket")


def main():
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    server = subprocess.Popen([sys.argv[1], "127.0.0.1:0", "bash", "--norc"], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().split()[1]
        with browser() as devtools:
            asyncio.run(asyncio.wait_for(both(devtools, url, f"http://127.0.0.1:{other.server_port}/"), LIMIT))
    finally:
        server.terminate()
        assert server.wait(LIMIT) == 0
    print("shell: Chromium types into a terminal, and a page of another site gets none")


if __name__ == "__main__":
    main()
