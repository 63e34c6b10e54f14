# SPDX-License-Identifier: MIT
"""The stored results: results/GROUP.json. `./dev bench --save` writes them; plot.py draws the plots and writes the page.

A file is a list of runs, the oldest first. A run has its command, date and machine, its tables and its targets. A new run
replaces the figures that it has measured: rows of the same table with the same first cell, and targets with the same text.
So a run of a few cases or servers leaves the others as they were, with their dates.
"""

import json
import re
from pathlib import Path

from tables import Outcome

FOLDER = Path(__file__).resolve().parent / "results"

Row = dict[str, object]  # by column


def load(group: str) -> list[dict]:
    path = FOLDER / f"{group}.json"
    return json.loads(path.read_text()) if path.exists() else []


def rows(group: str, table: str) -> list[Row]:
    """The rows of a table, from all runs. The first column is the name of the row; `date` is that of its newest figure."""
    found: dict[str, Row] = {}
    for run in load(group):
        for one in run["tables"]:
            for row in one["rows"] if one["name"] == table else []:
                found.setdefault(row[0], {}).update(zip(one["header"], row), date=run["date"])
    return list(found.values())


def names(group: str) -> list[str]:
    """The names of the tables."""
    return list(dict.fromkeys(one["name"] for run in load(group) for one in run["tables"]))


def targets(group: str) -> list[dict]:
    return [target for run in load(group) for target in run["targets"]]


# ---- Writing ----


def save(group: str, outcome: Outcome, description: dict[str, str]) -> None:
    new = description | {
        "tables": [{"name": table.name, "title": table.title, "note": table.note, "header": table.header,
                    "rows": [list(map(value_of, row)) for row in table.rows]} for table in outcome.tables if table.name],
        "targets": [{"what": one.what, "value": round(one.value, 4), "limit": one.limit, "unit": one.unit,
                     "at_least": one.at_least, "verdict": one.verdict} for one in outcome.targets]}
    if new["tables"]:
        write(group, [*filter(None, (without(run, new) for run in load(group))), new])


def write(group: str, runs: list[dict]) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{group}.json").write_text(as_json(runs) + "\n")


def value_of(cell: str) -> str | float:
    """A number if the cell is one."""
    return json.loads(cell.replace(",", "")) if re.fullmatch(r"-?\d[\d,]*(\.\d+)?", cell) else cell


def without(run: dict, new: dict) -> dict | None:
    """The part of an old run that the new one does not replace, or None."""
    measured = {(table["name"], row[0]): set(table["header"]) for table in new["tables"] for row in table["rows"]}
    judged = {without_peer(target["what"]) for target in new["targets"]}
    tables = []
    for table in run["tables"]:
        left = [row for row in table["rows"] if not set(table["header"]) <= measured.get((table["name"], row[0]), set())]
        tables += [table | {"rows": left}] * bool(left)
    rest = [target for target in run["targets"] if without_peer(target["what"]) not in judged]
    return run | {"tables": tables, "targets": rest} if tables or rest else None


def without_peer(what: str) -> str:
    """The text of a target without the name of the best peer, which may be another one in each run."""
    return re.sub(r" \([^)]*\)", "", what)


def as_json(value: object, indent: str = "") -> str:
    """Like json.dumps, but with one line for each list or object that contains no others."""
    inner = list(value.values() if isinstance(value, dict) else value) if isinstance(value, (dict, list)) else []
    if not any(isinstance(one, (dict, list)) for one in inner):
        return json.dumps(value, ensure_ascii=False)
    parts = [as_json(one, indent + "  ") for one in inner]
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {part}" for key, part in zip(value, parts)]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n" + ",\n".join(f"{indent}  {part}" for part in parts) + f"\n{indent}{end}"
