"""A session of pytest that has collected the tests, and then asks them of one change after another.

Each change is asked of in a process that is forked when everything is imported and collected: the code of the function
is exchanged there, and the tests run that came to its lines. What runs at import needs its modules imported anew
(`at_import`), for which a process is forked before any of them is.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from mutation.changes import PACKAGE, Change

TESTS = Path(__file__).resolve().parents[1]
OURS = f"{PACKAGE}{os.sep}"
REMEMBERING = ("soundmill.", "support.catalogues")  # what a catalogue is made by is what each test with one runs


@dataclass(slots=True)
class Seen:
    """Of each test that passes: the lines of the package that it runs, by file, and how long it takes."""

    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # of processor time
    at_import: dict[str, list[int]] = field(default_factory=dict)  # lines that run before any test
    modules: list[str] = field(default_factory=list)  # that the tests bring in, without the package and themselves

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Seen:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Lines:
    """Plugin: writes down what each test runs. Fixtures of a module count for all its tests."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._now: set[tuple[str, int]] = set()
        self._shared: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._of: dict[str, set[tuple[str, int]]] = {}
        self._failed: set[str] = set()
        self._seconds: dict[str, float] = {}
        self._at_import = self._now
        self._modules = 0  # that were there when the caches were looked for, which takes longer than most tests
        self._caches: list[Any] = []
        sys.settrace(self._global)  # until all is collected

    def _global(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        return self._local if frame.f_code.co_filename.startswith(OURS) else None

    def _local(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "line":
            self._now.add((frame.f_code.co_filename, frame.f_lineno))
        return self._local

    def pytest_collection_finish(self) -> None:
        sys.settrace(None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        if len(sys.modules) != self._modules:
            self._modules, self._caches = len(sys.modules), caches()
        for cache in self._caches:
            cache.cache_clear()
        self._now = self._of[item.nodeid] = set()
        threading.settrace(self._global)
        sys.settrace(self._global)
        began = time.process_time()
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            self._seconds[item.nodeid] = time.process_time() - began

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
        if fixturedef.scope == "function":
            return (yield)
        kept, self._now = self._now, set()
        try:
            return (yield)
        finally:
            if fixturedef.scope != "session":
                self._shared[request.node.nodeid.partition("::")[0]] |= self._now
            self._now = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        seen = Seen()
        for test, own in self._of.items():
            if test in self._failed:
                continue
            seen.lines[test] = _by_file(own | self._shared[test.partition("::")[0]])
            seen.seconds[test] = self._seconds[test]
        seen.at_import = _by_file(self._at_import)
        seen.modules = _modules()
        seen.save(self._out)


def _modules() -> list[str]:
    ours = (OURS, f"{TESTS}{os.sep}")
    return sorted(
        name
        for name, module in list(sys.modules.items())
        if name != "__main__" and (file := getattr(module, "__file__", None)) and not file.startswith(ours)
    )


def _by_file(lines: set[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for name, line in sorted(lines):
        found[name.removeprefix(OURS)].append(line)
    return dict(found)


class FirstFailure:
    """Plugin: the first test that fails ends the process."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os._exit(1)


class Asked:
    """Plugin: instead of running the tests, hands what was collected to `work`."""

    def __init__(self, work: Callable[[Callable[[Sequence[str]], bool]], None]) -> None:
        self._work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}

        def passes(tests: Sequence[str]) -> bool:
            session.config.pluginmanager.register(FirstFailure())
            chosen = [items[test] for test in tests]
            for item, after in zip(chosen, [*chosen[1:], None], strict=False):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            return True

        self._work(passes)
        return True


def pytest_with(arguments: Iterable[str], plugin: object) -> int:
    return int(pytest.main([*ARGUMENTS, *arguments], plugins=[SameExamples(), plugin]))


ARGUMENTS = (
    "-q", "-s", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:playwright",
    "-W", "ignore::pytest.PytestAssertRewriteWarning", "--rootdir", str(TESTS.parent),
)  # fmt: skip


class SameExamples:
    """Plugin: Hypothesis draws the same each time, so that a failure is the change's."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        import hypothesis

        hypothesis.settings.register_profile("mutation", derandomize=True, database=None, deadline=None)
        hypothesis.settings.load_profile("mutation")


# -- changes of functions, in a process that has everything imported ------------------------------------------------


class Found:
    """The functions of the package, and what remembers their answers: looked for once, before the forks."""

    def __init__(self) -> None:
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(OURS):
                code = each.__code__
                self._functions[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
        self._caches = caches()
        gc.collect()
        gc.freeze()  # a collection in a fork would write to, and so copy, what all of them share

    def exchange(self, change: Change) -> bool:
        """Put the changed code in the function's place; False where that cannot be done."""
        assert change.function is not None
        path = str(PACKAGE / change.file)
        source = Path(path).read_bytes()
        before = _outermost(compile(source, path, "exec", dont_inherit=True), change.function)
        after = _outermost(compile(change.applied(source), path, "exec", dont_inherit=True), change.function)
        done = False
        for old_code, new_code in zip(before, after, strict=True):
            new = {(old_code.co_qualname, old_code.co_firstlineno): new_code} | _inner(old_code, new_code)
            for (name, line), code in new.items():
                for each in self._functions[path, name, line]:
                    if len(code.co_freevars) != len(each.__code__.co_freevars):
                        return False
                    each.__code__ = code
                    done = True
        for cache in self._caches:
            cache.cache_clear()
        return done


def _outermost(module: CodeType, name: str) -> list[CodeType]:
    return [code for code in _codes(module) if code.co_qualname == name]


def _codes(code: CodeType) -> Iterable[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _inner(old: CodeType, new: CodeType) -> dict[tuple[str, int], CodeType]:
    """What a function has made already when it was called at import, decorators for one: by name, where there is one
    of that name."""
    named = defaultdict(list)
    for code in _codes(new):
        named[code.co_qualname].append(code)
    return {
        (code.co_qualname, code.co_firstlineno): named[code.co_qualname][0]
        for code in _codes(old)
        if len(named[code.co_qualname]) == 1
    }


def exchange_script(change: Change) -> None:
    """The views of a changed script."""
    from soundmill.catalog import migrations

    original = migrations._sql
    text = change.applied((PACKAGE / change.file).read_bytes()).decode()
    migrations._sql = lambda name: text if name == Path(change.file).name else original(name)


def caches() -> list[Any]:
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, functools._lru_cache_wrapper) and each.__module__.startswith(REMEMBERING)
    ]


# -- changes of what runs at import ---------------------------------------------------------------------------------


class Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module from its changed source."""

    def __init__(self, change: Change) -> None:
        path = PACKAGE / change.file
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, str(path))
        self._text = change.applied(path.read_bytes())

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self, submodule_search_locations=None)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


def at_import(change: Change, tests: Sequence[str]) -> bool:
    """Whether the tests pass with the changed module, in a process that has imported none of ours. Those of the first
    two files are asked first: to collect the others takes longer than most answers."""
    sys.meta_path.insert(0, Changed(change))
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    first = [test for test in tests if test.partition("::")[0] in files[:2]]
    others = [test for test in tests if test.partition("::")[0] not in files[:2]]
    return all(not some or pytest_with(some, FirstFailure()) == 0 for some in (first, others))
