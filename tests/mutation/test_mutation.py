"""The changes are made where they should be, and a test that is there is seen to notice."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mutation.__main__ import interval
from mutation.campaign import sampled
from mutation.changes import PACKAGE, changes, changes_of, changes_of_script
from mutation.equivalent import reasons, stale
from mutation.sql import sql_changes

TESTS = Path(__file__).resolve().parents[1]


def made(source: str) -> set[str]:
    """What the file becomes, one change at a time, where it differs."""
    content = source.encode()
    lines = source.splitlines()
    found = set()
    for change in changes_of(content, "x.py"):
        after = change.applied(content).decode().splitlines()
        found |= {new.strip() for new, old in zip(after, lines, strict=False) if new != old}
    return found


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("return a < b", {"return a <= b", "return None"}),
        ("return a is not b", {"return a is b", "return None"}),
        ("return a and not b", {"return a or not b", "return a and  b", "return None"}),
        ("x = é + 1  # + 2", {"x = é - 1  # + 2", "x = é + 2  # + 2"}),
        ("x.y = True", {"x.y = False", "pass"}),
        ("x += 2", {"x -= 2", "x += 3", "pass"}),
        ("raise Wrong('why')", {'raise Wrong("")', "pass"}),
        ("passing('a.point')", set()),
        ("log.info('told')", set()),
        ("f(path / 'name')", {'f(path / "")', "pass"}),
        ("f(x / 2)", {"f(x * 2)", "f(x / 3)", "pass"}),
        ("return [a for a in b if a]", {"return [a for a in b if not (a)]", "return None"}),
        ('db.execute(f"DELETE FROM {t} WHERE a = 1 AND b")', {
            'db.execute(f"DELETE FROM {t} WHERE a != 1 AND b")', 'db.execute(f"DELETE FROM {t} WHERE a = 2 AND b")',
            'db.execute(f"DELETE FROM {t} WHERE a = 1 OR b")', "pass",
        }),
    ],
)  # fmt: skip
def test_what_a_statement_becomes(statement: str, expected: set[str]) -> None:
    assert made(f"def f():\n    'A docstring < 2.'\n    {statement}\n") == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("UPDATE t SET a = 1 WHERE b = ?", {("1", "2"), ("=", "!=")}),
        ("SELECT x IS NOT NULL -- AND 1", {("IS NOT", "IS")}),
        ("a BETWEEN b AND c AND d", {("AND", "OR")}),
        ("NOT EXISTS (SELECT a IN ('b'))", {("NOT", ""), ("IN", "NOT IN"), ("'b'", "''")}),
        ("EXISTS (SELECT 1 FROM t WHERE a = 2)", {("EXISTS", "NOT EXISTS"), ("=", "!="), ("2", "3")}),
        ("INSERT OR IGNORE INTO t", {("OR IGNORE", "")}),
        ("SELECT max(a) FROM t LEFT JOIN u", {("max", "MIN"), ("LEFT", "")}),
        ("ORDER BY a DESC, b", {("DESC", "ASC")}),
        ("ORDER BY a", {("", " DESC")}),
        ("SELECT 1 FROM t LIMIT 1", {("1", "0")}),
    ],
)
def test_what_sql_becomes(script: str, expected: set[tuple[str, str]]) -> None:
    assert {(script[start:end], after) for _, start, end, after in sql_changes(script)} == expected


def test_every_change_of_the_rooms_can_be_read_and_is_another() -> None:
    known = changes()
    assert len(known) > 5000 and len(set(known)) == len(known)
    for change in known[::97]:
        source = (PACKAGE / change.file).read_bytes()
        after = change.applied(source)
        assert after != source
        if change.file.endswith(".py"):
            assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(source)), change.label


def test_a_change_of_a_view_is_known_by_its_name() -> None:
    found = changes_of_script("CREATE VIEW é AS\nSELECT 1;\nCREATE VIEW b AS\nSELECT 2;\n".encode(), "x.sql")
    assert [(c.names, c.line, c.before, c.after) for c in found] == [(("é",), 2, "1", "2"), (("b",), 4, "2", "3")]


def test_the_list_of_what_changes_nothing_is_kept() -> None:
    listed = reasons()
    assert stale(changes(), listed) == []
    assert all(len(why) > 20 for why in listed.values())


def test_a_sample_has_of_each_file_its_share_and_is_the_same_each_time() -> None:
    known = changes()
    some = sampled(known, 500, 7)
    assert some == sampled(known, 500, 7) != sampled(known, 500, 8)
    assert len(some) == len(set(some)) == 500
    for file in ("catalog/claims.py", "inbox/jobfile/table/workbook.py"):
        share = 500 * sum(c.file == file for c in known) / len(known)
        assert abs(sum(c.file == file for c in some) - share) <= 1


def test_the_interval_of_a_share() -> None:
    """As statsmodels' proportion_confint has it, method wilson."""
    assert [round(end, 4) for end in interval(90, 100)] == [0.8256, 0.9448]
    assert interval(0, 0) == (0.0, 1.0)


def test_changes_that_a_test_would_notice_are_told_from_those_that_none_does(tmp_path: Path) -> None:
    """On the rule of what follows a failure, with its own tests, and with others that never come to it."""

    def run(tests: str, *more: str) -> tuple[str, dict[str, int]]:
        out = tmp_path / "result.json"
        path = os.pathsep.join([str(TESTS), str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "mutation", "--only", "schedule/retry", "--tests", tests, "--json", str(out)]
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [*command, "--processes", "1", *more],
            capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return done.stdout, json.loads(out.read_text())

    said, found = run("schedule/test_retry.py", "--sample", "12")
    assert found["mutants"] == 12 and found["killed"] >= 9 and "changes made a test fail" in said
    said, found = run("schedule/test_scheduler.py", "--sample", "3")
    assert (found["mutants"], found["killed"], len(found["unnoticed"])) == (3, 0, 3)
    assert said.count("(no test runs it)") == 3
    (tmp_path / "earlier.json").write_text(json.dumps(found))
    said, found = run("schedule/test_retry.py", "--again", str(tmp_path / "earlier.json"))
    assert found["mutants"] == 3 and found["killed"] == 3 - len(found["unnoticed"]) >= 2
