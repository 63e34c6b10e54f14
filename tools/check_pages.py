#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks all Markdown pages: prints the problems, and ends with status 1 if there are any.

- Each block of code is cut from a file that CI compiles or runs. The line before the block names the file, and the part
  of it if it is not the whole file:

      <!-- code: examples/readme_echo.cpp -->
      <!-- code: tests/programs/docs_test.cpp, scripted peer -->

  In the file, a part is between the lines `// docs: scripted peer` and `// docs: end` (with `#` in files of CMake, make
  and the shell). The block has the indentation of its fence. A whole file begins after its first comment.
- Each link inside the tree leads to a file, and to a heading in it.
- A measured figure has a comment near it: its row in compare/RESULTS.md, the case of compare/counts.json that shows whether it
  is still true, if there is one, with its instructions, and the commit on which both were measured:

      <!-- figure: spawn_join_one/ct 38.6 ns, counts spawn_join_one 744, 97ea1143 -->

Scripts that others run without the tree have code in the same way, in a text that begins behind a line
`# code: FILE, PART`.

`tools/check_pages.py --fix` writes the code of the files into the pages and scripts.
"""
import json
import pathlib
import re
import subprocess
import sys
import textwrap

top = pathlib.Path(__file__).resolve().parent.parent

# A block in one of these languages needs a file. Others are output, diagrams and commands.
languages = {"c++", "cpp", "cmake", "sh", "make"}
origin = re.compile(r"^\s*(?:<!--|#) code: (?P<file>\S+?)(?:, (?P<part>.+?))?(?: -->)?$")
marker = re.compile(r"^\s*(?://|#) docs: (?P<name>.+)$")
fence = re.compile(r"^(?P<indent>\s*)```(?P<language>[\w+]*)$")
text_in_script = re.compile(r'^(?P<indent>)(?P<language>).*"""$')
link = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")

figure = re.compile(r"<!-- figure: (\S+) ([\d.,]+) (\w+)(?:, counts (.+) ([\d.]+))?, [0-9a-f]{8} -->")
allowed_change = 0.1  # of the instructions behind a figure


scripts = [top / "inspect/gdb/eddy-gdb.py"]


def pages():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=top, capture_output=True, text=True)
    if listed.returncode != 0:
        sys.exit("check_pages.py: git lists the pages. In an archive of the sources, first run: git init")
    return sorted(path for path in (top / name for name in listed.stdout.split()) if path.exists())


# ---- Code ----


def parts_of(file):
    """Returns the parts of a file by name; the whole file has the name None."""
    parts, whole, name = {}, [], None
    for line in file.read_text().splitlines():
        found = marker.match(line)
        if not found:
            whole.append(line)
            if name:
                parts[name].append(line)
        elif found["name"] == "end":
            name = None
        else:
            name = found["name"]
            if name in parts:
                raise ValueError(f"{file.relative_to(top)} has two parts named {name}")
            parts[name] = []
    while whole and (re.match(r"(//|#)( |!|$)", whole[0]) or not whole[0]):
        del whole[0]
    return {None: "\n".join(whole), **{name: dedented(lines) for name, lines in parts.items()}}


def dedented(lines):
    return textwrap.dedent("\n".join(lines)).strip("\n")


class Page:
    def __init__(self, path):
        self.path, self.problems = path, []
        self.lines = path.read_text().splitlines()
        self.fixed = self.with_code()

    def problem(self, line, text):
        self.problems.append(f"{self.path.relative_to(top)}:{line}: {text}")

    def with_code(self):
        """Returns the lines of the page with the code of the files, and notes where they differ."""
        made, at = [], 0
        while at < len(self.lines):
            source = origin.match(self.lines[at - 1]) if at else None
            begin = fence.match(self.lines[at]) or (source and text_in_script.match(self.lines[at]))
            if not begin:
                made.append(self.lines[at])
                at += 1
                continue
            end = at + 1
            while end < len(self.lines) and self.lines[end].strip() not in ("```", '""")'):
                end += 1
            block = self.lines[at + 1 : end]
            if source:
                block = self.checked(at + 1, source, block, begin["indent"])
            elif begin["language"] in languages:
                self.problem(at + 1, "this block needs `<!-- code: FILE, PART -->` before it: it must be cut from a tested file")
            made += [self.lines[at], *block, *self.lines[end : end + 1]]
            at = end + 1
        return made

    def checked(self, line, source, block, indent):
        file = top / source["file"]
        if not file.is_file():
            self.problem(line, f"there is no {source['file']}")
            return block
        parts = parts_of(file)
        if source["part"] not in parts:
            self.problem(line, f"{source['file']} has no part `{source['part']}`")
            return block
        code = [(indent + text).rstrip() for text in parts[source["part"]].splitlines()]
        if code != block:
            self.problem(line, f"this block differs from {source['file']}; to update it: tools/check_pages.py --fix")
        return code


# ---- Links ----


def without_code(lines):
    """Yields the lines outside of blocks of code, with their numbers."""
    inside = False
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, line


def slug_of(heading, others):
    """Returns the anchor that GitHub gives to a heading after the anchors `others`."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    return next(s for n in range(100) if (s := slug + (f"-{n}" if n else "")) not in others)


def anchors_of(path):
    found = set()
    for _, line in without_code(path.read_text().splitlines()):
        heading = re.match(r"#{1,6} (.+)$", line)
        if heading:
            found.add(slug_of(heading[1], found))
    return found


def check_links(page):
    for number, line in without_code(page.lines):
        for found in link.finditer(re.sub(r"`[^`]*`", "``", line)):
            target, _, anchor = found["target"].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (page.path.parent / target).resolve() if target else page.path
            if not file.exists():
                page.problem(number, f"there is no {found['target']}")
            elif anchor and file.suffix == ".md" and anchor not in anchors_of(file):
                page.problem(number, f"{file.relative_to(top)} has no heading #{anchor}")


# ---- Figures ----


def problems_of_figures(lines, results, counts):
    """Yields the number of a line and a problem. `results`: the text of compare/RESULTS.md. `counts`: instructions by name."""
    comments = [(number, each) for number, line in without_code(lines) for each in re.findall("<!-- figure.*?-->", line)]
    for number, comment in comments:
        if not (found := figure.fullmatch(comment)):
            yield number, f"write `<!-- figure: CASE VALUE UNIT, counts NAME INSTRUCTIONS, COMMIT -->` instead of {comment}"
            continue
        case, value, unit, name, was = found.groups()
        now = counts.get(name, 0)
        if f"| {case}, {unit} | {value} |" not in results:
            yield number, f"compare/RESULTS.md does not have {value} {unit} for {case}: update the page"
        elif name and abs(now / float(was) - 1) >= allowed_change:
            yield number, (f"{case} took {value} {unit} when {name} had {was} instructions. It has {now} now, by "
                           "compare/counts.json: measure again with ./dev bench rt --save, and update the page")


def main():
    fix = sys.argv[1:] == ["--fix"]
    problems = []
    results = (top / "compare/RESULTS.md").read_text()
    counts = json.loads((top / "compare/counts.json").read_text())["instructions"]
    for path in [*pages(), *scripts]:
        page = Page(path)
        if fix and page.fixed != page.lines:
            path.write_text("\n".join(page.fixed) + "\n")
            page = Page(path)
        if path in scripts:
            problems += page.problems
            continue
        check_links(page)
        for problem in problems_of_figures(page.lines, results, counts):
            page.problem(*problem)
        problems += page.problems
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
