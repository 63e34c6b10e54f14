# SPDX-License-Identifier: MIT
"""The group `inspect`: what it costs a program to be read by `eddy tree`, to record its last events, to serve the page
about itself, and to be watched for stalls.

Each figure is a ratio with to without, of two processes that take turns in short slices: the processor time per
request, the latency of requests at a given rate, and the time of cases of the group `rt`. The reader runs on the
processor of the load generator, after it: the latency is to contain what reading costs the server, not the clients.
"""

import statistics
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import rt
from processes import ONE_PROCESSOR, BenchError, Processors, Server, progress, rotated, run_load, start
from rt_programs import output_of
from tables import Outcome, Table, Target, spread

SLICES = 3  # of each round
RT_CASES = ("yield_1/ct", "spawn_join_one/ct", "pingpong_chan/ct", "await_deep/ct", "timer_arm_cancel/ct", "oneshot/ct",
            "mutex_uncontended/ct")
SAME = 1.05  # the ratio of two p99 that counts as unchanged
RECORDED, PAGE, WATCHED = 1.02, 1.03, 1.01


def run(options) -> Outcome:
    outcome = Outcome(legend="median (smallest-largest) of the ratios with to without")
    processors = Processors.pick()
    if not processors.apart:
        outcome.absent.append(ONE_PROCESSOR)
    table = Table("inspect: ratio with to without", ["what", "processor time", "p99"], name="ratios")
    load, echo = (options.build / "bench" / name for name in ("bench_load", "bench_echo_eddy"))
    reader, web = options.build / "bin" / "eddy", options.build / "bench" / "bench_http_page"
    with tempfile.TemporaryDirectory() as folder:
        cases = [
            Case("read once a second, 1,000 connections, 10,000 requests/s", [load, echo, reader], [echo, "--port", 0],
                 ("--connections", 1000, "--rate", 10_000, "--seconds", 2), p99=SAME,
                 during=lambda server: reading(reader, server, processors)),
            Case("flight recorder, C100", [load, echo], [echo, "--port", 0], ("--connections", 100, "--seconds", 0.5),
                 time=RECORDED, environment=f"EDDY_TRACE={folder}/trace"),
            Case("page, read once a second, 50,000 HTTP requests/s", [load, web], [web, "--port", 0],
                 ("--http", "--connections", 100, "--rate", 50_000, "--seconds", 2), time=PAGE,
                 environment="DETECTORS_PAGE=1", during=reading_page)]
        for case in cases:
            if missing := [path.name for path in case.needs if not path.exists()]:
                outcome.absent.append(f"{case.what}: {', '.join(missing)} is not built")
                continue
            try:
                judge(outcome, table, case, case.measure(load, options.rounds, processors))
            except (BenchError, OSError) as error:
                outcome.errors.append(f"{case.what}: {error}")
    watch(outcome, table, options)
    outcome.tables.append(table)
    return outcome


# ---- Servers ----


class Case:
    """A server with and without what is measured: another environment, or what happens `during` a slice. `time` and
    `p99` are the limits of the ratios, if there are any."""

    def __init__(self, what: str, needs: list[Path], command: list, load: tuple, time: float | None = None,
                 p99: float | None = None, environment: str = "", during: Callable = lambda server: nullcontext()):
        self.what, self.needs, self.time, self.p99 = what, needs, time, p99
        self.commands = {"without": command, "with": ["env", environment, *command] if environment else command}
        self.load, self.during = load, during

    def measure(self, load: Path, rounds: int, processors: Processors) -> list[dict]:
        """The figures of bench_load by side, for each slice."""
        slices = []
        for index in range(rounds):
            progress("inspect", f"{self.what}, round {index + 1}/{rounds}")
            with ExitStack() as cleanup:
                servers = {side: cleanup.enter_context(Server(command, processors.server))
                           for side, command in self.commands.items()}
                for turn in range(SLICES):
                    slices.append({side: self.slice(load, side, servers[side], processors)
                                   for side in rotated(list(servers), index + turn)})
        return slices

    def slice(self, load: Path, side: str, server: Server, processors: Processors) -> dict:
        with self.during(server) if side == "with" else nullcontext():
            figures = run_load(load, server, processors.load, *self.load, "--warmup", 0.1)
        server.settle()
        return figures | {"cpu_us_per_request": figures["server_cpu_ns"] / 1e3 / figures["requests"]}


@contextmanager
def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Calls `work` at once, and then once a second, on a thread of its own."""
    is_over = threading.Event()

    def repeat() -> None:
        work()
        while not is_over.wait(1):
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def reading(reader: Path, server: Server, processors: Processors):
    def read() -> None:
        with open("/dev/null", "w", encoding="utf-8") as nowhere:
            start(["chrt", "--idle", "0", reader, "tree", server.pid], processors.load, stdout=nowhere).wait()
    return repeated(read)


def reading_page(server: Server):
    def read() -> None:
        for name in ("tasks.json", "metrics"):
            with urllib.request.urlopen(f"http://{server.page}/{name}", timeout=20) as answer:
                answer.read()
    return repeated(read)


# ---- The watchdog ----


def watch(outcome: Outcome, table: Table, options) -> None:
    """Cases of `rt` on one event loop, with the stall watchdog and without. The watchdog is a thread, so the program has
    more than one: libstdc++ then counts references by atomic operations."""
    program = options.build / "bench" / "eddy_rt"
    if not program.exists():
        outcome.absent.append("stall watchdog: eddy_rt is not built")
        return
    for case in RT_CASES:
        progress("inspect", case)
        ratios = []
        try:
            for index in range(2 * options.rounds + 1):
                sides = {side: list(rt.parse(output_of(["env", f"EDDY_STALL={limit}", program, case]), {}).values())[0]
                         for side, limit in rotated([("without", "0"), ("with", "250ms")], index)}
                ratios.append(sides["with"] / sides["without"])
        except (BenchError, OSError) as error:
            outcome.errors.append(f"{case}: {error}")
            continue
        table.rows.append([f"stall watchdog, {case}", text_of(ratios), ""])
        outcome.targets.append(Target(f"stall watchdog, {case}", statistics.median(ratios), WATCHED))


# ---- Results ----


def judge(outcome: Outcome, table: Table, case: Case, slices: list[dict]) -> None:
    outcome.data[case.what] = slices
    ratios = {key: [one["with"][key] / one["without"][key] for one in slices] for key in ("cpu_us_per_request", "p99_us")}
    table.rows.append([case.what, *map(text_of, ratios.values())])
    for name, limit, found in zip(("processor time", "p99"), (case.time, case.p99), ratios.values()):
        if limit:
            outcome.targets.append(Target(f"{case.what}: {name}", statistics.median(found), limit))


def text_of(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({spread(ratios, 3)})"
