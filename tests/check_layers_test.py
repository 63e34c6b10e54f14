#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests tools/check_layers.py: it accepts a small tree, and this one, and refuses each forbidden include that is planted."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

top = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top / "tools"))
import check_layers  # noqa: E402

small = {
    "tools/layers.txt": """
        base/include
        base/src/sys base/src/bytes
        base/src/reactor/ring
        base/src/reactor
        net/include: base/include
        net/src: base/include net/include base/src/sys  # but not base/src/reactor
    """,
    "base/include/eddy/base.hpp": "",
    "base/src/sys/fd.hpp": "#include <eddy/base.hpp>\n#include <unistd.h>\n",
    "base/src/sys/linux/fd.cpp": '#include "sys/fd.hpp"\n',
    "base/src/bytes/bytes.cpp": "",
    "base/src/reactor/ring/ring.cpp": '#include "sys/fd.hpp"\n',
    "base/src/reactor/io.hpp": '#include "sys/fd.hpp"\n',
    "net/include/eddy/net.hpp": "#include <eddy/base.hpp>\n",
    "net/src/net.cpp": '#include <eddy/net.hpp>\n#include "sys/fd.hpp"\n',
}


def check(tree):
    """Returns the problems, one a line."""
    return "\n".join(check_layers.problems(tree))


def run(tree):
    return subprocess.run([sys.executable, top / "tools/check_layers.py", tree], capture_output=True, text=True)


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tree = pathlib.Path(self.folder.name)

    def make(self, files):
        for name, text in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def assert_refused(self, user, line, used, reason):
        """Expects that the small tree is refused with a message that names both files, if `user` has this line, too."""
        self.make(small)
        self.make({user: small.get(user, "") + line + "\n"})
        self.assertIn(f"{user} includes {used}, but {reason}", check(self.tree))

    def test_accepts_small_tree(self):
        self.make(small)
        self.assertEqual(check(self.tree), "")

    def test_refuses_higher_layer(self):
        self.assert_refused(
            "base/src/reactor/ring/ring.cpp",
            '#include "reactor/io.hpp"',
            "base/src/reactor/io.hpp",
            "base/src/reactor is above base/src/reactor/ring",
        )

    def test_refuses_sibling(self):
        self.assert_refused(
            "base/src/bytes/bytes.cpp",
            '#include "sys/fd.hpp"',
            "base/src/sys/fd.hpp",
            "base/src/sys and base/src/bytes are siblings",
        )

    def test_refuses_other_library(self):
        self.assert_refused(
            "base/src/reactor/io.hpp",
            "#include <eddy/net.hpp>",
            "net/include/eddy/net.hpp",
            "net/include is above base/src/reactor",
        )

    def test_refuses_folder_that_line_does_not_name(self):
        self.assert_refused(
            "net/src/net.cpp",
            '#include "reactor/io.hpp"',
            "base/src/reactor/io.hpp",
            "the line of net/src does not name base/src/reactor",
        )

    def test_refuses_folder_without_line(self):
        self.make(small)
        self.make({"base/src/files/file.cpp": ""})
        self.assertIn("base/src/files/file.cpp is in no folder of tools/layers.txt", check(self.tree))

    def assert_refused_line(self, user, line, reason):
        self.make(small)
        self.make({user: small.get(user, "") + line + "\n"})
        self.assertIn(f"{user}:{small.get(user, '').count(chr(10)) + 1}: {line} {reason}", check(self.tree))

    def test_refuses_forms_that_hide_what_is_included(self):
        for line in (
            "#include REACTOR",
            '#include /* x */ "reactor/io.hpp"',
            '#  include "reactor/io.hpp"',
            '/* x */ #include "reactor/io.hpp"',
            '%:include "reactor/io.hpp"',
            '#import "reactor/io.hpp"',
            "#include_next <eddy/net.hpp>",
            "#\\",
        ):
            with self.subTest(line):
                self.assert_refused_line("base/src/sys/fd.hpp", line, "has no usual form")

    def test_refuses_private_header_in_angle_brackets(self):
        self.assert_refused_line("base/src/sys/fd.hpp", "#include <reactor/io.hpp>", "names a file of src")

    def test_refuses_quoted_names_that_do_not_begin_in_src(self):
        for line in ('#include "../reactor/io.hpp"', '#include "eddy/net.hpp"', '#include "unistd.h"', '#include "./sys/fd.hpp"'):
            with self.subTest(line):
                self.assert_refused_line("base/src/sys/fd.hpp", line, "names no file of src")

    def test_refuses_files_that_no_tool_looks_for(self):
        self.make(small)
        self.make({"base/src/sys/table.inc": ""})
        self.assertIn("base/src/sys/table.inc: the files of the libraries end in .hpp and .cpp", check(self.tree))

    def test_refuses_public_name_of_two_libraries(self):
        self.make(small)
        self.make({"net/include/eddy/base.hpp": ""})
        self.assertIn("net/include/eddy/base.hpp have the same name for users", check(self.tree))

    def make_tangle(self, count):
        """Divides the public folder of the small tree into two. Files of `low` include the header of `high` twice."""
        self.make(small)
        lines = f"base/include/eddy/low\nbase/include/eddy/high\nbase/include/eddy/low -> base/include/eddy/high: {count}\n"
        self.make({
            "tools/layers.txt": lines + small["tools/layers.txt"],
            "base/include/eddy/low/a.hpp": "#include <eddy/high.hpp>\n",
            "base/include/eddy/low/b.hpp": "#include <eddy/high.hpp>\n",
            "base/include/eddy/high.hpp": "#include <eddy/high/a.hpp>\n#include <eddy/low/b.hpp>\n",
            "base/include/eddy/high/a.hpp": "",
            "base/src/bytes/bytes.cpp": "#include <eddy/low/a.hpp>\n",
        })
        return check(self.tree)

    def test_accepts_the_number_of_includes_that_run_up(self):
        self.assertEqual(self.make_tangle(2), "")

    def test_refuses_another_number_of_includes_that_run_up(self):
        said = "base/include/eddy/low includes base/include/eddy/high 2 times, and tools/layers.txt says "
        self.assertIn(said + "1: let the new one run down", self.make_tangle(1))
        self.assertIn(said + "3: write this number there", self.make_tangle(3))

    def test_header_beside_a_folder_belongs_to_it(self):
        self.make_tangle(2)
        self.make({"net/src/net.cpp": "#include <eddy/high.hpp>\n"})  # the line of net/src names base/include
        self.assertEqual(check(self.tree), "")

    def test_refuses_line_of_missing_folder(self):
        self.make(small)
        self.make({"tools/layers.txt": small["tools/layers.txt"] + "web/src\n"})
        self.assertIn("there is no web/src", check(self.tree))

    def test_refuses_wrong_list_of_libraries(self):
        self.make(small)
        self.make({"CMakeLists.txt": "set(EDDY_LIBRARIES net base)\n"})
        self.assertIn("names net before base, which is below it in tools/layers.txt", check(self.tree))
        self.make({"CMakeLists.txt": "set(EDDY_LIBRARIES base)\n"})
        self.assertIn("net/ is not named in EDDY_LIBRARIES", check(self.tree))

    def test_refuses_library_without_line(self):
        self.make(small)
        self.make({"web/include/eddy/web.hpp": "", "base/src/sys/fd.cpp": "#include <eddy/web.hpp>\n"})
        self.assertIn("web/include/eddy/web.hpp is in no folder of tools/layers.txt", check(self.tree))

    def test_refuses_include_planted_in_this_tree(self):
        for part in ("include", "src", "tests/explore"):
            for folder in top.glob(f"*/{part}"):
                shutil.copytree(folder, self.tree / folder.relative_to(top))
        (self.tree / "tools").mkdir()
        shutil.copy(top / "tools/layers.txt", self.tree / "tools")
        answer = run(self.tree)
        self.assertEqual((answer.returncode, answer.stdout, answer.stderr), (0, "", ""))
        ring = self.tree / "runtime/src/reactor/ring/uring.cpp"
        ring.write_text(ring.read_text() + '#include "executor/pool/pool.hpp"\n')
        answer = run(self.tree)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("runtime/src/reactor/ring/uring.cpp includes runtime/src/executor/pool/pool.hpp", answer.stdout)


if __name__ == "__main__":
    unittest.main()
