#!/usr/bin/env bash
# Everything that docs/performance.md says, measured: Sigillo against the floor, cp and the programs of
# others, on many small and on few large documents, and into an archive that holds millions already.
#
#   benches/peers.sh SCRATCH MAKE_SMALL.py [ROUNDS]
#
# SCRATCH is an empty or new folder on the disk to be measured, with 40 GB free; MAKE_SMALL.py makes the
# corpus of 100,000 small documents (corpus/make_small.py of the shared material). What was made is kept
# in SCRATCH, and used by the next run; SCRATCH/figures-* can be deleted, but five minutes or more before
# anything is measured (figures.py says why). Takes part if it is installed: restic, borg, rustic, rocfl,
# bagit.py. The keys of the large archive lie in SCRATCH too.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,11p' "$0" | cut -c3- >&2; exit 2; }
mkdir -p "$1"
scratch=$(cd "$1" && pwd) make_small=$(realpath "$2") rounds=${3:-5}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --locked --release -p sigillo -p sigillo-benches
sigillo=$PWD/target/release/sigillo
tiny_sources_max=50

[ -d "$scratch/small" ] || python3 "$make_small" "$scratch/small"
if [ ! -d "$scratch/large" ]; then
    mkdir "$scratch/large.part"
    for number in $(seq 20); do
        # 100 to 480 MB that no program can compress.
        head -c $(( (100 + 20 * (number - 1)) * 1000000 )) /dev/urandom >"$scratch/large.part/$number.bin"
    done
    mv "$scratch/large.part" "$scratch/large"
fi

printf '\n## 100,000 small documents\n\n'
python3 benches/figures.py "$scratch/small" "$scratch" --rounds "$rounds" --peers
printf '\n## 20 large documents\n\n'
python3 benches/figures.py "$scratch/large" "$scratch" --rounds "$rounds"

# Five million documents: the same 100,000 tiny files, sent under fifty names.
export HOME=$scratch/home
mkdir -p "$HOME"
if [ ! -d "$scratch/tiny" ]; then
    python3 - "$scratch/tiny.part" <<'PYTHON'
import pathlib, sys
for folder in range(100):
    path = pathlib.Path(sys.argv[1], f"{folder:03}")
    path.mkdir(parents=True)
    for number in range(1000):
        (path / f"{number:04}.txt").write_text(f"documento {folder} {number}\n")
PYTHON
    mv "$scratch/tiny.part" "$scratch/tiny"
fi
archive=$scratch/five-million
[ -d "$archive" ] || "$sigillo" init "$archive" --entity "Comune di Prova" >/dev/null
for number in $(seq -w "$tiny_sources_max"); do
    [ -e "$scratch/tiny-$number.done" ] && continue
    "$sigillo" ingest "$scratch/tiny" --archive "$archive" --source "tiny-$number" --json >"$scratch/tiny.json"
    mv "$scratch/tiny.json" "$scratch/tiny-$number.done"
done
printf '\n## The small documents into an archive of 5,000,000\n\n'
"$sigillo" status --archive "$archive"
python3 benches/figures.py "$scratch/small" "$scratch" --rounds "$rounds" --into "$archive"
