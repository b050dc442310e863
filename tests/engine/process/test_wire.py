"""What goes over a pipe: plain data and our own nouns, so that reading a message imports nothing."""

from __future__ import annotations

import pickle
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from soundmill.engine.process.wire import LoadFailed, Submit, pack, unpack
from soundmill.errors import OutOfMemory
from soundmill.jobs import FailureKind, GenerationFailed
from support.conformance import make_request


class Version(str):
    """As torch.__version__ is: a text of a class that only its library knows."""


def test_a_message_arrives_as_it_was_sent() -> None:
    requests = (make_request(melody=Path("a.wav"), tags={"batch": "b"}), make_request())
    assert unpack(pack(Submit(requests=requests))) == Submit(requests=requests)
    failed = GenerationFailed(job_id=1, attempt=2, kind=FailureKind.IO, message="full")
    assert unpack(pack(failed)) == failed
    answer = unpack(pack(LoadFailed(error=OutOfMemory("no room"))))
    assert isinstance(answer, LoadFailed)
    assert (type(answer.error), str(answer.error)) == (OutOfMemory, "no room")


def test_an_enumeration_arrives_from_a_python_that_pickles_it_as_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12 has Python 3.11.2, where members of enumerations are reduced to `getattr(Class, "NAME")`."""
    monkeypatch.setattr(FailureKind, "__reduce_ex__", lambda self, _: (getattr, (type(self), self.name)))
    failed = GenerationFailed(job_id=1, attempt=2, kind=FailureKind.IO, message="full")
    assert unpack(pack(failed)) == failed


@pytest.mark.parametrize(
    ("sent", "plain"), [(Version("2.11.0+cpu"), "2.11.0+cpu"), (np.float32(0.5), 0.5), (np.int64(7), 7)]
)
def test_what_is_a_text_or_a_number_arrives_as_a_plain_one(sent: object, plain: object) -> None:
    (arrived,) = unpack(pack({"value": sent})).values()  # type: ignore[attr-defined]
    assert (type(arrived), arrived) == (type(plain), plain)


@pytest.mark.parametrize("sent", [np.zeros(2), Decimal(1), np.ndarray, print, Path.exists])
def test_nothing_else_leaves_the_process(sent: object) -> None:
    with pytest.raises(pickle.PicklingError, match="cannot leave the process"):
        pack({"value": sent})


@pytest.mark.parametrize("written", [Version("1"), np.float32(1), print, pytest.MonkeyPatch])
def test_a_message_that_would_import_something_is_not_read(written: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="no place in a message"):
        unpack(pickle.dumps(written))


def test_a_noun_that_is_not_here_yet_is_not_fetched() -> None:
    with pytest.raises(pickle.UnpicklingError, match="no place in a message"):
        unpack(b"csoundmill.engine.not_loaded\nNoun\n.")
