"""Runs one thing at a time and says what it took. Only ratios within one run carry over."""
import json
import os
import statistics
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
# A child starts with its parent's memory on its account: it is forked from a process that has none.
LAUNCHER = r"""
import json, os, sys, time
begin = time.monotonic()
child = os.fork()
if child == 0:
    for name, number, flags in (("/dev/null", 0, os.O_RDONLY), (sys.argv[2], 1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
        os.dup2(os.open(name, flags, 0o644), number)
    os.execvp(sys.argv[3], sys.argv[3:])
_, status, used = os.wait4(child, 0)
took = time.monotonic() - begin
with open(sys.argv[1], "w") as out:
    json.dump({"wall": took, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024,
               "exit": os.waitstatus_to_exitcode(status)}, out)
"""


class Failed(Exception):
    pass


def once(directory, *command, expect=0):
    """Wall and CPU seconds and peak memory in MiB of a command and what it waited for."""
    answer, output = os.path.join(directory, "took.json"), os.path.join(directory, "output")
    with open(os.path.join(directory, "errors"), "w+", encoding="utf-8") as errors:
        subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, answer, output, *command], check=True, stderr=errors,
                       env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": directory, "LANG": "C", "GIT_CONFIG_NOSYSTEM": "1"})
        with open(answer, encoding="utf-8") as file:
            took = json.load(file)
        if took.pop("exit") != expect:
            errors.seek(0)
            with open(output, encoding="utf-8", errors="replace") as file:
                raise Failed(f"{' '.join(command)[:400]}\n{file.read()[-2000:]}{errors.read()[-2000:]}")
    return took


def shell(directory, script, *words, **more):
    return once(directory, "bash", "-euo", "pipefail", "-c", script, "bash", *words, **more)


def spread(numbers):
    numbers = sorted(numbers)
    return {"min": numbers[0], "median": statistics.median(numbers), "max": numbers[-1], "times": len(numbers)}


def interleaved(repetitions, candidates):
    """Each candidate once, then each once more: what the machine does meanwhile meets all alike."""
    taken = {}
    for round_ in range(repetitions):
        for name, candidate in candidates.items():
            taken.setdefault(name, []).append(candidate(round_))
    return taken


def process_cpu(pid):
    """CPU seconds of a process, exactly, and of the children it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    own = time.clock_gettime((~pid << 3) | 2)  # The clock that clock_getcpuclockid(3) gives.
    return own, (int(fields[13]) + int(fields[14])) / TICKS


def memory(pid, name):
    """VmRSS or VmHWM of a process in MiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    raise Failed(f"no {name} for {pid}")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="utf-8") as file:
        total = int(file.readline().split()[1]) / 1024 / 1024
    return {"processors": os.cpu_count(), "model": models[0] if models else "unknown", "memory GiB": round(total),
            "kernel": os.uname().release, "load": [round(x, 1) for x in os.getloadavg()],
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class Figures:
    """What is told at the end: rows of a table, and the same as JSON."""

    def __init__(self):
        self.rows = []

    def add(self, group, what, unit, numbers, beside=None):
        """`beside`: the median of what this is compared with."""
        row = {"group": group, "what": what, "unit": unit, **spread(numbers), "load": round(os.getloadavg()[0], 1)}
        if beside:
            row["ratio"] = row["median"] / beside
        self.rows.append(row)
        print(self.line(row), file=sys.stderr, flush=True)
        return row["median"]

    @staticmethod
    def line(row):
        number = lambda x: f"{x:.0f}" if x >= 1000 else f"{x:.3g}"
        ratio = f"{row['ratio']:.2f}×" if "ratio" in row else ""
        return (f"{row['group']:<34} {row['what']:<50} {number(row['min']):>8} {number(row['median']):>8} {number(row['max']):>8}"
                f" {row['unit']:<5} {row['times']:>2} {ratio:>7} {row['load']:>5}")

    def table(self):
        head = f"{'':<34} {'':<50} {'min':>8} {'median':>8} {'max':>8} {'':<5} {'n':>2} {'ratio':>7} {'load':>5}"
        return "\n".join([head, *map(self.line, self.rows)])
