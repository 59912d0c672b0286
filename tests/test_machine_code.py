"""Compiled functions do what Python does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from automind_data.common.machine_code import (
    Compiled,
    as_bits,
    as_float,
    eight_bytes,
    exists,
    high_product,
    leading_zeros,
    unsigned_shift,
)

SHIFT = 5
ODD = 0x9E3779B97F4A7C15


def wrapped(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def clamped(value: float, most: float) -> float:
    if value > most:
        return most
    return -most if value < -most else value


@Compiled
def loops(values: NDArray[np.float64], count: int, most: float) -> float:
    total = 0.0
    seen = 0
    for place in range(1, count):
        if place == 70 or not values[place] >= 0:
            break
        while seen < place and values[seen] < 3.0:
            seen += 1
        total += clamped(values[place], most) * (2 if place & 1 else -1)
    return total / 4 + seen


@Compiled
def words(one: int, other: int) -> int:
    mixed = (one ^ unsigned_shift(other, 3)) * ODD
    mixed += high_product(one, other) - leading_zeros(one)
    return (mixed << SHIFT) ^ (~one >> 2) | (one < other <= 9) & 1


@Compiled
def stored(
    values: NDArray[np.float64], counts: NDArray[np.uint32], bits: NDArray[np.uint8]
) -> None:
    counts[1] += 7
    bits[0] = 300
    values[0] = as_float(as_bits(values[1]) + 1)
    if exists(bits) and bits[0] == 44:
        values[1] = -values[1]


@Compiled
def there(values: NDArray[np.float64]) -> int:
    return 1 if exists(values) else 0


@Compiled
def letters(text: NDArray[np.uint8], place: int) -> int:
    return eight_bytes(text, place)


@pytest.mark.parametrize("count", [0, 1, 5, 69, 90])
def test_loops_and_branches(count: int) -> None:
    values = np.abs(np.random.default_rng(count).normal(size=90)) * 4
    values[80] = -1.0
    assert loops(values, count, 2.5) == loops.function(values, count, 2.5)


def test_whole_numbers_wrap_around() -> None:
    rng = np.random.default_rng(0)
    numbers = [0, 1, -1, 8, 2**63 - 1, -(2**63), *rng.integers(-(2**63), 2**63 - 1, 50).tolist()]
    for one in numbers:
        for other in numbers:
            assert words(one, other) == wrapped(words.function(one, other))


def test_elements_are_stored_in_their_own_size() -> None:
    values, counts, bits = (
        np.array([0.0, 1.0, 2.0]),
        np.array([1, 2, 3], np.uint32),
        np.zeros(2, np.uint8),
    )
    stored(values, counts, bits)
    assert values.tolist() == [np.nextafter(1.0, 2.0), -1.0, 2.0]
    assert counts.tolist() == [1, 9, 3]
    assert bits.tolist() == [44, 0]


def test_an_address_stands_for_an_array() -> None:
    assert (there(np.zeros(1)), there(0)) == (1, 0)
    text = np.frombuffer(b"0123456789", np.uint8)
    assert letters(text.ctypes.data, 2) == letters(text, 2) == int.from_bytes(b"23456789", "little")


def test_what_cannot_be_compiled_is_said() -> None:
    @Compiled
    def wrong(one: int) -> int:
        return int.bit_length(one)

    with pytest.raises(TypeError, match=r"cannot call int\.bit_length"):
        wrong(1)
