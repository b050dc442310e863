"""A YAML file that is nearly right is refused with the line, the mark and the mend; one that is right stays so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from soundmill.errors import InvalidJobFile
from soundmill.inbox.jobfile.cells import Wrong, read_prompt
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs

# By kind: file, and for each problem its line and a part of its words.
COMMENTS = [
    ("jobs:\n- organ in F # major\n", [(2, '"organ in F # major"')]),
    ("jobs:\n- prompt: take #2 of the waltz\n- calm\n", [(2, '"take #2 of the waltz"')]),
    ("jobs:\n- #5 on the charts\n- calm\n", [(2, '"#5 on the charts"')]),
    ("jobs:\n- prompt: calm\n  scene: hall #7\n  note: #3\n", [(3, '"hall #7"'), (4, '"#3"')]),
    ("template: 'a piece in {key}'\nvariables:\n  key:\n  - C # major\n  - D\n", [(4, '"C # major"')]),
    ("template: waltz in C # major\nexperiment:\n  factors: {top_k: [1, 2]}\n", [(1, '"waltz in C # major"')]),
    ("name: set #4\njobs: [calm]\n", [(1, '"set #4"')]),
    ("jobs: [D # minor, calm]\n", [(1, '"D # minor"')]),
    ("jobs:\n- horns in B # flat\n  and strings\n", [(2, '"horns in B # flat"')]),
    ("jobs:\n- prompt: calm\n  id: cue #9\n", [(3, '"cue #9"')]),
    ("defaults:\n  prompt: drums # 1\njobs: [calm]\n", [(2, '"drums # 1"')]),
]
MARKS = [
    ("jobs:\n- *soft* rain\n- **loud** rain\n", [(2, '"*soft* rain"'), (3, '"**loud** rain"')]),
    ("jobs:\n- prompt: &co band\n", [(2, '"&co band"')]),
    ("jobs:\n- prompt: calm\n  owner: @maria\n- `rain`\n", [(3, '"@maria"'), (4, '"`rain`"')]),
    ("jobs:\n- 100% wind\n- %wind\n", [(3, '"%wind"')]),
    (
        "jobs:\n- [verse] slow strings\n- {soft} strings\n",
        [(2, '"[verse] slow strings"'), (3, '"{soft} strings"'), (3, "nothing fills")],
    ),
    ("jobs:\n- !important rain\n- ! rain\n", [(2, '"!important rain"'), (3, '"! rain"')]),
    ("jobs:\n- |rain|\n- > 120 bpm\n", [(2, '"|rain|"'), (3, '"> 120 bpm"')]),
    ("jobs:\n- ? who knows\n", [(2, '"? who knows"')]),
    ("jobs:\n- ,rain\n- ]rain\n- }rain\n", [(2, "a comma"), (3, "starts with ]"), (4, "starts with }")]),
    ("name: *mine\njobs: [calm]\n", [(1, "aliases (*name) are not allowed")]),
    ("jobs: [*soft* rain, calm]\n", [(1, "starts with *")]),
]
SPACES = [
    ("jobs:\n\u00a0\u00a0- calm\n\u00a0\u00a0- rain\n", [(2, "U+00A0"), (3, "U+00A0")]),
    ("jobs:\n- prompt:\u00a0calm\n  duration:\u00a02\n", [(2, "after prompt:"), (3, "after duration:")]),
    ("jobs:\n-\u00a0calm\n-\u00a0rain\n", [(2, "after -"), (3, "after -")]),
    ("jobs:\n- prompt: calm\n \u00a0duration: 2\n", [(3, "in the indentation")]),
    ("jobs:\n\u3000- calm\n", [(2, "U+3000")]),
    ("defaults:\n\u202f duration: 2\njobs: [calm]\n", [(2, "U+202F")]),
    ("jobs:\n\u200b - calm\n", [(2, "invisible character (U+200B)")]),
    ("jobs:\n\t- calm\n", [(2, "tab")]),
    ("jobs:\n- prompt: calm\n\tduration: 2\n", [(3, "tab")]),
]
HYPHENS = [
    ("jobs:\n -calm\n -rain\n -wind\n", [(2, "write - calm"), (3, "write - rain"), (4, "write - wind")]),
    ("jobs:\n-calm\n", [(2, "write - calm")]),
    ("jobs:\n- calm\n-rain\n", [(3, "write - rain")]),
    ("jobs:\n  - calm\n    -rain\n", [(3, "write - rain")]),
    ("jobs:\n– calm\n– rain\n", [(2, "not with –"), (3, "not with –")]),
    ("jobs:\n  • calm\n  • rain\n", [(2, "not with •"), (3, "not with •")]),
    ("jobs:\n* calm\n* rain\n", [(2, "not with *"), (3, "not with *")]),
    ("template: '{a}'\nvariables:\n  a:\n    -calm\n    -rain\n", [(4, "write - calm"), (5, "write - rain")]),
    ("jobs:\n- calm\n    - rain\n", [(3, "more of the text above")]),
]
COLONS = [
    ("jobs:\n- prompt:calm\n", [(2, "write prompt: calm")]),
    ("jobs:\n- prompt: calm\n  duration:2\n  scene:hall\n", [(3, "write duration: 2"), (4, "write scene: hall")]),
    ("name:rain\njobs: [calm]\n", [(1, "write name: rain")]),
    ("jobs:\n- prompt：calm\n", [(2, "： is no colon")]),
    ("jobs:\n- prompt: calm\n  duration = 2\n", [(3, "write duration: 2")]),
    ("jobs\n- calm\n", [(1, "after jobs")]),
    ("jobs:\n- prompt: storm: far\n", [(2, '"storm: far"')]),
    ("jobs:\n- storm: far\n", [(2, "put a prompt that contains a colon in quotes")]),
    ("jobs:\n- storm:\n", [(2, "put a prompt with a colon")]),
    ("jobs:\n- prompt: calm\n    duration:2\n", [(3, "write duration: 2"), (3, "start in the same column")]),
]
QUOTES = [
    ('jobs:\n- prompt: calm\n  note: "D:\\cues\\m1"\n', [(3, "'D:\\cues\\m1'")]),
    ('jobs:\n- prompt: calm\n  note: "D:\\users\\m1"\n', [(3, "'D:\\users\\m1'")]),
    ('jobs:\n- "a 50\\% louder rain"\n', [(2, "\\%")]),
    ('jobs:\n- prompt: calm\n  melody: "D:\\new\\take.wav"\n', [(3, "in single quotes")]),
    ('jobs:\n- "soft" rain\n- "hard"\n', [(2, "'\"soft\" rain'")]),
    ("jobs:\n- 'it's raining'\n", [(2, '"it\'s raining"')]),
    ('jobs:\n- "calm",\n- "rain",\n', [(2, "delete it"), (3, "delete it")]),
    ("jobs:\n- “calm, slow”\n- „leise: Harfe“\n", [(2, '"calm, slow"'), (3, '"leise: Harfe"')]),
    ("jobs: [“calm, slow”, rain]\n", [(1, "“ is no quotation mark"), (1, "” is no quotation mark")]),
    ("name: «rain»\njobs: [calm]\n", [(1, '"rain"')]),
    ('jobs:\n- "calm\n- rain\n', [(2, "never closed")]),
]
STRUCTURE = [
    ("jobs:\n- prompt: calm\n    duration: 2\n", [(3, "start in the same column")]),
    ("jobs:\n  - prompt: calm\n   duration: 2\n", [(3, "start in the same column")]),
    ("jobs:\n  - calm\n - rain\n", [(3, "start in the same column")]),
    ("jobs:\n- calm\n  duration: 2\n", [(3, "- prompt: calm")]),
    ("jobs: [calm\n  rain]\n", [(2, "put a comma between them")]),
    ("jobs: [calm,, rain]\n", [(1, "nothing stands between")]),
    ("```yaml\njobs:\n- calm\n```\n", [(1, "Markdown"), (4, "Markdown")]),
    ("prompt,duration\ncalm,2\n", [(1, ".csv")]),
    ("prompt;scene\ncalm;a\n", [(1, ".csv")]),
    ("jobs: [calm]\n---\njobs: [rain]\n", [(2, "second document")]),
    ("jobs:\n- prompt: calm\n  prompt: rain\n", [(3, "given twice")]),
    ("jobs:\n- prompt: calm\n  intro: no\n  on: off\n", [(3, '"no"'), (4, '"off"')]),
]
PLACEHOLDERS = [
    ("jobs:\n- '{style} drums'\n", [(2, "write the prompt as template and list what style may be under variables")]),
    ("jobs:\n- prompt: '{mood} and {style}'\n  mood: calm\n", [(2, "nothing fills {style}")]),
    ("jobs:\n- '{fast|slow} drums'\n", [(2, "{mood: [fast, slow]}")]),
    ("jobs:\n- prompt: __weather__ rain\n  duration: 2\n", [(2, "variables: {weather: [calm, tense]}")]),
    ("jobs:\n- __moods/dark__ rain\n", [(2, "__moods/dark__")]),
    ("template: '{fast|slow} {a}'\nvariables: {a: [x]}\n", [(1, "{fast|slow}")]),
    ("experiment: {prompt: __a__ x, factors: {top_k: [1]}}\n", [(1, "__a__")]),
    ("defaults: {prompt: '{mood} rain'}\njobs:\n- {mood: calm}\n- {scene: a}\n", [(4, "nothing fills {mood}")]),
]
KINDS = {
    "comments": COMMENTS,
    "marks": MARKS,
    "spaces": SPACES,
    "hyphens": HYPHENS,
    "colons": COLONS,
    "quotes": QUOTES,
    "structure": STRUCTURE,
    "placeholders": PLACEHOLDERS,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [pytest.param(*case, id=f"{kind}-{n}") for kind, v in KINDS.items() for n, case in enumerate(v)],
)
def test_a_slip_is_told_with_its_line_its_mark_and_its_mend(
    text: str, expected: list[tuple[int, str]], rules: Rules
) -> None:
    """And nothing else is: no problem that only follows from the first."""
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(text.encode(), "file.yaml", rules)
    told = [(problem.line, str(problem)) for problem in refused.value.problems]
    assert [line for line, _ in told] == [line for line, _ in expected], told
    for (_, message), (_, part) in zip(told, expected, strict=True):
        assert part in message


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_slips_of_all_kinds_are_told_at_once(ending: str, rules: Rules) -> None:
    lines = [
        "\ufeffjobs:",
        "- *soft* rain",
        "- waltz in C # major",
        "- prompt:calm",
        "- `drums`",
        '- prompt: "D:\\music"',
        "  scene:hall",
        "  duration: long",
        "-flute",
        "- [verse] slow",
    ]
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(ending.join(lines).encode(), "file.yaml", rules)
    assert [problem.line for problem in refused.value.problems] == [2, 3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("jobs:\n# a comment\n- calm\n  # another\n- rain\n", ["calm", "rain"]),
        ("jobs: # the list\n- prompt: calm C#\n  duration: 2 # seconds\n  model: tiny  # small\n", ["calm C#"]),
        ('jobs:\n- "calm # slow" # quoted\n', ["calm # slow"]),
        ("jobs: [calm, rain,]\n", ["calm", "rain"]),
        ("jobs:\r\n- calm\r\n- rain\r\n", ["calm", "rain"]),
        ("\ufeffjobs:\n- calm\n", ["calm"]),
        ("---\njobs:\n- calm\n...\n", ["calm"]),
        ("jobs:\n- prompt: rain, then\n    wind\n", ["rain, then wind"]),
        ("jobs:\n- >\n  - calm\n  - *soft*\n- |\n  prompt:calm # x\n", ["- calm - *soft*", "prompt:calm # x"]),
        ("jobs:\n- “Blue” style, -5 dB, 50% wet, a|b, it's\n", ["“Blue” style, -5 dB, 50% wet, a|b, it's"]),
        ("jobs:\n- genre:jazz mood:calm\n- - \n", None),
        ("jobs:\n- prompt: '{style} {{drums}} { {2}'\n  style: 80s\n", ["80s {drums} { {2}"]),
        ("defaults: {prompt: '{Mood} rain'}\njobs:\n- {mood: calm}\n- {mood: wild}\n", ["calm rain", "wild rain"]),
        ("jobs:\n- prompt: rain __ wind, snake_case, __init\n", ["rain __ wind, snake_case, __init"]),
        ('{"jobs": [\n  {"prompt": "calm", "duration": 2},\n  "rain"\n]}\n', ["calm", "rain"]),
        ("defaults:\n  priority:\n    -3\njobs: [calm]\n", ["calm"]),
        ("jobs:\n- prompt: see http://example.org\n- a:b\n", ["see http://example.org", "a:b"]),
        ("\u200bjobs:\n- calm\n", ["calm"]),
    ],
)
def test_what_is_right_is_made(text: str, prompts: list[str] | None, rules: Rules) -> None:
    if prompts is None:
        with pytest.raises(InvalidJobFile):
            read_jobs(text.encode(), "file.yaml", rules)
        return
    assert [job.prompt for job in read_jobs(text.encode(), "file.yaml", rules).jobs] == prompts


prompts_typed = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}_\u2028\u2029\ufeff\u0085"), max_size=150
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(prompts_typed | st.text(" -:#'\"&*!|>%@`,?[]abc\u00a0“”«–：=", max_size=120), min_size=1, max_size=4),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.booleans(),
    st.sampled_from([True, False, None]),
    st.sampled_from([80, 100, 4000]),
    st.booleans(),
)
def test_a_text_that_a_program_writes_arrives_unchanged(
    rules_2000: Rules, texts: list[str], style: str | None, letters: bool, flow: bool | None, width: int, mapped: bool
) -> None:
    """Or is refused, where a person may have meant something else by it; it never becomes another text."""
    wanted = []
    for text in texts:
        try:
            wanted.append(read_prompt(text))
        except Wrong:
            assume(False)
    jobs = [{"prompt": text} for text in texts] if mapped else texts
    written = yaml.safe_dump(
        {"jobs": jobs}, default_style=style, allow_unicode=letters, default_flow_style=flow, width=width
    )
    try:
        found = [job.prompt for job in read_jobs(written.encode(), "any.yaml", rules_2000).jobs]
    except InvalidJobFile as refused:
        # only an unquoted text can be taken for a slip, and only one with these marks
        assert style is None
        told = " ".join(problem.message for problem in refused.problems)
        marked = set("\u00a0“”«–：=") | set("-:")
        assert any(set(text) & marked or not text.isascii() for text in texts), told
        return
    assert found == wanted


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.text(
            st.characters(codec="latin-1", exclude_categories=["Cc"], exclude_characters="{}_\u00a0«»"),
            min_size=1,
            max_size=150,
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.booleans(),
)
def test_a_text_in_latin_letters_is_never_refused(
    rules_2000: Rules, texts: list[str], style: str | None, mapped: bool
) -> None:
    texts = [f"a {text} z" for text in texts]
    jobs = [{"prompt": text} for text in texts] if mapped else texts
    written = yaml.safe_dump({"jobs": jobs}, default_style=style, allow_unicode=True)
    assert [job.prompt for job in read_jobs(written.encode(), "any.yaml", rules_2000).jobs] == [
        *map(read_prompt, texts)
    ]


@pytest.fixture(scope="session")
def rules_2000(rules_with: Callable[..., Rules]) -> Rules:
    return rules_with(Path("/nonexistent"), max_jobs=2000)


@pytest.mark.parametrize(
    "text",
    [
        "jobs:\n" + "- *x* y\n" * 20_000,
        "jobs:\n" + "-x\n" * 20_000,
        "jobs:\n" + "\u00a0- x\n" * 20_000,
        "jobs:\n- a" + " " * 200_000 + "b: c: d\n",
        "jobs:\n- '" + "it's " * 40_000,
        "jobs: [" + "," * 100_000,
        "jobs:\n-： a: [b 'c' 'd'\n- \\c\n",
    ],
)
def test_a_file_full_of_slips_is_refused_in_no_time(text: str, rules: Rules) -> None:
    started = time.process_time()
    with pytest.raises(InvalidJobFile) as refused:
        read_jobs(text.encode(), "file.yaml", rules)
    assert time.process_time() - started < 2
    assert all(str(problem).isprintable() for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("key", "why"),
    [("steps", "diffusion"), ("on_qc_fail", "top of a YAML file"), ("clip_name", "for all its clips"),
     ("negative_prompt", "negative prompt"), ("Sampler", "diffusion"),
     ("do_sample", "temperature"), ("lyrics", "sing")],
)  # fmt: skip
def test_what_other_tools_have_and_the_models_here_do_not_is_refused(key: str, why: str, rules: Rules) -> None:
    with pytest.raises(InvalidJobFile) as caught:
        read_jobs(f"jobs:\n  - {{prompt: harp, {key}: 20}}\n".encode(), "a.yaml", rules)
    (problem,) = caught.value.problems
    assert problem.line == 2 and problem.field == key and why in problem.message and "column" not in problem.message
