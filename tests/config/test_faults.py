"""Every wrong key of soundmill.yaml at once: its line, what would be right, and the name that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundmill.config import Config, load
from soundmill.errors import ConfigError
from soundmill.home import Home

FORMATS = "must be wav, flac, ogg or mp3"
PORTS = "must be a whole number from 0 to 65,535"
KEYS_OF_ITS_OWN = "must have keys of its own, as in engine: {slots: 4}"


def told(written: str, tmp_path: Path) -> list[str]:
    home = Home(tmp_path)
    home.config_file.write_text(written)
    with pytest.raises(ConfigError) as caught:
        load(home)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("engin: {}", ["line 1: engin: is no key of soundmill.yaml; did you mean engine?"]),
        ("\nengine:\n  devics: [cpu]", ["line 3: engine.devics: is no key of engine; did you mean devices?"]),
        ("devices: [cpu]", ["line 1: devices: has no place here; it belongs under engine"]),
        ("web: {engine: {}}", ["line 1: web.engine: has no place here; it belongs at the top"]),
        ("name: x\naudio: {name: x}", ["line 2: audio.name: has no place here; it belongs at the top"]),
        (
            "retention: {days: -1}",
            ["line 1: retention.days: is no key of retention; there are after_d, failed_after_d, max_gb and "
             "set_aside_after_d"],
        ),
        (
            "quality: {music: {stuck_tone: 1}}",
            ["line 1: quality.music.stuck_tone: is no key of quality.music; did you mean stuck_tone_max_s?"],
        ),
        (
            "quality: {music: {wonderful: 1}}",
            ["line 1: quality.music.wonderful: is no key of quality.music; `soundmill schema settings` lists them"],
        ),
        ("quality: {music: {clicks_max: x}}",
         ["line 1: quality.music.clicks_max = x: must be a whole number from 0 on"]),
        ("engine: {devices: 5}", ["line 1: engine.devices = 5: must be auto or a list"]),
        ("engine: {devices: []}", ["line 1: engine.devices: must be auto or a list of one or more"]),
        ("engine: {slots: 0}", ["line 1: engine.slots = 0: must be auto or at least 1"]),
        ("engine: {slots: 2.5}", ["line 1: engine.slots = 2.5: must be auto or a whole number"]),
        ("inbox: {max_jobs: 0}", ["line 1: inbox.max_jobs = 0: must be a whole number from 1 on"]),
        ("inbox: {scan_interval_s: 1e9}",
         ["line 1: inbox.scan_interval_s = 1e9: must be a number over 0 and up to 3,600"]),
        ("inbox: {input_folders: [a]}", ["line 1: inbox: input_folders: a is relative; name the folder from / or ~"]),
        ("audio: {format: aac, fade_ms: -1}", [f"line 1: audio.format = aac: {FORMATS}",
                                              "line 1: audio.fade_ms = -1: must be a number from 0 to 1,000"]),
        ("web: {port: eighty}", ["line 1: web.port = eighty: " + PORTS]),
        ("web: {port: 1}\nweb: {port: 2}", ["line 2: web: is given twice; the first is on line 1"]),
        ("web:\n  port: 1\n  port: x\n", ["line 3: web.port: is given twice; the first is on line 2",
                                          "line 3: web.port = x: " + PORTS]),
        ("alerts: [a]", [f"line 1: alerts: {KEYS_OF_ITS_OWN}"]),
        ("alerts: {command: [a, '']}", ["line 1: alerts.command.1: must not be empty"]),
        ("- a", [f"the file: {KEYS_OF_ITS_OWN}"]),
        ("retention: {max_gb: 0}", ["line 1: retention.max_gb = 0: must be over 0"]),
        (
            "cluster: {address: 10.0.0.1}",
            ["line 1: cluster.address = 10.0.0.1: is not of the form it needs: HOST:PORT of the head; auto: the "
             "cluster this machine is in; local: one of this machine alone"],
        ),
        ("profiles: {a b: {}}", ["line 1: profiles.a b: is not of the form it needs: letters, digits, - and _"]),
        ("profiles: {a: {formt: x}}", ["line 1: profiles.a.formt: is no key of profiles.a; did you mean format?"]),
        ("profiles: {a: {ucs: {source: X}}}", ["line 1: profiles.a.ucs.creator: is missing"]),
        ("profiles: {a: {sign: perhaps}}", ["line 1: profiles.a.sign = perhaps: must be true or false"]),
        ("default_model: 5\ndefault_duration: .nan",
         ["line 1: default_model = 5: must be a text",
          "line 2: default_duration = .nan: must be a number over 0 and up to 300"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_its_mend(written: str, said: list[str], tmp_path: Path) -> None:
    found = told(written, tmp_path)
    assert sorted(found) == sorted(said)


def test_problems_come_in_the_order_of_the_file_one_a_line_for_people(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config_file.write_text("web: {prt: 1}\nengin: 1\ndefault_duration: 0\n")
    with pytest.raises(ConfigError) as caught:
        load(home)
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3]
    first, *rest = caught.value.told.splitlines()
    assert first == f"{home.config_file}: 3 problems" and len(rest) == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "a: [",
            "line 1: not valid YAML: while parsing a flow node expected the node content, but found '<stream end>'",
        ),
        ("audio:\n\tfade_ms: 1", "line 2: not valid YAML: .*; indent with spaces, not with tabs"),
        ("a: b: c", "line 1: not valid YAML: mapping values are not allowed here"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(written: str, said: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config_file.write_text(written)
    with pytest.raises(ConfigError, match=said):
        load(home)


def test_what_an_anchor_takes_over_may_be_set_otherwise(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config_file.write_text("profiles:\n  a: &a {format: wav, bits: 24}\n  b: {<<: *a, bits: 16}\n  c: *a\n")
    assert [profile.bits for profile in load(home).profiles.values()] == [24, 16, 24]


def test_what_holds_itself_is_refused(tmp_path: Path) -> None:
    assert told("profiles: &p\n  a: *p\n", tmp_path)


def test_a_section_whose_keys_are_all_commented_out_is_as_usual(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config_file.write_text("engine:\n  # slots: 4\ninbox:\nname:\nretention:\n  after_d:\n")
    assert load(home) == Config()
