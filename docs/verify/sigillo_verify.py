#!/usr/bin/env python3
"""Verifies what Sigillo gives out, without Sigillo: bundles, evidence records, proofs of log entries.

  sigillo_verify.py bundle X.zip [FILE...] [--log-key VKEY] [--ca CA.pem]... [--at TIME]
  sigillo_verify.py record R.er [FILE...] [--digest sha256:HEX]... [--ca CA.pem]... [--group] [--at TIME]
  sigillo_verify.py proof X.tlog-proof ENTRY --log-key VKEY

Written from ../format.md and public specifications, with Python's standard library and the program
openssl (3.0 or later). Prints a line for each finding, and last INTACT (exit code 0), DAMAGED (5) or
CANNOT TELL (3); 2 means wrong usage. README.md says what is checked, and what is not."""
import argparse, base64, datetime, functools, hashlib, itertools, json, os, re, struct, subprocess, sys
import tempfile, time, types, zlib

def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def sha512(*parts): return hashlib.sha512(b"".join(parts)).digest()

def der(tag, *contents):
    content = b"".join(contents)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, *([len(content)] if len(content) < 128 else [128 + len(size), *size])]) + content

class Damage(ValueError): """Something is not as it must be."""
class CannotTell(Exception): """Something could not be checked."""

def need(condition, otherwise):
    if not condition: raise Damage(otherwise)

def verdict(check):
    """Makes a check, which yields findings, into a function that returns verdict and findings. Damage
    ends it, and so does what cannot be taken apart. Signatures are yielded as functions, for the end."""
    def concluded(*arguments, **options):
        lines, signatures = [], []
        try:
            for finding in check(*arguments, **options):
                (signatures if callable(finding) else lines).append(finding)
            for signature in signatures:
                try: signature()
                except CannotTell as why: lines.append(f"cannot tell: {why}")
        except CannotTell as why: lines.append(f"cannot tell: {why}")
        except Damage as why: return "DAMAGED", [*lines, f"damage: {why}"]
        except (ValueError, LookupError, TypeError, AttributeError) as why:
            return "DAMAGED", [*lines, f"damage: something is missing or malformed ({why!r:.200})"]
        return "CANNOT TELL" if any(it.startswith("cannot") for it in lines) else "INTACT", lines
    return concluded

# ---- Bundles (format.md, Bundles) ------------------------------------------------------------------
@verdict
def verify_bundle(data, files=(), log_key=None, ca=(), at=None):
    """Checks a bundle, and files (paths or bytes) beside it, as of a time in seconds since 1970."""
    need(len(data) <= 64 << 20, "the bundle is larger than 64 MiB")
    entries = read_zip(data)
    parts = dict(entries)
    text, other = parts["proof.json"].decode(), "its schema is another than sigillo.bundle/1"
    is_other = re.search(r'"schema":"sigillo\.bundle/(?!1")', text)
    if is_other and not PROOF.fullmatch(text): raise CannotTell(other)
    need(PROOF.fullmatch(text), "proof.json has not the members that it should")
    proof = parse_json(parts["proof.json"])
    if proof["schema"] != "sigillo.bundle/1": raise CannotTell(other)
    receipt = proof["receipt"]
    for present, right in itertools.zip_longest(entries, assemble(receipt, proof["files"], parts)):
        need(present == right, f"{(right or present)[0]!r} is not in its place, or not what the rest gives")
    yield from check_receipt(receipt, log_key, read_all(ca), time.time() if at is None else at)
    stated = [file for it in receipt["documents"] for file in parse_record(it["record"])["files"]]
    facts = {(it["size"], it["sha256"]) for it in stated}
    for given in files:
        name, content = ("a file", given) if isinstance(given, bytes) else (spell(given), read_all([given]))
        if facts_of(content) not in facts:
            need(all(it["name"] != name for it in stated), f"{name} is another file than that in the bundle")
            yield f"cannot tell: {name} is none of the files in the bundle"

def read_zip(data):
    """Returns name and content of every entry of a ZIP that is spelt in the one way of bundles."""
    entries, local, central, at = [], [], [], 0
    while data[at:at + 4] == b"PK\3\4" and len(data) >= at + 30 and len(entries) < 65535:
        size, name_size = struct.unpack_from("<IH", data, at + 22)
        name, start = data[at + 30:at + 30 + name_size], at + 30 + name_size
        content = data[start:start + size]
        common = struct.pack("<HHHHHIIIHH", 10, 0x0800, 0, 0, 0x0021, zlib.crc32(content), len(content),
                             len(content), len(name), 0)
        local.append(b"PK\3\4" + common + name + content)
        central.append(b"PK\1\2\x1e\3" + common + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, at) + name)
        entries.append((name.decode(), content))
        at += len(local[-1])
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), sum(map(len, central)), at, 0)
    need(b"".join([*local, *central, b"PK\5\6", end]) == data, "it is not spelt as bundles are")
    return entries

def assemble(receipt, files, parts):
    """Puts back what stands in entries of its own, and yields all entries as they must be, in order."""
    receipt["archive"]["description"] = parts["archive.json"].decode()
    receipt["checkpoint"] = parts["checkpoint"].decode()
    for n, sealing in enumerate(receipt["sealings"], 1):
        sealing["statement"] = parts[f"sealings/{n}/statement.json"].decode()
        sealing["seal"] = parts[f"sealings/{n}/seal.p7s"]
        for k, token in enumerate(sealing["tokens"], 1):
            for name, stamp in stamps_of(f"sealings/{n}/{k}-{token['line']}", token):
                stamp["token"] = parts[f"{name}.tst"]
    sealings = {sealed_entry(it)["number"]: it for it in receipt["sealings"]}
    need(sha256(parts["README.txt"]) == README_SHA256, "README.txt is not that of every bundle")
    yield from [(name, parts[name]) for name in ("README.txt", "proof.json", "archive.json", "checkpoint")]
    for n, batch in enumerate(receipt["batches"], 1):
        batch["entry"]["line"] = parts[f"log/{n}.entry"].decode()
        yield f"log/{n}.entry", parts[f"log/{n}.entry"]
        yield f"log/{n}.tlog-proof", tlog_proof(batch["entry"], receipt["checkpoint"])
    for n, document in enumerate(receipt["documents"], 1):
        document["record"] = parts[f"documents/{n}/record.json"].decode()
        yield f"documents/{n}/record.json", parts[f"documents/{n}/record.json"]
        batch = receipt["batches"][document["batch"]]
        sealing = sealings.get(batch["sealed"]["number"]) if "sealed" in batch else None
        for k, token in enumerate(sealing["tokens"] if sealing else [], 1):
            yield f"documents/{n}/{k}-{token['line']}.er", evidence_record(document, batch, sealing, token)
    for n, sealing in enumerate(receipt["sealings"], 1):
        yield f"sealings/{n}/statement.json", sealing["statement"].encode()
        yield f"sealings/{n}/seal.p7s", sealing["seal"]
        for k, token in enumerate(sealing["tokens"], 1):
            covered = imprints(sealing, token)
            for name, stamp in stamps_of(f"sealings/{n}/{k}-{token['line']}", token):
                yield from [(f"{name}.tst", stamp["token"]), (f"{name}.imprint", next(covered).encode())]
    validation = [it["sha256"] for it in receipt.get("validation", [])]
    need(in_order(validation), "proof.json: the revocation evidence is not in order")
    for name in validation:
        need(sha256(parts[f"validation/{name}"]).hex() == name, f"validation/{name} is not what its name says")
        yield f"validation/{name}", parts[f"validation/{name}"]
    need(sum(len(parts[f"validation/{it}"]) for it in validation) <= 4 << 20, "more than 4 MiB in validation/")
    need(in_order(files) and all(n > 0 and p > 0 for n, p in files), "proof.json: the files are not in order")
    for n, p in files:
        file = parse_record(receipt["documents"][n - 1]["record"])["files"][p - 1]
        name = f"files/{n}/{p}" + re.search(r"\.[a-z0-9]{1,8}\Z|\Z", file["name"]).group()
        need(facts_of(parts[name]) == (file["size"], file["sha256"])
             and all(it == sha512(parts[name]).hex() for it in [*receipt["documents"][n - 1].get("sha512", [])[p - 1:p],
                                                                 *([file["sha512"]] if "sha512" in file else [])]),
             f"{name} is not what its record states")
        yield name, parts[name]

def tlog_proof(logged, checkpoint):
    hashes = "".join(base64.b64encode(it).decode() + "\n" for it in unhex(logged["proof"]))
    return f"c2sp.org/tlog-proof@v1\nindex {logged['index']}\n{hashes}\n{checkpoint}".encode()

def imprint(sealing, token):
    """What a token covers: V (format.md, Sealings), or what its path leads to from there."""
    return walk(sealed_entry(sealing)["root"], [signed_value(sealing), *token["path"]])

def stamps_of(name, token):
    """The time-stamps of a line, oldest first, each with what its name begins with."""
    for name, first in [(name, token), (f"{name}.hash-tree", token.get("hash_tree"))]:
        newer = first.get("renewals", []) if first else []
        if first: yield name, first
        for m, it in enumerate(newer, 1):
            if "token" in it: yield f"{name}{'-' if name.endswith('.hash-tree') else '.'}renewal-{m}", it

def chains_of(token):
    """The chains of a line, each with its hash function."""
    return [(sha256, token), *([(sha512, token["hash_tree"])] if "hash_tree" in token else [])]

def renewals_of(first, hashed):
    """Returns the renewals of a time-stamp that are not lost, each with the digests of all older (RFC 4998, 5.2)."""
    stated = "token_sha256" if hashed is sha256 else "token_sha512"
    of = lambda it: hashed(it["token"]) if "token" in it else bytes.fromhex(
        parse_entry(it["entry"]["line"], "evidence.renewed")[stated])
    older = [hashed(first["token"]), *map(of, first.get("renewals", []))]
    return [(it, older[:m]) for m, it in enumerate(first.get("renewals", []), 1) if "token" in it]

def value_of(hashes, hashed): return hashes[0] if len(hashes) == 1 else hashed(*sorted(hashes))

def imprints(sealing, token):
    """What each time-stamp of a line covers, in their order."""
    for hashed, first in chains_of(token):
        if hashed is sha256: yield imprint(sealing, token)
        else: yield walk(value_of(signed_group(sealing, token), sha512).hex(), first["path"], sha512)
        for newer, older in renewals_of(first, hashed):
            yield walk(value_of(older, hashed).hex(), newer["path"], hashed)

ALGORITHMS = {sha: der(6, bytes.fromhex("6086480165030402" + last)) for sha, last in ((sha256, "01"), (sha512, "03"))}

def write_chain(hashed, lists, first):
    """Writes the chain of an object whose lists lead to its first time-stamp."""
    stamps = [(lists, first["token"])]
    for newer, older in renewals_of(first, hashed):
        stamps.append(([older, *([it] for it in unhex(newer["path"]))], newer["token"]))
    return der(0x30, *(der(0x30, der(0xA0, ALGORITHMS[hashed]), der(0xA2, *(
        der(0x30, *(der(4, it) for it in hashes)) for hashes in lists)), raw) for lists, raw in stamps))

def rehashed(digests, chain):
    """The first list over new hash trees: each object joined with its older chain (RFC 4998, 5.2)."""
    return [sha512(it, sha512(der(0x30, chain))) for it in digests]

def signed_group(sealing, token):
    """Statement and seal in new hash trees."""
    entry = sealed_entry(sealing)
    lists = [[entry["statement_sha256"], entry["seal_sha256"]], [entry["root"]], *([it] for it in token["path"])]
    signed = [sha512(sealing["statement"].encode()), sha512(sealing["seal"])]
    return rehashed(signed, write_chain(sha256, [*map(unhex, lists)], token))

def first_chain(document, batch, sealing, token):
    path = evidence_path(batch, document) if "leaves" in batch else document["tree_path"]
    path = [*path, *batch["sealed"]["tree_path"], signed_value(sealing), *token["path"]]
    lists = [parse_record(document["record"])["digests"], *([it] for it in path)]
    return write_chain(sha256, [*map(unhex, lists)], token)

def evidence_record(document, batch, sealing, token):
    """Makes the evidence record (RFC 4998) of a document by one time-stamp of its sealing, its renewals, and
    its new hash trees."""
    chains, hashes = [first_chain(document, batch, sealing, token)], [sha256]
    place = [it for it in document.get("hash_trees", []) if it["line"] == token["line"]]
    if place and "hash_tree" in token:
        lists = [rehashed(second_digests(document), chains[0]), *([it] for it in unhex(place[0]["path"]))]
        chains.append(write_chain(sha512, lists, token["hash_tree"]))
        hashes.append(sha512)
    return der(0x30, der(2, b"\1"), der(0x30, *(der(0x30, ALGORITHMS[it]) for it in hashes)), der(0x30, *chains))

def second_digests(document): return [sha512(document["record"].encode()), *unhex(document.get("sha512", []))]

# The members of proof.json, which is closed: a regular expression can say that of canonical JSON.
def many(item, most): return rf"\[(?:{item}(?:,{item}){{0,{most - 1}}})?\]"
def members(**forms):
    spelt = (f'(?:,"{it}":{form[1:]})?' if form[0] == "?" else f',"{it}":{form}'
             for it, form in forms.items())
    return r"\{" + "".join(spelt)[1:] + r"\}"
TEXT, HASH, INDEX = r'"[^"\\]*(?:\\.[^"\\]*)*"', '"[0-9a-f]{64}"', "[0-9]{1,16}"
LONG, LINE = '"[0-9a-f]{128}"', '"[a-z0-9-]{1,64}"'
PATH, LONG_PATH = many(HASH, 128), many(LONG, 128)
LOGGED, UNLINED = (members(index=INDEX, line=line, proof=PATH) for line in (TEXT, '""'))
RENEWALS = r"?(?!\[\])" + many(members(entry=LOGGED, path=many(f"(?:{HASH}|{LONG})", 128), token='?""'), 64)
PROOF = re.compile(members(files=many(rf"\[{INDEX},{INDEX}\]", 65_534), receipt=members(
    archive=members(created=LOGGED, description='""', entity=TEXT, id='"[0-9a-f]{32}"', log=TEXT, origin=TEXT,
                    rotations=r"?(?!\[\])" + many(LOGGED, 64), trial="(?:true|false)"),
    batches=many(members(entry=UNLINED, leaves="?" + TEXT,
                         sealed="?" + members(number=INDEX, tree_path=PATH)), 100_000),
    checkpoint='""',
    documents=many(members(batch=INDEX, hash_trees=r"?(?!\[\])" + many(members(line=TEXT, path=LONG_PATH), 64),
                           leaf_index=INDEX, order_proof="?" + PATH, record='""', record_sha256=HASH,
                           sha512=r"?(?!\[\])" + many(LONG, 65_534), tree_path="?" + PATH, version_id=HASH), 1000),
    schema=r'"sigillo\.receipt/1"',
    sealings=many(members(consistency=PATH, entry=LOGGED, seal='""', statement='""', tokens=many(members(
        entry=LOGGED, hash_tree="?" + members(entry=LOGGED, path=LONG_PATH, renewals=RENEWALS, token='""'),
        line=LINE, path=PATH, renewals=RENEWALS, token='""'), 64)), 10_000),
    validation=r"?(?!\[\])" + many(members(evidence='""', sha256=HASH), 64),
    witnesses=rf"?\[{TEXT}(?:,{TEXT}){{0,63}}\]"), schema=TEXT))
README_SHA256 = bytes.fromhex("ceac6853840787c7fad95110980090a1f513b1c4b088ea01b70a469d5efcf04b")
@functools.lru_cache(4096)
def parse_entry(line, kind):
    entry = parse_json(line.encode(), 65535)
    need([entry["type"], entry["v"]] == [kind, 1], f"there is another log entry where {kind} should be")
    return entry

@functools.lru_cache(1024)
def parse_record(text):
    record = parse_json(text.encode(), 16 << 20, canonical=False)
    need(record["format"] == 1 and record["files"], "a record is of another format, or has no files")
    return {**record, "digests": [sha256(text.encode()).hex(), *(it["sha256"] for it in record["files"])]}

def sealed_entry(sealing): return parse_entry(sealing["entry"]["line"], "batches.sealed")
def facts_of(content): return len(content), sha256(content).hex()
def read_all(paths): return b"\n".join(open(path, "rb").read() for path in paths)

def signed_value(sealing):
    """S of the chapter Sealings."""
    return walk(sealed_entry(sealing)["statement_sha256"], [sealed_entry(sealing)["seal_sha256"]])

def spell(path):
    """The name of a file as records spell it: what is no UTF-8, or a control character, as %XX."""
    escaped = lambda it: "".join(f"%{byte:02X}" for byte in os.fsencode(it.group()))
    return re.sub("[%\0-\x1f\x7f-\x9f\udc80-\udcff]", escaped, os.fsdecode(os.path.basename(path)))

# ---- Receipts, as they are in bundles (format.md, Receipts, Checking) ------------------------------
def check_receipt(receipt, log_key, ca, at):
    section, archive = receipt["archive"], parse_json(receipt["archive"]["description"].encode(), 65536)
    key, created = parse_key(section["log"]), parse_entry(section["created"]["line"], "archive.created")
    need(created["archive_sha256"] == sha256(section["description"].encode()).hex()
         and [created["archive"], archive["archive"], archive["entity"]["name"], archive["keys"]["log"],
              archive["origin"], key.name, archive["trial"]]
         == [section[it] for it in ("id", "id", "entity", "log", "origin", "origin", "trial")],
         "archive.json, proof.json and the log do not speak of the same archive")
    witnesses = []
    try: witnesses += [parse_key(it, {4: 33, 6: 1313}) for it in receipt.get("witnesses", [])]
    except CannotTell as why:
        witnesses = None
        yield f"cannot tell: {why}"
    keys = rotated_keys(section)
    head = open_checkpoint(receipt["checkpoint"], key_for(receipt["checkpoint"], keys), witnesses=witnesses)
    yield from [signature for _, _, signature in keys[1:]]
    yield from [head.signature, *head.cosignatures]
    for it in head.seen or ["no witness"]: yield f"note: {it} has cosigned the checkpoint"
    read_logged(section["created"], "archive.created", head)
    for it in section.get("rotations", []): read_logged(it, "key.rotated", head)
    batches = [(it, read_logged(it["entry"], "batch.committed", head)) for it in receipt["batches"]]
    sealings = [(it, read_logged(it["entry"], "batches.sealed", head)) for it in receipt["sealings"]]
    numbers = [it["number"] for _, it in sealings]
    need(in_order([it["entry"]["index"] for it, _ in batches]) and in_order(numbers)
         and in_order([(it["batch"], it["leaf_index"]) for it in receipt["documents"]])
         and {it["sealed"]["number"] for it, _ in batches if "sealed" in it} == {*numbers},
         "batches, documents and sealings do not stand in order, or do not belong together")
    for batch, entry in batches:
        leaves, levels, order_root = trees_of(batch["leaves"]) if "leaves" in batch else ([], [], b"")
        need(not leaves or [len(leaves), levels[-1][0].hex(), order_root.hex()]
             == [entry["documents"], entry["root"], entry["order_root"]], "the leaves of a batch are wrong")
    for n, document in enumerate(receipt["documents"], 1):
        check_document(f"documents/{n}", document, *batches[document["batch"]])
    by_number = {entry["number"]: it for it, entry in sealings}
    for n, document in enumerate(receipt["documents"], 1):
        batch = receipt["batches"][document["batch"]]
        check_hash_trees(f"documents/{n}", document, batch, by_number.get(batch.get("sealed", {}).get("number")))
    for n, (sealing, entry) in enumerate(sealings, 1):
        yield from check_sealing(f"sealings/{n}", sealing, entry, batches, keys, head, archive, ca, at)
    if [archive["format"], archive["encryption"], archive["algorithms"]] != [
            1, "none", {"address": "blake3", "evidence": "sha256"}]:
        yield "cannot tell: archive.json has a format, an encryption or algorithms that are not known here"
    if not all("sealed" in it for it, _ in batches): yield "note: not all of the documents are sealed yet"
    if archive["trial"]: yield "note: the keys of the archive are for trial, and prove nothing to others"
    yield "note: whether the archive has grown since, or a certificate was revoked, was not looked at"
    if log_key not in [it.text for _, it, _ in keys]:
        yield "cannot tell: whether its log is to be believed: " + (
            "its key is another than the one named" if log_key else "name its key, got elsewhere (--log-key)")

def rotated_keys(section):
    """The keys of a log, each with the place of the entry that names it, and the check of its signature by
    the key before it (format.md, Keys of the log)."""
    keys = [(-1, parse_key(section["log"]), None)]
    for number, logged in enumerate(section.get("rotations", []), 1):
        entry, (last, key, _) = parse_entry(logged["line"], "key.rotated"), keys[-1]
        new, line = parse_key(entry["log"]), re.fullmatch(r"— (\S+) ([!-~]+)", entry["signature"])
        need(line and (line[1], b64(line[2])[:4]) == (key.name, key.id) and str(entry["number"]) == str(number)
             and new.name == key.name and last < logged["index"]
             and all(new.text != it.text for _, it, _ in keys), "a rotation of the log's key does not follow")
        text = f"sigillo key rotation v1\n{key.name}\n{number}\n{new.text}\n".encode()
        signature = functools.partial(check_ed25519, key.bytes, text, b64(line[2])[4:])
        keys.append((logged["index"], new, signature))
    return keys

def key_for(note, keys):
    """The key that signs a checkpoint, by the size that it states."""
    size = re.match("[^\n]*\n([0-9]{1,19})\n", note)
    return [key for index, key, _ in keys if not size or index < int(size[1])][-1]

def read_logged(logged, kind, head):
    """Reads a log entry, which must lead to the root of the checkpoint."""
    root = inclusion_root(logged["line"].encode(), logged["index"], head.size, logged["proof"])
    need(root == head.root, f"an entry {kind} does not lead to the root of the checkpoint")
    return parse_entry(logged["line"], kind)

def check_document(where, document, batch, entry):
    """From record and files to both roots of the batch."""
    digests, place = parse_record(document["record"])["digests"], document["leaf_index"]
    version = sha256(*sorted(unhex(digests))).hex()
    need([document["record_sha256"], document["version_id"]] == [digests[0], version],
         f"{where}: record and files do not give the version id")
    if "leaves" in batch:
        need(trees_of(batch["leaves"])[0][place].hex() == version, f"{where}: it is not that leaf")
        need(not {"order_proof", "tree_path"} & {*document}, f"{where}: it has proofs beside leaves")
    else:
        order = inclusion_root(bytes.fromhex(version), place, entry["documents"], document["order_proof"])
        need([walk(version, document["tree_path"]), order] == [entry["root"], entry["order_root"]],
             f"{where}: it does not lead to the roots of its batch")

def check_sealing(where, sealing, entry, batches, keys, head, archive, ca, at):
    """Time-stamps, seal and statement of a sealing."""
    index, stamped_at = sealing["entry"]["index"], None
    need([sha256(sealing["statement"].encode()).hex(), sha256(sealing["seal"]).hex()]
         == [entry["statement_sha256"], entry["seal_sha256"]], f"{where}: the log states other digests")
    for k, token in enumerate(sealing["tokens"], 1):
        name, stamp = f"{where}/{k}-{token['line']}.tst", parse_token(token["token"])
        stamped = read_logged(token["entry"], "sealing.stamped", head)
        need([stamped[it] for it in ("sealing", "number", "line", "token_sha256", "stamped_at")]
             == [entry["sealing"], entry["number"], token["line"], sha256(token["token"]).hex(), stamp.time]
             and index < token["entry"]["index"], f"{name}: it is not the one that the log states")
        need([stamp.hash, stamp.imprint.hex()] == ["sha256", imprint(sealing, token)],
             f"{name}: it does not cover its sealing")
        index, stamped_at = token["entry"]["index"], stamped_at or stamp.time
        chain = [(name, stamp, stamped["trial"]), *check_renewals(name, sealing, token, stamp, head)]
        for (name, stamp, trial), newer in itertools.zip_longest(chain, chain[1:]):
            until = seconds(newer[1].time) if newer else at
            yield functools.partial(check_token, name, stamp, ca, until, trial)
    if not sealing["tokens"]: yield f"note: {where} has no time-stamp yet"
    statement = parse_json(sealing["statement"].encode())
    is_known = (statement["format"], statement["profile"]) == (1, "plain")
    judged_at = stamped_at or is_known and statement["at"]
    if judged_at: yield functools.partial(check_seal, f"{where}/seal.p7s", sealing, ca, judged_at, archive)
    if not is_known:
        yield f"cannot tell: {where}: its statement has a format or a profile that is not known here"
        return
    if statement["policy"] != "none": yield f"cannot tell: {where}: it has a policy that is not known here"
    older = open_checkpoint(statement["checkpoint"], key_for(statement["checkpoint"], keys))
    yield older.signature
    need(older.size <= sealing["entry"]["index"] and is_consistent(older, head, sealing["consistency"]),
         f"{where}: the log of its statement is not the beginning of that of the bundle")
    leaves = [*unhex(it["root"] for it in statement["batches"]), sha256(older.text)]
    stated = {**statement, "root": evidence_levels(leaves)[-1][0].hex()}
    need(all(stated[it] == entry[it] for it in ("root", "sealing", "number", "after", "through")),
         f"{where}: its statement says something else than the log")
    facts = lambda it: [it["documents"], it["root"], it["order_root"]]
    listed = {it["batch"]: facts(it) for it in statement["batches"]}
    for batch, committed in batches:
        if "sealed" not in batch:
            need(committed["batch"] not in listed, f"{where}: it covers a batch that does not lead to it")
        elif batch["sealed"]["number"] == entry["number"]:
            need(listed[committed["batch"]] == facts(committed)
                 and batch["entry"]["index"] < sealing["entry"]["index"]
                 and walk(committed["root"], batch["sealed"]["tree_path"]) == entry["root"],
                 f"{where}: a batch does not lead to it")

def parse_kind(newer, token): return f"evidence.re{'hashed' if newer is token.get('hash_tree') else 'newed'}"

def check_renewals(name, sealing, token, stamp, head):
    """Each renewal is in the log after what it renews, covers all of it, and states a later time."""
    index, checked, covered = token["entry"]["index"], [], imprints(sealing, token)
    next(covered)
    for it in [it for _, first in chains_of(token) for it in [first, *first.get("renewals", [])]][1:]:
        entry = read_logged(it["entry"], parse_kind(it, token), head)
        need(entry["line"] == token["line"] and index < it["entry"]["index"] and ("token" in it or not it["path"]),
             f"{name}: a renewal is not the one that the log states")
        index = it["entry"]["index"]
    for (name, newer), covers in zip([*stamps_of(name.removesuffix(".tst"), token)][1:], covered):
        kind = parse_kind(newer, token)
        entry, last = read_logged(newer["entry"], kind, head), stamp
        name, stamp, long = name + ".tst", parse_token(newer["token"]), ".hash-tree" in name
        need([entry[it] for it in ("line", "token_sha256", "stamped_at")]
             == [token["line"], sha256(newer["token"]).hex(), stamp.time]
             and (kind == "evidence.renewed" or entry["token_sha512"] == sha512(newer["token"]).hex()),
             f"{name}: it is not the one that the log states")
        need([stamp.hash, stamp.imprint.hex(), entry["root"]] == ["sha512" if long else "sha256", covers, covers]
             and seconds(last.time) <= seconds(stamp.time), f"{name}: it does not cover what it should renew")
        checked.append((name, stamp, entry["trial"]))
    return checked

def check_hash_trees(where, document, batch, sealing):
    """A document that says so is in the new hash trees of its sealing."""
    places, second = document.get("hash_trees", []), document.get("sha512", [])
    if not (places or second): return
    files, tokens = parse_record(document["record"])["files"], sealing["tokens"] if sealing else []
    need(places and len(second) == len(files) and all(it.get("sha512", other) == other
                                                      for it, other in zip(files, second))
         and in_order([it["line"] for it in places]), f"{where}: its second digests are not those of its files")
    for place in places:
        token = next((it for it in tokens if it["line"] == place["line"] and "hash_tree" in it), None)
        need(token, f"{where}: its sealing has not the new hash trees that it names")
        value = value_of(rehashed(second_digests(document), first_chain(document, batch, sealing, token)), sha512)
        need(walk(value.hex(), place["path"], sha512)
             == parse_entry(token["hash_tree"]["entry"]["line"], "evidence.rehashed")["root"],
             f"{where}: it does not lead to the root of the new hash trees")

# ---- Evidence records (RFC 4998, 5.3) --------------------------------------------------------------
@verdict
def verify_record(data, objects, ca=(), group=False, at=None):
    """Checks an evidence record; an object is a name, and a function from hash function to digest."""
    need(len(data) <= 16 << 20, "the record is larger than 16 MiB")
    version, algorithms, *hints, (tag, sequence, _) = der_items(one(der_items(data, 0x30)))
    need(version[:2] == (2, b"\1") and algorithms[0] == tag == 0x30, "it is no evidence record of version 1")
    need(all(der_items(it)[0][0] == 6 for _, it, _ in der_items(algorithms[1], 0x30))
         and in_order([0x9F, *(it[0] for it in hints), 0xA2]), "it is no evidence record")
    if any(tag == 0xA1 for tag, _, _ in hints): raise CannotTell("the data were encrypted before hashing")
    chains, stamps = der_items(sequence, 0x30), []
    for c, (_, chain, _) in enumerate(chains):
        for t, (_, content, _) in enumerate(der_items(chain, 0x30)):
            stamp, first, hashed = read_stamp(content)
            if t:
                need(stamp.hash == stamps[-1].hash and hashed(stamps[-1].raw) in first,
                     f"{stamp.where} does not cover the one before it")
            else:
                older = [hashed(der(0x30, *(raw for _, _, raw in chains[:c])))] if c else []
                yield from check_objects(stamp, first, hashed, older, objects, group)
            stamps.append(stamp)
    need(chains and all(chain for _, chain, _ in chains), "there is no chain, or an empty one")
    for stamp, after in itertools.zip_longest(stamps, stamps[1:]):
        need(not after or stamp.time <= after.time, f"{stamp.where} is followed by an older one")
        until = seconds(after.time) if after else time.time() if at is None else at
        yield functools.partial(check_token, stamp.where, stamp, read_all(ca), until)

def read_stamp(data):
    """Returns the token of an archive time-stamp, its first list, which leads to it, and its hash."""
    *options, (_, _, token) = der_items(data)
    need(in_order([0x9F, *(tag for tag, _, _ in options), 0xA3]), "a time-stamp is malformed")
    stamp, options = parse_token(token), {tag: content for tag, content, _ in options}
    name = HASHES.get(der_items(options[0xA0])[0][1].hex()) if 0xA0 in options else stamp.hash
    if None in (name, stamp.hash): raise CannotTell(f"the hash function of {stamp.where} is not known here")
    hashed = lambda *parts: hashlib.new(name, b"".join(parts), usedforsecurity=False).digest()
    value_of = lambda hashes: hashes[0] if len(hashes) == 1 else hashed(*sorted(hashes))
    lists = [[it for _, it, _ in der_items(one, 4)] for _, one, _ in der_items(options.get(0xA2, b""), 0x30)]
    first = lists[0] if lists else [stamp.imprint]
    value = functools.reduce(lambda value, hashes: value_of([*hashes, value]), lists[1:], value_of(first))
    need(name == stamp.hash and value == stamp.imprint and all(lists), f"lists do not lead to {stamp.where}")
    return stamp, first, hashed

def check_objects(stamp, first, hashed, older, objects, group):
    """The first list must hold the objects: as they are, or after a renewal joined with the older chains."""
    present = []
    for given, digest_of in objects:
        own = digest_of(stamp.hash)
        if own is None:
            yield f"cannot tell: the {stamp.hash} digest of {given} is not at hand"
            return
        either = [hashed(own, *older), hashed(*sorted([own, *older]))] if older else [own]
        present += [it for it in either if it in first][:1]
        need(any(it in first for it in either), f"the first list of {stamp.where} does not hold {given}")
    need(not group or sorted(present) == sorted(first), f"the first list of {stamp.where} holds others, too")

# ---- Hash trees and notes (RFC 6962, C2SP) ---------------------------------------------------------
def node(left, right): return sha256(b"\1", left, right)
def unhex(texts): return [bytes.fromhex(it) for it in texts]
def half_of(size): return 1 << (size - 1).bit_length() - 1  # the largest power of two below it
def in_order(items): return all(a < b for a, b in zip(items, items[1:]))

def walk(value, path, hashed=sha256):
    """Leads a value past its siblings in an evidence tree: the smaller first."""
    return functools.reduce(lambda a, b: hashed(*sorted(unhex([a, b]))).hex(), path, value)

def evidence_levels(leaves):
    levels = [leaves]
    while len(levels[-1]) > 1:
        pairs = [levels[-1][at:at + 2] for at in range(0, len(levels[-1]), 2)]
        levels.append([sha256(*sorted(pair)) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels

def evidence_path(batch, document):
    levels, place = trees_of(batch["leaves"])[1], document["leaf_index"]
    return [it.hex() for n, level in enumerate(levels[:-1]) for it in level[place >> n ^ 1:][:1]]

@functools.lru_cache(8)
def trees_of(leaves):
    """Returns the leaves of a batch, the levels of its evidence tree, and its order root."""
    data = b64(leaves)
    need(0 < len(data) <= 3_200_000 and len(data) % 32 == 0, "the leaves of a batch are cut off, or too many")
    leaves = [data[at:at + 32] for at in range(0, len(data), 32)]
    def order_root(leaves):
        if len(leaves) == 1: return sha256(b"\0", leaves[0])
        return node(order_root(leaves[:half_of(len(leaves))]), order_root(leaves[half_of(len(leaves)):]))
    return leaves, evidence_levels(leaves), order_root(leaves)

def inclusion_root(entry, index, size, proof):
    """The root that an entry and its proof lead to (RFC 6962, 2.1.1)."""
    need(index < size, "an entry stands beyond the end of its tree")
    siblings = unhex(proof)
    def root(index, size):
        if size == 1: return sha256(b"\0", entry)
        half, sibling = half_of(size), siblings.pop()
        if index < half: return node(root(index, half), sibling)
        return node(sibling, root(index - half, size - half))
    value = root(index, size)
    need(not siblings, "a proof is too long")
    return value.hex()

def is_consistent(old, new, proof):
    """Whether the log of one checkpoint is the beginning of that of another (RFC 6962, 2.1.2)."""
    siblings = unhex(proof)
    def roots(size, of, is_whole):
        if size == of: return [bytes.fromhex(old.root) if is_whole else siblings.pop()] * 2
        half, sibling = half_of(of), siblings.pop()
        if size > half: return [node(sibling, it) for it in roots(size - half, of - half, False)]
        first, second = roots(size, half, is_whole)
        return [first, node(second, sibling)]
    if old.size > new.size: return False
    reached = roots(old.size, new.size, True) if old.size else [sha256(), bytes.fromhex(new.root)]
    return not siblings and reached == unhex([old.root, new.root])

def b64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 is misspelt")
    return data

def parse_key(text, kinds={1: 33}):
    """Reads a C2SP verifier key of a log (Ed25519), or of one of the kinds named, each with its length."""
    need(len(text) <= 4096, "a key is too long")
    name, stated_id, key = text.split("+", 2)
    key, key_id = b64(key), sha256(name.encode(), b"\n", b64(key))[:4]
    if key[0] not in kinds and 1 not in kinds: raise CannotTell("a witness has a key of an unknown kind")
    need(re.fullmatch(r"[^\s\0-\x1f]+", name) and len(key) == kinds.get(key[0])
         and key_id.hex() == stated_id, "the key of a log or of a witness is none")
    return types.SimpleNamespace(name=name, id=key_id, kind=key[0], bytes=key[1:], text=text)

def open_checkpoint(note, key, own=True, witnesses=()):
    """Reads a checkpoint signed by a key. A log's own has three lines, its signature, and then one of each
    of the witnesses in their order; of any witnesses that cannot be checked if that is None."""
    parts = re.fullmatch(r"(([^\0-\x1f]+)\n(0|[1-9][0-9]{0,18})\n([^\0-\x1f]+)\n((?:[^\0-\x1f]+\n)*))\n"
                         r"((?:— [^\s\0-\x1f+]+ [!-~]+\n)+)", note)
    need(parts and len(note) <= 16 << 20, "a checkpoint is malformed")
    text, root, lines = parts[1].encode(), b64(parts[4]), [it.split(" ") for it in parts[6].split("\n")[:-1]]
    by_key = [b64(it)[4:] for _, name, it in lines if name == key.name and b64(it)[:4] == key.id]
    if not (own or by_key): raise CannotTell("the checkpoint bears no signature by the key that was named")
    need(parts[2] == key.name and len(root) == 32 and by_key and not (own and parts[5]),
         "a checkpoint has not three lines and a signature, by its log")
    cosigned = [] if witnesses is None else [(it, b64(line[2])) for it, line in zip(witnesses, lines[1:])]
    need(not own or (lines[0][1], b64(lines[0][2])[:4]) == (key.name, key.id)
         and (witnesses is None or len(lines) == 1 + len(witnesses)
              and in_order([it.text for it in witnesses])
              and all((it.name, it.id) == (line[1], b64(line[2])[:4])
                      for it, line in zip(witnesses, lines[1:]))),
         "the signatures of a checkpoint are not those of its log and of its witnesses, in order")
    return types.SimpleNamespace(
        text=text, size=int(parts[3]), root=root.hex(),
        signature=functools.partial(check_ed25519, key.bytes, text, by_key[0]),
        cosignatures=[functools.partial(check_cosignature, it, text, given[4:]) for it, given in cosigned],
        seen=[f"{it.name}, at {int.from_bytes(given[4:12], 'big')} seconds since 1970, if it is to be believed,"
              for it, given in cosigned])

def check_cosignature(witness, text, signature):
    """Checks a cosignature (C2SP tlog-cosignature): a time, and a signature over it and the text."""
    at = int.from_bytes(signature[:8], "big")
    need(len(signature) == (72 if witness.kind == 4 else 2428) and at < 1 << 63, "a cosignature is none")
    if witness.kind != 4: raise CannotTell(f"the cosignature of {witness.name}: openssl does not know ML-DSA")
    check_ed25519(witness.bytes, b"cosignature/v1\ntime %d\n" % at + text, signature[8:])

# ---- JSON (format.md, Rules that hold everywhere) --------------------------------------------------
def parse_json(data, most=64 << 20, canonical=True):
    need(len(data) <= most, "a piece of JSON is too large")
    text, depth = data.decode(), 0
    outside_of_texts = "".join(re.sub(r"\\.", "", text, flags=re.S).split('"')[::2])
    for bracket in re.finditer(r"[][{}]", outside_of_texts):
        depth += 1 if bracket.group() in "[{" else -1
        need(depth <= 32, "JSON is nested too deeply")
    def members(pairs):
        need(len(dict(pairs)) == len(pairs), "a member of JSON stands twice")
        return dict(sorted(pairs, key=lambda it: it[0].encode("utf-16-be", "surrogatepass")))
    def number(digits):
        need(re.fullmatch("[0-9]{1,16}", digits) and int(digits) < 2**53, "a number of JSON is none of ours")
        return int(digits)
    value = json.loads(text, object_pairs_hook=members, parse_int=number, parse_float=number,
                       parse_constant=number)
    again = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    need(not canonical or again == data, "JSON is not spelt in its canonical form")
    return value

# ---- DER and time-stamps (RFC 5652, RFC 3161) ------------------------------------------------------
SHA_2_3 = {1: "sha256", 2: "sha384", 3: "sha512", 4: "sha224", 8: "sha3_256", 9: "sha3_384", 10: "sha3_512"}
HASHES = {"2b0e03021a": "sha1", "2a864886f70d0205": "md5",
          **{f"6086480165030402{n:02x}": name for n, name in SHA_2_3.items()}}
TRIAL_POLICY = bytes.fromhex("06146983abc5accfd385e291bfb2d080d897e8d1e65a")

def der_items(data, *tags):
    """Returns tag, content and the whole of each item of those that follow each other."""
    items, at = [], 0
    while at < len(data):
        start, size = at + 2, data[at + 1]
        if size > 127: start, size = at + size - 126, int.from_bytes(data[at + 2:at + size - 126], "big")
        items.append((data[at], data[start:start + size], data[at:start + size]))
        need(items[-1][2] == der(*items[-1][:2]) and data[at] & 31 < 31 and (not tags or data[at] in tags),
             "something is not what it should be in DER")
        at = start + size
    return items

def one(items):
    need(len(items) == 1, "something is missing, or follows, in DER")
    return items[0][1]

def signed_data(cms, kind):
    """Returns the hash function of a CMS SignedData (RFC 5652) of a kind, and what it holds, if anything."""
    of, content = der_items(one(der_items(cms, 0x30)))
    version, _, (_, content, _), *_, (tag, signers, _) = der_items(one(der_items(content[1], 0x30)))
    signer, (kind_found, *content) = der_items(one(der_items(signers))), der_items(content)
    need([of[1].hex(), kind_found[1].hex()] == ["2a864886f70d010702", kind] and tag == 0x31
         and version[1] in (b"\1", b"\3", b"\5") and [it[0] for it in signer[2:6]] == [0x30, 0xA0, 0x30, 4]
         and (signer[0][1], signer[1][0]) in ((b"\1", 0x30), (b"\3", 0x80)),
         "it is no signature of its kind, by one signer, with signed attributes")
    return der_items(signer[2][1])[0][1].hex(), one(der_items(one(content), 4)) if content else None

def parse_token(token):
    """Reads what a time-stamp states; its signature is for openssl."""
    _, info = signed_data(token, "2a864886f70d0109100104")
    version, _, (_, stamped, _), _, (tag, moment, _), *_ = der_items(one(der_items(info, 0x30)))
    (_, algorithm, _), (_, stamped, _) = der_items(stamped)
    need((version[1], tag) == (b"\1", 0x18), "it is no time-stamp of version 1")
    return types.SimpleNamespace(raw=token, info=info, imprint=stamped, time=rfc3339(moment),
                                 where=f"the time-stamp of {rfc3339(moment)}",
                                 hash=HASHES.get(der_items(algorithm)[0][1].hex()))

def rfc3339(time):
    """Spells a time of DER as RFC 3339 does."""
    time = time.decode() if len(time) > 13 else ("19" if time >= b"5" else "20") + time.decode()
    return re.sub(r"^(....)(..)(..)(..)(..)", r"\1-\2-\3T\4:\5:", time)

def seconds(time): return datetime.datetime.fromisoformat(re.sub(r"(\.\d+)?Z$", "+00:00", time)).timestamp()

# ---- Signatures (openssl) --------------------------------------------------------------------------
def openssl(arguments, **files):
    """Runs openssl in a folder of its own, with files of fixed names; returns success, words, files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as file: file.write(content)
        command = ["openssl", *arguments.split()]
        try: run = subprocess.run(command, cwd=folder, capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as why: raise CannotTell(f"openssl: {why}") from None
        made = {name: read_all([os.path.join(folder, name)]) for name in os.listdir(folder)}
        return run.returncode == 0, run.stderr.decode("utf-8", "replace"), made

@functools.lru_cache(64)
def check_ed25519(key, text, signature):
    good, _, _ = openssl("pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile signature",
                         key=bytes.fromhex("302a300506032b6570032100") + key, text=text, signature=signature)
    need(good, "the signature of a checkpoint is wrong")

CMS = "cms -verify -binary -inform DER -in signed -content content -out out -no-CAfile -no-CApath -no-CAstore"

def signer_of(where, signed, content):
    """Checks a CMS signature over a content, and returns the certificate that it was made with."""
    good, words, made = openssl(CMS + " -noverify -signer signer", signed=signed, content=content)
    if not good and re.search("unsupported|unknown", words):
        raise CannotTell(f"{where}: openssl does not know an algorithm of its signature")
    need(good, f"{where}: its signature is wrong")
    return pem(made["signer"].decode())

def check_path(where, signed, content, ca, moment, purpose):
    """Checks that the signer's certificate is named by what was signed (CAdES), is for a purpose, and leads
    to one of those that are believed, as of a moment."""
    if not ca: raise CannotTell(f"{where}: whether its certificate is to be believed: name who is (--ca)")
    command = f"{CMS} -cades -purpose {purpose} -attime {int(seconds(moment))} -partial_chain -CAfile ca"
    good, words, _ = openssl(command, signed=signed, content=content, ca=ca)
    why = re.search("Verify error: *(.*)|$", words)[1] or words[-200:]
    if not good and re.search("issuer|self.signed|weak|too small|ess cert id", why):
        raise CannotTell(f"{where}: its certificate leads to none of those named: {why}")
    need(good, f"{where}: its certificate is none for this: {why}")

def pem(text):
    """Returns the first certificate in a text."""
    parts = re.search("-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----", text)
    need(parts, "there is no certificate where one should be")
    return base64.b64decode(parts[1])

def check_seal(where, sealing, ca, moment, archive):
    seal, statement = sealing["seal"], sealing["statement"].encode()
    hash_function, content = signed_data(seal, "2a864886f70d010701")
    need(content is None, f"{where}: it is not detached")
    if HASHES.get(hash_function) != "sha256": raise CannotTell(f"{where}: its hash function is not SHA-256")
    need(signer_of(where, seal, statement) == pem(archive["keys"]["seal"]), f"{where}: it is another's")
    check_path(where, seal, statement, ca, moment, "any")

def check_token(where, stamp, ca, until, trial=None):
    """Checks a time-stamp, whose certificate must last until something newer vouches for it."""
    signer = signer_of(where, stamp.raw, stamp.info)
    is_trial = TRIAL_POLICY in stamp.info or TRIAL_POLICY in signer
    need(trial in (None, is_trial), f"{where}: the log states otherwise whether it is for trial")
    check_path(where, stamp.raw, stamp.info, ca, stamp.time, "timestampsign")
    if stamp.hash in ("md5", "sha1"): raise CannotTell(f"{where}: {stamp.hash} can no longer be relied on")
    fields = [it for it in der_items(der_items(one(der_items(signer)))[0][1]) if it[0] != 0xA0]
    end = rfc3339(der_items(fields[3][1])[1][1])
    if seconds(stamp.time) > until + 600: raise CannotTell(f"{where}: it was not there yet at the time asked for")
    if seconds(end) < until: raise CannotTell(f"{where}: its certificate ended on {end}, nothing newer came")

# ---- Proofs of log entries (C2SP tlog-proof), and the commands -------------------------------------
@verdict
def verify_proof(data, entry, log_key):
    """Checks that an entry is in the log with a key."""
    parts = re.fullmatch(r"c2sp\.org/tlog-proof@v1\n(?:extra .+\n)?index (0|[1-9][0-9]{0,18})\n"
                         r"((?:.+\n)*)\n((?s:.+))", data.decode())
    need(parts, "it is no tlog-proof")
    head = open_checkpoint(parts[3], parse_key(log_key), own=False)
    proof = [b64(it).hex() for it in parts[2].split("\n")[:-1]]
    need(all(len(it) == 64 for it in proof), "a hash in it has not 32 bytes")
    root = inclusion_root(entry, int(parts[1]), head.size, proof)
    need(root == head.root, "the entry does not lead to the root of the checkpoint")
    yield head.signature

def main():
    verbatim = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=verbatim)
    parser.add_argument("command", choices=["bundle", "record", "proof"])
    parser.add_argument("subject")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--log-key", type=lambda it: parse_key(it) and it)
    parser.add_argument("--at", type=seconds)
    for name in ("--ca", "--digest"): parser.add_argument(name, action="append", default=[])
    given = parser.parse_args()
    hashed = lambda content: lambda name: hashlib.new(name, content, usedforsecurity=False).digest()
    stated = lambda spelt: {name: bytes.fromhex(it) for name, it in re.findall("(\\w+):(\\w+)", spelt)}.get
    try:
        data = read_all([given.subject])
        if given.command == "bundle":
            result, lines = verify_bundle(data, given.files, given.log_key, given.ca, given.at)
        elif given.command == "record":
            objects = [(spell(it), hashed(read_all([it]))) for it in given.files]
            objects += [(it, stated(it)) for it in given.digest]
            need(objects, "name a file or a digest")
            result, lines = verify_record(data, objects, given.ca, given.group, given.at)
        else:
            need(given.log_key and len(given.files) == 1, "name one entry, and its log's key (--log-key)")
            result, lines = verify_proof(data, read_all(given.files), given.log_key)
    except (OSError, ValueError) as why: parser.error(str(why))
    print(*lines, result, sep="\n")
    return {"INTACT": 0, "DAMAGED": 5, "CANNOT TELL": 3}[result]

if __name__ == "__main__":
    sys.exit(main())
