#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates, from the stored results (see results.py), the plots of docs/benchmarks.md, its table of missed targets, and the
page RESULTS.md. `./dev bench plot` runs it. With --check, writes nothing, and ends with status 1 if one of these files is not
current.
"""
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import results
import results_page

top = Path(__file__).resolve().parent.parent
page = top / "docs" / "benchmarks.md"
tables = Path(__file__).resolve().parent / "RESULTS.md"
folder = top / "docs" / "benchmarks"

cases_with_ratios = ("C1", "C100", "LOAD80", "C1000", "C10000", "P16", "BIG", "CHURN")

colors = {"eddy": "#0b63ce", "eddy_uring": "#7a3fb5", "tokio": "#c8501a", "go": "#2a8f8f", "libuv": "#3f8f3f",
          "asio_callbacks": "#b39a1e", "asio_coroutines": "#8a6d3b", "other": "#777777"}


# ---- Figures ----


def net_ratios():
    """Returns {case: {server: (ratio, least, greatest)}}: processor time per request, relative to the bare loop."""
    return {case: {row["server"]: (row["ratio"], *ends(row, "ratio")) for row in results.rows("net", case)}
            for case in results.names("net") if case in cases_with_ratios}


def ends(row, ratio):
    """Returns the smallest and the largest ratio of the rounds. One round has no spread."""
    return map(float, row["spread"].split("-")) if row["spread"] != "-" else (row[ratio], row[ratio])


def rt_ratios():
    """Returns [(case, ratio, least, greatest)]: eddy relative to Tokio."""
    return [(row["case"], row["eddy/tokio"], *ends(row, "eddy/tokio")) for row in results.rows("rt", "rt")
            if row["eddy/tokio"] != "-" and row["eddy/tokio"] > 0]


def idle_bytes():
    """Returns [(server, bytes)] of servers that need memory for an idle connection."""
    rows = [(row["server"], row["bytes/connection"]) for row in results.rows("net", "IDLE")]
    return sorted((row for row in rows if row[1] > 0), key=lambda row: row[1])


# ---- Drawing ----

grid = "#8886"
# For a plot that is opened by itself. In the site, plots are a part of the page and have its colors.
colors_of_page = "<style>svg{color:#222;background:#fff}@media(prefers-color-scheme:dark){svg{color:#ddd;background:#1c1d1f}}</style>"

class Plot:
    """An SVG image with a logarithmic axis from left to right, and one row for each label."""

    def __init__(self, title, labels, low, high, ticks, unit):
        self.left, self.width, self.row = 168, 560, 20  # narrow, so that it is legible on a phone
        self.low, self.high = math.log(low), math.log(high)
        self.top, self.height = 46, 46 + self.row * len(labels) + 34
        self.parts = [f'<text x="10" y="22" font-size="15" font-weight="bold" fill="currentColor">{escape(title)}</text>']
        bottom = self.top + self.row * len(labels)
        for tick in ticks:
            x = self.x(tick)
            strong = tick == 1
            self.line(x, self.top - 6, x, bottom, "currentColor" if strong else grid, 1.5 if strong else 1)
            self.text(x, bottom + 16, f"{tick:g}", "middle")
        self.text(self.width - 10, bottom + 31, unit, "end")
        for i, label in enumerate(labels):
            self.text(self.left - 10, self.y(i) + 4, label, "end")
            self.line(self.left, self.y(i), self.width - 10, self.y(i), grid, 0.5)

    def x(self, value):
        inner = self.width - 10 - self.left
        return self.left + inner * min(max((math.log(value) - self.low) / (self.high - self.low), 0), 1)

    def y(self, row):
        return self.top + self.row * row + self.row / 2

    def line(self, x1, y1, x2, y2, color, width):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>')

    def text(self, x, y, text, anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(text)}</text>')

    def point(self, row, value, color, title, size=4):
        self.parts.append(f'<circle cx="{self.x(value):.1f}" cy="{self.y(row):.1f}" r="{size}" fill="{color}" fill-opacity="0.85">'
                          f"<title>{escape(title)}</title></circle>")

    def bar(self, row, value, color, title):
        left, right = sorted((self.x(1), self.x(value)))
        self.parts.append(f'<rect x="{left:.1f}" y="{self.y(row) - 6:.1f}" width="{right - left:.1f}" height="12" fill="{color}">'
                          f"<title>{escape(title)}</title></rect>")

    def legend(self, entries):
        x = 10
        for name, color in entries:
            self.parts.append(f'<circle cx="{x + 5:.1f}" cy="34" r="4" fill="{color}"/>')
            self.text(x + 13, 38, name)
            x += 24 + 6.2 * len(name)

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
                f'font-family="sans-serif" font-size="12">\n{colors_of_page}\n'
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
        plot.line(plot.x(least), plot.y(i), plot.x(greatest), plot.y(i), "currentColor", 1.5)
    plot.legend([("eddy needs less", "#9ec5f0"), ("Tokio needs less", "#f0b27a")])
    return plot.svg()


def memory_plot():
    rows = idle_bytes()
    plot = Plot("Memory of an idle connection", [f"{name}: {bytes_:,.0f}" for name, bytes_ in rows], 300, 40000,
                [500, 1000, 2000, 5000, 10000, 20000], "bytes per connection")
    for i, (name, bytes_) in enumerate(rows):
        plot.point(i, bytes_, colors["eddy"] if name.startswith("eddy") else colors["other"], f"{name}: {bytes_:,.0f}", 6)
    return plot.svg()


# ---- Files ----


def with_losses(text):
    """Returns the page of the plots with the current table of missed targets."""
    begin, end = "<!-- missed targets, by ./dev bench plot -->\n", "<!-- end -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{results_page.losses()}\n\n{end}{rest.partition(end)[2]}"


def outdated():
    """Returns the files that differ from what the results generate, with the text that they must have."""
    made = {folder / "net.svg": net_plot(), folder / "rt.svg": rt_plot(), folder / "memory.svg": memory_plot(),
            page: with_losses(page.read_text()), tables: results_page.text()}
    return {path: text for path, text in made.items() if not path.exists() or path.read_text() != text}


def write():
    folder.mkdir(exist_ok=True)
    for path, text in outdated().items():
        path.write_text(text)
        print(path.relative_to(top))


def check():
    old = outdated()
    for path in old:
        print(f"{path.relative_to(top)} differs from what {results.FOLDER.relative_to(top)} generates; to update it: "
              "./dev bench plot")
    return bool(old)


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv[1:] else write())
