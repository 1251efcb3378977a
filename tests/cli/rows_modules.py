"""Modules that are wrong, at the edge, or beyond this version: exit status, place, words."""
import gzip

from harness import Row
from wasm import (CODE, EMPTY_CODE, EXPORT, FUNC, HEAD, IMPORT, MAGIC, MEMORY, ONE_FUNC, ONE_TYPE,
                  TYPE, VOID, body, func_name_section, leb, name, section, vec)

VALID = HEAD + ONE_TYPE + ONE_FUNC + EMPTY_CODE
BAD_BODY = section(CODE, vec(body(b"\x6a\x0b")))  # i32.add on an empty stack

# name: (contents, exit status of validate, words)
MODULES = {
    "empty.wasm": (b"", 65, "file is empty"),
    "magic.wasm": (b"\0bsm\1\0\0\0", 65, "magic"),
    "version.wasm": (MAGIC + b"\2\0\0\0", 65, "version"),
    "component.wasm": (MAGIC + b"\x0d\0\1\0", 69, "component"),
    "gzip.wasm": (gzip.compress(VALID), 65, "looks like a gzip archive"),
    "html.wasm": (b"<!doctype html><html>", 65, "looks like HTML"),
    "elf.wasm": (b"\x7fELF\2\1\1" + bytes(57), 65, "ELF"),
    "leb_long.wasm": (HEAD + b"\1" + b"\x80\x80\x80\x80\x80\0", 65, "too long"),
    "leb_padded.wasm": (HEAD + b"\1" + leb(4, 5) + vec(VOID) + ONE_FUNC + EMPTY_CODE, 0, ""),
    "past_end.wasm": (HEAD + b"\1\x7f\0", 65, ":0x"),
    "order.wasm": (HEAD + ONE_FUNC + ONE_TYPE + EMPTY_CODE, 65, ":0x"),
    "twice.wasm": (HEAD + ONE_TYPE + ONE_TYPE, 65, ":0x"),
    "counts.wasm": (HEAD + ONE_TYPE + ONE_FUNC, 65, "code"),
    "many_types.wasm": (HEAD + section(TYPE, leb(0xFFFFFFFF) + bytes(10)), 65, ":0x"),
    "many_funcs.wasm": (HEAD + ONE_TYPE + section(FUNC, leb(0xFFFFFFFF) + bytes(10)), 65, ":0x"),
    "utf8.wasm": (HEAD + ONE_TYPE + section(IMPORT, vec(name(b"\xff\xfe") + name("f") + b"\0\0")),
                  65, "UTF-8"),
    "bad_body.wasm": (HEAD + ONE_TYPE + ONE_FUNC + section(EXPORT, vec(name("broken") + b"\0\0")) +
                      BAD_BODY, 65, r"(?s):0x.*in function broken \(index 0\)"),
    "bad_body_named.wasm": (HEAD + ONE_TYPE + ONE_FUNC + BAD_BODY +
                            section(0, func_name_section(0, "wrong")), 65,
                            r"in function wrong \(index 0\)"),
    "garbage_names.wasm": (VALID + section(0, name("name") + b"\1\x0a\1\xff\xff\xff\xff\x0f\1a"),
                           0, ""),
    "locals.wasm": (HEAD + ONE_TYPE + ONE_FUNC +
                    section(CODE, vec(body(b"\x0b", b"\1" + leb(50001) + b"\x7f"))), 65, "local"),
    "locals_wrap.wasm": (HEAD + ONE_TYPE + ONE_FUNC +
                         section(CODE, vec(body(b"\x0b", b"\2" + 2 * (leb(1 << 31) + b"\x7f")))),
                         65, "local"),
    "params_1000.wasm": (HEAD + section(TYPE, vec(b"\x60" + leb(1000) + 1000 * b"\x7f" + b"\0")),
                         0, ""),
    "params_1001.wasm": (HEAD + section(TYPE, vec(b"\x60" + leb(1001) + 1001 * b"\x7f" + b"\0")),
                         65, "param"),
    "memory_max.wasm": (HEAD + section(MEMORY, vec(b"\0" + leb(65537))), 65, "memory"),
    "memory_order.wasm": (HEAD + section(MEMORY, vec(b"\1" + leb(2) + leb(1))), 65, ":0x"),
    "two_memories.wasm": (HEAD + section(MEMORY, vec(b"\0\0", b"\0\0")), 65, "memor"),
    "control.wasm": (HEAD + section(IMPORT, vec(name("a\x1b[31mb") + name("f") + b"\0\5")), 65,
                     ""),
}
MODULES.update({f"cut_{n}.wasm": (HEAD[:n], 65, "") for n in range(1, 8)})

TEXTS = {
    "syntax.wat": ("(module\n  (func\n    (i32.ad (i32.const 1))))", 65, r"syntax.wat:3:\d+: "),
    "unclosed.wat": ("(module (func", 65, r"unclosed.wat:1:\d+: "),
    "unknown.wat": ("(module (func (call $nowhere)))", 65, r"unknown.wat:1:\d+: .*nowhere"),
    "type.wat": ('(module (func $adds (export "adds") (result i32)\n  (i64.const 1)))', 65,
                 r"(?s)type.wat:.*in function adds \(index 0\)"),
}

# What needs running: name: text
PROGRAMS = {
    "simd.wat": '(module (func $wide (export "_start") (drop (v128.const i64x2 1 2))))',
    "import.wat": '(module (import "nowhere" "nothing" (func)) (func (export "_start")))',
    "import_type.wat": '(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))'
                       ' (func (export "_start")))',
    "big_memory.wat": '(module (memory 65536) (func (export "_start")))',
    "huge_table.wat": '(module (table 4294967295 funcref) (func (export "_start")))',
    "grow.wat": '(module (memory 1) (func (export "grow") (param i32) (result i32)'
                " (memory.grow (local.get 0))))",
    "segment.wat": '(module (memory 1) (data (i32.const 65535) "ab") (func (export "_start")))',
    "segment_wrap.wat": '(module (memory 1) (data (i32.const -1) "ab") (func (export "_start")))',
}

FILES = {file: row[0] for table in (MODULES, TEXTS) for file, row in table.items()}
FILES.update(PROGRAMS)
FILES["valid.wasm"] = VALID


def verdict_rows(file, status, words):
    """A module gets one verdict, whoever asks; compiling leaves no output."""
    err = words if status else ""
    for command in (["validate", "{%s}" % file], ["compile", "{%s}" % file, "-o", "{out.image}"],
                    ["run", "{%s}" % file]):
        if command[0] == "run" and file == "elf.wasm":
            continue
        if status != 0 or command[0] != "compile":
            yield Row(f"{command[0]} {file}", command, status, err if status else "")


ROWS = [row for table in (MODULES, TEXTS) for file, (_, status, words) in table.items()
        for row in verdict_rows(file, status, words or None)]
ROWS += [
    Row("validate several", ["validate", "{valid.wasm}", "{empty.wasm}", "{valid.wasm}"], 65,
        "empty.wasm: the file is empty"),
    Row("validate a folder", ["validate", "{}"], 66, "is a directory"),
    Row("run a folder", ["run", "{}"], 66, "is a directory"),
    Row("validate simd", ["validate", "{simd.wat}"], 0),
    Row("run simd", ["run", "{simd.wat}"], 69, r"(?s)not supported yet: simd.*function wide"),
    Row("compile simd", ["compile", "{simd.wat}", "-o", "{out.image}"], 69, "not supported yet"),
    Row("a missing import", ["run", "{import.wat}"], 65, "nowhere.*nothing"),
    Row("an import of another type", ["run", "{import_type.wat}"], 65, "proc_exit"),
    Row("a table of 2^32-1", ["run", "{huge_table.wat}"], 65, "4294967295 entries, the limit"),
    Row("growing", ["run", "--invoke", "grow", "{grow.wat}", "1"], 0, "", r"\A1\n\Z"),
    Row("growing too far", ["run", "--invoke", "grow", "{grow.wat}", "65536"], 0, "",
        r"\A-1\n\Z"),
    Row("growing to a limit", ["run", "--max-memory", "128K", "--invoke", "grow", "{grow.wat}",
                               "1"], 0, "", r"\A1\n\Z"),
    Row("growing beyond a limit", ["run", "--max-memory", "128K", "--invoke", "grow",
                                   "{grow.wat}", "2"], 0, "", r"\A-1\n\Z"),
    Row("starting beyond a limit", ["run", "--max-memory", "64K", "{big_memory.wat}"], 71,
        "memory"),
    Row("a segment past the end", ["run", "{segment.wat}"], 134, "out of bounds memory access"),
    Row("a segment that wraps", ["run", "{segment_wrap.wat}"], 134,
        "out of bounds memory access"),
    Row("wat2wasm of wrong text", ["wat2wasm", "{syntax.wat}", "-o", "{out.wasm}"], 65,
        r"syntax.wat:3:\d+: "),
]
