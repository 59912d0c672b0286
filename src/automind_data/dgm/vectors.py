"""A small language for arithmetic on many numbers at once, compiled by LLVM.

A kernel is written in Python with ordinary operators on `Vector`, once per
process, and runs as machine code of the processor that it runs on. LLVM comes
as the wheel `llvmlite`; no compiler has to be installed.

Every operation is one that IEEE 754 defines to the last bit (+, −, ×, ÷, fused
multiply-add, comparison), in the order written, without relaxed arithmetic and
without a maths library. So a kernel gives the same bytes on every processor.
"""

from __future__ import annotations

import ctypes
import math
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from llvmlite import ir
from numpy.typing import NDArray

from automind_data.common.machine_code import engine

__all__ = ["Code", "Index", "Kernel", "Variable", "Vector", "compiled"]

_FLOAT, _WORD, _INDEX, _POINTER = (
    ir.FloatType(),
    ir.IntType(32),
    ir.IntType(64),
    ir.PointerType(),
)
_LOCK = threading.Lock()
_MAGIC = 12582912.0
"""1.5 * 2**23: adding it to a small number rounds that to an integer."""
_LN2_HIGH, _LN2_LOW = 0.693359375, math.log(2) - 0.693359375

Index = Any
"""A whole number in a kernel: an `int`, or what `Code.loop` and `Code.integer` give."""


class Vector:
    """Some float32 numbers, worked on together."""

    def __init__(self, code: Code, value: Any) -> None:
        self.code = code
        self.value = value

    def _with(self, operation: str, other: Vector | float) -> Vector:
        value = getattr(self.code.builder, operation)(self.value, self.code.vector(other).value)
        return Vector(self.code, value)

    def __add__(self, other: Vector | float) -> Vector:
        return self._with("fadd", other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._with("fsub", other)

    def __mul__(self, other: Vector | float) -> Vector:
        return self._with("fmul", other)

    def __truediv__(self, other: Vector | float) -> Vector:
        return self._with("fdiv", other)

    def __radd__(self, other: float) -> Vector:
        return self.code.vector(other) + self

    def __rsub__(self, other: float) -> Vector:
        return self.code.vector(other) - self

    def __rmul__(self, other: float) -> Vector:
        return self.code.vector(other) * self

    def __rtruediv__(self, other: float) -> Vector:
        return self.code.vector(other) / self

    def __neg__(self) -> Vector:
        return Vector(self.code, self.code.builder.fneg(self.value))

    def __ge__(self, other: Vector | float) -> Any:
        return self.code.builder.fcmp_ordered(">=", self.value, self.code.vector(other).value)

    def __le__(self, other: Vector | float) -> Any:
        return self.code.builder.fcmp_ordered("<=", self.value, self.code.vector(other).value)


class Variable:
    """A vector or an index that changes inside a loop."""

    def __init__(self, code: Code, initial: Any) -> None:
        self._code = code
        self._is_vector = isinstance(initial, Vector)
        value = initial.value if self._is_vector else code.index(initial)
        with code.builder.goto_entry_block():
            self._place = code.builder.alloca(value.type)
        self._type = value.type
        code.builder.store(value, self._place)

    def get(self) -> Any:
        """Return what it holds now."""
        value = self._code.builder.load(self._place, typ=self._type)
        return Vector(self._code, value) if self._is_vector else value

    def set(self, value: Any) -> None:
        """Let it hold something else from here on."""
        value = value.value if self._is_vector else self._code.index(value)
        self._code.builder.store(value, self._place)


class Code:
    """The body of one kernel while it is written.

    Parameters
    ----------
    builder
        Where instructions go.
    lanes
        How many numbers a vector holds.
    """

    def __init__(self, builder: Any, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self._floats = ir.VectorType(_FLOAT, lanes)
        self._words = ir.VectorType(_WORD, lanes)

    def vector(self, value: Vector | float) -> Vector:
        """Return a number as a vector of copies of it."""
        if isinstance(value, Vector):
            return value
        (single,) = struct.unpack("f", struct.pack("f", value))
        return Vector(self, ir.Constant(self._floats, [single] * self.lanes))

    def index(self, value: Index) -> Any:
        """Return a whole number as one of the kernel's own."""
        return ir.Constant(_INDEX, value) if isinstance(value, int) else value

    def plus(self, one: Index, other: Index) -> Any:
        """Add two indices."""
        return self.builder.add(self.index(one), self.index(other))

    def times(self, one: Index, other: Index) -> Any:
        """Multiply two indices."""
        return self.builder.mul(self.index(one), self.index(other))

    def at(self, pointer: Any, position: Index) -> Any:
        """Point to the float at a position."""
        return self.builder.gep(pointer, [self.index(position)], source_etype=_FLOAT)

    def row(self, pointer: Any, number: Index) -> Any:
        """Point to a row of as many floats as a vector holds."""
        return self.at(pointer, self.times(number, self.lanes))

    def load(self, pointer: Any, number: Index = 0) -> Vector:
        """Read a row."""
        place = self.row(pointer, number)
        return Vector(self, self.builder.load(place, align=4, typ=self._floats))

    def store(self, value: Vector, pointer: Any, number: Index = 0) -> None:
        """Write a row."""
        self.builder.store(value.value, self.row(pointer, number), align=4)

    def broadcast(self, pointer: Any, position: Index) -> Vector:
        """Read one float into every lane."""
        single = self.builder.load(self.at(pointer, position), align=4, typ=_FLOAT)
        undefined = ir.Constant(self._floats, ir.Undefined)
        first = self.builder.insert_element(undefined, single, ir.Constant(_WORD, 0))
        spread = ir.Constant(self._words, [0] * self.lanes)
        return Vector(self, self.builder.shuffle_vector(first, undefined, spread))

    def integer(self, pointer: Any, position: Index) -> Any:
        """Read one 64-bit whole number."""
        place = self.builder.gep(pointer, [self.index(position)], source_etype=_INDEX)
        return self.builder.load(place, align=8, typ=_INDEX)

    @contextmanager
    def loop(self, count: Index) -> Iterator[Any]:
        """Repeat what is written inside for 0, 1, … count - 1."""
        position = Variable(self, 0)
        function = self.builder.function
        head, body, after = (function.append_basic_block() for _ in range(3))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        more = self.builder.icmp_signed("<", position.get(), self.index(count))
        self.builder.cbranch(more, body, after)
        self.builder.position_at_end(body)
        here = position.get()
        yield here
        position.set(self.plus(here, 1))
        self.builder.branch(head)
        self.builder.position_at_end(after)

    def fma(self, one: Vector | float, other: Vector | float, add: Vector | float) -> Vector:
        """Return one * other + add, rounded once."""
        return self._intrinsic("fma", one, other, add)

    def select(self, chosen: Any, one: Vector | float, other: Vector | float) -> Vector:
        """Return `one` where `chosen` is true and `other` elsewhere."""
        values = (self.vector(value).value for value in (one, other))
        return Vector(self, self.builder.select(chosen, *values))

    def maximum(self, one: Vector, other: Vector | float) -> Vector:
        """Return the larger number of two, lane by lane."""
        return self.select(one >= other, one, other)

    def minimum(self, one: Vector, other: Vector | float) -> Vector:
        """Return the smaller number of two, lane by lane."""
        return self.select(one <= other, one, other)

    def polynomial(self, x: Vector, coefficients: list[float]) -> Vector:
        """Evaluate a polynomial, its highest coefficient first."""
        total = self.vector(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, coefficient)
        return total

    def sqrt(self, x: Vector) -> Vector:
        """Return the square root."""
        return self._intrinsic("sqrt", x)

    def exp(self, x: Vector) -> Vector:
        """Return e^x; arguments are clamped to what float32 can hold."""
        x = self.maximum(self.minimum(x, 88.0), -87.0)
        shifted = self.fma(x, 1 / math.log(2), _MAGIC)
        whole = shifted - _MAGIC
        rest = self.fma(whole, -_LN2_LOW, self.fma(whole, -_LN2_HIGH, x))
        series = self.polynomial(rest, [1 / math.factorial(power) for power in range(7, -1, -1)])
        # The integer stands in the low bits of `shifted`; as an exponent it is a power of 2.
        bits = self.builder.bitcast(shifted.value, self._words)
        exponent = self.builder.shl(
            self.builder.add(bits, self._word(127 - _bits(_MAGIC))), self._word(23)
        )
        return series * Vector(self, self.builder.bitcast(exponent, self._floats))

    def log(self, x: Vector) -> Vector:
        """Return the natural logarithm of a positive number: 2 artanh((m - 1)/(m + 1)) + e ln 2."""
        bits = self.builder.bitcast(x.value, self._words)
        low = _bits(math.sqrt(0.5))
        exponent = self.builder.ashr(self.builder.sub(bits, self._word(low)), self._word(23))
        mantissa = self.builder.sub(bits, self.builder.shl(exponent, self._word(23)))
        m = Vector(self, self.builder.bitcast(mantissa, self._floats))
        power = Vector(self, self.builder.sitofp(exponent, self._floats))
        s = (m - 1.0) / (m + 1.0)
        series = s * self.polynomial(s * s, [2 / odd for odd in (9, 7, 5, 3, 1)])
        return self.fma(power, _LN2_HIGH, self.fma(power, _LN2_LOW, series))

    def softplus(self, x: Vector) -> Vector:
        """Return log(1 + e^x)."""
        small = self.exp(self.minimum(x, -x))
        one_more = small + 1.0
        lost = small - (one_more - 1.0)
        return self.maximum(x, 0.0) + (self.log(one_more) + lost)

    def tanh(self, x: Vector) -> Vector:
        """Return the hyperbolic tangent."""
        negative = x <= 0.0
        small = self.exp(2.0 * self.select(negative, x, -x))
        size = (1.0 - small) / (1.0 + small)
        return self.select(negative, -size, size)

    def relu(self, x: Vector) -> Vector:
        """Return the positive part."""
        return self.maximum(x, 0.0)

    def _intrinsic(self, name: str, *operands: Vector | float) -> Vector:
        full = f"llvm.{name}.v{self.lanes}f32"
        kind = ir.FunctionType(self._floats, [self._floats] * len(operands))
        function = self.builder.module.globals.get(full)
        function = function or ir.Function(self.builder.module, kind, full)
        values = [self.vector(operand).value for operand in operands]
        return Vector(self, self.builder.call(function, values))

    def _word(self, value: int) -> Any:
        return ir.Constant(self._words, [value] * self.lanes)


def _bits(value: float) -> int:
    return int(struct.unpack("i", struct.pack("f", value))[0])


class Kernel:
    """A compiled kernel: called with one numpy array per pointer and then its count.

    It lets other Python threads run meanwhile.
    """

    def __init__(self, write: Callable[..., None], pointers: int, lanes: int) -> None:
        module = ir.Module()
        kind = ir.FunctionType(ir.VoidType(), [_POINTER] * pointers + [_INDEX])
        function = ir.Function(module, kind, "kernel")
        for argument in function.args[:pointers]:
            argument.add_attribute("noalias")
        builder = ir.IRBuilder(function.append_basic_block())
        body = builder.append_basic_block()
        code = Code(builder, lanes)
        with builder.goto_block(body):
            write(code, *function.args)
            builder.ret_void()
        builder.branch(body)
        self._engine = engine(str(module))
        address = self._engine.get_function_address("kernel")
        signature = [ctypes.c_void_p] * pointers + [ctypes.c_int64]
        self._call = ctypes.CFUNCTYPE(None, *signature)(address)

    def __call__(self, *arrays: NDArray[Any], count: int) -> None:
        """Run it over `count` rows of vectors; arrays are C-contiguous and large enough."""
        self._call(*(array.ctypes.data for array in arrays), count)


@cache
def _made(write: Callable[..., None], pointers: int, lanes: int, shape: Any) -> Kernel:
    def body(code: Code, *arguments: Any) -> None:
        write(code, shape, *arguments)

    return Kernel(body, pointers, lanes)


def compiled(write: Callable[..., None], pointers: int, lanes: int, shape: Any = None) -> Kernel:
    """Compile a kernel, or return it where this process has compiled it before.

    Parameters
    ----------
    write
        `write(code, shape, *pointers, count)` writes the body.
    pointers
        How many arrays it works on.
    lanes
        How many numbers a vector holds.
    shape
        What else the code depends on; hashable.

    Examples
    --------
    >>> import numpy as np
    >>> def double(code, shape, values, count):
    ...     with code.loop(count) as row:
    ...         code.store(shape * code.load(values, row), values, row)
    >>> numbers = np.arange(8, dtype=np.float32)
    >>> compiled(double, 1, 4, 2.0)(numbers, count=2)
    >>> numbers.tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]
    """
    with _LOCK:
        return _made(write, pointers, lanes, shape)
