"""The Triton programs behind kernels.py. A program works on one row, or one head or codebook of it.

The order in which it adds is fixed by positions and by the sizes in capitals, which belong to the model and are
compiled in; how many rows there are, and how far the longest reaches, only says how many programs are launched.
`do_not_specialize` keeps what changes with them, numbers and where a table's column begins, from choosing another
compilation.
"""

# Triton's language: sizes known to the compiler are in capitals, and the other parameters have no Python types.
# ruff: noqa: N803
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import triton
import triton.language as tl

SETTINGS = ("cfg_coef", "temperature", "top_k", "top_p")  # what `choose` knows of, in its order
COLUMNS = ["conditional", "unconditional", *SETTINGS, "at", "last", "told"]
TOLD, EVERY = tl.constexpr(5), tl.constexpr(8)  # as surprise.COLUMNS and EVERY
WHOLE = tl.constexpr(2.0**40)  # as in sampling.py


@triton.jit(do_not_specialize=["sequence", "at", "clip", "offset"])
def enter(
    sequence, at, clip, offset, embedding, sines, x, positions, places, step, dim,
    BOOKS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < dim
    seat = tl.load(clip + row)
    place = tl.load(at + seat)
    position = tl.maximum(place + tl.load(offset + row), 0)
    value = tl.zeros([BLOCK], tl.float32)
    for book in tl.static_range(BOOKS):
        token = tl.load(sequence + (seat * BOOKS + book) * places + place) + book * step
        value += tl.load(embedding + token * dim + column, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(sines + position * dim + column, mask=inside, other=0.0)
    tl.store(x + row * dim + column, value, mask=inside)
    tl.store(positions + row, position)


@triton.jit(do_not_specialize=["place"])
def add_norm(
    x, change, place, null, weight, bias, out, dim, eps,
    CHANGES: tl.constexpr, GATHERS: tl.constexpr, SCATTERS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < dim
    value = tl.load(x + row * dim + column, mask=inside, other=0.0)
    source = row.to(tl.int64)
    if GATHERS or SCATTERS:
        source = tl.load(place + row)
    known = source >= 0
    other = tl.maximum(source, 0) * dim + column
    if CHANGES:
        if GATHERS:
            value += tl.load(change + other, mask=inside & known, other=0.0).to(tl.float32)
            value += tl.load(null + column, mask=inside & (source < 0), other=0.0).to(tl.float32)
        else:
            value += tl.load(change + row * dim + column, mask=inside, other=0.0).to(tl.float32)
        tl.store(x + row * dim + column, value, mask=inside)
    mean = tl.sum(value, 0) / dim
    centred = tl.where(inside, value - mean, 0.0)
    deviation = tl.sqrt(tl.sum(centred * centred, 0) / dim + eps)
    scaled = tl.load(weight + column, mask=inside, other=0.0) * (centred / deviation)
    scaled += tl.load(bias + column, mask=inside, other=0.0)
    if SCATTERS:
        tl.store(out + other, scaled, mask=inside & known)
    else:
        tl.store(out + row * dim + column, scaled, mask=inside)


@triton.jit
def more(q, keys, values, key, end, most, total, y, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """Attention's running maximum, sum of weights and weighted values, with the keys of one tile before `end` added."""
    lane = tl.arange(0, BLOCK)
    seen = key < end
    shown = seen[:, None] & (lane < WIDTH)[None, :]
    cell = key[:, None] * WIDTH + lane[None, :]
    k = tl.load(keys + cell, mask=shown, other=0.0).to(tl.float32)
    v = tl.load(values + cell, mask=shown, other=0.0).to(tl.float32)
    score = tl.where(seen, tl.sum(k * q[None, :], 1), -float("inf"))
    new = tl.maximum(most, tl.max(score, 0))
    share, kept = tl.exp(score - new), tl.exp(most - new)
    return new, total * kept + tl.sum(share, 0), y * kept + tl.sum(share[:, None] * v, 0)


@triton.jit(do_not_specialize=["splits"])
def attend(
    qkv, keys, values, filled, parts, row_stride, head_stride, splits, scale,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, SPLIT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, head, split = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    known, first = tl.load(filled + row), split.to(tl.int64) * SPLIT
    if first > known:
        return
    lane = tl.arange(0, BLOCK)
    inside = lane < WIDTH
    mine = qkv + (row * 3 * HEADS + head) * WIDTH + lane
    q = tl.load(mine, mask=inside, other=0.0).to(tl.float32) * scale
    keys, values = (keys + row * row_stride + head * head_stride), (values + row * row_stride + head * head_stride)
    # The step's own key is not in the cache yet: the program whose split it is in puts it there, and begins with it.
    own = inside & (known < first + SPLIT)
    k = tl.load(mine + HEADS * WIDTH, mask=own, other=0.0)
    v = tl.load(mine + 2 * HEADS * WIDTH, mask=own, other=0.0)
    tl.store(keys + known * WIDTH + lane, k, mask=own)
    tl.store(values + known * WIDTH + lane, v, mask=own)
    most = tl.where(known < first + SPLIT, tl.sum(q * k.to(tl.float32), 0), -float("inf"))
    total = tl.where(known < first + SPLIT, 1.0, 0.0)
    key = first + tl.arange(0, SPLIT)
    most, total, y = more(q, keys, values, key, known, most, total, v.to(tl.float32), WIDTH, BLOCK)
    part = parts + ((row * HEADS + head) * splits + split) * (BLOCK + 2)
    tl.store(part + lane, y)
    tl.store(part + BLOCK, most)
    tl.store(part + BLOCK + 1, total)


@triton.jit(do_not_specialize=["splits"])
def merge(
    parts, filled, out, splits,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, SPLIT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    lane = tl.arange(0, BLOCK)
    part = parts + (row * HEADS + head) * splits * (BLOCK + 2)
    y, most, total = tl.load(part + lane), tl.load(part + BLOCK), tl.load(part + BLOCK + 1)
    left = tl.load(filled + row) // SPLIT
    while left > 0:
        part += BLOCK + 2
        other = tl.load(part + BLOCK)
        new = tl.maximum(most, other)
        kept, added = tl.exp(most - new), tl.exp(other - new)
        y = y * kept + tl.load(part + lane) * added
        total = total * kept + tl.load(part + BLOCK + 1) * added
        most = new
        left -= 1
    tl.store(out + (row * HEADS + head) * WIDTH + lane, y / total, mask=lane < WIDTH)


@triton.jit
def attend_text(
    query, keys, values, lengths, out, row_stride, head_stride, scale,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, KEYS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    clip, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    end = tl.load(lengths + clip)
    lane = tl.arange(0, BLOCK)
    inside = lane < WIDTH
    q = tl.load(query + (clip * HEADS + head) * WIDTH + lane, mask=inside, other=0.0).to(tl.float32) * scale
    keys, values = (keys + clip * row_stride + head * head_stride), (values + clip * row_stride + head * head_stride)
    key = tl.arange(0, KEYS).to(tl.int64)
    most, total = tl.full((), -float("inf"), tl.float32), tl.full((), 0.0, tl.float32)
    y = tl.zeros([BLOCK], tl.float32)
    first = end * 0
    while first < end:
        most, total, y = more(q, keys, values, first + key, end, most, total, y, WIDTH, BLOCK)
        first += KEYS
    tl.store(out + (clip * HEADS + head) * WIDTH + lane, y / total, mask=inside)


@triton.jit
def add(cell, logits, token, inside, chosen, fresh):
    """As in surprise.py: to one number the chosen token's log probability, to the one two further on the entropy."""
    shifted = logits - tl.max(tl.where(inside, logits, -float("inf")), 0)
    weight = tl.where(inside, tl.exp(shifted), 0.0)
    total = tl.sum(weight, 0)
    log = tl.log(total)
    likely = tl.sum(tl.where(token == chosen, shifted, 0.0), 0) - log
    entropy = log - tl.sum(weight * shifted, 0) / total
    tl.store(cell, tl.load(cell) + likely, mask=fresh)
    tl.store(cell + 2, tl.load(cell + 2) + entropy, mask=fresh)


@triton.jit(do_not_specialize=COLUMNS)
def choose(
    logits, conditional, unconditional, cfg_coef, temperature, top_k, top_p, uniform, sequence, at, last, told, places,
    BOOKS: tl.constexpr, CARDINALITY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    clip, book = tl.program_id(0).to(tl.int64), tl.program_id(1)
    place = tl.minimum(tl.load(at + clip) + 1, tl.load(last + clip))
    token = tl.arange(0, BLOCK)
    inside = token < CARDINALITY
    here = book * CARDINALITY + token
    given = logits + tl.load(conditional + clip) * BOOKS * CARDINALITY + here
    absent = logits + tl.load(unconditional + clip) * BOOKS * CARDINALITY + here
    given = tl.load(given, mask=inside, other=0.0).to(tl.float32)
    absent = tl.load(absent, mask=inside, other=0.0).to(tl.float32)
    guided = tl.where(inside, absent + (given - absent) * tl.load(cfg_coef + clip), -float("inf"))

    heat = tl.load(temperature + clip)
    greedy = heat <= 0
    likeliest = tl.min(tl.where(guided == tl.max(guided, 0), token, BLOCK), 0)
    guided = guided / tl.where(greedy, 1.0, heat)
    shares = tl.exp(guided - tl.max(guided, 0))
    shares = shares / tl.sum(shares, 0)
    whole = (shares * WHOLE).to(tl.int64)

    # The bits of floats that are not negative are in the floats' order. The least share still allowed is the smallest
    # above which no more lies than the filter says: k - 1 tokens, or p of the whole.
    bits = shares.to(tl.int32, bitcast=True)
    rank, nucleus = tl.load(top_k + clip), tl.load(top_p + clip)
    by_share = nucleus > 0
    by_rank = (rank > 0) & (rank < CARDINALITY)
    weight = tl.where(by_share, whole, tl.where(inside, 1, 0).to(tl.int64))
    most = tl.where(by_rank, rank.to(tl.int64) - 1, CARDINALITY)
    most = tl.where(by_share, (nucleus * WHOLE).to(tl.int64), most)
    low, high = tl.full((), 0, tl.int32), tl.max(bits, 0)
    for _ in range(31):
        middle = (low + high) // 2
        fits = tl.sum(tl.where(bits > middle, weight, 0), 0) <= most
        high = tl.where(fits, middle, high)
        low = tl.where(fits, low, tl.minimum(middle + 1, high))

    mass = tl.cumsum(tl.where(bits >= high, whole, 0), 0)
    total = tl.max(mass, 0)
    share = tl.load(uniform + (clip * places + place) * BOOKS + book).to(tl.float64) * total.to(tl.float64)
    picked = tl.sum((inside & (mass.to(tl.float64) <= share)).to(tl.int32), 0)
    final = tl.sum((inside & (mass < total)).to(tl.int32), 0)
    chosen = tl.where(greedy, likeliest, tl.minimum(picked, final)).to(tl.int64)
    cell = sequence + (clip * BOOKS + book) * places + place
    known = tl.load(cell)
    tl.store(cell, tl.where(known < 0, chosen, known))

    cell = told + (clip * BOOKS + book) * TOLD
    counts = (known < 0) & (place % EVERY == 0)
    add(cell, given, token, inside, chosen, counts)
    add(cell + 1, absent, token, inside, chosen, counts)
    tl.store(cell + 4, tl.load(cell + 4) + 1.0, mask=counts)
