# SPDX-License-Identifier: MIT
"""Builds the copy, finds out which tests come to which fault, and runs them with the fault on."""
import concurrent.futures
import dataclasses
import importlib.util
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

PROCESS_SECONDS = 4.0  # the intended duration of the tests of one process
ERROR = re.compile(r"^(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: ", re.M)
PLACE = re.compile(r"^\s*(?:In file included from |from )?(\S+?):(\d+)[:,]", re.M)


def say(text):
    print(f"mutate: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class Test:
    program: str
    name: str
    seconds: float
    reached: frozenset


@dataclasses.dataclass
class Verdict:
    fault: object
    found: bool
    why: str  # what found it, or why nothing did
    seconds: float = 0.0


class Copy:
    """The copy with the faults, and its build with the preset `dev`."""

    def __init__(self, folder, jobs):
        self.folder = folder
        self.build = folder / "build" / "dev"
        self._jobs = jobs

    def configure(self):
        done = subprocess.run(["cmake", "--preset", "dev"], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"mutate: CMake could not configure the copy:\n{done.stdout}{done.stderr}")

    def load_runner(self):
        """The module tests/run.py of the copy, which knows its tests."""
        spec = importlib.util.spec_from_file_location("run", self.folder / "tests" / "run.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["run"] = module
        spec.loader.exec_module(module)
        return module

    def compile(self, targets, faults):
        """Builds, and returns the faults that do not compile, or an empty list after a build without an error."""
        done = subprocess.run(["cmake", "--build", str(self.build), "-j", str(self._jobs), "--target", *targets, "--", "-k", "0"],
                              capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            return []
        output = done.stdout + done.stderr
        refused = self._faults_at(ERROR.findall(output), faults) or self._faults_at(PLACE.findall(output), faults)
        if not refused:
            raise SystemExit(f"mutate: the copy does not build, and no fault is the reason:\n{output[-6000:]}")
        return refused

    @staticmethod
    def _faults_at(lines, faults):
        def is_at(place, path, line):
            last = place.line + place.original.count("\n")
            return path.removesuffix(".faults").endswith("/" + place.file) and place.line <= line <= last

        lines = {(path, int(line)) for path, line in lines}
        return [each for each in faults if any(is_at(each.place, path, line) for path, line in lines)]


class Trials:
    """The tests that are run: the GoogleTest programs of the libraries whose files have faults."""

    def __init__(self, copy, runner, libraries, count, seconds):
        self._copy, self._runner, self._count, self._seconds = copy, runner, count, seconds
        programs = list(runner.ctest_programs(copy.build))
        sources = runner.Sources(copy.build)
        driver = os.environ.get("EDDY_DRIVER")
        self._programs = {each.name: each for each in programs if each.is_gtest and runner.runs_on_driver(each, driver)
                          and any(sources.is_of(each, library) for library in libraries)}
        self.targets = sorted({target for each in self._programs.values() for target in sources.targets(each)})
        self.tests = []

    def refresh(self):
        """After the build: a program that was not built had no command."""
        built = {each.name: each for each in self._runner.ctest_programs(self._copy.build)}
        self._programs = {name: built[name] for name in self._programs}

    # ---- Without a fault: which test comes to which place ----

    def measure(self, jobs):
        parts = []
        times = self._runner.Times(pathlib.Path(os.devnull))
        for program in self._programs.values():
            names, every = self._runner.list_tests(program, None)
            parts += [(program, job.tests, every) for job in self._runner.make_jobs(program, names, every, times)]
        failed = []
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for number, (tests, bad) in enumerate(pool.map(self._measure_part, parts), 1):
                self.tests += tests
                failed += bad
                if number % 20 == 0:
                    say(f"without a fault: {number} of {len(parts)} processes, {len(self.tests)} tests, {len(failed)} failed")
        return failed

    def _measure_part(self, part):
        program, names, every = part
        with tempfile.TemporaryDirectory() as folder:
            reached, log = pathlib.Path(folder, "reached"), pathlib.Path(folder, "log")
            reached.write_bytes(bytes(self._count + 1))
            log.touch()
            environment = {"EDDY_FAULT_REACHED": str(reached), "EDDY_FAULT_LOG": str(log)}
            _, output = self._run(program, names, every, environment, 60, 600)
            passed = {test for test, outcome, _, text in self._runner.parse_gtest(output)
                      if outcome == "passed" and not self._runner.REPORT.search(text)}
            skipped = {test for test, outcome, _, _ in self._runner.parse_gtest(output) if outcome == "skipped"}
            tests = []
            for line in log.read_text().splitlines():
                name, milliseconds, numbers = line.split("\t")
                if name in passed:
                    tests.append(Test(program.name, name, int(milliseconds) / 1000, frozenset(map(int, numbers.split()))))
            known = {each.name for each in tests} | skipped
            return tests, [f"{program.name}/{name}" for name in names if name not in known]

    # ---- With a fault ----

    def judge(self, fault):
        begin = time.monotonic()
        tests = sorted((each for each in self.tests if fault.number in each.reached), key=lambda each: each.seconds)
        if not tests:
            return Verdict(fault, False, "no test comes to this place")
        ran = 0
        for program, part in self._processes(tests):
            if time.monotonic() - begin > self._seconds:
                return Verdict(fault, False, f"survives {ran} of {len(tests)} tests that come to it; out of time", time.monotonic() - begin)
            why = self._failure(program, part, {"EDDY_FAULT": str(fault.number)})
            if why and not self._failure(program, [each for each in part if each.name in why] or part, {}):
                return Verdict(fault, True, why, time.monotonic() - begin)
            ran += len(part)
        return Verdict(fault, False, f"survives all {len(tests)} tests that come to it", time.monotonic() - begin)

    def _processes(self, tests):
        """Divides tests, the shortest ones first, into processes."""
        parts = {}
        for test in tests:
            program, part = test.program, parts.setdefault(test.program, [])
            part.append(test)
            if self._runner.needs_own_process(test.name) or sum(each.seconds for each in part) > PROCESS_SECONDS or len(part) >= 100:
                yield self._programs[program], parts.pop(program)
        for program, part in parts.items():
            yield self._programs[program], part

    def _failure(self, program, tests, environment):
        """Runs these tests up to the first failure. Returns what failed, or an empty text."""
        slowest = max(each.seconds for each in tests)
        code, output = self._run(program, [each.name for each in tests], [], environment, 10 + 10 * slowest,
                                 60 + 10 * sum(each.seconds for each in tests), "--gtest_fail_fast")
        for test, outcome, _, text in self._runner.parse_gtest(output):
            if outcome is None:
                return f"{test} " + (self._runner.describe_end(code) if code is not None else "does not end")
            if outcome == "failed" or self._runner.REPORT.search(text):
                return f"{test} fails"
        return "" if code == 0 else f"{program.name} ends with {code}"

    def _run(self, program, names, every, environment, test_limit, limit, *options):
        if every:
            selected = self._runner.filter_for(names, every)
        else:
            selected = ":".join(names)
        everything = {**os.environ, **program.environment, "EDDY_TEST_LIMIT": str(int(test_limit)), **environment}
        everything.pop("GTEST_FILTER", None)
        command = [*program.command, "--gtest_color=no", f"--gtest_filter={selected}", *options]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=everything,
                                       cwd=program.properties.get("WORKING_DIRECTORY", self._copy.build), start_new_session=True)
            try:
                code = process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                code = None
            try:
                os.killpg(process.pid, signal.SIGKILL)  # and the processes that it has started
            except ProcessLookupError:
                pass
            process.wait()
            output.seek(0)
            return code, output.read().decode(errors="replace")
