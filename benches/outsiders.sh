#!/usr/bin/env bash
# Has other people's programs check an archive: unzip, openssl, Python, and, where they are found,
# Go's transparency-log code and another Python verifier of the log.
#
#   benches/outsiders.sh ARCHIVE TRIAL_ROOT.pem
#
# SIGILLO_SHARED (default ../shared) holds the verifiers of the log; PYTHON is a python3 that has
# `cryptography` (default python3). What cannot be run is said; with CI set it is a failure.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
archive=$1
anchor=$2
shared=${SIGILLO_SHARED:-$here/../shared}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
    echo "SKIPPED: $1"
    [ -z "${CI:-}" ] || exit 1
}

json() { python3 -c 'import json,sys; v=json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v=v[k]
print(v)' "$1" "$2"; }

packs=0
for pack in "$archive"/packs/*/*.zip; do
    unzip -tqq "$pack"
    python3 -m zipfile -t "$pack" >"$work/zip"
    packs=$((packs + 1))
done
echo "unzip and python3 -m zipfile: $packs packs good"

# Every leaf list: the script in docs/ finds the first document of each by itself.
documents=0
for leaves in "$archive"/batches/*/leaves; do
    [ -s "$leaves" ] || continue
    version=$(head -c 32 "$leaves" | od -An -v -tx1 | tr -d ' \n')
    # A batch that no commit names was left by a crash: nobody answers for it.
    if grep -qF "$(basename "$(dirname "$leaves")")" "$archive"/log/seq/*; then
        python3 "$here/docs/verify_document.py" "$archive" "$version" >"$work/document"
        documents=$((documents + 1))
    fi
done
echo "docs/verify_document.py: the first document of $documents batches good"

seals=0
tokens=0
for statement in "$archive"/sealings/*/statement.json; do
    folder=$(dirname "$statement")
    grep -qF "$(basename "$folder")" "$archive"/log/seq/* || continue
    openssl cms -verify -cades -binary -inform DER -in "$folder/seal.p7s" -content "$statement" \
        -CAfile "$anchor" -purpose any -out /dev/null 2>"$work/cms"
    seals=$((seals + 1))
    imprint=$(python3 "$here/benches/imprint.py" "$folder")
    for token in "$folder"/lines/*/*.tst; do
        [ -e "$token" ] || continue
        openssl ts -verify -digest "$imprint" -in "$token" -token_in -CAfile "$anchor" \
            >"$work/ts" 2>&1 || { cat "$work/ts"; exit 1; }
        openssl cms -verify -cades -inform DER -in "$token" -CAfile "$anchor" \
            -purpose timestampsign -out /dev/null 2>"$work/cms"
        tokens=$((tokens + 1))
    done
done
echo "openssl: $seals seals and $tokens time-stamps good"

key=$(json "$archive/archive.json" keys.log)
if [ -e "$shared/verifiers/verify_tlog_go.sh" ] && [ -x "${GO:-/usr/lib/go-1.19/bin/go}" ]; then
    TLOG_BUILD="$work/go" sh "$shared/verifiers/verify_tlog_go.sh" "$archive/log" "$key"
else
    skip "Go's code for transparency logs is not there"
fi
if [ -e "$shared/verifiers/verify_tlog.py" ] && "$python" -c 'import cryptography' 2>/dev/null; then
    "$python" "$shared/verifiers/verify_tlog.py" log "$archive/log" --vkey "$key"
else
    skip "the Python verifier of the log, or its cryptography package, is not there"
fi
