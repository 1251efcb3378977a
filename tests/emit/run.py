#!/usr/bin/env python3
"""What `imago compile --emit` makes: objects, programs, and images that dlopen opens.

One WASI program (guest.wat) in each form must behave as under `imago run`.
"""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
from harness import IMAGO, Folder, Skip, Tests  # noqa: E402

BUILD = os.path.dirname(IMAGO)
SANITIZERS = ["-fsanitize=address,undefined"] if "asan" in BUILD else []
MAX_BEYOND_CODE = 300_000


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr.decode(errors="replace")

    def __repr__(self):
        return f"status {self.status}, {self.out[:300]!r}, {self.err[:600]!r}"


def start(command, stdin=b"", **more):
    return Result(subprocess.run(command, input=stdin, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, timeout=60, check=False, **more))


def need_static(path):
    with open(path, "rb") as file:
        if b"/ld-linux" in file.read():
            raise Skip("programs of this build are not static")


def must(command, **more):
    result = start(command, **more)
    assert result.status == 0, f"{' '.join(command)}: {result}"
    return result.out.decode(errors="replace")


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise Skip(f"no {tool} here")


def environment(**variables):
    """Only these, and what the sanitizers are told."""
    kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    return dict(kept, **variables)


def emit(folder, kind, *options, name=None):
    """The guest as `kind`. Returns the path."""
    path = folder.file(name or "guest." + kind)
    result = start([IMAGO, "compile", folder.file("guest.wat"), "--emit", kind, "-o", path,
                    *options])
    if result.status == 69 and "imago-launcher" in result.err:
        raise Skip("this build has no launcher")
    assert result.status == 0, result
    return path


def shown(path, *args, **variables):
    """What the guest writes first."""
    words = [os.path.basename(path), *args, *(f"{n}={v}" for n, v in variables.items())]
    return b"".join(word.encode() + b"\0" for word in words)


END = b"begin of" + b"end of"


def check_behaviour(command, path, env):
    """Arguments, environment, input, status and traps of a program whose argument 0 is `path`."""
    result = start(command, env=env)
    names = {n: v for n, v in env.items()}
    assert result.status == 0 and result.out == shown(path, **names) + END, result
    result = start(command + ["7", "two words", "", "-x"], stdin=b"in\0put\n" * 3000, env=env)
    assert result.status == 7, result
    assert result.out == (shown(path, "7", "two words", "", "-x", **names) + b"in\0put\n" * 3000 +
                          END), result
    result = start(command + ["t"], env=env)
    assert result.status == 134 and "unreachable" in result.err, result
    assert re.search(r"#0 trap \(guest\+0x[0-9a-f]+\)", result.err), result
    assert result.out == shown(path, "t", **names) + END, result


# ---- Programs ------------------------------------------------------------------------------------

def exe_behaves(folder):
    path = emit(folder, "exe")
    check_behaviour([path], path, environment(IMAGO=IMAGO, A="1", B=""))


def exe_is_an_image(folder):
    path = emit(folder, "exe")
    image = emit(folder, "image")
    result = start([IMAGO, "run", path, "5"])
    assert result.status == 5 and result.out == shown(path, "5") + END, result
    must([IMAGO, "verify", path])
    assert "imago_start" in must([IMAGO, "objdump", path]) or shutil.which("readelf") is None or \
        "imago_start" in must(["readelf", "-sW", path])
    assert os.access(path, os.X_OK) and not os.access(image, os.X_OK)
    more = os.path.getsize(path) - os.path.getsize(image)
    assert 0 <= more < 8192, more


def exe_starts_without_a_caller(folder):
    """What the system starts has no return address: an unwinder must stop there."""
    need("readelf")
    path = emit(folder, "exe")
    symbol = next(line.split() for line in must(["readelf", "-sW", path]).splitlines()
                  if line.endswith(" imago_start"))
    frames = must(["readelf", "--debug-dump=frames", path])
    entry = re.search(rf"FDE [^\n]*pc={symbol[1]}\.\.[^\n]*\n((?:  [^\n]*\n)*)", frames)
    assert entry and "DW_CFA_undefined: r16 (rip)" in entry[1], entry
    assert frames.count("DW_CFA_undefined") == 1


def exe_finds_imago(folder):
    """By PATH if IMAGO is not set or empty; says so if there is none."""
    path = emit(folder, "exe")
    for place in ("/usr/local/bin/imago", "/usr/bin/imago"):
        if os.path.exists(place):
            raise Skip(f"there is {place}")
    tools = folder.file("bin")
    os.mkdir(tools)
    os.symlink(IMAGO, os.path.join(tools, "imago"))
    for variables in ({}, {"IMAGO": ""}):
        result = start([path, "3"], env=environment(PATH=tools, **variables))
        assert result.status == 3 and result.out.startswith(shown(path, "3")), result
    nowhere, long = folder.file("nowhere"), "/" + "x" * 9000
    for folders in ([nowhere, tools], ["", tools], [long, tools], [tools, ""], [tools, long]):
        result = start([path, "3"], env=environment(PATH=":".join(folders)))
        assert result.status == 3 and result.out.startswith(shown(path, "3")), (folders, result)
    result = start([path, "3"], env=environment(PATH=nowhere + ":"), cwd=tools)  # the current one
    assert result.status == 3, result
    for variables in ({"PATH": nowhere}, {"PATH": nowhere + ":" + long}, {"PATH": ""}, {},
                      {"IMAGO": "/nowhere/imago", "PATH": tools}):
        result = start([path], env=environment(**variables), cwd=folder.path)
        assert result.status == 127 and result.err == (
            "imago: error: cannot start imago, which this program needs: put it where PATH finds "
            "it, or its path into IMAGO\n"), (variables, result)


def exe_with_rights_ignores_environment(folder):
    """With the set-user-ID bit, who starts it does not choose what it becomes."""
    if os.geteuid() != 0:
        raise Skip("only root can make such a program")
    path = emit(folder, "exe")
    os.chmod(folder.path, 0o755)
    os.chmod(path, 0o4755)
    tool = folder.file("imago")
    with open(tool, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho chosen\n")
    os.chmod(tool, 0o755)
    env = environment(IMAGO=tool, PATH=folder.path)
    assert start([path], env=env).out == b"chosen\n"  # root's rights are root's
    result = start([path], env=env, user=65534)
    assert b"chosen" not in result.out, result


def exe_started_by_path(folder):
    """Found in PATH, by a relative name, with another argument 0: FILE is the file that runs."""
    path = emit(folder, "exe")
    env = environment(IMAGO=IMAGO, PATH=folder.path)
    result = start(["guest.exe", "2"], env=env)
    assert result.status == 2 and result.out.startswith(shown(path, "2")), result
    result = start(["other", "2"], env=env, executable="./guest.exe", cwd=folder.path)
    assert result.status == 2 and result.out.startswith(shown(path, "2")), result
    os.rename(path, folder.file("-v"))
    result = start(["x", "4"], env=env, executable="-v", cwd=folder.path)
    assert result.status == 4 and result.out.startswith(shown("-v", "4")), result


def options_are_kept(folder):
    """--dir and --env of the compilation; nothing else is visible."""
    data = folder.file("data")
    for kind in ("exe", "static-exe"):
        plain = emit(folder, kind)
        env = environment(IMAGO=IMAGO)
        with open(data, "w", encoding="utf-8") as file:
            file.write("contents")
        assert start([plain, "f"], env=env, cwd=folder.path).status == 44
        path = emit(folder, kind, "--dir", ".::/here:ro", "--env", "A=set", "--env=A2=b c",
                    name="kept." + kind)
        result = start([path, "f"], env=dict(env, Z="1"), cwd=folder.path)
        assert result.status == 0 and result.out.endswith(END + b"contents"), result
        seen = result.out[len(shown(path, "f")):]
        assert b"\0A2=b c\0" in seen and b"Z=1\0" in seen and seen.startswith(b"A=set\0"), result


def long_options_are_kept(folder):
    """More than the first page of words."""
    for kind in ("exe", "static-exe"):
        values = [f"--env=V{i}=" + "x" * 500 for i in range(20)]
        path = emit(folder, kind, *values, name="long." + kind)
        result = start([path, "6"], env=environment(IMAGO=IMAGO))
        assert result.status == 6 and result.out.count(b"x" * 500 + b"\0") == 20, result


def static_behaves(folder):
    path = emit(folder, "static-exe")
    check_behaviour([path], path, environment(A="1", B=""))


def chroot_command(root):
    """What runs a program with `root` as its file system."""
    need("chroot")
    chroot = [shutil.which("chroot"), root]
    for command in (chroot, [shutil.which("unshare"), "-r"] + chroot):
        if command[0] is not None and start(command + ["/none"]).status == 127:
            return command
    raise Skip("chroot is not permitted here")


def static_is_no_image(folder):
    """Tools say what it is instead of calling it damaged."""
    path = emit(folder, "static-exe", "--env", "A=b")
    for command in ("verify", "inspect", "objdump", "run"):
        result = start([IMAGO, command, path])
        assert result.status == 65 and "a stand-alone program, not an image" in result.err, result


def static_needs_nothing(folder):
    """In a root that holds nothing else; no file is opened."""
    need_static(emit(folder, "static-exe"))
    root = folder.file("root")
    os.mkdir(root)
    command = chroot_command(root)
    path = emit(folder, "static-exe", name="root/prog")
    check_behaviour(command + ["/prog"], path, environment(A="1"))
    assert os.listdir(root) == ["prog"]
    if shutil.which("strace"):
        trace = start(["strace", "-f", "-e", "trace=%file", path, "1"], env=environment()).err
        if "exited with 1" in trace:
            files = [line for line in trace.splitlines() if re.match(r"[a-z]\w*\(", line) and
                     not re.match(r'execve|.*"/?", |readlink\("/proc/self/exe', line)]
            assert files == [], trace


def static_is_small(folder):
    need_static(emit(folder, "static-exe"))
    more = os.path.getsize(emit(folder, "static-exe")) - os.path.getsize(emit(folder, "image"))
    launcher = os.path.getsize(os.path.join(BUILD, "imago-launcher"))
    assert more < launcher + 32_768, f"{more} bytes more, by a launcher of {launcher}"
    if launcher > MAX_BEYOND_CODE:
        raise Skip("made without musl")
    assert more < MAX_BEYOND_CODE, more


def static_has_no_compiler(folder):
    with open(emit(folder, "static-exe"), "rb") as file:
        contents = file.read()
    assert b"baseline" not in contents and b"unreachable" in contents


def launcher_alone(_):
    launcher = os.path.join(BUILD, "imago-launcher")
    if not os.path.exists(launcher):
        raise Skip("this build has no launcher")
    result = start([launcher])
    assert result.status == 2 and "static-exe" in result.err, result


def launcher_is_missed(folder):
    """The message names the places where it is looked for."""
    command = folder.file("imago")
    shutil.copy(IMAGO, command)
    result = start([command, "compile", folder.file("guest.wat"), "--emit", "static-exe", "-o",
                    folder.file("out")])
    where = os.path.realpath(folder.path)
    assert result.status == 69 and result.err.endswith(
        f" need imago-launcher (made where musl-gcc is), and there is none in {where} and its "
        "../libexec/imago\n"), result


def wrong_use(folder):
    wat = folder.file("guest.wat")
    library = os.path.join(ROOT, "examples", "add.wat")
    out = folder.file("out")
    for command, status, message in [
            ([wat, "--emit", "elf"], 2, "expected image, obj, exe or static-exe"),
            ([wat, "--dir", "."], 2, "for programs"),
            ([wat, "--emit", "obj", "--env", "A=B"], 2, "for programs"),
            ([wat, "--emit", "exe", "--dir", ""], 2, "one is empty"),
            ([wat, "--emit", "static-exe", "--dir", "a::"], 2, "one is empty"),
            ([wat, "--emit", "exe", "--env", "=B"], 2, "expected NAME=VALUE"),
            ([library, "--emit", "exe"], 65, "no function '_start'"),
            ([library, "--emit", "static-exe"], 65, "no function '_start'")]:
        result = start([IMAGO, "compile", "-o", out] + command)
        assert result.status == status and message in result.err, (command, result)
        assert not os.path.exists(out)


def same_bytes(folder):
    """Whatever the number of threads, folder and time."""
    for kind in ("obj", "exe", "static-exe"):
        found = set()
        for jobs in ("1", "2"):
            with open(emit(folder, kind, "-j", jobs, name="guest.o"), "rb") as file:
                found.add(file.read())
        assert len(found) == 1, kind


# ---- Objects and dlopen --------------------------------------------------------------------------

def compile_host(folder, source, *objects, command=("cc",), options=()):
    need(command[0])
    program = folder.file("host")
    must([*command, os.path.join(HERE, source), "-I", os.path.join(ROOT, "include"), *objects,
          os.path.join(BUILD, "libimago.a"), "-pthread", *SANITIZERS, "-o", program, *options])
    return program


LINKERS = {
    "gcc": (("gcc",), ()),
    "gcc -static-pie": (("gcc",), ("-static-pie",)),
    "gcc -no-pie": (("gcc",), ("-no-pie", "-Wl,--gc-sections")),
    "clang, lld": (("clang-19", "-fuse-ld=lld"), ("-Wl,--gc-sections",)),
    "clang, lld, icf": (("clang-19", "-fuse-ld=lld"), ("-Wl,--icf=all", "-O2")),
}


def object_behaves(folder, linker):
    command, options = LINKERS[linker]
    if SANITIZERS and command[0] != "gcc" or SANITIZERS and "-static-pie" in options:
        raise Skip("not with sanitizers")
    if "-fuse-ld=lld" in command:
        need("ld.lld-19")
    program = compile_host(folder, "host_object.c", emit(folder, "obj", name="guest.o"),
                           command=command, options=options)
    result = start([program, "7", "b"], stdin=b"input")
    expected = b"\0".join([program.encode(), b"7", b"b", b"input"]) + END
    assert result.status == 7 and result.out == expected, result
    result = start([program, "t"])
    assert result.status == 134 and "unreachable in trap" in result.err, result


def only_code_is_executable(folder):
    """Also where all of an object lies in the program's code."""
    need("gdb", "gcc")
    if SANITIZERS:
        raise Skip("not with sanitizers")
    program = compile_host(folder, "host_object.c", emit(folder, "obj", name="guest.o"))
    text = start(["gdb", "-q", "-batch", "-ex", "run", "-ex", "bt", "-ex", "info symbol $pc",
                  "-ex", "python print(open(f'/proc/{gdb.selected_inferior().pid}/maps').read())",
                  "-ex", "python print(int(gdb.parse_and_eval('(long)&imago_image_guest')))",
                  "--args", program, "t"], stdin=b"").out.decode(errors="replace")
    if "SIGILL" not in text:
        raise Skip("gdb cannot run programs here")
    assert re.search(r"#0 +0x\w+ in trap \(\)", text), text
    for name in ("_start", "host_call", "main"):
        assert re.search(rf"^#\d+ .* in {name} |^#\d+ +{name} ", text, re.M), (name, text)
    at = int(text.strip().splitlines()[-1])
    rights = [line.split()[1] for line in text.splitlines()
              if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line) and
              int(line.split("-")[0], 16) <= at < int(re.split("[- ]", line)[1], 16)]
    assert rights == ["r--p"], text


def dlopen_behaves(folder):
    program = compile_host(folder, "host_dlopen.c", options=["-ldl"])
    for kind in ("image", "exe"):
        path = emit(folder, kind)
        result = start([program, path, "7"], stdin=b"input")
        if "cannot apply" in result.err or "Segmentation" in result.err:
            raise Skip("glibc before 2.35")
        expected = path.encode() + b"\0007\0input" + END
        assert result.status == 7 and result.out == expected, result
        assert start([program, path, "t"]).status == 134


def well_formed(folder):
    """As the tools of elfutils and binutils see it."""
    for kind in ("image", "obj", "exe", "static-exe"):
        path = emit(folder, kind)
        if shutil.which("readelf"):
            result = start(["readelf", "-aW", path])
            assert result.status == 0 and result.err == "", (kind, result.err)
        if shutil.which("eu-elflint"):
            result = start(["eu-elflint", "--gnu-ld", path])
            assert result.out == b"No errors\n", (kind, result)
    need("readelf", "eu-elflint", "nm")
    symbols = must(["nm", "--extern-only", emit(folder, "obj", name="guest.o")]).split()
    assert symbols[-1] == "imago_image_guest" and len(symbols) == 3, symbols
    frames = must(["readelf", "--debug-dump=frames", emit(folder, "obj")])
    assert frames.count(" FDE ") > 10, frames


TESTS = [
    exe_behaves, exe_is_an_image, exe_starts_without_a_caller, exe_finds_imago,
    exe_with_rights_ignores_environment, exe_started_by_path, options_are_kept,
    long_options_are_kept, static_behaves, static_is_no_image, static_needs_nothing,
    static_is_small, static_has_no_compiler, launcher_alone, launcher_is_missed, wrong_use,
    same_bytes, only_code_is_executable,
    dlopen_behaves, well_formed,
]


def main():
    tests = Tests()
    with open(os.path.join(HERE, "guest.wat"), encoding="utf-8") as file:
        guest = file.read().replace("(; much data ;)", '"' + "." * 9000 + '"')
    named = [(test.__name__, test, ()) for test in TESTS]
    named += [(f"object_behaves ({linker})", object_behaves, (linker,)) for linker in LINKERS]
    for name, test, more in named:
        folder = Folder({"guest.wat": guest})
        tests.function(name, test, folder, *more)
        folder.close()
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
