#!/usr/bin/env python3
"""Prints HTTP/1.1 requests that proxies and servers may frame differently, and what eddy must do with each.

    http/tests/http_corpus.py > table

Each line has three fields, separated by tabs: a name, the bytes as a hexadecimal number, and the requests that eddy
accepts, followed by the status with which it refuses the rest, in the form of requests_in() (support/http/http_transcript.hpp).
Most messages end with a second request, "GET /next". A server that frames the first request differently does not see it.

http/tests/message/http_corpus_test.cpp gives the messages to eddy's parser. tests/clients/http_corpus_peers.py gives them to other
servers. The expectations follow from RFC 9112 and http/docs/http.md, and not from what eddy does.
"""

CRLF = b"\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
SAYS_NEXT = 'GET /next 1.1 ""'


def says(body="", method="POST", target="/a", version="1.1", more=""):
    return f'{method} {target} {version} "{body}"{more}'


def then(first):
    return f"{first} | {SAYS_NEXT}"


def post(fields, body=b"", following=NEXT):
    """A request with these lines of fields. Host comes first."""
    return b"POST /a HTTP/1.1\r\nHost: a\r\n" + b"".join(line + CRLF for line in fields) + CRLF + body + following


def content_lengths():
    valid = {"3": "abc", "003": "abc", "0": "", "000": ""}
    for text, body in valid.items():
        yield f"length {text}", post([b"Content-Length: " + text.encode()], body.encode()), then(says(body))
    for text, line in {"tab": b"Content-Length:\t3", "no space": b"Content-Length:3", "spaces": b"Content-Length:  3  ",
                       "lower case": b"content-length: 3", "upper case": b"CONTENT-LENGTH: 3"}.items():
        yield f"length, {text}", post([line], b"abc"), then(says("abc"))
    for text in ["", "+3", "-3", "-0", "3.0", "3,", ",3", "3, 3", "3,3", "3, 4", "3;", "3 3", "0x3", "3h", "'3'", '"3"', "3e0",
                 "three", "3\x0b", "3\x0c", "\x0b3", "3\x00", "\x003", "\u0663", "3\xa0", "1_0", "3\t3", "--3", "3-", "NaN"]:
        yield f"length {text!r}", post([b"Content-Length: " + text.encode()], b"abc"), "400"
    for text in ["9" * 19, "18446744073709551619", "9" * 40]:
        yield f"length of {len(text)} digits", post([b"Content-Length: " + text.encode()], b"abc"), "413"
    length = b"Content-Length: 3"
    for text, fields in {"the same twice": [length, length], "different ones": [length, b"Content-Length: 4"],
                         "different case": [length, b"content-length: 3"], "one is empty": [length, b"Content-Length:"],
                         "apart": [length, b"X: y", b"Content-Length: 0"]}.items():
        yield f"two lengths, {text}", post(fields, b"abc"), "400"
    yield "length with HTTP/1.0", b"POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", says("abc", version="1.0", more=" close")
    yield "length in a GET", b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + NEXT, then(says("abc", "GET"))
    yield "length, body hides a request", post([b"Content-Length: %d" % len(NEXT)], NEXT), None
    yield "length below the body", post([b"Content-Length: 2"], b"ab", b"c" + NEXT), says("ab") + " | 501"
    yield "no length, but a body", post([], b"abc"), says("") + " | 501"


def transfer_codings():
    chunks = b"3\r\nabc\r\n0\r\n\r\n"
    field = b"Transfer-Encoding: "
    for text in ["chunked", "Chunked", "CHUNKED", " chunked", "\tchunked", "chunked \t"]:
        yield f"coding {text!r}", post([field + text.encode()], chunks), then(says("abc"))
    bad = ["", "chunked, chunked", "chunked,chunked", "chunked, gzip", "chunked, identity", "chunked,", "chunked, x",
           "chunked, ", "chunked\x0b", "\x0bchunked", "chunked\x00", "\x00chunked", "chunked\x7f", "\x01chunked"]
    for text in bad:
        yield f"coding {text!r}", post([field + text.encode()], chunks), "400"
    # Codings that eddy does not have, or that do not exist. Some servers take them for "chunked", others ignore them.
    for text in ["identity", "gzip", "deflate", "compress", "x-chunked", "xchunked", "chunkedx", "chunked;q=1", "'chunked'",
                 '"chunked"', "chunke", "chunked chunked", "identity, chunked", "gzip, chunked", ", chunked", ",chunked", "x, chunked",
                 "chun ked", "chunked;", "chunked; foo=bar", "[chunked]", "chunked\xa0", "\xa0chunked", "cow", "chunKED1",
                 "chunked:", ":chunked", "\\chunked", "chunked\u0130"]:
        yield f"coding {text!r}", post([field + text.encode()], chunks), "501"
    lines = {"twice": [field + b"chunked"] * 2, "with identity before": [field + b"identity", field + b"chunked"],
             "with identity behind": [field + b"chunked", field + b"identity"], "with an empty one": [field, field + b"chunked"],
             "different case": [field + b"chunked", b"transfer-encoding: chunked"]}
    for text, fields in lines.items():
        yield f"two codings, {text}", post(fields, chunks), "400"
    for size in [0, 3, 12, 13]:
        length = b"Content-Length: %d" % size
        for text in ["chunked", "Chunked", "identity", "gzip", "x", "", "chunked, x"]:
            coding = field + text.encode()
            yield f"length {size} and coding {text!r}", post([length, coding], chunks), "400"
            yield f"coding {text!r} and length {size}", post([coding, length], chunks), "400"
    ten = b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"
    yield "coding with HTTP/1.0", ten + CRLF + chunks + NEXT, "400"
    yield "coding with HTTP/1.0 and keep-alive", ten + b"Connection: keep-alive\r\n\r\n" + chunks + NEXT, "400"
    yield "coding and length with HTTP/1.0", ten + b"Content-Length: 3\r\n\r\n" + chunks + NEXT, "400"
    yield "coding in a GET", b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + NEXT, \
        then(says("abc", "GET"))


def field_lines():
    """Lines that one server reads as a field that frames the body, and another one ignores."""
    chunks = b"0\r\n\r\n"
    for name, value, body in [(b"Content-Length", b"5", b"hello"), (b"Transfer-Encoding", b"chunked", chunks)]:
        label = name.decode()
        forms = {
            "space before the colon": name + b" : " + value, "tab before the colon": name + b"\t: " + value,
            "space before the name": b" " + name + b": " + value, "tab before the name": b"\t" + name + b": " + value,
            "folded": b"X: y\r\n " + name + b": " + value, "folded with a tab": b"X: y\r\n\t" + name + b": " + value,
            "folded value": name + b":\r\n " + value, "value continued": name + b": " + value + b"\r\n ",
            "no colon": name + b" " + value, "colon first": b":" + name + b": " + value, "NUL in the name": name + b"\0: " + value,
            "NUL before the name": b"\0" + name + b": " + value, "VT before the colon": name + b"\x0b: " + value,
            "CR before the colon": name + b"\r: " + value, "CR before the value": name + b": \r" + value,
            "CR behind the value": name + b": " + value + b"\r", "CR CR behind the value": name + b": " + value + b"\r\r",
            "LF before the name": b"X: y\n" + name + b": " + value, "CR before the name": b"X: y\r" + name + b": " + value,
            "LF behind the value": name + b": " + value + b"\nX: y", "in quotes": b'"' + name + b'": ' + value,
            "no-break space before the colon": name + b"\xa0: " + value, "byte order mark": b"\xef\xbb\xbf" + name + b": " + value,
            "DEL in the name": name + b"\x7f: " + value, "backspace in the name": name + b"\x08: " + value,
            "LF in the value": name + b": \n" + value, "empty name": b": " + value, "only a colon": b":",
            "space in the name": name.replace(b"-", b" ") + b"\x20: " + value, "semicolon": name + b"; " + value,
        }
        for text, line in forms.items():
            yield f"{label}, {text}", post([line], body), "400"
            # The same as the first line: there it may be a part of the request line.
            yield f"{label} first, {text}", b"POST /a HTTP/1.1\r\n" + line + b"\r\nHost: a\r\n\r\n" + body + NEXT, "400"
        # Other names, which do not frame the body: it is the next request, and not a valid one.
        other = {"underscore": name.replace(b"-", b"_"), "plus": name + b"+", "no hyphen": name.replace(b"-", b""),
                 "prefix": b"X-" + name, "two hyphens": name.replace(b"-", b"--"), "suffix": name + b"-"}
        for text, spelled in other.items():
            yield f"{label}, {text}", post([spelled + b": " + value]), then(says(""))
    for position in range(256):
        byte = bytes([position])
        tokens = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        if byte != b":":  # which ends the name
            expected = then(says("")) if byte in tokens else "400"
            yield f"byte {position:02x} in a name", post([b"X" + byte + b"Y: z"]), expected
        visible = position >= 0x20 and position != 0x7f or byte == b"\t"
        yield f"byte {position:02x} in a value", post([b"X: y" + byte + b"z"]), then(says("")) if visible else "400"


def line_ends():
    """Each CR LF of a message is replaced by something else."""
    message = post([b"Transfer-Encoding: chunked"], b"3\r\nabc\r\n0\r\n\r\n")
    names = ["request line", "Host", "Transfer-Encoding", "head", "chunk size", "chunk", "last chunk", "trailer"]
    parts = message.split(CRLF)
    for index, name in enumerate(names):
        for text, end in {"LF": b"\n", "CR": b"\r", "LF CR": b"\n\r", "CR CR LF": b"\r\r\n", "space CR LF": b" \r\n", "NUL": b"\0",
                          "CR LF LF": b"\r\n\n", "nothing": b""}.items():
            changed = CRLF.join(parts[:index + 1]) + end + CRLF.join(parts[index + 1:])
            expected = "400" if index < 4 else None
            if (name, text) in [("Host", "space CR LF"), ("Transfer-Encoding", "space CR LF")]:
                expected = then(says("abc"))  # white space behind a value
            if text == "CR LF LF":  # the line has ended, so the second LF begins what follows
                expected = {"head": 'POST /a 1.1 " 400', "chunk size": 'POST /a 1.1 "\\nab 400',
                            "trailer": says("abc") + " | 400"}.get(name, expected)
            if (name, text) == ("chunk size", "nothing"):
                expected = 'POST /a 1.1 " 413'  # the size is 3abc, above the limit of the test
            if expected is None:
                expected = {"chunk size": 'POST /a 1.1 " 400', "chunk": 'POST /a 1.1 "abc 400',
                            "last chunk": 'POST /a 1.1 "abc 400', "trailer": 'POST /a 1.1 "abc 400'}[name]
            yield f"{text} ends the {name}", changed, expected
    yield "empty line before", CRLF + NEXT, SAYS_NEXT
    yield "empty LF before", b"\n" + NEXT, "400"
    yield "empty line between", post([], b"", CRLF + NEXT), then(says(""))
    yield "two empty lines before", CRLF + CRLF + NEXT, "400"


def chunks():
    def chunked(body, following=NEXT):
        return post([b"Transfer-Encoding: chunked"], body, following)

    last = b"0\r\n\r\n"
    for size in ["3", "03", "0003", "0" * 15 + "3"]:
        yield f"chunk size {size}", chunked(size.encode() + b"\r\nabc\r\n" + last), then(says("abc"))
    for size in ["3;", "3;a", "3;a=b", "3 ;a", "3\t; a = b", '3;a="b"', '3;a="b\\"c;";d', "3;" + "a" * 100, "3;;", "3;\u00e9", "3;\t"]:
        yield f"chunk size {size!r}", chunked(size.encode() + b"\r\nabc\r\n" + last), then(says("abc"))
    for size in ["a", "A", "0a"]:
        yield f"chunk size {size}", chunked(size.encode() + b"\r\n0123456789\r\n" + last), then(says("0123456789"))
    for end in ["0", "00", "0" * 16]:
        yield f"last chunk {end}", chunked(b"3\r\nabc\r\n" + end.encode() + b"\r\n\r\n"), then(says("abc"))
    refused = 'POST /a 1.1 " 400'
    for size in ["", " 3", "\t3", "3 ", "3\t", "+3", "-3", "0x3", "0X3", "x3", "3x", "g", "3h", "3,", "3.", "3 a", "3; \0",
                 '3;a="', '3;a="\\"', '3;a="\r\n', "3;\n", "3;a\n", "3;\r", "3;a\rb", "3;\x7f", "3;" + "a" * 5000, "3\0", "\x003", "3\x0b", "3_0", "0_3", "0" * 16 + "3",
                 "10000000000000003", "fffffffffffffffff", "\u0663", "3\xa0", "3 3", "3/", "3:", "3@", "3G", "3`", "-0", "3\\"]:
        yield f"chunk size {size!r}", chunked(size.encode() + b"\r\nabc\r\n" + last), refused
    for size in ["fffffffffffffffd", "7fffffffffffffff", "8000000000000000", "ffffffff", "3e9"]:
        yield f"chunk size {size}", chunked(size.encode() + b"\r\nabc\r\n" + last), 'POST /a 1.1 " 413'
    behind = 'POST /a 1.1 "abc 400'
    for text, data in {"too short": b"3\r\nabcd\r\n", "no end": b"3\r\nabc", "a space": b"3\r\nabc \r\n", "LF": b"3\r\nabc\n",
                       "another size": b"3\r\nabc3\r\n", "CR": b"3\r\nabc\r"}.items():
        yield f"chunk end, {text}", chunked(data + last), behind
    yield "chunk end, too long", chunked(b"5\r\nabc\r\n" + last), 'POST /a 1.1 "abc\r\n 400'.replace("\r\n", "\\r\\n")
    for byte in range(256):
        if bytes([byte]) in b"0123456789abcdefABCDEF;":
            continue
        yield f"byte {byte:02x} behind a chunk size", chunked(b"3" + bytes([byte]) + b"\r\nabc\r\n" + last), refused
    end = b"3\r\nabc\r\n0"
    for text in ["X: y", "Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "X:"]:
        yield f"trailer {text}", chunked(end + b"\r\n" + text.encode() + b"\r\n\r\n"), then(says("abc"))
    for text in ["X y", " X: y", "X : y", ": y", "X: y\nZ: w", "X: y\r", "X: y\0", "X: y\r\n z", "X\0: y", "GET /x HTTP/1.1"]:
        yield f"trailer {text!r}", chunked(end + b"\r\n" + text.encode() + b"\r\n\r\n"), behind
    for text in [";a", ";a=b"]:
        yield f"last chunk 0{text!r}", chunked(end + text.encode() + b"\r\n\r\n"), then(says("abc"))
    for byte in range(256):  # in an extension: everything but control bytes
        extension = b";a" + bytes([byte]) + b"b"
        expected = then(says("abc")) if byte == 9 or byte >= 0x20 and byte not in (0x22, 0x7f) else refused
        yield f"byte {byte:02x} in a chunk extension", chunked(b"3" + extension + b"\r\nabc\r\n" + last), expected
    for text in [" ", "x", "\t", "\0", ";\n"]:
        yield f"last chunk 0{text!r}", chunked(end + text.encode() + b"\r\n\r\n"), behind


def request_lines():
    def line(text, following=NEXT):
        return text.encode("latin-1") + b"\r\nHost: a\r\n\r\n" + following

    for method in ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "HEAD"]:
        yield f"method {method}", line(f"{method} /a HTTP/1.1"), then(says("", method))
    for method in ["get", "Get", "CONNECT", "PRI", "FOO", "GET1", "X-GET", "G3T", "GET_", "PROPFIND"]:
        yield f"method {method}", line(f"{method} /a HTTP/1.1"), "501"
    for method in ["", " GET", "\tGET", "GET\t", "G ET", "GET\0", "\0GET", "G(ET", "GET:", "G\x80T", '"GET"', "GET,", "{GET}"]:
        # Behind the first space, a valid line may continue with the target. It does not begin with a slash, then.
        expected = {"G ET": "501"}.get(method, "400")
        yield f"method {method!r}", line(f"{method} /a HTTP/1.1"), expected
    for version in ["HTTP/1.1 ", " HTTP/1.1", "HTTP/1.1\t", "http/1.1", "Http/1.1", "HTTP/1.", "HTTP/.1", "HTTP/1", "HTTP/1.11",
                    "HTTP/01.1", "HTTP/1,1", "HTTP/1.1\0", "HTTP 1.1", "HTTP/ 1.1", "HTTP/1. 1", "HTTP", "", "XTTP/1.1", "HTTP/1.x",
                    "HTTP/+1.1", "HTTP/1.1x", "HTTPS/1.1", "ICY/1.1", "HTTP/-1.1"]:
        yield f"version {version!r}", line(f"GET /a {version}"), "400"
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.0", "HTTP/1.9", "HTTP/2.1"]:
        yield f"version {version}", line(f"GET /a {version}"), "505"
    yield "no version", line("GET /a"), "400"
    for target in ["/", "/a?b", "/a%20b", "//a", "/a/../b", "/%00", "/;a=b", "/a?b?c", "/[]", "/\\a", "/a|b", "/%zz", "/{}", '/"']:
        yield f"target {target}", line(f"GET {target} HTTP/1.1"), then(says("", "GET", target))
    for target in ["a", "*", "/a b", "/a\tb", "/a\0", "/a#b", "/a\x7f", "/\x80", "/\xff", "http:", "http:/a", "http://", "http:///a",
                   "ftp://a/", "://a", "http://a b/", "?a", "a:80", "http://a:b/", "http://[/", "http://[:]/", "http://a%z/", "/a\x0b", "http://u@a/"]:
        yield f"target {target!r}", line(f"GET {target} HTTP/1.1"), "400"
    for target, path in {"http://a/b": "/b", "HTTP://A/b": "/b", "https://a": "/", "http://a?b": "/?b", "http://a:80/": "/", "http://a:99999/": "/"}.items():
        yield f"target {target}", line(f"GET {target} HTTP/1.1"), then(says("", "GET", path))
    yield "two spaces before the target", line("GET  /a HTTP/1.1"), "400"
    yield "two spaces before the version", line("GET /a  HTTP/1.1"), "400"
    yield "tabs", line("GET\t/a\tHTTP/1.1"), "400"
    yield "OPTIONS *", line("OPTIONS * HTTP/1.1"), then(says("", "OPTIONS", "*"))
    yield "HTTP/0.9", b"GET /a\r\n\r\n" + NEXT, "400"
    yield "response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + NEXT, "400"
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"
    for position in range(256):
        byte = bytes([position])
        target = byte.isascii() and 0x20 < position < 0x7f and byte != b"#"
        message = b"GET /a" + byte + b" HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT
        yield f"byte {position:02x} in a target", message, then(says("", "GET", "/a" + chr(position))) if target else "400"


def hosts():
    def host(*lines):
        return b"GET /a HTTP/1.1\r\n" + b"".join(b"Host: " + line.encode() + CRLF for line in lines) + CRLF + NEXT

    for text in ["a", "a.b", "A:80", "127.0.0.1", "[::1]", "[::1]:80", "a:", "", "a_b", "a.", "xn--a", "a:65535", "a:0", "a:65536",
                 "a:" + "9" * 40, "%41", "a%2eb:80", "a!$&'()*+,;=~", "[1:2:3:4:5:6:7:8]", "[::ffff:127.0.0.1]", "[1::]:0"]:
        yield f"host {text}", host(text), then(says("", "GET"))
    for text in ["a b", "a/b", "a@b", "a:b", "a:80:80", "a:-1", "a:+80", "[::1", "::1]", "[a]", "a\tb", "a#b", "a?b",
                 "http://a", "a\\b", "a\x80", "[::1]a", "a:80a", "<a>", "a|b", '"a"', "a^b", "%zz", "a%", "a%4", "%", "%4z", "[:::1]", "[:]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7]",
                 "[1::2::3]", "[12345::]", "[::1.2.3]", "[::1%25lo]", "[]", "[::1]80", "[::g]"]:
        yield f"host {text!r}", host(text), "400"
    yield "no host", host(), "400"
    yield "two hosts", host("a", "b"), "400"
    yield "the same host twice", host("a", "a"), "400"
    yield "no host with HTTP/1.0", b"GET /a HTTP/1.0\r\n\r\n", says("", "GET", version="1.0", more=" close")
    yield "two hosts with HTTP/1.0", b"GET /a HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400"


def connections():
    def get(*lines):
        return b"GET /a HTTP/1.1\r\nHost: a\r\n" + b"".join(line.encode() + CRLF for line in lines) + CRLF + NEXT

    yield "expect 100-continue", get("Expect: 100-continue"), then(says("", "GET", more=" continue"))
    for text in ["", "100", "100-continue, x", "200-ok", "100-continue;a"]:
        yield f"expect {text}", get(f"Expect: {text}"), "417"
    yield "expect twice", get("Expect: 100-continue", "Expect: 100-continue"), "417"
    for text in ["Content-Length", "Transfer-Encoding", "Host", "keep-alive", "", ",", "x"]:
        yield f"connection {text}", get(f"Connection: {text}"), then(says("", "GET"))


def corpus():
    """Yields (name, message, expected)."""
    for family in [content_lengths, transfer_codings, field_lines, line_ends, chunks, request_lines, hosts, connections]:
        for name, message, expected in family():
            if name == "length, body hides a request":
                shown = NEXT.decode().replace("\r\n", "\\r\\n")
                expected = then(says(shown))
            yield name, message, expected


if __name__ == "__main__":
    for name, message, expected in corpus():
        print(name.encode("unicode_escape").decode().replace("\t", " "), message.hex(), expected, sep="\t")
