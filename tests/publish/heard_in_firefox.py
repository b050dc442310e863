"""Takes are heard and marked by keys, and compared, in Debian's Firefox: `make firefox`. Not among the tests, for on a
machine with other work its sound stands still now and then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from soundmill.commands.asking.link import link
from support.firefox import Firefox, firefox, running
from support.working_mill import WorkingMill, working_mill

TAKES = 8
MARKS = """
    SELECT r.rejected, r.note, (SELECT s.name FROM picks p JOIN shortlists s ON s.id = p.shortlist_id
                                WHERE p.output_id = r.output_id)
    FROM ratings r JOIN outputs o ON o.id = r.output_id JOIN jobs j ON j.id = o.job_id WHERE j.position = 2
"""


@pytest.fixture(scope="module")
def fox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    firefox()
    with running(tmp_path_factory.mktemp("firefox"), sounds=True) as browser:
        yield browser


@pytest.fixture(scope="module")
def working(fox: Firefox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingMill]:
    """With the owner logged in."""
    with working_mill(tmp_path_factory.mktemp("heard"), TAKES) as mill:
        fox.open(link(mill.home))
        yield mill


def reviewing(fox: Firefox, working: WorkingMill) -> None:
    fox.open(f"{working.url}-/soundmill/review?batch=themes")
    fox.until("document.querySelector('.sm-review:not(.sm-loading)')")


def playing(fox: Firefox, name: object) -> None:
    fox.until("document.querySelector('[data-part=name]').textContent === arguments[0]", name)
    fox.until("document.querySelector('[data-part=now]').textContent !== '0:00.0'")


def test_takes_are_heard_and_rated_by_keyboard(fox: Firefox, working: WorkingMill) -> None:
    reviewing(fox, working)
    names = [row[0] for row in working.found("SELECT name FROM jobs ORDER BY position")]
    fox.press(" ")
    for n, name in enumerate(names):
        playing(fox, name)
        fox.press(str(1 + n % 5))
    working.becomes(
        "SELECT j.name, r.stars FROM ratings r JOIN outputs o ON o.id = r.output_id JOIN jobs j ON j.id = o.job_id"
        " ORDER BY j.position",
        [(name, 1 + n % 5) for n, name in enumerate(names)],
    )
    assert fox.errors() == []


def test_reject_pick_note_and_undo_by_keys(fox: Firefox, working: WorkingMill) -> None:
    reviewing(fox, working)
    if fox.run("return document.querySelector('#sm-move-on').checked"):
        fox.click("#sm-move-on")
    fox.run("document.activeElement.blur()")
    fox.press("jxpn")
    fox.until("document.activeElement.matches('input, textarea')")
    fox.press("warm")
    fox.press("Enter")
    working.becomes(MARKS, [(1, "warm", "picks")])
    fox.press("uuu")
    working.becomes(MARKS, [(0, None, None)])
    assert fox.errors() == []


def test_arrows_seek_and_a_loop_goes_round(fox: Firefox, working: WorkingMill) -> None:
    reviewing(fox, working)
    fox.press("l")
    fox.press(" ")
    fox.run("""
        window.seen = []
        const now = document.querySelector('[data-part=now]')
        new MutationObserver(() => window.seen.push(parseFloat(now.textContent.split(':')[1]))).observe(
            now, {childList: true, characterData: true, subtree: true})
    """)
    fox.until("window.seen.some((now, n) => n > 0 && now < window.seen[n - 1])")  # it has gone round
    assert fox.run("return document.querySelector('[data-does=play]').getAttribute('aria-label')") == "Pause"
    fox.press(" ")
    fox.press("l")
    assert fox.errors() == []


def test_takes_are_compared_at_the_same_place(fox: Firefox, working: WorkingMill) -> None:
    ids = [row[0] for row in working.found("SELECT id FROM outputs ORDER BY id LIMIT 2")]
    fox.open(f"{working.url}-/soundmill/compare?takes={ids[0]},{ids[1]}")
    fox.until("document.querySelector('.sm-compare:not(.sm-loading)')")
    fox.press("l")
    fox.press(" ")
    fox.until("document.querySelector('[data-part=now]').textContent !== '0:00.0'")
    fox.press("2")
    fox.until("document.querySelector('[data-side=\"1\"]').getAttribute('aria-pressed') === 'true'")
    fox.until("document.querySelector('[data-answer=second]:not([disabled])')")
    fox.press("Enter")
    fox.until("document.querySelector('[data-part=said]').textContent.endsWith('noted')")
    assert working.found("SELECT who, answer, blind FROM comparisons") == [("owner", "second", 0)]
    assert fox.errors() == []
