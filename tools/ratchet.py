#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the numbers of tools/house.py with those that were reached (tools/house.json). Prints the problems, and ends with
status 1 if there are any.

    tools/ratchet.py [TREE] [--accept [REASON]]

--accept writes the numbers that have become smaller, and new ones; with a reason, also those that have grown.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import house

def change(number, was):
    """Returns 1 if a number has grown by more than its tolerance, -1 if it has shrunk by more, else 0."""
    return (number.value > was * (1 + number.tolerance)) - (number.value < was * (1 - number.tolerance))


def lines_of(text):
    return {line["name"]: line for line in json.loads(text)}


def problems_of_numbers(numbers, held):
    accept = "tools/ratchet.py --accept"
    for name, number in numbers.items():
        was = held[name]["value"] if name in held else None
        if was is None:
            yield f"{name}: {number.value} is not in tools/house.json. To write it there: {accept}"
        elif changed := change(number, was):
            what = f"To hold the smaller number: {accept}" if changed < 0 else (
                f"What counts: tools/house.py --where '{name}'. Make it smaller, or write it down with the reason why it must "
                f"grow: {accept} 'REASON'")
            yield f"{name}: {number.value}, but tools/house.json has {was}. {what}"
    for name in held.keys() - numbers.keys():
        yield f"tools/house.json has {name}, which tools/house.py does not print. To remove it: {accept}"


def lines_before(top):
    """Returns the lines of tools/house.json before its last change; none if git does not know."""
    def git(*command):
        return subprocess.run(["git", *command], cwd=top, capture_output=True, text=True).stdout

    text = git("show", "HEAD:./tools/house.json")
    if text == (top / "tools/house.json").read_text():
        text = git("show", git("log", "-1", "--format=%h^", "--", "tools/house.json").strip() + ":./tools/house.json")
    return lines_of(text) if text else {}


def problems_of_reasons(numbers, held, before):
    """Finds numbers that were written down larger without a reason."""
    for name in sorted(numbers.keys() & held.keys() & before.keys()):
        was, now = before[name], held[name]
        has_grown = change(numbers[name]._replace(value=now["value"]), was["value"]) > 0
        if has_grown and now.get("why") in (None, was.get("why")):
            yield f'tools/house.json: {name} has grown from {was["value"]} to {now["value"]}: its line needs a (new) "why"'


def accepted(numbers, held, reason):
    """Yields the lines of a new tools/house.json. A number that has changed within its tolerance keeps its line."""
    for name, number in numbers.items():
        changed = change(number, held[name]["value"]) if name in held else -1
        new = {"name": name, "value": number.value} | ({"why": reason} if changed > 0 else {})
        yield new if changed < 0 or changed > 0 and reason else held[name]


def problems(top, reason=None):
    """Returns the problems of a tree. Accepts its numbers before that, unless the reason is None."""
    numbers = {number.name: number for number in house.numbers_of(house.Tree(top))}
    file = top / "tools/house.json"
    if reason is not None:
        lines = accepted(numbers, lines_of(file.read_text()) if file.exists() else {}, reason)
        file.write_text("[\n" + ",\n".join("  " + json.dumps(line, ensure_ascii=False) for line in lines) + "\n]\n")
    held = lines_of(file.read_text())
    return [*problems_of_numbers(numbers, held), *problems_of_reasons(numbers, held, lines_before(top))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", nargs="?", type=pathlib.Path, default=house.top)
    parser.add_argument("--accept", nargs="?", const="", metavar="REASON")
    arguments = parser.parse_args()
    found = problems(arguments.tree.resolve(), arguments.accept)
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)
