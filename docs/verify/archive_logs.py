"""The logs of an archive, one after the other (format.md, Keys of the log, A log that succeeds another, Receipts):
which there are, whose keys sign them, and what is proven of each. The rest of bundles is in sigillo_verify.py."""
import functools, re, types

from public_specs import (
    check_cosignature, check_ed25519, in_order, inclusion_root, leaf, need, parse_checkpoint, parse_json, parse_key,
    parse_signature, pem)

def is_long(line):
    """Whether the time-stamps of a line are of SHA-512 from the first on, over hash trees of that."""
    return re.match("(plain|tr-esor)-sha512-", line) is not None

@functools.lru_cache(4096)
def parse_entry(line, kind):
    entry = parse_json(line.encode(), 65535)
    version = 2 if kind in ("sealing.stamped", "evidence.renewed") and is_long(entry["line"]) else 1
    need([entry["type"], entry["v"]] == [kind, version], f"there is another log entry where {kind} should be")
    return entry

def place(logged):
    """Where an entry stands: the generation of its log, and the place in it."""
    return logged.get("log", 1), logged["index"]

def logged_lines(it):
    """All logged lines in a receipt: entries with their places in the logs and proofs."""
    if isinstance(it, dict) and "proof" in it: return [it]
    parts = it.values() if isinstance(it, dict) else it if isinstance(it, list) else []
    return [line for part in parts for line in logged_lines(part)]

def stated_logs(section, archive):
    """The logs up to that of the checkpoint: keys, the seal of its time, and the entry with which each begins. Nothing
    is proven yet but that they can follow from each other."""
    keys, seal = rotated_keys(section["log"], section.get("rotations", []), 1), archive["keys"]["seal"]
    logs = [types.SimpleNamespace(number=1, keys=keys, seal=seal, begun={"last": 0})]
    need(section["created"].get("log", 1) == 1, "the archive was not created in its first log")
    used = {key.bytes for _, key, _ in keys}
    for number, it in enumerate(section.get("successions", []), 2):
        before, begun = logs[-1], parse_entry(it["entry"]["line"], "log.succeeded")
        origin = f"{section['origin']}/g{number}"
        if number == 2: used.add(parse_key(archive["keys"]["commit"]).bytes)
        keys, commit = rotated_keys(begun["log"], it.get("rotations", []), number), parse_key(begun["commit"])
        need(place(it["entry"]) == (number, 1) and begun["generation"] == number
             and begun["last"] > before.begun["last"] and [keys[0][1].name, commit.name] == [origin, f"{origin}/commit"]
             and len({keys[0][1].bytes, commit.bytes} - used) == 2, f"log {number} does not follow from that before it")
        used.update(key.bytes for key in [commit, *(key for _, key, _ in keys)])
        seal = begun.get("seal", seal)
        pem(seal)
        logs.append(types.SimpleNamespace(number=number, keys=keys, seal=seal, begun=begun))
    return logs

def prove_logs(logs, head, receipt):
    """Proves all entries: those of the newest log by the checkpoint, those of each before it by the root that the next
    names. Yields who signed for the next, and what became of each."""
    logs[-1].head = head
    for older, newer in zip(logs, logs[1:]):
        begun = newer.begun
        older.head = types.SimpleNamespace(size=begun["size"], root=begun["root"])
        yield (f"note: log {older.number} ended with {begun['size']} entries ({begun['reason']}), and its key "
               f"{'signed' if 'signature' in begun else 'did not sign'} for log {newer.number}")
        if "signature" in begun: yield signature_of(older, begun)
    for it in logged_lines(receipt):
        log, index = place(it)
        need(log <= len(logs), f"an entry is in log {log}, which is not here")
        tree = logs[log - 1].head
        need(inclusion_root(leaf(it["line"].encode()), index, tree.size, it["proof"]) == tree.root,
             f"the entry {index} of log {log} does not lead to its root")

def signature_of(older, begun):
    """The check of the signature by the key of a log for the one that comes after it."""
    key, (signer, signature) = key_of(older.keys, begun["size"]), parse_signature(begun["signature"])
    need(signer == (key.name, key.id), f"the key of log {older.number} did not sign for the next, as it says")
    lines = ("sigillo log succession v1", key.name, "{generation}", "{last} {last_sha256}", "{size} {root}", "{log}",
             "{commit}", "{act_sha256}", "")
    return functools.partial(check_ed25519, key.bytes, "\n".join(lines).format(**begun).encode(), signature)

def is_believed(logs, log_key):
    """Whether a key that was got elsewhere is that of the newest log, or leads to it by signatures."""
    for older, newer in reversed([*zip(logs, logs[1:])]):
        if log_key in [it.text for _, it, _ in newer.keys]: return True
        if "signature" not in newer.begun: return False
    return log_key in [it.text for _, it, _ in logs[0].keys]

def log_of_commit(logs, commit):
    """The log whose checkpoints cover a commit, by the last commits of those before it."""
    return [it for it in logs if it.begun["last"] < commit][-1]

def rotated_keys(first, rotations, log):
    """The keys of a log, each with the place of the entry that names it, and the check of its signature by the key
    before it (format.md, Keys of the log)."""
    keys = [(-1, parse_key(first), None)]
    for number, logged in enumerate(rotations, 1):
        entry, (last, key, _) = parse_entry(logged["line"], "key.rotated"), keys[-1]
        new, (signer, signature) = parse_key(entry["log"]), parse_signature(entry["signature"])
        need(signer == (key.name, key.id) and str(entry["number"]) == str(number) and new.name == key.name
             and (log, last) < place(logged) < (log + 1, 0) and all(new.text != it.text for _, it, _ in keys),
             "a rotation of the log's key does not follow")
        text = f"sigillo key rotation v1\n{key.name}\n{number}\n{new.text}\n".encode()
        keys.append((logged["index"], new, functools.partial(check_ed25519, key.bytes, text, signature)))
    return keys

def key_of(keys, size): return [key for index, key, _ in keys if index < size][-1]

def open_checkpoint(note, keys, witnesses=()):
    """Reads a checkpoint of the log itself: three lines, the signature by the key of its size, and then one of each of
    the witnesses, in their order; of any witnesses, which cannot be checked, if that is None."""
    head = parse_checkpoint(note)
    signers = [key_of(keys, head.size), *(witnesses or [])]
    signatures = [parse_signature(line) for line in head.lines[:1 if witnesses is None else None]]
    need(head.origin == signers[0].name and not head.more and in_order([it.text for it in signers[1:]])
         and [it for it, _ in signatures] == [(it.name, it.id) for it in signers],
         "a checkpoint has not three lines, and the signatures of its log and of its witnesses, in order")
    by_log = functools.partial(check_ed25519, signers[0].bytes, head.text, signatures[0][1])
    head.check_signatures, head.seen = [by_log], []
    for witness, (_, given) in zip(signers[1:], signatures[1:]):
        head.check_signatures.append(functools.partial(check_cosignature, witness, head.text, given))
        at = f"{int.from_bytes(given[:8], 'big')} seconds after 1970, by its clock"
        head.seen.append(f"note: {witness.name} has cosigned the checkpoint, {at}")
    return head
