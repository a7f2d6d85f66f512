#!/usr/bin/env bash
# What an archive must stand, on real documents and on 100,000 small ones: everything back byte by
# byte, outsiders agree, damage is found, located and told apart from what can be rebuilt.
#
#   benches/acceptance.sh SCRATCH [SMALL]
#
# SIGILLO_SHARED (default ../shared) has the documents; SMALL are the small ones, if they are made
# already.
#
# Takes some minutes and 10 GB below SCRATCH. Prints what holds, stops at what does not.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
shared=${SIGILLO_SHARED:-$here/../shared}
scratch=$1
work=$scratch/acceptance
sigillo=$here/target/release/sigillo
(cd "$here" && cargo build --release -p sigillo)
rm -rf "$work"
mkdir -p "$work/home"
export HOME=$work/home SIGILLO_ARCHIVE=$work/archive
unset XDG_DATA_HOME XDG_STATE_HOME XDG_CONFIG_HOME SIGILLO_KEYS SIGILLO_STATE SIGILLO_CONFIG

small=${2:-$work/small}
[ -n "${2:-}" ] || python3 "$shared/corpus/make_small.py" "$small" >"$work/log"

# Runs a command and wants an exit code.
want() {
    local code=$1 got=0
    shift
    "$@" >"$work/out" 2>"$work/err" || got=$?
    if [ "$got" != "$code" ]; then
        echo "exit $got instead of $code: $*"
        cat "$work/out" "$work/err"
        exit 1
    fi
}

want 0 "$sigillo" ingest "$shared/corpus/real" --create --entity "Ente di prova"
cat "$work/out"
want 0 "$sigillo" ingest "$small" --source small
cat "$work/out"
want 0 "$sigillo" verify --full
cat "$work/out"
want 0 "$sigillo" export --all -o "$work/back"
diff -r "$shared/corpus/real" "$work/back/real"
diff -r "$small" "$work/back/small"
echo "holds: $(wc -l < "$work/back/_records.jsonl") documents ingested, verified, given back byte by byte"

bash "$here/benches/outsiders.sh" "$SIGILLO_ARCHIVE" "$HOME"/.local/share/sigillo/keys/*/root.pem
echo "holds: outsiders agree"

# Flips one bit in the middle of a file, wants a verdict that names it, and flips it back.
flip() {
    python3 - "$1" <<'PYTHON'
import os, sys
path = sys.argv[1]
mode = os.stat(path).st_mode
os.chmod(path, mode | 0o200)
with open(path, "r+b") as file:
    file.seek(os.path.getsize(path) // 2)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))
os.chmod(path, mode)
PYTHON
}

damage() {
    local code=$1 path=$2
    flip "$path"
    want "$code" "$sigillo" verify --full
    grep -qF "${path#"$SIGILLO_ARCHIVE"/}" "$work/out" ||
        { echo "not named: $path"; cat "$work/out"; exit 1; }
    if [ "$code" = 3 ]; then
        want 0 "$sigillo" rebuild
        want 0 "$sigillo" verify
    else
        flip "$path"
    fi
    echo "holds: a flipped bit in ${path#"$SIGILLO_ARCHIVE"/}: exit $code, named"
}

first() { find "$SIGILLO_ARCHIVE" -path "$1" -type f | sort | head -n 1; }
largest() { find "$SIGILLO_ARCHIVE" -path "$1" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-; }

damage 5 "$(first '*/packs/*.zip')"
grep -A 2 F103 "$work/out" | head -n 3
damage 5 "$(largest '*/batches/*/leaves')"
damage 5 "$(first '*/batches/*/packs.json')"
damage 5 "$(first '*/sealings/*/statement.json')"
damage 5 "$(first '*/sealings/*/seal.p7s')"
damage 5 "$(first '*/sealings/*.tst')"
damage 5 "$SIGILLO_ARCHIVE/log/seq/00000000000000000003"
damage 3 "$(largest '*/log/tile/0/*')"
damage 3 "$(largest '*/log/tile/entries/*')"
damage 3 "$SIGILLO_ARCHIVE/log/checkpoint"
damage 3 "$(largest '*/packs/*.blocks')"
want 0 "$sigillo" verify --full
echo "holds: all of it mended or put back, intact again"
rm -rf "$work"
