#!/usr/bin/env bash
# Makes the seeds of the fuzz targets anew, with the program: fuzz/make_seeds.sh SIGILLO
# Keys, times and salts are fresh, so every seed changes; all of them belong together.
set -euo pipefail
sigillo=$(realpath "$1")
seeds=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/seeds
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
export HOME=$work/home SIGILLO_ARCHIVE=$work/archivio
mkdir home carte
printf uno >carte/uno.txt
printf due >carte/due.txt
run() { "$sigillo" "$@" >/dev/null 2>&1; }

run ingest --create --entity 'Comune di Prova' carte
"$sigillo" log checkpoint >checkpoint.txt 2>/dev/null
run prove carte/uno.txt -o one.zip
run prove carte/uno.txt carte/due.txt --files -o files.zip
submission=$("$sigillo" submission list --json 2>/dev/null |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["submissions"][0]["submission"])')
run receipt show "$submission" -o submission.json
run receipt show carte/due.txt -o document.json
run er create carte/uno.txt carte/due.txt -o group.er
run er renew group.er -o renewed.er
run er renew renewed.er carte/uno.txt carte/due.txt --hash sha512 -o rehashed.er

rm -rf "$seeds"
mkdir -p "$seeds"/{trust,token,record,checkpoint,proof,bundle,receipt}
"$sigillo" trust export --json 2>/dev/null >trust.json
python3 - "$seeds" <<'PYTHON'
import hashlib, json, pathlib, sys, zipfile

seeds = pathlib.Path(sys.argv[1])
trusted = json.load(open("trust.json"))["trusted"]
(seeds / "trust/root.pem").write_text(trusted["anchors"][0])
(seeds / "trust/log.vkey").write_text(trusted["log"] + "\n")
for name in ["one.zip", "files.zip"]:
    (seeds / "bundle" / name).write_bytes(open(name, "rb").read())
for name in ["submission.json", "document.json"]:
    (seeds / "receipt" / name).write_bytes(open(name, "rb").read())
for name in ["group.er", "renewed.er", "rehashed.er"]:
    (seeds / "record" / name).write_bytes(open(name, "rb").read())
(seeds / "checkpoint/note").write_bytes(open("checkpoint.txt", "rb").read())
(seeds / "checkpoint/key").write_text(trusted["log"])
with zipfile.ZipFile("one.zip") as bundle:
    read = {name: bundle.read(name) for name in bundle.namelist()}
for name, content in read.items():
    if name.endswith(".er"):
        (seeds / "record/document.er").write_bytes(content)
    if name.endswith(".tst"):
        imprint = bytes.fromhex(read[name.removesuffix("tst") + "imprint"].decode())
        (seeds / "token/stamp").write_bytes(imprint + content)
    if name.endswith("seal.p7s"):
        statement = read[name.replace("seal.p7s", "statement.json")]
        (seeds / "token/seal").write_bytes(hashlib.sha256(statement).digest() + content)
    if name.endswith(".tlog-proof"):
        (seeds / "proof/inclusion.txt").write_bytes(content)
number = lambda it: it.to_bytes(8, "big")
hashes = b"".join(hashlib.sha256(bytes([it])).digest() for it in range(4))
(seeds / "proof/hashes").write_bytes(number(3) + number(7) + number(5) + hashes)
(seeds / "proof/tile.txt").write_text("tile/3/x001/x234/067.p/17")
(seeds / "proof/entries").write_bytes(number(0) + number(0) + number(2) + b"\0\2{}\0\3abc")
PYTHON
