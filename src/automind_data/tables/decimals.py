"""Plain text of numbers as columns of numbers, to the last bit.

What programs write is read here: digits with at most one point and one exponent,
whole numbers, True and False, empty cells. Anything else is left to others; nothing
is guessed. A float is rounded once, by the method of Lemire (Number parsing at a
gigabyte per second, 2021): a product with a power of ten of 128 bits, which decides
for nearly every number.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from automind_data.common.machine_code import (
    Compiled,
    as_bits,
    eight_bytes,
    high_product,
    leading_zeros,
    unsigned_shift,
)

__all__ = ["FLAG", "FLOAT", "LEFT_OUT", "WHOLE", "read_rows"]

LEFT_OUT, FLOAT, WHOLE, FLAG = 0, 1, 2, 3
"""How the cells of a column are read."""

Bytes = NDArray[np.uint8]
Words = NDArray[np.int64]

SMALLEST_POWER, LARGEST_POWER = -300, 280
EXACT_POWER, EXACT_DIGITS = 22, 1 << 53
MOST_DIGITS, MOST_WHOLE_DIGITS, MOST_EXPONENT_DIGITS = 19, 18, 3
LOWEST_TIE, HIGHEST_TIE = -27, 55
UNDECIDED = -1
INFINITE = 0x7FF
MANTISSA = (1 << 52) - 1
ALL = -1
RUN = 0x1FF
COMMA, LINE_FEED, POINT, MINUS, PLUS, QUOTE, SMALL_E = 44, 10, 46, 45, 43, 34, 101
ZERO, FIRST_LETTER, LAST_LETTER, CASE = 48, 33, 126, 32
T, R, U, E, F, A, L, S = b"TrueFals"


@cache
def powers() -> Words:
    """Return 10**q for every q from `SMALLEST_POWER` on: twice 64 bits, the upper ones first.

    The first 128 binary digits of 5**q, rounded up where q is negative and few powers of five
    lie so near to 1 that a number of 64 bits can be a multiple of them.
    """
    found = []
    for q in range(SMALLEST_POWER, LARGEST_POWER + 1):
        five = 5 ** abs(q)
        if q < 0:
            size = five.bit_length()
            bits = (1 << (size + 127 if q >= LOWEST_TIE else 2 * size + 128)) // five + 1
        else:
            bits = five << 128
        bits >>= bits.bit_length() - 128
        found += [bits >> 64, bits & (2**64 - 1)]
    return np.array(found, np.uint64).view(np.int64)


@cache
def exact_powers() -> NDArray[np.float64]:
    """Return the powers of ten that a float holds exactly."""
    return np.array([float(10**q) for q in range(EXACT_POWER + 1)])


def rounded(digits: int, power: int, tens: Words) -> int:
    """Return the bits of the float next to digits * 10**power.

    Parameters
    ----------
    digits
        Unsigned, not 0.
    power
        From `SMALLEST_POWER` to `LARGEST_POWER`.
    tens
        As `powers` returns them.

    Returns
    -------
    int
        Of a normal float, or `UNDECIDED`.
    """
    place = 2 * (power - SMALLEST_POWER)
    zeros = leading_zeros(digits)
    digits = digits << zeros
    upper = high_product(digits, tens[place])
    lower = digits * tens[place]
    if (upper & RUN) == RUN:
        more = high_product(digits, tens[place + 1])
        summed = lower + more
        # As unsigned numbers: did the sum run over?
        if unsigned_shift((lower & more) | ((lower | more) & ~summed), 63):
            upper += 1
        lower = summed
    if lower == ALL and not LOWEST_TIE <= power <= HIGHEST_TIE:
        return UNDECIDED
    top = unsigned_shift(upper, 63)
    shift = top + 9
    mantissa = unsigned_shift(upper, shift)
    exponent = ((217706 * power) >> 16) + 63 + top - zeros + 1023
    halfway = 0 <= lower <= 1 and -4 <= power <= 23
    if halfway and (mantissa & 3) == 1 and (mantissa << shift) == upper:
        mantissa = mantissa - 1
    mantissa = unsigned_shift(mantissa + (mantissa & 1), 1)
    if mantissa > 2 * MANTISSA + 1:
        mantissa = MANTISSA + 1
        exponent += 1
    if exponent < 1 or exponent >= INFINITE:
        return UNDECIDED
    return (mantissa & MANTISSA) | (exponent << 52)


def eight_digits(several: int) -> int:
    """Say whether all of eight letters are digits."""
    carried = unsigned_shift((several + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0, 4)
    return ((several & 0xF0F0F0F0F0F0F0F0) | carried) == 0x3333333333333333


def number_of_eight(several: int) -> int:
    """Return the number that eight digits write: of each two, then four, then eight at once."""
    several -= 0x3030303030303030
    several = 10 * several + unsigned_shift(several, 8)
    first = (several & 0xFF000000FF) * 0xF424000000064
    second = (unsigned_shift(several, 16) & 0xFF000000FF) * 0x271000000001
    return unsigned_shift(first + second, 32)


@Compiled
def read_rows(
    text: Bytes,
    begin: Words,
    size: int,
    longest: int,
    kinds: Bytes,
    columns: int,
    tens: Words,
    exact: NDArray[np.float64],
    values: Words,
    known: Bytes,
    stride: int,
    row: int,
    room: int,
) -> int:
    """Read whole lines, up to one that is not plain.

    Parameters
    ----------
    text, begin, size
        The bytes, where in them the first line begins, and how many they are; one that is
        zero follows them. `begin` is set to where the line after the last one read begins.
    longest
        A line of more bytes is not plain.
    kinds, columns
        How each column is read.
    tens, exact
        As `powers` and `exact_powers` return them.
    values, known
        (columns not left out, stride): the 64 bits of each cell, and 1 or, where it is empty,
        0. Written to.
    stride, row, room
        The cells of a column in memory, those of them that are filled, and up to which they
        may be.

    Returns
    -------
    int
        How many rows are filled now.
    """
    at = begin[0]
    while at < size and row < room:
        begin[0] = at
        place = row
        for column in range(columns):
            kind = kinds[column]
            letter = text[at]
            bits = 0
            if kind == LEFT_OUT:
                while FIRST_LETTER <= letter <= LAST_LETTER and letter != QUOTE and letter != COMMA:
                    at += 1
                    letter = text[at]
            elif at == size or letter == COMMA or text[at] == LINE_FEED:
                values[place] = 0
                known[place] = 0
                place += stride
            else:
                if kind == FLAG:
                    if letter == T:
                        bits = 1
                        if text[at + 1] != R or text[at + 2] != U or text[at + 3] != E:
                            return row
                        at += 4
                    else:
                        if letter != F or text[at + 1] != A or text[at + 2] != L:
                            return row
                        if text[at + 3] != S or text[at + 4] != E:
                            return row
                        at += 5
                else:
                    negative = letter == MINUS
                    at += negative
                    first = at
                    digits = 0
                    digit = text[at] - ZERO
                    while 0 <= digit <= 9:
                        digits = 10 * digits + digit
                        at += 1
                        digit = text[at] - ZERO
                    count = at - first
                    if count == 0:
                        return row
                    if kind == WHOLE:
                        if count > MOST_WHOLE_DIGITS:
                            return row
                        bits = -digits if negative else digits
                    else:
                        power = 0
                        if text[at] == POINT:
                            at += 1
                            start = at
                            while at + 8 <= size:
                                several = eight_bytes(text, at)
                                if not eight_digits(several):
                                    break
                                digits = 100_000_000 * digits + number_of_eight(several)
                                at += 8
                            digit = text[at] - ZERO
                            while 0 <= digit <= 9:
                                digits = 10 * digits + digit
                                at += 1
                                digit = text[at] - ZERO
                            power = start - at
                            if power == 0:
                                return row
                            count -= power
                        if count > MOST_DIGITS:
                            while text[first] == ZERO or text[first] == POINT:
                                count -= text[first] == ZERO
                                first += 1
                            if count > MOST_DIGITS:
                                return row
                        if (text[at] | CASE) == SMALL_E:
                            at += 1
                            down = text[at] == MINUS
                            at += down or text[at] == PLUS
                            start = at
                            tenth = 0
                            digit = text[at] - ZERO
                            while 0 <= digit <= 9:
                                tenth = 10 * tenth + digit
                                at += 1
                                digit = text[at] - ZERO
                            if at == start or at - start > MOST_EXPONENT_DIGITS:
                                return row
                            power += -tenth if down else tenth
                        if digits == 0:
                            bits = 0
                        elif 0 < digits <= EXACT_DIGITS and -EXACT_POWER <= power <= EXACT_POWER:
                            if power < 0:
                                bits = as_bits(float(digits) / exact[-power])
                            else:
                                bits = as_bits(float(digits) * exact[power])
                        else:
                            if power < SMALLEST_POWER or power > LARGEST_POWER:
                                return row
                            bits = rounded(digits, power, tens)
                            if bits == UNDECIDED:
                                return row
                        bits |= negative << 63
                values[place] = bits
                known[place] = 1
                place += stride
            if column + 1 < columns:
                if text[at] != COMMA:
                    return row
            elif text[at] != LINE_FEED and at != size:
                return row
            at += 1
        if at - begin[0] > longest + 1:
            return row
        row += 1
    begin[0] = at
    return row
