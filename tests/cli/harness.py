"""What the tests of the command stand on: a row is a command line and what must come of it."""
import os
import re
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGO = os.path.abspath(os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago")))
SECONDS = 60


class Skip(Exception):
    """Something the test needs is absent here."""


class Row:
    """One run of the command.

    command  arguments of imago; {name} is replaced by the path of a prepared file
    status   exit status
    err, out regular expressions found in standard error and standard output ("" : must be empty,
             None: anything)
    stdin    bytes, or the name of a prepared file
    """

    def __init__(self, name, command, status, err="", out="", stdin=b"", env=None, setup=None):
        self.name, self.command, self.status = name, command, status
        self.err, self.out, self.stdin = err, out, stdin
        self.env, self.setup = env, setup


def check_text(what, pattern, text):
    """None if `text` is as wanted, else what is wrong."""
    if pattern is None:
        return None
    if pattern == "":
        return None if text == "" else f"{what} should be empty, is {text[:300]!r}"
    if re.search(pattern, text, re.MULTILINE):
        return None
    return f"{what} should match {pattern!r}, is {text[:300]!r}"


def run(command, stdin=b"", env=None, setup=None, cwd=None):
    """(status, standard output, standard error) of imago with these arguments."""
    full_env = dict(os.environ, **(env or {}))
    done = subprocess.run([IMAGO] + command, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=full_env, timeout=SECONDS, check=False,
                          preexec_fn=setup, cwd=cwd)
    return (done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"))


class Folder:
    """A folder of prepared files, gone at the end."""

    def __init__(self, contents):
        self.path = tempfile.mkdtemp(prefix="imago-cli-")
        for name, content in contents.items():
            mode = "wb" if isinstance(content, bytes) else "w"
            with open(self.file(name), mode) as file:
                file.write(content)

    def file(self, name):
        return os.path.join(self.path, name)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Tests:
    """Counts what passed; prints what did not."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, problem):
        if problem is None:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {name}: {problem}")

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped: {name}: {why}")

    def rows(self, rows, folder):
        for row in rows:
            self.check(row.name, self.run_row(row, folder))

    def run_row(self, row, folder):
        def filled(word):
            return re.sub(r"\{([\w.-]*)\}", lambda m: folder.file(m.group(1)), word)
        before = sorted(os.listdir(folder.path))
        stdin = row.stdin
        if isinstance(stdin, str):
            with open(folder.file(stdin), "rb") as file:
                stdin = file.read()
        try:
            status, out, err = run([filled(word) for word in row.command], stdin, row.env,
                                   row.setup, folder.path)
        except subprocess.TimeoutExpired:
            return f"still running after {SECONDS} s"
        problem = None
        if status != row.status:
            problem = f"exit status should be {row.status}, is {status}: {err.strip()[:300]}"
        problem = problem or check_text("standard error", row.err, err)
        problem = problem or check_text("standard output", row.out, out)
        if problem is None and status != 0 and status != 134:
            made = [f for f in sorted(os.listdir(folder.path)) if f not in before]
            if made:
                problem = f"left behind: {made}"
        return problem

    def function(self, name, function, *args):
        """A test that is a function: fails by AssertionError, skips by Skip."""
        try:
            function(*args)
            self.passed += 1
        except Skip as why:
            self.skip(name, why)
        except (AssertionError, subprocess.SubprocessError, OSError) as problem:
            self.check(name, f"{type(problem).__name__}: {problem}")

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0
