"""The scripts of the review, each by itself in a real browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from publish.conftest import RATE, Home, tone
from soundmill.audio.decode import decode
from soundmill.audio.peaks import peaks


@pytest.fixture(scope="module")
def modules(browser: Browser, mill: tuple[Home, str]) -> Iterator[Page]:
    """A page that can import the modules by their names; each test makes what it needs of them anew."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(mill[1] + "-/soundmill/review?batch=forest")
    page.wait_for_selector(".sm-review:not(.sm-loading)")
    yield page
    page.close()


def unpacked(page: Page, data: bytes) -> Any:
    return page.evaluate(
        """async (text) => {
            const { unpack } = await import("soundmill/peaks");
            const found = unpack(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
            return found && Object.fromEntries(Object.entries(found).map(([k, v]) => [k, v.length ? [...v] : v]));
        }""",
        base64.b64encode(data).decode(),
    )


def test_peaks_are_unpacked_as_they_were_packed(modules: Page) -> None:
    data = peaks(*decode(tone(3.0, 440.0)))
    found = unpacked(modules, data)
    assert bytes(value % 256 for value in found["low"]) == data[12:512]
    assert bytes(value % 256 for value in found["high"]) == data[512:1012]
    assert bytes(found["spectrum"]) == data[1012:]
    assert (found["bands"], found["lowestHz"], found["highestHz"]) == (25, 60, RATE // 2)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x02" + bytes(11), bytes(12), peaks(*decode(tone()))[:-1]])
def test_what_is_none_is_no_picture(modules: Page, data: bytes) -> None:
    assert unpacked(modules, data) is None


def test_peaks_made_in_the_browser_look_like_those_on_record(modules: Page) -> None:
    rate = 48_000  # as the browser decodes, so that nothing is resampled between the two
    time = np.arange(3 * rate) / rate
    sound = (0.5 * np.sin(2 * np.pi * (300 + 800 * time) * time) * np.exp(-time)).astype(np.float32)
    made = modules.evaluate(
        """async ([samples, rate]) => {
            const { compute } = await import("soundmill/peaks");
            const audio = new AudioBuffer({ length: samples.length, sampleRate: rate });
            audio.copyToChannel(Float32Array.from(samples), 0);
            const { low, high, spectrum } = compute(audio, rate / 2);
            return [[...low], [...high], [...spectrum]];
        }""",
        [[float(value) for value in sound], rate],
    )
    ours = np.frombuffer(peaks(sound[None], rate)[12:], np.uint8)
    low, high, spectrum = ours[:500].view(np.int8), ours[500:1000].view(np.int8), ours[1000:]
    assert np.array_equal(made[0], low) and np.array_equal(made[1], high)
    loud = spectrum > 100  # below that it is the rounding of single precision
    assert np.abs(np.asarray(made[2])[loud] - spectrum[loud].astype(int)).max() <= 1


# A daemon that answers when told: `answer(number, state, reason)`; `sent` holds what it was asked.
DAEMON = """
async (script) => {
    const { Marks } = await import("soundmill/marks");
    const world = { sent: [], answers: {}, events: [], fails: null, now: 0, count: 0 };
    const kept = new Map();
    const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
    const make = () => {
        const marks = new Marks({
            storage,
            send: async (wishes) => {
                if (world.fails) throw Object.assign(new Error(world.fails.message), world.fails);
                world.sent.push(...wishes);
                return wishes.map(() => `W${++world.count}`);
            },
            answers: async () => world.answers,
            later: (ms) => { world.now += ms; return new Promise((resolve) => setTimeout(resolve, 1)); },
            now: () => world.now,
        });
        for (const kind of ["refused", "state"]) {
            marks.addEventListener(kind, ({ detail }) => world.events.push([kind, detail]));
        }
        return marks;
    };
    world.settle = async (until) => { while (!until()) await new Promise((resolve) => setTimeout(resolve, 1)); };
    const take = { output_id: 7, audio: "forest/clip-001.wav", job: "clip-001" };
    return new Function("make", "world", "take", `return (async () => { ${script} })()`)(make, world, take);
}
"""


def marked(page: Page, script: str) -> Any:
    return page.evaluate(DAEMON, script)


def test_a_mark_is_shown_at_once_asked_and_then_done(modules: Page) -> None:
    first, asked, done = marked(
        modules,
        """
        const marks = make();
        marks.learn(7, { stars: 2 });
        marks.set(take, "stars", 4);
        const first = marks.of(7);
        await world.settle(() => world.sent.length);
        const asked = marks.of(7);
        world.answers = { W1: { state: "done", reason: null } };
        await world.settle(() => !marks.changes.length);
        return [first, asked, marks.of(7)];
        """,
    )
    assert first["stars"] == asked["stars"] == done["stars"] == 4
    assert first["asked"] == asked["asked"] == ["stars"] and done["asked"] == []


def test_what_is_refused_looks_as_before_and_says_why(modules: Page) -> None:
    events, shown, undone = marked(
        modules,
        """
        const marks = make();
        marks.learn(7, { stars: 2 });
        marks.set(take, "stars", 4);
        world.answers = { W1: { state: "refused", reason: "no such take" } };
        await world.settle(() => !marks.changes.length);
        return [world.events.filter(([kind]) => kind === "refused"), marks.of(7), marks.undo()];
        """,
    )
    assert [(event[1]["reason"], event[1]["change"]["name"]) for event in events] == [("no such take", "clip-001")]
    assert shown["stars"] == 2 and shown["asked"] == [] and undone is None


def test_a_site_that_refuses_everything_is_not_asked_again(modules: Page) -> None:
    reasons, shown = marked(
        modules,
        """
        const marks = make();
        marks.learn(7, {});
        world.fails = { message: "403: not yours to rate", final: true };
        marks.set(take, "rejected", true);
        await world.settle(() => !marks.changes.length);
        return [world.events.filter(([kind]) => kind === "refused").map(([, { reason }]) => reason), marks.of(7)];
        """,
    )
    assert reasons == ["403: not yours to rate"] and shown["rejected"] is False


def test_a_site_that_does_not_answer_is_asked_until_it_does(modules: Page) -> None:
    offline, sent = marked(
        modules,
        """
        const marks = make();
        marks.learn(7, {});
        world.fails = { message: "no network" };
        marks.set(take, "stars", 3);
        await world.settle(() => world.events.some(([kind, detail]) => kind === "state" && detail.offline));
        const offline = marks.of(7);
        world.fails = null;
        world.answers = { W1: { state: "done" } };
        await world.settle(() => !marks.changes.length);
        return [offline, world.sent];
        """,
    )
    assert offline["stars"] == 3
    assert sent == [{"action": "rate", "target": "forest/clip-001.wav", "stars": 3}]


def test_a_daemon_that_is_not_running_is_told_of_and_waited_for_beyond_a_reload(modules: Page) -> None:
    slow, again, sent = marked(
        modules,
        """
        const marks = make();
        marks.learn(7, {});
        marks.set(take, "note", "warm");
        await world.settle(() => world.events.some(([kind, detail]) => kind === "state" && detail.slow));
        const reloaded = make();
        reloaded.learn(7, {});
        const again = reloaded.of(7);
        world.answers = { W1: { state: "done" } };
        await world.settle(() => !reloaded.changes.length && !marks.changes.length);
        return [true, again, world.sent.length];
        """,
    )
    assert slow and again["note"] == "warm" and sent == 1


def test_undo_takes_back_the_latest_and_then_the_one_before(modules: Page) -> None:
    shown, sent, none = marked(
        modules,
        """
        const marks = make();
        marks.learn(7, { stars: null });
        const shown = [];
        marks.set(take, "stars", 4);
        marks.set(take, "picked", true, "best");
        marks.set(take, "picked", true, "best"); // changes nothing
        for (let n = 0; n < 2; n += 1) {
            marks.undo();
            const { stars, picked } = marks.of(7);
            shown.push([stars, picked]);
        }
        const none = marks.undo();
        await world.settle(() => world.sent.length === 4);
        return [shown, world.sent, none];
        """,
    )
    assert shown == [[4, False], [None, False]] and none is None
    target = "forest/clip-001.wav"
    assert sent == [
        {"action": "rate", "target": target, "stars": 4},
        {"action": "pick", "target": target, "shortlist": "best"},
        {"action": "unpick", "target": target, "shortlist": "best"},
        {"action": "rate", "target": target, "stars": None},
    ]


def test_a_line_is_walked_from_its_middle_to_both_ends(modules: Page) -> None:
    places, asked = modules.evaluate(
        """async () => {
            const { Queue } = await import("soundmill/queue");
            const all = Array.from({ length: 250 }, (_, n) => ({ output_id: n + 1 }));
            const asked = [];
            const queue = new Queue(async ({ after, before, at, count }) => {
                asked.push({ after, before, at });
                const start = before ? Math.max(0, before - 1 - 100) : (after ?? (at ? at - 1 : 0));
                const takes = before ? all.slice(start, before - 1) : all.slice(start, start + 100);
                const more = before ? start > 0 : start + 100 < 250;
                return { takes, more, place: (at ?? 1) - 1, total: 250, most_counted: 1e4 };
            });
            const places = [];
            const here = () => places.push([queue.current.output_id, queue.offset + queue.index + 1]);
            await queue.open(125);
            here();
            for (let n = 0; n < 130; n += 1) await queue.step(-1);
            here();
            for (let n = 0; n < 249; n += 1) await queue.step(1);
            here();
            const usual = asked.length;
            places.push(await queue.step(1));
            all.push({ output_id: 251 }); // the batch goes on
            places.push(await queue.step(1));
            here();
            asked.length = usual;
            return [places, asked];
        }"""
    )
    assert places == [[125, 125], [1, 1], [250, 250], False, True, [251, 251]]
    assert len(asked) <= 5


def test_what_is_typed_is_no_key_and_a_focused_button_keeps_its_space(modules: Page) -> None:
    pressed = modules.evaluate(
        """async () => {
            const { listen } = await import("soundmill/keys");
            const place = document.createElement("div");
            place.innerHTML = '<input><button>x</button><p tabindex="0"></p>';
            document.body.append(place);
            const pressed = [];
            const does = (key) => pressed.push(key);
            listen(place, [{ keys: ["j"], does }, { keys: [" "], does },
                           { keys: ["Shift+ArrowLeft"], does: () => does("far") },
                           { keys: ["ArrowLeft"], does }]);
            const press = (on, key, more) => place.querySelector(on).dispatchEvent(
                new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
            press("input", "j"); press("p", "J"); press("p", "j", { ctrlKey: true }); press("button", "j");
            press("button", " "); press("p", " "); press("p", "j", { repeat: true });
            press("p", "ArrowLeft", { shiftKey: true }); press("p", "ArrowLeft");
            return pressed;
        }"""
    )
    assert pressed == ["j", "j", " ", "far", "ArrowLeft"]


def test_a_strip_of_thousands_has_only_what_is_seen_in_the_page(modules: Page) -> None:
    counts = modules.evaluate(
        """async () => {
            const { Strip } = await import("soundmill/strip");
            const list = document.createElement("div");
            list.style.cssText = "height:300px;overflow:auto;position:fixed;top:0;left:0;width:200px";
            list.innerHTML = '<ol style="position:relative"></ol>';
            document.body.append(list);
            const strip = new Strip(list, { rowHeight: 50, near: () => {}, row: (take) => {
                const row = document.createElement("button");
                row.textContent = take;
                return row;
            } });
            strip.show(Array.from({ length: 5000 }, (_, n) => n), { added: 0, offset: 0, total: 5000 });
            const counts = [list.querySelectorAll("button").length];
            strip.reveal(4000);
            await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
            const rows = [...list.querySelectorAll("button")].map((row) => Number(row.textContent));
            return [...counts, rows.length, rows.includes(4000), rows.every((n, i) => !i || n > rows[i - 1])];
        }"""
    )
    assert counts[0] <= 20 and counts[1] <= 30 and counts[2:] == [True, True]


def test_decoded_takes_stay_within_the_memory_that_is_given(modules: Page) -> None:
    used, heard, following, least = json.loads(
        modules.evaluate(
            """async () => {
                const { Player } = await import("soundmill/player");
                const fetchAudio = async () => {
                    const answer = await fetch(new URL("/-/soundmill/audio/forest/clip-012.wav", location.href));
                    return answer.arrayBuffer(); // 6 s: 1.15 MB at 48 kHz
                };
                const player = new Player({ fetchAudio, budget: 4e6 });
                for (let n = 0; n < 8; n += 1) {
                    await player.select(`take ${n}`, { play: false });
                    await player.prefetch([1, 2, 3].map((ahead) => `take ${n + ahead}`));
                }
                const small = new Player({ fetchAudio, budget: 1 });
                await small.select("a", { play: false });
                await small.prefetch(["b", "c"]);
                const [heard, next] = ["take 7", "take 8"].map((url) => player.kept.has(url));
                return JSON.stringify([player.used(), heard, next, [...small.kept.keys()]]);
            }"""
        )
    )
    assert used <= 4e6 and heard and following
    assert least == ["a", "b"]  # even where they alone are too much


def test_what_was_found_and_failed_no_check_is_marked_without_alarm(modules: Page) -> None:
    """A note, as of a flat top that is allowed, lies over no sound; what made a check fail does."""
    shown = modules.evaluate(
        """async () => {
            const { Picture } = await import("soundmill/drawing");
            const element = document.createElement("div");
            element.className = "sm-wave";
            document.querySelector(".sm-review").append(element);
            const at = { start_s: 0, end_s: 1, detail: "" };
            const defects = [{ name: "images", ...at }, { name: "clipping", ...at }, { name: "clicks_before", ...at }];
            const take = { duration_s: 2, defects, failed_checks: "clipping, silence" };
            new Picture(element, { seek() {} }).show(take, null);
            return [...element.querySelectorAll(".sm-wave-mark")].map((mark) => {
                const { backgroundColor, borderTopColor } = getComputedStyle(mark);
                return [mark.title.split(":")[0], backgroundColor === "rgba(0, 0, 0, 0)", borderTopColor];
            });
        }"""
    )
    assert [(name, clear) for name, clear, _ in shown] == [
        ("images", True), ("clipping", False), ("clicks before", True)
    ]  # fmt: skip
    assert len({line for _, _, line in shown}) == 3
