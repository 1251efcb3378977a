"""Manual page, completions, objdump and the script runner: what comes out of them."""
import os
import pty
import re
import shutil
import subprocess

from harness import IMAGO, Skip, run
from rows_usage import COMMANDS, FILES as USAGE_FILES
from wasm import slow_module

FILES = {"lib.wat": USAGE_FILES["add.wat"]}


def options_of(command):
    status, out, _ = run([command, "--help"])
    assert status == 0
    return re.findall(r"^ +(?:-\w, )?(--[\w-]+)", out.split("options:")[1], re.MULTILINE)


def manual_has_every_option(_):
    page = run(["man"])[1].replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    for command in COMMANDS:
        assert f".SS imago {command} " in page, f"no section on {command}"
        part = page.split(f".SS imago {command} ")[1].split(".SS ")[0]
        for option in options_of(command):
            assert option in part or option in ("--help", "--version"), f"{command} {option}"


def manual_is_good_roff(_):
    if shutil.which("groff") is None:
        raise Skip("no groff")
    page = run(["man"])[1]
    done = subprocess.run(["groff", "-man", "-ww", "-z"], input=page.encode(), check=False,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr, done.stderr


def completions_have_every_option(_):
    for shell in ("bash", "zsh", "fish"):
        text = run(["completion", shell])[1]
        for command in COMMANDS:
            for option in options_of(command):
                word = f"-l {option[2:]}" if shell == "fish" else option
                assert word in text, f"{shell}: {command} {option}"


def completions_parse(_):
    for shell in ("bash", "zsh", "fish"):
        if shutil.which(shell) is None:
            continue
        text = run(["completion", shell])[1]
        done = subprocess.run([shell, "-n"], input=text.encode(), stderr=subprocess.PIPE,
                              check=False)
        assert done.returncode == 0 and not done.stderr, f"{shell}: {done.stderr}"


def bash_completes(_):
    if shutil.which("bash") is None:
        raise Skip("no bash")
    script = run(["completion", "bash"])[1] + """
        COMP_WORDS=(imago compile --st); COMP_CWORD=2; _imago; echo "${COMPREPLY[@]}"
        COMP_WORDS=(imago va); COMP_CWORD=1; _imago; echo "${COMPREPLY[@]}"
        """
    done = subprocess.run(["bash"], input=script.encode(), stdout=subprocess.PIPE, check=True,
                          cwd="/")
    assert done.stdout.decode().split() == ["--stats", "validate"] or \
        done.stdout.decode().split()[:2] == ["--stats", "validate"], done.stdout


def objdump_shows_everything(folder):
    status, out, err = run(["objdump", folder.file("lib.wat")])
    assert status == 0, err
    for words in ("sections:", r"\.text", r"\.eh_frame", "functions: 6", r"\(i32 i32\) -> \(i32\)",
                  r"entry stub of type"):
        assert re.search(words, out), f"{words} missing"
    if "without Capstone" not in err:
        assert re.search(r"\bret\b", out), "no instructions"


def objdump_maps_all(folder):
    """Every instruction's offset, and otherwise the same code."""
    with open(folder.file("all.wat"), "w") as file:
        file.write('(module (memory 1) (func (export "f") (param i32) (result i32)'
                   '(loop (i32.store (i32.const 8) (local.get 0))'
                   '(br_if 0 (i32.load (local.get 0)))) (call 0 (i32.const 1))))')
    _, usual, _ = run(["objdump", "--func", "f", folder.file("all.wat")])
    _, out, _ = run(["objdump", "--func", "f", "--address-map=all", folder.file("all.wat")])
    offsets = [int(at, 16) for at in re.findall(r"; wasm 0x([0-9a-f]+)", out)]
    usual_offsets = [int(at, 16) for at in re.findall(r"; wasm 0x([0-9a-f]+)", usual)]
    assert offsets == sorted(offsets) and len(set(offsets)) >= 6, out
    assert set(usual_offsets) < set(offsets), out

    def code(text):
        lines = re.findall(r"^ +[0-9a-f]+:  ((?:[0-9a-f]{2} )+)", text, re.M)
        return "".join(lines)

    assert code(out) == code(usual) != "", out


def objdump_knows_calls(folder):
    """The WebAssembly offset stands beside calls as well as beside traps."""
    with open(folder.file("calls.wat"), "w") as file:
        file.write('(module (func $f (import "m" "f")) (func $g (call $f)) (func (call $g)))')
    _, out, err = run(["objdump", folder.file("calls.wat")])
    if "without Capstone" in err:
        raise Skip("no disassembler, so that calls are not seen")
    found = re.findall(r"\bcall\b.*; wasm 0x([0-9a-f]+)", out)
    assert len(found) == 2 and found[0] < found[1], out


REFS = """
(module (import "m" "gc" (func $gc)) (import "m" "use" (func $use (param externref)))
  (func $f (export "f") (param $a externref) (param $b externref) (result externref)
    (call $gc) (local.get $b) (call $use (local.get $a)) (call $gc)))
"""


def objdump_shows_stack_maps(folder):
    """Which slots hold references stands beside calls: both, then the operand, nothing but it."""
    path = folder.file("refs.wat")
    with open(path, "w", encoding="utf-8") as file:
        file.write(REFS)
    for platform in ("x86_64-linux", "x86_64-windows"):
        image = folder.file("refs.image")
        assert run(["compile", path, "-o", image, "--target", platform])[0] == 0
        assert run(["verify", image])[0] == 0
        _, out, err = run(["inspect", image])
        assert "stack maps: 3 calls that frames with externrefs make, 3 slots in" in out, out + err
        _, out, err = run(["objdump", "--func", "f", image])
        if "without Capstone" not in err:
            found = re.findall(r"\bcall\b.*?; wasm 0x[0-9a-f]+(.*)", out)
            assert found == [" ; externrefs at rbp-16 rbp-24", " ; externrefs at rbp-32",
                             " ; externrefs at rbp-32"], out
    out = run(["inspect", folder.file("lib.wat")])[1]
    assert "stack maps" not in out, out


def objdump_shows_one_function(folder):
    names = {"--func=0": None}
    for option in names:
        status, out, err = run(["objdump", option, folder.file("lib.wat")])
        assert status == 0, err
        assert len(re.findall(r"^[0-9a-f]{8} <", out, re.MULTILINE)) == 1, out
    status, out, err = run(["objdump", "--funcs", folder.file("lib.wat")])
    assert status == 0 and "<" not in out, out
    status, _, err = run(["objdump", "--func", "nosuch", folder.file("lib.wat")])
    assert status == 2 and "no function 'nosuch'" in err, err


def functions_without_names(folder):
    """None, or an empty one: tools show what the symbols are called."""
    path, image = folder.file("nameless.wat"), folder.file("nameless.image")
    with open(path, "w") as file:
        file.write('(module (import "m" "f" (func)) (func (call 2)) (func (export "")) (func $x))')
    assert run(["compile", path, "-o", image])[0] == 0
    if shutil.which("readelf"):
        table = subprocess.run(["readelf", "-sW", image], stdout=subprocess.PIPE, check=True)
        assert re.search(rb" func1\n.* func2\n.* x\n", table.stdout), table.stdout
    for command in (["inspect"], ["objdump", "--funcs"]):
        out = run(command + [image])[1]
        for i, name in enumerate(["func0", "func1", "func2", "x"]):
            assert re.search(rf"^ +{i} .* {name} +\(\) -> \(\)$", out, re.MULTILINE), out
    status, out, _ = run(["objdump", "--func", "func1", image])
    assert status == 0 and re.search(r"^[0-9a-f]{8} <func1> index 1 ", out), out
    assert "-> func2" in out or "call" not in out, out
    assert run(["objdump", "--func", "func3", image])[0] == 2


MANY_PARTS = """
(module $parts (import "env" "f" (func (param i32))) (import "env" "g" (global f32))
  (memory (export "m") 1 3) (table 2 funcref) (elem (i32.const 0) $h $h)
  (global (mut i64) (i64.const 7)) (data (i32.const 16) "hello") (data "passive")
  (func $h (export "h")) (start $h)
""" + "  (func)\n" * 30 + ")"

INSPECTED = (
    r"image of \d+ bytes", "format    3, for x86_64-linux", r"made by   imago \d.* baseline",
    r"needs     x86-64 sse4.1 popcnt$", r"build-id  [0-9a-f]{40}$", "module    parts",
    "start     function 1", r"padding   \d+ bytes, .* % of the text$",
    r"^  \.text +\d+ +[\d.]+ %  #+$", r"^  headers and padding +\d+",
    r"types: 2\n +0  \(i32\) -> \(\)\n +1  \(\) -> \(\)",
    r"imports: 2\n +0  function  env.f  \(i32\) -> \(\)\n +1  global    env.g  f32",
    r"exports: 2\n +0  function      1  h  \(\) -> \(\)\n +1  memory        0  m  1 to 3 pages",
    r"memories: 1\n +0  1 to 3 pages", r"tables: 1\n +0  2 or more funcref, never written",
    r"globals: 2\n +0  f32\n +1  mutable i64 = 7",
    r"data segments: 2\n +0  5 bytes, memory 0 at 16\n +1  7 bytes, passive",
    r"element segments: 1\n +0  2 of funcref, table 0 at 0, in the frozen table",
    r"functions: 32\n +0    import", r"\.\.\. 12 more \(--all\)")


def inspect_shows_everything(folder):
    path = folder.file("parts.wat")
    with open(path, "w") as file:
        file.write(MANY_PARTS)
    status, out, err = run(["inspect", path])
    assert status == 0, err
    for words in INSPECTED:
        assert re.search(words, out, re.MULTILINE), f"{words} missing in\n{out}"
    image = folder.file("parts.image")
    assert run(["compile", path, "-o", image])[0] == 0
    assert run(["inspect", image])[1].split("\n")[1:] == out.split("\n")[1:]
    out = run(["inspect", image, "--all"])[1]
    assert "more" not in out.split("functions: 32")[1] and re.search(r"^ +31 ", out, re.MULTILINE)


def inspect_draws_to_scale(folder):
    """A bar is as long as its bytes are many, and all bytes are counted once."""
    path, image = folder.file("sizes.wat"), folder.file("sizes.image")
    for memory in ("", f'(memory 1) (data (i32.const 0) "{"x" * 60000}")'):  # padding, data
        with open(path, "w") as file:
            file.write(f"(module {memory} {'(func (nop))' * 40})")
        assert run(["compile", path, "-o", image])[0] == 0
        out = run(["inspect", image], env={"COLUMNS": "143"})[1]
        rows = re.findall(r"^  (\S.{19}) +(\d+) +([\d.]+) %  (#*)$", out, re.MULTILINE)
        sizes = [int(row[1]) for row in rows]
        assert sum(sizes) == os.path.getsize(image), out
        assert abs(sum(float(row[2]) for row in rows) - 100) < 0.05 * len(rows), out
        for (_, size, percent, bar) in rows:
            assert len(bar) == -(-100 * int(size) // max(sizes)), out
            assert abs(float(percent) - 100 * int(size) / sum(sizes)) < 0.06, out
        assert len(rows) == out.count("\n  .") and "in one of the above" in out, out


def padding_is_told(folder):
    """By the compiler and by what looks at its image, the same number."""
    image = folder.file("padded.image")
    told = []
    for options in ([], ["--func-padding", "100"]):
        err = run(["compile", folder.file("lib.wat"), "-o", image, "--stats"] + options)[2]
        out = run(["inspect", image])[1]
        told.append(int(re.search(r" bytes of text \((\d+) padding\)", err)[1]))
        assert re.search(rf"^  padding   {told[-1]} bytes, [\d.]+ % of the text$", out, re.M), out
    funcs = int(re.search(r"^functions: (\d+)", run(["inspect", image])[1], re.M)[1])
    assert told[1] - told[0] >= 100 * (funcs - 1), told


def inspect_fits_any_width(folder):
    for columns in (20, 43, 80, 200):
        out = run(["inspect", folder.file("lib.wat")], env={"COLUMNS": str(columns)})[1]
        lines = [line for line in out.split("\n")[1:] if line.startswith("  ")]
        assert max(map(len, lines)) == columns, f"{columns}: {max(map(len, lines))}"


GOOD_SCRIPT = """
(module (func (export "f") (param i32) (result i32) (i32.div_u (i32.const 6) (local.get 0)))
        (global (export "g") f32 (f32.const nan))
        (func $r (export "r") (call $r)))
(assert_return (invoke "f" (i32.const 3)) (i32.const 2))
(assert_return (get "g") (f32.const nan:canonical))
(assert_trap (invoke "f" (i32.const 0)) "integer divide by zero")
(assert_exhaustion (invoke "r") "call stack exhausted")
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_malformed (module quote "(func") "unexpected end")
(assert_unlinkable (module (import "spectest" "nothing" (func))) "unknown import")
(assert_trap (module (func $s (unreachable)) (start $s)) "unreachable")
(register "lib")
(module $user (import "lib" "f" (func $f (param i32) (result i32)))
        (import "spectest" "global_i32" (global i32)) (import "spectest" "memory" (memory 1))
        (func (export "h") (result i32) (i32.add (call $f (i32.const 2)) (global.get 0))))
(assert_return (invoke $user "h") (i32.const 669))
"""
SIMD_SCRIPT = """
(module (func (export "v") (result v128) (v128.const i64x2 1 2)))
(assert_return (invoke "v") (v128.const i64x2 1 2))
(assert_invalid (module (func (result v128) (i32.const 1))) "type mismatch")
"""


def last_line(text):
    return text.rstrip().splitlines()[-1]


def scripts_pass(folder):
    path = folder.file("good.wast")
    with open(path, "w", encoding="utf-8") as file:
        file.write(GOOD_SCRIPT)
    status, out, err = run(["wast", path])
    assert status == 0 and last_line(out) == "9 passed, 0 failed, 0 skipped", out + err
    status, out, err = run(["wast", path, path])
    assert last_line(out) == "18 passed, 0 failed, 0 skipped", out + err


def scripts_fail(folder):
    """Each assertion turned round fails, and says where."""
    path = folder.file("bad.wast")
    wrong = [
        ('(invoke "f" (i32.const 3)) (i32.const 2)', '(invoke "f" (i32.const 3)) (i32.const 1)'),
        ("f32.const nan:canonical", "f32.const 1"),
        ('(assert_trap (invoke "f" (i32.const 0))', '(assert_trap (invoke "f" (i32.const 1))'),
        ("(func (result i32))) \"type", "(func)) \"type"),
        ('quote "(func")', 'quote "(func)")'),
        ('"nothing" (func)', '"print" (func)'),
        ("(func $s (unreachable))", "(func $s)"),
    ]
    for right, other in wrong:
        assert right in GOOD_SCRIPT, right
        with open(path, "w", encoding="utf-8") as file:
            file.write(GOOD_SCRIPT.replace(right, other))
        status, out, err = run(["wast", path])
        assert status == 1 and last_line(out) == "8 passed, 1 failed, 0 skipped", out + err
        assert re.match(r"\S*bad.wast:\d+: .*expected .*, came ", out), out


def scripts_skip_simd(folder):
    path = folder.file("simd.wast")
    with open(path, "w", encoding="utf-8") as file:
        file.write(SIMD_SCRIPT)
    status, out, err = run(["wast", path])
    if last_line(out) == "2 passed, 0 failed, 0 skipped":
        raise Skip("SIMD is supported")
    assert status == 0 and last_line(out) == "1 passed, 0 failed, 1 skipped", out + err
    status, out, err = run(["wast", "--simd=require", path])
    assert status == 1 and ", 0 skipped" in out, out + err


def scripts_that_are_none(folder):
    path = folder.file("none.wast")
    with open(path, "w", encoding="utf-8") as file:
        file.write("(module)\n(assert_return (invoke")
    status, out, err = run(["wast", path])
    assert status == 65 and re.search(r"none.wast:2:\d+: ", err), out + err
    assert last_line(out) == "0 passed, 1 failed, 0 skipped", out


def shows_progress(folder):
    """A line on a terminal after half a second, erased; nothing when it is no terminal."""
    path = folder.file("slow.wasm")
    with open(path, "wb") as file:
        file.write(slow_module(2))
    command = [IMAGO, "compile", "-j1", path, "-o", folder.file("slow.image"), "--stats"]
    main, side = pty.openpty()
    done = subprocess.Popen(command, stdout=side, stderr=side, stdin=subprocess.DEVNULL)
    os.close(side)
    out = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        if not part:
            break
        out += part
    os.close(main)
    assert done.wait() == 0, out
    compiled = re.search(rb"compile ([\d.]+) ms", out)
    if compiled and float(compiled.group(1)) < 700:
        raise Skip("compiled too fast to show progress")
    assert re.search(rb"\r  compiling: +\d+ %", out), out
    assert b"\r\x1b[K" in out, out


TESTS = [
    manual_has_every_option, manual_is_good_roff, completions_have_every_option,
    completions_parse, bash_completes, objdump_shows_everything, objdump_maps_all,
    objdump_knows_calls, objdump_shows_stack_maps, objdump_shows_one_function,
    functions_without_names, inspect_shows_everything, inspect_fits_any_width,
    inspect_draws_to_scale, padding_is_told,
    scripts_pass, scripts_fail, scripts_skip_simd, scripts_that_are_none, shows_progress,
]
