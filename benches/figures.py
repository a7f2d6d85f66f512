#!/usr/bin/env python3
"""Times ingest, verification and export against the floor and `cp -r && sync`, in turn.

    cargo build --release -p sigillo -p sigillo-benches
    python3 benches/figures.py SOURCE SCRATCH [--rounds 5]

SOURCE is a folder of documents (the corpus of 100,000 small ones is made by corpus/make_small.py of
the shared material), SCRATCH a folder on the disk to be measured. Every round runs each program
once, so that a machine that becomes slower does so for all of them. Prints medians, and ratios taken
round by round, as a Markdown table. Judge nothing on a busy machine: the load is printed.
"""
import argparse, os, pathlib, shutil, statistics, subprocess, sys, time

root = pathlib.Path(__file__).resolve().parent.parent
release = root / "target" / "release"


def timed(command, env):
    """Runs a command; returns its wall seconds, CPU seconds and peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} failed: {error.decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("source", type=pathlib.Path)
    arguments.add_argument("scratch", type=pathlib.Path)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments = arguments.parse_args()
    work = arguments.scratch / "figures"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    env = dict(os.environ, HOME=str(work / "home"))
    archive, source = str(work / "archive"), str(arguments.source)
    sigillo = str(release / "sigillo")
    sync = 'cp -r "$1" "$2" && sync'
    runs = {
        "floor": [str(release / "floor"), source, str(work / "floor")],
        "cp -r && sync": ["sh", "-c", sync, "sh", source, str(work / "copy")],
        "ingest": [sigillo, "ingest", source, "--archive", archive, "--create", "--entity", "Prova"],
        "verify": [sigillo, "verify", "--archive", archive],
        "verify --full": [sigillo, "verify", "--full", "--archive", archive],
        "export --all": [sigillo, "export", "--all", "--archive", archive, "-o", str(work / "out")],
        "cp -r": ["cp", "-r", source, str(work / "copy2")],
    }
    # Warms the source: every program reads it from memory.
    subprocess.run(["sh", "-c", 'find "$1" -type f -print0 | xargs -0 cat >/dev/null', "sh", source], check=True)
    figures = {name: [] for name in runs}
    for number in range(arguments.rounds):
        for name, command in runs.items():
            if name == "floor":
                (work / "floor").mkdir()
            figures[name].append(timed(command, env))
        for leftover in ["floor", "copy", "copy2", "archive", "out", "home"]:
            shutil.rmtree(work / leftover, ignore_errors=True)
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    report(figures)
    shutil.rmtree(work)


def report(figures):
    walls = {name: [run[0] for run in runs] for name, runs in figures.items()}

    def ratio(name, to):
        return statistics.median(a / b for a, b in zip(walls[name], walls[to]))

    print(f"load average at the end: {os.getloadavg()[0]:.1f}\n")
    print("| program | wall s | CPU s | memory MiB | × floor | × `cp -r && sync` |")
    print("| --- | --: | --: | --: | --: | --: |")
    for name, runs in figures.items():
        wall, cpu, memory = (statistics.median(run[at] for run in runs) for at in range(3))
        low, high = min(walls[name]), max(walls[name])
        print(
            f"| {name} | {wall:.2f} ({low:.2f}–{high:.2f}) | {cpu:.2f} | {memory:.0f} "
            f"| {ratio(name, 'floor'):.2f} | {ratio(name, 'cp -r && sync'):.2f} |"
        )
    print(f"\nexport --all against cp -r: {ratio('export --all', 'cp -r'):.2f}")


main()
