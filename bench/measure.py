"""Running and timing processes, and putting figures into tables: bench/run.py's tools."""
import csv
import math
import os
import statistics
import subprocess
import sys
import tempfile

LAUNCHER = None


class Sample:
    """What one process cost: milliseconds of wall and CPU time, peak memory, and its output."""

    def __init__(self, wall_ms, cpu_ms, rss_kb, status, out, err):
        self.wall_ms, self.cpu_ms, self.rss_kb = wall_ms, cpu_ms, rss_kb
        self.status, self.out, self.err = status, out, err


def pin(core):
    """This process and all it starts on one core: nothing hides on a second one."""
    os.sched_setaffinity(0, {core})


def build_launcher(folder):
    """launch.c, compiled where the results go; measure() starts everything through it."""
    global LAUNCHER
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.c")
    LAUNCHER = os.path.join(folder, "launch")
    if not os.path.exists(LAUNCHER) or os.path.getmtime(LAUNCHER) < os.path.getmtime(source):
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-std=gnu17", "-O2", source, "-o", LAUNCHER], check=True)


def measure(command):
    """Runs a command to its end."""
    with tempfile.NamedTemporaryFile() as report:
        done = subprocess.run([LAUNCHER, report.name, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        fields = report.read().split()
    if len(fields) != 4:
        return Sample(0.0, 0.0, 0, 127, done.stdout, done.stderr)
    wall_ns, cpu_ns, rss_kb, status = map(int, fields)
    return Sample(wall_ns / 1e6, cpu_ns / 1e6, rss_kb, status, done.stdout, done.stderr)


def why_failed(sample):
    """One line of a failed command's complaint."""
    lines = [line.strip() for line in sample.err.decode(errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("Stack backtrace")]
    text = " / ".join(lines[:4]) or "no message"
    return f"exit status {sample.status}: {text[:160]}"


def geomean(values):
    values = list(values)
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else None


def median(values):
    return statistics.median(values)


def number(value):
    """Three figures that matter, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(title, columns, rows):
    """Prints a table: first column left, the others right."""
    cells = [list(columns)] + [[number(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    print(f"\n{title}")
    for n, row in enumerate(cells):
        line = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(line).rstrip())
        if n == 0:
            print("  " + "  ".join("-" * w for w in widths))
    sys.stdout.flush()


class Csv:
    """Raw results: every single measurement, written as it comes."""

    def __init__(self, path, columns):
        self.file = open(path, "w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)
        self.writer.writerow(columns)
        self.path = path

    def row(self, *values):
        self.writer.writerow([f"{v:.4f}" if isinstance(v, float) else v for v in values])
        self.file.flush()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} cores"
