#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the docstrings of include/eddy: prints the problems, and ends with status 1 if there are any.

- Each public name is documented. A `///` block documents all declarations that follow it without a blank line in
  between. Doxygen lists the public names; this script reads their docstrings from the source.
- The umbrella header of a module states `Thread safety:` and `Cancel safety:` for its classes and futures. A docstring states
  only what differs. A class or a future of a module that does not state them states them itself.
- No docstring repeats what its umbrella header says.
- Doxygen has no other warnings.
"""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

top = pathlib.Path(__file__).resolve().parent.parent
out = top / "build" / "docs"

# ---- The declarations of a header and their docstrings ----

tokens = re.compile(
    r"""(?P<doc> ///[^\n]* )
      | (?P<comment> //[^\n]* | /\*.*?\*/ | ^[ \t]*\#(?:[^\n\\]|\\.)* )
      | (?P<newline> \n )
      | (?P<word> R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)" | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+'
                | \d(?:'?[\w.])* | \w+ | :: | -> | \S )""",
    re.S | re.M | re.X,
)
scope_words = {"class", "struct", "union", "enum", "namespace", "extern"}
bracket = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Declaration:
    def __init__(self, first, doc):
        self.first = self.last = first  # the lines of the declaration, without its body
        self.end = first  # the last line of its body
        self.head = []  # its tokens
        self.body = ""
        self.doc = doc


class Header:
    """The declarations of a header: `found`, without those inside functions, and `macros`."""

    def __init__(self, text):
        self.tokens, self.found, self.macros, self.trailing = [], [], [], {}
        line, used = 1, False  # whether the line has tokens
        for match in tokens.finditer(text):
            kind = "word" if match["word"] else match.lastgroup
            if kind == "newline":
                if not used:
                    self.tokens.append(("blank", "", line))
                line, used = line + 1, False
                continue
            if kind == "doc" and match[0].startswith("///<"):
                self.trailing[line] = match[0][4:]
            elif kind == "comment":
                if match[0].lstrip().startswith("#define"):
                    before = self.tokens[-1:]
                    self.macros.append(Declaration(line, before[0][1] if before and before[0][0] == "doc" else ""))
                    self.macros[-1].end = line + match[0].count("\n")
            else:
                self.tokens.append((kind, match[0], line))
            line, used = line + match[0].count("\n"), True
        self.at = 0
        self.scope(is_enum=False)

    def word(self, ahead=0):
        """Returns the next token that is a word, or an empty string."""
        for kind, text, _ in self.tokens[self.at + ahead :]:
            if kind == "word":
                return text
        return ""

    def skip_brackets(self):
        """Skips balanced brackets, and returns their text."""
        depth, text = 0, []
        while self.at < len(self.tokens):
            kind, word, _ = self.tokens[self.at]
            self.at += 1
            if kind == "word":
                text.append(word)
                depth += bracket.get(word, 0)
                if depth == 0:
                    break
        return text

    def scope(self, is_enum):
        """Reads the declarations of a namespace, a class or an enum."""
        doc = doc_line = None
        while self.at < len(self.tokens):
            kind, text, line = self.tokens[self.at]
            if kind == "blank":
                doc = None
            elif kind == "doc":
                doc = (doc + "\n" if doc and doc_line == line - 1 else "") + text[3:]
                doc_line = line
            elif text == "}":
                return
            elif text in ("public", "protected", "private") and self.tokens[self.at + 1][1] == ":":
                doc = None
                self.at += 1
            elif text not in ";,":
                this = Declaration(line, doc)
                self.found.append(this)
                if self.declaration(this, is_enum):
                    doc = None  # a class ends its group
                this.end = self.tokens[self.at - 1][2]
                continue
            self.at += 1

    def declaration(self, this, is_enum):
        """Reads one declaration, and returns whether it was a class, an enum or a namespace."""
        outer = []  # the tokens that are not in brackets
        while self.at < len(self.tokens):
            kind, word, line = self.tokens[self.at]
            if kind != "word":
                self.at += 1
                continue
            if word == "}":
                return False
            if not this.body:
                this.last = line
            if word == ";" or (is_enum and word == ","):
                self.at += 1
                return False
            if word == "template" and self.word(1) == "<":
                this.head += self.template_parameters()
                continue
            if word in ("(", "["):
                this.head += self.skip_brackets()
                outer.append(word)
                continue
            if word != "{":
                this.head.append(word)
                outer.append(word)
                self.at += 1
                continue
            if scope_words & set(outer):
                self.at += 1
                self.scope(is_enum="enum" in outer)
                self.at += 1
                return True
            requires = outer[-1:] == ["requires"] or outer[-2:] == ["requires", "("]
            text = self.skip_brackets()
            if requires:
                outer.append("}")
                continue
            this.body = " ".join(text)
            if self.word() not in (";", ",", "{"):
                return False
        return False

    def template_parameters(self):
        """Skips `template <...>`, and returns its text."""
        depth, text = 0, []
        while self.at < len(self.tokens):
            kind, word, _ = self.tokens[self.at]
            if word in ("(", "[", "{"):
                text += self.skip_brackets()
                continue
            self.at += 1
            if kind == "word":
                text.append(word)
                depth += (word == "<") - (word == ">")
                if word == ">" and depth == 0:
                    break
        return text

    def find(self, line, name, kind):
        """Returns the declaration of a name, for which Doxygen reports a line."""
        if kind == "enumvalue":  # the line is that of the enum
            return next(d for d in self.found if d.first >= line and d.head[:1] == [name])
        if kind == "define":
            return next(d for d in self.macros if d.first == line)
        here = [d for d in self.found if d.first <= line <= d.last]
        return next((d for d in reversed(here) if name in d.head), here[-1] if here else Declaration(line, ""))

    def doc(self, declaration):
        """Returns the docstring of a declaration: the `///<` behind it, or else that of its group."""
        lines = range(declaration.first, declaration.last + 1)
        return "\n".join(self.trailing[line] for line in lines if line in self.trailing) or declaration.doc


# ---- The public names ----

Name = collections.namedtuple("Name", "kind qualified name args result places owner_kind")


def places(element):
    """Returns where a name is declared, and where it is defined."""
    at = element.find("location")
    found = [(at.get("declfile"), at.get("declline")), (at.get("file"), at.get("line"))]
    return tuple((file, int(line)) for file, line in found if file)


def run_doxygen():
    """Runs Doxygen, and returns its warnings."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "warnings.log"
    headers = " ".join(f'"{folder.relative_to(top)}"' for folder in sorted(top.glob("*/include/eddy")))
    config = (top / "tools" / "Doxyfile").read_text()
    config += f'\nINPUT = {headers}\nOUTPUT_DIRECTORY = "{out}"\nWARN_LOGFILE = "{log}"\n'
    for old in out.glob("xml/*.xml"):
        old.unlink()
    if not shutil.which("doxygen"):
        sys.exit("doxygen is not installed; the Debian package has the same name")
    subprocess.run(["doxygen", "-"], input=config, text=True, cwd=top, check=True)
    return sorted(set(log.read_text().replace(f"{top}/", "").splitlines()))


def public_names():
    """Returns the names in Doxygen's XML that are public, and whose classes are public."""
    compounds, private = [], []
    for file in sorted(out.glob("xml/*.xml")):
        for compound in ElementTree.parse(file).getroot().iter("compounddef"):
            if compound.get("kind") in ("dir", "page"):
                continue
            compounds.append(compound)
            if compound.get("prot", "public") != "public":
                private.append(compound.findtext("compoundname") + "::")
    for compound in compounds:
        kind, scope = compound.get("kind"), compound.findtext("compoundname")
        if any((scope + "::").startswith(p) for p in private):
            continue
        if kind not in ("namespace", "file"):
            name = re.sub(r"<.*", "", scope).split("::")[-1].strip()
            yield Name(kind, scope, name, "", "", places(compound), "")
        for member in compound.iter("memberdef"):
            member_kind, name = member.get("kind"), member.findtext("name")
            if member.get("prot") != "public" or (kind == "file" and member_kind != "define"):
                continue
            qualified = name if kind == "file" else f"{scope}::{name}"
            args = member.findtext("argsstring") or ""
            result = "".join(member.find("type").itertext()) if member.find("type") is not None else ""
            yield Name(member_kind, qualified, name, args, result, places(member), kind)
            for value in member.iter("enumvalue"):
                name = value.findtext("name")
                yield Name("enumvalue", f"{qualified}::{name}", name, "", "", places(member), "enum")


# ---- The names that need no docstring ----

# The members that the concepts future, stream, sink, async_read, ... and co_await require or allow. The concepts document
# them.
protocol = {
    *("poll", "poll_cancel", "output_type"),
    *("awaited_object", "awaited_objects", "awaited_reader", "acquired_from", "wakes_one_task", "consumes_budget"),
    *("writes_to_object", "wait_shape", "is_part"),
    *("poll_next", "item_type", "future_type", "promise_type", "size_hint"),
    *("poll_ready", "start_send", "poll_flush", "poll_close", "error_type"),
    *("poll_read", "poll_read_vectored", "poll_fill_buf", "consume"),
    *("poll_write", "poll_write_vectored", "poll_shutdown", "start_seek", "poll_seek_complete"),
}

def needs_no_docstring(name, declaration, documented_classes):
    args = re.sub(r"\s", "", name.args)
    owner = re.sub(r"<.*", "", name.qualified.rpartition("::")[0]).split("::")[-1].strip()
    primary = re.sub(r"<.*", "", name.qualified).strip()  # the primary template of a specialization

    if "<" in name.qualified and (primary in documented_classes or primary.startswith("std::")):
        return True  # a specialization, or a member of one
    if name.owner_kind in ("class", "struct") and name.name in protocol:
        return True
    if name.name.endswith("_"):
        return True  # private: Doxygen 1.9.4 misses a `private:` that follows a function with a requires-clause
    if name.kind == "friend" and not declaration.body:
        return True
    if name.kind not in ("function", "friend"):
        return False

    if name.name.startswith("~") or args.endswith(("=default", "=delete")):
        return True
    if name.name in (owner, "operator=") and re.match(rf"\((const)?{owner}(<[^>]*>)?(&|&&)?(\w*)\)", args):
        return True  # copy, move
    if name.name == owner and (owner.endswith(("_future", "_stream", "_sink")) or "detail::" in args):
        return True  # a function of the library makes the object
    if declaration.head[:1] == ["using"]:
        return True  # inherited constructors
    if name.owner_kind == "namespace" and name.qualified in documented_classes:
        return True  # a deduction guide
    if re.fullmatch(r"operator(==|!=|<=>|<|>|<=|>=)|swap", name.name):
        return True
    # A definition outside of its class: Doxygen lists the declaration, too.
    return bool(re.search(rf":: {re.escape(name.name)} \(", " ".join(declaration.head)))


# ---- What a docstring must state ----

cancel_safety = re.compile(r"cancel safety\b[^.:]*:", re.I)
thread_safety = re.compile(r"thread safety\b[^.:]*:", re.I)


def future_classes(found):
    """Returns the classes that are named `..._future`, or have the members of a future."""
    names = {name.qualified for name, _, _ in found}
    for name, _, _ in found:
        if name.kind in ("class", "struct") and "<" not in name.qualified:
            if name.name.endswith("_future") or {f"{name.qualified}::poll", f"{name.qualified}::output_type"} <= names:
                yield name


def module_states(section, name):
    """Returns whether the umbrella header of the module that declares the name, eddy/sync.hpp for example, has the section."""
    module = name.places[0][0].partition("include/eddy/")[2].partition("/")[0]  # its headers may lie in two libraries
    umbrellas = top.glob(f"*/include/eddy/{module}.hpp")
    return any(section.search(line) for umbrella in umbrellas for line in re.findall(r"^// (.*)", umbrella.read_text(), re.M))


def without_cancel_safety(found):
    """Returns the functions that return a task, and the futures, for which nothing states `Cancel safety:`. A function that
    returns a future may state it instead of the class."""
    tasks = [(n, doc) for n, _, doc in found if re.match(r"(eddy::)?(detail::)?task *<", n.result)]
    # The classes that state it, and all words in the return types, return statements and aliases of functions.
    stated = set()
    for name, declaration, doc in found:
        if cancel_safety.search(doc):
            returned = re.findall(r"\b(?:return|using \w+ =) ([^;]*);", declaration.body)
            stated.update([name.name] if name.kind != "function" else " ".join(declaration.head + returned).split())
    silent = [name for name, doc in tasks if not cancel_safety.search(doc)]
    silent += [name for name in future_classes(found) if name.name not in stated]
    return [name for name in silent if not module_states(cancel_safety, name)]


def without_thread_safety(found):
    """Returns the classes for which nothing states `Thread safety:`. Futures and structs, whose members are public, do not
    need it."""
    futures = set(future_classes(found))
    classes = [(n, doc) for n, _, doc in found if n.kind == "class" and "<" not in n.qualified and n not in futures]
    silent = [name for name, doc in classes if not thread_safety.search(doc)]
    return [name for name in silent if not module_states(thread_safety, name)]


def repeated(found):
    """Returns the names whose docstrings have a line that their umbrella header has, too."""
    for name, _, doc in found:
        lines = re.findall(r"^ *((?:Thread safety: one thread at a time|Cancel safety: safe)\.)$", doc, re.M)
        if any(module_states(re.compile(re.escape(line)), name) for line in lines):
            yield name


# Warnings that are mistakes of Doxygen 1.9.4.
mistakes = re.compile(
    r"Internal inconsistency: scope for class std::"  # a specialization of a template that Doxygen does not know
    r"|Found ';' while parsing initializer list!"  # it reads `requires body::x {` as a constructor
)


def main():
    warnings = [w for w in run_doxygen() if not mistakes.search(w)]
    headers, found, problems = {}, [], []
    for name in public_names():
        for file, _ in name.places:
            if file not in headers:
                headers[file] = Header((top / file).read_text())
        declarations = [headers[file].find(line, name.name, name.kind) for file, line in name.places]
        docs = [headers[file].doc(d) for (file, _), d in zip(name.places, declarations)]
        found.append((name, declarations[-1], "\n".join(filter(None, docs))))

    classes = {name.qualified for name, _, doc in found if doc and name.kind in ("class", "struct")}
    required = [f for f in found if not needs_no_docstring(f[0], f[1], classes)]
    undocumented = [name for name, _, doc in required if not doc]
    for message, names in (
        ("is not documented", undocumented),
        ("does not state its cancel safety", without_cancel_safety(found)),
        ("does not state its thread safety", without_thread_safety(found)),
        ("repeats what the umbrella header of its module says", repeated(found)),
    ):
        problems += [f"{n.places[0][0]}:{n.places[0][1]}: {n.kind} {n.qualified}{n.args} {message}" for n in names]
    for line in warnings + problems:
        print(line)
    print(f"{len(required)} public names, {len(undocumented)} undocumented")
    return 1 if warnings or problems else 0


if __name__ == "__main__":
    sys.exit(main())
