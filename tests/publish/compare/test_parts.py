"""The parts of comparisons, each by itself."""

from __future__ import annotations

import random
import stat
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page

from publish.conftest import Home, Seen
from soundmill.publish.compare import studies
from soundmill.publish.compare.chosen import gains_db
from soundmill.publish.compare.sessions import CHECK_EVERY, Sessions, checks
from soundmill.publish.compare.sounds import Sounds
from soundmill.publish.compare.studies import Study, Unfit


def study(**changes: Any) -> Study:
    values: dict[str, Any] = {"id": "ab12", "name": "best", "token": "t" * 32, "takes": (3, 5, 8), "questions": 24}
    return Study(**values | {"made_by": "owner", "made_at": 1.0} | changes)


def said(one: Study, who: str, first: int, second: int, answer: str, number: int, **check: Any) -> dict[str, Any]:
    return {
        "who": who, "first_output_id": first, "second_output_id": second, "answer": answer, "study": one.name,
        "attention": False, "expected": None, "ulid": f"01{number}", **check,
    }  # fmt: skip


def test_all_are_turned_down_to_the_quietest_and_none_is_turned_up() -> None:
    assert gains_db([-14.0, -20.0, -17.5]) == [-6.0, 0.0, -2.5]
    assert gains_db([-14.0, None, -70.0, -15.0]) == [-1.0, 0.0, 0.0, 0.0]
    assert gains_db([None, None]) == [0.0, 0.0]
    assert gains_db([]) == []


def test_a_study_is_kept_for_its_home_alone_and_found_by_its_token(tmp_path: Path) -> None:
    made = studies.make(tmp_path / ".site", name=" The  best ", takes=[4, 2], questions=9, by="ann", now=5.0)
    assert (made.name, made.takes, made.ended_at) == ("The best", (4, 2), None)
    (file,) = (tmp_path / ".site" / "studies").iterdir()
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert studies.opened(tmp_path / ".site", made.token) == made
    assert studies.opened(tmp_path / ".site", made.token[:-1]) is None
    with pytest.raises(Unfit, match="there is a listening test of that name"):
        studies.make(tmp_path / ".site", name="THE BEST", takes=[4, 2], questions=9, by="ann", now=6.0)
    with pytest.raises(Unfit, match="needs a name"):
        studies.make(tmp_path / ".site", name=" \n", takes=[4, 2], questions=9, by="ann", now=6.0)
    file.with_name("torn.json").write_text("{")
    assert studies.end(tmp_path / ".site", made.id, 7.0)
    assert studies.opened(tmp_path / ".site", made.token) is None
    assert [one.ended_at for one in studies.all_of(tmp_path / ".site")] == [7.0]
    assert not studies.end(tmp_path / ".site", "nobody", 7.0)


def test_checks_come_now_and_then_never_first_and_elsewhere_for_each_listener() -> None:
    one = study(questions=40)
    places = checks(one, "Ann")
    assert len(places) == 40 // CHECK_EVERY
    assert 0 not in places
    assert Counter(places.values()) == {"spoiled": 4, "same": 1}
    assert places == checks(one, "Ann")
    assert places != checks(one, "Bo")


def test_a_listener_is_asked_until_the_end_and_told_nothing_by_names() -> None:
    one, sessions = study(), Sessions(lot=random.Random(3))
    rows: list[dict[str, Any]] = []
    names = set[str]()
    for number in range(one.questions):
        found = sessions.ask(one, "Ann", sessions.said(one, rows))
        assert found is not None
        name, question, done = found
        assert done == number
        names |= {name, *question.sounds}
        spoiled = [sessions.sounds[sound].spoiled for sound in question.sounds]
        if question.attention:
            assert question.first == question.second
            assert (
                spoiled
                == {"tie": [False, False], "first": [False, True], "second": [True, False]}[str(question.expected)]
            )
        else:
            assert question.first != question.second
            assert spoiled == [False, False]
        assert sessions.take(name, one, "Bo") is None
        assert sessions.take(name, one, "Ann") == question
        assert sessions.take(name, one, "Ann") is None
        answer = said(one, "Ann", question.first, question.second, "tie", number, attention=question.attention)
        sessions.wait(answer["ulid"], answer)
        if number % 2:  # the daemon has written some of them
            rows.append(answer)
    assert sessions.ask(one, "Ann", sessions.said(one, rows)) is None
    assert len(names) == 3 * one.questions
    assert len(sessions.said(one, rows)) == one.questions


def test_the_favourites_are_asked_about_most() -> None:
    one = study(takes=tuple(range(1, 9)), questions=200)
    rows = [said(one, "Bo", top, low, "first", n) for n, (top, low) in enumerate(
        [(top, low) for top in (1, 2) for low in range(3, 9)] * 4
    )]  # fmt: skip
    sessions = Sessions(lot=random.Random(1))
    asked = [sessions.ask(one, f"listener {n}", rows) for n in range(60)]
    pairs = Counter(frozenset((found[1].first, found[1].second)) for found in asked if found)
    assert pairs[frozenset((1, 2))] > 25


def test_sounds_come_equally_loud_without_tags_and_spoiled_where_asked(tmp_path: Path) -> None:
    random_ = np.random.default_rng(1)
    samples = (0.2 * random_.standard_normal(16000)).clip(-1, 1)
    (tmp_path / "themes").mkdir()
    with soundfile.SoundFile(tmp_path / "themes" / "a.wav", "w", samplerate=16000, channels=1) as file:
        file.title = "a secret prompt"
        file.write(samples)
    sounds = Sounds(most_bytes=1)
    plain = sounds.get(tmp_path, "themes/a.wav", -6.0, spoiled=False)
    assert b"secret" not in plain
    read, rate = soundfile.read(BytesIO(plain))
    assert (rate, len(read)) == (16000, 16000)
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(samples**2)) * 10 ** (-6 / 20), rel=1e-2)
    spoiled, _ = soundfile.read(BytesIO(sounds.get(tmp_path, "themes/a.wav", -6.0, spoiled=True)))
    high = [np.abs(np.fft.rfft(sound))[6000:].mean() for sound in (spoiled, read)]
    assert high[0] < 0.5 * high[1]
    for path in ("../a.wav", "themes/b.wav"):
        with pytest.raises((OSError, ValueError)):
            sounds.get(tmp_path, path, 0.0, spoiled=False)


def test_switching_leaves_no_gap_and_keeps_the_gain_of_each(page: Page, seen: Seen, mill: tuple[Home, str]) -> None:
    """Rendered sample by sample: two constants, and a switch from one to the other in the middle."""
    page.goto(mill[1] + "-/soundmill/review?batch=forest")
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    found = page.evaluate(
        """async () => {
            const { Deck } = await import("soundmill/deck");
            const rate = 48000;
            const context = new OfflineAudioContext(1, rate, rate);
            const constant = (length) => {
                const buffer = new AudioBuffer({ length, sampleRate: rate, numberOfChannels: 1 });
                buffer.getChannelData(0).fill(0.5);
                return buffer;
            };
            const deck = new Deck({ context });
            deck.use([constant(rate), constant(rate / 2)], [0, -6]);
            deck.wanted = true;
            deck.start(0);
            context.suspend(0.25).then(() => { deck.choose(1); context.resume(); });
            context.suspend(0.375).then(() => { deck.choose(0); context.resume(); });
            const samples = (await context.startRendering()).getChannelData(0);
            const least = (from, to) => Math.min(...samples.subarray(from * rate, to * rate));
            return { before: least(0.01, 0.24), after: least(0.27, 0.37), across: least(0.01, 0.9),
                     end: samples[0.8 * rate], heard: [...deck.heard], same: deck.buffers[1].length };
        }"""
    )
    quieter = 0.5 * 10 ** (-6 / 20)
    assert (found["before"], found["end"]) == pytest.approx((0.5, 0.5), abs=1e-4)
    assert found["after"] == pytest.approx(quieter, abs=1e-4)
    assert found["across"] == pytest.approx(quieter, abs=1e-3)
    assert (found["heard"], found["same"]) == ([0, 1], 48000)
