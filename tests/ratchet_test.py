#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests tools/ratchet.py, by growth planted in a small tree and in this one, and the check of figures in check_pages.py."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

top = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top / "tools"))
import check_pages  # noqa: E402
import house  # noqa: E402
import ratchet  # noqa: E402

counts = '{"instructions": {"spawn": %s}}'
low, worker = "base/include/eddy/low/low.hpp", "base/src/executor/pool/worker.cpp"
chain, planted = "executor: chains a().b().c(", "auto z = a().b().c();\n"
small = {
    low: "int low();\n" * 50,
    "base/include/eddy/high/high.hpp": "#include <eddy/low/low.hpp>\n" * 50,
    "base/src/pool/pool.hpp": "int x;\n" * 500,
    worker: '#include "pool/pool.hpp"\n// A comment.\n' * 100,
    "base/tests/low_test.cpp": "int test;\n" * 200,
    "compare/counts.json": counts % 700,
    "README.md": "word " * 198,
}


class Ratchet(unittest.TestCase):
    def setUp(self):
        self.tree = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.list = self.tree / "tools/house.json"
        self.make({**small, "tools/layers.txt": ""})
        self.git("init", "-q")
        self.assertEqual(ratchet.problems(self.tree, ""), [])

    def git(self, *command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=self.tree, check=True)

    def make(self, files):
        for name, text in files.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)

    def assert_refused(self, begin, files={}):
        """Expects one problem that begins so, if these files of the small tree have these texts."""
        self.make({**small, **files})
        found = ratchet.problems(self.tree)
        self.assertEqual(sum(each.startswith(begin) for each in found), 1, found)

    def test_refuses_growth(self):
        for number, was, now, name, text in (
            ("folder pairs of public headers that include each other", 0, 1, low, "#include <eddy/high/high.hpp>\n"),
            ("base: lines of code", 700, 709, "base/src/pool/pool.hpp", "int x;\n" * 9),
            ("lines of tests per line of the libraries", 0.286, 0.293, "base/tests/low_test.cpp", "int test;\n" * 5),
            (chain, 0, 1, worker, planted),
            ("words of pages for users", 198, 203, "README.md", "word " * 5),
            ("instructions of spawn", 700, 730, "compare/counts.json", None),
        ):
            with self.subTest(number):
                self.assert_refused(f"{number}: {now}, but tools/house.json has {was}. What counts: ",
                                    {name: small[name] + text if text else counts % now})

    def test_refuses_smaller_numbers_that_are_not_written_down(self):
        self.assert_refused("base/src: include levels of files: 1, but tools/house.json has 2. To hold", {worker: ""})

    def test_accepts_growth_with_a_reason_and_changes_within_the_tolerance(self):
        self.make({"base/src/pool/pool.hpp": small["base/src/pool/pool.hpp"] + "int x;\n", worker: small[worker] + planted})
        self.assertEqual(len(ratchet.problems(self.tree, "")), 1)
        before = json.loads(self.list.read_text())
        self.assertEqual(ratchet.problems(self.tree, "z needs it"), [])
        expected = [{**line, **({"value": 1, "why": "z needs it"} if line["name"] == chain else {})} for line in before]
        self.assertEqual(json.loads(self.list.read_text()), expected)

    def test_refuses_growth_that_was_written_down_without_a_reason(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "all")
        self.list.write_text(self.list.read_text().replace(f'{chain}", "value": 0', f'{chain}", "value": 1'))
        said = f"tools/house.json: {chain} has grown from 0 to 1"
        self.assert_refused(said, {worker: small[worker] + planted})
        self.git("commit", "-qam", "by hand")
        self.assert_refused(said, {worker: small[worker] + planted})

    def test_pages_have_no_old_figures(self):
        line, row = "<!-- figure: spawn/ct 38.6 ns, counts spawn 700, 97ea1143 -->", "| spawn/ct, ns | 38.6 | 174 |"
        for text, results, now, expected in (
            (line, row, 769, []),
            (line, row, 631, []),
            (line, row, 780, ["spawn/ct took 38.6 ns when spawn had 700 instructions. It has 780 now"]),
            (line, row, 620, ["spawn/ct took 38.6 ns when spawn had 700 instructions. It has 620 now"]),
            (line, "| spawn/ct, ns | 17.0 | 174 |", 700, ["compare/RESULTS.md does not have 38.6 ns for spawn/ct"]),
            ("<!-- figure: 38.6 ns -->", row, 700, ["write `<!-- figure: "]),
        ):
            found = list(check_pages.problems_of_figures(["A page.", text], results, {"spawn": now}))
            self.assertEqual([(number, problem[: len(begin)]) for (number, problem), begin in zip(found, expected, strict=True)],
                             [(2, begin) for begin in expected])

    def test_refuses_growth_planted_in_this_tree(self):
        pairs = [pair for pair in house.Tree(top).includes if "/src/" in pair[0]]
        one, other = next(pair for pair in pairs if len(set(map(house.folder_of, pair))) == 2)
        tree = house.Tree(top)
        tree.text[other] += f'#include "{one.split("/src/")[1]}"\n'
        numbers = {number.name: number for number in house.numbers_of(tree)}
        found = list(ratchet.problems_of_numbers(numbers, ratchet.lines_of((top / "tools/house.json").read_text())))
        name = "folder pairs of src that include each other: "
        self.assertTrue(any(each.startswith(name) and "What counts" in each for each in found), found)


if __name__ == "__main__":
    unittest.main()
