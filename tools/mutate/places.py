# SPDX-License-Identifier: MIT
"""Finds the places of a C++ file where a fault can be planted, with libclang.

A place is a range of the file, the kind of fault, and the text that replaces the range. `FAULT` in this text becomes a call
that returns whether the fault is switched on (eddy_fault.hpp), so the program with all faults off is the program as it was."""
import dataclasses
import re

import clang.cindex
from clang.cindex import CursorKind as Kind

ORDER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
SIGN = {"+": "-", "-": "+"}
WAKES = re.compile(r"\b\w*(?:wake|notify|unpark|signal|schedule)\w*\s*\(")
CLEANS_UP = re.compile(r"\b\w*(?:close|clear|reset|release|unlock|erase|cancel|remove|free|shutdown|drop|stop)\w*\s*\(")
# Functions whose arguments may be swapped: with these, the program stays the same.
SYMMETRIC = re.compile(r"(?:[\w:]*::)?(?:min|max|swap|equal_names|is_same)\b")
SUSPENDS = re.compile(rb"\bco_(?:await|yield|return)\b")
# In these, a value must be a constant: a fault cannot be switched on at run time.
CONSTANT = {Kind.STATIC_ASSERT, Kind.CASE_STMT, Kind.ENUM_DECL, Kind.TEMPLATE_REF, Kind.FIELD_DECL, Kind.ALIGNED_ATTR, Kind.CXX_BASE_SPECIFIER,
            Kind.TEMPLATE_NON_TYPE_PARAMETER}
# The expressions below these are template arguments.
HAS_TEMPLATE_ARGUMENTS = {Kind.DECL_REF_EXPR, Kind.CLASS_TEMPLATE_PARTIAL_SPECIALIZATION}
CALLS = {Kind.CALL_EXPR, Kind.CXX_DELETE_EXPR, Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR, Kind.UNARY_OPERATOR}
FUNCTIONS = {Kind.FUNCTION_DECL, Kind.CXX_METHOD, Kind.CONSTRUCTOR, Kind.DESTRUCTOR, Kind.CONVERSION_FUNCTION, Kind.FUNCTION_TEMPLATE}


@dataclasses.dataclass(frozen=True)
class Place:
    file: str  # relative to the tree
    line: int
    begin: int  # bytes
    end: int
    kind: str
    original: str
    mutated: str  # the replacement, with FAULT
    around: str  # the text of the line in which it begins

    @property
    def title(self):
        return f"{self.file}:{self.line}: {self.kind}: {' '.join(self.original.split())}"


class Finder:
    """Collects the places of one file."""

    def __init__(self, tree, file, options):
        path = str(tree / file)
        unit = clang.cindex.Index.create().parse(path, options, options=clang.cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
        errors = [each for each in unit.diagnostics if each.severity >= clang.cindex.Diagnostic.Error]
        # Clang may refuse a thing that GCC accepts, and the rest of the file is still good. Without its headers, nothing is.
        if any(each.severity >= clang.cindex.Diagnostic.Fatal for each in errors):
            raise RuntimeError(f"{file}: libclang cannot read it: {errors[0].spelling}")
        self._file, self._path = file, path
        self._source = (tree / file).read_bytes()
        self._lines = self._source.split(b"\n")
        self._macros = []
        self._found = {}
        for child in unit.cursor.get_children():
            if not child.location.file or child.location.file.name != path:
                continue
            if child.kind == Kind.MACRO_INSTANTIATION:
                self._macros.append(self._range(child))
        for child in unit.cursor.get_children():
            if child.location.file and child.location.file.name == path and not child.kind.is_preprocessing():
                self._visit(child, None, None)

    def places(self):
        return sorted(self._found.values(), key=lambda each: (each.begin, each.end, each.kind))

    @staticmethod
    def _range(cursor):
        return cursor.extent.start.offset, cursor.extent.end.offset

    def _text(self, begin, end):
        return self._source[begin:end].decode(errors="replace")

    def _of(self, cursor):
        return self._text(*self._range(cursor))

    def _add(self, kind, begin, end, mutated):
        inside_macro = any(b <= begin and end <= e and (b, e) != (begin, end) for b, e in self._macros)
        if begin < end and not inside_macro:
            line = self._source.count(b"\n", 0, begin) + 1
            around = self._lines[line - 1].decode(errors="replace").strip()
            place = Place(self._file, line, begin, end, kind, self._text(begin, end), mutated, around)
            self._found.setdefault((begin, end, kind, mutated), place)

    def _suspends(self, begin, end):
        return SUSPENDS.search(self._source, begin, end) is not None

    def _can_be_twice(self, begin, end):
        """Whether the text may stand in the program a second time, in one line and as part of a conditional expression."""
        text = self._source[begin:end]
        return not self._suspends(begin, end) and not any(each in text for each in (b"//", b"[", b"{", b"#"))

    # ---- The walk ----

    def _visit(self, cursor, parent, function):
        if cursor.kind in CONSTANT or self._is_constant(cursor) or (cursor.location.file and cursor.location.file.name != self._path):
            return
        if parent is not None and parent.kind in HAS_TEMPLATE_ARGUMENTS and cursor.kind.is_expression():
            return
        if cursor.kind in FUNCTIONS:
            function = cursor
        elif cursor.kind == Kind.LAMBDA_EXPR:
            function = None
        if parent is not None:
            self._statement(cursor, parent)
        begin, end = self._range(cursor)
        look = {Kind.IF_STMT: self._condition, Kind.WHILE_STMT: self._condition, Kind.CONDITIONAL_OPERATOR: self._choice,
                Kind.BINARY_OPERATOR: self._operator, Kind.CALL_EXPR: self._arguments, Kind.INTEGER_LITERAL: self._number,
                Kind.CXX_BOOL_LITERAL_EXPR: self._flag, Kind.DECL_REF_EXPR: self._order}.get(cursor.kind)
        if look:
            look(cursor, begin, end)
        if cursor.kind == Kind.RETURN_STMT and function is not None and function.result_type.spelling == "bool":
            self._answer(begin, end)
        for child in cursor.get_children():
            self._visit(child, cursor, function)

    def _is_constant(self, cursor):
        """A variable whose value the compiler knows, so that no fault could change it."""
        if cursor.kind == Kind.PARM_DECL:
            return True  # its default argument
        if cursor.kind != Kind.VAR_DECL:
            return False
        text = self._of(cursor)
        return "constexpr" in text.split("=")[0] or "constinit" in text.split("=")[0] or (
            cursor.type.is_const_qualified() and re.search(r"=\s*[\w' ]+$", text) is not None)

    # ---- Statements ----

    def _statement(self, cursor, parent):
        is_last = list(parent.get_children())[-1:] == [cursor]
        is_body = parent.kind == Kind.COMPOUND_STMT or (
            parent.kind in (Kind.IF_STMT, Kind.WHILE_STMT, Kind.FOR_STMT, Kind.CXX_FOR_RANGE_STMT) and is_last)
        begin, end = self._range(cursor)
        tail = re.match(rb"\s*;", self._source[end:])
        if not is_body or not tail:
            return
        text = self._text(begin, end)
        if cursor.kind in (Kind.BREAK_STMT, Kind.CONTINUE_STMT):
            kind = "statement removed"
        elif cursor.kind in CALLS or (cursor.kind == Kind.UNEXPOSED_EXPR and ("(" in text or "=" in text)):
            kind = "wake left out" if WAKES.search(text) else "cleanup left out" if CLEANS_UP.search(text) else "statement removed"
        else:
            return
        if re.match(r"static_cast<void>|\(void\)|co_return|co_yield|EDDY_", text):
            return
        self._add(kind, begin, end + tail.end(), f"{{ if (!FAULT) {{ {text}; }} }}")

    def _condition(self, cursor, begin, end):
        children = list(cursor.get_children())
        if re.match(rb"(?:if|while)\s+(?:constexpr|consteval|!)", self._source[begin:]) or not children:
            return
        condition = children[1] if children[0].kind == Kind.DECL_STMT and len(children) > 2 else children[0]
        if condition.kind in (Kind.VAR_DECL, Kind.DECL_STMT):
            return
        first, last = self._range(condition)
        if self._suspends(first, last):
            return
        text = self._text(first, last)
        self._add("condition negated", first, last, f"(FAULT != static_cast<bool>({text}))")
        body = next((each for each in children if each is not condition and each.extent.start.offset >= last), None)
        leaves = body is not None and re.search(r"\b(?:return|co_return|throw|continue|break)\b", self._of(body))
        self._add("check left out" if leaves else "condition narrowed", first, last, f"(!FAULT && ({text}))")
        self._add("condition widened", first, last, f"(FAULT || ({text}))")

    def _choice(self, cursor, begin, end):
        condition = next(iter(cursor.get_children()), None)
        if condition is not None:
            first, last = self._range(condition)
            if not self._suspends(first, last):
                self._add("condition negated", first, last, f"(FAULT != static_cast<bool>({self._text(first, last)}))")

    def _answer(self, begin, end):
        text = re.sub(r"^return\s*", "", self._text(begin, end))
        if text and not self._suspends(begin, end):
            self._add("answer negated", begin, end, f"return FAULT != static_cast<bool>({text})")

    # ---- Expressions ----

    def _operator(self, cursor, begin, end):
        children = list(cursor.get_children())
        if len(children) != 2 or self._suspends(begin, end):
            return
        (b1, e1), (b2, e2) = map(self._range, children)
        left, operator, right = self._text(b1, e1), self._text(e1, b2).strip(), self._text(b2, e2)
        if operator == "&&":
            self._add("condition widened", begin, end, f"(({left}) && (FAULT || ({right})))")
            self._add("condition widened", begin, end, f"((FAULT || ({left})) && ({right}))")
        elif operator == "||":
            self._add("condition narrowed", begin, end, f"(({left}) || (!FAULT && ({right})))")
            self._add("condition narrowed", begin, end, f"((!FAULT && ({left})) || ({right}))")
        elif not self._can_be_twice(begin, end):
            return
        elif right == "0" and operator in ("<", ">="):
            return  # how a system call says that it failed: no other number is special
        elif operator in ORDER:
            kind = "condition negated" if operator in ("==", "!=") else "limit off by one"
            self._add(kind, begin, end, f"(FAULT ? ({left}) {ORDER[operator]} ({right}) : ({left}) {operator} ({right}))")
        elif operator == "|":
            self._add("flag dropped", begin, end, f"(FAULT ? ({left}) : ({left}) | ({right}))")
            self._add("flag dropped", begin, end, f"(FAULT ? ({right}) : ({left}) | ({right}))")
        elif operator in SIGN and "*" not in cursor.type.spelling:
            self._add("sign changed", begin, end, f"(FAULT ? ({left}) {SIGN[operator]} ({right}) : ({left}) {operator} ({right}))")

    def _arguments(self, cursor, begin, end):
        arguments = list(cursor.get_arguments())
        if len(arguments) < 2 or not self._can_be_twice(begin, end) or not self._of(cursor).endswith(")"):
            return
        if SYMMETRIC.match(self._of(cursor)):
            return
        for one, two in zip(arguments, arguments[1:]):
            if one is None or two is None or one.type.get_canonical().spelling != two.type.get_canonical().spelling:
                continue
            (b1, e1), (b2, e2) = self._range(one), self._range(two)
            if begin < b1 < e1 <= b2 < e2 < end and self._text(b1, e1) != self._text(b2, e2):
                swapped = self._text(begin, b1) + self._text(b2, e2) + self._text(e1, b2) + self._text(b1, e1) + self._text(e2, end)
                self._add("arguments swapped", begin, end, f"(FAULT ? {swapped} : {self._text(begin, end)})")

    def _number(self, cursor, begin, end):
        text = self._text(begin, end)
        is_sign = text == "0" and re.search(rb"(?:<|>=)\s*$", self._source[:begin])  # see _operator()
        if not is_sign and re.fullmatch(r"[0-9][0-9a-fA-Fx']*[uUlLzZ]*", text):
            self._add("limit off by one", begin, end, f"({text} + FAULT)")

    def _flag(self, cursor, begin, end):
        if (text := self._text(begin, end)) in ("true", "false"):
            self._add("flag flipped", begin, end, f"(FAULT != {text})")

    def _order(self, cursor, begin, end):
        text = self._text(begin, end)
        if re.fullmatch(r"(?:std::)?memory_order_(?:acquire|release|acq_rel|seq_cst)", text):
            self._add("order weakened", begin, end, f"(FAULT ? std::memory_order_relaxed : {text})")


def find(tree, file, options):
    return Finder(tree, file, options).places()
