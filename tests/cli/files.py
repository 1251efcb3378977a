"""Outputs, pipes, limits: what a table of rows cannot say."""
import errno
import fcntl
import os
import re
import resource
import shutil
import struct
import subprocess
import threading

from harness import IMAGO, Skip, run
from rows_traps import PROGRAMS as TRAP_PROGRAMS
from rows_usage import FILES as USAGE_FILES
from wasm import slow_module

FILES = {
    "lib.wat": USAGE_FILES["add.wat"],
    "says.wat": TRAP_PROGRAMS["says.wat"].replace("(unreachable)", ""),
    "memory.wat": '(module (memory 1) (func (export "_start")))',
}


def expect(result, status, err=None, out=None):
    """`result` of run(): exit status, words in standard error, all of standard output."""
    assert result[0] == status, f"exit status should be {status}, is {result[0]}: {result[2]!r}"
    assert err is None or err in result[2], f"standard error should say {err!r}: {result[2]!r}"
    assert out is None or out == result[1], f"standard output should be {out!r}: {result[1]!r}"


def image_of(folder, name="lib.wat"):
    image = folder.file(name.replace(".wat", ".image"))
    expect(run(["compile", folder.file(name), "-o", image]), 0, out="")
    return image


def runs_an_image(folder):
    image = image_of(folder)
    expect(run(["run", "--invoke", "add", image, "1", "2"]), 0, out="3\n")
    with open(image, "rb") as file:
        expect(run(["run", "--invoke", "add", "-", "1", "2"], stdin=file.read()), 0, out="3\n")


def compiles_to_standard_output(folder):
    image = image_of(folder)
    done = subprocess.run([IMAGO, "compile", folder.file("lib.wat"), "-o", "-"],
                          stdout=subprocess.PIPE, check=True)
    with open(image, "rb") as file:
        assert file.read() == done.stdout, "the image on standard output is another"


def keeps_the_input(folder):
    """Output = input is refused, by any name, and the input stays."""
    path = folder.file("lib.wat")
    link = folder.file("link.wat")
    os.link(path, link)
    for output in (path, link, os.path.join(folder.path, ".", "lib.wat")):
        for command in ("compile", "wat2wasm"):
            expect(run([command, path, "-o", output]), 2, "is input and output")
    os.unlink(link)
    with open(path, encoding="utf-8") as file:
        assert file.read() == FILES["lib.wat"], "the input was changed"


def refuses_bad_outputs(folder):
    path = folder.file("lib.wat")
    for command in ("compile", "wat2wasm"):
        expect(run([command, path, "-o", folder.file("no/such/x")]), 73, "cannot create")
        expect(run([command, path, "-o", folder.path]), 73, folder.path)
        expect(run([command, path, "-o", "/dev/full"]), 74, "/dev/full")
    assert not [f for f in os.listdir(folder.path) if f.endswith(".tmp")], "a temporary file stays"


def leaves_devices_alone(folder):
    """-o /dev/null writes to the device; it does not become a file."""
    before = os.stat("/dev/null")
    expect(run(["compile", folder.file("lib.wat"), "-o", "/dev/null"]), 0)
    after = os.stat("/dev/null")
    assert (before.st_ino, before.st_rdev) == (after.st_ino, after.st_rdev), "/dev/null replaced"


def replaces_an_old_image(folder):
    """A running image stays what it was: the new one gets its own inode."""
    image = image_of(folder)
    before = os.stat(image).st_ino
    image_of(folder)
    assert os.stat(image).st_ino != before, "written in place"


def unreadable_input(folder):
    if os.geteuid() == 0:
        raise Skip("root reads everything")
    path = folder.file("secret.wasm")
    with open(path, "wb"):
        pass
    os.chmod(path, 0)
    expect(run(["validate", path]), 66, "Permission denied")


def loses_its_own_output(folder):
    for command in (["--help"], ["objdump", image_of(folder)],
                    ["run", "--invoke", "add", folder.file("lib.wat"), "1", "2"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([IMAGO] + command, stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        assert done.returncode == 74, f"{command}: exit status {done.returncode}"
        assert b"cannot write to standard output" in done.stderr, done.stderr


def guest_loses_its_output(folder):
    """The guest sees an error code: it is not killed by SIGPIPE, and it decides what to do."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([IMAGO, folder.file("says.wat")], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([IMAGO, folder.file("says.wat")], stdout=writer, stderr=subprocess.PIPE,
                          check=False)
    os.close(writer)
    assert done.returncode == 0, done
    done = subprocess.run([IMAGO, folder.file("says.wat")], stderr=subprocess.PIPE, check=False,
                          preexec_fn=lambda: os.close(1))
    assert done.returncode == 0, done


def damaged_image(folder):
    with open(image_of(folder), "rb") as file:
        image = file.read()
    for count in (1, 63, 64, 100, len(image) // 2, len(image) - 1):
        path = folder.file("cut.image")
        with open(path, "wb") as file:
            file.write(image[:count])
        expect(run(["verify", path]), 65, "cut.image")
        expect(run(["objdump", path]), 65, "cut.image")
        if count != len(image) - 1:  # running needs nothing of the last bytes, names for tools
            expect(run(["run", path]), 65, "cut.image")
    expect(run(["run", "/bin/sh"]), 65, "image")
    for command in (["validate", image_of(folder)],
                    ["compile", image_of(folder), "-o", folder.file("x")]):
        expect(run(command), 65, "is an image")


def verified_image(folder):
    """A flipped bit is found wherever it is: by verify, and by run --verify."""
    path = image_of(folder)
    assert run(["verify", path, path]) == (0, "", "")
    assert run(["run", "--verify", "--invoke", "add", path, "1", "2"])[:2] == (0, "3\n")
    with open(path, "rb") as file:
        image = file.read()
    damaged = folder.file("damaged.image")
    for at in range(5, len(image), len(image) // 50):
        with open(damaged, "wb") as file:
            file.write(image[:at] + bytes([image[at] ^ 8]) + image[at + 1:])
        status, out, err = run(["verify", path, damaged, path])
        assert (status, out) == (65, "") and err.count("\n") == 1, f"byte {at}: {status}, {err}"
        status, out, err = run(["run", "--verify", "--invoke", "add", damaged, "1", "2"])
        assert (status, out) == (65, ""), f"byte {at}: {status}, {out}, {err}"
    expect(run(["verify", folder.file("nosuch"), path]), 66, "No such file")
    expect(run(["verify", folder.path]), 66, "is a directory")


USES_OF_AN_IMAGE = [["run", "--verify", "--invoke", "add"], ["run", "--invoke", "add"], ["verify"],
                    ["inspect"], ["objdump"]]


def use_image(before, image):
    """Everything that can be done with an image; `before` is the start of the command line."""
    for command in USES_OF_AN_IMAGE:
        words = ["1", "2"] if "run" in command else []
        done = subprocess.run(before + [IMAGO] + command + [image] + words,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done}"
        assert not words or done.stdout == b"3\n", f"{command}: {done}"


def image_is_never_written(folder):
    """Readable only, on a file system mounted read-only, and nobody even tries to write."""
    image = image_of(folder)
    os.chmod(image, 0o444)
    script = ('mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x" && '
              'shift && exec "$@"')
    before = ["unshare", "-rm", "sh", "-c", script, "sh", folder.path]
    try:
        subprocess.run(before + ["true"], check=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as why:
        raise Skip("mounting is not permitted here") from why
    use_image(before, image)
    if shutil.which("strace") is None:
        raise Skip("no strace, to see how the image is opened")
    for command in USES_OF_AN_IMAGE:
        done = subprocess.run(["strace", "-f", "-e", "trace=open,openat,openat2", IMAGO] + command +
                              [image, "1", "2"][:3 if "run" in command else 1],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False)
        opened = [line for line in done.stderr.decode().splitlines() if f'"{image}"' in line]
        if not opened:
            raise Skip("strace may not trace here")
        assert all(re.search(r"O_RDONLY", line) for line in opened), opened


def image_under_fs_verity(folder):
    """The kernel checks each page; where it has fs-verity, and root may mount a file."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        raise Skip("no root, or no mkfs.ext4")
    disk, mounted = folder.file("disk"), folder.file("mounted")
    with open(disk, "wb") as file:
        file.truncate(16 << 20)
    os.mkdir(mounted)
    subprocess.run(["mkfs.ext4", "-q", "-O", "verity", "-b", "4096", disk], check=True)
    if subprocess.run(["mount", "-o", "loop", disk, mounted], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        raise Skip("mounting is not permitted here")
    try:
        image = os.path.join(mounted, "image")
        shutil.copy(image_of(folder), image)
        enable = struct.pack("<IIII112x", 1, 1, 4096, 0)  # version, SHA-256, block, no salt
        file = os.open(image, os.O_RDONLY)
        try:
            fcntl.ioctl(file, 0x40806685, enable)  # FS_IOC_ENABLE_VERITY
        except OSError as why:
            assert why.errno in (errno.EOPNOTSUPP, errno.ENOTTY), why
            raise Skip("a kernel without fs-verity") from why
        finally:
            os.close(file)
        use_image([], image)
    finally:
        subprocess.run(["umount", mounted], check=True)


def image_for_another_processor(folder):
    """The image says what it needs; a feature that nothing knows is none that a processor has."""
    with open(image_of(folder), "rb") as file:
        image = file.read()
    path = folder.file("other.image")
    machine = 18  # e_machine of the ELF header
    with open(path, "wb") as file:
        file.write(image[:machine] + b"\xb7\0" + image[machine + 2:])
    for command in (["run", path], ["verify", path], ["inspect", path]):
        expect(run(command), 65, "file is for ELF machine 183, this library runs code for 62")


def input_changes_while_compiled(folder):
    """Cut and written anew all the while: the input is read once, so that what comes out is an
    error about the module, or an image of what was read; no signal, no half of an image."""
    module, image = folder.file("slow.wasm"), folder.file("slow.image")
    contents = slow_module(0.04)
    with open(module, "wb") as file:
        file.write(contents)
    over = threading.Event()

    def rewrite():
        while not over.is_set():
            os.truncate(module, len(contents) // 3)
            with open(module, "r+b") as file:
                file.write(contents)
            over.wait(0.001)
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(8):
            status, _, err = run(["compile", module, "-o", image])
            assert status in (0, 65), f"exit status {status}: {err}"
            if status == 0:
                expect(run(["verify", image]), 0)
    finally:
        over.set()
        writer.join()
    expect(run(["compile", module, "-o", image]), 0)


def processor_without_features(folder):
    """A processor of 2006 compiles the same image, and refuses to run it."""
    if shutil.which("qemu-x86_64") is None or "asan" in IMAGO:
        raise Skip("no qemu-x86_64, or one that cannot run sanitized programs")
    image, other = image_of(folder), folder.file("other.image")

    def on_old(*command):
        done = subprocess.run(["qemu-x86_64", "-cpu", "core2duo", IMAGO, *command],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    lacks = "the image needs sse4.1 popcnt, which this processor lacks"
    expect(on_old("run", "--invoke", "add", image, "1", "2"), 71,
           f"imago: error: {image}: {lacks}\n", "")
    expect(on_old("inspect", image), 0, "", None)
    expect(on_old("compile", folder.file("lib.wat"), "-o", other), 0)
    with open(image, "rb") as one, open(other, "rb") as two:
        assert one.read() == two.read(), "another image"


def image_is_cut_while_it_is_shown(folder):
    """The tool waits, its output unread, while the file is cut: to a few pages, or by a byte."""
    image = folder.file("many.image")
    with open(folder.file("many.wat"), "w", encoding="ascii") as file:
        file.write("(module " + "\n".join(f"(func $function_with_number_{i} (result i32) "
                                          f"(i32.const {i}))" for i in range(5000)) + ")")
    for command in (["objdump"], ["inspect", "--all"]):
        for left in (8192, -1):
            expect(run(["compile", folder.file("many.wat"), "-o", image]), 0)
            with subprocess.Popen([IMAGO] + command + [image], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as process:
                process.stdout.read(1)
                os.truncate(image, left if left > 0 else os.path.getsize(image) + left)
                _, err = process.communicate()
            expect((process.returncode, "", err.decode()), 65,
                   f"imago: error: {image}: the file was cut while it was read\n")


# Says that it is there, reads, and gets the count stored where the test says.
READER = """(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\\20\\00\\00\\00\\01\\00\\00\\00")
  (data (i32.const 16) "\\%s\\00\\00\\01\\00\\00\\00")
  (data (i32.const 1000) "%s")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const %d)))))"""


def image_is_cut_while_it_runs(folder):
    """A host function that meets a missing page: in C code, and in a system call."""
    image = folder.file("reader.image")
    for buffer, count_at in (("40\\00", 90000), ("00\\f0", 64), ("00\\f0", 90000)):
        with open(folder.file("reader.wat"), "w", encoding="ascii") as file:
            file.write(READER % (buffer, "a" * 100000, count_at))
        expect(run(["compile", folder.file("reader.wat"), "-o", image]), 0)
        with subprocess.Popen([IMAGO, "run", image], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(1)
            os.truncate(image, 32768)
            _, err = process.communicate(b"x")
        expect((process.returncode, "", err.decode()), 134, "image changed or could not be read")


def little_address_space(folder):
    """Refused memory is exit status 71 with a reason, not a crash."""
    if "asan" in IMAGO:
        raise Skip("the address sanitizer needs address space of its own")

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    expect(run(["run", folder.file("memory.wat")], setup=limit), 71, "memory.wat")


def few_descriptors(folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
    status, _, err = run(["run", "--dir", folder.path, "--dir", folder.path, "--dir", folder.path,
                          folder.file("says.wat")], setup=limit)
    assert status in (66, 71), f"exit status {status}: {err}"


def leaves_nothing_when_killed(folder):
    """Killed at any moment of a compilation: no part of an image, no temporary file."""
    module = folder.file("slow.wasm")
    with open(module, "wb") as file:
        file.write(slow_module(1))
    for tenth in range(10):
        image = folder.file("slow.image")
        with subprocess.Popen([IMAGO, "compile", module, "-o", image]) as process:
            try:
                process.wait(0.02 * (tenth + 1))
            except subprocess.TimeoutExpired:
                process.kill()
        made = set(os.listdir(folder.path)) - set(FILES) - {"slow.wasm"}
        assert made <= {"slow.image"}, f"left behind: {made}"
        if made:
            expect(run(["objdump", "--funcs", image]), 0)
            os.unlink(image)


def stays_below_a_file_size(folder):
    """A limit on files is an error, not death by a signal."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    expect(run(["compile", folder.file("lib.wat"), "-o", folder.file("x.image")], setup=limit), 74,
           "File too large")
    expect(run(["run", folder.file("says.wat")], setup=limit), 74, "File too large")
    assert sorted(os.listdir(folder.path)) == sorted(FILES), "something is left behind"


def takes_long_names(folder):
    """A file name may be as long as the system allows."""
    image = folder.file("x" * 255)
    expect(run(["compile", folder.file("lib.wat"), "-o", image]), 0)
    expect(run(["run", "--invoke", "add", image, "1", "2"]), 0, out="3\n")
    expect(run(["compile", folder.file("lib.wat"), "-o", image + "x"]), 73, "File name too long")
    expect(run(["compile", folder.file("lib.wat"), "-o", "x/" * 3000 + "x"]), 73, "too long")


def statistics(folder):
    """--stats says its lines on standard error."""
    result = run(["compile", folder.file("lib.wat"), "-o", folder.file("x.image"), "--stats"])
    expect(result, 0, "bytes of text", "")
    expect(run(["run", "--stats", folder.file("x.image")]), 0, "loaded in", "")


TESTS = [
    runs_an_image, compiles_to_standard_output, keeps_the_input, refuses_bad_outputs,
    leaves_devices_alone, replaces_an_old_image, unreadable_input, loses_its_own_output,
    guest_loses_its_output, damaged_image, verified_image, image_is_never_written,
    image_under_fs_verity, image_for_another_processor, processor_without_features,
    input_changes_while_compiled, image_is_cut_while_it_is_shown, image_is_cut_while_it_runs,
    little_address_space, few_descriptors, leaves_nothing_when_killed, stays_below_a_file_size,
    takes_long_names, statistics,
]
