"""The codec: AudioCraft's EnCodec (SEANet and residual vector quantiser), begun in closed form, then trained.

Gradient descent from random weights spends most of its time on finding a filterbank. So the weights start as
one: the encoder's strided convolution is a modulated lapped transform (MDCT: J. Princen, A. Johnson, A. Bradley,
ICASSP 1987), its other layers stack four of its frames into one latent vector, ELU is kept in its linear part by a
bias of one, and the decoder is the inverse. Two channels carry the energy of the bands above the transform's, read
by rectifying; there the decoder plays bursts of noise. The same ones in every latent frame would buzz at the frame
rate, so their signs change: each codebook entry carries a few random ones, in coordinates that the encoder leaves at
zero, and a burst's sign is the product of two entries'. The codebooks are k-means of the residuals. From there only
the decoder is trained, so the tokens stay what they are and the language model can learn beside it.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recipe import corpus, settings
from recipe.progress import Curves, Progress, learning_rate, read, save, write_curve
from recipe.settings import TINY, Settings
from torch import Tensor

STRIDE = TINY.ratios[-1]  # samples between two frames of the transform
STACK = math.prod(TINY.ratios[:-1])  # frames of the transform in one latent vector
CHANNELS = 2 * TINY.filters  # of the decoder at the transform's rate
ENERGIES = 2  # each with a burst of noise in a frame of the transform
GATES = ((1, 1), (-1, -1), (1, -1), (-1, 1))  # the two signs of a burst that each of its four channels waits for
COSINES = CHANNELS - len(GATES) * ENERGIES - 1  # the lowest coefficients; then the gates, and a constant
PER_FRAME = COSINES + ENERGIES
MEANING = STACK * PER_FRAME  # coordinates of a latent that the encoder fills; the signs come after
SIGNS = 2 * STACK * ENERGIES
# Which codebook has the first and the second sign of each energy's bursts. The first codebook has none: noise
# uses one or two of its entries.
SIGN_BOOKS = ((2, 3), (1, 3))
SIGN = 1 / 16  # what a sign is in a codebook: as every entry's are as large, they favour none
GATE_GAIN = 50.0  # ELU of this much is near a rectifier
GATE_SHUT = 4.0  # more than half of any energy
SCALE = 8.0  # brings coefficients below one, where ELU of one more is linear
RECTIFIER = 200.0  # gain before the rectifier: ELU(u) + ELU(-u) is near |u| for large u
ENERGY_WEIGHT = 0.05  # of the energies beside the coefficients in the quantiser's distance
BANDS = ((2_700.0, 4_500.0), (4_500.0, 8_000.0))  # Hz, of the two energies
SLOPE = 4.5  # of the bursts' spectrum within a band, as an exponent of frequency: 27 dB per octave
RESOLUTIONS = (2048, 512, 128)


def build() -> Any:
    """A codec of the configured shape, with random weights."""
    from audiocraft.models import builders
    from omegaconf import OmegaConf

    return builders.get_compression_model(OmegaConf.create(settings.codec_config()))


def transform() -> Tensor:
    """The MDCT's COSINES lowest basis functions with its sine window [COSINES, 2 × STRIDE]."""
    n, k = torch.arange(2 * STRIDE).double() + 0.5, torch.arange(COSINES).double()[:, None] + 0.5
    window = math.sqrt(2 / STRIDE) * torch.sin(math.pi * n / (2 * STRIDE))
    return (window * torch.cos(math.pi / STRIDE * (n + STRIDE / 2) * k)).float()


def _band(low_hz: float, high_hz: float) -> Tensor:
    """Seven taps of a linear-phase band-pass (Hann-windowed difference of sincs)."""
    n = torch.arange(-3, 4).double()
    low, high = 2 * low_hz / settings.SAMPLE_RATE, 2 * high_hz / settings.SAMPLE_RATE
    taps = (high * torch.sinc(high * n) - low * torch.sinc(low * n)) * torch.hann_window(9, periodic=False)[1:-1]
    return (taps - taps.mean()).float()


def _convolutions(network: Any) -> list[Any]:
    """The plain and transposed convolutions of a SEANet that are no residual block's, in order."""
    found = []
    for module in network.model:
        inner = getattr(module, "conv", None) or getattr(module, "convtr", None)
        if inner is not None:
            found.append(getattr(inner, "conv", None) or inner.convtr)
    return found


def initialise(codec: Any) -> None:
    """Set the closed form of the module's docstring; the codebooks come after, by `learn_codebooks`."""
    basis = transform()
    with torch.no_grad():
        _initialise_encoder(_convolutions(codec.encoder), basis)
        _initialise_decoder(codec.decoder, basis)


def _initialise_encoder(layers: list[Any], basis: Tensor) -> None:
    first, filterbank, *stacks, last = layers
    for layer in layers:
        layer.weight.zero_()
        layer.bias.zero_()
    first.weight[0, 0, 3], first.bias[0] = 1, 1  # channel 0 is the signal, lifted by one
    for band, edges in enumerate(BANDS):
        first.weight[1 + 2 * band, 0] = RECTIFIER * _band(*edges)
        first.weight[2 + 2 * band, 0] = -RECTIFIER * _band(*edges)
    filterbank.weight[:COSINES, 0] = basis / SCALE
    mean = torch.hann_window(2 * STRIDE) / STRIDE
    for band in range(ENERGIES):
        filterbank.weight[COSINES + band, 1 + 2 * band : 3 + 2 * band] = ENERGY_WEIGHT * mean
    filterbank.bias.copy_(1 - filterbank.weight[:, 0].sum(1))
    width = PER_FRAME
    for stack in stacks:  # each puts two frames side by side
        one = torch.eye(width)
        stack.weight[:width, :width, 1] = one
        stack.weight[width : 2 * width, :width, 2] = one
        width *= 2  # the lift of one passes on: its weights sum to one
    last.weight[:width, :width, 0] = torch.eye(width)
    last.bias[:width] = -1


def _initialise_decoder(network: Any, basis: Tensor) -> None:
    first, *stacks, filterbank, last = _convolutions(network)
    for layer in (first, *stacks):
        torch.nn.init.normal_(layer.weight, std=1e-3)
        layer.bias.zero_()
    first.bias[:] = 1
    constant = CHANNELS - 1
    gain = torch.ones(CHANNELS)  # taken back after the first ELU
    gain[COSINES:constant] = GATE_GAIN
    for frame in range(STACK):
        # Where the stacks below take the channels of this frame from.
        for channel in range(COSINES):
            first.weight[frame * CHANNELS + channel, frame * PER_FRAME + channel, 3] = 1
        first.weight[frame * CHANNELS + constant] = 0
        # A gate for the signs s, t lets the energy e through: relu(e + GATE_SHUT·(s·first + t·second - 2)).
        for band, (number, signs) in itertools.product(range(ENERGIES), enumerate(GATES)):
            gate = frame * CHANNELS + COSINES + number * ENERGIES + band
            first.weight[gate] = 0
            first.weight[gate, frame * PER_FRAME + COSINES + band, 3] = GATE_GAIN
            for place, sign in zip(_sign_places(frame, band), signs, strict=True):
                first.weight[gate, place, 3] = sign * GATE_GAIN * GATE_SHUT / SIGN
            first.bias[gate] = -2 * GATE_GAIN * GATE_SHUT - 1  # one: what the shut gate's ELU goes below zero
    width = CHANNELS * STACK
    for stack in stacks:
        width //= 2
        # What is not zero must pass on neither the lift nor what comes magnified.
        lifted = (gain == 1).repeat(2 * width // CHANNELS)
        stack.weight[~lifted] = 0
        stack.weight[lifted] -= stack.weight[lifted].mean(0, keepdim=True)
        one = torch.diag(1 / gain.repeat(width // CHANNELS))
        stack.weight[:width, :width, 1] += one
        stack.weight[width : 2 * width, :width, 2] += one
        stack.bias[:width] = (gain > 1).float().repeat(width // CHANNELS)
        gain = torch.ones(CHANNELS)
    noises = _noises(torch.Generator().manual_seed(7))
    kernels = torch.cat([SCALE * basis, *(s * t * noises for s, t in GATES)])
    torch.nn.init.normal_(filterbank.weight, std=0.05)
    filterbank.bias.zero_()
    filterbank.weight[:constant, 0] = kernels
    filterbank.weight[constant, 0] = -kernels.sum(0)  # the lift of all the others, taken back
    filterbank.bias[0] = 1
    torch.nn.init.normal_(last.weight, std=1e-3)
    last.weight[0, 0, 3] = 1
    last.bias[:] = -last.weight[:, 0].sum()
    for module in network.model:
        if hasattr(module, "block"):  # a residual block begins as the identity
            end = module.block[-1].conv.conv
            end.weight.zero_()
            end.bias.zero_()


def _noises(generator: torch.Generator) -> Tensor:
    """Kernels [ENERGIES, 2 × STRIDE]: bursts of noise in the bands of the energies.

    There is one for each band, so a hole in its spectrum is heard as a hole in all noise: the spectrum is smoothed and
    the burst windowed, in turn.
    """
    size = 2 * STRIDE
    f = torch.fft.rfftfreq(4 * size, 1 / settings.SAMPLE_RATE)
    window = torch.sin(math.pi * (torch.arange(size) + 0.5) / size)
    kernels = []
    for low, high in BANDS:
        # As sound does, it falls towards the top: what is flat there is white noise to the ear and to the checks.
        inside = ((f > low) & (f < min(high, 7_500))).float() * (f.clamp(min=low) / low) ** -SLOPE
        burst = torch.randn(size, generator=generator) * window
        for _ in range(100):
            phase = torch.fft.rfft(burst, 4 * size).angle()
            burst = torch.fft.irfft(torch.polar(inside, phase), 4 * size)[:size] * window.sqrt()
        burst = burst / burst.square().mean().sqrt() * math.sqrt(0.5)
        kernels.append(burst * 1.2 / (RECTIFIER * ENERGY_WEIGHT))  # an energy is about that times mean |x|
    return torch.stack(kernels)


def learn_codebooks(codec: Any, sounds: Tensor, seed: int) -> None:
    """K-means of the encoder's latents, then of what is left, for each codebook in turn. `sounds` [clips, 1, time]."""
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        left = (
            torch.cat([codec.encoder(some) for some in torch.split(sounds, 20)])
            .permute(0, 2, 1)
            .reshape(-1, TINY.codec_dim)
        )
        left = left[torch.randperm(len(left), generator=generator)[:60_000]]
        for layer in codec.quantizer.vq.layers:
            centres = _k_means(left, TINY.cardinality, generator)
            left = left - centres[_nearest(left, centres)]
            book = layer._codebook
            book.embed.copy_(centres)
            book.embed_avg.copy_(centres)
            book.cluster_size.fill_(1)
            book.inited.fill_(1)
    give_signs(codec, seed)


def _sign_places(frame: int, band: int) -> tuple[int, int]:
    """The coordinates of a latent that hold the two signs of a burst."""
    first = MEANING + 2 * (frame * ENERGIES + band)
    return first, first + 1


def give_signs(codec: Any, seed: int) -> None:
    """Draw the codebooks' signs; which entry is nearest does not depend on them."""
    generator = torch.Generator().manual_seed(seed)
    books = [layer._codebook.embed for layer in codec.quantizer.vq.layers]
    with torch.inference_mode():
        for book in books:
            book[:, MEANING:] = 0
        for frame, band in itertools.product(range(STACK), range(ENERGIES)):
            for number, place in zip(SIGN_BOOKS[band], _sign_places(frame, band), strict=True):
                books[number][:, place] = SIGN * (torch.randint(0, 2, (TINY.cardinality,), generator=generator) * 2 - 1)


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    return (centres.square().sum(1) - 2 * points @ centres.T).argmin(1)


def _k_means(points: Tensor, count: int, generator: torch.Generator, rounds: int = 15) -> Tensor:
    centres = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(rounds):
        members = _nearest(points, centres)
        sizes = torch.bincount(members, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, members, points)
        strays = points[torch.randint(0, len(points), (count,), generator=generator)]
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], strays)
    return centres


def spectral_distance(made: Tensor, real: Tensor) -> Tensor:
    """Mean over resolutions of the L1 distance of magnitudes, relative to their mean, and of log magnitudes."""
    total = made.new_zeros(())
    for size in RESOLUTIONS:
        window = torch.hann_window(size)
        a, b = (
            torch.view_as_real(torch.stft(x, size, size // 4, window=window, return_complex=True, normalized=True))
            .square()
            .sum(-1)
            .add(1e-7)
            .sqrt()
            for x in (made, real)
        )
        total = total + (a - b).abs().mean() / b.mean() + 0.5 * (a.add(2e-3).log() - b.add(2e-3).log()).abs().mean()
    return total / len(RESOLUTIONS)


def repeating(sounds: Tensor, period: int) -> Tensor:
    """The part [B, period] of `sounds` [B, time] that is the same in every period: of noise, what buzzes."""
    return sounds[:, : sounds.shape[1] // period * period].unflatten(1, (-1, period)).mean(1)


def signal_to_noise_db(made: Tensor, real: Tensor) -> float:
    """SNR in dB over all samples together."""
    return float(10 * torch.log10(real.square().sum() / (made - real).square().sum()))


def begin(chosen: Settings, work: Path) -> Path:
    """The codec in its closed form, with its codebooks; returns its file."""
    file = work / "codec.pt"
    if file.exists():
        return file
    torch.manual_seed(chosen.seed)
    codec = build().eval()
    initialise(codec)
    sounds = corpus.sounds(chosen, work, range(chosen.codebook_clips))
    learn_codebooks(codec, sounds, chosen.seed)
    with torch.inference_mode():
        test = corpus.sounds(chosen, work, range(chosen.clips - 20, chosen.clips))
        exact = codec.decoder(codec.encoder(test))[..., : test.shape[2]]
        coded = codec(test).x
        distance = float(spectral_distance(coded[:, 0], test[:, 0]))
        print(
            f"codec in closed form: {signal_to_noise_db(exact, test):.1f} dB without the quantiser, "
            f"{signal_to_noise_db(coded, test):.2f} dB with it, spectral distance {distance:.3f}"
        )
    save(file, {"codec": codec.state_dict()})
    return file


def begun(file: Path) -> Any:
    """The codec in `file`, as `begin` left it, ready to use."""
    state = read(file)
    assert state is not None
    codec = build()
    codec.load_state_dict(state["codec"])
    return codec.eval()


def decode(decoder: Any, latents: Tensor) -> Tensor:
    """What `decoder(latents)` gives, its long transposed convolution as a product: half the time on a CPU."""
    last = [module for module in decoder.model if hasattr(module, "convtr")][-1]
    x = latents
    for module in decoder.model:
        x = _synthesise(module.convtr.convtr, x) if module is last else module(x)
    return x


def _synthesise(layer: Any, x: Tensor) -> Tensor:
    """A transposed convolution whose kernel is two strides long, its border trimmed as SEANet does."""
    width, out, size = layer.weight.shape
    batch, _, frames = x.shape
    parts = (x.transpose(1, 2).reshape(batch * frames, width) @ layer.weight.reshape(width, out * size)).view(
        batch, frames, out, 2, size // 2
    )
    none = parts.new_zeros(batch, 1, out, size // 2)
    y = torch.cat([parts[:, :, :, 0], none], dim=1) + torch.cat([none, parts[:, :, :, 1]], dim=1)
    y = y.transpose(1, 2).reshape(batch, out, (frames + 1) * size // 2)[..., size // 4 : -(size // 4)]
    return torch.add(y, layer.bias[None, :, None])


def _groups(decoder: Any) -> list[dict[str, Any]]:
    """Parameters with their share of the learning rate.

    What lies before the filterbank is magnified by it: there the same step moves the sound a hundred times as far.
    """
    layers = list(decoder.model)
    filterbank = max(place for place, module in enumerate(layers) if hasattr(module, "convtr"))
    parts = (layers[:filterbank], 0.02), (layers[filterbank : filterbank + 1], 0.3), (layers[filterbank + 1 :], 1.0)
    return [{"params": [p for module in some for p in module.parameters()], "share": share} for some, share in parts]


def train_decoder(chosen: Settings, work: Path) -> Path:
    """Train the decoder on tokens, from the last checkpoint in `work` on; returns its file."""
    file = work / "decoder.pt"
    state = read(file)
    if state and state["step"] >= chosen.codec_steps:
        return file
    codec = begun(begin(chosen, work))
    decoder = codec.decoder.train()
    groups = _groups(decoder)
    optimizer = torch.optim.AdamW(groups, lr=chosen.codec_rate, betas=(0.9, 0.97), weight_decay=0.0)
    step = 0
    curves: Curves = {"training loss": [], "held-out spectral distance": [], "held-out SNR, dB": []}
    if state:
        decoder.load_state_dict(state["decoder"])
        optimizer.load_state_dict(state["optimizer"])
        step, curves = state["step"], state["curves"]
    tokens = torch.from_numpy(np.load(corpus.tokenise(chosen, work)))
    hop, frames = STRIDE * STACK, chosen.codec_frames
    audio = corpus.sounds(chosen, work, range(chosen.clips - 20, chosen.clips))
    held_out = codec.quantizer.decode(tokens[-20:].long()), audio
    progress = Progress("decoder", chosen.codec_steps, step)
    recent: list[float] = []
    reader = corpus.Reader(chosen, work)
    while step < chosen.codec_steps:
        rng = np.random.default_rng((chosen.seed, 1, step))
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(step, chosen.codec_steps, chosen.codec_rate)
        rows = rng.integers(0, len(tokens) - 96, chosen.codec_batch)
        starts = rng.integers(0, tokens.shape[2] - frames + 1, chosen.codec_batch)
        pairs = list(zip(rows, starts, strict=True))
        codes = torch.stack([tokens[r, :, s : s + frames] for r, s in pairs]).long()
        real = torch.stack([reader.cut(r, s * hop, (s + frames) * hop) for r, s in pairs])
        made = decode(decoder, codec.quantizer.decode(codes))[:, 0, : real.shape[1]]
        # The crop's edges lack the neighbours that the codes were made with.
        edge = hop if frames > 8 else 0
        made, real = made[:, edge:-edge], real[:, edge:-edge]
        wave = (made - real).square().mean(1).div(real.square().mean(1) + 1e-4).sqrt().mean()
        buzz = repeating(made - real, hop).square().mean(1).div(real.square().mean(1) + 1e-4).sqrt().mean()
        loss = chosen.wave_weight * (wave + buzz) + spectral_distance(made, real) + 4 * made.mean(1).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        step += 1
        recent.append(float(loss.detach()))
        progress.show(step, f"loss {recent[-1]:.3f}")
        if step % chosen.save_every == 0 or step == chosen.codec_steps:
            with torch.inference_mode():
                made = decoder(held_out[0])[..., : audio.shape[2]]
            curves["training loss"].append((step, float(np.mean(recent))))
            curves["held-out spectral distance"].append((step, float(spectral_distance(made[:, 0], audio[:, 0]))))
            curves["held-out SNR, dB"].append((step, signal_to_noise_db(made, audio)))
            recent.clear()
            save(
                file,
                {"decoder": decoder.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "curves": curves},
            )
            write_curve(work, "decoder", curves)
            print("decoder step", step, {name: round(points[-1][1], 3) for name, points in curves.items()}, flush=True)
    return file


def trained(chosen: Settings, work: Path) -> Any:
    """The codec with the best decoder there is in `work`, ready to use."""
    codec, state = begun(begin(chosen, work)), read(work / "decoder.pt")
    if state:
        codec.decoder.load_state_dict(state["decoder"])
    return codec
