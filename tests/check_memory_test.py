#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests tools/check_memory.py: it finds each assignment that keeps memory and is planted in a copy."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

top = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top / "tools"))
import check_memory  # noqa: E402


def check(tree):
    """Returns the exit status of the tool, and what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        return check_memory.main(pathlib.Path(tree)), printed.getvalue()


class CheckMemory(unittest.TestCase):
    def answer(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(folder)

    def assert_found(self, text, declaration, in_header=True):
        header = "class socket {\n    %s\n};\n" % (declaration if in_header else "")
        files = {"net/src/socket.hpp": header, "net/src/socket.cpp": '#include "socket.hpp"\n%s\n' % text}
        status, printed = self.answer(files)
        self.assertEqual(status, 1, printed)
        self.assertIn("net/src/socket.cpp:", printed)
        self.assertIn("keeps the memory", printed)

    def assert_accepted(self, text, declaration):
        files = {
            "net/include/eddy/socket.hpp": "class socket {\n    %s\n};\n" % declaration,
            "net/src/socket.cpp": "#include <eddy/socket.hpp>\n%s\n" % text,
        }
        self.assertEqual(self.answer(files), (0, ""))

    def test_finds_each_kind_of_assignment(self):
        self.assert_found("void f() { out_ = {}; }", "std::string out_;")
        self.assert_found("void f() { if (x) out_ = {}; }", "std::vector<std::byte> out_;")
        self.assert_found("void f() { out_ = std::string(); }", "std::string out_;")
        self.assert_found("void f() { out_ = std::string{}; }", "std::string out_ = something();")
        self.assert_found("void f() { out_ = {}; }", "auto all() { return out_; }\n    std::string out_;")
        self.assert_found("void f() { state.output = {}; }", "std::vector<std::byte> output;  // not sent")
        self.assert_found("void f() { of->queue = {}; }", "std::deque<std::pair<int, int>> queue;")
        self.assert_found("void f(std::string& into) { into = {}; }", "", in_header=False)
        self.assert_found("void f() {\n    std::string text;\n    text = {};\n}", "", in_header=False)

    def test_accepts_what_owns_no_memory(self):
        self.assert_accepted("void f() { rest_ = {}; }", "std::string_view rest_;")
        self.assert_accepted("void f() { input = {}; }", "std::span<const std::byte> input;")
        self.assert_accepted("void f() { head = {}; }", "std::array<char, 14> head;")
        self.assert_accepted("void f(std::string_view& out_) { out_ = {}; }", "std::string out_;")

    def test_accepts_declarations_and_comments(self):
        self.assert_accepted("void f() { std::string out = {}; }", "std::string other;")
        self.assert_accepted("void f() { out_.clear(); }  // not out_ = {};", "std::string out_;")
        self.assert_accepted("void f() { detail::free_memory(out_); }", "std::string out_;")

    def test_every_place_that_frees_memory_is_protected(self):
        """Plants the assignment in place of each call of free_memory() in this tree."""
        for path in [*top.glob("*/src/**/*.cpp"), *top.glob("*/include/**/*.hpp")]:
            text = path.read_text()
            for name in set(filter(None, (each.strip() for each in pieces(text)))):
                with self.subTest(file=path.name, variable=name):
                    files = {str(path.relative_to(top)): text.replace(f"free_memory({name});", f"{name} = {{}};")}
                    for header in path.parent.glob("*.hpp"):
                        files.setdefault(str(header.relative_to(top)), header.read_text())
                    self.assertEqual(self.answer(files)[0], 1)


def pieces(text):
    """Yields the arguments of the calls of free_memory()."""
    for part in text.split(" free_memory(")[1:]:
        argument = part.split(")")[0]
        if argument.isidentifier():
            yield argument


if __name__ == "__main__":
    unittest.main()
