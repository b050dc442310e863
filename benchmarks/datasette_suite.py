"""Datasette's own tests, without Soundmill's plugin and with it.

    python benchmarks/datasette_suite.py FOLDER 0.65.5 1.0a41 [--git URL]

For each release a virtual environment in FOLDER, made once, of its source distribution. That has the tests, but not
what they share; which comes from Datasette's repository, of the release's tag, or where that is not there of the newest
before it. What a test comes to has to be the same both times. Prints counts and what differs; exit 1 where something
does.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tarfile
import venv
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = (
    "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "beautifulsoup4", "trustme", "cogapp", "black",
    "blacken-docs", "psutil", "opentelemetry-sdk", "multipart-form-data-conformance==0.1a0",
)  # fmt: skip
# What the plugin imports of Soundmill's dependencies; all of them would bring torch.
PLUGIN = ("python-ulid", "pydantic", "pyyaml", "psutil", "prometheus-client", "click", "pluggy", "jinja2", "numpy")


REPOSITORY = "https://github.com/simonw/datasette"


def main(folder: Path, releases: list[str], repository: str) -> int:
    differs = False
    for release in releases:
        home = folder.absolute() / release
        python = home / "venv" / "bin" / "python"
        if not (home / "ready").is_file():
            _prepare(home, python, release, repository)
        source = home / f"datasette-{release}" / "tests"
        _pip(python, "uninstall", "--yes", "soundmill")
        without = _outcomes(python, source, home / "without.xml")
        _pip(python, "install", "--no-deps", "--editable", str(ROOT))
        _must_be_found(python)
        with_it = _outcomes(python, source, home / "with.xml")
        print(f"Datasette {release} without the plugin: {_counted(without)}")
        print(f"Datasette {release} with the plugin:    {_counted(with_it)}")
        for name in sorted(without.keys() | with_it.keys()):
            before, after = without.get(name, "not there"), with_it.get(name, "not there")
            if before != after:
                differs = True
                print(f"  {name}: {before} without, {after} with")
    return int(differs)


def _prepare(home: Path, python: Path, release: str, repository: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    venv.create(home / "venv", with_pip=True, clear=True)
    _pip(python, "install", "setuptools", "wheel")
    _pip(
        python, "download", "--no-deps", "--no-build-isolation", "--no-binary", "datasette", "--dest", str(home),
        f"datasette=={release}",
    )  # fmt: skip
    source = home / f"datasette-{release}"
    tag = _lay_out(repository, home / "repository.git", release, source)
    print(f"Datasette {release}: what its tests share is that of {tag}")
    with tarfile.open(home / f"datasette-{release}.tar.gz") as packed:
        packed.extractall(home, filter="data")
    _pip(python, "install", str(source), *TOOLS, *PLUGIN)
    (home / "ready").touch()


def _lay_out(repository: str, clone: Path, release: str, into: Path) -> str:
    """Put the files of a release's tag there, or of the newest tag before it; which."""
    if not clone.is_dir():
        subprocess.run(["git", "clone", "--quiet", "--bare", repository, clone], check=True)
    told = subprocess.run(["git", "tag"], cwd=clone, check=True, capture_output=True, text=True).stdout.split()
    older = [tag for tag in told if re.fullmatch(r"[\d.]+(a\d+)?", tag) and _order(tag) <= _order(release)]
    tag = max(older, key=_order)
    packed = subprocess.run(["git", "archive", tag], cwd=clone, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
        tree.extractall(into, filter="data")
    return tag


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


def _outcomes(python: Path, tests: Path, told: Path) -> dict[str, str]:
    """What came of each test, by its name."""
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "120",
        f"--junitxml={told}",
        "tests",
    ]
    told.unlink(missing_ok=True)
    with told.with_suffix(".log").open("wb") as log:
        subprocess.run(command, cwd=tests.parent, stdout=log, stderr=log, check=False)
    if not told.is_file():
        raise SystemExit(f"the tests could not be run: see {told.with_suffix('.log')}")
    found: dict[str, str] = {}
    for case in ET.parse(told).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[name] = " and ".join(sorted(kinds)) or "passed"
    return found


def _counted(outcomes: dict[str, str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in Counter(outcomes.values()).most_common())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("releases", nargs="+")
    parser.add_argument("--git", default=REPOSITORY, help="Datasette's repository, or a copy of it")
    asked = parser.parse_args()
    sys.exit(main(asked.folder, asked.releases, asked.git))
