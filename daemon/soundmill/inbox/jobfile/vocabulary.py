"""Inbox: what people and other tools call the settings, and what they set that means nothing here.

Sources of the names: the parameters of MusicGen in transformers and AudioCraft, Stable Audio and AudioLDM in diffusers,
AUTOMATIC1111's web interface, InvokeAI, ComfyUI's nodes, ElevenLabs' sound effects and Suno's form.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from soundmill.words import normal

_SAME = {
    "id": "filename file_name output_filename output_file save_as dateiname nombre_de_archivo nome_file nom_de_fichier "
    "bestandsnaam имя_файла 文件名 檔名 ファイル名 파일명",
    "duration": "length len seconds secs sec duration_target target_duration target_length clip_length clip_duration "
    "audio_length audio_duration audio_end seconds_total music_length music_duration running_time run_time runtime "
    "dauer länge laenge spieldauer durée duree longueur duración duracion longitud durata lunghezza duur lengte "
    "duração duracao czas_trwania süre длительность продолжительность 时长 時長 長さ 再生時間 길이 재생시간",
    "cfg_coef": "cfg cfg_scale guidance guidance_scale cfg_coefficient cfg_value cfg_weight classifier_free_guidance "
    "classifier_free_guidance_scale",
    "temperature": "temp temperatur température temperatura sampling_temperature",
    "top_k": "topk k_top",
    "top_p": "topp nucleus nucleus_p",
    "seed": "random_seed rng_seed noise_seed manual_seed seed_value startwert graine semilla semente seme ziarno "
    "tohum zaad сид зерно 种子 種子 随机种子 シード シード値 시드",
    "count": "batch_size batch_count num_takes takes copies n_iter num_samples num_outputs num_variations variations "
    "num_waveforms_per_prompt number_of_takes number_of_clips num_images_per_prompt anzahl quantity "
    "cantidad quantidade quantità quantité aantal liczba adet количество 数量 個数 수량",
    "model": "model_name model_id model_path modell modèle modelo modello модель 模型 モデル 모델 checkpoint ckpt "
    "ckpt_name",
    "format": "file_format output_format audio_format file_type dateiformat formato формат 格式 形式 형식",
    "melody": "melody_path melody_file melody_audio melodie",
    "continue_from": "init_audio continuation continuation_of audio_to_continue",
}
SAME = {name: field for field, names in _SAME.items() for name in names.split()}

# Columns that hold the prompt in other tools' lists; often labels, so that nobody's words are made by mistake.
_PROMPTS = (
    "text texts description descriptions prompt_text text_prompt prompts caption captions positive "
    "positive_prompt style_prompt style_of_music song_description beschreibung eingabe aufforderung "
    "invite texte texto testo descripción descripcion descrizione descrição opis промпт запрос описание "
    "提示词 提示詞 提示 描述 プロンプト 説明 프롬프트 설명"
)
PROMPTS = frozenset(_PROMPTS.split())

_DIFFUSION = "the models here are not diffusion models and have no such setting; delete the column"
_NO_SUCH = "the models here have no such setting; delete the column"
_SETTLED = "the model settles it; delete the column"
_NOTHING = {
    _DIFFUSION: "steps num_steps num_inference_steps inference_steps sampling_steps sampler sampler_name "
    "sampling_method scheduler schedule_type denoise denoising denoising_strength clip_skip sigma_min sigma_max karras "
    "hires_fix vae refiner lora loras",
    "the models here follow no negative prompt; say in prompt what the clip should have, and delete the column": (
        "negative_prompt negative negativeprompt neg_prompt negative_text exclude_styles excluded_styles"
    ),
    "write the length in seconds in a column duration; 50 tokens are one second": (
        "max_new_tokens max_length min_length min_new_tokens tokens num_tokens n_tokens"
    ),
    "the models always sample; for the likeliest, set temperature to 0, and delete this column": (
        "do_sample use_sampling"
    ),
    "how strictly the clip follows the prompt is cfg_coef here, from 0 to 20; set that and delete this column": (
        "prompt_influence prompt_strength prompt_adherence style_weight"
    ),
    "the models here sing no words; delete the column or call it by another name": "lyrics lyric songtext",
    "every clip here is instrumental; delete the column": "make_instrumental instrumental_only",
    "a job file has one for all its clips; put it at the top of a YAML file, and delete the column": (
        "on_qc_fail clip_name"
    ),
    _SETTLED: "sample_rate samplerate sampling_rate bitrate bit_rate bit_depth",
    _NO_SUCH: "repetition_penalty length_penalty num_beams typical_p min_p no_repeat_ngram_size early_stopping "
    "two_step_cfg extend_stride weirdness audio_weight audio_influence vocal_gender seconds_start",
}
NOTHING = {name: why for why, names in _NOTHING.items() for name in names.split()}

# A unit, and by what a number in it is multiplied to be seconds.
_UNITS = {
    1.0: "s sec secs second seconds sek sekunde sekunden seconde secondes segundo segundos secondi seconden "
    "сек секунд sn saniye 秒 초",
    0.001: "ms msec msecs millisecond milliseconds millis millisekunden мс 毫秒 ミリ秒",
    60.0: "m min mins minute minutes minuten minuti minutos мин dk 分 分钟",
    3600.0: "h hr hrs hour hours stunden",
}
SECONDS = {name: factor for factor, names in _UNITS.items() for name in names.split()}
_OTHERS = "frames frame samples sample tokens token beats beat bars bar measures takte steps ticks"
_OTHER_UNITS = frozenset(_OTHERS.split())
BARS = frozenset({"bar", "bars", "measures", "takte"})
_BRACKETS = re.compile(r"[(\[{<（【]([^()\[\]{}<>（）【】]*)[)\]}>）】]?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MARKS = re.compile(r"[\s_./\\:;,|*#?!\"'–—=-]+")
_LEADS = {"in", "as", "of"}


class Meaning(NamedTuple):
    """What a column's name means: a field, with what its numbers are multiplied by; a refusal; or a name of its own."""

    key: str  # the name without case, units and marks
    field: str | None = None
    factor: float = 1.0
    why_not: str | None = None


def visible(name: str) -> str:
    """Without characters that nobody sees: byte order marks, zero-width and no-break spaces, soft hyphens."""
    if name.isascii():
        return name.strip()
    shown = "".join(c for c in name if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFC", shown).replace("\u00a0", " ").strip()


def meaning(name: str, fields: tuple[str, ...]) -> Meaning:
    """What the name of a column says, `fields` being those there are."""
    shown = visible(name)
    shown = shown if shown.isascii() else unicodedata.normalize("NFKC", shown)
    if normal(shown) in fields:
        return Meaning(normal(shown), normal(shown))
    units = [unit for found in _BRACKETS.findall(shown) if (unit := _unit(_words(found)))]
    words = _words(_BRACKETS.sub(" ", shown))
    key = "_".join(words)
    field = _field(key, fields)
    if field is None and words and (words[-1] in SECONDS or words[-1] in _OTHER_UNITS):
        stem = words[:-1]
        while stem and stem[-1] in _LEADS:
            stem.pop()
        field = _field("_".join(stem), fields)
        if field == "duration":
            units, key = [words[-1], *units], "_".join(stem)
        else:
            field = None
    if field is None and key in SECONDS and len(key) > 3:
        return Meaning(key, "duration", SECONDS[key])  # "milliseconds", "minutes"
    if field is None and key in ("time", "zeit", "tiempo", "temps") and units and units[0] in SECONDS:
        field = "duration"
    if field is None:
        return Meaning(key, why_not=NOTHING.get(key))
    if field == "duration":
        if other := next((unit for unit in units if unit in _OTHER_UNITS), None):
            bars = ", or write the bars in a column bars and the tempo in bpm" if other in BARS else ""
            return Meaning(key, why_not=f"is in {other}; write the duration in seconds{bars}")
        return Meaning(key, field, next((SECONDS[unit] for unit in units if unit in SECONDS), 1.0))
    return Meaning(key, field)


def _words(text: str) -> list[str]:
    return [word for word in _MARKS.split(_CAMEL.sub("_", text).casefold()) if word]


def _unit(words: list[str]) -> str | None:
    """The unit in a bracket: `(s)`, `(in ms)`, `(seconds, at most 30)`; `(min 0.5)` is not minutes."""
    words = words[1:] if words and words[0] in _LEADS else words
    sure = len(words) == 1 or (words and SECONDS.get(words[0]) == 1.0)
    return words[0] if sure and (words[0] in SECONDS or words[0] in _OTHER_UNITS) else None


def _field(key: str, fields: tuple[str, ...]) -> str | None:
    found = key if key in fields else SAME.get(key)
    return found if found in fields else None
