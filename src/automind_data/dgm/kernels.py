"""The flow layers of `dgm.flow` as kernels: written once, compiled for the processor at hand.

Values lie in tiles (tiles, d, lanes): one row of a tile holds one parameter of
`lanes` draws. Every intermediate of a tile fits the innermost cache. The
functions here write code; see `dgm.vectors`. Each takes the layer's shape, the
pointers of its arrays, and the number of tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automind_data.dgm.vectors import Code, Index, Variable, Vector

__all__ = [
    "PANEL",
    "AutoregressiveShape",
    "CouplingShape",
    "autoregressive",
    "coupling",
    "linear",
    "log_normal",
]

PANEL = 5
"""Rows of a matrix that are multiplied at a time: their sums stay in registers."""

Pointer = Any
Finish = Callable[[Vector, Index], None]
LOG_ROOT_TWO_PI = 0.9189385332046727


@dataclass(frozen=True)
class CouplingShape:
    """What the code of a spline coupling depends on; lengths count padded rows."""

    width: int
    kept: int
    moved: int
    hidden: int
    blocks: int
    knots: int
    bins: int
    bound: float
    min_width: float
    min_height: float
    min_slope: float
    edge_slope: float
    activation: str
    inverse: bool


@dataclass(frozen=True)
class AutoregressiveShape:
    """What the code of an affine autoregressive layer depends on."""

    width: int
    hidden: int
    layers: int
    epsilon: float
    activation: str
    inverse: bool


def log_normal(code: Code, width: int, values: Pointer, total: Pointer, tiles: Index) -> None:
    """Add the standard normal log-density of each draw to its total."""
    with code.loop(tiles) as tile:
        rows = code.row(values, code.times(tile, width))
        squares = code.vector(0.0)
        for index in range(width):
            value = code.load(rows, index)
            squares = code.fma(value, value, squares)
        density = code.fma(squares, -0.5, -width * LOG_ROOT_TWO_PI)
        code.store(code.load(total, tile) + density, total, tile)


def linear(
    code: Code,
    shape: tuple[int, int],
    weights: Pointer,
    source: Pointer,
    target: Pointer,
    tiles: Index,
) -> None:
    """Multiply by a square matrix and add a bias: `shape` is (width, padded width)."""
    width, padded = shape
    with code.loop(tiles) as tile:
        rows = code.row(source, code.times(tile, width))
        out = code.row(target, code.times(tile, padded))
        _dense(code, weights, rows, padded, width, lambda value, row: code.store(value, out, row))


def coupling(
    code: Code,
    shape: CouplingShape,
    weights: Pointer,
    features: Pointer,
    scratch: Pointer,
    values: Pointer,
    total: Pointer,
    tiles: Index,
) -> None:
    """Move some parameters of each draw through splines whose knots the others fix, in place.

    `features` lists the kept parameters and then the moved ones. The log-determinant
    of the forward direction is added to `total` (inverse: of the draw's own density).
    """
    activate = getattr(code, shape.activation)
    kept = code.row(scratch, 0)
    hidden, active, inner, knots = (
        code.row(scratch, shape.kept + number * shape.hidden) for number in range(4)
    )

    def first(value: Vector, row: Index) -> None:
        code.store(value, hidden, row)
        code.store(activate(value), active, row)

    def within(value: Vector, row: Index) -> None:
        code.store(activate(value), inner, row)

    def added(value: Vector, row: Index) -> None:
        first(code.load(hidden, row) + value, row)

    with code.loop(tiles) as tile:
        rows = code.row(values, code.times(tile, shape.width))
        with code.loop(shape.kept) as number:
            code.store(code.load(rows, code.integer(features, number)), kept, number)
        at = _dense(code, weights, kept, shape.hidden, shape.kept, first)
        for _ in range(shape.blocks):
            at = _dense(code, at, active, shape.hidden, shape.hidden, within)
            at = _dense(code, at, inner, shape.hidden, shape.hidden, added)
        logdet = Variable(code, code.load(total, tile))
        size = shape.knots * (shape.hidden + 1)
        with code.loop(shape.moved) as number:
            _dense(
                code,
                code.at(at, code.times(number, size)),
                hidden,
                shape.knots,
                shape.hidden,
                lambda value, row: code.store(value, knots, row),
            )
            feature = code.integer(features, code.plus(number, shape.kept))
            value, change = _spline(code, shape, knots, code.load(rows, feature))
            code.store(value, rows, feature)
            logdet.set(logdet.get() + change)
        code.store(logdet.get(), total, tile)


def autoregressive(
    code: Code,
    shape: AutoregressiveShape,
    weights: Pointer,
    counts: Pointer,
    scratch: Pointer,
    values: Pointer,
    total: Pointer,
    tiles: Index,
) -> None:
    """Scale and shift each parameter by what the ones before it say, in place.

    Hidden units stand in the order of their degree, in pairs. `counts[d]` of them
    see only the first d parameters, so each is computed once, as soon as it can be:
    the inverse costs no more than the forward direction.
    """
    activate = getattr(code, shape.activation)
    known = code.row(scratch, 0)
    layers = [
        code.row(scratch, shape.width + number * shape.hidden) for number in range(shape.layers)
    ]

    def pair(at: Variable, source: Pointer, columns: Index) -> tuple[Vector, Vector]:
        here = code.at(weights, at.get())
        sums = [Variable(code, code.broadcast(here, row)) for row in range(2)]
        with code.loop(columns) as column:
            value = code.load(source, column)
            for row, part in enumerate(sums):
                place = code.plus(code.times(column, 2), 2 + row)
                part.set(code.fma(value, code.broadcast(here, place), part.get()))
        at.set(code.plus(at.get(), code.plus(code.times(columns, 2), 2)))
        return sums[0].get(), sums[1].get()

    with code.loop(tiles) as tile:
        rows = code.row(values, code.times(tile, shape.width))
        logdet = Variable(code, code.load(total, tile))
        at = Variable(code, 0)
        with code.loop(shape.width) as number:
            before = code.integer(counts, number)
            raw, shift = pair(at, layers[-1], before)
            scale = code.softplus(raw) + shape.epsilon
            value = code.load(rows, number)
            if shape.inverse:
                moved = (value - shift) / scale
                code.store(moved, known, number)
            else:
                moved = code.fma(scale, value, shift)
                code.store(value, known, number)
            code.store(moved, rows, number)
            logdet.set(logdet.get() + code.log(scale))
            seen = code.plus(number, 1)
            after = code.integer(counts, seen)
            pairs = code.builder.sdiv(code.builder.sub(after, before), code.index(2))
            source, columns = known, seen
            for layer in layers:
                with code.loop(pairs) as which:
                    unit = code.plus(before, code.times(which, 2))
                    for row, part in enumerate(pair(at, source, columns)):
                        code.store(activate(part), layer, code.plus(unit, row))
                source, columns = layer, after
        code.store(logdet.get(), total, tile)


def _dense(
    code: Code, weights: Pointer, source: Pointer, rows: int, columns: int, finish: Finish
) -> Pointer:
    """Multiply a matrix by the rows of a tile, a panel of its rows at a time.

    A panel is its biases and then, column by column, its weights. Returns where the
    weights end.
    """
    size = PANEL * (columns + 1)
    with code.loop(rows // PANEL) as panel:
        here = code.at(weights, code.times(panel, size))
        sums = [Variable(code, code.broadcast(here, row)) for row in range(PANEL)]
        with code.loop(columns) as column:
            value = code.load(source, column)
            place = code.times(code.plus(column, 1), PANEL)
            for row, part in enumerate(sums):
                weight = code.broadcast(here, code.plus(place, row))
                part.set(code.fma(value, weight, part.get()))
        for row, part in enumerate(sums):
            finish(part.get(), code.plus(code.times(panel, PANEL), row))
    return code.at(weights, rows // PANEL * size)


def _spline(
    code: Code, shape: CouplingShape, knots: Pointer, value: Vector
) -> tuple[Vector, Vector]:
    """Send one row through its splines; give the forward log-determinant.

    The bins are walked from left to right and the last one that begins before the
    value is kept, so that nothing but that bin is ever stored or gathered.
    """
    bins, bound = shape.bins, shape.bound
    inside = code.maximum(value, -value) <= bound
    point = code.minimum(code.maximum(value, -bound), bound)
    across = _sizes(code, knots, bins, bound, shape.min_width)
    up = _sizes(code, code.row(knots, bins), bins, bound, shape.min_height)
    slopes = code.row(knots, 2 * bins)

    def slope(edge: int) -> Vector:
        inner = 0 < edge < bins
        return code.load(slopes, edge - 1) if inner else code.vector(shape.edge_slope)

    x, y = code.vector(-bound), code.vector(-bound)
    chosen: list[Vector] = []
    for index in range(bins):
        last = index == bins - 1
        next_x = code.vector(bound) if last else x + across(index)
        next_y = code.vector(bound) if last else y + up(index)
        this = [x, next_x, y, next_y, slope(index), slope(index + 1)]
        if chosen:
            begun = point >= (y if shape.inverse else x)
            pairs = zip(this, chosen, strict=True)
            this = [code.select(begun, new, old) for new, old in pairs]
        chosen, x, y = this, next_x, next_y
    left, right, bottom, top, raw0, raw1 = chosen
    slope0, slope1 = (code.softplus(raw) + shape.min_slope for raw in (raw0, raw1))
    width, height = right - left, top - bottom
    delta = height / width
    bend = slope0 + slope1 - 2.0 * delta
    if shape.inverse:
        rise = point - bottom
        a = rise * bend + height * (delta - slope0)
        b = height * slope0 - rise * bend
        c = -(delta * rise)
        root = code.sqrt(code.maximum(b * b - 4.0 * (a * c), 0.0))
        share = (2.0 * c) / (-b - root)
    else:
        share = (point - left) / width
    rest = 1.0 - share
    mixed = share * rest
    denominator = code.fma(bend, mixed, delta)
    if shape.inverse:
        out = code.fma(share, width, left)
    else:
        out = bottom + height * (delta * share * share + slope0 * mixed) / denominator
    part = slope1 * share * share + 2.0 * delta * mixed + slope0 * rest * rest
    ratio = delta / denominator
    logdet = code.log(ratio * ratio * part)
    return code.select(inside, out, value), code.select(inside, logdet, 0.0)


def _sizes(
    code: Code, raw: Pointer, bins: int, bound: float, smallest: float
) -> Callable[[int], Vector]:
    """Turn raw knots into the sizes of the bins, by a softmax with a floor, as they are asked."""
    most = code.load(raw, 0)
    for index in range(1, bins):
        most = code.maximum(most, code.load(raw, index))
    total = Variable(code, code.vector(0.0))
    with code.loop(bins) as number:
        power = code.exp(code.load(raw, number) - most)
        code.store(power, raw, number)
        total.set(total.get() + power)
    scale = 2 * bound * (1 - smallest * bins) / total.get()
    return lambda index: code.fma(code.load(raw, index), scale, 2 * bound * smallest)
