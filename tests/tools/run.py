#!/usr/bin/env python3
"""Native tools see images as what they are, shared objects: no agent, no symbols told, no option.

A test a tool and a way of using it; skipped where the tool is absent, or may not look at processes.
"""
import contextlib
import glob
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("IMAGO_BUILD", os.path.join(ROOT, "build")))
IMAGO = os.path.abspath(os.environ.get("IMAGO", os.path.join(BUILD, "imago")))

# Runs until it is killed; names as compilers of C++ and Rust write them: outer::spin(),
# outer::inner_spin(unsigned int), and between them mine::work.
SPIN = """(module $spinner (memory (export "memory") 1)
  (func $_ZN5outer10inner_spinEj (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1)
        (i32.load (i32.and (local.get 0) (i32.const 0xFFFC)))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $_RNvC4mine4work (result i32)
    (i32.add (i32.const 1) (call $_ZN5outer10inner_spinEj (i32.const 1000000))))
  (func $_ZN5outer4spinEv (result i32) (local i32)
    (loop $again
      (local.set 0 (i32.add (local.get 0) (call $_RNvC4mine4work)))
      (br $again))
    (local.get 0))
  (func (export "_start") (drop (call $_ZN5outer4spinEv))))"""

# Works for a while, then traps.
TRAP = """(module $trapper (memory (export "memory") 1)
  (func $inner_trap (param i32) (result i32) (i32.load (local.get 0)))
  (func $outer_trap (param i32) (result i32)
    (i32.add (i32.const 1) (call $inner_trap (local.get 0))))
  (func $work (result i32) (local i32)
    (loop $again (br_if $again
      (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 500000))))
    (local.get 0))
  (func (export "_start") (drop (call $work)) (drop (call $outer_trap (i32.const -8)))))"""

TRAP_FRAMES = ["inner_trap", "outer_trap", "_start", "entry_stub", "main"]
SPIN_FRAMES = ["outer::inner_spin(unsigned int)", "::work", "outer::spin()", "_start", "entry_stub",
               "main"]
# The demangler of elfutils knows no Rust.
ELFUTILS_FRAMES = [frame.replace("::work", "work") for frame in SPIN_FRAMES]
# Where the caller of a function without a frame is passed over, and parameters may be left out.
SAMPLED_FRAMES = ["outer::inner_spin", "outer::spin", "_start", "entry_stub", "arch_enter"]


class Skip(Exception):
    """What is missing."""


def output_of(command, seconds=60, **more):
    """Both streams of a command, whatever its status."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=seconds, check=False, **more)
    return done.stdout.decode(errors="replace")


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise Skip(f"no {tool}")


def first_of(*tools):
    for tool in tools:
        if shutil.which(tool):
            return tool
    raise Skip(f"no {tools[0]}")


def expect_in_order(text, words):
    at = 0
    for word in words:
        found = text.find(word, at)
        assert found >= 0, f"no \"{word}\" in its place in:\n{text}"
        at = found + len(word)


class Guest:
    """A folder with the guests as text and as images."""

    def __init__(self, folder):
        self.folder = folder
        for name, text in (("spin", SPIN), ("trap", TRAP)):
            with open(self.path(name + ".wat"), "w", encoding="ascii") as file:
                file.write(text)
            subprocess.run([IMAGO, "compile", self.path(name + ".wat"), "-o", self.path(name)],
                           check=True, stdin=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.folder, name)

    @contextlib.contextmanager
    def spinning(self, name="spin"):
        """A process that is in the guest's loop."""
        process = subprocess.Popen([IMAGO, "run", self.path(name)], cwd=self.folder,
                                   stdin=subprocess.DEVNULL)
        try:
            while "r-xp" not in "".join(self.maps(process.pid)):
                assert process.poll() is None, "it ended"
                time.sleep(0.01)
            time.sleep(0.1)
            yield process.pid
        finally:
            process.kill()
            process.wait()

    def maps(self, pid):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            return [line for line in file if line.rstrip().endswith("/spin")]


# ---- gdb -----------------------------------------------------------------------------------------

def gdb(*arguments):
    need("gdb")
    text = output_of(["gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", *arguments])
    if "ptrace: Operation not permitted" in text or "warning: Could not trace" in text:
        raise Skip("gdb may not trace processes here")
    return text


def gdb_runs_an_image(guest):
    text = gdb("-ex", "run", "-ex", "bt", "--args", IMAGO, "run", guest.path("trap"))
    expect_in_order(text, ["SIGSEGV", "#0 "] + TRAP_FRAMES)
    assert "warning" not in text, text


def gdb_runs_a_module(guest):
    text = gdb("-ex", "run", "-ex", "bt", "--args", IMAGO, "run", guest.path("trap.wat"))
    expect_in_order(text, ["SIGSEGV", "#0 "] + TRAP_FRAMES)


def gdb_stops_in_a_function(guest):
    """A breakpoint by the guest function's name, set before the image is there."""
    text = gdb("-ex", "set breakpoint pending on", "-ex", "break outer_trap", "-ex", "run",
               "-ex", "bt", "--args", IMAGO, "run", guest.path("trap"))
    expect_in_order(text, ["Breakpoint 1", "#0 "] + TRAP_FRAMES[1:])


def gdb_attaches(guest):
    with guest.spinning() as pid:
        expect_in_order(gdb("-p", str(pid), "-ex", "bt"), SPIN_FRAMES)


def allow_cores():
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
        if not re.match(r"core\b", file.read()):
            raise Skip("core files go elsewhere")
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)


def core_of(guest):
    cores = glob.glob(guest.path("core*"))
    if not cores:
        raise Skip("no core file was written")
    return cores[0]


def gdb_reads_a_core(guest):
    allow_cores()
    with guest.spinning() as pid:
        os.kill(pid, signal.SIGABRT)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    core = core_of(guest)
    expect_in_order(gdb(IMAGO, core, "-ex", "bt"), SPIN_FRAMES)
    need("eu-stack")
    expect_in_order(output_of(["eu-stack", "--core", core, "-e", IMAGO]), ELFUTILS_FRAMES)


def gdb_names_an_embedders_module(guest):
    """README's example, which compiles its module: the image is a file without a path."""
    program = guest.path("embed")
    compiler = first_of("cc", "gcc", "clang")
    libraries = [os.path.join(BUILD, name) for name in ("libimago-compile.a", "libimago.a")]
    text = output_of([compiler, "-g", "-I", os.path.join(ROOT, "include"),
                      os.path.join(ROOT, "examples/embed.c"), *libraries, "-pthread",
                      "-o", program])
    assert os.path.exists(program), text
    text = gdb("-ex", "break report", "-ex", "run", "-ex", "bt", program)
    expect_in_order(text, ["Breakpoint 1", "#0 ", "report", " in run ", "entry_stub", "main"])


HOST_FRAMES = ["host (", " in inner ", " in f ", "entry_stub", "call (", "main"]


def gdb_in_a_host_function(guest):
    """A dynamic program that waits or dies in C that the guest called; run, attached to, dead."""
    program, image = client_of(guest, ["cc", "gcc", "clang"], "hostcall.c")
    text = gdb("-ex", "break host", "-ex", "run", "-ex", "bt", "--args", program, image, "wait")
    expect_in_order(text, ["Breakpoint 1", "#0 "] + HOST_FRAMES)
    with subprocess.Popen([program, image, "wait"], stdin=subprocess.DEVNULL) as process:
        try:
            time.sleep(0.3)
            text = gdb("-p", str(process.pid), "-ex", "bt")
        finally:
            process.kill()
    expect_in_order(text, ["pause"] + HOST_FRAMES)
    allow_cores()
    output_of([program, image, "abort"], cwd=guest.folder)
    expect_in_order(gdb(program, core_of(guest), "-ex", "bt"), ["abort"] + HOST_FRAMES)


def gdb_steps(guest):
    """gdb's walk at each instruction of calls and returns, compared by gdb_steps.py."""
    image = guest.path("steps")
    subprocess.run([IMAGO, "compile", os.path.join(HERE, "steps.wat"), "-o", image], check=True)
    text = gdb("-x", os.path.join(HERE, "gdb_steps.py"), "--args", IMAGO, "run", image)
    if "Python scripting is not supported" in text:
        raise Skip("a gdb without Python")
    assert re.search(r"^right at [1-9]\d{2,} instructions$", text, re.M), text[-3000:]


# ---- Others that look at processes ---------------------------------------------------------------

def lldb_is_told(guest):
    """lldb knows the namespaces of the dynamic linker only: two commands add the image."""
    lldb = first_of("lldb", "lldb-19", "lldb-14")
    with guest.spinning() as pid:
        start = guest.maps(pid)[0].split("-")[0]
        text = output_of([lldb, "--no-lldbinit", "--batch", "-p", str(pid),
                          "-o", f"target modules add {guest.path('spin')}",
                          "-o", f"target modules load --file spin --slide 0x{start}",
                          "-o", "bt"])
    if "not permitted" in text:
        raise Skip("lldb may not trace processes here")
    expect_in_order(text, SPIN_FRAMES)


def elfutils_attach(guest):
    need("eu-stack", "eu-addr2line")
    with guest.spinning() as pid:
        text = output_of(["eu-stack", "-p", str(pid)])
        start = [line for line in guest.maps(pid) if "r-xp" in line][0].split("-")[0]
        name = output_of(["eu-addr2line", "-C", "-f", "-p", str(pid), "0x" + start])
    if "not permitted" in text:
        raise Skip("eu-stack may not trace processes here")
    expect_in_order(text, ELFUTILS_FRAMES)
    assert name.startswith("outer::inner_spin(unsigned int)\n"), name


def symbols_by_file_offset(guest):
    """What /proc/PID/maps and .symtab say agrees with the memory: how eBPF tools symbolise."""
    need("readelf")
    table = output_of(["readelf", "-sW", guest.path("spin")])
    symbols = re.findall(r"([0-9a-f]{16}) +(\d+) FUNC +LOCAL .* (\S+)$", table, re.M)
    assert len(symbols) == 5, table
    with guest.spinning() as pid, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory, \
            open(guest.path("spin"), "rb") as file:
        line = [line for line in guest.maps(pid) if "r-xp" in line][0].split()
        start, offset = int(line[0].split("-")[0], 16), int(line[2], 16)
        for value, size, name in symbols:
            file.seek(int(value, 16))
            memory.seek(start + int(value, 16) - offset)
            assert memory.read(int(size)) == file.read(int(size)), name


def bpftrace_stacks(guest):
    need("bpftrace")
    with guest.spinning() as pid:
        text = output_of(["bpftrace", "-p", str(pid), "-e",
                          f"profile:hz:99 /pid == {pid}/ {{ @[ustack] = count(); }} "
                          "interval:s:1 { exit(); }"])
    if "@[" not in text:
        raise Skip("bpftrace cannot sample here")
    expect_in_order(text, SAMPLED_FRAMES)


# ---- perf ----------------------------------------------------------------------------------------

def perf_report(guest):
    """Names by record, report and annotate; also when process and file are gone, by build-id."""
    need("perf")
    data, cache = guest.path("perf.data"), guest.path("debug")
    shutil.copy(guest.path("spin"), guest.path("gone"))
    perf = ["perf", "--buildid-dir", cache]
    text = output_of(perf + ["record", "-o", data, "-F", "499", "timeout", "-s", "KILL", "1",
                             IMAGO, "run", guest.path("gone")])
    if not os.path.exists(data) or "samples)" not in text:
        raise Skip("perf cannot record here")
    os.unlink(guest.path("gone"))
    report = ["report", "-i", data, "--stdio", "--sort", "symbol,dso"]
    text = output_of(perf + report)
    found = re.search(r"(outer::inner_spin(\(unsigned int\))?) +gone", text)
    assert found, text
    if shutil.which("objdump"):
        text = output_of(perf + ["annotate", "-i", data, "--stdio", found[1]])
        assert re.search(r"outer::inner_spin[^<]*>:[^<]*add ", text), text


def perf_call_graph(guest):
    need("perf")
    data = guest.path("perf.data")
    with guest.spinning() as pid:
        text = output_of(["perf", "record", "-o", data, "-F", "499", "-g", "-p", str(pid), "--",
                          "sleep", "1"])
    if not os.path.exists(data) or "samples)" not in text:
        raise Skip("perf cannot record here")
    text = output_of(["perf", "script", "-i", data, "-F", "ip,sym"])
    expect_in_order(text, SAMPLED_FRAMES)


# ---- Valgrind ------------------------------------------------------------------------------------

def valgrind_profiles(guest):
    need("valgrind", "callgrind_annotate")
    out = guest.path("callgrind.out")
    text = output_of(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", IMAGO, "run",
                      "--invoke", "_start", guest.path("trap")])
    if not os.path.exists(out):
        raise Skip(f"Valgrind cannot run it here: {text[-200:]}")
    text = output_of(["callgrind_annotate", out])
    assert re.search(r"work \[.*/trap\]", text), text


def valgrind_names_traps(guest):
    """With --vex-guest-chase=no Valgrind has the right pc when a signal comes."""
    need("valgrind")
    text = output_of(["valgrind", "--vex-guest-chase=no", IMAGO, "run", guest.path("trap")])
    expect_in_order(text, ["Invalid read", "inner_trap", "outer_trap"])
    assert "trap: out of bounds memory access" in text, text


# ---- Files ---------------------------------------------------------------------------------------

def frames_are_clean(guest):
    """Readers of .eh_frame have nothing to say about any image."""
    readers = [["readelf", "--debug-dump=frames-interp"], ["eu-readelf", "--debug-dump=frames"],
               ["llvm-dwarfdump-19", "--eh-frame"], ["llvm-dwarfdump", "--eh-frame"]]
    readers = [reader for reader in readers if shutil.which(reader[0])]
    if not readers:
        raise Skip("no readelf")
    sources = glob.glob(os.path.join(ROOT, "examples/*.wat"))
    sources += [os.path.join(ROOT, "tests/unwind/shapes.wat"), os.path.join(HERE, "steps.wat")]
    sources += sorted(glob.glob(os.path.join(ROOT, ".cache/modules/*.wasm")),
                      key=os.path.getsize)[:3]
    layouts = [[], ["--force-veneers", "--shuffle-funcs", "5", "--func-padding", "3000"]]
    image = guest.path("frames")
    for source, layout in [(s, l) for s in sources for l in layouts]:
        subprocess.run([IMAGO, "compile", source, "-o", image] + layout, check=True)
        for reader in readers:
            done = subprocess.run(reader + [image], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  check=False, timeout=60)
            text = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
            found = re.search(r".*\b(warning|error|unknown)\b.*", text, re.I)
            assert done.returncode == 0 and not done.stderr and not found, \
                f"{reader[0]} of {source} {layout}: {found and found[0]} {done.stderr[:200]}"


def client_of(guest, compilers, source):
    """A program that runs an image with a host function, and the image."""
    compiler = first_of(*compilers)
    library = os.path.join(BUILD, "libimago.a")
    if not os.path.exists(library):
        raise Skip("no libimago.a")
    program, image = guest.path("client"), guest.path("caller")
    text = output_of([compiler, "-g", "-rdynamic", "-I", os.path.join(ROOT, "include"),
                      os.path.join(HERE, source), library, "-lpthread", "-ldl", "-o", program])
    assert os.path.exists(program), text
    with open(image + ".wat", "w", encoding="ascii") as file:
        file.write('(module (import "env" "host" (func $host))'
                   '(func $inner (call $host)) (func (export "f") (call $inner)))')
    subprocess.run([IMAGO, "compile", image + ".wat", "-o", image], check=True)
    return program, image


def backtrace_of_cpp(guest):
    """backtrace() and exceptions in a C++ host function, with the image's frames registered."""
    program, image = client_of(guest, ["g++", "clang++-19", "clang++-14"], "backtrace.cpp")
    text = output_of([program, image])
    assert text == "before: stops\nregistered: reaches main, 4 frames of the image\ncaught\n", text


def backtrace_through_dlopen(guest):
    """The dynamic linker's objects need no registering."""
    program, image = client_of(guest, ["cc", "gcc", "clang"], "dlopened.c")
    text = output_of([program, image])
    assert text == "2 of f and main\n", text


def lldb_through_dlopen(guest):
    """What the dynamic linker has loaded, lldb names by itself."""
    lldb = first_of("lldb", "lldb-19", "lldb-14")
    program, image = client_of(guest, ["cc", "gcc", "clang"], "dlopened.c")
    text = output_of([lldb, "--no-lldbinit", "--batch", "-o", "breakpoint set -n in_host",
                      "-o", "run", "-o", "bt", "--", program, image])
    if "stop reason = breakpoint" not in text:
        raise Skip("lldb cannot run programs here")
    expect_in_order(text, ["in_host", "host", "inner", "`f", "entry_stub", "arch_", "main"])


TESTS = [gdb_runs_an_image, gdb_runs_a_module, gdb_stops_in_a_function, gdb_attaches,
         gdb_reads_a_core, gdb_names_an_embedders_module, gdb_in_a_host_function, gdb_steps,
         lldb_is_told, elfutils_attach, symbols_by_file_offset, bpftrace_stacks, perf_report,
         perf_call_graph, valgrind_profiles, valgrind_names_traps, frames_are_clean,
         backtrace_of_cpp, backtrace_through_dlopen, lldb_through_dlopen]


def main():
    names = sys.argv[1:]
    passed = failed = skipped = 0
    for test in TESTS:
        if names and test.__name__ not in names:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="imago-tools-") as folder:
            try:
                test(Guest(folder))
                passed += 1
            except Skip as why:
                skipped += 1
                print(f"skipped: {test.__name__}: {why}")
            except (AssertionError, OSError, subprocess.SubprocessError) as why:
                failed += 1
                print(f"failed: {test.__name__}: {why}")
        if names:
            print(f"{test.__name__}: {time.monotonic() - start:.1f} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
