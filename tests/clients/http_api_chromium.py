"""Pages of other origins use examples/http_api in a headless Chromium (CORS): http_api_chromium.py PROGRAM"""
import asyncio
import http.server
import json
import re
import subprocess
import sys
import tempfile
import threading

from chromium import LIMIT, browser, open_window

TOKEN = {"Authorization": "Bearer secret"}


class Page(http.server.BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>page</title>")

    def log_message(self, *_):
        pass


def serve_page():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://localhost:{server.server_port}"


async def value_of(window, script):
    """The JSON value of a script that waits; "TypeError" if the browser refuses a request."""
    await window.run(f"var done = null; (async () => {{ {script} }})()"
                     ".then(value => done = JSON.stringify(value), why => done = JSON.stringify(why.name))")
    await window.wait_for("done !== null")
    return json.loads(await window.run("done"))


def fetch(url, options, then="[answer.status, await answer.text()]"):
    return f"const answer = await fetch({json.dumps(url)}, {json.dumps(options)}); return {then};"


async def use_permitted(window, api):
    # A simple request, whose answer the page may read, and a field that it may read.
    status, request_id, other = await value_of(
        window, fetch(api + "/health", {}, '[answer.status, answer.headers.get("X-Request-Id"), '
                                           'answer.headers.get("Server-Timing")]'))
    assert status == 200 and len(request_id) == 32 and other is None
    # The reason of a refusal is readable, too.
    assert (await value_of(window, fetch(api + "/notes", {})))[0] == 401
    # With preflight requests.
    note = {"method": "POST", "headers": TOKEN | {"Content-Type": "application/json"}, "body": '{"text": "µ ☃"}'}
    status, text = await value_of(window, fetch(api + "/notes", note))
    assert status == 201 and json.loads(text)["text"] == "µ ☃"
    path = f"{api}/notes/{json.loads(text)['id']}"
    assert (await value_of(window, fetch(path, {"method": "DELETE", "headers": TOKEN})))[0] == 204
    assert await value_of(window, fetch(path, {"headers": {"X-Other": "1"}})) == "TypeError"
    # Cookies, if the page asks for that.
    visit = fetch(api + "/visits", {"credentials": "include"}, "await answer.text()")
    assert [await value_of(window, visit) for _ in range(3)] == ["visit 1\n", "visit 2\n", "visit 3\n"]
    assert await value_of(window, fetch(api + "/visits", {"credentials": "omit"}, "await answer.text()")) == "visit 1\n"


async def upload(window, api):
    """The forms of a browser, with a name that it has to escape."""
    status, stored = await value_of(window, f"""
        const bytes = new Uint8Array(3_000_000).map((_, i) => i * i);
        const form = new FormData();
        form.append("file", new File([bytes], 'a"\\r\\n\\u2603.bin'));
        form.append("file", new File([], "empty"));
        const options = {{method: "POST", headers: {json.dumps(TOKEN)}, body: form}};
        const answer = await fetch("{api}/files", options);
        return [answer.status, await answer.json()];""")
    assert status == 201 and [one["bytes"] for one in stored] == [3_000_000, 0], (status, stored)
    assert await value_of(window, f"""
        const answer = await fetch("{api}/files/{stored[0]["id"]}", {{headers: {json.dumps(TOKEN)}}});
        const bytes = new Uint8Array(await answer.arrayBuffer());
        return bytes.length == 3_000_000 && bytes.every((byte, i) => byte == (i * i) % 256);""") is True


async def use_refused(window, api):
    """Requests of an origin without permission: the page gets no answer, and a preflight request prevents the change."""
    assert await value_of(window, fetch(api + "/health", {})) == "TypeError"
    note = {"method": "POST", "headers": TOKEN | {"Content-Type": "application/json"}, "body": '{"text": "refused"}'}
    assert await value_of(window, fetch(api + "/notes", note)) == "TypeError"


async def use(devtools, api, pages):
    permitted, refused = [await open_window(devtools, page + "/") for page in pages]
    await use_permitted(permitted, api)
    await upload(permitted, api)
    await use_refused(refused, api)
    notes = await value_of(permitted, fetch(api + "/notes", {"headers": TOKEN}, "await answer.json()"))
    assert all(note["text"] != "refused" for note in notes)
    own = await open_window(devtools, api + "/openapi.json")
    entry = 'performance.getEntriesByType("navigation")[0]'
    assert await own.run(f"{entry}.encodedBodySize * 3 < {entry}.decodedBodySize")


def main():
    pages = [serve_page(), serve_page()]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([sys.argv[1], "127.0.0.1:0", pages[0], "1000000"], stdout=subprocess.PIPE, stderr=log,
                                  text=True)
        port = re.search(r":(\d+)$", server.stdout.readline())[1]
        try:
            with browser() as devtools:
                asyncio.run(asyncio.wait_for(use(devtools, f"http://localhost:{port}", pages), LIMIT))
        finally:
            server.terminate()
            ended = server.wait(LIMIT)
        assert ended == 0, ended
        log.seek(0)
        lines = [json.loads(line) for line in log]
    preflights = [(line["target"], line["status"]) for line in lines if line["method"] == "OPTIONS"]
    assert ("/notes", 204) in preflights and ("/files", 204) in preflights, preflights
    assert ("/notes", 403) in preflights, preflights  # that of the refused page
    print(f"http_api: Chromium uses it from pages of other origins, with {len(preflights)} preflight requests")


if __name__ == "__main__":
    main()
