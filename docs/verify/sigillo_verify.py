#!/usr/bin/env python3
"""Verifies what Sigillo gives out, without Sigillo: bundles, evidence records, proofs of log entries.

  sigillo_verify.py bundle X.zip [FILE...] [--log-key VKEY] [--ended SIZE] [--ca CA.pem]... [--at TIME]
  sigillo_verify.py record R.er [FILE...] [--digest sha256:HEX]... [--ca CA.pem]... [--group] [--at TIME]
  sigillo_verify.py proof X.tlog-proof ENTRY --log-key VKEY

Written from ../format.md and public specifications, with Python's standard library and the program openssl (3.0 or
later). Prints a line for each finding, and last INTACT (exit code 0), DAMAGED (5) or CANNOT TELL (3); 2 means wrong
usage. README.md says what is checked, and what is not. Here are bundles; beside this, archive_logs.py has the logs in
them, evidence_lines.py their time-stamps, public_specs.py what others have specified."""
import argparse, functools, itertools, os, re, struct, sys, time, zlib

from archive_logs import (
    is_believed, is_long, log_of_commit, open_checkpoint, parse_entry, place, prove_logs, stated_logs)
from evidence_lines import (
    entry_of, line_of_sealing, lines_of_document, parse_record, read_line, root_of_trees, sealed_entry, trees_of)
from public_specs import (
    TEXT, CannotTell, check_cms, check_lines, digest, evidence_levels, evidence_record, in_order, inclusion_root,
    is_consistent, leaf, many, members, need, parse_json, parse_key, pem, read_all, seconds, sha256, sha512,
    signed_data, steps, unhex, validity_of, value, verdict, verify_proof, verify_record, write_proof)

# ---- Bundles (format.md, Bundles) ----------------------------------------------------------------------------------
@verdict
def verify_bundle(data, files=(), log_key=None, ca=(), at=None, ended=None):
    """Checks a bundle, and the files at some paths beside it, as of a time in seconds since 1970; the log of its
    checkpoint ended with so many entries, if that is known."""
    need(len(data) <= 64 << 20, "the bundle is larger than 64 MiB")
    entries = read_zip(data)
    proof = read_proof(dict(entries)["proof.json"].decode())
    receipt = proof["receipt"]
    for present, right in itertools.zip_longest(entries, put_back(receipt, proof["files"], dict(entries))):
        need(present == right, f"{(right or present)[0]!r} is not in its place, or not what the rest gives")
    yield from check_receipt(receipt, log_key, read_all(ca), time.time() if at is None else at, ended)
    stated = [it for document in receipt["documents"] for it in files_of(document)]
    for name, facts in [(spell(path), facts_of(read_all([path]))) for path in files]:
        if not any(is_file(facts, *it) for it in stated):
            need(all(it["name"] != name for it, _ in stated), f"{name} is another file than that in the bundle")
            yield f"cannot tell: {name} is none of the files in the bundle"

def read_zip(data):
    """Returns name and content of every entry of a ZIP that is spelt in the one way of bundles."""
    entries, local, central, at = [], [], [], 0
    while data[at:at + 4] == b"PK\3\4" and len(data) >= at + 30 and len(entries) < 65535:
        size, name_size = struct.unpack_from("<IH", data, at + 22)
        name, content = data[at + 30:at + 30 + name_size], data[at + 30 + name_size:at + 30 + name_size + size]
        sizes = zlib.crc32(content), len(content), len(content), len(name)
        common = struct.pack("<HHHHHIIIHH", 10, 0x0800, 0, 0, 0x0021, *sizes, 0)
        local.append(b"PK\3\4" + common + name + content)
        central.append(b"PK\1\2\x1e\3" + common + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, at) + name)
        entries.append((name.decode(), content))
        at += len(local[-1])
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), sum(map(len, central)), at, 0)
    need(b"".join([*local, *central, b"PK\5\6", end]) == data, "it is not spelt as bundles are")
    return entries

# proof.json is closed and canonical, so that a regular expression says what members it has.
HASH, LONG_HASH, EITHER = '"[0-9a-f]{64}"', '"[0-9a-f]{128}"', '"(?:[0-9a-f]{64}){1,2}"'
EMPTY, INDEX, DIGESTS = '""', "[0-9]{1,16}", many(EITHER, 256, 1)
PATH, LONG_PATH, LOG = many(HASH, 128), many(LONG_HASH, 128), "?(?:[2-9]|[1-9][0-9])"
LOGGED = members(index=INDEX, line=TEXT, log=LOG, proof=PATH)
RENEWALS = members(entry=LOGGED, path=many(EITHER, 128), token="?" + EMPTY, validation="?" + DIGESTS)
RENEWALS = "?" + many(RENEWALS, 64, 1)
PROOF = re.compile(members(files=many(rf"\[{INDEX},{INDEX}\]", 65_534), receipt=members(
    archive=members(created=LOGGED, description=EMPTY, entity=TEXT, id='"[0-9a-f]{32}"', log=TEXT, origin=TEXT,
                    rotations="?" + many(LOGGED, 64, 1), successions="?" + many(members(
                        entry=LOGGED, rotations="?" + many(LOGGED, 64, 1)), 63, 1), trial="(?:true|false)"),
    batches=many(members(entry=members(index=INDEX, line=EMPTY, log=LOG, proof=PATH), leaves="?" + TEXT,
                         sealed="?" + members(number=INDEX, tree_path=PATH)), 100_000),
    checkpoint=EMPTY,
    documents=many(members(batch=INDEX, hash_trees="?" + many(members(line=TEXT, path=LONG_PATH), 64, 1),
                           leaf_index=INDEX, order_proof="?" + PATH, record=EMPTY, record_sha256=HASH,
                           sha512="?" + many(LONG_HASH, 65_534, 1), tree_path="?" + PATH, version_id=HASH), 1000, 1),
    schema=r'"sigillo\.receipt/[123]"',
    sealings=many(members(consistency=PATH, entry=LOGGED, seal=EMPTY, statement=EMPTY, tokens=many(members(
        entry=LOGGED, hash_tree="?" + members(entry=LOGGED, path=LONG_PATH, renewals=RENEWALS, token=EMPTY),
        line='"[a-z0-9-]{1,64}"', path=many(EITHER, 128), renewals=RENEWALS, token=EMPTY), 64)), 10_000),
    validation="?" + many(members(evidence=EMPTY, sha256=HASH), 64, 1),
    witnesses="?" + many(TEXT, 64, 1)), schema=TEXT))

def read_proof(text):
    is_whole, is_known = PROOF.fullmatch(text), re.search(r'"schema":"sigillo\.bundle/[123]"}\Z', text)
    if is_whole and not is_known or re.search(r'"schema":"sigillo\.bundle/(?![123]")', text):
        parse_json(text.encode(), canonical=False)  # or it is none at all
        raise CannotTell("its schema is another than sigillo.bundle/1, /2 and /3")
    need(is_whole, "proof.json has not the members that it should")
    proof = parse_json(text.encode())
    lines = [token["line"] for sealing in proof["receipt"]["sealings"] for token in sealing["tokens"]]
    number = "3" if any(map(is_long, lines)) else "2" if "successions" in proof["receipt"]["archive"] else "1"
    need([proof["schema"], proof["receipt"]["schema"]] == [f"sigillo.bundle/{number}", f"sigillo.receipt/{number}"],
         "proof.json has not the schema that goes with its logs and evidence lines")
    return proof

README_SHA256 = "62f4b74abeff9bd8297f7183cbdab33dc79968ba32207f19f49320fe530a0509"
ORDER = "README.txt proof.json archive.json checkpoint log documents sealings validation files".split()

def put_back(receipt, files, parts):
    """Puts back what stands in entries of its own, and returns all entries as they must be, in order."""
    right = {}
    def take(name): return right.setdefault(name, parts[name])
    need(take("proof.json") and sha256(take("README.txt")) == README_SHA256, "README.txt is not that of every bundle")
    receipt["archive"]["description"] = take("archive.json").decode()
    receipt["checkpoint"] = take("checkpoint").decode()
    for n, batch in enumerate(receipt["batches"], 1):
        batch["entry"]["line"] = take(f"log/{n}.entry").decode()
        log, index = place(batch["entry"])
        if log == len(receipt["archive"].get("successions", [])) + 1:  # of one that ended no checkpoint is signed
            right[f"log/{n}.tlog-proof"] = write_proof(index, batch["entry"]["proof"], receipt["checkpoint"])
    for n, sealing in enumerate(receipt["sealings"], 1):
        sealing["statement"] = take(f"sealings/{n}/statement.json").decode()
        sealing["seal"] = take(f"sealings/{n}/seal.p7s")
        for k, token in enumerate(sealing["tokens"], 1):
            # Each is put back before the next one, which covers it, is asked for.
            for stamp in line_of_sealing(f"sealings/{n}/{k}-{token['line']}", sealing, token):
                stamp.section["token"] = take(f"{stamp.name}.tst")
                right[f"{stamp.name}.imprint"] = stamp.covers.encode()
    for n, document in enumerate(receipt["documents"], 1):
        document["record"] = take(f"documents/{n}/record.json").decode()
        for k, name, line in lines_of_document(document, receipt):
            right[f"documents/{n}/{k}-{name}.er"] = evidence_record(line)
    evidence = [(it["sha256"], take(f"validation/{it['sha256']}")) for it in receipt.get("validation", [])]
    need(in_order([name for name, _ in evidence]) and all(sha256(it) == name for name, it in evidence)
         and sum(len(it) for _, it in evidence) <= 4 << 20, "validation/ is not in order, or not what its names say")
    need(in_order(files) and all(n > 0 and p > 0 for n, p in files), "proof.json: the files are not in order")
    for n, p in files:
        file, second = files_of(receipt["documents"][n - 1])[p - 1]
        name = f"files/{n}/{p}" + re.search(r"\.[a-z0-9]{1,8}\Z|\Z", file["name"]).group()
        need(is_file(facts_of(take(name)), file, second), f"{name} is not what its record states")
    return sorted(right.items(), key=lambda it: ORDER.index(it[0].split("/")[0]))

def files_of(document):
    """The files that a record states, each with the SHA-512 that the receipt states of it, or nothing."""
    second = document.get("sha512", [])
    return [(file, second[p:p + 1]) for p, file in enumerate(parse_record(document["record"])["files"])]

def facts_of(content): return len(content), sha256(content), sha512(content)
def is_file(facts, file, second):
    return facts[:2] == (file["size"], file["sha256"]) and {*second, file.get("sha512", facts[2])} == {facts[2]}

def files_named(content):
    """The digests of the files that a record names; nothing if it is none."""
    try: return [str(it["sha256"]) for it in parse_record(content.decode())["files"]]
    except (ValueError, LookupError, TypeError, AttributeError): return []

def spell(path):
    """The name of a file as records spell it: what is no UTF-8, or a control character, as %XX."""
    escaped = lambda it: "".join(f"%{byte:02X}" for byte in os.fsencode(it.group()))
    return re.sub("[%\0-\x1f\x7f-\x9f\udc80-\udcff]", escaped, os.fsdecode(os.path.basename(path)))

# ---- Receipts, as they are in bundles (format.md, Receipts, Checking) ----------------------------------------------
def check_receipt(receipt, log_key, ca, at, ended):
    section, archive = receipt["archive"], parse_json(receipt["archive"]["description"].encode(), 65536)
    logs, created = stated_logs(section, archive), parse_entry(section["created"]["line"], "archive.created")
    need(created["archive_sha256"] == sha256(section["description"].encode())
         and [created["archive"], archive["archive"], archive["entity"]["name"], archive["keys"]["log"],
              archive["origin"], logs[0].keys[0][1].name, archive["trial"]]
         == [section[it] for it in ("id", "id", "entity", "log", "origin", "origin", "trial")],
         "archive.json, proof.json and the log do not speak of the same archive")
    yield from [check_signature for log in logs for _, _, check_signature in log.keys[1:]]
    witnesses = []
    try: witnesses += [parse_key(it, {4: 33, 6: 1313}) for it in receipt.get("witnesses", [])]
    except CannotTell as why:
        witnesses = None
        yield f"cannot tell: {why}"
    head = open_checkpoint(receipt["checkpoint"], logs[-1].keys, witnesses)
    yield from [*head.check_signatures, *(head.seen or ["note: no witness has cosigned the checkpoint"])]
    yield from prove_logs(logs, head, receipt)
    for batch in receipt["batches"]:
        committed = batch["committed"] = entry_of(batch, "batch.committed")
        stated = [committed["documents"], committed["root"], committed["order_root"]]
        leaves, levels, order_root = trees_of(batch["leaves"]) if "leaves" in batch else ([], [], "")
        need(not leaves or [len(leaves), levels[-1][0], order_root] == stated, "the leaves of a batch are wrong")
    numbers = [sealed_entry(it)["number"] for it in receipt["sealings"]]
    need(in_order([place(it["entry"]) for it in receipt["batches"]]) and in_order(numbers)
         and in_order([place(it["entry"]) for it in receipt["sealings"]])
         and in_order([(it["batch"], it["leaf_index"]) for it in receipt["documents"]])
         and {it["sealed"]["number"] for it in receipt["batches"] if "sealed" in it} == {*numbers},
         "batches, documents and sealings do not stand in order, or do not belong together")
    for n, document in enumerate(receipt["documents"], 1): check_document(f"documents/{n}", document, receipt)
    for n, sealing in enumerate(receipt["sealings"], 1):
        yield from check_sealing(f"sealings/{n}", sealing, receipt, logs, ca, at)
    if [archive["format"], archive["encryption"], archive["algorithms"]] != [
            1, "none", {"address": "blake3", "evidence": "sha256"}]:
        yield "cannot tell: archive.json has a format, an encryption or algorithms that are not known here"
    if not all("sealed" in it for it in receipt["batches"]): yield "note: not all of the documents are sealed yet"
    if archive["trial"]: yield "note: the keys of the archive are for trial, and prove nothing to others"
    yield "note: whether the archive has grown since, or a certificate was revoked, was not looked at"
    if not is_believed(logs, log_key):
        yield "cannot tell: whether its log is to be believed: " + (
            "the key named does not lead to its own" if log_key else "name its key, got elsewhere (--log-key)")
    if ended is not None and head.size > ended: yield f"cannot tell: its log ended with {ended} entries before that"

def check_document(where, document, receipt):
    """From record and files to both roots of the batch, and, of a document that says so, to new hash trees."""
    batch, digests = receipt["batches"][document["batch"]], parse_record(document["record"])["digests"]
    version, place, entry = value([digests]), document["leaf_index"], batch["committed"]
    need([document["record_sha256"], document["version_id"]] == [digests[0], version],
         f"{where}: record and files do not give the version id")
    if "leaves" in batch:
        need(trees_of(batch["leaves"])[0][place] == version and not {"order_proof", "tree_path"} & {*document},
             f"{where}: it is not that leaf, or has proofs beside leaves")
    else:
        order_root = inclusion_root(leaf(unhex(version)), place, entry["documents"], document["order_proof"])
        need([value(steps([version, *document["tree_path"]])), order_root] == [entry["root"], entry["order_root"]],
             f"{where}: it does not lead to the roots of its batch")
    names, second = [it["line"] for it in document.get("hash_trees", [])], document.get("sha512", [])
    files = parse_record(document["record"])["files"] if names or second else []
    need(bool(names) == bool(second) and in_order(names) and len(second) == len(files)
         and all(file.get("sha512", it) == it for file, it in zip(files, second)),
         f"{where}: its second digests are not those of its files")
    lines = {name: [*line] for _, name, line in lines_of_document(document, receipt)} if names else {}
    for name in names:
        tree = [it for it in lines[name] if it.name == ("" if is_long(name) else ".hash-tree")][0]
        need(tree.covers == root_of_trees(tree.section, name),
             f"{where}: it does not lead to the root of the hash trees")

def check_sealing(where, sealing, receipt, logs, ca, at):
    """Statement and seal by their digests; the time-stamps over them; the seal, as of the first that counts."""
    entry, statement = sealed_entry(sealing), parse_json(sealing["statement"].encode())
    need([sha256(sealing["statement"].encode()), sha256(sealing["seal"])]
         == [entry["statement_sha256"], entry["seal_sha256"]], f"{where}: the log states other digests")
    need(in_order([place(it["entry"]) for it in [sealing, *sealing["tokens"]]])
         and len({it["line"] for it in sealing["tokens"]}) == len(sealing["tokens"]),
         f"{where}: it is not in order, or has two time-stamps on one line")
    lines = [read_line(f"{where}/{k}-{it['line']}", sealing, it) for k, it in enumerate(sealing["tokens"], 1)]
    own = {n: {tree["line"] for tree in it.get("hash_trees", [])} for n, it in enumerate(receipt["documents"], 1)
           if receipt["batches"][it["batch"]].get("sealed", {}).get("number") == entry["number"]}
    for token, line in zip(sealing["tokens"], lines):
        are_in = all(token["line"] in it for it in own.values())
        line[0].is_whole = are_in or not is_long(token["line"])
        line[0].alone = [it for it in line if it.hash == "sha256"] if "hash_tree" in token and not are_in else []
    if lines and all(is_long(it["line"]) for it in sealing["tokens"]):
        yield from (f"cannot tell: documents/{n}: no evidence record of it follows" for n, it in own.items() if not it)
    yield functools.partial(check_lines, lines, ca, at)
    if not lines: yield f"note: {where} has no time-stamp yet"
    is_known = (statement["format"], statement["profile"]) == (1, "plain")
    counts = lambda it: hasattr(it[0], "is_sound") and (receipt["archive"]["trial"] or not it[0].trial)
    first = lines[0][0].time if lines else statement.get("at")
    times = lambda: (min((it[0].time for it in filter(counts, lines)), key=seconds, default=first), statement.get("at"))
    seal = logs[place(sealing["entry"])[0] - 1].seal
    if lines or is_known: yield functools.partial(check_seal, f"{where}/seal.p7s", sealing, seal, times, ca)
    if is_known: yield from check_statement(where, sealing, statement, receipt["batches"], logs)
    else: yield f"cannot tell: {where}: its statement has a format or a profile that is not known here"

def check_seal(where, sealing, seal, times, ca):
    """A seal is of the archive's certificate, as of its first time-stamp on a line that holds. If the certificate was
    not valid then, it is checked as of when the statement says, which nothing proves."""
    times = times()
    hash, content = signed_data(sealing["seal"], "2a864886f70d010701")
    need(content is None, f"{where}: it is not detached")
    if hash != "sha256": raise CannotTell(f"{where}: its hash function is not SHA-256")
    is_ours = lambda certificate: certificate == pem(seal)
    begin, end = validity_of(pem(seal))
    untimely = not seconds(begin) <= seconds(times[0]) < seconds(end) + 1
    check_cms(where, sealing["seal"], sealing["statement"].encode(), is_ours, "any", times[untimely], ca)
    if untimely: raise CannotTell(f"{where}: its certificate was not valid at its first time-stamp")

def check_statement(where, sealing, statement, batches, logs):
    """A statement says what the log says, and lists the batches that lead to its sealing."""
    entry, log = sealed_entry(sealing), log_of_commit(logs, statement["through"])
    if statement["policy"] != "none": yield f"cannot tell: {where}: it has a policy that is not known here"
    older = open_checkpoint(statement["checkpoint"], log.keys)
    yield from older.check_signatures
    need((log.number, older.size) <= place(sealing["entry"])
         and is_consistent(older, log.head, sealing["consistency"]),
         f"{where}: the log of its statement is not the beginning of that of the bundle")
    root = evidence_levels([*(it["root"] for it in statement["batches"]), sha256(older.text)])[-1][0]
    stated = {"root": root, **{it: statement[it] for it in ("sealing", "number", "after", "through")}}
    need(stated.items() <= entry.items(), f"{where}: its statement says something else than the log")
    facts = lambda it: [it["documents"], it["root"], it["order_root"]]
    listed = {it["batch"]: facts(it) for it in statement["batches"]}
    for batch, committed in [(it, it["committed"]) for it in batches]:
        if "sealed" not in batch:
            need(committed["batch"] not in listed, f"{where}: it covers a batch that does not lead to it")
        elif batch["sealed"]["number"] == entry["number"]:
            need(value(steps([committed["root"], *batch["sealed"]["tree_path"]])) == entry["root"]
                 and listed[committed["batch"]] == facts(committed)
                 and place(batch["entry"]) < place(sealing["entry"]), f"{where}: a batch does not lead to it")

# ---- The commands --------------------------------------------------------------------------------------------------
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["bundle", "record", "proof"])
    parser.add_argument("subject")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--log-key", type=lambda it: parse_key(it) and it)
    parser.add_argument("--at", type=seconds)
    parser.add_argument("--ended", type=int)
    for name in ("--ca", "--digest"): parser.add_argument(name, action="append", default=[])
    given = parser.parse_args()
    try:
        data = read_all([given.subject])
        if given.command == "bundle":
            result, lines = verify_bundle(data, given.files, given.log_key, given.ca, given.at, given.ended)
        elif given.command == "record":
            hashed = lambda content: lambda hash: digest(hash, content)
            stated = lambda text: {hash: unhex(it).hex() for hash, it in re.findall(r"(\w+):(\w+)", text)}.get
            contents = [(spell(it), read_all([it])) for it in given.files]
            named = {it for _, content in contents for it in files_named(content)}
            objects = [(name, hashed(it), *([] if sha256(it) in named else [it])) for name, it in contents]
            objects += [(it, stated(it)) for it in given.digest]
            need(objects, "name a file or a digest")
            result, lines = verify_record(data, objects, given.ca, given.group, given.at)
        else:
            need(given.log_key and len(given.files) == 1, "name one entry, and its log's key (--log-key)")
            result, lines = verify_proof(data, read_all(given.files), given.log_key)
    except (OSError, ValueError) as why: parser.error(str(why))
    print(*lines, result, sep="\n")
    return {"INTACT": 0, "DAMAGED": 5, "CANNOT TELL": 3}[result]

if __name__ == "__main__": sys.exit(main())
