# SPDX-License-Identifier: MIT
"""Makes the page RESULTS.md from the stored results, and the table of missed targets in docs/benchmarks.md. The page has a
part of the figures; all of them are in results/."""

import results

INTRO = """# Results

`./dev bench plot` makes this page from the files in [results](results), which have more columns, spreads and all targets.
`./dev bench GROUP --save` replaces the figures that it measures. [Benchmarks](../docs/benchmarks.md) has the method, plots, and
the missed targets; [Notes](NOTES.md) has the reasons.

- Times are comparable only within one run: the machines are virtual and change their speed by 30 %.
- Ratios are medians over the rounds, taken within a slice or a round. So they are not the quotients of the columns.
- CPU s/M: seconds of the server's processor time per million requests. Lower is better.
- The group `counts` (instructions, allocations and system calls per operation) has its baseline in [counts.json](counts.json)."""

Section = list[str]


def text() -> str:
    sections = [[INTRO], net(), rt(), redis(), http(), tls(), scale(), compiling(), micro()]
    return "\n\n".join(part for section in sections for part in section if part) + "\n"


def losses() -> str:
    """The table of the targets that eddy misses."""
    rows = [[f"{group}: {one['what'].removeprefix(group).lstrip(' ,:')}", number(one["value"]) + one["unit"], limit_of(one)]
            for group in ("net", "rt", "http", "tls", "redis", "scale", "compile", "micro") for one in results.targets(group)
            if one["verdict"] == "missed"]
    return table(["what", "measured", "target"], rows)


# ---- The groups ----


def net() -> Section:
    one_thread = ["C1", "C100", "LOAD80", "C1000", "C10000", "P16", "BIG", "CHURN"]
    return [
        *head("net", "net: echo servers"),
        "CPU s/M as a ratio to bare_epoll, a loop of system calls without a runtime. It takes part twice; the difference is the noise.",
        matrix("net", one_thread, "ratio", "{:.3f}"),
        "99th percentile of the latency, us:", matrix("net", one_thread, "p99"),
        "STORM: 1,000 clients connect at the same time, while 100 are busy. Latency of the new ones, in ms:",
        plain("net", "STORM", ["server", "p50 ms", "p99", "max", "p99 ratio", "max ratio"]),
        "System calls per request, in CHURN per connection:",
        plain("net", "calls", ["server", "C1", "C100", "C1000", "BIG", "CHURN", "date"]),
        "Two threads, the pool next to Tokio:", plain("net", "two threads"),
        "io_uring, ratios to bare_uring, the bare loop with a ring, in the same turn:", plain("net", "io_uring"),
        plain("net", "io_uring, peers"),
        "IDLE: bytes per connection, with 10,000 connections that were answered once. Tokio, monoio, glommio, Asio and Go hold a "
        "buffer for each connection, of which one page was touched, but all pages of glommio's, which must be zeroed. The others "
        "receive into shared buffers.",
        plain("net", "IDLE", ["server", "bytes/connection", "date"]),
    ]


def rt() -> Section:
    columns = ["case", "eddy", "tokio", "go", "asio", "tmc", "raw", "eddy/tokio", "eddy/best"]
    rows = []
    for row in results.rows("rt", "rt"):
        to_tokio = cell(row["eddy/tokio"]) + ", missed" * (row[""] == "missed")
        to_best = f"{cell(row['eddy/best'])} {row['best']}" + ", missed" * (row["of best"] == "missed")
        rows.append([f"{row['case']}, {row['unit']}", *(cell(row[column]) for column in columns[1:7]), to_tokio, to_best])
    return [
        *head("rt", "rt: tasks, timers and wake-ups"),
        "ct: one thread; w2: two workers; raw: the same work without a runtime; tmc: TooManyCooks. `_scope` is compared with the "
        "peers' tree without a scope; TooManyCooks uses spawn_tuple() and spawn_many() there. Links of chained_spawn pass the "
        "sender of a channel, links of chained_spawn_ref a reference, as in both rows of TooManyCooks. raw of codec_lines makes a "
        "std::string for each line. Go blocks the goroutine in the cases of mutex.",
        "best: the peer with the largest ratio. rt_targets.py has the limits of both ratios.",
        table(columns, rows),
    ]


def redis() -> Section:
    parts = [*head("redis", "redis: mini_redis and redis-server"),
             "redis-benchmark with 50 clients, values of 3 bytes and -P requests in flight per client. Server and load have one "
             "processor each. mini_redis polls for 20 us before it sleeps (`--spin`). ratio: requests per second; target: at least 1."]
    for driver in results.names("redis"):
        parts += [f"mini_redis on {driver}:", plain("redis", driver)]
    return parts


def http() -> Section:
    return [
        *head("http", "http: HTTP servers"),
        "C100: 100 connections, `GET /`, keep-alive. H2: h2load, 10 connections with 100 requests in flight on each. bare_epoll "
        "answers with the same bytes, but only finds the end of each request.",
        plain("http", "C100", ["server", "CPU s/M", "user", "ratio"]),
        plain("http", "H2", ["server", "CPU us/request", "ratio"]),
        "Memory of an idle connection that has answered one request, HTTP/1.1 and HTTP/2:",
        plain("http", "IDLE", ["server", "bytes/connection"]), plain("http", "H2_IDLE", ["server", "bytes/connection"]),
    ]


def tls() -> Section:
    return [
        *head("tls", "tls: TLS echo servers"),
        "bare_epoll: a bare loop with OpenSSL; asio_ssl: Asio's ssl::stream. ECHO: 100 connections, messages of 1 KiB. BULK: 1 "
        "connection, 16 KiB. FULL: connections with a full handshake, 16 at a time. RESUMED: with resumed sessions. RELOAD: "
        "handshakes while the certificate is replaced every 10 ms, for 2 s. CPU s/M as a ratio to bare_epoll:",
        matrix("tls", ["ECHO", "BULK", "FULL", "RESUMED"], "ratio", "{:.3f}"),
        plain("tls", "IDLE", ["server", "bytes/connection"]),
    ]


def scale() -> Section:
    return [
        *head("scale", "scale: growing numbers of connections and tasks"),
        "Nanoseconds of the server's processor time per request; the target of the ratio is 1.05:", plain("scale", "connections"),
        "Nanoseconds per yield on one thread. With 1,000,000 tasks, the coroutine frames do not fit into the caches:",
        plain("scale", "yields"),
        "Bytes of resident memory per waiting task on one thread; the target of the ratio is 1:", plain("scale", "waiting tasks"),
    ]


def compiling() -> Section:
    return [*head("compile", "compile: time and memory of the compiler"),
            "Seconds of processor time and MB of memory to compile the echo server, eddy's and Asio's with coroutines. Target: 0.5.",
            plain("compile", "echo server"), plain("compile", "http::get")]


def micro() -> Section:
    return [
        *head("micro", "micro: operations of nanoseconds"),
        "malloc_free_128, a malloc and free of 128 bytes, is the reference.",
        plain("micro", "micro", ["benchmark", "ns", "x malloc_free_128", "target", "date"]),
    ]


# ---- Parts of the page ----


def head(group: str, title: str) -> Section:
    """The heading, the number of targets that are met, and the runs."""
    judged = results.targets(group)
    met = sum(one["verdict"] == "ok" for one in judged)
    runs = [f"- {run['date']}, `{run['command']}`: Linux {run['kernel']}, {run['cpu']}, {run['cores']} processors; "
            + "; ".join(filter(None, [run["compiler"], run["peers"]])) + f". {run['remark']}".rstrip() for run in results.load(group)]
    return [f"## {title}", f"{met} of {len(judged)} targets are met.", "\n".join(runs)]


def matrix(group: str, tables: list[str], column: str, form: str = "{:,}") -> str:
    """One column of several tables: a row for each server."""
    by_table = {name: {row["server"]: row[column] for row in results.rows(group, name)} for name in tables
                if name in results.names(group)}
    servers = dict.fromkeys(server for figures in by_table.values() for server in figures)
    return table(["server", *by_table], [[server, *(cell(figures.get(server, "-"), form) for figures in by_table.values())]
                                         for server in servers])


def plain(group: str, name: str, columns: list[str] | None = None) -> str:
    """A table, or nothing if it was never measured."""
    rows = results.rows(group, name)
    if not rows:
        return ""
    columns = columns or [column for column in rows[0] if column != "date"]
    return table(columns, [[cell(row.get(column, "-")) for column in columns] for row in rows])


def table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---", *["--:"] * (len(header) - 1)], *rows])


def cell(value: object, form: str = "{:,}") -> str:
    return form.format(value) if isinstance(value, (int, float)) else str(value)


def number(value: float) -> str:
    return f"{value:,}"


def limit_of(target: dict) -> str:
    return ("at least " if target["at_least"] else "") + number(target["limit"]) + target["unit"]
