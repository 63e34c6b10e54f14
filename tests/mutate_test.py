#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests tools/mutate: a fault of each kind changes a small program when it is on, and only then; a fault that changes nothing
survives; the list of equivalents is believed only as long as it is true."""
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

top = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top / "tools" / "mutate"))
import places  # noqa: E402
import plant  # noqa: E402
import trial  # noqa: E402

PROGRAM = r"""#include <atomic>
#include <cstdio>
#include <vector>

constexpr int most = 5;
static std::atomic<int> done{0};
static void wake_all() { std::printf("woken "); }
static void close_all() { std::printf("closed "); }
static int minus(int a, int b) { return a - b; }
static bool is_small(int value) { return value < most; }

int main(int argc, char**) {
    unsigned flags = 0x10u | 0x20u;
    int sum = 0;
    for (const int value : std::vector<int>{1, 2, 3, 4, 5}) {
        if (value == 4) continue;
        if (is_small(value) && argc == 1) sum += value;
    }
    done.store(minus(sum, argc), std::memory_order_release);
    wake_all();
    close_all();
    bool open = true;
    if (sum > 100 || !open) std::printf("never ");
    std::printf("%u %d %d %d\n", flags, sum, done.load(), sum + argc);
}
"""


class Planting(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = pathlib.Path(folder.name, "tree")
        self.copy = pathlib.Path(folder.name, "copy")
        (self.tree / "small" / "src").mkdir(parents=True)
        (self.tree / "small" / "src" / "main.cpp").write_text(PROGRAM)
        subprocess.run(["git", "init", "-q"], cwd=self.tree, check=True)

    def find(self):
        return places.find(self.tree, "small/src/main.cpp", ["-x", "c++", "-std=c++23"])

    def plant(self, count):
        faults = plant.draw({"small/src/main.cpp": self.find()}, count, seed=1)
        plant.plant(self.tree, self.copy, faults)
        return faults

    def compile(self):
        program = self.copy / "program"
        subprocess.run(["g++", "-std=c++23", "-Wall", "-Wextra", "-Werror", "-o", program, self.copy / "small/src/main.cpp"], check=True)
        return program

    @staticmethod
    def run_with(program, number):
        environment = {key: value for key, value in os.environ.items() if key != "EDDY_FAULT"}
        if number:
            environment["EDDY_FAULT"] = str(number)
        return subprocess.run([program], env=environment, capture_output=True, text=True).stdout

    def test_finds_each_kind_of_place(self):
        kinds = {each.kind for each in self.find()}
        self.assertEqual(kinds, {
            "answer negated", "arguments swapped", "check left out", "cleanup left out", "condition narrowed", "condition negated",
            "condition widened", "flag dropped", "flag flipped", "limit off by one", "order weakened", "sign changed",
            "statement removed", "wake left out"})

    def test_constants_of_the_compiler_have_no_places(self):
        self.assertNotIn(5, {each.line for each in self.find()})

    def test_template_arguments_have_no_places(self):
        (self.tree / "small" / "src" / "main.cpp").write_text("""
template <int N, bool B = true> struct base {};
template <int N> struct base<N, false> : base<4, true> {};
template <int N> int get();
int more(int value) { return value; }
int main() { return more(get<5>()); }
""")
        self.assertEqual(self.find(), [])

    def test_symmetric_functions_have_no_swap(self):
        (self.tree / "small" / "src" / "main.cpp").write_text("int min(int a, int b);\nint use(int a, int b) { return min(a, b); }\n")
        self.assertEqual(self.find(), [])

    def test_a_fault_changes_the_program_only_when_it_is_on(self):
        faults = self.plant(60)
        self.assertGreater(len(faults), 15)
        program = self.compile()
        right = "woken closed 48 6 5 7\n"
        self.assertEqual(self.run_with(program, 0), right)
        never = PROGRAM[: PROGRAM.index("never")].count("\n") + 1  # what is on this line has no effect
        silent = {each.place.kind for each in faults if each.place.line != never and self.run_with(program, each.number) == right}
        self.assertLessEqual(silent, {"order weakened", "limit off by one"})

    def test_faults_do_not_overlap_and_the_seed_repeats_them(self):
        faults = self.plant(60)
        for one, two in zip(faults, faults[1:]):
            self.assertLessEqual(one.place.end, two.place.begin)
        self.assertEqual(faults, self.plant(60))
        self.assertEqual([each.number for each in faults], list(range(1, len(faults) + 1)))

    def test_a_place_keeps_its_line(self):
        faults = self.plant(60)
        broken = self.copy / "small/src/main.cpp.faults"
        broken.write_text(broken.read_text().replace('"%u %d %d %d\\n"', "unknown_name"))
        done = subprocess.run(["g++", "-std=c++23", "-fsyntax-only", self.copy / "small/src/main.cpp"], capture_output=True, text=True)
        self.assertIn(f"main.cpp.faults:{PROGRAM[:PROGRAM.index('%u')].count(chr(10)) + 1}:", done.stderr)
        self.assertTrue(faults)

    def test_a_fault_that_does_not_compile_is_named_by_its_line(self):
        fault = next(each for each in self.plant(60) if each.place.line == 16)
        at = [(f"/copy/{fault.place.file}.faults", 16), ("/elsewhere/main.cpp", 21)]
        self.assertEqual(trial.Copy._faults_at(at, [fault]), [fault])
        self.assertEqual(trial.Copy._faults_at([(at[0][0], 15)], [fault]), [])

    def test_an_unchanged_file_is_not_written_again(self):
        self.plant(0)
        before = (self.copy / "small/src/main.cpp").stat().st_mtime_ns
        self.plant(0)
        self.assertEqual((self.copy / "small/src/main.cpp").stat().st_mtime_ns, before)

    def test_only_changed_lines_are_known_as_changed(self):
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run([*git, "add", "-A"], cwd=self.tree, check=True)
        subprocess.run([*git, "commit", "-qm", "first"], cwd=self.tree, check=True)
        (self.tree / "small/src/main.cpp").write_text(PROGRAM.replace("value == 4", "value == 5"))
        self.assertEqual(plant.changed_lines(self.tree, "HEAD"), {"small/src/main.cpp": {16}})

    def test_an_equivalent_is_not_drawn_and_an_outdated_one_refused(self):
        found = {"small/src/main.cpp": self.find()}
        known = found["small/src/main.cpp"][0]
        table = self.tree / "equivalent.tsv"
        table.write_text("\t".join([*plant.Equivalents.key(known), "nothing sees it"]) + "\n")
        self.assertNotIn(known, plant.Equivalents(table).remove_from(found)["small/src/main.cpp"])
        table.write_text("small/src/main.cpp\treturn true;\tflag flipped\t(FAULT != maybe)\tgone\n")
        with self.assertRaises(SystemExit):
            plant.Equivalents(table).remove_from(found)
        table.write_text("\t".join([*plant.Equivalents.key(known), "nothing sees it"]) + "\n")
        with self.assertRaises(SystemExit):
            plant.Equivalents(table).remove_from({"small/src/main.cpp": [known, known]})
        table.write_text("small/src/main.cpp\tflag flipped\t(FAULT != maybe)\n")
        with self.assertRaises(SystemExit):
            plant.Equivalents(table)


class Judging(unittest.TestCase):
    """A program of two tests, one of which fails when fault 7 is on."""

    def trials(self, failing):
        trials = trial.Trials.__new__(trial.Trials)
        runner = types.SimpleNamespace(needs_own_process=lambda name: False)
        trials._runner, trials._seconds, trials._programs = runner, 60, {"small": "small"}
        trials.tests = [trial.Test("small", "Suite.Slow", 2.0, frozenset({7})), trial.Test("small", "Suite.Quick", 0.1, frozenset({7, 8}))]
        trials.ran = []

        def failure(program, tests, environment):
            trials.ran.append(([each.name for each in tests], environment))
            return failing(environment)

        trials._failure = failure
        return trials

    def test_a_failure_finds_the_fault(self):
        trials = self.trials(lambda environment: "Suite.Quick fails" if environment else "")
        self.assertTrue(trials.judge(types.SimpleNamespace(number=7)).found)
        self.assertEqual(trials.ran[0], (["Suite.Quick", "Suite.Slow"], {"EDDY_FAULT": "7"}))

    def test_a_test_that_fails_without_the_fault_too_finds_nothing(self):
        self.assertFalse(self.trials(lambda environment: "Suite.Quick fails").judge(types.SimpleNamespace(number=7)).found)

    def test_only_tests_that_come_to_the_place_are_run(self):
        trials = self.trials(lambda environment: "")
        self.assertIn("survives all 1 tests", trials.judge(types.SimpleNamespace(number=8)).why)
        self.assertEqual(trials.ran, [(["Suite.Quick"], {"EDDY_FAULT": "8"})])

    def test_a_place_without_a_test_survives(self):
        self.assertEqual(self.trials(lambda environment: "").judge(types.SimpleNamespace(number=9)).why, "no test comes to this place")


if __name__ == "__main__":
    unittest.main()
