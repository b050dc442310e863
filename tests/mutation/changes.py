"""The small changes that are made to a file's code, one at a time: a test has to notice each.

The usual operators of mutation testing, on the syntax tree, written back into the text, so that all else stays as it
is: comparisons, conditions, `and` and `or`, arithmetic, constants, what is returned, raised or caught, statements left
out; in SQL what corresponds (sql.py).
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutation.sql import IS_SQL, sql_changes

PACKAGE = Path(__file__).resolve().parents[2] / "daemon" / "soundmill"
ROOMS = ("catalog", "schedule", "inbox")

COMPARED = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: (r"is\s+not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
CALCULATED = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.FloorDiv: ("//", "*"), ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}  # fmt: skip
# What these are handed is no behaviour of the rooms: points of the tests, what is written to the log, types.
NOT_LOOKED_INTO = {"passing", "cast", "TypeVar"}
LOGS = {"debug", "info", "warning", "error", "exception"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`before` at the bytes `start` to `end` of a file of the package becomes `after`."""

    file: str
    what: str
    start: int
    end: int
    before: str
    after: str
    line: int
    column: int  # of bytes, from 1
    lines: tuple[int, int]  # of the statement, or of its class: a test that runs one of them may notice
    function: str | None = None  # the outermost that holds it, as Class.method; None for what runs at import
    names: tuple[str, ...] = ()  # what a statement at import makes: whatever uses them may notice

    @property
    def label(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {one_line(self.before)} → {one_line(self.after) or 'nothing'}"

    def applied(self, source: bytes) -> bytes:
        assert source[self.start : self.end].decode() == self.before, f"{self.file} has changed meanwhile"
        return source[: self.start] + self.after.encode() + source[self.end :]


def one_line(text: str) -> str:
    return " ".join(text.split())


def changes(rooms: tuple[str, ...] = ROOMS) -> list[Change]:
    """All of them, file by file, in their order. Released steps of the schema are frozen, and stay out."""
    found = list[Change]()
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            found += changes_of(path.read_bytes(), path.relative_to(PACKAGE).as_posix())
        for path in sorted((PACKAGE / room).glob("*.sql")):
            found += changes_of_script(path.read_bytes(), path.relative_to(PACKAGE).as_posix())
    return found


def changes_of(source: bytes, file: str) -> list[Change]:
    found = {(c.start, c.end, c.after): c for c in _Walk(source, file).module() if c.before != c.after}
    return sorted(found.values(), key=lambda c: (c.start, c.end, c.after))


def changes_of_script(source: bytes, file: str) -> list[Change]:
    """Of a script of views: who reads a view may notice."""
    text = source.decode()
    ends = [0, *(match.end() for match in re.finditer(r";\s*\n", text)), len(text)]
    found = list[Change]()
    for begin, end in itertools.pairwise(ends):
        named = re.search(r"CREATE VIEW (\w+)", text[begin:end])
        for what, at, until, after in sql_changes(text[begin:end]):
            start, stop = (len(text[: begin + place].encode()) for place in (at, until))
            line = text.count("\n", 0, begin + at) + 1
            column = start - source.rfind(b"\n", 0, start)
            found.append(
                Change(
                    file=file, what=what, start=start, end=stop, before=text[begin + at : begin + until], after=after,
                    line=line, column=column, lines=(line, line), names=(named[1],) if named else (),
                )
            )  # fmt: skip
    return found


class _Walk:
    """Knows where it is: in which function, and in which statement."""

    def __init__(self, source: bytes, file: str) -> None:
        self.source, self.file = source, file
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.function: str | None = None
        self.names: tuple[str, ...] = ()
        self.lines = (1, 1)

    def module(self) -> Iterator[Change]:
        yield from self.body(ast.parse(self.source).body, ())

    # -- where --------------------------------------------------------------------------------------------------

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def change(self, what: str, start: int, end: int, after: str) -> Change:
        line = self.source.count(b"\n", 0, start) + 1
        column = start - self.source.rfind(b"\n", 0, start)
        return Change(
            file=self.file, what=what, start=start, end=end, before=self.source[start:end].decode(), after=after,
            line=line, column=column, lines=self.lines, function=self.function, names=self.names,
        )  # fmt: skip

    def token(self, what: str, pattern: str, start: int, end: int, after: str) -> Iterator[Change]:
        """Of a word or a sign between two operands."""
        between = self.source[start:end].decode()
        word = rf"\b{pattern}\b" if pattern[0].isalpha() else re.escape(pattern)
        found = re.search(word, re.sub(r"#.*", lambda m: " " * len(m[0].encode()), between))
        if found:
            yield self.change(what, start + found.start(), start + found.end(), after)

    # -- statements ---------------------------------------------------------------------------------------------

    def body(self, statements: list[ast.stmt], inside: tuple[str, ...]) -> Iterator[Change]:
        for index, each in enumerate(statements):
            if index == 0 and _is_text(each):
                continue  # a docstring
            yield from self.statement(each, inside)

    def statement(self, node: ast.stmt, inside: tuple[str, ...]) -> Iterator[Change]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self.definition(node, inside)
            return
        if isinstance(node, ast.ClassDef):
            if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
                return  # types alone
            self.names = (node.name,)
            self.lines = (node.lineno, node.end_lineno or node.lineno)
            for keyword in node.keywords:
                yield from self.expression(keyword.value)
            for each in node.body:
                self.names, self.lines = (node.name,), (node.lineno, node.end_lineno or node.lineno)
                yield from self.body([each], (*inside, node.name))
            return
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert) or _for_types(node):
            return
        if self.function is not None or not inside:
            self.lines = (node.lineno, _header_end(node))
            self.names = _made_by(node) if self.function is None else ()
        lines = self.lines
        if not (self.function is None and isinstance(node, ast.Expr)):
            yield from self.left_out(node)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr) and part is not getattr(node, "annotation", None):
                yield from self.expression(part)
            elif isinstance(part, ast.withitem):
                yield from self.expression(part.context_expr)
            elif isinstance(part, ast.match_case) and part.guard:
                yield from self.expression(part.guard)
        if isinstance(node, ast.If | ast.While):
            yield from self.negated(node.test)
        for block in ("body", "orelse", "finalbody"):
            yield from self.body(getattr(node, block, []) or [], inside)
        for handler in getattr(node, "handlers", []):
            yield from self.caught(handler, inside)
        for case in getattr(node, "cases", []):
            self.lines = lines
            yield from self.body(case.body, inside)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: tuple[str, ...]) -> Iterator[Change]:
        self.lines = (node.body[0].lineno, node.end_lineno or node.lineno)
        defaults = [each for each in (*node.args.defaults, *node.args.kw_defaults) if each is not None]
        for part in (*node.decorator_list, *defaults):
            yield from self.expression(part)
        outer, self.function = self.function, self.function or ".".join((*inside, node.name))
        yield from self.body(node.body, ())
        self.function = outer

    def left_out(self, node: ast.stmt) -> Iterator[Change]:
        start, end = self.span(node)
        match node:
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                yield self.change("return", *self.span(value), "None")
            case ast.Raise():
                yield self.change("raise", start, end, "pass")
            case ast.Continue():
                yield self.change("loop", start, end, "break")
            case ast.Break():
                yield self.change("loop", start, end, "continue")
            case ast.Delete() | ast.AugAssign():
                yield self.change("statement", start, end, "pass")
            case ast.Expr(value=ast.Call() as call) if not _not_looked_into(call):
                yield self.change("statement", start, end, "pass")
            case (
                ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
                | ast.AnnAssign(target=ast.Attribute(), value=ast.expr())
            ):
                yield self.change("statement", start, end, "pass")
        if isinstance(node, ast.AugAssign) and type(node.op) in CALCULATED:
            sign, other = CALCULATED[type(node.op)]
            yield from self.token(
                "arithmetic", f"{sign}=", self.span(node.target)[1], self.span(node.value)[0], f"{other}="
            )

    def caught(self, handler: ast.ExceptHandler, inside: tuple[str, ...]) -> Iterator[Change]:
        first, last = handler.body[0], handler.body[-1]
        self.lines = (first.lineno, last.end_lineno or last.lineno)
        if not (isinstance(first, ast.Raise) and first.exc is None):
            yield self.change("except", self.span(first)[0], self.span(last)[1], "raise")
        yield from self.body(handler.body, inside)

    def negated(self, test: ast.expr) -> Iterator[Change]:
        """A condition as its opposite, where no other change already is that."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return
        if isinstance(test, ast.Compare) and isinstance(
            test.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn
        ):
            return
        if isinstance(test, ast.Constant):
            return
        start, end = self.span(test)
        yield self.change("condition", start, end, f"not ({self.source[start:end].decode()})")

    # -- expressions --------------------------------------------------------------------------------------------

    def expression(self, node: ast.AST) -> Iterator[Change]:
        if isinstance(node, ast.Call) and _not_looked_into(node):
            return
        if isinstance(node, ast.keyword) and node.arg in ("description", "strict"):
            return  # of a field, for editors; of zip, an assertion as any other
        if isinstance(node, ast.JoinedStr) or _is_text_constant(node):
            yield from self.text(node)
            if isinstance(node, ast.JoinedStr):
                # Before Python 3.12 the parts of an f-string do not know their places.
                return
        match node:
            case ast.Compare():
                yield from self.compared(node)
            case ast.BoolOp():
                pattern, after = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from self.token("logic", pattern, self.span(left)[1], self.span(right)[0], after)
            case ast.UnaryOp(op=ast.Not()):
                start = self.span(node)[0]
                yield self.change("condition", start, start + 3, "")
            case ast.UnaryOp(op=ast.USub()):
                start = self.span(node)[0]
                yield self.change("arithmetic", start, start + 1, "")
            case ast.BinOp() if type(node.op) in CALCULATED and not _types(node):
                sign, after = CALCULATED[type(node.op)]
                yield from self.token("arithmetic", sign, self.span(node.left)[1], self.span(node.right)[0], after)
            case ast.BinOp(op=ast.Div()) if any(isinstance(side, ast.Constant | ast.BinOp) for side in _sides(node)):
                if not any(_is_text_constant(side) for side in ast.walk(node)):  # a path, which cannot be multiplied
                    yield from self.token("arithmetic", "/", self.span(node.left)[1], self.span(node.right)[0], "*")
            case ast.IfExp():
                yield from self.negated(node.test)
            case ast.comprehension():
                for test in node.ifs:
                    yield from self.negated(test)
            case ast.Constant(value=bool() as value):
                yield self.change("constant", *self.span(node), str(not value))
            case ast.Constant(value=int() as value):
                yield self.change("constant", *self.span(node), str(value + 1))
            case ast.Constant(value=float() as value):
                yield self.change("constant", *self.span(node), repr(value * 2 or 1.0))
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr | ast.comprehension | ast.keyword | ast.arguments):
                yield from self.expression(part)

    def compared(self, node: ast.Compare) -> Iterator[Change]:
        sides = [node.left, *node.comparators]
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            pattern, after = COMPARED[type(op)]
            yield from self.token("comparison", pattern, self.span(left)[1], self.span(right)[0], after)

    def text(self, node: ast.AST) -> Iterator[Change]:
        assert isinstance(node, ast.expr)
        start, end = self.span(node)
        written = self.source[start:end].decode()
        if IS_SQL.search(written):
            for what, at, until, after in sql_changes(written, in_python=True):
                yield self.change(what, *(start + len(written[:place].encode()) for place in (at, until)), after)
        elif isinstance(node, ast.Constant):
            yield self.change("text", start, end, '""' if node.value else '"changed"')


def _sides(node: ast.BinOp) -> tuple[ast.expr, ast.expr]:
    return node.left, node.right


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and _is_text_constant(node.value)


def _is_text_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _types(node: ast.BinOp) -> bool:
    """`str | int`: a union of types."""
    return isinstance(node.op, ast.BitOr) and any(
        (isinstance(side, ast.Constant) and side.value is None) or (isinstance(side, ast.Name) and side.id[0].isupper())
        or (isinstance(side, ast.Name) and side.id in {"str", "int", "float", "bool", "bytes"})
        for side in _sides(node)
    )  # fmt: skip


def _not_looked_into(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in NOT_LOOKED_INTO
        case ast.Attribute(value=ast.Name(id="log" | "LOG" | "logger"), attr=attr):
            return attr in LOGS
    return False


def _made_by(node: ast.stmt) -> tuple[str, ...]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return tuple(inner.id for each in targets for inner in ast.walk(each) if isinstance(inner, ast.Name))


def _header_end(node: ast.stmt) -> int:
    """The last line of what a statement itself says, without the block below it."""
    block = getattr(node, "body", None)
    if isinstance(block, list) and block:
        return max(node.lineno, block[0].lineno - 1)
    return node.end_lineno or node.lineno
