#!/usr/bin/env python3
"""Times Sigillo against the floor, `cp` and other people's programs, in turn.

    cargo build --release -p sigillo -p sigillo-benches
    python3 benches/figures.py SOURCE SCRATCH [--rounds 5] [--peers] [--into ARCHIVE]

SOURCE is a folder of documents, SCRATCH a folder on the disk to be measured. Every round runs each
program once, so that a machine that becomes slower does so for all of them. Prints medians, and ratios
taken round by round, as a Markdown table. Judge nothing on a busy machine: the load is printed.

Nothing is deleted, only emptied and put aside: ext4 passes over inodes that were freed in
the last minutes, so whoever has just deleted 100,000 files measures that, in every program that makes as
many (seen here: `cp -r` of 100,000 files 6 seconds, or 41). Delete nothing big for five minutes before.

With --peers, restic (with and without compression), borg, bagit, rustic and rocfl take part if they are
installed; each makes its own kind of store of the same folder, new in every round. With --into, only
ingests are timed: into a new archive, and, under a name that is new each round, into ARCHIVE, which
grows by that.
"""
import argparse, os, pathlib, shlex, shutil, stat, statistics, subprocess, sys, time

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


def shell(text):
    return ["sh", "-euc", text]


def own_runs(source, work):
    """What is timed in every round, in order: name, what is done before, the command."""
    quoted = {name: shlex.quote(str(work / name)) for name in ["copy", "floor"]}
    archive = str(work / "archive")
    sigillo = str(release / "sigillo")
    ingest = [sigillo, "ingest", source, "--archive", archive, "--create", "--entity", "Prova"]
    src = shlex.quote(source)
    return [
        ("floor", f"mkdir {quoted['floor']}", [str(release / "floor"), source, str(work / "floor")]),
        ("cp -r && sync", "", shell(f"cp -r {src} {quoted['copy']} && sync")),
        ("ingest", "", ingest),
        ("verify", "", [sigillo, "verify", "--archive", archive]),
        ("verify --full", "", [sigillo, "verify", "--full", "--archive", archive]),
        ("export --all", "", [sigillo, "export", "--all", "--archive", archive, "-o", str(work / "out")]),
        ("cp -r", "", ["cp", "-r", source, str(work / "copy2")]),
    ]


def peer_runs(source, work):
    """The same for the programs of others that are installed."""
    src, at = shlex.quote(source), lambda name: shlex.quote(str(work / name))
    restic, borg, rustic, rocfl = at("restic"), at("borg"), at("rustic"), at("rocfl")
    plain, bag = at("restic-plain"), at("bag")
    runs = [
        ("restic", "restic", f"restic -q init -r {restic}",
         f"restic -q --no-cache -r {restic} backup {src}"),
        ("restic --compression off", "restic", f"restic -q init -r {plain}",
         f"restic -q --no-cache --compression off -r {plain} backup {src}"),
        ("borg, no compression", "borg", f"borg init -e none {borg}",
         f"borg create -C none {borg}::a {src}"),
        ("rustic", "rustic", f"rustic --no-progress -r {rustic} init",
         f"rustic --no-progress --no-cache -r {rustic} backup {src}"),
        ("bagit", "bagit.py", "", f"cp -r {src} {bag} && bagit.py --quiet --sha256 --processes 2 {bag} && sync"),
        ("rocfl", "rocfl", f"mkdir {rocfl} && rocfl -r {rocfl} init && rocfl -r {rocfl} new a",
         f"rocfl -r {rocfl} cp -r a {src} -- / && rocfl -r {rocfl} commit a && sync"),
    ]
    return [(name, before, shell(run)) for name, program, before, run in runs if shutil.which(program)]


def into_runs(source, work, archive, number):
    """An ingest into a new archive, and one into an archive that holds much already."""
    sigillo = str(release / "sigillo")
    new = [sigillo, "ingest", source, "--archive", str(work / "archive"), "--create", "--entity", "Prova"]
    name = f"figures-{int(time.time())}-{number}"
    old = [sigillo, "ingest", source, "--archive", archive, "--source", name]
    return [("ingest, new archive", "", new), ("ingest, large archive", "", old)]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("source", type=pathlib.Path)
    arguments.add_argument("scratch", type=pathlib.Path)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--peers", action="store_true")
    arguments.add_argument("--into", type=pathlib.Path)
    arguments = arguments.parse_args()
    everything, source = arguments.scratch / f"figures-{int(time.time())}", str(arguments.source)
    work = everything / "work"
    work.mkdir(parents=True)
    env = dict(os.environ, RESTIC_PASSWORD="figures", RUSTIC_PASSWORD="figures",
               BORG_BASE_DIR=str(work / "borg-base"))
    # Keys and state of the archives made here, and of no other, unless there is one to go into.
    if not arguments.into:
        env["HOME"] = str(work / "home")
    # Warms the source: every program reads it from memory.
    subprocess.run(["sh", "-c", 'find "$1" -type f -print0 | xargs -0 cat >/dev/null', "sh", source], check=True)
    figures = {}
    for number in range(arguments.rounds):
        if arguments.into:
            runs = into_runs(source, work, str(arguments.into), number)
        else:
            runs = own_runs(source, work) + (peer_runs(source, work) if arguments.peers else [])
        for name, before, command in runs:
            if before:
                subprocess.run(shell(before), env=env, check=True, stdout=subprocess.DEVNULL)
            figures.setdefault(name, []).append(timed(command, env))
        put_aside(work, everything / str(number))
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    report(figures)
    print(f"What was made, emptied, lies in {everything}: delete it when nothing is to be measured.", file=sys.stderr)


def put_aside(work, where):
    """Empties what a round made and moves it away, so that the disk does not fill and no inode is freed."""
    for folder, _, names in os.walk(work):
        for path in (os.path.join(folder, name) for name in names):
            status = os.lstat(path)
            # No link is followed, and nothing is emptied that has another name elsewhere.
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                os.chmod(path, 0o600)
                os.truncate(path, 0)
    work.rename(where)
    work.mkdir()
    # What was emptied is written back now, and not while the next one is timed.
    os.sync()


def report(figures):
    walls = {name: [run[0] for run in runs] for name, runs in figures.items()}

    def ratio(name, to):
        if to not in walls:
            return "–"
        return f"{statistics.median(a / b for a, b in zip(walls[name], walls[to])):.2f}"

    print(f"load average at the end: {os.getloadavg()[0]:.1f}\n")
    print("| program | wall s | CPU s | memory MiB | × floor | × `cp -r && sync` | × ingest |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for name, runs in figures.items():
        wall, cpu, memory = (statistics.median(run[at] for run in runs) for at in range(3))
        low, high = min(walls[name]), max(walls[name])
        ingest = "ingest" if "ingest" in walls else "ingest, new archive"
        print(
            f"| {name} | {wall:.2f} ({low:.2f}–{high:.2f}) | {cpu:.2f} | {memory:.0f} "
            f"| {ratio(name, 'floor')} | {ratio(name, 'cp -r && sync')} | {ratio(name, ingest)} |"
        )
    if "export --all" in walls:
        print(f"\nexport --all against cp -r: {ratio('export --all', 'cp -r')}")


main()
