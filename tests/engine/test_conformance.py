"""What every engine promises (soundmill.engine.protocol), asked of each of them."""

from __future__ import annotations

import io
import time
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from soundmill.engine.decoder.surprise import NAMES
from soundmill.engine.protocol import Engine
from soundmill.errors import EngineDied, UnknownModel
from soundmill.jobs import FailureKind, Generated, GenerationFailed, GenerationRequest, Progress
from soundmill.quality.registry import measurements
from soundmill.quality.traits import TRAITS
from support.conformance import (
    ENGINES,
    SLOTS,
    Case,
    answers_in,
    answers_to,
    events_until,
    generate,
    make_request,
)

scripted = pytest.mark.parametrize("opened", [c for c in ENGINES if c.scripted], ids=lambda c: c.name, indirect=True)
quick_to_start = pytest.mark.parametrize(
    "opened", [c for c in ENGINES if c.quick_to_start], ids=lambda c: c.name, indirect=True
)


@dataclass
class Opened:
    case: Case
    engine: Engine


@pytest.fixture(scope="module", params=ENGINES, ids=lambda case: case.name)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """One engine for the whole file: tests that end it are followed by a load that brings it back."""
    case: Case = request.param
    engine = case.open()
    yield Opened(case, engine)
    engine.close()


@pytest.fixture
def case(opened: Opened) -> Case:
    return opened.case


@pytest.fixture
def engine(opened: Opened) -> Engine:
    """The engine with its model loaded, all slots free."""
    opened.engine.cancel(range(10_000))
    opened.engine.poll(0.0)
    opened.engine.load(opened.case.model)
    return opened.engine


def test_load_says_what_the_model_is(engine: Engine, case: Case) -> None:
    info = engine.load(case.model)
    assert info.slots == SLOTS
    assert case.model in info.name
    assert info.sample_rate > 0 and info.channels in (1, 2) and info.frame_rate > 0
    assert info.device == "cpu"
    assert info.licence


def test_loading_the_loaded_model_changes_nothing(engine: Engine, case: Case) -> None:
    reduced = engine.reduce_slots()
    assert engine.load(case.model) == reduced
    engine.load(case.other_model)
    assert engine.load(case.model).slots == SLOTS


def test_a_model_nobody_knows_is_refused_and_the_engine_goes_on(engine: Engine, case: Case) -> None:
    with pytest.raises(UnknownModel):
        engine.load(case.unknown_model)
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
    engine.load(case.model)
    request = make_request(duration=case.duration)
    assert isinstance(generate(engine, request)[request.key], Generated)


def test_another_model_can_be_loaded_once_nothing_is_in_flight(engine: Engine, case: Case) -> None:
    request = make_request(duration=case.duration)
    engine.submit([request])
    with pytest.raises(RuntimeError, match="in flight"):
        engine.load(case.other_model)
    answers_to(engine, [request])
    assert case.other_model in engine.load(case.other_model).name
    again = make_request(duration=case.duration)
    assert isinstance(generate(engine, again)[again.key], Generated)


def test_every_request_is_answered_exactly_once(engine: Engine, case: Case) -> None:
    requests = [make_request(seed=n, duration=case.duration) for n in range(SLOTS)]
    engine.submit(requests)
    answers = answers_to(engine, requests)
    assert Counter(answer.key for answer in answers) == Counter(request.key for request in requests)
    assert all(isinstance(answer, Generated) for answer in answers)
    assert engine.poll(0.1) == []


def test_a_clip_is_an_audio_file_of_the_length_asked_for_with_every_measurement(engine: Engine, case: Case) -> None:
    info = engine.load(case.model)
    request = make_request(duration=case.duration)
    clip = generate(engine, request)[request.key]
    assert isinstance(clip, Generated)
    with wave.open(io.BytesIO(clip.audio)) as file:
        assert file.getframerate() == clip.sample_rate == info.sample_rate
        assert file.getnchannels() == clip.channels == info.channels
        assert file.getnframes() == pytest.approx(case.duration * info.sample_rate, abs=1)
    assert clip.duration_s == pytest.approx(case.duration, abs=1 / info.sample_rate)
    assert measurements().keys() <= clip.measurements.keys()
    more = clip.measurements.keys() - measurements().keys()  # of an engine process; the decode loop has NAMES as well
    assert more - set(NAMES) in (set(), {*TRAITS, "prompt_agreement"}) and more & set(NAMES) in (set(), set(NAMES))
    assert clip.measurements["duration_s"] == pytest.approx(clip.duration_s)
    assert clip.generation_s > 0
    assert (clip.licence, clip.versions) == (info.licence, info.versions)


def test_requests_join_while_others_run(engine: Engine, case: Case) -> None:
    first, second = make_request(duration=case.duration), make_request(duration=case.duration)
    engine.submit([first])
    engine.poll(0.0)
    engine.submit([second])
    answers = answers_to(engine, [first, second])
    assert Counter(answer.key for answer in answers) == Counter([first.key, second.key])


def test_submitting_nothing_does_nothing(engine: Engine) -> None:
    engine.submit([])
    assert engine.poll(0.0) == []


def test_a_poll_with_nothing_in_flight_takes_the_time_it_may_and_no_more(engine: Engine) -> None:
    began = time.monotonic()
    assert engine.poll(0.1) == []
    assert 0.08 < time.monotonic() - began < 2


def test_progress_counts_up_to_what_is_due_and_ends_with_the_answer(engine: Engine, case: Case) -> None:
    request = make_request(duration=case.duration)
    engine.submit([request])
    events = events_until(engine, lambda events: bool(answers_in(events)))
    *before, _ = events
    steps = [event.done for event in before if isinstance(event, Progress)]
    assert steps == sorted(steps)
    assert all(isinstance(event, Progress) and 0 <= event.done <= event.due for event in before)
    assert engine.poll(0.05) == []


def test_a_cancelled_job_is_not_heard_of_again_and_its_neighbour_is(engine: Engine, case: Case) -> None:
    dropped, kept = make_request(duration=case.duration), make_request(duration=case.duration)
    engine.submit([dropped, kept])
    engine.cancel([dropped.job_id])
    answers = answers_to(engine, [kept])
    assert [answer.key for answer in answers] == [kept.key]
    assert engine.poll(0.1) == []


def test_a_job_that_finished_unseen_can_still_be_cancelled(engine: Engine, case: Case) -> None:
    seen, unseen = make_request(duration=case.duration), make_request(duration=case.duration)
    engine.submit([unseen])
    engine.submit([seen])
    engine.cancel([unseen.job_id])
    assert {answer.key for answer in answers_to(engine, [seen])} == {seen.key}


def test_a_cancelled_job_may_come_back_as_another_attempt(engine: Engine, case: Case) -> None:
    first = make_request(duration=case.duration)
    engine.submit([first])
    engine.cancel([first.job_id])
    second = replace(first, attempt=2)
    engine.submit([second])
    assert [answer.key for answer in answers_to(engine, [second])] == [second.key]


def test_cancelling_what_is_not_in_flight_does_nothing(engine: Engine, case: Case) -> None:
    request = make_request(duration=case.duration)
    engine.submit([request])
    engine.cancel([request.job_id + 5000])
    engine.cancel([])
    assert [answer.key for answer in answers_to(engine, [request])] == [request.key]


def test_a_clip_is_the_same_whoever_its_neighbours_are(engine: Engine, case: Case) -> None:
    request = make_request("a door", seed=7, duration=case.duration)
    alone = generate(engine, request)[request.key]
    among = replace(request, job_id=make_request().job_id, attempt=3)
    neighbours = [
        make_request("a much longer prompt than the other one has", seed=n, duration=case.duration * (1 + n / 4))
        for n in range(1, SLOTS)
    ]
    together = generate(engine, neighbours[0], among, *neighbours[1:])[among.key]
    assert isinstance(alone, Generated) and isinstance(together, Generated)
    assert together.audio == alone.audio
    assert together.measurements == alone.measurements


def test_another_seed_is_another_clip(engine: Engine, case: Case) -> None:
    one, two = make_request(seed=1, duration=case.duration), make_request(seed=2, duration=case.duration)
    answers = generate(engine, one, two)
    first, second = answers[one.key], answers[two.key]
    assert isinstance(first, Generated) and isinstance(second, Generated)
    assert first.audio != second.audio


def test_slots_are_halved_down_to_one_and_clips_still_come(engine: Engine, case: Case) -> None:
    slots = []
    for _ in range(4):
        slots.append(engine.reduce_slots().slots)
        request = make_request(duration=case.duration)
        assert isinstance(generate(engine, request)[request.key], Generated)
    assert slots == [2, 1, 1, 1]
    engine.load(case.other_model)  # the fixture's load then starts with all slots


def test_halving_the_slots_loses_no_clip_in_flight(engine: Engine, case: Case) -> None:
    requests = [make_request(seed=n, duration=case.duration) for n in range(3)]
    engine.submit(requests)
    engine.reduce_slots()
    assert all(isinstance(answer, Generated) for answer in answers_to(engine, requests))
    engine.load(case.other_model)


@scripted
def test_out_of_memory_fails_everything_in_flight_and_the_model_stays_loaded(engine: Engine) -> None:
    requests = [make_request("slow"), make_request("oom"), make_request("slow")]
    engine.submit(requests)
    answers = {answer.key: answer for answer in answers_to(engine, requests)}
    oom = answers[requests[1].key]
    assert isinstance(oom, GenerationFailed) and oom.kind is FailureKind.OUT_OF_MEMORY
    assert all(isinstance(answer, Generated) or answer.kind is FailureKind.OUT_OF_MEMORY for answer in answers.values())
    request = make_request()
    assert isinstance(generate(engine, request)[request.key], Generated)


@scripted
def test_a_clip_that_fails_by_itself_leaves_its_neighbours_alone(engine: Engine) -> None:
    failing, fine = make_request("failing"), make_request()
    answers = generate(engine, failing, fine)
    failure = answers[failing.key]
    assert isinstance(failure, GenerationFailed) and failure.kind is FailureKind.MISSING_INPUT
    assert isinstance(answers[fine.key], Generated)


def test_an_engine_without_a_model_takes_no_requests(case: Case) -> None:
    engine = case.open()
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
    with pytest.raises(EngineDied):
        engine.reduce_slots()
    assert engine.poll(0.0) == []
    engine.close()


@quick_to_start
def test_a_dead_engine_fails_what_it_had_and_comes_back_with_the_next_load(engine: Engine, case: Case) -> None:
    requests = [make_request(duration=20 * case.duration), make_request(duration=20 * case.duration)]
    engine.submit(requests)
    case.kill(engine)
    answers = answers_to(engine, requests)
    assert Counter(answer.key for answer in answers) == Counter(request.key for request in requests)
    died = [answer for answer in answers if isinstance(answer, GenerationFailed)]
    assert died  # one may have been done before
    assert {answer.kind for answer in died} == {FailureKind.ENGINE_DIED}
    assert all("signal 9" in answer.message and "\n" not in answer.message for answer in died)
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
    assert engine.poll(0.0) == []
    assert engine.load(case.model).slots == SLOTS


@quick_to_start
def test_an_engine_that_died_idle_is_replaced_by_the_next_load(engine: Engine, case: Case) -> None:
    case.kill(engine)
    engine.poll(0.1)
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
    assert engine.load(case.model).slots == SLOTS
    engine.submit([make_request(duration=case.duration)])


@scripted
def test_a_hung_clip_times_out_and_its_neighbour_is_not_blamed(engine: Engine) -> None:
    hung, neighbour = make_request("hang", deadline_s=0.2), make_request("slow")
    engine.submit([hung, neighbour])
    kinds = {a.job_id: a.kind for a in answers_to(engine, [hung, neighbour]) if isinstance(a, GenerationFailed)}
    assert kinds[hung.job_id] is FailureKind.TIMED_OUT
    assert kinds.get(neighbour.job_id, FailureKind.ENGINE_DIED) is FailureKind.ENGINE_DIED
    with pytest.raises(EngineDied):
        engine.submit([make_request()])


@quick_to_start
def test_a_closed_engine_can_be_closed_again_and_loaded_again(engine: Engine, case: Case) -> None:
    engine.submit([make_request(duration=case.duration)])
    engine.close()
    engine.close()
    assert engine.poll(0.0) == []
    with pytest.raises(EngineDied):
        engine.submit([make_request()])
    engine.load(case.model)
    request: GenerationRequest = make_request(duration=case.duration)
    assert isinstance(generate(engine, request)[request.key], Generated)
