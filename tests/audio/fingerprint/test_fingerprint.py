"""Whether a recording is known again, and only it."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundmill.audio.decode import decode
from soundmill.audio.fingerprint.coherence import SAME, coherence, waveform
from soundmill.audio.fingerprint.fingerprint import fingerprint, unpacked
from soundmill.audio.fingerprint.landmarks import KEPT_A_SECOND, landmarks
from soundmill.audio.fingerprint.likeness import distances
from soundmill.audio.fingerprint.search import Index, shifted
from soundmill.audio.resample import resample

Samples = NDArray[np.float32]

RATE = 16_000
SECONDS = 8.0
TAKES = 20


@cache
def melody(notes: int, phases: int = 0, lowest_hz: float = 110.0) -> Samples:
    """Plucked notes at random times, drawn by `notes`; `phases` draws only those of their harmonics."""
    drawn, phase = np.random.default_rng(notes), np.random.default_rng((notes, phases))
    sound = np.zeros(round(SECONDS * RATE))
    for start_s in np.sort(drawn.uniform(0, SECONDS - 0.5, 40)):
        pitch_hz = lowest_hz * 2 ** (drawn.integers(36) / 12)
        start = round(start_s * RATE)
        time = np.arange(min(RATE, sound.size - start)) / RATE
        for harmonic in range(1, 6):
            wave = np.sin(2 * np.pi * (pitch_hz * harmonic * time + phase.random()))
            sound[start : start + time.size] += 0.05 / harmonic * wave * np.exp(-3 * harmonic * time)
    return np.asarray(sound[None], np.float32)


def mp3(samples: Samples, sample_rate: int) -> tuple[Samples, int]:
    buffer = io.BytesIO()
    soundfile.write(
        buffer, samples.T, sample_rate, format="MP3", bitrate_mode="CONSTANT", compression_level=2 / 3
    )  # 128 kbit/s
    return decode(buffer.getvalue())


@cache
def index() -> Index:
    return Index([landmarks(melody(number), RATE) for number in range(TAKES)])


@pytest.mark.parametrize("gain_db", [-6.0, 6.0])
def test_a_piece_that_was_encoded_anew_is_found_and_where_it_begins(gain_db: float) -> None:
    for number in range(0, TAKES, 5):
        cut_s = 3.0 + 0.0071 * number
        piece = np.clip(melody(number)[:, round(cut_s * RATE) :] * 10 ** (gain_db / 20), -1, 1)
        sound, rate = mp3(resample(piece, RATE, 44_100), 44_100)
        match = index().search(shifted(sound, rate))[0]
        assert match.number == number
        assert match.offset_s == pytest.approx(cut_s, abs=0.05)
        agreement, begins_s = coherence(waveform(melody(number), RATE), waveform(sound, rate))
        assert agreement > 0.8
        assert begins_s == pytest.approx(cut_s, abs=0.002)


def test_a_sound_that_holds_a_whole_take_is_traced_to_it() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, (1, 2 * RATE)).astype(np.float32)
    match = index().search(shifted(np.concatenate([noise, melody(7), noise], axis=1), RATE))[0]
    assert match.number == 7
    assert match.offset_s == pytest.approx(-2.0, abs=0.05)


def test_the_same_notes_played_again_are_another_recording() -> None:
    """Their landmarks are the same, for these are of magnitudes; their waveforms are not."""
    again = melody(3, phases=1)
    assert index().search(shifted(again, RATE))[0].number == 3
    assert coherence(waveform(melody(3), RATE), waveform(again, RATE))[0] < SAME / 2
    assert coherence(waveform(melody(3), RATE), waveform(-0.3 * melody(3), RATE))[0] == pytest.approx(1.0, abs=1e-3)


def test_no_stranger_agrees_with_a_take() -> None:
    for stranger in range(100, 105):
        for match in index().search(shifted(melody(stranger), RATE)):
            take = waveform(melody(match.number), RATE)
            assert coherence(take, waveform(melody(stranger), RATE))[0] < SAME


def test_a_steady_tone_is_no_evidence() -> None:
    """It fits at any time as well as at any other."""
    time = np.arange(8 * RATE) / RATE
    tone = np.asarray(0.3 * np.sin(2 * np.pi * 440 * time), np.float32)[None]
    other = np.asarray(0.3 * np.sin(2 * np.pi * 440 * time + 1) * (1 + 0.001 * np.sin(9 * time)), np.float32)[None]
    matches = Index([landmarks(tone, RATE)]).search(shifted(other, RATE))
    assert all(match.certainty < 20 for match in matches)


@pytest.mark.parametrize("length", [0, 1, 100, 2048, 5000])
def test_silence_and_what_is_shorter_than_a_frame_have_a_fingerprint_that_matches_nothing(length: int) -> None:
    silent = np.zeros((1, length), np.float32)
    assert unpacked(fingerprint(silent, RATE)).landmarks.frames.size == 0
    assert index().search(shifted(silent, RATE)) == []
    assert Index([landmarks(silent, RATE)]).search(shifted(melody(0), RATE)) == []
    assert coherence(waveform(melody(0), RATE), waveform(silent, RATE))[0] == 0.0
    assert Index([]).search(shifted(melody(0), RATE)) == []


def test_a_fingerprint_is_small_and_comes_back_as_it_was() -> None:
    data = fingerprint(melody(2), RATE)
    found, known = landmarks(melody(2), RATE), unpacked(data)
    assert np.array_equal(known.landmarks.frames, found.frames)
    assert np.array_equal(known.landmarks.bins, found.bins)
    assert len(data) <= 73 + 3 * KEPT_A_SECOND * (SECONDS + 1)
    for bad in (b"", data[:-1], b"\x02" + data[1:]):
        with pytest.raises(ValueError, match="no fingerprint of version 1"):
            unpacked(bad)
    with pytest.raises(ValueError, match=r"must be \[channels, time\]"):
        fingerprint(melody(2)[0], RATE)


def test_likeness_goes_by_the_sound_and_not_by_level_rate_or_moment() -> None:
    """Of melodies in three registers, each is nearest to those of its own, whatever was done to it."""
    kinds = [(number, lowest) for lowest in (60.0, 300.0, 1200.0) for number in range(4)]
    others = np.stack([unpacked(fingerprint(melody(n, lowest_hz=hz), RATE)).likeness for n, hz in kinds])
    for lowest in (60.0, 300.0, 1200.0):
        asked = resample(0.25 * np.roll(melody(50, lowest_hz=lowest), RATE, axis=1), RATE, 48_000)
        far = distances(unpacked(fingerprint(asked, 48_000)).likeness, others)
        assert {kinds[place][1] for place in np.argsort(far)[:4]} == {lowest}
