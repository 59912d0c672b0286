"""An exponential function that is the same everywhere: in C++, in numpy, on every processor.

The C libraries' differ in last digits, and compilers cannot do several at once. This one has
additions and multiplications only: `x = k ln 2 + r`, a polynomial in r, and k as the exponent.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXPONENTIAL", "exponential"]

LOWEST, HIGHEST = -708.0, 709.0
"""Beyond them the result stays; at 709 it is 8e307."""

SHIFT = 1.5 * 2.0**52
"""Adding it leaves a whole number in the lowest bits."""

LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
COEFFICIENTS = tuple(1 / math.factorial(power) for power in range(13, -1, -1))


def exponential(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute exp(x) to a few units in the last place.

    >>> bool(abs(exponential(np.array([1.0]))[0] / math.e - 1) < 1e-15)
    True
    """
    within = np.maximum(np.minimum(np.asarray(x, np.float64), HIGHEST), LOWEST)
    shifted = within * (1 / math.log(2)) + SHIFT
    whole = shifted - SHIFT
    rest = (within - whole * LN2_HIGH) - whole * LN2_LOW
    value = np.full_like(rest, COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:]:
        value = value * rest + coefficient
    power = (shifted.view(np.int64) << 52) + (1023 << 52)
    scaled: NDArray[np.float64] = value * power.view(np.float64)
    return scaled


_HORNER = "\n".join(f"    value = value * rest + {each!r};" for each in COEFFICIENTS[1:])

EXPONENTIAL = f"""
static inline double exponential(double x) {{
    x = x > {HIGHEST!r} ? {HIGHEST!r} : x;
    x = x < {LOWEST!r} ? {LOWEST!r} : x;
    const double shifted = x * {1 / math.log(2)!r} + {SHIFT!r};
    const double whole = shifted - {SHIFT!r};
    const double rest = (x - whole * {LN2_HIGH!r}) - whole * {LN2_LOW!r};
    double value = {COEFFICIENTS[0]!r};
{_HORNER}
    uint64_t bits;
    __builtin_memcpy(&bits, &shifted, 8);
    bits = (bits << 52) + 0x3FF0000000000000ull;
    double scale;
    __builtin_memcpy(&scale, &bits, 8);
    return value * scale;
}}
"""
"""The same in C++; `build.HEADERS` come before it."""
