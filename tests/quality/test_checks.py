from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmill.config import QualityConfig
from soundmill.jobs import Check, QualityKind, Verdict
from soundmill.quality.judging import judge
from soundmill.quality.limits import limits_of, ruleset
from soundmill.quality.registry import looked_at_by, rules

LIMITS = limits_of(QualityKind.CUSTOM)
GOOD: dict[str, float | None] = {
    "silence_share": 0.0,
    "clipping_share": 0.0,
    "clipping_share_before": 0.0,
    "repetition_correlation": 0.0,
    "spectral_range_db": 80.0,
    "loudness_lufs": -9.0,
    "dc_offset": 0.0,
    "nonfinite_samples": 0.0,
    "duration_error_s": 0.0,
    "duration_s": 10.0,
    "silence_head_s": 0.0,
    "silence_tail_s": 0.0,
    "silence_inside_s": 0.0,
    "dropout_s": 0.0,
    "flat_share": 0.0,
    "flat_share_before": 0.0,
    "true_peak_dbtp": -1.0,
    "loop_share": 0.0,
    "noise_s": 0.0,
    "stuck_tone_s": 0.0,
    "clicks": 0.0,
    "level_step_db": 0.0,
    "hole_s": 0.0,
    "top_pile": 1.0,
    "clipped_density": 0.0,
    "cut_tail_s": 0.0,
    "delayed_channel": 0.0,
    "polarity_turn": 0.0,
    "polarity_turn_share": 0.0,
    "treble_lost_db": 0.0,
    "mirrored": 0.0,
    "hiss_db": -100.0,
    "hiss_perhaps_db": -100.0,
    "mains_hum_db": -100.0,
    "mains_hum_perhaps_db": -100.0,
    "rumble_db": -100.0,
    "stutter_s": 0.0,
    "dead_channel_s": 0.0,
    "odd_noise_s": 0.0,
    "peak_dbfs": -1.0,
    "quantisation_db": -96.0,
    "stuck_tone_share": 0.0,
    "channel_difference_db": 0.0,
    "stereo_correlation": 1.0,
    "tempo_difference": 0.0,
    "key_difference": 0.0,
    "loop_seam": 0.0,
}
CHECKS = [rule.name for rule in rules()]

# check, measurement, a value exactly at its limit, a value just beyond it
EDGES = [
    ("silence", "silence_share", 0.30, 0.301),
    ("clipping", "clipping_share", 0.01, 0.0101),
    ("clipping", "clipping_share_before", 0.01, 0.0101),
    ("repetition", "repetition_correlation", 0.95, 0.951),
    ("spectral_balance", "spectral_range_db", 30.0, 29.9),
    ("loudness", "loudness_lufs", -40.0, -40.1),
    ("dc_offset", "dc_offset", 0.02, 0.0201),
    ("dc_offset", "dc_offset", -0.02, -0.0201),
    ("nonfinite", "nonfinite_samples", 0.0, 1.0),
    ("duration", "duration_error_s", 0.10, 0.101),
    ("duration", "duration_error_s", -0.10, -0.101),
    ("silence_head", "silence_head_s", 3.0, 3.1),
    ("silence_tail", "silence_tail_s", 2.5, 2.6),
    ("silence_inside", "silence_inside_s", 2.0, 2.1),
    ("dropouts", "dropout_s", 0.004, 0.005),
    ("holes", "hole_s", 0.004, 0.005),
    ("cut_tops", "top_pile", 3.5, 3.6),
    ("flat_tops", "flat_share", 0.002, 0.0021),
    ("flat_tops", "flat_share_before", 0.002, 0.0021),
    ("true_peak", "true_peak_dbtp", 2.0, 2.1),
    ("loops", "loop_share", 0.5, 0.51),
    ("noise", "noise_s", 1.0, 1.1),
    ("stuck_tone", "stuck_tone_s", 4.5, 4.6),
    ("clicks", "clicks", 0.0, 1.0),
    ("level_step", "level_step_db", 20.0, 20.1),
    ("channel_balance", "channel_difference_db", 15.0, 15.1),
    ("clipped_peaks", "clipped_density", 0.3, 0.301),
    ("cut_tail", "cut_tail_s", 1.0, 1.1),
    ("channel_delay", "delayed_channel", 0.75, 0.76),
    ("polarity_turn", "polarity_turn", 0.5, 0.51),
    ("images", "mirrored", 0.8, 0.81),
    ("hiss", "hiss_db", -28.0, -27.9),
    ("mains_hum", "mains_hum_db", -36.0, -35.9),
    ("rumble", "rumble_db", -12.0, -11.9),
    ("stutter", "stutter_s", 0.06, 0.07),
    ("treble_lost", "treble_lost_db", 20.0, 20.1),
    ("dead_channel", "dead_channel_s", 1.5, 1.6),
    ("odd_noise", "odd_noise_s", 1.5, 1.6),
    ("over_full_scale", "peak_dbfs", 3.0, 3.1),
    ("bit_depth", "quantisation_db", -51.0, -50.9),
    ("stuck_tone_share", "stuck_tone_share", 0.45, 0.451),
]


def check(name: str, **changed: float | None) -> Check:
    return next(each for each in judge({**GOOD, **changed}, LIMITS).checks if each.name == name)


def points(**changed: float | None) -> float:
    return judge({**GOOD, **changed}, LIMITS).score


def test_the_limits_are_those_of_the_configuration() -> None:
    for kind in QualityKind:
        assert getattr(QualityConfig(), kind.value).model_dump() == limits_of(kind)
        assert all(rule.limit in limits_of(kind) for rule in rules())


def test_limits_nobody_changed_have_the_names_they_had_before() -> None:
    """Another name would have every take of every catalogue judged again."""
    names = {kind.value: ruleset(kind, limits_of(kind)) for kind in QualityKind}
    assert names == {
        "music": "music-6-74dcdd4c",
        "sound_effects": "sound_effects-6-d9bd8fdf",
        "custom": "custom-6-31869786",
    }


def test_a_limit_that_is_none_is_refused_by_name() -> None:
    assert limits_of(QualityKind.MUSIC, {"clicks_max": 7})["clicks_max"] == 7
    with pytest.raises(ValueError, match="no such limit: click_max; there are silence_share_max, "):
        limits_of(QualityKind.MUSIC, {"click_max": 7})


def test_a_defect_is_looked_at_by_the_rule_of_its_name_and_those_that_say_where_it_is() -> None:
    looking = looked_at_by()
    assert all(name in looking[name] for name in CHECKS)
    assert {name: found for name, found in looking.items() if found != (name,)} == {
        "silence": ("silence", "silence_inside"),
        "silence_head": ("silence", "silence_head"),
        "silence_tail": ("silence", "silence_tail"),
        "clipping_before": ("clipped_peaks", "clipping"),
        "flat_tops_before": ("clipped_peaks", "flat_tops"),
        "clipping": ("clipped_peaks", "clipping"),
        "flat_tops": ("clipped_peaks", "flat_tops"),
        "noise": ("noise", "odd_noise"),
        "stuck_tone": ("stuck_tone", "stuck_tone_share"),
    }


def test_the_classic_numbers_stand_where_nobody_says_otherwise() -> None:
    assert (LIMITS["silence_share_max"], LIMITS["clipping_share_max"]) == (0.30, 0.01)
    assert (LIMITS["repetition_max"], LIMITS["spectral_range_min_db"]) == (0.95, 30.0)


def test_opposite_phase_fails_beyond_its_limit_and_no_other_correlation_does() -> None:
    for correlation in (1.0, 0.0, -0.69):
        assert judge({**GOOD, "stereo_correlation": correlation}, LIMITS).verdict is Verdict.PASSED
    failed = check("phase", stereo_correlation=-0.93)
    assert (failed.passed, failed.value) == (False, 0.93)
    assert failed.message == "Left and right are in opposite phase with a correlation of -0.93; up to -0.70 is allowed."


@pytest.mark.parametrize(
    ("peak", "true_peak", "over"), [(-1.0, 1.5, 1.5), (0.0, 2.4, 2.4), (3.4, 3.5, 0.1), (3.4, 6.0, 2.6)]
)
def test_true_peak_counts_what_rises_above_the_samples_where_those_are_over_full_scale(
    peak: float, true_peak: float, over: float
) -> None:
    found = check("true_peak", peak_dbfs=peak, true_peak_dbtp=true_peak)
    assert found.value == pytest.approx(over) and found.passed == (over <= 2.0)


def test_sentences_name_the_places_of_the_defects() -> None:
    defects = [
        {"name": "clicks", "start_s": 4.18, "end_s": 4.18, "detail": "a click in the clip"},
        {"name": "silence_tail", "start_s": 3.2, "end_s": 10.0, "detail": "below -60 dBFS in the clip"},
        {"name": "loops", "start_s": 1.0, "end_s": 9.0, "detail": "repeats"},
    ]
    values = {**GOOD, "clicks": 1.0, "silence_tail_s": 6.8, "silence_share": 0.68, "loop_share": 0.8}
    said = {each.name: each.message for each in judge(values, LIMITS, defects).checks if not each.passed}
    assert said == {
        "silence": "68 % of the clip is silent (from 3.2 s to the end); at most 30 % is allowed.",
        "silence_tail": "The clip is silent to the end for 6.8 s (from 3.2 s to the end); up to 2.5 s is allowed.",
        "loops": "80 % of the clip repeats what came before it, sample for sample (from 1 s to 9 s); at most 50 % may.",
        "clicks": "1 click was found (at 4.18 s); none is allowed.",
    }


def silent(channel: str, start_s: float, end_s: float) -> dict[str, object]:
    return {"name": "silence", "start_s": start_s, "end_s": end_s, "detail": f"below -60 dBFS in {channel}"}


@pytest.mark.parametrize(
    ("defects", "said"),
    [
        ([silent("channel right", 0, 10)], "the right channel is silent (throughout)"),
        (
            [silent("channel left", 1, 2), silent("channel right", 4, 9)],
            "the right channel is silent (from 4 s to 9 s)",
        ),
        (
            [silent("all channels", 1, 2), silent("channel left", 4, 8)],
            "the left channel is silent (from 1 s to 2 s, from 4 s to 8 s)",
        ),
        ([silent("all channels", 2, 7)], "the clip is silent (from 2 s to 7 s)"),
        ([silent("the clip", 2, 7)], "the clip is silent (from 2 s to 7 s)"),
        (
            [silent("channel left", 2, 7), silent("channel right", 2.2, 7)],
            "the clip is silent (from 2 s to 7 s, from 2.2 s to 7 s)",
        ),
    ],
)
def test_the_silence_of_one_of_two_channels_is_not_called_that_of_the_clip(
    defects: list[dict[str, object]], said: str
) -> None:
    values = {**GOOD, "silence_share": 0.5, "duration_s": 10.0}
    message = next(each.message for each in judge(values, LIMITS, defects).checks if not each.passed)
    assert message == f"50 % of {said}; at most 30 % is allowed."


def test_of_many_places_three_are_named_and_the_others_counted() -> None:
    defects = [{"name": "clicks", "start_s": at / 10, "end_s": at / 10, "detail": ""} for at in range(1, 6)]
    message = next(each.message for each in judge({**GOOD, "clicks": 5.0}, LIMITS, defects).checks if not each.passed)
    assert message == "5 clicks were found (at 0.1 s, at 0.2 s, at 0.3 s and 2 more); none is allowed."


def test_defects_decide_nothing() -> None:
    """A threshold that is raised lets a take pass whose defects are still on record."""
    defects = [{"name": "clicks", "start_s": 1.0, "end_s": 1.0, "detail": ""}]
    assert judge(GOOD, LIMITS, defects).verdict is Verdict.PASSED
    assert judge(GOOD, LIMITS, defects).score == 100


def test_a_take_from_before_a_measurement_existed_passes_its_check() -> None:
    old = {name: value for name, value in GOOD.items() if name not in ("clicks", "loop_share", "flat_share", "noise_s")}
    judgement = judge({**old, "flat_share_before": None}, LIMITS)
    assert judgement.verdict is Verdict.PASSED
    assert next(each for each in judgement.checks if each.name == "clicks").message == "Clicks were not looked for."


def test_a_faultless_take_passes_every_check_with_100_points() -> None:
    judgement = judge(GOOD, LIMITS)
    assert [each.name for each in judgement.checks] == CHECKS
    assert judgement.verdict is Verdict.PASSED
    assert judgement.score == 100


@pytest.mark.parametrize(("name", "measurement", "at", "beyond"), EDGES)
def test_a_value_at_its_limit_passes_and_one_beyond_fails_that_check_alone(
    name: str, measurement: str, at: float, beyond: float
) -> None:
    assert judge({**GOOD, measurement: at}, LIMITS).verdict is Verdict.PASSED
    judgement = judge({**GOOD, measurement: beyond}, LIMITS)
    assert judgement.verdict is Verdict.FAILED
    assert [each.name for each in judgement.checks if not each.passed] == [name]
    assert next(each for each in judgement.checks if each.name == name).value == beyond


@pytest.mark.parametrize(("name", "measurement", "at", "beyond"), EDGES)
def test_message_numbers_show_on_which_side_of_the_limit_a_value_lies(
    name: str, measurement: str, at: float, beyond: float
) -> None:
    """Never: 0.95 was found, at most 0.95 is allowed."""
    passed, failed = check(name, **{measurement: at}).message, check(name, **{measurement: beyond}).message
    assert passed != failed
    assert passed.endswith(".")
    assert failed.endswith(".")


def test_messages_are_sentences_with_numbers() -> None:
    assert check("silence", silence_share=0.68).message == "68 % of the clip is silent; at most 30 % is allowed."
    assert (
        check("clipping", clipping_share_before=0.034).message
        == "3.4 % of the samples are clipped before normalisation; at most 1.0 % may be."
    )
    assert check("clipping", clipping_share=0.034).message == "3.4 % of the samples are clipped; at most 1.0 % may be."
    assert (
        check("repetition", repetition_correlation=0.9504).message
        == "One second and the next correlate by at most 0.9504; up to 0.9500 is allowed."
    )
    assert (
        check("loudness", loudness_lufs=-52.34).message
        == "The clip's loudness is −52.3 LUFS; at least −40.0 LUFS is required."
    )
    assert check("nonfinite", nonfinite_samples=1).message == "1 sample is not a number or infinite; none may be."
    assert (
        check("nonfinite", nonfinite_samples=1234).message == "1,234 samples are not a number or infinite; none may be."
    )
    assert (
        check("duration", duration_error_s=-1.5).message
        == "The clip is 1.50 s shorter than asked; up to 0.10 s is allowed."
    )
    assert (
        check("duration", duration_error_s=0.5).message
        == "The clip is 0.50 s longer than asked; up to 0.10 s is allowed."
    )


@pytest.mark.parametrize("measurement", ["repetition_correlation", "duration_error_s", "clipping_share_before"])
def test_what_does_not_apply_passes(measurement: str) -> None:
    judgement = judge({**GOOD, measurement: None}, LIMITS)
    assert judgement.verdict is Verdict.PASSED
    assert judgement.score == 100


@pytest.mark.parametrize(
    "measurement",
    ["silence_share", "clipping_share", "spectral_range_db", "loudness_lufs", "dc_offset", "nonfinite_samples"],
)
def test_what_a_sounding_clip_would_have_fails_when_missing(measurement: str) -> None:
    judgement = judge({**GOOD, measurement: None}, LIMITS)
    assert judgement.verdict is Verdict.FAILED
    assert judgement.score == 0


def test_silence_fails_for_its_silence_and_its_loudness() -> None:
    silent = {**GOOD, "silence_share": 1.0, "loudness_lufs": None, "spectral_range_db": None}
    failed = [each.name for each in judge(silent, LIMITS).checks if not each.passed]
    assert failed == ["silence", "spectral_balance", "loudness"]


def test_no_measurements_at_all_fail_without_an_error() -> None:
    assert judge({}, LIMITS).verdict is Verdict.FAILED


def test_clipping_counts_the_worse_of_delivered_and_before() -> None:
    assert check("clipping", clipping_share=0.02, clipping_share_before=0.005).value == 0.02
    assert check("clipping", clipping_share=0.002, clipping_share_before=0.005).value == 0.005


def test_nan_fails_every_check_it_appears_in() -> None:
    nan = float("nan")
    judgement = judge(dict.fromkeys(GOOD, nan), LIMITS)
    assert not any(each.passed for each in judgement.checks)
    assert judgement.score == 0


def test_the_ruleset_names_the_thresholds() -> None:
    music, custom = QualityKind.MUSIC, QualityKind.CUSTOM
    names = {ruleset(music, {**LIMITS, field: 0.77}) for field in LIMITS}
    assert len(names | {ruleset(music, LIMITS), ruleset(custom, LIMITS)}) == 2 + len(LIMITS)
    assert ruleset(music, limits_of(custom)) == ruleset(music, LIMITS) == judge(GOOD, LIMITS).ruleset
    assert judge(GOOD, LIMITS, kind=custom).ruleset == ruleset(custom, LIMITS)
    assert ruleset(music, {**LIMITS, "loudness_min_lufs": -40}) == ruleset(music, LIMITS)


def test_thresholds_decide() -> None:
    assert judge({**GOOD, "silence_share": 0.5}, {**LIMITS, "silence_share_max": 0.6}).verdict is Verdict.PASSED
    assert judge({**GOOD, "silence_share": 0.0}, {**LIMITS, "silence_share_max": 0.0}).score == 100
    assert judge({**GOOD, "silence_share": 0.1}, {**LIMITS, "silence_share_max": 0.0}).score == 0


MEASURED = st.fixed_dictionaries(
    {
        "silence_share": st.floats(0, 1),
        "clipping_share": st.floats(0, 0.1),
        "clipping_share_before": st.floats(0, 0.1),
        "repetition_correlation": st.floats(-1, 1),
        "spectral_range_db": st.floats(0, 130),
        "loudness_lufs": st.floats(-70, 0),
        "dc_offset": st.floats(-0.5, 0.5),
        "nonfinite_samples": st.sampled_from([0.0, 0.0, 0.0, 1.0]),
        "duration_error_s": st.floats(-1, 1),
    }
)
# measurement: (the direction in which it gets worse, its worst value)
WORSE = {
    "silence_share": 1.0,
    "clipping_share": 0.1,
    "clipping_share_before": 0.1,
    "repetition_correlation": 1.0,
    "spectral_range_db": 0.0,
    "loudness_lufs": -70.0,
    "duration_error_s": 1.0,
    "dc_offset": 0.5,
    "nonfinite_samples": 5.0,
}


@settings(max_examples=200, deadline=None)
@given(MEASURED)
def test_the_score_is_0_to_100_and_49_divides_passed_from_failed(values: dict[str, float]) -> None:
    judgement = judge(values, LIMITS)
    assert 0 <= judgement.score <= 100
    if judgement.verdict is Verdict.PASSED:
        assert judgement.score >= 49
    else:
        assert judgement.score <= 49


@settings(max_examples=200, deadline=None)
@given(MEASURED, st.sampled_from(sorted(WORSE)), st.floats(0, 1))
def test_a_growing_fault_never_raises_the_score(values: dict[str, float], name: str, share: float) -> None:
    start = abs(values[name]) if name in ("dc_offset", "duration_error_s") else values[name]
    better = {**values, name: start}
    worse = {**values, name: start + share * (WORSE[name] - start)}
    assert judge(worse, LIMITS).score <= judge(better, LIMITS).score + 1e-9


@settings(max_examples=200, deadline=None)
@given(MEASURED, st.sampled_from(sorted(set(WORSE) - {"nonfinite_samples"})))
def test_the_score_makes_no_jumps(values: dict[str, float], name: str) -> None:
    step = 1e-7
    before, after = judge(values, LIMITS).score, judge({**values, name: values[name] + step}, LIMITS).score
    assert after == pytest.approx(before, abs=0.05)


@pytest.mark.parametrize(("name", "measurement", "at", "beyond"), [edge for edge in EDGES if edge[3] != 1.0])
def test_the_score_makes_no_jump_at_a_limit(name: str, measurement: str, at: float, beyond: float) -> None:
    just_beyond = at + (beyond - at) * 1e-6
    assert points(**{measurement: at}) == pytest.approx(49, abs=1e-6)
    assert points(**{measurement: just_beyond}) == pytest.approx(49, abs=0.01)
    assert not check(name, **{measurement: just_beyond}).passed


def test_judging_needs_no_numpy() -> None:
    code = "import sys, soundmill.quality.judging, soundmill.quality.soundness; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
