#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of tests/run.py and of the watchdog:  run_test.py MISBEHAVING, an executable made of support/misbehaving.cpp."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

RUN = pathlib.Path(__file__).with_name("run.py")
MISBEHAVING = os.path.abspath(sys.argv.pop(1))


class RunTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = pathlib.Path(folder.name)
        self.add_test("group", MISBEHAVING, LABELS="gtest;group")

    def add_test(self, name, *command, **properties):
        with open(self.build / "CTestTestfile.cmake", "a", encoding="utf-8") as file:
            print(f"add_test({name}", *(f'"{word}"' for word in command), ")", file=file)
            for key, value in properties.items():
                print(f'set_tests_properties({name} PROPERTIES {key} "{value}")', file=file)

    def run_tests(self, *options, **environment):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("EDDY_")}
        done = subprocess.run([sys.executable, RUN, self.build, *options], env={**kept, **environment}, timeout=280,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def assert_ends(self, answer, code, last_line):
        self.assertEqual((answer[0], answer[1].splitlines()[-1]), (code, last_line), answer[1])

    def test_passing_tests(self):
        self.assert_ends(self.run_tests("-R", "Misbehaving.Passes$"), 0, "1 passed, 0 failed")

    def test_output_without_newline_before_result(self):
        self.assert_ends(self.run_tests("-R", "PrintsWithoutNewline"), 0, "1 passed, 0 failed")

    def test_unexpected_report_of_eddy_is_failure(self):
        answer = self.run_tests("-R", "Misbehaving.(Passes|PrintsReport)$")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertIn("Misbehaving.PrintsReport: eddy reports something that the test does not expect", answer[1])
        self.add_test("command", "/bin/echo", "eddy: leaks: tasks that have not ended", LABELS="command")
        self.assert_ends(self.run_tests("-R", "command"), 1, "0 passed, 1 failed")

    def test_stall_is_counted(self):
        answer = self.run_tests("-R", "Misbehaving.(Passes|PrintsStall)$")
        self.assert_ends(answer, 0, "2 passed, 0 failed")
        self.assertIn("stalls: 1 in 1 tests; see ", answer[1])
        self.assertIn("group/Misbehaving.PrintsStall\neddy: task 7 \"a\" has blocked its thread for 257 ms\n  spawned\n",
                      (self.build / "tests" / "stalls.txt").read_text())

    def test_no_matching_test_is_failure(self):
        self.assert_ends(self.run_tests("-R", "NoSuchTest"), 1, "0 passed, 0 failed")

    def test_targets_of_no_test_is_failure(self):
        folder = self.build / "tests"
        folder.mkdir()
        (folder / "programs.tsv").write_text("group\tgroup_tests\n")
        self.assertEqual(self.run_tests("--targets", "-R", "group"), (0, "group_tests\n"))
        answer = self.run_tests("--targets", "-R", "NoSuchTest")
        self.assertEqual(answer[0], 5)
        self.assertIn("no test matches the options", answer[1])
        # The sources do not contain the names of instances.
        self.assertEqual(self.run_tests("--targets", "-R", "Instance/Suite"), (0, "group_tests\n"))

    def test_skipped_test_tells_reason(self):
        answer = self.run_tests("-R", "IsSkipped")
        self.assert_ends(answer, 0, "0 passed, 0 failed, 1 skipped")
        self.assertIn("group/Misbehaving.IsSkipped: no such device", answer[1])

    def test_omitted_test_does_not_run_and_tells_reason(self):
        table = self.build / "omitted.tsv"
        table.write_text("# names and reasons\nMisbehaving.Ab*\tit always fails\n")
        answer = self.run_tests("-R", "Misbehaving.(Passes|Aborts)$", "--omit", table)
        self.assert_ends(answer, 0, "1 passed, 0 failed, 1 skipped")
        self.assertIn("skipped: group/Misbehaving.Aborts: it always fails", answer[1])

    def test_omitted_name_without_test_is_failure(self):
        table = self.build / "omitted.tsv"
        table.write_text("Misbehaving.Renamed\tno reason\n")
        code, output = self.run_tests("--omit", table)
        self.assertEqual(code, 1)
        self.assertIn("there are no tests with these names: Misbehaving.Renamed", output)

    def test_failure_has_output_and_command(self):
        answer = self.run_tests("-R", "Misbehaving.(Passes|Fails)$")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertIn("the sum is wrong", answer[1])
        self.assertIn("--gtest_filter=Misbehaving.Fails", answer[1])

    def test_failure_after_seed_names_seed(self):
        answer = self.run_tests("-R", "Misbehaving.(DrawsSeed|Fails)$", EDDY_TEST_SEED="42")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertIn("to repeat: EDDY_TEST_SEED=42 ", answer[1])

    def test_tests_after_crash_still_run(self):
        answer = self.run_tests("-R", "Misbehaving.(Aborts|PassesAfterAbort)$")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertRegex(answer[1], "FAILED group/Misbehaving.Aborts: ended the process with SIGABRT")
        self.assertIn("the process ended while running Misbehaving.Aborts", answer[1])

    def test_exception_in_thread_names_test(self):
        answer = self.run_tests("-R", "ThreadThrows")
        self.assert_ends(answer, 1, "0 passed, 1 failed")
        self.assertIn("the process ended while running Misbehaving.ThreadThrows", answer[1])
        self.assertIn("thrown by a thread", answer[1])

    @unittest.skipIf("EDDY_TEST_EMULATED" in os.environ, "the emulator has a thread of its own, which the watchdog reports, too")
    def test_hang_prints_stacks_of_all_threads(self):
        answer = self.run_tests("-R", "Misbehaving.(Hangs|PassesAfterAbort)", EDDY_TEST_LIMIT="1")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertIn("FAILED group/Misbehaving.Hangs: exceeded its time limit", answer[1])
        self.assertEqual(len(re.findall(r"^ *thread \d+:", answer[1], re.M)), 2, answer[1])
        self.assertIn("spin_in_named_function", answer[1])

    def test_hang_without_watchdog(self):
        answer = self.run_tests("-R", "BlocksWatchdog", EDDY_TEST_LIMIT="1", EDDY_RUN_GRACE="3")
        self.assert_ends(answer, 1, "0 passed, 1 failed")
        self.assertIn("hangs, and its watchdog as well", answer[1])

    def test_exit_in_test_is_failure(self):
        answer = self.run_tests("-R", "Misbehaving.Exits$")
        self.assert_ends(answer, 1, "0 passed, 1 failed")
        self.assertIn("ended the process with exit code 0", answer[1])

    def test_failure_at_exit_is_attributed(self):
        answer = self.run_tests("-R", "MisbehavingAtExit")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertIn("FAILED group/MisbehavingAtExit.LeavesFailureForExit: ended the process with exit code 3", answer[1])

    def test_failing_parameter_is_named(self):
        answer = self.run_tests("-R", "FailsForTwo")
        self.assert_ends(answer, 1, "1 passed, 1 failed")
        self.assertIn("FAILED group/Numbers/MisbehavingParameters.FailsForTwo/1", answer[1])

    def test_own_process_suites(self):
        self.assert_ends(self.run_tests("-R", "OwnProcess"), 0, "2 passed, 0 failed")

    def test_repeat(self):
        answer = self.run_tests("-R", "Misbehaving.(Passes|Fails)$", "--repeat", "3", "--shuffle")
        self.assert_ends(answer, 1, "3 passed, 3 failed")
        self.assertIn("failed: group/Misbehaving.Fails (3 times)", answer[1])

    def test_selection_by_group_and_label(self):
        self.add_test("other", "true", LABELS="fast")
        self.assert_ends(self.run_tests("-R", "^other"), 0, "1 passed, 0 failed")
        self.assert_ends(self.run_tests("-L", "fast"), 0, "1 passed, 0 failed")
        self.assert_ends(self.run_tests("-LE", "gtest"), 0, "1 passed, 0 failed")

    def test_commands(self):
        self.add_test("commands.pass", "true")
        self.add_test("commands.fail", "false")
        self.add_test("commands.skip", "sh", "-c", "echo no such thing; exit 77", SKIP_RETURN_CODE="77")
        self.add_test("commands.says", "echo", "hello", PASS_REGULAR_EXPRESSION="^hell")
        self.add_test("commands.silent", "true", PASS_REGULAR_EXPRESSION="hello")
        self.add_test("commands.long", "sleep", "30", TIMEOUT="1")
        answer = self.run_tests("-R", "commands")
        self.assert_ends(answer, 1, "2 passed, 3 failed, 1 skipped")
        self.assertIn("FAILED commands.long: ran for more than 1 s", answer[1])


if __name__ == "__main__":
    unittest.main()
