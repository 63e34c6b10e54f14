#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of a build folder, as `ctest` would, but with few processes and with a result for each test.

    run.py BUILD [OPTION...]

The tests are those that CTest knows (`ctest --show-only`). A GoogleTest executable, which has the label `gtest`, runs once per
driver, in a few parts that run at the same time; other commands run as they are. After a crash or a hang, the test that was
running counts as failed, and the tests after it run in a new process. A suite whose name ends in `OwnProcess` has one process
per test. The durations of the last run are in BUILD/tests/times.json, so that long tests start first.
"""
import argparse
import concurrent.futures
import dataclasses
import fnmatch
import json
import os
import pathlib
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

top = pathlib.Path(__file__).resolve().parent.parent
NO_TEST = 5  # the status of --targets if no test matches

# ---- Programs and their tests ----

PART_SECONDS = 4.0  # the intended duration of one process
UNKNOWN_SECONDS = 0.03  # the assumed duration of a test that has not run before
UNKNOWN_STRESS_SECONDS = 0.5
WHOLE = "(the whole process)"
# If the watchdog of a process does not end it, it is killed this many seconds after the time limit of its test.
GRACE_SECONDS = float(os.environ.get("EDDY_RUN_GRACE", 60))

TEST_MACRO = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|INSTANTIATE_TEST_SUITE_P)\(\s*(\w+),\s*(\w+)\)", re.M)


@dataclasses.dataclass
class Program:
    """A test as CTest sees it: a GoogleTest executable on one driver, or a command."""

    name: str
    command: list
    labels: set
    environment: dict
    properties: dict

    @property
    def is_gtest(self):
        return "gtest" in self.labels

    def repeat_command(self, arguments=()):
        environment = [f"{key}={shlex.quote(value)}" for key, value in self.environment.items()]
        return " ".join([*environment, shlex.join([*self.command, *arguments])])


def ctest_programs(build):
    done = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True, check=True)
    for test in json.loads(done.stdout)["tests"]:
        properties = {each["name"]: each["value"] for each in test.get("properties", [])}
        environment = dict(each.split("=", 1) for each in properties.get("ENVIRONMENT", []))
        # A program that is not built has no command.
        yield Program(test["name"], test.get("command", []), set(properties.get("LABELS", [])), environment, properties)


def has_label(program, pattern):
    return any(re.search(pattern, label) for label in program.labels)


def runs_on_driver(program, chosen):
    """Whether the program belongs to the chosen driver, or to none in particular. Without a choice: to epoll or io_uring."""
    drivers = program.labels & {"epoll", "io_uring", "poll", "kqueue"}
    return not drivers or bool(drivers & ({chosen} if chosen else {"epoll", "io_uring"}))


class Sources:
    """Which executables and test files belong to a test, from the list that CMake writes (BUILD/tests/programs.tsv)."""

    def __init__(self, build):
        self._rows = {}
        listing = build / "tests" / "programs.tsv"
        for line in listing.read_text().splitlines() if listing.exists() else []:
            name, targets, *files = line.split("\t")
            self._rows[name] = (targets.split(), [pathlib.Path(file) for file in files if file])

    @property
    def are_known(self):
        return bool(self._rows)

    def _row(self, program):
        return self._rows.get(program.name) or self._rows.get(program.name.split(".")[0]) or ([], [])

    def targets(self, program):
        return self._row(program)[0]

    def is_of(self, program, library):
        """Whether the program has test files in the folder of the library."""
        return any(file.is_relative_to(top / library / "tests") for file in self._row(program)[1])

    def may_have(self, program, pattern):
        """Whether a test of the program may match, judged by its sources. The program need not be built."""
        if pattern.search(program.name):
            return True
        for file in self._row(program)[1]:
            if pattern.search(file.stem) or pattern.search(file.parent.name):
                return True
            if file.exists() and any(pattern.search(f"{s}.{n}") for s, n in TEST_MACRO.findall(file.read_text())):
                return True
        return False


def candidates(programs, sources, pattern):
    """The programs that may have a matching test; all programs if the sources do not show it (`Prefix/Suite.Name/3`)."""
    if pattern is None:
        return programs
    found = [each for each in programs if sources.may_have(each, pattern)]
    return found or (programs if "/" in pattern.pattern or not sources.are_known else [])


def list_tests(program, pattern):
    """The names of the tests of a GoogleTest executable in order: the matching tests, and all tests."""
    with tempfile.NamedTemporaryFile(suffix=".json") as listing:
        command = [*program.command, "--gtest_list_tests", f"--gtest_output=json:{listing.name}"]
        done = subprocess.run(command, env={**os.environ, **program.environment}, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program.repeat_command(['--gtest_list_tests'])} failed:\n{done.stdout}{done.stderr}")
        suites = json.load(listing)["testsuites"]
    names, every = [], []
    for suite in suites:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if re.search(r"(^|[./])DISABLED_", name):
                continue
            every.append(name)
            file = pathlib.Path(test.get("file", ""))
            texts = (program.name, name, f"{program.name}/{name}", file.stem, file.parent.name)
            if pattern is None or any(pattern.search(text) for text in texts):
                names.append(name)
    return names, every


class Omitted:
    """Tests that are not run: lines with a name (`Suite.Name` or a pattern) and the reason, separated by a tab."""

    def __init__(self, file):
        lines = file.read_text().splitlines() if file else []
        self._reasons = dict(line.split("\t") for line in lines if line and not line.startswith("#"))
        self._unused = set(self._reasons)

    def reason(self, test):
        for name, reason in self._reasons.items():
            if fnmatch.fnmatchcase(test, name):
                self._unused.discard(name)
                return reason
        return None

    def unused(self):
        return sorted(self._unused)


# ---- Jobs: processes to start ----


@dataclasses.dataclass
class Job:
    program: Program
    tests: list  # of a GoogleTest executable; None for a command
    everything: bool = False  # these are all tests of the executable
    seconds: float = 0.0
    also: list = dataclasses.field(default_factory=list)  # further commands in the same process (make_command_jobs)


def suite_of(test):
    return test.rsplit(".", 1)[0]


def needs_own_process(test):
    return re.search(r"OwnProcess(/|$)", suite_of(test)) is not None


class Times:
    """The durations of the tests in the last run."""

    def __init__(self, file):
        self._file = file
        try:
            self._seconds = json.loads(file.read_text())
        except (OSError, ValueError):
            self._seconds = {}

    def get(self, program, test):
        known = self._seconds.get(f"{program.name}/{test}")
        if known is not None:
            return known
        return UNKNOWN_STRESS_SECONDS if "Stress" in test else UNKNOWN_SECONDS

    def put(self, program, test, seconds):
        self._seconds[f"{program.name}/{test}"] = round(seconds, 3)

    def save(self):
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._seconds, indent=0, sort_keys=True))


def make_jobs(program, tests, every, times):
    """Splits `tests`, a subset of the executable's tests `every`, into parts.

    A suite is split only if it is too long for one part."""
    shared = [test for test in tests if not needs_own_process(test)]
    jobs = [Job(program, [test], seconds=times.get(program, test)) for test in tests if needs_own_process(test)]
    part, seconds = [], 0.0
    for number, test in enumerate(shared):
        part.append(test)
        seconds += times.get(program, test)
        is_last = number + 1 == len(shared)
        ends_suite = is_last or suite_of(shared[number + 1]) != suite_of(test)
        if is_last or (seconds >= PART_SECONDS and ends_suite) or seconds >= 2 * PART_SECONDS:
            jobs.append(Job(program, part, seconds=seconds))
            part, seconds = [], 0.0
    if len(jobs) == 1 and len(jobs[0].tests) == len(every):
        jobs[0].everything = True
    return jobs


def file_of(program):
    """The file that runtime/tests/must_not_compile/check.py checks, or None if the command is another one.

    Its command is `[python, check.py, family, FILE, --, compiler...]`, and it accepts several files."""
    command, properties = program.command, program.properties
    is_check = "must_not_compile" in program.labels and len(command) > 4 and command[4] == "--"
    is_plain = not properties.get("DISABLED") and "PASS_REGULAR_EXPRESSION" not in properties
    return command[3] if is_check and is_plain else None


def make_command_jobs(programs, number):
    """Jobs for commands: one each. The files that must not compile are divided into at most `number` processes."""
    jobs = [Job(each, None, seconds=UNKNOWN_STRESS_SECONDS) for each in programs if file_of(each) is None]
    files = [each for each in programs if file_of(each) is not None]
    number = max(1, min(number, len(files) // 10))
    for part in (files[start::number] for start in range(number)):
        if part:
            jobs.append(Job(part[0], None, seconds=UNKNOWN_STRESS_SECONDS * len(part), also=part[1:]))
    return jobs


def filter_for(tests, all_tests):
    """A --gtest_filter for exactly these tests: `Suite.*` if it selects all tests of a suite."""
    in_suite = {}
    for test in all_tests:
        in_suite.setdefault(suite_of(test), []).append(test)
    wanted = {}
    for test in tests:
        wanted.setdefault(suite_of(test), []).append(test)
    return ":".join(f"{suite}.*" if names == in_suite[suite] else ":".join(names) for suite, names in wanted.items())


# ---- Results ----


@dataclasses.dataclass
class Result:
    program: Program
    test: str  # empty for a command
    outcome: str  # "passed", "failed", "skipped"
    seconds: float = 0.0
    output: str = ""
    why: str = ""  # a short reason for a failed or a skipped test
    repeat: str = ""
    stalls: list = dataclasses.field(default_factory=list)  # their reports

    @property
    def name(self):
        return f"{self.program.name}/{self.test}" if self.test else self.program.name


# The first words of what eddy reports about a program (runtime/src/executor/task). A test that provokes a report captures it,
# so one in its output is false, or a fault of the test.
REPORT = re.compile(r"eddy: (?:this program waits for ever|suspected: |leaks: )")
UNEXPECTED_REPORT = "eddy reports something that the test does not expect"
# Tests that block a thread for a moment stall on a busy machine. These reports are true, and only counted.
STALL = re.compile(r"^eddy: (?:a task|task \d+).* has (?:blocked|occupied) its thread .*\n(?: .*\n)*", re.M)


MARK = re.compile(r"\[( RUN      |       OK |  FAILED  |  SKIPPED )\] (\S+?)(?:, where .*?)?(?: \((\d+) ms\))?$", re.M)
SEED = re.compile(r"^to repeat: (EDDY_TEST_SEED=\d+)$", re.M)


def parse_gtest(text):
    """Parses the output of a GoogleTest executable into tuples (test, outcome, seconds, output).

    The outcome of an unfinished test is None."""
    found, running, begin = [], None, 0
    for mark in MARK.finditer(text):
        kind, test, milliseconds = mark.group(1).strip(), mark.group(2), mark.group(3)
        if kind == "RUN":
            running, begin = test, mark.end() + 1
        elif running is not None and test == running and milliseconds is not None:
            outcome = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[kind]
            found.append((test, outcome, int(milliseconds) / 1000, text[begin : mark.start()]))
            running = None
    if running is not None:
        found.append((running, None, 0.0, text[begin:]))
    return found


def skip_reason(output):
    lines = [line for line in output.splitlines() if line and not re.search(r": Skipped$", line)]
    return lines[0] if lines else "no reason given"


FRAME = re.compile(r"^(/[^\s(]+)\(\+(0x[0-9a-f]+)\) ?\[0x[0-9a-f]+\]$", re.M)


def with_names_of_functions(text):
    """Replaces the stack frames that the watchdog prints with function names and lines."""
    addresses = {}
    for module, address in FRAME.findall(text):
        addresses.setdefault(module, []).append(address)
    names = {}
    for module, found in addresses.items():
        try:
            done = subprocess.run(["addr2line", "-Cfpe", module, *found], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        for address, name in zip(found, done.stdout.splitlines()):
            if not name.startswith("??"):
                names[module, address] = name
    return FRAME.sub(lambda frame: "    " + names.get(frame.groups(), frame.group(0)), text)


def describe_end(code):
    if code == 124:
        return "exceeded its time limit"
    if code < 0:
        return f"ended the process with {signal.Signals(-code).name}"
    return f"ended the process with exit code {code}"


# ---- Running ----


class Runner:
    def __init__(self, options, build, times):
        self._options = options
        self._build = build
        self._times = times
        self._lock = threading.Lock()
        self._all_tests = {}  # by the name of the program
        self._processes = set()
        self._stopped = False
        self._began = time.monotonic()
        self._done = 0
        self._total = 0
        self._running = {}
        self.results = []

    # -- Progress --

    def _show_progress(self):
        is_terminal = sys.stderr.isatty()
        last = time.monotonic()
        while not self._finished.wait(0.5 if is_terminal else 1):
            if not is_terminal and time.monotonic() - last < 10:
                continue
            last = time.monotonic()
            with self._lock:
                failed = sum(each.outcome == "failed" for each in self.results)
                running = " ".join(sorted(set(self._running.values())))
            line = f"{self._done} of {self._total} tests, {failed} failed, {last - self._began:.0f} s; running: {running}"
            if is_terminal:
                columns = os.get_terminal_size(sys.stderr.fileno()).columns
                print("\r\033[K" + line[: columns - 1], end="", file=sys.stderr, flush=True)
            else:
                print(line, file=sys.stderr, flush=True)

    def report(self, result):
        with self._lock:
            self.results.append(result)
            if result.outcome == "failed":
                if sys.stderr.isatty():
                    print("\r\033[K", end="", file=sys.stderr, flush=True)
                print(failure_text(result), flush=True)

    # -- One process --

    def _start(self, program, arguments, limit, command=None):
        """Runs a process to its end. Returns its exit code (or None after `limit` seconds without progress) and its output."""
        environment = {**os.environ, **program.environment}
        folder = program.properties.get("WORKING_DIRECTORY", self._build)
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command or [*program.command, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment, cwd=folder, start_new_session=True)
            with self._lock:
                self._processes.add(process)
                self._running[process.pid] = program.name
            code, seen, progress = None, 0, time.monotonic()
            marks = 0
            while code is None and time.monotonic() - progress < limit and not self._stopped:
                try:
                    code = process.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    pass
                new = os.pread(output.fileno(), 1 << 24, seen)
                seen += len(new)
                if program.is_gtest and (ended := len(re.findall(rb"\] \S+.* \(\d+ ms\)\r?\n", new))):
                    progress = time.monotonic()
                    marks += ended
                    self._done += ended
            self._kill(process)  # also the processes that it has started
            process.wait()
            with self._lock:
                self._processes.discard(process)
                del self._running[process.pid]
            self._done -= marks
            output.seek(0)
            return code, output.read().decode(errors="replace").replace("\r\n", "\n")  # programs for Windows write \r\n

    @staticmethod
    def _kill(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    # -- Jobs --

    def _run_together(self, job):
        """Runs one process of runtime/tests/must_not_compile/check.py for several files."""
        programs = {file_of(each): each for each in [job.program, *job.also]}
        command = job.program.command
        begin = time.monotonic()
        code, output = self._start(job.program, [], 900, [*command[:3], *programs, *command[4:]])
        results = []
        seconds = (time.monotonic() - begin) / len(programs)
        verdicts = re.findall(r"^(passed|failed) (\S+) *\n((?: .*\n)*)", output, re.M)
        for outcome, file, why in verdicts:
            program = programs.pop(file)
            results.append(Result(program, "", outcome, seconds, why, repeat=program.repeat_command()))
        for program in programs.values():
            why = "takes too long" if code is None else "has no result"
            results.append(Result(program, "", "failed", 0.0, output[-5000:], why, program.repeat_command()))
        return results

    def _run_command(self, job):
        if job.also:
            return self._run_together(job)
        program, properties = job.program, job.program.properties
        if properties.get("DISABLED"):
            return [Result(program, "", "skipped", why="not for this compiler or system")]
        if not program.command:
            return [Result(program, "", "failed", why="is not built")]
        limit = properties.get("TIMEOUT", 300)
        begin = time.monotonic()
        code, output = self._start(program, [], limit)
        result = Result(program, "", "passed", time.monotonic() - begin, output, repeat=program.repeat_command())
        if code is None:
            result.outcome, result.why = "failed", f"ran for more than {limit:.0f} s"
        elif code == properties.get("SKIP_RETURN_CODE") or self._any(properties, "SKIP_REGULAR_EXPRESSION", output):
            result.outcome, result.why = "skipped", output.strip().splitlines()[-1] if output.strip() else program.name
        elif "PASS_REGULAR_EXPRESSION" in properties:
            if not self._any(properties, "PASS_REGULAR_EXPRESSION", output):
                result.outcome, result.why = "failed", f"does not print {properties['PASS_REGULAR_EXPRESSION']}"
        elif self._any(properties, "FAIL_REGULAR_EXPRESSION", output):
            result.outcome, result.why = "failed", f"prints {properties['FAIL_REGULAR_EXPRESSION']}"
        elif code != 0:
            result.outcome, result.why = "failed", describe_end(code)
        elif REPORT.search(output):
            result.outcome, result.why = "failed", UNEXPECTED_REPORT
        result.stalls = STALL.findall(output)
        return [result]

    @staticmethod
    def _any(properties, name, output):
        return any(re.search(pattern, output) for pattern in properties.get(name, []))

    def _run_gtest(self, job):
        results, left, everything = [], job.tests, job.everything
        while left and not self._stopped:
            found = self._run_part(job.program, left, everything)
            everything = False
            results += found
            ended = {each.test for each in found}
            left = [test for test in left if test not in ended] if ended and WHOLE not in ended else []
        return results

    def _run_part(self, program, tests, everything):
        """Runs one process of a GoogleTest executable.

        Returns the results of the tests that have begun: at least one result."""
        arguments = ["--gtest_color=no"]
        if not everything:
            _, minus, omitted = program.environment.get("GTEST_FILTER", "").partition("-")
            arguments.append("--gtest_filter=" + filter_for(tests, self._all_tests[program.name]) + minus + omitted)
        if self._options.shuffle:
            arguments += ["--gtest_shuffle", f"--gtest_random_seed={random.randrange(1, 99999)}"]
        test_limit = float(os.environ.get("EDDY_TEST_LIMIT", 0)) or 180  # the executable's watchdog acts first
        code, output = self._start(program, arguments, test_limit + GRACE_SECONDS)
        found = parse_gtest(output)
        if code == 77 and not found:
            return [Result(program, WHOLE, "skipped", why=skip_reason(output), seconds=0.0)]

        seed = SEED.search(output)
        results = []
        for test, outcome, seconds, text in found:
            result = Result(program, test, outcome or "failed", seconds, stalls=STALL.findall(text))
            if outcome == "passed" and REPORT.search(text):
                result.outcome, result.why = "failed", UNEXPECTED_REPORT
            if outcome == "skipped":
                result.why = skip_reason(text)
            elif result.outcome != "passed":
                result.output = with_names_of_functions(text)
                if outcome is None:
                    result.why = describe_end(code) if code is not None else "hangs, and its watchdog as well"
                filter_only = [f"--gtest_filter={test}"]
                result.repeat = (seed.group(1) + " " if seed else "") + program.repeat_command(filter_only)
                if self._options.shuffle:
                    result.repeat += "\n    in the same order: " + program.repeat_command(arguments)
            results.append(result)

        has_failed = any(each.outcome == "failed" for each in results)
        has_ended = {each.test for each in results}.issuperset(tests)
        if not has_failed and (code != 0 or not has_ended) and not self._stopped:
            if has_ended and len(tests) > 1:
                # For example a memory leak. Run each test alone to find the cause.
                alone = [each for test in tests for each in self._run_part(program, [test], False)]
                if any(each.outcome == "failed" for each in alone):
                    return alone
            why = describe_end(code) if code is not None else "hangs after its last test"
            results.append(Result(program, tests[0] if len(tests) == 1 else WHOLE, "failed", 0.0, with_names_of_functions(output[-20000:]),
                                  why, program.repeat_command(arguments)))
            if len(tests) == 1:
                results = results[-1:]
        return results

    def _run_job(self, job):
        if self._stopped:
            return
        try:
            results = self._run_gtest(job) if job.tests is not None else self._run_command(job)
        except Exception as error:  # an error of this script: report it, so that no result is lost
            results = [Result(job.program, "", "failed", why=f"tests/run.py: {error!r}")]
        if self._stopped:
            return
        for result in results:
            self.report(result)
            self._done += 1
            if result.test and result.outcome == "passed":
                self._times.put(result.program, result.test, result.seconds)

    def run(self, jobs, all_tests):
        self._all_tests = all_tests
        self._total = sum(len(job.tests) if job.tests is not None else 1 + len(job.also) for job in jobs)
        self._finished = threading.Event()
        progress = threading.Thread(target=self._show_progress, daemon=True)
        progress.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(self._options.jobs) as pool:
                list(pool.map(self._run_job, jobs))
        except KeyboardInterrupt:
            self._stopped = True
            with self._lock:
                for process in self._processes:
                    self._kill(process)
            raise
        finally:
            self._finished.set()
            progress.join()
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr, flush=True)


def failure_text(result):
    lines = result.output.rstrip().splitlines()
    if len(lines) > 150:
        lines = [*lines[:50], f"... {len(lines) - 150} lines ...", *lines[-100:]]
    why = f": {result.why}" if result.why else ""
    text = [f"FAILED {result.name}{why}", *(f"    {line}" for line in lines)]
    if result.repeat:
        text.append(f"    to repeat: {result.repeat}")
    return "\n".join(text)


def print_summary(results, build, tally):
    skipped = {}
    for each in results:
        if each.outcome == "skipped":
            skipped.setdefault(each.why, []).append(each.name)
    for why, names in skipped.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        print(f"skipped: {', '.join(names[:3])}{more}: {why}")

    (build / "tests").mkdir(exist_ok=True)
    stalled = {each.name: each.stalls for each in results if each.stalls}
    (build / "tests" / "stalls.txt").write_text("".join(f"{name}\n{''.join(texts)}" for name, texts in stalled.items()))
    if stalled:
        print(f"stalls: {sum(map(len, stalled.values()))} in {len(stalled)} tests; see {build.name}/tests/stalls.txt")

    failed = [each for each in results if each.outcome == "failed"]
    (build / "tests" / "failed.txt").write_text("".join(failure_text(each) + "\n" for each in failed))
    times = {}
    for each in failed:
        times[each.name] = times.get(each.name, 0) + 1
    for name, count in times.items():
        print(f"failed: {name}" + (f" ({count} times)" if count > 1 else ""))

    counts = [sum(each.outcome == outcome for each in results) for outcome in ("passed", "failed", "skipped")]
    if tally:
        with open(tally, "a", encoding="utf-8") as file:
            print(*counts, file=file)
    print("{} passed, {} failed".format(*counts) + (f", {counts[2]} skipped" if counts[2] else ""))
    return 1 if failed or not results else 0


# ---- The command line ----


def regular_expression(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text} is no regular expression: {error}") from error


def parse_options():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    parser.add_argument("-R", metavar="REGEX", dest="pattern", type=regular_expression,
                        help="only tests with this in their name (Suite.Name), their file (sync_mutex_test), their folder (sync) or their executable (io_uring.net_asan)")
    parser.add_argument("-L", metavar="REGEX", dest="label", help="only tests with this label: epoll, io_uring, must_not_compile, explore, ...")
    parser.add_argument("-LE", metavar="REGEX", dest="no_label", help="no tests with this label")
    parser.add_argument("--library", metavar="NAME", help="only tests of this library, which is a folder with a folder tests")
    parser.add_argument("--driver", metavar="D", default=os.environ.get("EDDY_DRIVER"),
                        help="only on this driver: epoll, io_uring, poll or kqueue (EDDY_DRIVER if set; default: epoll and io_uring)")
    parser.add_argument("--omit", metavar="FILE", type=pathlib.Path,
                        help="do not run the tests in this table, and report them as skipped: lines with a name or pattern, a tab, and a reason")
    parser.add_argument("-j", metavar="N", dest="jobs", type=int, default=os.cpu_count(), help="how many processes at the same time")
    parser.add_argument("--repeat", metavar="N", type=int, default=1, help="run everything N times")
    parser.add_argument("--shuffle", action="store_true", help="run the tests of a process in a random order")
    parser.add_argument("--load", metavar="N", type=int, default=0, help="run N busy loops at the same time")
    parser.add_argument("--list", action="store_true", help="list the tests and do not run them")
    parser.add_argument("--targets", action="store_true", help="list what has to be built for the tests (for ./dev)")
    parser.add_argument("--tally", metavar="FILE", help="append the numbers of passed, failed and skipped tests to this file")
    return parser.parse_args()


def main():
    options = parse_options()
    build = options.build.resolve()
    sources = Sources(build)
    programs = [
        each
        for each in ctest_programs(build)
        if runs_on_driver(each, options.driver)
        and (not options.label or has_label(each, options.label))
        and not (options.no_label and has_label(each, options.no_label))
        and (not options.library or sources.is_of(each, options.library))
    ]
    programs = candidates(programs, sources, options.pattern)
    if options.targets:
        if not programs:
            print("no test matches the options; -R searches the names of tests (Suite.Name), of files, of folders and of executables", file=sys.stderr)
            return NO_TEST
        print(*sorted({target for each in programs for target in sources.targets(each)}), sep="\n")
        return 0

    times = Times(build / "tests" / "times.json")
    jobs, all_tests, missing, omitted = [], {}, [], Omitted(options.omit)
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        gtests = [each for each in programs if each.is_gtest]
        built = [each for each in gtests if each.command and os.path.exists(each.command[0])]
        missing = [each for each in gtests if each not in built]
        for program, (tests, every) in zip(built, pool.map(lambda each: list_tests(each, options.pattern), built)):
            all_tests[program.name] = every
            reasons = {test: omitted.reason(test) for test in tests}
            results += [Result(program, test, "skipped", why=why) for test, why in reasons.items() if why]
            jobs += make_jobs(program, [test for test, why in reasons.items() if not why], every, times)
    commands = [each for each in programs if not each.is_gtest and (options.pattern is None or options.pattern.search(each.name))]
    jobs += make_command_jobs(commands, options.jobs)
    if options.list:
        for job in jobs:
            commands = [each.name for each in (job.program, *job.also)]
            print(*([f"{job.program.name}/{test}" for test in job.tests] if job.tests is not None else commands), sep="\n")
        return 0

    jobs.sort(key=lambda job: -job.seconds)
    jobs *= options.repeat
    runner = Runner(options, build, times)
    runner.results += results
    if options.pattern is None and not missing and omitted.unused():
        sys.exit(f"error: {options.omit}: there are no tests with these names: {', '.join(omitted.unused())}")
    for each in missing:
        runner.report(Result(each, "", "failed", why="is not built"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the busy loops, too
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.load)]
    try:
        runner.run(jobs, all_tests)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    times.save()
    return print_summary(runner.results, build, options.tally)


if __name__ == "__main__":
    sys.exit(main())
