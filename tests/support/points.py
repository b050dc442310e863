"""The named points of the code (soundmill/faults), read from its source: which there are, and what has none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from soundmill.faults import DONE

PACKAGE = Path(__file__).resolve().parents[2] / "daemon" / "soundmill"
# Where a step with an effect must pass a point: all that a kill or a failing disk can break off.
PLACES = (
    "inbox",
    "catalog",
    "schedule",
    "service",
    "report/folder.py",
    "disk.py",
    "home.py",
    "engine/process/child.py",
)
# Calls that do something to the world outside of the process, beside `rename` and `replace`: of a Path, which has one
# argument, where the text's has two; and of os.
METHODS = {
    "unlink", "mkdir", "rmdir", "write_bytes", "write_text", "touch", "symlink_to", "hardlink_to", "link",
    "fsync", "fdatasync", "setxattr", "truncate", "write", "pwrite", "copyfileobj", "copyfile", "copytree", "copy2",
    "move", "rmtree", "Popen", "killpg", "sendall", "send_bytes", "executescript", "backup",
}  # fmt: skip
NAMES = {"Observer"}
# These pass points inside; whoever calls them passes one as well, for what is written tells more than that it is.
HELPERS = {"write_whole", "write_part", "part_file", "copy_whole", "sync_folder", "transaction"}
ENGINE = {"load", "submit", "cancel", "reduce_slots", "close"}  # of `self._engine`: what a worker tells it


def sources(*places: str) -> Iterator[Path]:
    for place in places:
        path = PACKAGE / place
        yield from sorted(path.rglob("*.py")) if path.is_dir() else (path,)


def points() -> list[str]:
    """Every point of the package, sorted. Those of the catalogue's methods, which are named in a pattern, by method."""
    methods = writing_methods()
    found = set[str]()
    for path in sources("."):
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            if name_of(call) != "passing":
                continue
            (point,) = call.args
            if isinstance(point, ast.Constant):
                found.add(str(point.value))
            else:
                assert isinstance(point, ast.JoinedStr), f"{path.name}:{call.lineno}: a point's name must be readable"
                found.update(_filled(point, method) for method in methods)
    return sorted(found)


def failing_points() -> list[str]:
    """Those at which the step to come can fail."""
    return [point for point in points() if not point.endswith(DONE)]


def writing_methods() -> list[str]:
    tree = ast.parse((PACKAGE / "catalog" / "catalog.py").read_text(encoding="utf-8"))
    return sorted(
        target.id.lstrip("_")
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if name_of(node.value) in ("Writing", "WritingAt")
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def unmarked(source: str) -> list[int]:
    """Lines of a source with a step that has an effect and no point of its own before it in its function."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {id(child): function for function in functions for child in ast.walk(function)}  # the innermost wins
    found = []
    for function in [None, *functions]:
        own = [call for call in calls(tree) if inner.get(id(call)) is function]
        is_marked = False  # since the last effect
        has_point = any(name_of(call) == "passing" for call in own)
        for call in sorted(own, key=lambda call: (call.lineno, call.col_offset)):
            if name_of(call) == "passing":
                is_marked = True
            elif has_effect(call):
                if not is_marked:
                    found.append(call.lineno)
                is_marked = False
            elif name_of(call) in HELPERS and not has_point:
                found.append(call.lineno)
    return found


def has_effect(call: ast.Call) -> bool:
    function, name = call.func, name_of(call)
    if isinstance(function, ast.Name):
        return name in NAMES
    if name in ("rename", "replace"):
        on_os = (
            isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "os"
        )
        return on_os or len(call.args) == 1
    if name == "open":
        mode = [a.value for a in (*call.args, *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
        return any(isinstance(each, str) and set(each) <= set("rwaxbt+") and set(each) & set("wax+") for each in mode)
    if name == "execute":
        return any(isinstance(a, ast.Constant) and a.value == "COMMIT" for a in call.args)
    if name in ENGINE and isinstance(function, ast.Attribute) and isinstance(function.value, ast.Attribute):
        return function.value.attr == "_engine"
    return name in METHODS


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _filled(pattern: ast.JoinedStr, method: str) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else method for part in pattern.values)
