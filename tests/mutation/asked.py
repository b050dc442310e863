"""Which tests are asked of a change: those that run its lines; of what a module makes at import, those that run a line
which names it. The cases that are called like what is changed come first, then a module's own tests, of all others the
quickest."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from itertools import accumulate
from pathlib import Path

from mutation.changes import PACKAGE, Change
from mutation.session import TESTS, Seen


class Asking:
    """`most_s` bounds what is asked of one change, in seconds of processor time: else every test would be asked of what
    is in use everywhere."""

    def __init__(self, seen: Seen, most_s: float) -> None:
        self._most_s = most_s
        self._seconds = seen.seconds
        self._at_import = seen.at_import
        self._by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
        self._by_file: dict[str, set[str]] = defaultdict(set)
        self._by_module: dict[str, set[str]] = defaultdict(set)
        self._by_case: dict[str, set[str]] = defaultdict(set)
        for test, files in seen.lines.items():
            self._by_module[test.partition("::")[0]].add(test)
            for word in re.findall(r"\w+", test.partition("[")[2]):
                self._by_case[word].add(test)
            for file, lines in files.items():
                self._by_file[file].add(test)
                for line in lines:
                    self._by_line[file, line].add(test)

    def of(self, change: Change) -> list[str]:
        found = self._running(change.file, change.lines) if change.function else self._using(change.names)
        if not found and self.at_import(change):  # also a function that has made its answers when its module came
            found = self._by_file[change.file]
        named = set().union(*(self._by_case[name] for name in change.names))
        own = named | {test for test in found if f"/test_{Path(change.file).stem}.py::" in test}
        order = sorted(found, key=lambda test: (test not in named, test not in own, self._seconds[test], test))
        spent = accumulate(self._seconds[test] for test in order)
        return [test for test, so_far in zip(order, spent, strict=True) if so_far <= self._most_s or test == order[0]]

    def at_import(self, change: Change) -> bool:
        """Whether it has its effect when its module is imported, and is to be there before."""
        if change.function is None:
            return change.file.endswith(".py")
        begin, end = change.lines
        return not self._running(change.file, change.lines) and any(
            begin <= line <= end for line in self._at_import.get(change.file, ())
        )

    def seconds(self, tests: list[str]) -> float:
        return sum(self._seconds[test] for test in tests)

    def _running(self, file: str, lines: tuple[int, int]) -> set[str]:
        return set().union(*(self._by_line.get((file, line), ()) for line in range(lines[0], lines[1] + 1)))

    def _using(self, names: tuple[str, ...]) -> set[str]:
        """Tests that run a line with one of the names, or one that is made of it at import, or that have it in their
        own text, or whose case has it in its name."""
        waiting, known, found = list(names), set[str](), set[str]()
        while waiting:
            name = waiting.pop()
            if name in known or name.startswith("__"):
                continue
            known.add(name)
            for file, lines, made in uses().get(name, ()):
                if made:
                    waiting += made
                else:
                    found |= self._running(file, lines)
            found |= self._by_case[name]
            for module, words in test_words().items():
                if name in words:
                    found |= self._by_module[module]
        return found


@cache
def test_words() -> dict[str, set[str]]:
    return {
        path.relative_to(TESTS.parent).as_posix(): set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        for path in TESTS.rglob("test_*.py")
    }


Use = tuple[str, tuple[int, int], tuple[str, ...]]  # file, lines of the statement, names that it makes at import


@cache
def uses() -> dict[str, list[Use]]:
    """Where the package has each word, in code or in a text: SQL names views."""
    found: dict[str, list[Use]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        file = path.relative_to(PACKAGE).as_posix()
        for begin, end, last, made in _statements(ast.parse(source).body, None):
            for word in set(re.findall(r"\w+", "\n".join(lines[begin - 1 : end]))):
                if word not in made:
                    found[word].append((file, (begin, last), made))
    for view, text in views().items():
        for word in set(re.findall(r"\w+", text)) - {view}:
            found[word].append(("catalog/views.sql", (1, 1), (view,)))
    return found


def views() -> dict[str, str]:
    parts = re.split(r"CREATE VIEW (\w+)", (PACKAGE / "catalog" / "views.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _statements(body: list[ast.stmt], made: tuple[str, ...] | None) -> list[tuple[int, int, int, tuple[str, ...]]]:
    """Of each innermost statement the first line, the last of its own and the last to run for it, and the names that
    it makes at import. What stands above a function is in use where the function runs."""
    found = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        inner = [each for block in ("body", "orelse", "finalbody") for each in getattr(node, block, None) or []]
        for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            inner += part.body
        begin = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        last = node.end_lineno or node.lineno
        end = max(begin, inner[0].lineno - 1) if inner else last
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append((begin, end, last, ()))
            found += _statements(inner, ())
            continue
        own: tuple[str, ...] = made or ()
        if made is None:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            own = tuple(i.id for each in targets if each for i in ast.walk(each) if isinstance(i, ast.Name))
        found.append((begin, end, end, own))
        found += _statements(inner, made)
    return found
