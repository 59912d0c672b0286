"""Loops over arrays, written in a part of Python and compiled by LLVM.

A function to compile takes whole numbers (64 bits, wrapping around), floats and
numpy arrays, each with its type said, and uses assignments, `if`, `while`, `for … in
range(…)`, `break`, `return`, arithmetic, bit operations, comparisons, elements of
arrays, module constants, other such functions and those of this module.
Everything is done in the order written, without relaxed arithmetic, so it gives the
same bytes on every processor. LLVM comes as the wheel `llvmlite`; no compiler has to
be installed.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import textwrap
import threading
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Compiled",
    "as_bits",
    "as_float",
    "eight_bytes",
    "engine",
    "exists",
    "high_product",
    "leading_zeros",
    "unsigned_shift",
]

_WORD = (1 << 64) - 1
_LOCK = threading.Lock()


def as_bits(value: float) -> int:
    """Return the 64 bits of a float.

    >>> hex(as_bits(1.0))
    '0x3ff0000000000000'
    """
    return int(np.float64(value).view(np.int64))


def as_float(bits: int) -> float:
    """Return the float that has these 64 bits.

    >>> as_float(0x3FF0000000000000)
    1.0
    """
    return float(np.int64(bits).view(np.float64))


def eight_bytes(text: NDArray[np.uint8], place: int) -> int:
    """Return eight bytes from `place` on as a number, the first one lowest.

    >>> hex(eight_bytes(np.frombuffer(b"abcdefghi", np.uint8), 1))
    '0x6968676665646362'
    """
    return int.from_bytes(text[place : place + 8].tobytes(), "little", signed=True)


def exists(array: NDArray[Any]) -> bool:
    """Say whether an array was given, not the address 0."""
    return array is not None


def unsigned_shift(bits: int, places: int) -> int:
    """Shift 64 bits to the right, zeros coming from the left.

    >>> unsigned_shift(-1, 63)
    1
    """
    return (bits & _WORD) >> places


def high_product(one: int, other: int) -> int:
    """Return the upper 64 bits of the product of two unsigned numbers of 64 bits.

    >>> high_product(1 << 40, 1 << 40)
    65536
    """
    return ((one & _WORD) * (other & _WORD)) >> 64


def leading_zeros(bits: int) -> int:
    """Return how many of 64 bits are zero before the first that is not.

    >>> leading_zeros(1)
    63
    """
    return 64 - (bits & _WORD).bit_length()


class Compiled:
    """A function as machine code, compiled when it is first called.

    Arrays are given as such, C-contiguous and never two that overlap, or as addresses.
    Other Python threads run meanwhile.

    Examples
    --------
    >>> from numpy.typing import NDArray
    >>> @Compiled
    ... def total(values: NDArray[np.float64], count: int) -> float:
    ...     summed = 0.0
    ...     for place in range(count):
    ...         summed += values[place]
    ...     return summed
    >>> total(np.arange(4.0), 4)
    6.0
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._call: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Run it."""
        call = self._call or self._compile()
        return call(
            *[each.ctypes.data if isinstance(each, np.ndarray) else each for each in arguments]
        )

    def _compile(self) -> Any:
        with _LOCK:
            if self._call is None:
                from llvmlite import ir

                module = ir.Module()
                kinds, result = _signature(self.function)
                _Body(module, {}).define(self.function)
                self._engine = engine(str(module))
                address = self._engine.get_function_address(self.function.__name__)
                passed: list[Any] = [_PASSED.get(kind, ctypes.c_void_p) for kind in kinds]
                self._call = ctypes.CFUNCTYPE(_RETURNED[result], *passed)(address)
        return self._call


_PASSED = {int: ctypes.c_int64, float: ctypes.c_double}
_RETURNED = {int: ctypes.c_int64, float: ctypes.c_double, type(None): None}


def _signature(function: Callable[..., Any]) -> tuple[list[Any], Any]:
    """Return the kinds of the arguments and of the result: int, float, or an array's dtype."""
    hints = typing.get_type_hints(function)
    result = hints.pop("return")
    kinds = [
        hint if hint in _PASSED else np.dtype(typing.get_args(typing.get_args(hint)[1])[0])
        for hint in hints.values()
    ]
    return kinds, result


def engine(text: str) -> Any:
    """Compile a module of LLVM for the processor that this runs on.

    Returns
    -------
    object
        Its functions have addresses as long as it lives.
    """
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
    )
    module = binding.parse_assembly(text)
    options = binding.create_pipeline_tuning_options(speed_level=3)
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


_SIGNS: dict[type, tuple[str, str]] = {
    ast.Add: ("add", "fadd"),
    ast.Sub: ("sub", "fsub"),
    ast.Mult: ("mul", "fmul"),
    ast.Div: ("", "fdiv"),
    ast.BitAnd: ("and_", ""),
    ast.BitOr: ("or_", ""),
    ast.BitXor: ("xor", ""),
    ast.LShift: ("shl", ""),
    ast.RShift: ("ashr", ""),
}
_COMPARED: dict[type, str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


class _Body:
    """Writes one function, and those that it calls, into a module."""

    def __init__(self, module: Any, known: dict[Any, Any]) -> None:
        from llvmlite import ir

        self.ir, self.module, self.known = ir, module, known
        self.word, self.float, self.flag = ir.IntType(64), ir.DoubleType(), ir.IntType(1)
        self.pointer = ir.PointerType()

    def define(self, function: Callable[..., Any]) -> Any:
        """Write `function`; return it as the module knows it."""
        ir = self.ir
        kinds, result = _signature(function)
        types = {int: self.word, float: self.float, type(None): ir.VoidType()}
        kind = ir.FunctionType(types[result], [types.get(each, self.pointer) for each in kinds])
        made = ir.Function(self.module, kind, function.__name__)
        self.known[function] = made
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        if not isinstance(tree, ast.FunctionDef):
            raise TypeError(f"{function} is not a plain function")
        self.globals = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        self.entry = made.append_basic_block()
        body = made.append_basic_block()
        self.builder = ir.IRBuilder(body)
        self.names: dict[str, tuple[Any, Any]] = {}
        self.arrays: dict[str, tuple[Any, np.dtype[Any]]] = {}
        self.after_loop: list[Any] = []
        for value, name, each in zip(
            made.args, (a.arg for a in tree.args.args), kinds, strict=True
        ):
            if isinstance(each, np.dtype):
                value.add_attribute("noalias")
                self.arrays[name] = (value, each)
            else:
                self.assign(name, value)
        self.block(tree.body)
        if not self.builder.block.is_terminated:
            self.builder.ret_void() if result is type(None) else self.builder.unreachable()
        ir.IRBuilder(self.entry).branch(body)
        return made

    def block(self, statements: list[ast.stmt]) -> None:
        """Write statements, up to one that leaves the block."""
        for statement in statements:
            getattr(self, f"do_{type(statement).__name__.lower()}")(statement)
            if self.builder.block.is_terminated:
                return

    def variable(self, kind: Any) -> Any:
        """Make room for a value in the function's first block."""
        return self.ir.IRBuilder(self.entry).alloca(kind)

    def assign(self, name: str, value: Any) -> None:
        """Give a local name a value; its first one decides on its type."""
        if name not in self.names:
            value = self.whole(value) if value.type == self.flag else value
            self.names[name] = (self.variable(value.type), value.type)
        place, kind = self.names[name]
        self.builder.store(self.cast(value, kind), place)

    def cast(self, value: Any, kind: Any) -> Any:
        """Turn a value into one of the type `kind`, where Python would."""
        if value.type == kind:
            return value
        if kind == self.float:
            return self.builder.sitofp(self.whole(value), self.float)
        return self.truth(value) if kind == self.flag else self.whole(value)

    def whole(self, value: Any) -> Any:
        """Turn a flag into a whole number."""
        if value.type == self.float:
            raise TypeError("a float where a whole number belongs")
        return self.builder.zext(value, self.word) if value.type == self.flag else value

    def truth(self, value: Any) -> Any:
        """Turn a whole number into a flag."""
        if value.type == self.flag:
            return value
        return self.builder.icmp_signed("!=", value, self.ir.Constant(self.word, 0))

    def element(self, target: ast.Subscript) -> tuple[Any, np.dtype[Any]]:
        """Point to an element of an array."""
        if not isinstance(target.value, ast.Name):
            raise TypeError("only elements of named arrays")
        array, kind = self.arrays[target.value.id]
        place = self.whole(self.value(target.slice))
        return self.builder.gep(array, [place], source_etype=self.stored(kind)), kind

    def stored(self, kind: np.dtype[Any]) -> Any:
        """Return the type of an array's elements."""
        return self.float if kind.kind == "f" else self.ir.IntType(8 * kind.itemsize)

    def do_expr(self, statement: ast.Expr) -> None:
        """Leave a docstring out; call a function."""
        if not isinstance(statement.value, ast.Constant):
            self.value(statement.value)

    def do_assign(self, statement: ast.Assign) -> None:
        """Write `name = value` or `array[place] = value`."""
        self.put(statement.targets[0], self.value(statement.value))

    def do_augassign(self, statement: ast.AugAssign) -> None:
        """Write `name += value` and the like."""
        before = self.value(statement.target)
        self.put(statement.target, self.operate(statement.op, before, self.value(statement.value)))

    def put(self, target: ast.expr, value: Any) -> None:
        """Store a value under a name or in an array."""
        if isinstance(target, ast.Name):
            self.assign(target.id, value)
            return
        if not isinstance(target, ast.Subscript):
            raise TypeError(f"cannot assign to {ast.unparse(target)}")
        place, kind = self.element(target)
        if kind.kind == "f":
            value = self.cast(value, self.float)
        elif kind.itemsize < 8:
            value = self.builder.trunc(self.whole(value), self.stored(kind))
        else:
            value = self.whole(value)
        self.builder.store(value, place, align=kind.itemsize)

    def do_return(self, statement: ast.Return) -> None:
        """Leave the function."""
        if statement.value is None:
            self.builder.ret_void()
        else:
            kind = self.builder.function.function_type.return_type
            self.builder.ret(self.cast(self.value(statement.value), kind))

    def do_if(self, statement: ast.If) -> None:
        """Write both branches."""
        with_else, after = (self.builder.append_basic_block() for _ in range(2))
        then = self.builder.append_basic_block()
        self.builder.cbranch(self.truth(self.value(statement.test)), then, with_else)
        for start, body in ((then, statement.body), (with_else, statement.orelse)):
            self.builder.position_at_end(start)
            self.block(body)
            if not self.builder.block.is_terminated:
                self.builder.branch(after)
        self.builder.position_at_end(after)

    def do_while(self, statement: ast.While) -> None:
        """Write a loop with a condition."""
        self.loop(lambda: self.value(statement.test), statement.body, lambda: None)

    def do_for(self, statement: ast.For) -> None:
        """Write `for name in range(…)`."""
        call, name = statement.iter, statement.target
        if not isinstance(call, ast.Call) or not isinstance(name, ast.Name):
            raise TypeError("only `for name in range(…)`")
        ends = [self.whole(self.value(end)) for end in call.args]
        if len(ends) == 1:
            ends.insert(0, self.ir.Constant(self.word, 0))
        self.assign(name.id, ends[0])
        place = self.names[name.id][0]

        def get() -> Any:
            return self.builder.load(place, typ=self.word)

        def more() -> Any:
            return self.builder.icmp_signed("<", get(), ends[1])

        def step() -> None:
            self.builder.store(self.builder.add(get(), self.ir.Constant(self.word, 1)), place)

        self.loop(more, statement.body, step)

    def loop(
        self, more: Callable[[], Any], statements: list[ast.stmt], step: Callable[[], None]
    ) -> None:
        """Write a loop."""
        head, body, after = (self.builder.append_basic_block() for _ in range(3))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self.builder.cbranch(self.truth(more()), body, after)
        self.builder.position_at_end(body)
        self.after_loop.append(after)
        self.block(statements)
        self.after_loop.pop()
        if not self.builder.block.is_terminated:
            step()
            self.builder.branch(head)
        self.builder.position_at_end(after)

    def do_break(self, statement: ast.Break) -> None:
        """Leave the innermost loop."""
        self.builder.branch(self.after_loop[-1])

    def value(self, node: ast.expr) -> Any:
        """Write an expression."""
        return getattr(self, f"of_{type(node).__name__.lower()}")(node)

    def constant(self, value: Any) -> Any:
        """Return a number of Python's as one of the module's."""
        if isinstance(value, float):
            return self.ir.Constant(self.float, value)
        wrapped = (int(value) + (1 << 63)) % (1 << 64) - (1 << 63)
        return self.ir.Constant(self.word, wrapped)

    def of_constant(self, node: ast.Constant) -> Any:
        """Write a literal."""
        return self.constant(node.value)

    def of_name(self, node: ast.Name) -> Any:
        """Read a local name or a module constant."""
        if node.id in self.names:
            place, kind = self.names[node.id]
            return self.builder.load(place, typ=kind)
        return (
            self.arrays[node.id][0]
            if node.id in self.arrays
            else self.constant(self.globals[node.id])
        )

    def of_subscript(self, node: ast.Subscript) -> Any:
        """Read an element; whole numbers of fewer bits are unsigned."""
        place, kind = self.element(node)
        value = self.builder.load(place, typ=self.stored(kind), align=kind.itemsize)
        return self.builder.zext(value, self.word) if kind.itemsize < 8 else value

    def of_binop(self, node: ast.BinOp) -> Any:
        """Write an operation on two values."""
        return self.operate(node.op, self.value(node.left), self.value(node.right))

    def operate(self, sign: ast.operator, one: Any, other: Any) -> Any:
        """Write an operation, on floats if one of the two is."""
        floats = self.float in (one.type, other.type) or isinstance(sign, ast.Div)
        kind = self.float if floats else self.word
        operation = _SIGNS[type(sign)][floats]
        return getattr(self.builder, operation)(self.cast(one, kind), self.cast(other, kind))

    def of_unaryop(self, node: ast.UnaryOp) -> Any:
        """Write −, ~ or `not`."""
        value = self.value(node.operand)
        match node.op:
            case ast.Not():
                return self.builder.not_(self.truth(value))
            case ast.Invert():
                return self.builder.not_(self.whole(value))
            case _ if value.type == self.float:
                return self.builder.fneg(value)
            case _:
                return self.builder.neg(self.whole(value))

    def of_compare(self, node: ast.Compare) -> Any:
        """Write a comparison, or several joined as in a < b < c."""
        values = [self.value(each) for each in (node.left, *node.comparators)]
        flags = []
        for sign, one, other in zip(node.ops, values, values[1:], strict=False):
            floats = self.float in (one.type, other.type)
            kind = self.float if floats else self.word
            compare = self.builder.fcmp_ordered if floats else self.builder.icmp_signed
            flags.append(
                compare(_COMPARED[type(sign)], self.cast(one, kind), self.cast(other, kind))
            )
        found = flags[0]
        for flag in flags[1:]:
            found = self.builder.and_(found, flag)
        return found

    def of_boolop(self, node: ast.BoolOp) -> Any:
        """Write `and` or `or`; what comes after is only worked out where it decides."""
        place = self.variable(self.flag)
        after = self.builder.append_basic_block()
        for number, each in enumerate(node.values):
            flag = self.truth(self.value(each))
            self.builder.store(flag, place)
            if number + 1 == len(node.values):
                self.builder.branch(after)
            else:
                following = self.builder.append_basic_block()
                ends = (following, after) if isinstance(node.op, ast.And) else (after, following)
                self.builder.cbranch(flag, *ends)
                self.builder.position_at_end(following)
        self.builder.position_at_end(after)
        return self.builder.load(place, typ=self.flag)

    def of_ifexp(self, node: ast.IfExp) -> Any:
        """Write a choice of two values, both worked out."""
        chosen = self.truth(self.value(node.test))
        one, other = self.value(node.body), self.value(node.orelse)
        kind = self.float if self.float in (one.type, other.type) else self.word
        return self.builder.select(chosen, self.cast(one, kind), self.cast(other, kind))

    def of_call(self, node: ast.Call) -> Any:
        """Write a call of one of this module's functions or of another compiled one."""
        if not isinstance(node.func, ast.Name):
            raise TypeError(f"cannot call {ast.unparse(node.func)}")
        called: Any = self.globals.get(node.func.id, float if node.func.id == "float" else None)
        values = [self.value(each) for each in node.args]
        if called in _INLINE:
            return _INLINE[called](self, *values)
        function = called.function if isinstance(called, Compiled) else called
        if function not in self.known:
            made = _Body(self.module, self.known).define(function)
            made.linkage = "internal"
            made.attributes.add("alwaysinline")
        made = self.known[function]
        kinds = made.function_type.args
        return self.builder.call(
            made, [self.cast(*each) for each in zip(values, kinds, strict=True)]
        )


def _high_product(body: _Body, one: Any, other: Any) -> Any:
    wide, build = body.ir.IntType(128), body.builder
    product = build.mul(build.zext(one, wide), build.zext(other, wide))
    return build.trunc(build.lshr(product, body.ir.Constant(wide, 64)), body.word)


def _eight_bytes(body: _Body, text: Any, place: Any) -> Any:
    first = body.builder.gep(text, [place], source_etype=body.ir.IntType(8))
    return body.builder.load(first, typ=body.word, align=1)


_INLINE: dict[Any, Callable[..., Any]] = {
    float: lambda body, value: body.cast(value, body.float),
    as_bits: lambda body, value: body.builder.bitcast(body.cast(value, body.float), body.word),
    as_float: lambda body, bits: body.builder.bitcast(body.whole(bits), body.float),
    unsigned_shift: lambda body, bits, places: body.builder.lshr(body.whole(bits), places),
    eight_bytes: _eight_bytes,
    exists: lambda body, array: body.builder.icmp_unsigned("!=", array, array.type(None)),
    high_product: _high_product,
    leading_zeros: lambda body, bits: body.builder.ctlz(bits, body.ir.Constant(body.flag, 0)),
}
