"""The time-stamps of an evidence line in a bundle, for sigillo_verify.py beside this: which there are over a sealing
and over a document, what each covers, and whether the log says the same (format.md, Sealings and Evidence records)."""
import functools, re, types

from archive_logs import is_long, parse_entry, place
from public_specs import (
    b64, der, digest, evidence_chain, evidence_levels, in_order, leaf, need, parse_json, parse_token, sha256, sha512,
    steps, tree_root, unhex, value)

@functools.lru_cache(1024)
def parse_record(text):
    record = parse_json(text.encode(), 16 << 20, canonical=False)
    need(record["format"] == 1 and record["files"], "a record is of another format, or has no files")
    return {**record, "digests": [sha256(text.encode()), *(it["sha256"] for it in record["files"])]}

def entry_of(section, kind): return parse_entry(section["entry"]["line"], kind)
def sealed_entry(sealing): return entry_of(sealing, "batches.sealed")

# ---- The time-stamps of an evidence line (format.md, Sealings, and below: Evidence records) --------------------------
def stamps_of(name, hash, first, lists, join="."):
    """The time-stamps of a chain, oldest first, each with the lists that lead to what it covers. A renewal covers the
    digests of all before it (RFC 4998, 5.2), also of lost ones, which the log states."""
    older = []
    for m, it in enumerate([first, *first.get("renewals", [])]):
        if "token" in it:
            lists = [older, *steps(it["path"])] if m else lists
            yield types.SimpleNamespace(name=f"{name}{join}renewal-{m}" if m else name, section=it, hash=hash,
                                        lists=lists, covers=value(lists, hash))
        stated = None if "token" in it else entry_of(it, "evidence.renewed")
        older = [*older, stated[f"token_{hash}"] if stated else digest(hash, it["token"])]

def root_of_trees(section, line):
    """What the time-stamp over hash trees covers, by the log."""
    return entry_of(section, "sealing.stamped")["tree"]["root"] if is_long(line) else entry_of(
        section, "evidence.rehashed")["root"]

def line_of(name, token, lists, again, tree_path):
    """The time-stamps over objects: on a line of SHA-512 those over the hash trees in which the objects are; else the
    chain that lists lead to, and that over new hash trees, where the SHA-512 of each object is joined with that of the
    first chain (RFC 4998, 5.2)."""
    if is_long(token["line"]):
        yield from stamps_of(name, "sha512", token, [again, *steps(tree_path)])
        return
    yield from stamps_of(name, "sha256", token, lists)
    if "hash_tree" in token and tree_path is not None:
        chain = sha512(der(0x30, evidence_chain("sha256", stamps_of(name, "sha256", token, lists))))
        lists = [[sha512(unhex(it, chain)) for it in again], *steps(tree_path)]
        yield from stamps_of(f"{name}.hash-tree", "sha512", token["hash_tree"], lists, "-")

def line_of_sealing(name, sealing, token):
    """The time-stamps over statement and seal. Without a path the first covers V of the chapter Sealings."""
    sealed, again = sealed_entry(sealing), [sha512(sealing["statement"].encode()), sha512(sealing["seal"])]
    lists = [[sealed["statement_sha256"], sealed["seal_sha256"]], *steps([sealed["root"], *token["path"]])]
    tree_path = token["path"] if is_long(token["line"]) else token.get("hash_tree", {}).get("path")
    return line_of(name, token, lists, again, tree_path)

def lines_of_document(document, receipt):
    """The time-stamps over record and files, for each evidence line of the sealing, with its place and name. A line of
    SHA-512 has none over what is not in its hash trees."""
    batch, trees = receipt["batches"][document["batch"]], document.get("hash_trees", [])
    path, tree_paths = path_of(document, batch), {it["line"]: it["path"] for it in trees}
    again = [sha512(document["record"].encode()), *document.get("sha512", [])]
    for sealing in receipt["sealings"]:
        entry = sealed_entry(sealing)
        if "sealed" not in batch or batch["sealed"]["number"] != entry["number"]: continue
        path = [*path, *batch["sealed"]["tree_path"], value([[entry["statement_sha256"], entry["seal_sha256"]]])]
        for k, it in enumerate(sealing["tokens"], 1):
            lists = [parse_record(document["record"])["digests"], *steps([*path, *it["path"]])]
            if not is_long(it["line"]) or it["line"] in tree_paths:
                yield k, it["line"], line_of("", it, lists, again, tree_paths.get(it["line"]))

@functools.lru_cache(8)
def trees_of(leaves):
    """Returns the leaves of a batch, the levels of its evidence tree, and its order root."""
    data = b64(leaves)
    need(0 < len(data) <= 3_200_000 and len(data) % 32 == 0, "the leaves of a batch are cut off, or too many")
    leaves = [data[at:at + 32].hex() for at in range(0, len(data), 32)]
    return leaves, evidence_levels(leaves), tree_root([leaf(unhex(it)) for it in leaves])

def path_of(document, batch):
    """The siblings of a document in the evidence tree of its batch."""
    if "leaves" not in batch: return document["tree_path"]
    levels, at = trees_of(batch["leaves"])[1], document["leaf_index"]
    return [it for n, level in enumerate(levels[:-1]) for it in level[at >> n ^ 1:][:1]]

def check_tree(stamp, entry, is_over_trees):
    """The log states the hash trees under a first time-stamp on lines of SHA-512, and on no others."""
    own, tree = {"root": stamp.covers, "token_sha512": sha512(stamp.section["token"])}, entry.get("tree")
    need((tree is not None) == is_over_trees and (not tree or own.items() <= tree.items()
         and type(tree["documents"]) is int
         and re.fullmatch("[0-9a-f]{32} [0-9a-f]{64}", "{renewal} {tree_sha256}".format(**tree))),
         f"{stamp.name}.tst: it is not the one that the log states")

def read_line(name, sealing, token):
    """Reads the time-stamps of a sealing on a line: each is in the log after those before it, and covers them."""
    stamps, sealed, tree = [], sealed_entry(sealing), token.get("hash_tree")
    kind = lambda it: "sealing.stamped" if it is token else "evidence.rehashed" if it is tree else "evidence.renewed"
    sections = [it for first in (token, tree) if first for it in [first, *first.get("renewals", [])]]
    need(not (tree and is_long(token["line"])), f"{name}: a line of SHA-512 has no new hash trees of it")
    need(in_order([place(it["entry"]) for it in sections])
         and all("token" in it or not it["path"] + it.get("validation", []) for it in sections)
         and all(entry_of(it, kind(it))["line"] == token["line"] for it in sections),
         f"{name}: its renewals are not those of its line, in the order of the log")
    for first in (token, tree):  # Of a token that is lost, the log alone says what later ones are over.
        stated = [entry_of(it, "evidence.renewed").get("token_sha512") for it in (first or {}).get("renewals", [])]
        need(all((it is not None) == (first is tree or is_long(token["line"])) for it in stated),
             f"{name}: the log does not state the digest of a renewal, or one too many")
    for it in line_of_sealing(name, sealing, token):
        raw, entry, covered = it.section["token"], entry_of(it.section, kind(it.section)), it.section.get("validation")
        stamp = parse_token(raw)
        stated = {"token_sha256": sha256(raw), "stamped_at": stamp.time}
        if it.section is token: stated.update(sealing=sealed["sealing"], number=sealed["number"])
        else: stated.update(root=it.covers)
        if it.section is token: check_tree(it, entry, is_long(token["line"]))
        if it.section is tree or entry.get("token_sha512") is not None: stated.update(token_sha512=sha512(raw))
        need(stated.items() <= entry.items(), f"{it.name}.tst: it is not the one that the log states")
        need((stamp.hash, stamp.imprint) == (it.hash, it.covers), f"{it.name}.tst: it does not cover what it should")
        need(not covered or in_order(covered) and it.section["path"][:1] == [value([covered], it.hash)],
             f"{it.name}.tst: it does not cover the revocation evidence that it should")
        stamps.append(types.SimpleNamespace(**{**vars(stamp), "where": f"{it.name}.tst", "trial": entry["trial"]}))
    return stamps
