"""The rules of the house, kept by walking the source: which rooms there are, who may import whom, what a room holds.

docs/architecture.md says what each room is for.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support.missing import missing

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "daemon" / "soundmill"
TOP_LEVEL = {
    "pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "Makefile",
    "requirements.lock", "daemon", "inbox_examples", "systemd", "tests", "benchmarks", "training", "docs",
}  # fmt: skip
LOOSE = {"__init__", "__main__", "cli", "jobs", "errors", "words", "disk", "preference", "home"}
GROUND = {"__init__", "jobs", "errors", "words", "disk", "faults", "preference", "plugins", "logs", "music"}
STAGES = {"inbox", "schedule", "engine", "audio", "quality", "catalog", "report", "deliver", "publish"}
# What each room may import beside itself.
MAY: dict[str, set[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    **dict.fromkeys(STAGES, GROUND),
    "home": GROUND,
    "config": GROUND | {"home", "deliver/profile", "quality/limits", "quality/check", "engine/scorers/registry"},
    "service": GROUND | STAGES | {"home", "config"},
    "commands": GROUND | STAGES | {"home", "config", "service/wiring"},
    "cli": GROUND | STAGES | {"home", "config", "commands", "service/wiring"},
    "__main__": {"cli"},
    # The composition roots: the engine process's, that of the processes which make delivered files, what the site
    # leaves for the daemon, and the two commands that do what the daemon does.
    "engine/finishing": GROUND | {"engine", "audio", "quality"},
    "deliver/making": GROUND | {"deliver", "audio"},
    "publish/asking/leaving": GROUND
    | {"inbox/control", "inbox/spool", "inbox/jobfile/recognize", "home", "config", "deliver/profile"},
    "commands/run": GROUND | STAGES | {"home", "config", "commands", "service"},
    "commands/telling": GROUND | {"config", "home", "service/telling/send", "service/telling/alerts"},
    "commands/score": GROUND | STAGES | {"home", "config", "commands", "service"},
    # The site alone is a service of its own.
    "commands/look": GROUND | STAGES | {"home", "config", "commands", "service/wiring", "service/systemd"},
}
# Only the names of types: a worker's annotations speak of the engine it is handed, hooks of what they are answered.
MAY_FOR_TYPES = {"schedule": {"engine/protocol"}, "plugins": STAGES, "__init__": {"catalog", "commands"}}
# A part of a room may import itself and the parts before it.
INSIDE: dict[str, list[str]] = {
    "config": ["sections", "settings", "faults", "reading"],
    "inbox": [
        "control", "watch", "jobfile", "names", "filing", "whole", "notices", "bystanders", "arrivals", "aftermath",
        "spool", "rest", "intake",
    ],
    "inbox/jobfile": [
        "points", "problems", "vocabulary", "written", "recognize", "suggest", "cells", "placeholders", "naming",
        "context", "schema", "rows", "clips", "takes", "table", "yaml", "read",
    ],
    "inbox/jobfile/naming": ["letters", "slugs", "safe", "book", "automatic", "pattern"],
    "inbox/jobfile/yaml": [
        "designs", "marks", "template", "slips", "nodes", "values", "ranges", "axes", "extension", "factors", "sampled",
        "sections", "delivery", "experiment", "document",
    ],
    "engine": [
        "models", "failures", "protocol", "backend", "devices", "digest", "quiet", "hub", "finishing", "inputs",
        "audiocraft", "decoder", "process", "remote", "scorers",
    ],
    "engine/remote": [
        "access", "numbered", "messages", "contents", "serving", "engine", "actor", "facts", "attendance", "folder",
        "cluster", "weights", "pushing", "gateway", "link",
    ],
    "report": [
        "record", "cost", "folder", "statistics", "wording", "factors", "analysis", "planning", "listening",
        "choice", "listeners", "family", "tables",
        "pictures", "summary", "schema", "page", "write",
    ],
    "audio": [
        "announced", "lengths", "channels", "fade", "peaks", "tags", "true_peak", "decode", "encode", "loudness",
        "trim", "resample", "fingerprint", "musical", "quantize", "limiter", "master", "marks",
    ],
    "audio/fingerprint": ["spectrum", "landmarks", "likeness", "fingerprint", "search", "coherence"],
    "audio/musical": ["onsets", "tempo", "key", "seam", "loop", "heard"],
    "audio/marks": ["nouns", "xml", "wave", "vorbis", "write"],
    "deliver": [
        "profile", "takes", "ucs", "names", "signing", "making", "orders", "manifest", "journal", "tables", "archive",
        "work",
    ],
    "schedule": ["storage", "loop", "retry", "scheduler", "places", "trade", "ledger", "takes", "worker", "pool"],
    "catalog": [
        "connection", "upgrade", "experiments", "migrations", "reports", "keeping", "rows", "shelf", "ingest",
        "outputs", "state", "scores", "selection", "claims", "wishes", "asking", "catalog", "reader",
    ],
    "commands/cluster": ["node", "workstations", "slurm", "declared"],
    "commands/machine": [
        "units", "steps", "manager", "accounts", "inbox_access", "uninstall_service", "install_service",
    ],
    "publish": [
        "assets", "datasettes", "ranges", "reads", "stream", "limits", "guard", "serving", "yielding", "served",
        "cells", "health", "sharing", "pages", "asking", "review", "compare", "delivering", "desk", "grid", "frozen",
        "plugin", "site",
    ],
    "publish/asking": [
        "keys", "permissions", "trust", "leaving", "requests", "checking", "news", "wishes", "enter", "files", "events",
        "routes",
    ],
    "publish/desk": ["common", "drafts", "batch", "batches", "compose", "picks", "routes"],
    "publish/sharing": ["version", "questions", "rules", "answers"],
    "publish/compare": ["chosen", "studies", "sounds", "sessions", "listening", "page", "routes"],
    "publish/review": ["questions", "lines", "page", "take", "outlines", "routes"],
    "service/telling": ["heartbeat", "room", "journal", "send", "alerts", "teller", "telling"],
    "service": [
        "systemd", "signals", "date", "survive", "telling", "wiring", "settings", "cluster", "output_folder",
        "best_of_n", "controls", "keeping", "inbox_loop", "aside", "reporter", "scoring", "watched_site", "sidecar",
        "daemon",
    ],
}  # fmt: skip
# The same of what is imported with a module: a check is declared without numpy, and names inside a function what it
# measures with; a scorer's registry opens what it lists.
INSIDE_AT_IMPORT = {
    "quality": [
        "sentences", "check", "checks", "registry", "limits", "detectors", "sound", "measure", "traits", "agreement",
        "soundness", "judging",
    ],
    "engine/scorers": ["registry", "messages", "weights", "windows", "clap", "audiobox", "client", "server"],
}  # fmt: skip
MOST_FILES = 16  # in a folder
MOST_LINES = 500
HEAVY = {"torch", "torchaudio", "transformers", "tokenizers"}
NUMERIC = {"numpy", "scipy", "soundfile"}
WRITING_SQL = re.compile(r"\s*(INSERT (OR \w+ )?INTO|REPLACE INTO|UPDATE \w+ SET|DELETE FROM) ", re.IGNORECASE)
# Files that code and documents name; those of the package, of the tests, or of what a user has.
NAMED_FILE = re.compile(r"(?<![\w./-])((?:\w+/)*\w+\.(?:py|md))\b")


@cache
def modules() -> dict[str, Path]:
    """Each module by its path below the package, without suffix; a package by its folder."""
    return {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, *, for_types: bool, at_import: bool = False) -> frozenset[str]:
    """Modules imported at run time, `at_import` those of functions left out, or with `for_types` only under
    TYPE_CHECKING."""
    tree = parsed(path)
    later = {
        id(inner)
        for node in ast.walk(tree)
        if at_import and isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
    }
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set[str]()
    for node in ast.walk(tree):
        if (id(node) in typed) is not for_types or id(node) in later:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def ours(path: Path, *, for_types: bool = False, at_import: bool = False) -> set[str]:
    """Our modules that a file imports, as `modules` names them."""
    found = set[str]()
    for name in imports(path, for_types=for_types, at_import=at_import):
        parts = name.split(".")
        if parts[0] != "soundmill":
            continue
        while parts and not is_ours("/".join(parts[1:])):
            parts = parts[:-1]
        found.add("/".join(parts[1:]) or "__init__")
    return found


@cache
def is_ours(module: str) -> bool:
    path = PACKAGE / module
    return (bool(module) and path.with_suffix(".py").is_file()) or (path / "__init__.py").is_file()


def room(module: str) -> str:
    return module.split("/")[0]


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}/")


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    path = modules()[module]
    may = MAY.get(module) or MAY.get(module.rpartition("/")[0]) or MAY[room(module)]
    for imported in ours(path):
        allowed = room(imported) == room(module) or any(within(imported, each) for each in may)
        assert allowed, f"{module} imports {imported}"
    for imported in ours(path, for_types=True) - ours(path):
        also = MAY_FOR_TYPES.get(room(module), set())
        allowed = room(imported) == room(module) or any(within(imported, each) for each in may | also)
        assert allowed, f"{module} imports {imported} for its types"


@pytest.mark.parametrize("folder", INSIDE | INSIDE_AT_IMPORT)
def test_a_part_of_a_room_imports_only_those_before_it(folder: str) -> None:
    at_import = folder in INSIDE_AT_IMPORT
    parts = INSIDE_AT_IMPORT[folder] if at_import else INSIDE[folder]
    here = {name.removeprefix(f"{folder}/"): path for name, path in modules().items() if within(name, folder)}
    assert {room(name) for name in here} - {"__init__"} == set(parts), f"{folder}: name its parts here, in their order"
    for name, path in here.items():
        if name == "__init__":
            continue
        for imported in ours(path, at_import=True) if at_import else ours(path) | ours(path, for_types=True):
            part = room(imported.removeprefix(f"{folder}/"))
            if within(imported, folder) and part in parts:
                assert parts.index(part) <= parts.index(room(name)), f"{folder}/{name} imports {imported}"


def test_the_loose_modules_are_these() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_no_room_holds_more_than_sixteen_files() -> None:
    crowded = {}
    for folder in {path.parent for path in modules().values()}:
        files = list(folder.glob("*.py"))
        if len(files) > MOST_FILES:
            crowded[folder.name] = len(files)
    assert not crowded


def test_torch_and_its_kin_are_imported_under_engine_alone() -> None:
    for name, path in modules().items():
        heavy = {i.split(".")[0] for i in imports(path, for_types=False)} & HEAVY
        assert not heavy or within(name, "engine"), f"{name} imports {heavy}"


def test_one_folder_alone_imports_audiocraft() -> None:
    for name, path in modules().items():
        for for_types in (False, True):
            found = {i for i in imports(path, for_types=for_types) if i.split(".")[0] == "audiocraft"}
            assert not found or within(name, "engine/audiocraft"), f"{name} imports {found}"


def reached(start: str) -> set[str]:
    """All modules that importing `start` can bring in, ours and others'."""
    found, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        path = PACKAGE.parent.joinpath(*name.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                waiting += imports(file, for_types=False)
        parent = name.rpartition(".")[0]
        if parent.startswith("soundmill."):
            waiting.append(parent)
    return found


def test_the_scoring_process_does_without_audiocraft() -> None:
    """Which takes longer to import than the scorers' own libraries."""
    assert "soundmill.engine.scorers.clap" in reached("soundmill.engine.scorers.server")
    assert not {name for name in reached("soundmill.engine.scorers.server") if name.split(".")[0] == "audiocraft"}
    assert "audiocraft" in {name.split(".")[0] for name in reached("soundmill.engine.process.host")}


def test_sql_that_writes_lives_in_the_catalog() -> None:
    for name, path in modules().items():
        if within(name, "catalog"):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not WRITING_SQL.match(node.value), f"{name} line {node.lineno}"


def test_no_file_is_longer_than_500_lines() -> None:
    long = {n: count for n, p in modules().items() if (count := len(p.read_text().splitlines())) > MOST_LINES}
    assert not long


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        missing("not a git checkout, or no git")
    return [line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_the_top_level_holds_what_the_design_names_and_nothing_else() -> None:
    tops = {line.split("/")[0] for line in tracked()}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL


def test_the_tests_mirror_the_rooms() -> None:
    """A folder of tests is a room of the package, training's, one of the long runs, or holds what tests share."""
    folders = {Path(line).parent.relative_to("tests").as_posix() for line in tracked() if line.startswith("tests/")}
    rooms = {path.parent.relative_to(PACKAGE).as_posix() for path in modules().values()}
    shared = {"data", "support", "training", "simulate", "crashpoints", "mutation"}
    extra = {each for each in folders - rooms if room(each) not in shared}
    assert not extra
    assert not [n for n in tracked() if n.startswith("tests/support/") and Path(n).name.startswith("test_")]


def test_every_room_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in {room(module) for module in modules()} - {"__init__", "__main__"}:
        assert f"`{name}`" in text or f"`{name}/`" in text or f"`{name}.py`" in text, name


def test_files_that_are_named_exist() -> None:
    """In comments, docstrings and documents: a name that has moved misleads."""
    known = tracked()
    ends = {"/".join(Path(line).parts[-n:]) for line in known for n in range(1, len(Path(line).parts) + 1)}
    # Reports write README.md, deliveries the script; the others are examples of a user's own.
    written = {"README.md", "unreal_import.py", "mine.py", "plugin.py"}
    missing = list[str]()
    for line in known:
        if not line.endswith((".py", ".md")) or line.startswith(("tests/", "benchmarks/RESULTS", "CHANGELOG")):
            continue
        named = NAMED_FILE.findall((ROOT / line).read_text(encoding="utf-8"))
        missing += [f"{line}: {each}" for each in named if each not in ends and Path(each).name not in written]
    assert not missing


def test_the_daemon_imports_no_torch_and_no_numpy() -> None:
    probe = (
        "import sys, soundmill.service.daemon, soundmill.cli\n"
        f"print([m for m in {sorted(HEAVY | NUMERIC | {'audiocraft'})!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
