"""Requests with httpx: httpx_py.py HTTP_URL HTTPS_URL CERTIFICATE
The first URL is that of examples/web_server, the second one that of examples/https_server."""
import asyncio
import ssl
import sys

import httpx

LARGE = b"".join(b"%d\n" % i for i in range(300_000))


def in_parts(content, size=10_000):
    for at in range(0, len(content), size):
        yield content[at:at + size]


def use_notes(client):
    assert client.put("/notes/monday", content=b"buy tea").status_code == 204
    assert client.get("/notes/monday").text == "buy tea\n"
    assert client.get("/notes").json()["monday"] == "buy tea"
    assert client.head("/notes/monday").headers["content-length"] == "8"
    assert client.get("/none").status_code == 404
    with client.stream("GET", "/count/100") as answer:
        assert "".join(answer.iter_text()) == "".join(f"{i + 1}\n" for i in range(100))


def echo(client):
    assert client.put("/echo", content=LARGE).content == LARGE
    assert client.put("/echo", content=in_parts(LARGE)).content == LARGE  # with chunks, or DATA frames


async def request_in_parallel(url):
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        for answer in await asyncio.gather(*(client.get("/notes") for _ in range(500))):
            assert answer.status_code == 200


def main():
    plain, secure, certificate = sys.argv[1:]
    with httpx.Client(base_url=plain, trust_env=False, timeout=60) as client:
        use_notes(client)
        echo(client)
    asyncio.run(request_in_parallel(plain))
    for http2, version in ((False, "HTTP/1.1"), (True, "HTTP/2")):
        trusted = ssl.create_default_context(cafile=certificate)
        with httpx.Client(base_url=secure, verify=trusted, http2=http2, trust_env=False, timeout=60) as client:
            assert client.get("/hello").text == f"hello over {version}\n"
            echo(client)
    print("httpx works")


if __name__ == "__main__":
    main()
