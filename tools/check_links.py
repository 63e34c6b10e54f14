#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the links of a site: tools/check_links.py [FOLDER]

Prints each link that leads to no file of the folder or to no anchor in it, and ends with status 1 if there are any. The
links of the navigation, which are in scripts, count, too (navtreeindex*.js and NAVTREEINDEX have no links, but keys of a table). An
address outside of the site must begin with https:// and the name of a host; it is not opened.
"""
import html
import pathlib
import re
import sys
import urllib.parse

top = pathlib.Path(__file__).resolve().parent.parent

reference = re.compile(r'\s(?:href|src|data)="([^"]*)"')
anchor = re.compile(r'\s(?:id|name)="([^"]+)"')
in_script = re.compile(r"""["']([\w./-]+[.]html(?:#[^"'<>\s]*)?)["']""")
outside = re.compile(r"https://[\w-]+(?:[.][\w-]+)+(?:[:/?#].*)?$")
without_target = re.compile(r"(?:javascript|mailto|data):")


def links_of(file, text):
    if file.suffix == ".js":
        return {link for link in in_script.findall(text.partition("var NAVTREEINDEX")[0]) if link != ".html"}
    return {html.unescape(link) for link in reference.findall(text)}


def check(folder):
    """Returns the dead links, as lines."""
    files = [file for kind in ("html", "js") for file in folder.rglob(f"*.{kind}") if not file.name.startswith("navtreeindex")]
    texts = {file: file.read_text(errors="replace") for file in files}
    anchors = {file: set(map(html.unescape, anchor.findall(text))) for file, text in texts.items() if file.suffix == ".html"}
    problems = []
    for file, text in sorted(texts.items()):
        for link in sorted(links_of(file, text)):
            if without_target.match(link) or outside.match(link):
                continue
            path, _, name = link.partition("#")
            target = (file.parent / urllib.parse.unquote(path)).resolve() if path else file
            if re.match(r"\w+:", link) or not target.is_relative_to(folder) or not target.exists():
                problems.append(f"{file.relative_to(folder)}: there is no {link}")
            elif name and target.suffix == ".html" and urllib.parse.unquote(name) not in anchors[target]:
                problems.append(f"{file.relative_to(folder)}: {target.relative_to(folder)} has no anchor #{name}")
    return problems


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else top / "build" / "site").resolve()
    if not (folder / "index.html").is_file():
        sys.exit(f"check_links.py: there is no {folder}/index.html; to build the site: ./dev docs")
    problems = check(folder)
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
