#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests that tests/check_coverage.py finds each kind of mistake."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_coverage  # noqa: E402


class CheckCoverage(unittest.TestCase):
    def check(self, rows, folder_of_tests="group", **files):
        """Returns the covered tests by id, and the problems of a tree with these rows and files."""
        with tempfile.TemporaryDirectory() as folder:
            top = pathlib.Path(folder)
            (top / "tests/group").mkdir(parents=True)
            (top / "tests/features.tsv").write_text("id\ttitle\topen\n" + rows)
            (top / "tests/CMakeLists.txt").write_text("eddy_tests(group FOLDERS group)\neddy_tests(memory KIND memory FOLDERS group)\n")
            (top / "tests" / folder_of_tests).mkdir(exist_ok=True)
            for name, text in files.items():
                (top / "tests" / folder_of_tests / name.replace("_cpp", ".cpp").replace("_sh", ".sh")).write_text(text)
            _, covers, problems = check_coverage.coverage_of(top)
            return {cover.id: f"{cover.file.name}:{cover.line} {cover.test}" for cover in covers}, problems

    def test_line_above_test_and_line_above_function(self):
        covers, problems = self.check(
            "S01\tone\nS02\ttwo\nS03\tthree\topen: not yet\n",
            a_test_cpp="#include <a>\n\n// A comment.\n// covers: S01 S02\nTEST_F(Suite, Name) {\n}\n",
            b_sh="#!/bin/sh\n# A script.\n\n# covers: S03\ncheck() {\n",
        )
        self.assertEqual(problems, [])
        self.assertEqual(covers, {"S01": "a_test.cpp:5 Suite.Name", "S02": "a_test.cpp:5 Suite.Name", "S03": "b.sh:4 check() {"})

    def test_line_in_the_first_comment_is_about_the_file(self):
        covers, problems = self.check(
            "S01\tone\nS02\ttwo\n",
            a_test_cpp="// Two tests.\n// covers: S01\n#include <a>\n\nTEST(A, B) {}\nTEST(A, C) {}\n",
            refused_cpp="// expect-error: no\n// covers: S02\n#include <a>\n",
        )
        self.assertEqual(problems, [])
        self.assertEqual(covers, {"S01": "a_test.cpp:2 all 2 tests", "S02": "refused.cpp:2 the whole file"})

    def test_a_test_that_no_build_runs_covers_nothing(self):
        for folder, name, expected in (
            (".", "a_test_cpp", "a_test.cpp is in no executable"),
            ("other", "a_test_cpp", "a_test.cpp is in no executable"),
            ("group/deeper", "a_test_cpp", "a_test.cpp is in no executable"),
            ("group", "a_tests_cpp", "its name must end in _test.cpp"),
        ):
            with self.subTest(folder=folder):
                _, problems = self.check("S01\tone\topen: a\n", folder, **{name: "#include <a>\n\nTEST(A, B) {}\n"})
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(expected, problems[0])

    def test_a_file_of_a_kind_needs_an_executable_of_the_kind(self):
        for line, expected in (
            ("// runs: once, memory\n", None),
            ("// runs: faults\n", "a_test.cpp is in no executable"),
            ("// runs:once\n", "a_test.cpp:1: write `// runs: once, tsan`"),
            ("#include <a>\n// runs: once\n", "a_test.cpp:2: write `// runs: once, tsan`"),
        ):
            with self.subTest(line=line):
                _, problems = self.check("S01\tone\topen: a\n", a_test_cpp=line + "#include <b>\n\nTEST(A, B) {}\n")
                self.assertEqual([expected in each for each in problems], [True] if expected else [])

    def check_problem(self, expected, rows, text):
        _, problems = self.check(rows, a_test_cpp="#include <a>\n\n" + text)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(expected, problems[0])

    def test_problems(self):
        self.check_problem("S01 has no test", "S01\tone\n", "TEST(A, B) {}\n")
        self.check_problem("has no S02", "S01\tone\n", "// covers: S01 S02\nTEST(A, B) {}\n")
        self.check_problem("covers S01 twice", "S01\tone\n", "// covers: S01 S01\nTEST(A, B) {}\n")
        self.check_problem("not directly above a test", "S01\tone\topen: a\n", "// covers: S01\n\nTEST(A, B) {}\n")
        self.check_problem("not directly above a test", "S01\tone\topen: a\n", "// covers: S01\nint helper();\n")
        self.check_problem("not directly above a test", "S01\tone\topen: a\n", "// covers: S01\n")
        self.check_problem("write `covers:", "S01\tone\topen: a\n", "// Covers S01\nTEST(A, B) {}\n")
        self.check_problem("begins with an id", "S01\tone\topen: a\n", "TEST(A, R001_Name) {}\n")
        self.check_problem("the limit is 60", "S01\tone\topen: a\n", f"TEST(A, {'b' * 61}) {{}}\n")
        self.check_problem("S01 is there twice", "S01\tone\topen: a\nS01\tone\topen: a\n", "")
        self.check_problem("features.tsv:2: write", "S01\tone\tlater\n", "")


if __name__ == "__main__":
    unittest.main()
