"""The command line itself: help, versions, options, typing errors."""
from harness import Row

COMMANDS = ["run", "compile", "validate", "wat2wasm", "wast", "objdump", "inspect",
            "verify", "completion", "man", "help"]

FILES = {
    "add.wat": '(module (func (export "add") (param i32 i32) (result i32)'
               " (i32.add (local.get 0) (local.get 1)))"
               ' (func (export "subtract") (param i64 i64) (result i64)'
               " (i64.sub (local.get 0) (local.get 1)))"
               ' (func (export "half") (param f64) (result f64)'
               " (f64.div (local.get 0) (f64.const 2)))"
               ' (func (export "single") (param f32) (result f32) (local.get 0))'
               ' (func (export "swap") (param i32 i64) (result i64 i32)'
               " (local.get 1) (local.get 0))"
               ' (func (export "is_null") (param externref) (result i32)'
               " (ref.is_null (local.get 0)))"
               ' (global (export "number") i32 (i32.const 7)))',
}

ROWS = [
    Row("no arguments", [], 2, "usage: imago COMMAND"),
    Row("help", ["--help"], 0, "", "commands:"),
    Row("short help", ["-h"], 0, "", "commands:"),
    Row("version", ["--version"], 0, "", r"\Aimago \d+\.\d+\.\d+\n\Z"),
    Row("help run", ["help", "run"], 0, "", "usage: imago run"),
    Row("help of nothing known", ["help", "nosuch"], 2, "unknown command 'nosuch'"),
    Row("a typing error in a command", ["vaildate"], 2, "did you mean 'validate'"),
    Row("neither command nor file", ["frobnicate"], 2, "no command and no file 'frobnicate'"),
    Row("a typing error in an option", ["run", "--invoek", "f"], 2, "did you mean --invoke"),
    Row("an unknown option", ["run", "--frobnicate"], 2, "unknown option --frobnicate"),
    Row("an unknown letter", ["compile", "-x"], 2, "unknown option -x"),
    Row("an option of another command", ["validate", "--dir", "."], 2, "unknown option --dir"),
    Row("an option without its argument", ["compile", "-o"], 2, "--output needs an argument"),
    Row("an argument too many", ["run", "--stats=yes"], 2, "--stats takes no argument"),
    Row("no threads", ["compile", "-j", "0"], 2, "--jobs: expected a number above 0, found '0'"),
    Row("threads in words", ["compile", "-jtwo"], 2, "found 'two'"),
    Row("an alignment that is none", ["compile", "{add.wat}", "-o", "{x}", "--func-align", "3"], 2,
        "--func-align: expected a power of two up to 4096, found '3'"),
    Row("an alignment beyond pages", ["wast", "--func-align", "8192", "x"], 2,
        "expected a power of two up to 4096, found '8192'"),
    Row("no alignment", ["wast", "--func-align", "0", "x"], 2,
        "expected a power of two up to 4096, found '0'"),
    Row("too much padding", ["compile", "--func-padding", "4G"], 2,
        "--func-padding: expected less than 4G, found '4G'"),
    Row("no seed", ["compile", "--shuffle-funcs", "0"], 2, "--shuffle-funcs: expected a number"),
    Row("layout of functions", ["compile", "{add.wat}", "-o", "{x}", "--func-align", "64",
                                "--func-padding", "1K", "--shuffle-funcs", "7",
                                "--force-veneers"], 0),
    Row("a size of another unit", ["run", "--max-memory", "12Q"], 2, "expected a size such as"),
    Row("a size beyond 64 bits", ["run", "--max-stack=99999999999G"], 2, "expected a size"),
    Row("run nothing", ["run"], 2, "no FILE given"),
    Row("validate nothing", ["validate"], 2, "no FILE given"),
    Row("wast nothing", ["wast"], 2, "no FILE given"),
    Row("verify nothing", ["verify"], 2, "no IMAGE given"),
    Row("verify a module", ["verify", "{add.wat}"], 65, "not an Imago image"),
    Row("objdump nothing", ["objdump"], 2, "no FILE given"),
    Row("compile nothing", ["compile", "-o", "{x}"], 2, "no FILE given"),
    Row("compile to nothing", ["compile", "{add.wat}"], 2, "no output given"),
    Row("wat2wasm to nothing", ["wat2wasm", "{add.wat}"], 2, "no output given"),
    Row("compile two", ["compile", "{add.wat}", "{add.wat}", "-o", "{x}"], 2, "one FILE expected"),
    Row("an unknown compiler", ["compile", "{add.wat}", "-o", "{x}", "--compiler", "magic"], 2,
        "magic"),
    Row("an unknown target", ["compile", "{add.wat}", "-o", "{x}", "--target", "x86_64-plan9"], 2,
        r"there are: x86_64-linux, x86_64-windows"),
    Row("an object for another system",
        ["compile", "{add.wat}", "-o", "{x}", "--emit", "obj", "--target", "x86_64-windows"], 2,
        "for x86_64-linux only"),
    Row("an unknown shell", ["completion", "tcsh"], 2, "unknown shell 'tcsh'"),
    Row("a directory option without a name", ["run", "--dir", "::x", "{add.wat}"], 2, "is empty"),
    Row("a variable without a name", ["run", "--env", "=x", "{add.wat}"], 2, "NAME=VALUE"),
    Row("a directory that is not there", ["run", "--dir", "{nosuch}", "{add.wat}"], 66, "nosuch"),
    Row("a file that is not there", ["run", "{nosuch.wasm}"], 66,
        r"\Aimago: error: \S*nosuch.wasm: cannot open: No such file"),
    Row("the short form of run", ["{nosuch.wasm}"], 66, "cannot open"),
    # --invoke: arguments by type, results one a line.
    Row("invoke", ["run", "--invoke", "add", "{add.wat}", "2", "40"], 0, "", r"\A42\n\Z"),
    Row("invoke behind the file", ["run", "{add.wat}", "--invoke", "add", "2", "40"], 0, "",
        r"\A42\n\Z"),
    Row("negative, hexadecimal", ["run", "--invoke", "add", "{add.wat}", "-0x10", "+0x1f"], 0, "",
        r"\A15\n\Z"),
    Row("unsigned range", ["run", "--invoke", "add", "{add.wat}", "4294967295", "0"], 0, "",
        r"\A-1\n\Z"),
    Row("beyond the range", ["run", "--invoke", "add", "{add.wat}", "4294967296", "0"], 2,
        "argument 1 of 'add': expected i32, found '4294967296'"),
    Row("below the range", ["run", "--invoke", "add", "{add.wat}", "0", "-2147483649"], 2,
        "argument 2"),
    Row("no number", ["run", "--invoke", "add", "{add.wat}", "two", "1"], 2, "found 'two'"),
    Row("half a number", ["run", "--invoke", "add", "{add.wat}", "1.5", "1"], 2, "found '1.5'"),
    Row("i64", ["run", "--invoke", "subtract", "{add.wat}", "-9223372036854775808", "-1"], 0, "",
        r"\A-9223372036854775807\n\Z"),
    Row("f64", ["run", "--invoke", "half", "{add.wat}", "0.2"], 0, "", r"\A0\.1\n\Z"),
    Row("f64 infinity", ["run", "--invoke", "half", "{add.wat}", "-inf"], 0, "", r"\A-inf\n\Z"),
    Row("f64 nan", ["run", "--invoke", "half", "{add.wat}", "nan"], 0, "", r"\Anan\n\Z"),
    Row("f32", ["run", "--invoke", "single", "{add.wat}", "0.1"], 0, "", r"\A0\.1\n\Z"),
    Row("several results", ["run", "--invoke", "swap", "{add.wat}", "1", "2"], 0, "",
        r"\A2\n1\n\Z"),
    Row("a null reference", ["run", "--invoke", "is_null", "{add.wat}", "null"], 0, "",
        r"\A1\n\Z"),
    Row("too few arguments", ["run", "--invoke", "add", "{add.wat}", "1"], 2,
        "'add' takes 2 arguments, found 1"),
    Row("an unknown export", ["run", "--invoke", "ad", "{add.wat}"], 2,
        "no exported function 'ad', did you mean 'add'"),
    Row("an export that is no function", ["run", "--invoke", "number", "{add.wat}"], 2,
        "no exported function 'number'"),
    Row("a library without --invoke", ["run", "{add.wat}"], 0),
    Row("standard input", ["run", "--invoke", "add", "-", "1", "2"], 0, "", r"\A3\n\Z",
        stdin="add.wat"),
]

ROWS += [Row(f"{command} --help", [command, "--help"], 0, "", f"usage: imago {command} ")
         for command in COMMANDS]
ROWS += [Row(f"completion {shell}", ["completion", shell], 0, "", "imago")
         for shell in ("bash", "zsh", "fish")]
