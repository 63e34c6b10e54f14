#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the links of the documentation site with lychee, a link checker of others: tools/check_links_by_lychee.py LYCHEE

Serves build/site on the loopback interface, and passes lychee's summary and status on. lychee reads the pages as files, and asks
the server for each target, anchors included. Addresses outside of the site are not opened. Run `./dev docs` first.
"""
import functools
import http.server
import subprocess
import sys
import threading

from check_site import handler, site


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=site))
    server.handle_error = lambda *_: None  # lychee ends connections whose answer it does not need
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    # The second rule: a file outside of the site, such as a page of the sources, is not a part of it.
    served = ["--remap", f"file://{site} {address}", "--remap", f"file://(.*) {address}/outside-of-the-site$1"]
    done = subprocess.run([sys.argv[1], "--no-progress", "--include-fragments=anchor-only", "--include", f"^{address}", "--host-concurrency=16",
                           "--host-request-interval=1ms", *served, site])
    server.shutdown()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
