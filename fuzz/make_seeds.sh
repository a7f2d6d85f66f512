#!/usr/bin/env bash
# Makes the seeds of the fuzz targets anew, with the program: fuzz/make_seeds.sh SIGILLO
# Keys, times and salts are fresh, so every seed changes; all of them belong together.
set -euo pipefail
sigillo=$(realpath "$1")
seeds=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/seeds
lists=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../testdata/trusted-lists")
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
"$sigillo" log consistency >first.request 2>/dev/null
printf tre >carte/tre.txt
run ingest carte
"$sigillo" log consistency checkpoint.txt >next.request 2>/dev/null
"$sigillo" trust export --json 2>/dev/null >trust.json
run renew --hash-tree --yes
cp "$(find archivio/renewals -name tree.json)" tree.json
run log rotate-key --yes
run log rotate-key --yes
run prove carte/uno.txt -o rehashed.zip
"$sigillo" log entries >entries.txt 2>/dev/null
# Documents that need two logs: one of each.
run log succeed --reason keys-exposed --trial --yes
printf quattro >carte/quattro.txt
run ingest carte
run renew --all --yes
run prove carte/uno.txt carte/quattro.txt -o logs.zip
run receipt show carte/quattro.txt -o logs.json

# An authority that revokes: its certificate, a time-stamp, and a list and an answer before and after.
mkdir ca
cd ca
cat >own.cnf <<'CONFIG'
[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_days = 3650
default_crl_days = 3650
policy = named
[named]
commonName = supplied
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier = hash
[unit]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
authorityKeyIdentifier = keyid
[tsa]
serial = serial
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
CONFIG
touch index.txt
printf 01 >serial
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config own.cnf)
{
    openssl req -x509 "${key[@]}" -keyout root.key -out root.pem -subj /CN=Prova -days 7300 -extensions root
    openssl req -new "${key[@]}" -keyout unit.key -out unit.csr -subj /CN=Unit
    ca=(-config own.cnf -batch -notext -cert root.pem -keyfile root.key)
    openssl ca "${ca[@]}" -in unit.csr -out unit.pem -extensions unit
    openssl ts -query -data ../carte/uno.txt -sha256 -cert -out query
    openssl ts -reply -queryfile query -config own.cnf -section tsa -signer unit.pem -inkey unit.key \
        -token_out -out unit.tst
    sleep 1 # so that what follows was made after the time-stamp
    openssl ocsp -issuer root.pem -cert unit.pem -no_nonce -reqout question
    for state in good revoked; do
        openssl ca "${ca[@]}" -gencrl -out list.pem
        openssl crl -in list.pem -outform DER -out "$state.crl"
        openssl ocsp -index index.txt -CA root.pem -rsigner root.pem -rkey root.key -reqin question \
            -ndays 3650 -resp_no_certs -respout "$state.ocsp"
        [ "$state" = revoked ] || openssl ca "${ca[@]}" -revoke unit.pem -crl_reason keyCompromise
    done
} >openssl.log 2>&1
cd ..

rm -rf "$seeds"
mkdir -p "$seeds"/{trust,token,record,checkpoint,proof,bundle,receipt}
mkdir -p "$seeds"/{trusted_list,log_keys,witness,tlog_proof,hash_tree,revocation}
cp ca/root.pem "$seeds/trust/revoker.pem"
cp ca/unit.tst "$seeds/trust/revoked.tst"
cp ca/{good,revoked}.{crl,ocsp} "$seeds/revocation"
cp "$lists"/{it-2,lotl,closed-v6}.xml "$seeds/trusted_list"
cp {first,next}.request "$seeds/witness"
cp tree.json "$seeds/hash_tree"
python3 - "$seeds" <<'PYTHON'
import hashlib, json, pathlib, sys, zipfile

seeds = pathlib.Path(sys.argv[1])
trusted = json.load(open("trust.json"))["trusted"]
(seeds / "trust/root.pem").write_text(trusted["anchors"][0])
(seeds / "trust/log.vkey").write_text(trusted["log"] + "\n")
for name in ["one.zip", "files.zip", "rehashed.zip", "logs.zip"]:
    (seeds / "bundle" / name).write_bytes(open(name, "rb").read())
for name in ["submission.json", "document.json", "logs.json"]:
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
        (seeds / "tlog_proof/1.tlog-proof").write_bytes(content)
note = open("next.request").read().split("\n\n", 1)[1]
size = note.split("\n")[1]
(seeds / "witness/same.request").write_text(f"old {size}\n\n{note}")
entries = open("entries.txt").read()
(seeds / "log_keys/rotated").write_text(trusted["log"] + "\n" + entries)
number = lambda it: it.to_bytes(8, "big")
hashes = b"".join(hashlib.sha256(bytes([it])).digest() for it in range(4))
(seeds / "proof/hashes").write_bytes(number(3) + number(7) + number(5) + hashes)
(seeds / "proof/tile.txt").write_text("tile/3/x001/x234/067.p/17")
(seeds / "proof/entries").write_bytes(number(0) + number(0) + number(2) + b"\0\2{}\0\3abc")
PYTHON
