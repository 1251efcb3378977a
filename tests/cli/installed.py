"""An installed tree: moved elsewhere, it still gives C programs what they need."""
import os
import re
import shutil
import subprocess

from harness import IMAGO, ROOT, Skip

BUILD = os.path.dirname(IMAGO)
CLIENT = os.path.join(ROOT, "examples", "run_image.c")

FILES = {
    "add.wat": '(module (func (export "add") (param i32 i32) (result i32)'
               " (i32.add (local.get 0) (local.get 1))))",
    # Three lines that compile; so the compile library links too.
    "compile.c": '#include "imago/compile.h"\n'
                 "int main(int n, char **v) {\n"
                 '    return !imago_compile_file("\\0asm\\1\\0\\0", 8, v[n - 1], 0, 0, 0); }\n',
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.20)
project(client LANGUAGES C)
find_package(imago 0.1 REQUIRED)
add_executable(run_shared client.c)
target_link_libraries(run_shared imago::imago)
add_executable(run_static client.c)
target_link_libraries(run_static imago::imago-static)
add_executable(compile_shared compile.c)
target_link_libraries(compile_shared imago::imago-compile)
add_executable(compile_static compile.c)
target_link_libraries(compile_static imago::imago-compile-static)
""",
}


def must(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          **more)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(command)[:200]}: {text[-600:]}"
    return text


def release_only():
    if "asan" in BUILD or not os.path.exists(os.path.join(BUILD, "cmake_install.cmake")):
        raise Skip("for a plain build only")


def install(folder):
    """Installs, moves the tree, returns where it is now."""
    release_only()
    first, moved = folder.file("first"), folder.file("moved")
    manifest = os.path.join(BUILD, "install_manifest.txt")
    if os.path.exists(manifest):  # root's, after `sudo make install`
        os.unlink(manifest)
    must(["cmake", "--install", BUILD, "--prefix", first])
    os.rename(first, moved)
    return moved


def library_folder(prefix):
    for folder, _, names in os.walk(prefix):
        if "libimago.a" in names:
            return folder
    raise AssertionError("libimago.a is not installed")


def add_image(folder):
    image = folder.file("add.image")
    must([IMAGO, "compile", folder.file("add.wat"), "-o", image])
    return image


def runs(program, folder, libraries=None):
    env = dict(os.environ, LD_LIBRARY_PATH=libraries) if libraries else None
    out = must([program, add_image(folder), "2", "40"], env=env)
    assert out == "42\n", out


def everything_is_there(folder):
    prefix = install(folder)
    found = {os.path.relpath(os.path.join(place, name), prefix)
             for place, _, names in os.walk(prefix) for name in names}
    for wanted in ("bin/imago", "include/imago/imago.h", "include/imago/compile.h",
                   "include/imago/wasi.h", "include/imago/error.h", "share/man/man1/imago.1",
                   "share/bash-completion/completions/imago",
                   "share/zsh/site-functions/_imago",
                   "share/fish/vendor_completions.d/imago.fish", "share/doc/imago/LICENSE"):
        assert wanted in found, f"{wanted} is not installed"
    for library in ("libimago", "libimago-compile"):
        assert any(f.endswith(f"/{library}.so.0") for f in found), f"no {library}.so.0"
    assert must([os.path.join(prefix, "bin/imago"), "--version"]).startswith("imago ")
    if os.path.exists(os.path.join(BUILD, "imago-launcher")):
        program = folder.file("program")
        must([os.path.join(prefix, "bin/imago"), "compile", "--emit", "static-exe", "-o", program,
              os.path.join(ROOT, "examples", "hello.wat")])
        assert must([program]).startswith("Hello")
    if os.path.exists(os.path.join(BUILD, "imago-objdump")):  # built with a disassembler
        text = must([os.path.join(prefix, "bin/imago"), "objdump", folder.file("add.wat")])
        assert re.search(r"\bret\b", text), "the installed objdump shows no instructions"
    assert not [f for f in found if f.startswith("include/") and not f.endswith(".h")]


def exports_the_interface_only(folder):
    if shutil.which("nm") is None:
        raise Skip("no nm")
    libraries = library_folder(install(folder))
    declared = set()
    for header in os.listdir(os.path.join(ROOT, "include", "imago")):
        with open(os.path.join(ROOT, "include", "imago", header), encoding="utf-8") as file:
            declared |= set(re.findall(r"IMAGO_API[^;(]*?(imago_\w+)\(", file.read()))
    for kind, option in ((".so", "-D"), (".a", "-g")):
        exported = set()
        for library in ("libimago", "libimago-compile"):
            lines = must(["nm", option, "--defined-only", os.path.join(libraries, library + kind)])
            names = {line.split()[-1].split("@")[0] for line in lines.splitlines()
                     if len(line.split()) == 3} - {"IMAGO_0"}
            assert not exported & names, f"in both {kind} libraries: {exported & names}"
            exported |= names
        assert exported == declared, f"{kind}: exported or declared only: {exported ^ declared}"


def needs_libc_only(folder):
    if shutil.which("readelf") is None:
        raise Skip("no readelf")
    libraries = library_folder(install(folder))
    for library in ("libimago.so", "libimago-compile.so"):
        text = must(["readelf", "-dW", os.path.join(libraries, library)])
        needed = set(re.findall(r"NEEDED.*\[(.*?)\]", text))
        extra = {n for n in needed if not re.match(r"lib(c|pthread|m)\.so|ld-linux", n)}
        assert not extra, f"{library} needs {extra}"
        assert f"[{library}.0]" in text, f"{library}: no soname"
        assert "TEXTREL" not in text, library


def pkg_config_clients(folder):
    if shutil.which("pkg-config") is None or shutil.which("cc") is None:
        raise Skip("no pkg-config or no cc")
    libraries = library_folder(install(folder))
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(libraries, "pkgconfig"))

    def flags(*arguments):
        return must(["pkg-config", "--define-prefix", *arguments], env=env).split()
    program = folder.file("client")
    must(["cc", CLIENT, *flags("--cflags", "--libs", "imago"), "-o", program])
    runs(program, folder, libraries)
    must(["cc", CLIENT, *flags("--cflags", "imago"), os.path.join(libraries, "libimago.a"),
          *flags("--libs-only-other", "--static", "imago"), "-o", program])
    runs(program, folder)
    must(["cc", folder.file("compile.c"), *flags("--cflags", "--libs", "imago-compile"), "-o",
          program])
    must([program, folder.file("empty.image")], env=dict(os.environ, LD_LIBRARY_PATH=libraries))
    assert os.path.getsize(folder.file("empty.image")) > 64


def cmake_clients(folder):
    prefix = install(folder)
    shutil.copy(CLIENT, folder.file("client.c"))
    build = folder.file("b")
    must(["cmake", "-S", folder.path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"])
    must(["cmake", "--build", build])
    for program in ("run_shared", "run_static"):
        runs(os.path.join(build, program), folder)
    for program in ("compile_shared", "compile_static"):
        must([os.path.join(build, program), folder.file(program + ".image")])


def runtime_stands_alone(folder):
    """A program with the runtime library alone runs an image, and holds no compiler."""
    if shutil.which("cc") is None or shutil.which("nm") is None:
        raise Skip("no cc or no nm")
    release_only()
    program = folder.file("client")
    must(["cc", "-O2", "-I", os.path.join(ROOT, "include"), CLIENT,
          os.path.join(BUILD, "libimago.a"), "-pthread", "-o", program])
    runs(program, folder)
    symbols = must(["nm", os.path.join(BUILD, "libimago.a")])  # local ones too
    for word in ("imago_compile_file", "wasm_decode", "wat_to_wasm", "link_image"):
        assert word not in symbols, f"{word} is in the runtime library"


def is_embeddable_from_cpp(folder):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise Skip("no C++ compiler")
    source = folder.file("client.cpp")
    with open(source, "w", encoding="utf-8") as file:
        file.write('#include "imago/imago.h"\n#include "imago/compile.h"\n'
                   '#include "imago/wasi.h"\nint main() { return imago_version() == nullptr; }\n')
    must([compiler, "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
          "-I", os.path.join(ROOT, "include"), source])


TESTS = [everything_is_there, exports_the_interface_only, needs_libc_only, pkg_config_clients,
         cmake_clients, runtime_stands_alone, is_embeddable_from_cpp]
