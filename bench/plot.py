#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the plots of docs/benchmarks.md from the tables of bench/RESULTS.md, and copies the targets that eddy misses from
there into the page. `./dev bench plot` runs it. With --check, writes nothing, and ends with status 1 if a plot or the page
does not have the current results.
"""
import math
import re
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from rt_targets import best_limit

top = Path(__file__).resolve().parent.parent
page = top / "docs" / "benchmarks.md"
folder = top / "docs" / "benchmarks"

colors = {"eddy": "#0b63ce", "eddy_uring": "#7a3fb5", "tokio": "#c8501a", "go": "#2a8f8f", "libuv": "#3f8f3f",
          "asio_callbacks": "#b39a1e", "asio_coroutines": "#8a6d3b", "other": "#777777"}


# ---- The tables of RESULTS.md ----


def section(title):
    """Returns the lines below a heading, up to the next heading of the same or a higher level."""
    lines = (top / "bench" / "RESULTS.md").read_text().splitlines()
    begin = next((i for i, line in enumerate(lines) if re.match(r"#+ ", line) and title in line), None)
    if begin is None:
        sys.exit(f"plot.py: bench/RESULTS.md has no section {title}")
    level = len(lines[begin].split()[0])
    end = next((i for i in range(begin + 1, len(lines)) if re.match(rf"#{{1,{level}}} ", lines[i])), len(lines))
    return lines[begin + 1 : end]


def tables(lines):
    """Yields each table with the last paragraph before it: (caption, rows), in which a row is a list of its cells."""
    caption, rows = "", []
    for line in [*lines, ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        else:
            if rows:
                yield caption, [rows[0], *rows[2:]]
                rows = []
            if line.strip():
                caption = line.strip()


def number(text):
    return float(text.replace(",", ""))


def net_ratios():
    """Returns {case: {server: (ratio, least, greatest)}}: processor time per request, relative to the bare loop."""
    found = {}
    for caption, rows in tables(section("One thread, pinned")):
        name = re.match(r"\*\*(\w+):", caption)
        header = rows[0]
        if not name or "ratio" not in header:
            continue
        column, spread = header.index("ratio"), header.index("spread")
        found[name[1]] = {row[0]: (number(row[column]), *map(number, row[spread].split("-"))) for row in rows[1:]}
    return found


def rt_table():
    return next(rows for _, rows in tables(section("rt: tasks, timers and wake-ups")))


def rt_ratios():
    """Returns [(case, ratio, least, greatest)]: eddy relative to Tokio."""
    rows = rt_table()
    column = rows[0].index("eddy/tokio")
    return [(row[0], number(row[column]), *map(number, row[column + 1].split("-")))
            for row in rows[1:] if row[column] != "-" and number(row[column]) > 0]


def idle_bytes():
    rows = next(rows for _, rows in tables(section("Idle connections")))
    return [(row[0], number(row[1])) for row in rows[1:]]


def missed():
    """Returns the rows of the page's table of losses: [what, measured, target]."""
    found = []
    for _, rows in tables(section("net: echo servers")):
        if rows[0][:1] == ["what"]:
            found += [["net: " + row[0], row[1], row[2]] for row in rows[1:] if row[3] == "missed"]
    header, *rows = rt_table()
    at, best = header.index("eddy/tokio"), header.index("eddy/best")
    for row in rows:
        if row[at + 3] == "missed":
            found.append([f"rt: {row[0]}, x Tokio", row[at], f"<= {row[at + 2]}"])
        if row[best + 2] == "missed":
            limit = f"<= {best_limit(row[0]):g}"
            found.append([f"rt: {row[0]}, x {row[best + 1]}, the best peer", row[best], limit])
    return found


# ---- Drawing ----


class Plot:
    """An SVG image with a logarithmic axis from left to right, and one row for each label."""

    def __init__(self, title, labels, low, high, ticks, unit):
        self.left, self.width, self.row = 190, 760, 20
        self.low, self.high = math.log(low), math.log(high)
        self.top, self.height = 46, 46 + self.row * len(labels) + 34
        self.parts = [f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>']
        bottom = self.top + self.row * len(labels)
        for tick in ticks:
            x = self.x(tick)
            strong = tick == 1
            self.line(x, self.top - 6, x, bottom, "#444" if strong else "#ddd", 1.5 if strong else 1)
            self.text(x, bottom + 16, f"{tick:g}", "middle")
        self.text(self.width - 10, bottom + 31, unit, "end")
        for i, label in enumerate(labels):
            self.text(self.left - 10, self.y(i) + 4, label, "end")
            self.line(self.left, self.y(i), self.width - 10, self.y(i), "#eee", 1)

    def x(self, value):
        inner = self.width - 10 - self.left
        return self.left + inner * min(max((math.log(value) - self.low) / (self.high - self.low), 0), 1)

    def y(self, row):
        return self.top + self.row * row + self.row / 2

    def line(self, x1, y1, x2, y2, color, width):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>')

    def text(self, x, y, text, anchor="start", color="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>')

    def point(self, row, value, color, title, size=4):
        self.parts.append(f'<circle cx="{self.x(value):.1f}" cy="{self.y(row):.1f}" r="{size}" fill="{color}" fill-opacity="0.85">'
                          f"<title>{escape(title)}</title></circle>")

    def bar(self, row, value, color, title):
        left, right = sorted((self.x(1), self.x(value)))
        self.parts.append(f'<rect x="{left:.1f}" y="{self.y(row) - 6:.1f}" width="{right - left:.1f}" height="12" fill="{color}">'
                          f"<title>{escape(title)}</title></rect>")

    def legend(self, entries):
        x = self.left
        for name, color in entries:
            self.parts.append(f'<circle cx="{x + 5:.1f}" cy="34" r="4" fill="{color}"/>')
            self.text(x + 13, 38, name)
            x += 26 + 6.6 * len(name)

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
                f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def net_plot():
    cases = net_ratios()
    plot = Plot("Processor time per request, relative to a bare epoll loop", list(cases), 0.83, 2,
                [0.9, 1, 1.1, 1.2, 1.4, 1.6, 1.8], "below 1 is better; line: the spread of eddy's rounds")
    servers = [name for name in colors if any(name in figures for figures in cases.values())]
    for row, figures in enumerate(cases.values()):
        for name in [s for s in servers if s in figures and s != "eddy"] + ["eddy"]:
            ratio, least, greatest = figures[name]
            if name == "eddy":
                plot.line(plot.x(least), plot.y(row), plot.x(greatest), plot.y(row), colors[name], 2)
            plot.point(row, ratio, colors[name], f"{name}: {ratio}", 5 if name == "eddy" else 4)
    plot.legend([(name, colors[name]) for name in servers])
    return plot.svg()


def rt_plot():
    rows = rt_ratios()
    plot = Plot("eddy relative to Tokio, by case", [row[0] for row in rows], 0.018, 8,
                [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], "below 1, eddy needs less; line: the spread of the rounds")
    for i, (name, ratio, least, greatest) in enumerate(rows):
        plot.bar(i, ratio, "#9ec5f0" if ratio <= 1 else "#f0b27a", f"{name}: {ratio}")
        plot.line(plot.x(least), plot.y(i), plot.x(greatest), plot.y(i), "#345", 2)
    plot.legend([("eddy needs less", "#9ec5f0"), ("Tokio needs less", "#f0b27a")])
    return plot.svg()


def memory_plot():
    rows = [row for row in idle_bytes() if row[1] > 0]
    plot = Plot("Memory of an idle connection", [f"{name}: {bytes_:,.0f}" for name, bytes_ in rows], 300, 40000,
                [500, 1000, 2000, 5000, 10000, 20000], "bytes per connection")
    for i, (name, bytes_) in enumerate(rows):
        plot.point(i, bytes_, colors["eddy"] if name.startswith("eddy") else colors["other"], f"{name}: {bytes_:,.0f}", 6)
    return plot.svg()


# ---- The page ----


def with_missed(text):
    """Returns the page with the current table of missed targets."""
    rows = ["| what | measured | target |", "|---|--:|--:|", *(f"| {' | '.join(row)} |" for row in missed())]
    begin, end = "<!-- missed targets, by bench/plot.py -->\n", "<!-- end -->"
    before, _, rest = text.partition(begin)
    return before + begin + "\n" + "\n".join(rows) + "\n\n" + end + rest.partition(end)[2]


def main():
    made = {folder / "net.svg": net_plot(), folder / "rt.svg": rt_plot(), folder / "memory.svg": memory_plot(),
            page: with_missed(page.read_text())}
    old = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in old:
            print(f"{path.relative_to(top)} is not that of bench/RESULTS.md; to update it: ./dev bench plot")
        return bool(old)
    folder.mkdir(exist_ok=True)
    for path in old:
        path.write_text(made[path])
        print(path.relative_to(top))
    return 0


if __name__ == "__main__":
    sys.exit(main())
