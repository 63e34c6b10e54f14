"""Requests with requests and httpx: http_api_py.py URL
The URL is that of examples/http_api. brotli and zstandard decode what the server has compressed."""
import asyncio
import gzip
import io
import re
import sys

import brotli
import httpx
import requests
import zstandard

TOKEN = {"Authorization": "Bearer secret"}
LARGE = b"".join(b"%d\n" % i for i in range(300_000))


def in_parts(content, size=10_000):
    for at in range(0, len(content), size):
        yield content[at:at + size]


def use_notes(client):
    """Both libraries have the same functions here."""
    refused = client.get("/notes")
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == 'Bearer realm="notes"'
    assert client.get("/notes", headers={"Authorization": "Bearer other"}).status_code == 401
    made = client.post("/notes", json={"text": "µ ☃"}, headers=TOKEN)
    assert made.status_code == 201
    assert made.json()["text"] == "µ ☃"
    path = made.headers["location"]
    assert client.get(path, headers=TOKEN).json() == made.json()
    assert made.json() in client.get("/notes", headers=TOKEN, params={"limit": 1_000_000}).json()
    assert client.get("/notes?limit=x", headers=TOKEN).status_code == 400
    assert client.post("/notes", json={"text": 1}, headers=TOKEN).status_code == 400
    assert client.post("/notes", data={"text": "x"}, headers=TOKEN).status_code == 415
    assert client.delete(path, headers=TOKEN).status_code == 204
    assert client.get(path, headers=TOKEN).status_code == 404
    assert client.put(path, headers=TOKEN).status_code == 405
    answer = client.get("/health", headers={"X-Request-Id": "mine"})
    assert answer.headers["x-request-id"] == "mine"
    assert re.fullmatch(r"app;dur=\d+\.\d{3}", answer.headers["server-timing"])
    assert client.options("/notes", headers={"Origin": "https://app.example",
                                             "Access-Control-Request-Method": "POST"}).status_code == 204


def upload(client):
    """Files of a form are streamed to files."""
    files = [("file", ("../../a b.bin", LARGE, "a/b")), ("file", ("ö☃.txt", io.BytesIO(b"")))]
    stored = client.post("/files", files=files, headers=TOKEN)
    assert stored.status_code == 201, stored.text
    assert [one["bytes"] for one in stored.json()] == [len(LARGE), 0]
    assert client.get(f"/files/{stored.json()[0]['id']}", headers=TOKEN).content == LARGE
    assert client.get(f"/files/{stored.json()[-1]['id']}", headers=TOKEN).content == b""
    large = client.post("/files", files={"file": ("large", bytes((8 << 20) + 1))}, headers=TOKEN)
    assert large.status_code == 413, large.text
    imported = client.post("/import", files=[("note", (None, "one")), ("note", (None, "two"))], headers=TOKEN)
    assert imported.json() == {"imported": 2}
    assert client.post("/import", files={"other": (None, "one")}, headers=TOKEN).status_code == 400
    refused = client.post("/import", headers=TOKEN | {"Content-Type": "multipart/form-data; boundary=b"}, data=b"--b\r\nx")
    assert refused.status_code == 400


def decode(client):
    """Each coding, decoded by the library of its name."""
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"}).content
    decoders = {"gzip": gzip.decompress, "br": brotli.decompress,
                "zstd": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed)}
    for coding, decompress in decoders.items():
        packed, sent = get_raw(client, coding)
        assert sent == coding and len(packed) < len(plain) / 3, (coding, sent)
        assert decompress(packed) == plain
    assert get_raw(client, "gzip;q=0.5, br;q=0.8, zstd;q=0.1")[1] == "br"
    assert client.get("/openapi.json").content == plain  # what the library asks for, and decodes itself
    assert client.get("/openapi.json").headers["vary"].lower().replace(" ", "") == "accept-encoding,origin"


def get_raw(client, coding):
    headers = {"Accept-Encoding": coding}
    if isinstance(client, httpx.Client):
        with client.stream("GET", "/openapi.json", headers=headers) as answer:
            return b"".join(answer.iter_raw()), answer.headers.get("content-encoding")
    with client.get("/openapi.json", headers=headers, stream=True) as answer:
        return answer.raw.read(decode_content=False), answer.headers.get("content-encoding")


def visit(client):
    """The cookie is Secure, so the libraries do not return it over http."""
    value = "changed"
    for i in range(1, 4):
        answer = client.get("/visits", headers={"Cookie": f"a=b; visits={value}"})
        assert answer.text == f"visit {i}\n", answer.text
        value = re.match(r"visits=([^;]+)(?=.*; Secure)(?=.*; HttpOnly)(?=.*; SameSite=Lax)", answer.headers["set-cookie"])[1]
        client.cookies.clear()


class BaseSession(requests.Session):
    """A session with a base URL, as httpx has."""

    def __init__(self, base):
        super().__init__()
        self.base, self.trust_env = base, False

    def request(self, method, url, **options):
        return super().request(method, self.base + url, timeout=60, **options)


def keep_connection(session):
    """The requests of a session use one connection."""
    for _ in range(20):
        assert session.get("/notes", headers=TOKEN).status_code == 200
        assert session.post("/notes", headers=TOKEN, json={"text": "x"}).status_code == 201
        assert session.get("/none", headers=TOKEN).status_code == 404
    pools = session.get_adapter(session.base).poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1]


async def request_in_parallel(url, http2):
    options = {"base_url": url, "trust_env": False, "timeout": 60, "http1": not http2, "http2": http2}
    async with httpx.AsyncClient(**options) as client:
        for answer in await asyncio.gather(*(client.get("/notes", headers=TOKEN) for _ in range(500))):
            assert answer.status_code == 200


def main():
    url = sys.argv[1]
    with BaseSession(url) as session:
        for use in (use_notes, upload, decode, visit):
            use(session)
        streamed = session.post("/notes", headers=TOKEN | {"Content-Type": "application/json"},
                                data=in_parts(b'{"text": "in chunks"}', 3))
        assert streamed.json()["text"] == "in chunks"
    with BaseSession(url) as session:
        keep_connection(session)
    print("requests works")
    for http2 in (False, True):
        with httpx.Client(base_url=url, trust_env=False, timeout=60, http1=not http2, http2=http2) as client:
            for use in (use_notes, upload, decode, visit):
                use(client)
            answer = client.post("/notes", headers=TOKEN | {"Content-Type": "application/json"},
                                 content=in_parts(b'{"text": "in chunks"}', 3))
            assert answer.json()["text"] == "in chunks"
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        asyncio.run(request_in_parallel(url, http2))
    print("httpx works")


if __name__ == "__main__":
    main()
