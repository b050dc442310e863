"""Datasette's own tests, without Soundmill's plugin and with it.

    python benchmarks/datasette_suite.py FOLDER 0.65.5 1.0a41 [--git URL] [--at-once N]

For each release two virtual environments in FOLDER, made once, of its source distribution, one of them with this
checkout. The distribution has the tests, but not what they share; which comes from Datasette's repository, of the
release's tag, or where that is not there of the newest before it. What a test comes to has to be the same both times.
`--at-once` of them run at the same time, all unless told. Prints counts and what differs; exit 1 where something does.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://github.com/simonw/datasette"
KINDS = ("without", "with")
TOOLS = (
    "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "httpx", "beautifulsoup4", "trustme", "cogapp",
    "black", "blacken-docs", "psutil", "opentelemetry-sdk", "multipart-form-data-conformance==0.1a0",
)  # fmt: skip
# What the plugin imports of Soundmill's dependencies; all of them would bring torch.
PLUGIN = ("python-ulid", "pydantic", "pyyaml", "psutil", "prometheus-client", "click", "pluggy", "jinja2", "numpy")

# They compare the list of all plugins that are loaded, and so fail with any other.
LISTS_PLUGINS = {"tests.test_api::test_plugins_json", "tests.test_cli::test_plugins_cli"}

# Where it is tested, Datasette 0.65 loads no plugin that is installed (its tests set sys._called_from_test), so that
# two runs would agree whatever ours does: it is registered by this plugin of pytest, once all tests are there.
REGISTRAR = "soundmill_in_tests"
REGISTERS = """\
def pytest_collection_finish(session):
    import datasette.app
    from datasette.plugins import pm
    from soundmill.publish import plugin

    if not pm.is_registered(plugin):
        pm.register(plugin, name="soundmill")
"""

Outcomes = dict[str, str]  # of each test, by its name


def main(folder: Path, releases: list[str], repository: str, at_once: int) -> int:
    clone = folder.absolute() / "repository.git"
    if not clone.is_dir():
        subprocess.run(["git", "clone", "--quiet", "--bare", repository, clone], check=True)
    runs = [(release, kind) for release in releases for kind in KINDS]
    with ThreadPoolExecutor(at_once or len(runs)) as pool:
        results = dict(zip(runs, pool.map(lambda run: _run(folder.absolute(), clone, *run), runs), strict=True))
    differs = False
    for release in releases:
        without, with_it = (results[release, kind] for kind in KINDS)
        print(f"Datasette {release}, its tests with what they share of {_tag(clone, release)}:")
        print(f"  without the plugin: {_counted(without)}")
        print(f"  with the plugin:    {_counted(with_it)}")
        for name in sorted(without.keys() | with_it.keys()):
            before, after = without.get(name, "not there"), with_it.get(name, "not there")
            if before != after:
                differs = differs or name not in LISTS_PLUGINS
                print(f"  {name}: {before} without, {after} with")
    return int(differs)


def _run(folder: Path, clone: Path, release: str, kind: str) -> Outcomes:
    home = folder / f"{release}-{kind}"
    python = home / "venv" / "bin" / "python"
    source = home / f"datasette-{release}"
    if not (home / "ready").is_file():
        _prepare(home, python, source, clone, release)
    if kind == "with":
        _pip(python, "install", "--no-deps", "--editable", str(ROOT))
        _must_be_found(python)
        (home / f"{REGISTRAR}.py").write_text(REGISTERS, encoding="utf-8")
    return _outcomes(python, source, home / "tests.xml", with_plugin=kind == "with")


def _prepare(home: Path, python: Path, source: Path, clone: Path, release: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    venv.create(home / "venv", with_pip=True, clear=True)
    _pip(python, "install", "--upgrade", "setuptools", "wheel")
    _pip(
        python, "download", "--no-deps", "--no-build-isolation", "--no-binary", "datasette", "--dest", str(home),
        f"datasette=={release}",
    )  # fmt: skip
    packed = subprocess.run(["git", "archive", _tag(clone, release)], cwd=clone, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
        tree.extractall(source, filter="data")
    with tarfile.open(home / f"datasette-{release}.tar.gz") as distribution:
        distribution.extractall(home, filter="data")
    _pip(python, "install", str(source), *TOOLS, *PLUGIN)
    (home / "ready").touch()


def _tag(clone: Path, release: str) -> str:
    """The release's tag, or the newest before it."""
    told = subprocess.run(["git", "tag"], cwd=clone, check=True, capture_output=True, text=True).stdout.split()
    older = [tag for tag in told if re.fullmatch(r"[\d.]+(a\d+)?", tag) and _order(tag) <= _order(release)]
    return max(older, key=_order)


def _order(tag: str) -> tuple[list[int], float]:
    whole, _, alpha = tag.partition("a")
    return [int(part) for part in whole.split(".")], float(alpha) if alpha else float("inf")


def _pip(python: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def _must_be_found(python: Path) -> None:
    """An environment that leaves the plugin out would agree with itself."""
    probe = "import datasette.app; from datasette.plugins import pm; print([name for name, _ in pm.list_name_plugin()])"
    found = subprocess.run([python, "-c", probe], check=True, capture_output=True, text=True).stdout
    if "soundmill" not in found:
        raise SystemExit(f"the plugin was not loaded: {found}")


def _outcomes(python: Path, source: Path, told: Path, *, with_plugin: bool) -> Outcomes:
    options = [
        *(["-p", REGISTRAR] if with_plugin else []),
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "120",
        f"--junitxml={told}",
    ]
    told.unlink(missing_ok=True)
    environment = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}  # some run `datasette`
    environment["PYTHONPATH"] = str(told.parent)
    command = [str(python), "-m", "pytest", *options, "tests"]
    with told.with_suffix(".log").open("wb") as log:
        subprocess.run(command, cwd=source, env=environment, stdout=log, stderr=log, check=False)
    if not told.is_file():
        raise SystemExit(f"the tests could not be run: see {told.with_suffix('.log')}")
    return outcomes_of(told)


def outcomes_of(told: Path) -> Outcomes:
    """What a report of pytest says."""
    found: Outcomes = {}
    for case in ET.parse(told).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[name] = " and ".join(sorted(kinds)) or "passed"
    return found


def _counted(outcomes: Outcomes) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in Counter(outcomes.values()).most_common())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("releases", nargs="+")
    parser.add_argument("--git", default=REPOSITORY, help="Datasette's repository, or a copy of it")
    parser.add_argument("--at-once", type=int, default=0, help="runs at the same time; 0: all")
    asked = parser.parse_args()
    sys.exit(main(asked.folder, asked.releases, asked.git, asked.at_once))
