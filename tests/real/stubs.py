"""Gives a module something to be instantiated with.

Reads the import section of a WebAssembly module and writes a script (.wast)
that first defines one module per import namespace, exporting what is asked for
(functions that return zeros, memories, tables, globals of the wanted types),
and then instantiates the module itself, given as a binary. No start function
of the modules under test calls an import, so the answers never matter.
"""
import sys

VALUE_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128",
               0x70: "funcref", 0x6F: "externref"}


class Reader:
    """A cursor over the bytes of a module; IndexError at the end."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def leb(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return value

    def name(self):
        size = self.leb()
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def types(self):
        return [VALUE_TYPES[self.byte()] for _ in range(self.leb())]

    def limits(self):
        flags = self.leb()
        low = self.leb()
        return f"{low} {self.leb()}" if flags & 1 else str(low)


def sections(data):
    """(id, offset of body, size) of each section, in order."""
    r = Reader(data, 8)
    while r.at < len(data):
        kind, size = r.byte(), r.leb()
        yield kind, r.at, size
        r.at += size


def code_bytes(data):
    """Size of the code section: what compile speeds are given in."""
    return sum(size for kind, _, size in sections(data) if kind == 10)


def read_function_type(r):
    form = r.byte()
    if form != 0x60:
        raise ValueError(f"type form {form:#x}")
    return r.types(), r.types()


def imports(data):
    """(namespace, name, kind, description) of each import; functions as (params, results)."""
    types, found = [], []
    for kind, at, _ in sections(data):
        r = Reader(data, at)
        if kind == 1:
            types = [read_function_type(r) for _ in range(r.leb())]
        if kind == 2:
            for _ in range(r.leb()):
                found.append(read_import(r, types))
    return found


def read_import(r, types):
    space, name, kind = r.name(), r.name(), r.byte()
    if kind == 0:
        return space, name, "func", types[r.leb()]
    if kind == 1:
        element = VALUE_TYPES[r.byte()]
        return space, name, "table", f"{r.limits()} {element}"
    if kind == 2:
        return space, name, "memory", r.limits()
    if kind == 3:
        value = VALUE_TYPES[r.byte()]
        return space, name, "global", (value, r.byte() == 1)
    raise ValueError(f"import kind {kind}")


def zero_of(value_type):
    if value_type in ("funcref", "externref"):
        return f"ref.null {value_type[:-3]}"
    if value_type == "v128":
        return "v128.const i64x2 0 0"
    return f"{value_type}.const 0"


def quoted(text):
    return '"' + "".join(f"\\{b:02x}" for b in text.encode()) + '"'


def stub_of(name, kind, what):
    export = f"(export {quoted(name)})"
    if kind == "func":
        params, results = what
        zeros = " ".join(f"({zero_of(t)})" for t in results)
        return (f"(func {export} (param {' '.join(params)}) (result {' '.join(results)}) {zeros})")
    if kind == "global":
        value, is_mutable = what
        mode = f"(mut {value})" if is_mutable else value
        return f"(global {export} {mode} ({zero_of(value)}))"
    return f"({kind} {export} {what})"


def script_of(data, trailer=""):
    """The whole script. trailer: assertions about the last module."""
    spaces = {}
    for space, name, kind, what in imports(data):
        spaces.setdefault(space, {})[name] = stub_of(name, kind, what)
    lines = []
    for i, (space, stubs) in enumerate(spaces.items()):
        body = "\n  ".join(stubs.values())
        lines.append(f"(module $stubs{i}\n  {body})\n(register {quoted(space)} $stubs{i})")
    hex_pairs = data.hex("\\")
    lines.append(f'(module binary "\\{hex_pairs}")')
    return "\n".join(lines) + "\n" + trailer + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as f:
        print(script_of(f.read()))
