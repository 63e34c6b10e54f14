#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the documentation site: build/site/index.html. `./dev docs` runs it.

Doxygen makes one site of the Markdown pages and of the reference, so that one search finds both, and pages link to the
names in their code. Doxygen 1.9.4 reads neither GitHub's links to headings nor the conventions of eddy's docstrings.
Therefore this script writes what Doxygen reads into build/site_input:

- Pages: each heading gets an anchor, and links between pages become references. An example that a page links to becomes a page.
- Headers: each declaration of a group gets the docstring of the group, and `Errors:` and similar begin a paragraph.

Then site_html.py mends the pages that Doxygen has written, site_search.py adds the search, and
check_links.py and site_names.py find dead links and misspelled names.
"""
import pathlib
import re
import shutil
import subprocess
import sys
from xml.sax.saxutils import escape, quoteattr

import check_links
import site_html
import site_names
import site_search
from check_pages import fence, link, origin, slug_of
from undocumented import Header

top = pathlib.Path(__file__).resolve().parent.parent
input_folder = top / "build" / "site_input"
site = top / "build" / "site"
theme = pathlib.Path("/usr/share/doxygen-awesome-css")

# The order of the pages. A page of docs/ that is missing here is the last one of the guides, or of the recipes.
guides, recipes = "Guides", "Recipes"
order = [
    ("Start", "docs/start.md"),
    ("Tutorial", "docs/tutorial.md"),
    ("Concepts", "docs/concepts.md"),
    (
        recipes,
        ["docs/recipes.md", *(f"docs/recipes/{name}.md" for name in
         ["json-service", "https-proxy", "websocket-chat", "crawler", "multiplexed-calls", "c-library", "paused-clock",
          "program-hangs", "files-and-programs", "in-production"])],
    ),
    (
        guides,
        ["docs/features.md", "docs/errors.md", "docs/choosing.md", "runtime/docs/cancellation.md", "runtime/docs/structured-concurrency.md", "runtime/docs/streams.md", "tls/docs/tls.md", "http/docs/http.md", "ws/docs/websocket.md", "fs/docs/files.md",
         "process/docs/processes.md",
         "proto/docs/services.md", "runtime/docs/io_uring.md", "runtime/docs/testing.md", "runtime/docs/debugging.md", "inspect/docs/hangs.md", "inspect/docs/inspect.md", "docs/performance.md", "docs/service-life.md", "docs/deployment.md"],
    ),
    (
        "Coming from ...",
        [
            "docs/coming-from-tokio.md",
            "docs/coming-from-asio.md",
            "docs/coming-from-libuv.md",
            "docs/coming-from-go.md",
            "docs/coming-from-sockets.md",
        ],
    ),
    ("How eddy compares", "docs/comparison.md"),
    ("Questions", "docs/faq.md"),
    ("Pitfalls", "docs/pitfalls.md"),
    ("Mistakes and their answers", "docs/mistakes.md"),
    ("Compilers", "docs/compilers.md"),
    ("Glossary", "docs/glossary.md"),
    ("Cheat sheet", "docs/cheat-sheet.md"),
    ("Benchmarks", ["docs/benchmarks.md", "compare/RESULTS.md", "compare/NOTES.md"]),
    ("The project", ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]),
]
main_page = "README.md"


def chapters():
    """Returns the order, with the pages that exist and those that it does not name."""
    known = {main_page}
    for _, pages in order:
        known.update([pages] if isinstance(pages, str) else pages)
    found = {guides: [*top.glob("docs/*.md"), *top.glob("*/docs/*.md")], recipes: top.glob("docs/recipes/*.md")}
    others = {title: [str(p.relative_to(top)) for p in sorted(files) if str(p.relative_to(top)) not in known] for title, files in found.items()}
    for title, pages in order:
        if isinstance(pages, list):
            pages = [p for p in pages + others.get(title, []) if (top / p).exists()]
        elif not (top / pages).exists():
            continue
        yield title, pages


def all_pages():
    return [main_page, *(p for _, pages in chapters() for p in ([pages] if isinstance(pages, str) else pages))]


# ---- Pages ----


def label(page, anchor=""):
    """Returns Doxygen's name of a page or of a heading. The prefix keeps it apart from the files that Doxygen makes."""
    prefix = "program" if page.endswith(".cpp") else "page"
    return re.sub(r"\W", "_", f"{prefix}_{pathlib.Path(page).stem.lower()}" + (f"__{anchor}" if anchor else ""))


def title_of(page):
    return next(line[2:] for line in (top / page).read_text().splitlines() if line.startswith("# "))


def with_references(line, page, known):
    """Replaces links to pages and examples by references. A link to any other file of the tree becomes its text."""

    def replaced(found):
        text, target = found[0][1 : found[0].rindex("](")], found["target"]
        if re.match(r"[a-z]+:", target):
            return found[0]
        file, _, anchor = target.partition("#")
        path = str(((top / page).parent / file).resolve().relative_to(top)) if file else page
        if path not in known:
            return text
        return f"[{text}](@ref {label(path, anchor)})"

    parts = re.split(r"(`[^`]*`(?!\]))", line)  # not inside of code, except for the text of a link
    return "".join(part if part.startswith("`") else link.sub(replaced, part) for part in parts)


def code_with_bars(found):
    """Returns the code of a table in which \\| is |, as on GitHub, in HTML: Doxygen would print the backslash."""
    return "<code>" + escape(found[1].replace("\\|", "|")).replace("|", "&#124;") + "</code>"


def with_anchors(page, known):
    """Returns a page as Doxygen reads it."""
    made, slugs, inside = [], set(), False
    for line in (top / page).read_text().splitlines():
        block = fence.match(line)
        if inside:
            inside = line.strip() != "```"
        elif block:
            inside = True
            if block["language"] not in ("cpp", "c++"):
                line = block["indent"] + "```{.unparsed}"
        elif origin.match(line):
            continue
        elif heading := re.match(r"(#{1,6}) (.+)$", line):
            anchor = slug_of(heading[2], slugs)
            slugs.add(anchor)
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[2])
            line = f"{heading[1]} {text} {{#{label(page, anchor if len(heading[1]) > 1 else '')}}}"
        else:
            line = with_references(line, page, known)
            line = re.sub(r"(!\[[^\]]*\]\()[^)]*/", r"\1", line)  # Doxygen finds a picture by its name
            # Doxygen takes a single backtick before an apostrophe for a quotation mark.
            line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)
            line = re.sub(r"``([^`]*\\\|[^`]*)``", code_with_bars, line)
        made.append(line)
        if page != main_page and line.startswith("# ") and not inside:
            made += ["", "[TOC]"]
    return "\n".join(made) + "\n"


def linked_examples(pages):
    """Returns the examples that pages link to. Each becomes a page."""
    folder = (top / "examples").resolve()
    targets = {((top / page).parent / found["target"]).resolve() for page in pages for found in link.finditer((top / page).read_text())}
    return sorted(str(file.relative_to(top)) for file in targets if file.suffix == ".cpp" and file.is_relative_to(folder))


def as_page(example):
    """Returns an example as a page that Doxygen reads."""
    return f"# {pathlib.Path(example).name} {{#{label(example)}}}\n\n```cpp\n{(top / example).read_text()}```\n"


def sections_of(page):
    """Returns the sections of a page for the search."""
    name = "index" if page == main_page else label(page)
    return site_search.sections_of((top / page).read_text(), lambda anchor: f"{name}.html" + (f"#{label(page, anchor)}" if anchor else ""))


# ---- Headers ----

section = re.compile(r"^(\s*///) ((?:Errors|Cancel safety|Thread safety|Lifetime|Preconditions|Cost)(?: [^:`]{1,40})?): ")
internal = re.compile(r"\s*(?:///)?\s*For (?:use by |the library\b|select\b|select_loop\b|readers of the program's memory\b)")

special = re.compile(r"~|\b(\w+) \( (?:const )?\1 (?:& )+(?:\w+ )?\)|operator = \(")


def for_doxygen(text):
    """Returns a header in which each declaration has its own docstring, with sections as Doxygen knows them.

    Destructors, copies and moves in a group have none: the docstring is about the constructors. What is for the library is left out, and
    so are friends that are classes, and data of classes: the names end with an underscore.
    """
    lines, docs = text.splitlines(), {}
    header = Header(text)
    for declaration in [*header.found, *header.macros]:
        begin = declaration.first - 1  # of its docstring
        while begin > 0 and lines[begin - 1].lstrip().startswith("///"):
            begin -= 1
        is_function = "(" in declaration.head
        is_member = not declaration.doc and any(re.fullmatch(r"[a-z]\w*_", word) for word in declaration.head[1:])
        if (not is_function and (is_member or "friend" in declaration.head)) or internal.match(declaration.doc or "") or internal.match(lines[begin]):
            lines[begin : declaration.end] = [""] * (declaration.end - begin)
        elif declaration.head[:1] == ["namespace"] and declaration.doc:
            lines[begin] = "/// @file\n" + lines[begin]  # it is about the header
        elif declaration.doc and begin == declaration.first - 1 and not special.search(" ".join(declaration.head)):
            docs[declaration.first] = declaration.doc
    made = []
    for number, line in enumerate(lines, start=1):
        if number in docs:
            made += [f"/// {part.strip()}" for part in docs[number].splitlines()]
        made.append(line)
    return "\n".join(section.sub(r"\1 @par \2\n\1 ", line) for line in made) + "\n"


def namespaces_for_doxygen():
    """Returns what the umbrella headers say about themselves, as the documentation of their namespaces."""
    made = []
    for file in sorted(top.glob("*/include/eddy/*.hpp")):
        said = re.search(r"^// (?:Umbrella header for )?(.+?[.])(?: [^.]*<eddy/eddy.hpp>[.])?\n", file.read_text(), re.M)
        name = {"sink": "sinks", "stream": "streams"}.get(file.stem, file.stem)
        inside = rf"^namespace eddy::{name} \{{"
        if said and any(re.search(inside, header.read_text(), re.M) for header in file.parent.glob(f"{file.stem}/*.hpp")):
            made.append(f"/** @namespace eddy::{name}\n * {said[1][0].upper()}{said[1][1:]}\n */\n")
    return "".join(made)


# ---- Doxygen ----


def layout(examples):
    """Returns the layout file, which has the pages in their order in place of Doxygen's list of pages."""
    subprocess.run(["doxygen", "-l", input_folder / "layout.xml"], check=True, stdout=subprocess.DEVNULL)
    tabs = ['<tab type="mainpage" visible="yes" title="eddy"/>']

    def tab(page, title):
        return f'<tab type="user" url="@ref {label(page)}" title={quoteattr(title)}/>'

    for title, pages in chapters():
        if isinstance(pages, str):
            tabs.append(tab(pages, title))
        else:
            inner = "".join(tab(p, title_of(p)) for p in pages)
            tabs.append(f'<tab type="usergroup" url="[none]" title={quoteattr(title)}>{inner}</tab>')
    programs = "".join(tab(example, pathlib.Path(example).name) for example in examples)
    tabs.insert(-1, f'<tab type="usergroup" url="[none]" title="Programs">{programs}</tab>')
    index = (input_folder / "layout.xml").read_text()
    reference = "".join(
        f'<tab type="{kind}" visible="yes" title="{title}">{inner}</tab>'
        for kind, title, inner in [
            ("namespaces", "Namespaces", '<tab type="namespacelist" visible="yes" title=""/>'),
            ("concepts", "Concepts (C++)", ""),
            ("classes", "Classes", '<tab type="classlist" visible="yes" title=""/>'),
            ("files", "Headers", '<tab type="filelist" visible="yes" title=""/>'),
        ]
    )
    tabs.append(f'<tab type="usergroup" url="[none]" title="Reference">{reference}</tab>')
    return re.sub(r"<navindex>.*</navindex>", lambda _: f"<navindex>{''.join(tabs)}</navindex>", index, flags=re.S)


def html_header():
    """Returns Doxygen's header of a page with the scripts of the theme."""
    file = input_folder / "header.html"
    subprocess.run(
        ["doxygen", "-w", "html", file, input_folder / "footer.html", input_folder / "unused.css"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    scripts = ["darkmode-toggle", "fragment-copy-button", "paragraph-link", "interactive-toc"]
    classes = ["DarkModeToggle", "FragmentCopyButton", "ParagraphLink", "InteractiveToc"]
    tags = "".join(f'<script src="$relpath^doxygen-awesome-{name}.js"></script>\n' for name in scripts)
    tags += "<script>" + "".join(f"DoxygenAwesome{name}.init();" for name in classes) + "</script>\n"
    search = '<link href="$relpath^search/search.css" rel="stylesheet"/>\n<script src="$relpath^search/search.js"></script>\n'
    return file.read_text().replace("$search", search).replace("</head>", tags + "</head>")


def stylesheets():
    """Returns the styles of the theme and our own. Beside a table of contents, code needs a window of 1,500 pixels."""
    narrow = input_folder / "doxygen-awesome.css"
    text = (theme / "doxygen-awesome.css").read_text()
    narrow.write_text(text.replace("(max-width: 999px)", "(max-width: 1499px)").replace("(min-width: 1000px)", "(min-width: 1500px)"))
    others = ["doxygen-awesome-sidebar-only.css", "doxygen-awesome-sidebar-only-darkmode-toggle.css"]
    return [narrow, *(theme / name for name in others), top / "tools" / "site.css"]


def configuration(pages):
    quoted = " ".join(f'"{input_folder / path}"' for path in [*pages, "include"])
    version = re.search(r"VERSION (\S+)", (top / "CMakeLists.txt").read_text().partition("project(")[2])[1]
    return f"""
{(top / "tools" / "Doxyfile").read_text()}
PROJECT_NUMBER = {version}
PROJECT_BRIEF = "An asynchronous I/O runtime for C++23"
INPUT = {quoted}
FILE_PATTERNS = *.hpp *.md *.dox
PREDEFINED += EDDY_ASIO=asio EDDY_ASIO_FLAVOR=with_asio
STRIP_FROM_PATH = "{input_folder}" "{input_folder / "include"}"
STRIP_FROM_INC_PATH = "{input_folder / "include"}"
USE_MDFILE_AS_MAINPAGE = "{input_folder / main_page}"
IMAGE_PATH = "{top / "docs"}" "{top / "docs" / "pictures"}"
LAYOUT_FILE = "{input_folder / "layout.xml"}"
OUTPUT_DIRECTORY = "{site.parent}"
HTML_OUTPUT = {site.name}
GENERATE_XML = NO
GENERATE_HTML = YES
HTML_HEADER = "{input_folder / "header.html"}"
HTML_EXTRA_STYLESHEET = {" ".join(f'"{file}"' for file in stylesheets())}
HTML_EXTRA_FILES = {" ".join(f'"{file}"' for file in sorted(theme.glob("*.js")))}
HTML_COLORSTYLE_HUE = 209
HTML_COLORSTYLE_SAT = 255
HTML_COLORSTYLE_GAMMA = 113
HTML_DYNAMIC_SECTIONS = YES
GENERATE_TREEVIEW = YES
TREEVIEW_WIDTH = 265
GENERATE_TAGFILE = "{input_folder / "tags.xml"}"
DISABLE_INDEX = NO
FULL_SIDEBAR = NO
SEARCHENGINE = YES
SERVER_BASED_SEARCH = NO
TOC_INCLUDE_HEADINGS = 3
STRIP_CODE_COMMENTS = NO
SHOW_USED_FILES = NO
VERBATIM_HEADERS = NO
HIDE_UNDOC_RELATIONS = YES
WARN_LOGFILE = "{input_folder / "warnings.log"}"
"""


# Warnings about pages, and not about the parts of C++ that Doxygen 1.9.4 does not understand.
serious = re.compile(r"[.]md:\d+: |unable to resolve|unable to resolve reference|not find page")


def main():
    for needed, package in [(theme / "doxygen-awesome.css", "doxygen-awesome-css"), (shutil.which("doxygen"), "doxygen")]:
        if not needed or not pathlib.Path(needed).exists():
            sys.exit(f"the Debian package {package} is not installed")
    shutil.rmtree(input_folder, ignore_errors=True)
    shutil.rmtree(site, ignore_errors=True)
    pages = all_pages()
    examples = linked_examples(pages)
    for page in pages:
        (input_folder / page).parent.mkdir(parents=True, exist_ok=True)
        (input_folder / page).write_text(with_anchors(page, {*pages, *examples}))
    for example in examples:
        (input_folder / example).parent.mkdir(parents=True, exist_ok=True)
        (input_folder / f"{example}.md").write_text(as_page(example))
    for file in sorted(top.glob("*/include/**/*.hpp")):
        copy = input_folder.joinpath(*file.relative_to(top).parts[1:])  # all in include/
        if "detail" not in copy.parts:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(for_doxygen(file.read_text()))
    (input_folder / "include" / "namespaces.dox").write_text(namespaces_for_doxygen())
    (input_folder / "layout.xml").write_text(layout(examples))
    (input_folder / "header.html").write_text(html_header())
    subprocess.run(["doxygen", "-"], input=configuration([*pages, *(f"{example}.md" for example in examples)]), text=True, cwd=top, check=True, stdout=subprocess.DEVNULL)
    warnings = (input_folder / "warnings.log").read_text().replace(f"{input_folder}/", "").splitlines()
    site_html.mend(site)
    tags = input_folder / "tags.xml"
    site_search.write(site, tags, [section for page in pages for section in sections_of(page)])
    problems = sorted({line for line in warnings if serious.search(line)})
    problems += site_names.misspelled(top, pages, tags) + check_links.check(site)
    print("\n".join(problems), end="\n" if problems else "")
    print(f"{site.relative_to(top)}/index.html: {len(pages)} pages and the reference")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
