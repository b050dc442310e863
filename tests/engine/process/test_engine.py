"""What befalls a real engine process, and what the daemon's side makes of it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundmill.engine.process.child import last_words
from soundmill.engine.process.engine import ProcessEngine
from soundmill.errors import EngineDied, EngineError, ModelUnavailable, OutOfMemory
from soundmill.jobs import FailureKind, Generated, GenerationFailed, GenerationRequest, Normalization, Progress
from support.conformance import answers_to, is_alive, make_request, wait_until

BACKEND = "support.faulty_backend:open_backend"
TESTS = Path(__file__).resolve().parents[2]


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def lasting() -> Iterator[ProcessEngine]:
    """One engine for the tests that leave it alive, or that end it in ways the next load mends."""
    engine = ProcessEngine("cpu", backend_for=BACKEND, slots=4, load_deadline_s=60.0)
    yield engine
    engine.close()


@pytest.fixture
def engine(lasting: ProcessEngine) -> ProcessEngine:
    lasting.load("tone")
    return lasting


@pytest.fixture
def own(clock: Clock) -> Iterator[ProcessEngine]:
    """An engine of the test's own, whose deadlines are on the test's clock."""
    engine = ProcessEngine("cpu", backend_for=BACKEND, slots=None, load_deadline_s=60.0, clock=clock)
    yield engine
    engine.close()


def only_answer(engine: ProcessEngine, request: GenerationRequest) -> Generated | GenerationFailed:
    answers = answers_to(engine, [request])
    assert len(answers) == 1
    return answers[0]


def failure_of(engine: ProcessEngine, request: GenerationRequest) -> GenerationFailed:
    engine.submit([request])
    answer = only_answer(engine, request)
    assert isinstance(answer, GenerationFailed)
    assert "\n" not in answer.message
    return answer


def open_files() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


# -- failures that leave the process alive ---------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "kind", "said"),
    [
        ("oom", FailureKind.OUT_OF_MEMORY, "no room for another step"),
        ("greedy", FailureKind.OUT_OF_MEMORY, "out of memory (MemoryError)"),
        ("missing", FailureKind.MISSING_INPUT, "melody.wav: no such file"),
        ("refused", FailureKind.BAD_PARAMETER, "this model cannot do that"),
        ("puzzling", FailureKind.INTERNAL, "KeyError: 'a mistake of ours'"),
        ("lost", FailureKind.INTERNAL, "the model never answered for this clip"),
        ("empty", FailureKind.INTERNAL, "the clip has no samples (1 channels of 0): nothing to encode"),
    ],
)
def test_a_clip_fails_without_its_engine(engine: ProcessEngine, prompt: str, kind: FailureKind, said: str) -> None:
    pid = engine.pid
    failure = failure_of(engine, make_request(prompt))
    assert (failure.kind, failure.message) == (kind, said)
    assert engine.pid == pid


def test_a_backend_that_answers_twice_is_heard_once(engine: ProcessEngine) -> None:
    request = make_request("twice")
    engine.submit([request])
    assert isinstance(only_answer(engine, request), Generated)
    assert engine.poll(0.1) == []


def test_what_a_backend_prints_disturbs_nothing_and_reaches_the_log(
    engine: ProcessEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "soundmill.engine")
    request = make_request("chatty")
    engine.submit([request])
    assert isinstance(only_answer(engine, request), Generated)
    assert "cpu: a word on stdout" in caplog.messages


def test_progress_comes_twice_a_second_at_most(engine: ProcessEngine) -> None:
    request = make_request("slow")
    engine.submit([request])
    began = time.monotonic()
    seen = 0
    while time.monotonic() - began < 0.7:
        seen += len(engine.poll(0.05))
    engine.cancel([request.job_id])
    assert 1 <= seen <= 3


def test_samples_that_are_no_numbers_are_counted_though_the_file_has_silence_there(engine: ProcessEngine) -> None:
    request = make_request("nan", normalization=Normalization.NONE)
    engine.submit([request])
    clip = only_answer(engine, request)
    assert isinstance(clip, Generated)
    assert clip.measurements["nonfinite_samples"] == 50
    assert any(defect["name"] == "nonfinite" for defect in clip.defects)


def test_ctrl_c_at_the_terminal_does_not_reach_the_engine(engine: ProcessEngine) -> None:
    assert engine.pid is not None
    assert os.getpgid(engine.pid) == engine.pid != os.getpgrp()
    os.kill(engine.pid, signal.SIGINT)
    request = make_request()
    engine.submit([request])
    assert isinstance(only_answer(engine, request), Generated)


def test_a_model_that_prints_while_it_loads_is_loaded(lasting: ProcessEngine) -> None:
    assert lasting.load("chatty").name == "test/chatty"


# -- ends of a process ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("abort", "was killed by signal 6 (SIGABRT): Fatal Python error: Aborted"),
        ("segfault", "was killed by signal 11 (SIGSEGV): Fatal Python error: Segmentation fault"),
        ("killed", "was killed by signal 9 (often the kernel's out-of-memory killer)"),
        ("exit", "ended with exit code 7"),
        ("crash", "ended with exit code 1: RuntimeError: device-side assert triggered"),
    ],
)
def test_a_process_that_ends_is_told_of_in_one_line(engine: ProcessEngine, prompt: str, said: str) -> None:
    failure = failure_of(engine, make_request(prompt))
    assert (failure.kind, failure.message) == (FailureKind.ENGINE_DIED, f"the engine on cpu {said}")
    assert engine.pid is None


def test_a_stopped_process_is_killed_at_the_deadline(own: ProcessEngine, clock: Clock) -> None:
    own.load("tone")
    pid = own.pid
    assert pid is not None
    request = make_request("slow", deadline_s=100.0)
    own.submit([request])
    os.kill(pid, signal.SIGSTOP)
    clock.now += 99.9
    assert all(isinstance(event, Progress) for event in own.poll(0.1))
    clock.now += 0.1
    answer = only_answer(own, request)
    assert isinstance(answer, GenerationFailed) and answer.kind is FailureKind.TIMED_OUT
    assert answer.message == "no clip after 100 s; the engine on cpu was killed"
    assert not is_alive(pid)


def test_a_computation_that_never_lets_go_of_the_interpreter_is_killed_at_the_deadline(engine: ProcessEngine) -> None:
    assert failure_of(engine, make_request("deaf", deadline_s=0.3)).kind is FailureKind.TIMED_OUT


def test_a_clip_that_was_sent_before_the_process_ended_is_kept(own: ProcessEngine) -> None:
    own.load("tone")
    done, parting = make_request(), make_request("parting")
    own.submit([done, parting])
    pid = own.pid
    assert pid is not None and wait_until(lambda: not is_alive(pid), 30.0)
    answers = {event.job_id: event for event in own.poll(0.0) if not isinstance(event, Progress)}
    assert isinstance(answers[done.job_id], Generated)
    assert isinstance(answers[parting.job_id], GenerationFailed)


def test_helpers_of_a_backend_end_with_it(engine: ProcessEngine, tmp_path: Path) -> None:
    pid_file = tmp_path / "helper.pid"
    failure = failure_of(engine, make_request("leaving", tags={"pid_file": str(pid_file)}))
    assert failure.message == "the engine on cpu ended with exit code 5"
    assert wait_until(lambda: not is_alive(int(pid_file.read_text())), 2.0)


def test_a_process_that_dies_unseen_takes_no_requests_and_its_clips_fail_at_the_next_poll(own: ProcessEngine) -> None:
    own.load("tone")
    first, second = make_request("slow"), make_request("slow")
    own.submit([first])
    assert own.pid is not None
    os.kill(own.pid, signal.SIGKILL)
    pid = own.pid
    assert wait_until(lambda: not is_alive(pid), 2.0)
    with pytest.raises(EngineDied, match="signal 9"):
        own.submit([second])
    assert [(event.job_id, type(event)) for event in own.poll(0.0)] == [(first.job_id, GenerationFailed)]


# -- loading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        ("unavailable", ModelUnavailable, "model unavailable: its weights are not here"),
        ("no-memory", OutOfMemory, "no room for the weights"),
        ("broken", EngineError, r"broken: loading failed \(RuntimeError: the weights are from another planet\)"),
        ("aborting", EngineDied, "loading aborting: the engine on cpu was killed by signal 6 .* Aborted"),
    ],
)
def test_a_load_that_fails_says_why_and_the_next_one_works(
    lasting: ProcessEngine, model: str, error: type[EngineError], said: str
) -> None:
    with pytest.raises(EngineError, match=said) as raised:
        lasting.load(model)
    assert type(raised.value) is error
    assert lasting.load("tone").slots == 4


def test_a_load_that_hangs_is_killed_at_its_deadline() -> None:
    engine = ProcessEngine("cpu", backend_for=BACKEND, slots=None, load_deadline_s=0.8)
    with pytest.raises(EngineDied, match=r"had not loaded hanging after 0\.8 s; raise schedule\.load_deadline_s"):
        engine.load("hanging")
    assert engine.pid is None


def test_a_backend_that_cannot_be_imported_is_named() -> None:
    engine = ProcessEngine("cpu", backend_for="engine.nowhere:open_backend", slots=None, load_deadline_s=60.0)
    with pytest.raises(EngineError, match=r"tone: loading failed \(ModuleNotFoundError: .*engine\.nowhere"):
        engine.load("tone")
    engine.close()


def test_a_gpu_is_pinned_before_the_backend_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    engine = ProcessEngine("cuda:1", backend_for=BACKEND, slots=2, load_deadline_s=60.0)
    info = engine.load("tone")
    engine.close()
    assert info.versions == {"cuda_visible_devices": "6", "seen": "cuda:0"}
    assert (info.device, info.slots) == ("cuda:1", 2)


# -- the end ---------------------------------------------------------------------------------


def test_a_process_dies_with_its_parent_even_in_the_middle_of_a_computation(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "from support.conformance import make_request\n"
        "from soundmill.engine.process.engine import ProcessEngine\n"
        f"engine = ProcessEngine('cpu', backend_for={BACKEND!r}, slots=2, load_deadline_s=60.0)\n"
        "engine.load('tone')\n"
        "engine.submit([make_request('deaf')])\n"
        "engine.poll(1.0)\n"
        "print(engine.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    assert wait_until(lambda: not is_alive(pid), 2.0)


def test_nothing_is_left_of_an_engine_however_it_ended() -> None:
    before = open_files()
    engine = ProcessEngine("cpu", backend_for=BACKEND, slots=None, load_deadline_s=60.0)
    pids = []
    for prompt in ("killed", None, "slow"):
        engine.load("tone")
        pids.append(engine.pid)
        if prompt == "killed":
            failure_of(engine, make_request(prompt))
        elif prompt == "slow":
            engine.submit([make_request(prompt)])
        else:
            engine.close()
    engine.close()
    del engine
    gc.collect()  # an unclosed file or process would warn here, and warnings are errors
    assert open_files() == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_busy_engine_is_closed_at_once(own: ProcessEngine) -> None:
    own.load("tone")
    own.submit([make_request("slow")])
    began = time.monotonic()
    own.close()
    assert time.monotonic() - began < 2.0


def test_the_daemon_starts_an_engine_without_numpy_or_torch() -> None:
    probe = "import sys, soundmill.engine.process.engine; print({'numpy', 'scipy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["loading", "Traceback (most recent call last):", '  File "x.py", line 1', "KeyError: 3"], "KeyError: 3"),
        (["torch.AcceleratorError: CUDA error", "For debugging consider this."], "torch.AcceleratorError: CUDA error"),
        (["ValueError: early", "terminate called after it threw"], "terminate called after it threw"),
        (["fetching", "cannot open shared object"], "cannot open shared object"),
        ([], ""),
    ],
)
def test_last_words_are_the_line_that_says_what_happened(lines: list[str], words: str) -> None:
    assert last_words(lines) == words
