"""Autobahn's list of cases for WebSockets, as a table of our own, played by wsproto.
    ws_cases.py WEB_SOCKET    WEB_SOCKET is the program examples/web_socket
Plays each case as a client of its server, and as a server of its client. Both send all messages back. wsproto does the
handshakes, parses what the program sends, and compresses; the frames of most cases are made by hand, because wsproto
does not send invalid ones. Prints the failed cases, and exits with 1 if there are any."""
import os
import re
import select
import socket
import struct
import subprocess
import sys

import wsproto
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Message, Request, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

TEXT, BINARY, CLOSE, PING, PONG, FIN = 1, 2, 8, 9, 10, 0x80
LIMIT = 20  # seconds for one case


def frame(first, payload, masked):
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    whole = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")


def close(code, reason=b""):
    return (FIN | CLOSE, struct.pack("!H", code) + reason)


class Case:
    """`frames` are sent. `data` and `pongs` are expected, in this order, and then a Close frame with `code`. If that is
    1000, the case sends a Close frame first, unless it is among `frames`."""

    def __init__(self, number, frames, data=(), pongs=(), code=1000, step=None):
        self.number, self.frames, self.data, self.pongs = number, list(frames), list(data), list(pongs)
        self.code, self.step = code, step


def text(number, content, step=None):
    return Case(number, [(FIN | TEXT, content)], [("text", content)], step=step)


def invalid(number, content, step=None):
    return Case(number, [(FIN | TEXT, content)], code=1007, step=step)


def fragments(kind, content, size):
    parts = [content[i:i + size] for i in range(0, len(content), size)] or [b""]
    frames = [(0, part) for part in parts]
    frames[0] = (kind, parts[0])
    frames[-1] = (frames[-1][0] | FIN, parts[-1])
    return frames


def unhex(codes):
    return bytes.fromhex(codes)


def framing():
    for i, size in enumerate((0, 125, 126, 127, 128, 65535, 65536, 65536)):
        step = 997 if i == 7 else None
        yield text(f"1.1.{i + 1}", b"*" * size, step)
        yield Case(f"1.2.{i + 1}", [(FIN | BINARY, b"\xfe" * size)], [("binary", b"\xfe" * size)], step=step)


def pings():
    long = b"\xfe" * 125
    yield Case("2.1", [(FIN | PING, b"")], pongs=[b""])
    yield Case("2.2", [(FIN | PING, b"Hello, world!")], pongs=[b"Hello, world!"])
    yield Case("2.3", [(FIN | PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")], pongs=[b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"])
    yield Case("2.4", [(FIN | PING, long)], pongs=[long])
    yield Case("2.5", [(FIN | PING, long + b"\xfe")], code=1002)
    yield Case("2.6", [(FIN | PING, long)], pongs=[long], step=1)
    yield Case("2.7", [(FIN | PONG, b"")])
    yield Case("2.8", [(FIN | PONG, b"unsolicited pong payload")])
    yield Case("2.9", [(FIN | PONG, b"unsolicited"), (FIN | PING, b"ping payload")], pongs=[b"ping payload"])
    many = [b"payload-%d" % i for i in range(10)]
    yield Case("2.10", [(FIN | PING, each) for each in many], pongs=many)
    yield Case("2.11", [(FIN | PING, each) for each in many], pongs=many, step=1)


def reserved():
    hello = (FIN | TEXT, b"Hello, world!")
    echo = [("text", b"Hello, world!")]
    yield Case("3.1", [(FIN | 0x10 | TEXT, b"x")], code=1002)
    for i, (bits, step) in enumerate(((0x20, None), (0x30, None), (0x40, 1)), 2):
        yield Case(f"3.{i}", [hello, (FIN | bits | TEXT, b"x"), (FIN | PING, b"")], echo, code=1002, step=step)
    yield Case("3.5", [(FIN | 0x50 | BINARY, b"\x00\xff")], code=1002)
    yield Case("3.6", [(FIN | 0x60 | PING, b"x")], code=1002)
    yield Case("3.7", [(FIN | 0x70 | CLOSE, b"")], code=1002)
    for kind, first in (("1", 3), ("2", 11)):
        for i in range(5):
            bad = (FIN | (first + i), b"reserved" if i % 2 else b"")
            before = [hello] if i >= 2 else []
            yield Case(f"4.{kind}.{i + 1}", before + [bad, (FIN | PING, b"")], echo if before else [], code=1002,
                       step=1 if i == 3 else None)


def fragmentation():
    f1, f2, both = b"fragment1", b"fragment2", [("text", b"fragment1fragment2")]
    yield Case("5.1", [(PING, f1), (FIN, f2)], code=1002)
    yield Case("5.2", [(PONG, f1), (FIN, f2)], code=1002)
    for i, step in ((3, None), (4, 7), (5, 1)):
        yield Case(f"5.{i}", [(TEXT, f1), (FIN, f2)], both, step=step)
    for i, step in ((6, None), (7, 7), (8, 1)):
        yield Case(f"5.{i}", [(TEXT, f1), (FIN | PING, b"p"), (FIN, f2)], both, [b"p"], step=step)
    hello = (FIN | TEXT, b"Hello, world!")
    for i, (first, step) in enumerate(((FIN, None), (FIN, 7), (FIN, 1), (0, None), (0, 7), (0, 1)), 9):
        yield Case(f"5.{i}", [(first, b"non-continuation payload"), hello], code=1002, step=step)
    for i, first in ((15, FIN), (16, 0), (17, FIN)):
        frames = [(TEXT, f1), (FIN, f2), (first, f1), hello] if i == 15 else [(first, f1), hello] * 2
        yield Case(f"5.{i}", frames, both if i == 15 else [], code=1002)
    yield Case("5.18", [(TEXT, f1), (FIN | TEXT, f2)], code=1002)
    five = [(TEXT, b"fragment1"), (0, b"fragment2"), (FIN | PING, b"pongme 1!"), (0, b"fragment3"), (0, b"fragment4"),
            (FIN | PING, b"pongme 2!"), (FIN, b"fragment5")]
    whole = [("text", b"fragment1fragment2fragment3fragment4fragment5")]
    yield Case("5.19", five, whole, [b"pongme 1!", b"pongme 2!"])
    yield Case("5.20", five, whole, [b"pongme 1!", b"pongme 2!"], step=1)


# The sequences of Autobahn's section 6, which are those of Markus Kuhn's decoder test.
VALID = {
    "6.5": ["ceba", "cebae1bdb9", "cebae1bdb9cf83cebccf83ceb5", "cebae1bdb9cf83cebc", "cf83"],
    "6.7": ["00", "c280", "e0a080", "f0908080"],
    "6.9": ["7f", "dfbf", "efbfbf", "f48fbfbf"],
    "6.11": ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf"],
    "6.22": [chr(plane << 16 | last).encode().hex() for plane in range(17) for last in (0xfffe, 0xffff)],
    "6.23": ["efbfb9", "efbfba", "efbfbb", "efbfbc", "efbfbd", "efbfbe", "efbfbf"],
}
INVALID = {
    "6.6": ["ce", "cebae1", "cebae1bd", "cebae1bdb9cf", "cebae1bdb9cf83ce", "cebae1bdb9cf83cebcce"],
    "6.8": ["f888808080", "fc8480808080"],
    "6.10": ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"],
    "6.11": ["f4908080"],
    "6.12": ["80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80", "80bf80bf80bf",
             "".join(f"{i:02x}" for i in range(0x80, 0xc0))],
    "6.13": ["".join(f"{i:02x}20" for i in r) for r in (range(0xc0, 0xe0), range(0xe0, 0xf0), range(0xf0, 0xf8),
                                                          range(0xf8, 0xfc), range(0xfc, 0xfe))],
    "6.14": ["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"],
    "6.15": ["c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"],
    "6.16": ["fe", "ff", "fefeffff"],
    "6.17": ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"],
    "6.18": ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"],
    "6.19": ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"],
    "6.20": ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"],
    "6.21": ["eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf", "edae80edb080", "edae80edbfbf",
             "edafbfedb080", "edafbfedbfbf"],
}


def utf8():
    greeting = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    word = "κόσμε".encode()
    yield text("6.1.1", b"")
    yield Case("6.1.2", [(TEXT, b""), (0, b""), (FIN, b"")], [("text", b"")])
    yield Case("6.1.3", [(TEXT, b""), (0, b"middle frame payload"), (FIN, b"")], [("text", b"middle frame payload")])
    yield text("6.2.1", greeting)
    for i, size in ((2, 12), (3, 1)):
        yield Case(f"6.2.{i}", fragments(TEXT, greeting, size), [("text", greeting)])
    yield Case("6.2.4", fragments(TEXT, word, 1), [("text", word)])
    bad = word + unhex("eda080") + b"edited"
    yield invalid("6.3.1", bad)
    yield Case("6.3.2", fragments(TEXT, bad, 1), code=1007)
    late = [(TEXT, word), (0, unhex("f4908080")), (FIN, b"edited")]
    for i, step in ((1, None), (2, 1), (3, 5), (4, 2)):
        yield Case(f"6.4.{i}", late, code=1007, step=step)
    for section, all_codes in VALID.items():
        for i, codes in enumerate(all_codes, 1):
            yield text(f"{section}.{i} valid", unhex(codes))
            yield Case(f"{section}.{i} valid, in parts", fragments(TEXT, unhex(codes), 1), [("text", unhex(codes))])
    for section, all_codes in INVALID.items():
        for i, codes in enumerate(all_codes, 1):
            yield invalid(f"{section}.{i} invalid", unhex(codes))
            yield Case(f"{section}.{i} invalid, in parts", fragments(TEXT, unhex(codes), 1), code=1007)


def closing():
    hello = (FIN | TEXT, b"Hello World!")
    echo = [("text", b"Hello World!")]
    yield Case("7.1.1", [hello, close(1000)], echo)
    yield Case("7.1.2", [close(1000), close(1000)])
    yield Case("7.1.3", [close(1000), (FIN | PING, b"")])
    yield Case("7.1.4", [close(1000), hello])
    yield Case("7.1.5", [(TEXT, b"fragment1"), close(1000), (FIN, b"fragment2")])
    large = b"BAsd7&jh23" * 26214
    yield Case("7.1.6", [(FIN | TEXT, large), hello, close(1000), (FIN | PING, b"")], [("text", large)] + echo)
    yield Case("7.3.1", [(FIN | CLOSE, b"")], code=1005)
    yield Case("7.3.2", [(FIN | CLOSE, b"a")], code=1002)
    yield Case("7.3.3", [close(1000)])
    yield Case("7.3.4", [close(1000, b"Hello World!")])
    yield Case("7.3.5", [close(1000, b"*" * 123)])
    yield Case("7.3.6", [close(1000, b"*" * 124)], code=1002)
    yield Case("7.5.1", [close(1000, b"\xce\xba\xed\xa0\x80edited")], code=1007)
    for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
        yield Case(f"7.7.{i}", [close(code)], code=code)
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield Case(f"7.9.{i}", [close(code)], code=1002)
    for i, code in enumerate((5000, 65535), 1):
        yield Case(f"7.13.{i}", [close(code)], code=1002)


def limits():
    for i, size in enumerate((65536, 262144, 1 << 20, 4 << 20, 8 << 20), 1):
        yield text(f"9.1.{i}", b"*" * size)
        yield Case(f"9.2.{i}", [(FIN | BINARY, b"\x00\xfe" * (size // 2))], [("binary", b"\x00\xfe" * (size // 2))])
    for i, size in enumerate((64, 256, 1024, 4096, 16384, 65536, 262144, 1 << 20, 4 << 20), 1):
        content = b"*" * (4 << 20)
        yield Case(f"9.3.{i}", fragments(TEXT, content, size), [("text", content)])
        yield Case(f"9.4.{i}", fragments(BINARY, content, size), [("binary", content)])
    for i, step in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        content = b"*" * (1 << 18)
        yield text(f"9.5.{i}", content, step)
        yield Case(f"9.6.{i}", [(FIN | BINARY, content)], [("binary", content)], step=step)
    for i, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
        yield Case(f"9.7.{i}", [(FIN | TEXT, b"*" * size)] * 1000, [("text", b"*" * size)] * 1000)
        yield Case(f"9.8.{i}", [(FIN | BINARY, b"*" * size)] * 1000, [("binary", b"*" * size)] * 1000)
    content = b"*" * 65536
    yield Case("10.1.1", fragments(TEXT, content, 1300), [("text", content)])


def all_cases():
    for part in (framing, pings, reserved, fragmentation, utf8, closing, limits):
        yield from part()


class Failure(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failure(what)


class Peer:
    """A connection to the program, after the handshake."""

    def __init__(self, connection, is_client, extension=None):
        self.socket, self.is_client = connection, is_client
        connection.settimeout(LIMIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind = wsproto.ConnectionType.CLIENT if is_client else wsproto.ConnectionType.SERVER
        self.protocol = wsproto.WSConnection(kind)
        extensions = [extension] if extension else []
        if is_client:
            connection.sendall(self.protocol.send(Request(host="localhost", target="/", extensions=extensions)))
        while True:
            data = connection.recv(65536)
            expect(data, "the connection has ended in the handshake")
            self.protocol.receive_data(data)
            event = next(self.protocol.events(), None)
            if isinstance(event, Request):
                connection.sendall(self.protocol.send(AcceptConnection(extensions=extensions)))
                break
            if isinstance(event, AcceptConnection):
                break

    def play(self, case):
        """Sends the frames of a case and compares the answers."""
        frames = list(case.frames)
        if case.code == 1000 and not any(first & 0xf == CLOSE for first, _ in frames):
            frames.append(close(1000))
        data = b"".join(frame(first, payload, self.is_client) for first, payload in frames)
        parser = FrameProtocol(client=self.is_client, extensions=[])
        got_data, got_pongs, code, parts = [], [], None, b""
        sent = 0
        step = case.step or len(data)
        self.socket.setblocking(False)
        while code is None:
            readable, writable, _ = select.select([self.socket], [self.socket] if sent < len(data) else [], [], LIMIT)
            expect(readable or writable, "no answer in time")
            if writable:
                try:
                    sent += self.socket.send(data[sent:sent + min(step, 1 << 18)])
                except BlockingIOError:
                    pass
                except (ConnectionResetError, BrokenPipeError):
                    sent = len(data)  # it has refused the rest; its answer may be readable
            if not readable:
                continue
            try:
                received = self.socket.recv(1 << 18)
            except BlockingIOError:
                continue
            expect(received, "the connection has ended without a Close frame")
            parser.receive_bytes(received)
            for each in parser.received_frames():
                if each.opcode is Opcode.CLOSE:
                    code = int(each.payload[0])
                    break
                if each.opcode is Opcode.PONG:
                    got_pongs.append(bytes(each.payload))
                elif each.opcode is Opcode.PING:
                    raise Failure("an unexpected ping")
                else:
                    is_text = each.opcode is Opcode.TEXT
                    parts += each.payload.encode() if is_text else bytes(each.payload)
                    if each.message_finished:
                        got_data.append(("text" if is_text else "binary", parts))
                        parts = b""
        expect(got_data == case.data, f"{len(got_data)} messages {str(got_data)[:200]}")
        expect(got_pongs == case.pongs, f"pongs {got_pongs}")
        expect(code == case.code, f"close code {code} instead of {case.code}")
        self.end(case.code != 1000 and not any(first & 0xf == CLOSE for first, _ in case.frames))

    def end(self, answers):
        """Waits for the end of the connection, which the server begins."""
        self.socket.settimeout(LIMIT)
        try:
            if answers:
                self.socket.sendall(frame(*close(1000), self.is_client))
            if not self.is_client:
                self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError, OSError) as error:
            expect(not isinstance(error, TimeoutError), "the connection was not closed")
        finally:
            self.socket.close()

    def talk(self, messages):
        """Sends messages by wsproto, with its compression, and compares what comes back."""
        for message in messages:
            event = TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
            data = self.protocol.send(event)
            got = message[:0]
            done = False
            self.socket.setblocking(False)
            while not done:
                readable, writable, _ = select.select([self.socket], [self.socket] if data else [], [], LIMIT)
                expect(readable or writable, "no answer in time")
                if writable:
                    data = data[self.socket.send(data):]
                if readable:
                    received = self.socket.recv(1 << 18)
                    expect(received, "the connection has ended")
                    self.protocol.receive_data(received)
                    for answer in self.protocol.events():
                        expect(isinstance(answer, Message), f"unexpected {answer!r}"[:200])
                        got += answer.data
                        done = answer.message_finished
            expect(got == message, f"{len(got)} instead of {len(message)}")
        self.socket.settimeout(LIMIT)
        self.socket.sendall(self.protocol.send(CloseConnection(code=CloseReason.NORMAL_CLOSURE)))
        self.end(False)


def compressed_cases():
    """Autobahn's sections 12 and 13: sizes, contents, and the parameters of permessage-deflate."""
    sample = "".join(f"line {i}: {'abc' * (i % 7)} {i * i}\n" for i in range(20000))
    noise = os.urandom(200_000)
    messages = [sample[:size] for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)]
    messages += [sample[:100]] * 50 + ["", "µ" * 5000, noise, noise[:1000], b"\0" * (1 << 20)]
    for server_takeover in (True, False):
        for client_takeover in (True, False):
            for bits in (15, 9, 12):
                yield (f"12, 13: takeover {server_takeover} {client_takeover}, {bits} bits", messages,
                       dict(server_no_context_takeover=not server_takeover,
                            client_no_context_takeover=not client_takeover, server_max_window_bits=bits))


def main():
    program = os.path.abspath(sys.argv[1])
    failed = passed = 0

    def run(name, play):
        nonlocal failed, passed
        try:
            play()
            passed += 1
        except Exception as error:  # the next cases still run
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")

    server = subprocess.Popen([program, "serve", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+)$", server.stdout.readline().strip())[1])

        def connect():
            return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)

        for case in all_cases():
            run(f"{case.number} (server)", lambda: Peer(connect(), True).play(case))
        for name, messages, parameters in compressed_cases():
            run(f"{name} (server)",
                lambda: Peer(connect(), True, PerMessageDeflate(**parameters)).talk(messages))
    finally:
        server.terminate()
        expect(server.wait(LIMIT) == 0, "the server has failed")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT)
        cases = list(all_cases())
        compressed = list(compressed_cases())
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        client = subprocess.Popen([program, "connect", url, str(len(cases) + len(compressed))])
        try:
            for case in cases:
                run(f"{case.number} (client)", lambda: Peer(listener.accept()[0], False).play(case))
            for name, messages, parameters in compressed:
                run(f"{name} (client)",
                    lambda: Peer(listener.accept()[0], False, PerMessageDeflate(**parameters)).talk(messages))
            if client.wait(LIMIT) != 0:
                failed += 1
                print("FAILED: the client has failed")
        finally:
            client.kill()
    print(f"wsproto: {passed} cases passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
