"""Who is asked what in a listening test. Questions and sounds have names by lot, which say nothing and are forgotten
when the site ends; a listener's page then asks for another question."""

from __future__ import annotations

import random
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from soundmill.publish.compare.studies import Study

MOST_OPEN = 5_000  # questions, and twice as many sounds
CHECK_EVERY = 8  # questions, about
SAME_EVERY = 3  # checks: the same take twice; in the others one of the two is spoiled
TRIES = 6  # for a pair that this listener was not asked about just now

Said = Mapping[str, Any]  # a row of `comparisons_list`, or what will be one


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What a listener is sent under a name that tells nothing."""

    study_id: str
    take: int
    spoiled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    study_id: str
    who: str
    first: int
    second: int
    attention: bool
    expected: str | None
    sounds: tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Sessions:
    """What is open. `lot` decides all that is left to chance. Safe to share between threads."""

    lot: random.Random
    questions: OrderedDict[str, Question] = field(default_factory=OrderedDict)
    sounds: OrderedDict[str, Sound] = field(default_factory=OrderedDict)
    waiting: dict[str, Said] = field(default_factory=dict)  # answers that the catalogue does not have yet, by ulid
    lock: Any = field(default_factory=Lock)

    def said(self, study: Study, rows: Sequence[Said]) -> list[Said]:
        """All answers of a study: those of the catalogue and those that wait for its daemon."""
        with self.lock:
            for row in rows:
                self.waiting.pop(row["ulid"], None)
            return [*rows, *(one for one in self.waiting.values() if one["study"] == study.name)]

    def ask(self, study: Study, who: str, said: Sequence[Said]) -> tuple[str, Question, int] | None:
        """The next question for a listener with its name and how many they have answered; None after the last."""
        own = [one for one in said if one["who"] == who]
        if len(own) >= study.questions:
            return None
        kind = checks(study, who).get(len(own))
        expected = None
        spoiled = (False, False)
        if kind is None:
            first, second = self._pair(study, said, own)
        else:
            first = second = self.lot.choice(study.takes)
            expected = "tie" if kind == "same" else self.lot.choice(("first", "second"))
            spoiled = (expected == "second", expected == "first")
        name = secrets.token_urlsafe(12)
        with self.lock:
            sounds = tuple(
                self._sound(Sound(study_id=study.id, take=take, spoiled=bad))
                for take, bad in zip((first, second), spoiled, strict=True)
            )
            question = Question(
                study_id=study.id,
                who=who,
                first=first,
                second=second,
                attention=kind is not None,
                expected=expected,
                sounds=(sounds[0], sounds[1]),
            )
            self.questions[name] = question
            while len(self.questions) > MOST_OPEN:
                self.questions.popitem(last=False)
        return name, question, len(own)

    def take(self, name: str, study: Study, who: str) -> Question | None:
        """The question of that name, which is answered with that; None where it is not this listener's, or gone."""
        with self.lock:
            question = self.questions.get(name)
            if question is None or (question.study_id, question.who) != (study.id, who):
                return None
            return self.questions.pop(name)

    def put_back(self, name: str, question: Question) -> None:
        """An answer could not be left for the daemon."""
        with self.lock:
            self.questions[name] = question

    def wait(self, ulid: str, said: Said) -> None:
        with self.lock:
            self.waiting[ulid] = said
            while len(self.waiting) > MOST_OPEN:
                self.waiting.pop(next(iter(self.waiting)))

    def _sound(self, sound: Sound) -> str:
        name = secrets.token_urlsafe(12)
        self.sounds[name] = sound
        while len(self.sounds) > 2 * MOST_OPEN:
            self.sounds.popitem(last=False)
        return name

    def _pair(self, study: Study, said: Sequence[Said], own: Sequence[Said]) -> tuple[int, int]:
        import numpy as np  # a site of which nobody asks this does without

        from soundmill.preference import heard, next_pair, nothing_known

        found = heard(said, study.takes)
        takes = sorted(set(study.takes)) if found is None else found.takes
        standing = nothing_known(len(takes)) if found is None else found.standing
        chance = np.random.default_rng(self.lot.getrandbits(64))
        before = {own[-1]["first_output_id"], own[-1]["second_output_id"]} if own else set()
        for _ in range(TRIES):
            first, second = (takes[at] for at in next_pair(standing, chance))
            if {first, second} != before:
                break
        return first, second


def checks(study: Study, who: str) -> dict[int, str]:
    """At which of a listener's questions, counted from 0, there is a check, and of which kind: never at the first."""
    lot = random.Random(f"{study.token} {who}")
    count = min(max(2, round(study.questions / CHECK_EVERY)), study.questions - 1)
    places = sorted(lot.sample(range(1, study.questions), count))
    return {place: "same" if at % SAME_EVERY == SAME_EVERY - 1 else "spoiled" for at, place in enumerate(places)}
