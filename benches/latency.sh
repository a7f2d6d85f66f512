#!/usr/bin/env bash
# How long a person waits: `sigillo --help` (at most 10 ms) and `sigillo status` on 100,000 documents
# (at most 100 ms), each the median of 20 runs of the release build.
#
#   benches/latency.sh [ARCHIVE]
#
# Without ARCHIVE it makes one of 100,000 tiny documents, in many batches, in a folder of its own and
# removes it. DOCUMENTS and INGESTS choose how many, and in how many ingests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=20
documents=${DOCUMENTS:-100000}
ingests=${INGESTS:-10}
target=${CARGO_TARGET_DIR:-target}
sigillo=${SIGILLO:-$target/release/sigillo}
[ -x "$sigillo" ] || cargo build --release --quiet -p sigillo

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -ge 1 ]; then
    archive=$1
else
    archive=$work/archive
    export HOME=$work/home
    mkdir -p "$HOME"
    unset XDG_DATA_HOME XDG_STATE_HOME XDG_CONFIG_HOME
    echo "making an archive of $documents documents in $ingests ingests" >&2
    "$sigillo" init "$archive" --entity "Comune di Prova" >/dev/null
    python3 - "$work" "$documents" "$ingests" <<'PYTHON'
import os, sys
work, documents, ingests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(documents):
    folder = f"{work}/source-{number % ingests}/{number // 1000:04}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{number:06}.txt", "w") as file:
        file.write(f"document {number}\n")
PYTHON
    for source in "$work"/source-*; do
        "$sigillo" ingest "$source" --archive "$archive" --progress none >/dev/null
    done
fi

# Prints the median and the worst of all runs of a command, in milliseconds, and tells whether the
# median is within the limit.
measure() {
    local name=$1 limit=$2
    shift 2
    python3 - "$name" "$limit" "$rounds" "$@" <<'PYTHON'
import statistics, subprocess, sys, time
name, limit, rounds, command = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
times = []
for _ in range(rounds + 1):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    times.append((time.perf_counter() - began) * 1000)
first, times = times[0], times[1:]
median = statistics.median(times)
verdict = "met" if median < limit else "MISSED"
print(f"{name}: median {median:.1f} ms, worst {max(times):.1f} ms, first {first:.1f} ms; limit {limit:.0f} ms: {verdict}")
sys.exit(median >= limit)
PYTHON
}

failed=0
measure "sigillo --help" 10 "$sigillo" --help || failed=1
measure "sigillo status" 100 "$sigillo" status --archive "$archive" || failed=1
exit "$failed"
