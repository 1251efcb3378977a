"""Traps and exit statuses: 134 with kind and backtrace, the guest's own code else."""
from harness import Row

WASI = "wasi_snapshot_preview1"


def program(code, fields=""):
    """A program whose _start calls $inner, which does `code`."""
    return f"""(module $prog
      {fields}
      (func $inner {code})
      (func $outer (call $inner))
      (func (export "_start") (call $outer)))"""


def trapping(code, fields=""):
    return program(code, fields)


# file: (contents, words of the first line)
TRAPS = {
    "unreachable.wat": (trapping("(unreachable)"), "unreachable"),
    "divide.wat": (trapping("(drop (i32.div_s (i32.const 1) (i32.const 0)))"),
                   "integer divide by zero"),
    "overflow.wat": (trapping("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
                     "integer overflow"),
    "conversion.wat": (trapping("(drop (i32.trunc_f64_s (f64.const nan)))"),
                       "invalid conversion to integer"),
    "memory.wat": (trapping("(drop (i32.load offset=8 (i32.const 0x10000)))", "(memory 1)"),
                   "out of bounds memory access: address 0x10008 of 65536 bytes"),
    "memory_far.wat": (trapping("(i64.store offset=0xffffffff (i32.const -1) (i64.const 1))",
                                "(memory 1)"), "out of bounds memory access"),
    "fill.wat": (trapping("(memory.fill (i32.const 65530) (i32.const 1) (i32.const 7))",
                          "(memory 1)"), "out of bounds memory access"),
    "table.wat": (trapping("(drop (table.get (i32.const 5)))", "(table 5 funcref)"),
                  "out of bounds table access"),
    "undefined.wat": (trapping("(call_indirect (i32.const -1))", "(table 5 funcref)"),
                      "undefined element"),
    "null.wat": (trapping("(call_indirect (i32.const 0))", "(table 5 funcref)"),
                 "uninitialized element"),
    "mismatch.wat": (trapping("(call_indirect (param i64) (i64.const 1) (i32.const 0))",
                              "(table funcref (elem $inner))"), "indirect call type mismatch"),
    "recursion.wat": (trapping("(call $inner)"), "call stack exhausted"),
    "recursion_indirect.wat": (trapping("(call_indirect (i32.const 0))",
                                        "(table funcref (elem $inner))"), "call stack exhausted"),
    "start.wat": ('(module (func $begin (unreachable)) (start $begin) (func (export "_start")))',
                  "unreachable"),
}


def exits(code):
    return f"""(module (import "{WASI}" "proc_exit" (func $exit (param i32)))
      (func (export "_start") (call $exit (i32.const {code})) (unreachable)))"""


PROGRAMS = {
    "returns.wat": '(module (func (export "_start")))',
    "exit_0.wat": exits(0),
    "exit_3.wat": exits(3),
    "exit_255.wat": exits(255),
    # Writes and then traps: the output must be there.
    "says.wat": f"""(module
      (import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\\08\\00\\00\\00\\06\\00\\00\\00hello\\n")
      (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (unreachable)))""",
    # Exit statuses that count: arguments, variables.
    "count_args.wat": f"""(module
      (import "{WASI}" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "{WASI}" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (drop (call $sizes (i32.const 0) (i32.const 4)))
        (call $exit (i32.load (i32.const 0)))))""",
    "count_envs.wat": f"""(module
      (import "{WASI}" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "{WASI}" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (drop (call $sizes (i32.const 0) (i32.const 4)))
        (call $exit (i32.load (i32.const 0)))))""",
    "count_dirs.wat": f"""(module
      (import "{WASI}" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
      (import "{WASI}" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (local $fd i32)
        (local.set $fd (i32.const 3))
        (loop $next
          (if (i32.eqz (call $prestat (local.get $fd) (i32.const 0)))
            (then (local.set $fd (i32.add (local.get $fd) (i32.const 1))) (br $next))))
        (call $exit (i32.sub (local.get $fd) (i32.const 3)))))""",
    "many_params.wat": '(module (func (export "_start") ' + "(call $f "
                       + " ".join(f"(i32.const {n})" for n in range(1000)) + "))"
                       + " (func $f (param" + " i32" * 1000 + ") (unreachable)))",
}

FILES = {file: row[0] for file, row in TRAPS.items()}
FILES.update(PROGRAMS)

ROWS = [Row(f"trap {file}", ["run", "{%s}" % file], 134,
            rf"\Aimago: error: \S*{file}: trap: {words}") for file, (_, words) in TRAPS.items()]
ROWS += [
    Row("a backtrace", ["run", "{unreachable.wat}"], 134,
        r"#0 inner \(prog\+0x[0-9a-f]+\)\n  #1 outer \(prog\+0x[0-9a-f]+\)\n  #2 "),
    Row("compile without address map",
        ["compile", "--address-map=none", "{unreachable.wat}", "-o", "{no_map.image}"], 0),
    Row("a backtrace without address map", ["run", "{no_map.image}"], 134,
        r"#0 inner\n  #1 outer\n  #2 .*\n  no WebAssembly offsets: the image has no address map"),
    Row("compile with all addresses",
        ["compile", "--address-map", "all", "{recursion.wat}", "-o", "{all.image}"], 0),
    Row("a backtrace from where only all addresses are known", ["run", "{all.image}"], 134,
        r"#0 \S+ \(\S+\+0x[0-9a-f]+\)\n  #1 "),
    Row("a wrong address map",
        ["compile", "--address-map", "some", "{unreachable.wat}", "-o", "{no_map.image}"], 2,
        "option --address-map: expected none, sites or all, found 'some'"),
    Row("a deep backtrace is cut", ["run", "{recursion.wat}"], 134, "and more frames"),
    Row("a trap under a small stack", ["run", "--max-stack", "64K", "{recursion.wat}"], 134,
        "call stack exhausted"),
    Row("output before a trap", ["run", "{says.wat}"], 134, "unreachable", r"\Ahello\n\Z"),
    Row("1000 parameters", ["run", "{many_params.wat}"], 134, "unreachable"),
    Row("a return", ["run", "{returns.wat}"], 0),
    Row("exit 0", ["run", "{exit_0.wat}"], 0),
    Row("exit 3", ["run", "{exit_3.wat}"], 3),
    Row("exit 255", ["run", "{exit_255.wat}"], 255),
    Row("no argument but the name", ["run", "{count_args.wat}"], 1),
    Row("arguments, ours in looks too", ["run", "{count_args.wat}", "--help", "-x", "--", "y"], 5),
    Row("the short form's arguments", ["{count_args.wat}", "--version"], 2),
    Row("no variables", ["run", "{count_envs.wat}"], 0),
    Row("variables", ["run", "--env", "A=1", "--env=B=2", "--env", "C", "--env", "NOT_SET_X",
                      "{count_envs.wat}"], 3, env={"C": "3"}),
    Row("no directories", ["run", "{count_dirs.wat}"], 0),
    Row("directories", ["run", "--dir", "{}", "--dir", "{}::/x:ro", "{count_dirs.wat}"], 2),
]
