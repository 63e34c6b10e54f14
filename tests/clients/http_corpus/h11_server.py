"""Parses each message of the corpus with h11: see node.mjs, which reads and prints the same."""

import json
import sys

import h11


def requests_in(message):
    connection = h11.Connection(h11.SERVER)
    seen = []
    body = None
    try:
        connection.receive_data(message)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                seen.append([event.method.decode("latin-1"), event.target.decode("latin-1"), None])
                body = b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                seen[-1][2] = body.decode("latin-1")
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    break
                connection.start_next_cycle()
            else:
                break
    except h11.ProtocolError:
        pass
    return seen


for line in sys.stdin:
    print(json.dumps(requests_in(bytes.fromhex(line))))
