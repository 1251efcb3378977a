#!/usr/bin/env python3
"""Standard streams that are closed, full or without a reader, and calls that ask for too much.

Each case runs tests/hostile/guest/wasi_probe.c under `imago run`; its exit status is the errno that
the guest saw. Neither the host nor its streams may suffer. Prints "N passed, N failed, N skipped".
The command is $IMAGO, or build/imago.
"""
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "run"))
import run as programs  # noqa: E402  (the sibling's compiler of guest programs)

IMAGO = os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago"))
HAS_SANITIZER = os.environ.get("IMAGO_BUILD", "").endswith("asan")
SECONDS = 60
BADF, FAULT, MFILE, NOMEM, NOSPC, PIPE, AGAIN = 8, 21, 33, 48, 51, 64, 6
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def probe(world, name, **options):
    """Runs one probe; gives back its exit status (negative: the signal) and its output."""
    command = [IMAGO, "run", "--dir", f"{world}/d::/d", f"{world}/probe.wasm", name]
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=SECONDS, check=False, **options)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def expect(got, wanted):
    status, _, said = got
    if status != wanted:
        raise programs.Failed(f"exit status {status}, wanted {wanted}: {said[-300:]}")


@test
def output_closed(world):
    command = f'exec "{IMAGO}" run "{world}/probe.wasm" write >&-'
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=SECONDS, check=False)
    expect((done.returncode, b"", done.stderr.decode()), BADF)


@test
def input_closed(world):
    command = f'exec "{IMAGO}" run "{world}/probe.wasm" read <&-'
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=SECONDS, check=False)
    expect((done.returncode, b"", done.stderr.decode()), BADF)


@test
def output_full(world):
    if not os.path.exists("/dev/full"):
        raise programs.Skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        expect(probe(world, "write", stdout=full), NOSPC)


@test
def reader_gone(world):
    """The guest gets an errno even where SIGPIPE would end the process."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    got = probe(world, "write", stdout=write_end, restore_signals=True)
    os.close(write_end)
    expect(got, PIPE)


@test
def reader_leaves(world):
    with subprocess.Popen([IMAGO, "run", f"{world}/probe.wasm", "flood"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          restore_signals=True) as child:
        if len(child.stdout.read(10000)) != 10000:
            raise programs.Failed("no output before the reader left")
        child.stdout.close()
        child.wait(SECONDS)
        expect((child.returncode, b"", child.stderr.read().decode()), PIPE)


@test
def nonblocking_stays_inside(world):
    """The pipe's flags belong to whoever made it, also after the guest set one."""
    read_end, write_end = os.pipe()
    got = probe(world, "nonblock", stdin=read_end)
    flags = fcntl.fcntl(read_end, fcntl.F_GETFL)
    os.close(read_end)
    os.close(write_end)
    expect(got, AGAIN)
    if flags & os.O_NONBLOCK:
        raise programs.Failed("the pipe is non-blocking afterwards")


@test
def too_much(world):
    for name, wanted in (("poll", NOMEM), ("random", FAULT), ("iovecs", FAULT),
                         ("pointer", FAULT)):
        expect(probe(world, name), wanted)


@test
def memory_stays_small(world):
    """A million subscriptions cost the host nothing in proportion."""
    if HAS_SANITIZER:
        raise programs.Skip("sizes mean nothing under a sanitizer")
    with subprocess.Popen([IMAGO, "run", f"{world}/probe.wasm", "poll"], stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != NOMEM or usage.ru_maxrss > 64 * 1024:
        raise programs.Failed(f"exit status {child.returncode}, {usage.ru_maxrss} KiB resident")


@test
def own_descriptor_quota(world):
    got = probe(world, "open")
    expect(got, MFILE)
    if int(got[1]) > 1024:
        raise programs.Failed(f"opened {int(got[1])} files at once")


@test
def host_descriptor_limit(world):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    got = probe(world, "open", preexec_fn=few)
    expect(got, MFILE)
    if not 10 < int(got[1]) < 40:
        raise programs.Failed(f"opened {int(got[1])} files of 40")


# Calls of the guest's own input and output, and how every other one of them fails.
INTERRUPTED = "openat2,readv,writev,preadv,pwritev,ppoll,getrandom,ftruncate"


@test
def interrupted_calls(world):
    """System calls that are interrupted now and again do not show."""
    if shutil.which("strace") is None:
        raise programs.Skip("no strace")
    if HAS_SANITIZER:
        raise programs.Skip("leaks cannot be looked for under strace")
    for name in ("wasi_files", "wasi_time"):
        folder = f"{world}/{name}"
        os.makedirs(f"{folder}/deep/er")
        for path, text in (("in.txt", "some text\n"), ("deep/er/file.txt", "deep\n")):
            with open(f"{folder}/{path}", "w", encoding="utf-8") as out:
                out.write(text)
        programs.compile_c(f"{ROOT}/tests/run/{name}.c", f"{folder}.wasm")
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={INTERRUPTED}",
                 "-e", f"inject={INTERRUPTED}:error=EINTR:when=1+2"]
        command = trace + [IMAGO, "run", "--dir", f"{folder}::/data", f"{folder}.wasm"]
        done = subprocess.run(command, input=b"x", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=SECONDS, check=False)
        said = done.stderr.decode(errors="replace")
        if "ptrace" in said.lower():
            raise programs.Skip("no tracing here")
        expect((done.returncode, done.stdout, said), 0)


def main():
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="imago-streams-") as world:
        os.mkdir(f"{world}/d")
        with open(f"{world}/d/file", "w", encoding="utf-8") as out:
            out.write("x")
        try:
            if not os.access(IMAGO, os.X_OK):
                raise programs.Skip(f"no {IMAGO}")
            programs.compile_c(f"{HERE}/guest/wasi_probe.c", f"{world}/probe.wasm")
            reason = None
        except programs.Skip as missing:
            reason = missing
        for function in TESTS:
            try:
                if reason is not None:
                    raise programs.Skip(reason)
                function(world)
                passed += 1
            except programs.Skip as missing:
                print(f"skipped: {function.__name__}: {missing}")
                skipped += 1
            except (programs.Failed, OSError, subprocess.SubprocessError, ValueError) as why:
                print(f"FAIL {function.__name__}: {why}")
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
