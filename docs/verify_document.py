#!/usr/bin/env python3
"""Verifies one document of an archive: version id, batch root, order root, and the whole log.

Written from format.md alone, in the standard library. Leaves signatures, seals, time-stamps and
the BLAKE3 names of packs to other tools. Usage: verify_document.py ARCHIVE VERSION_ID_PREFIX"""
import base64, functools, hashlib, json, pathlib, sys, zipfile

def digest(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def check(good, words):
    print(("OK  " if good else "BAD ") + words)
    good or sys.exit(1)

def evidence_root(level):
    while len(level) > 1:
        pairs = [sorted(level[i:i + 2]) for i in range(0, len(level), 2)]
        level = [digest(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]

def push(edge, entry):
    """Adds an entry to the right edge of an RFC 6962 tree, which is a list of [size, hash]."""
    edge.append([1, digest(b"\0", entry)])
    while len(edge) > 1 and edge[-2][0] == edge[-1][0]:
        (size, left), (_, right) = edge[-2:]
        edge[-2:] = [[2 * size, digest(b"\1", left, right)]]
    return edge

def tree_root(edge):
    first = edge[-1][1] if edge else digest()
    return functools.reduce(lambda root, it: digest(b"\1", it[1], root), edge[-2::-1], first)

def find_leaf(archive, prefix):
    for path in archive.glob("batches/*/leaves"):
        leaves = list(iter(functools.partial(path.open("rb").read, 32), b""))
        for place in [i for i, leaf in enumerate(leaves) if leaf.hex().startswith(prefix)]:
            return path.parent, leaves, place
    check(False, f"a batch has a version id that begins with {prefix}")

def find_entry(archive, batch):
    """Follows all commits and returns the batch's entry with the number of its commit."""
    edge, size, number, previous, found, log, roots = [], 0, 0, None, None, "log", [(0, digest())]
    while (path := archive / f"log/seq/{number + 1:020}").is_file():
        number, note = number + 1, path.read_bytes()
        lines = note[:note.rindex(b"\n\n")].split(b"\n")
        entries = list(map(json.loads, lines))
        if entries[0].get("succeeded") == number:  # another log begins, with an empty tree
            end = [entries[1][name] for name in ("last", "last_sha256", "size", "root")]
            check(end == [number - 1, previous, size, roots[-1][1].hex()], f"{log} ended before {number}")
            edge, size, roots, log = [], 0, [(0, digest())], f"log-{entries[1]['generation']}"
        header = [entries[0].get(name) for name in ("commit", "previous", "first_leaf", "root")]
        follows = header == [number, previous, size, roots[-1][1].hex()]
        follows or check(False, f"commit {number} follows from those before it")
        for entry, line in zip(entries, lines):
            edge, size = push(edge, line), size + 1
            if (entry["type"], entry.get("batch")) == ("batch.committed", batch): found = number, entry
        previous = digest(note).hex()
        roots.append((size, tree_root(edge)))
    check(found, f"commits 1 to {number} follow from each other and name batch {batch}")
    stated = (archive / log / "checkpoint").read_text().split("\n")[1:3]
    check((int(stated[0]), base64.b64decode(stated[1])) in roots, "the checkpoint is one of them")
    return found

archive, prefix = (pathlib.Path(sys.argv[1]), sys.argv[2].lower()) if sys.argv[2:] else sys.exit(__doc__)
folder, leaves, place = find_leaf(archive, prefix)
version, packs = leaves[place].hex(), (folder / "packs.json").read_bytes()
names = [pack["name"] for pack in json.loads(packs)["packs"] for _ in range(pack["documents"])]
with zipfile.ZipFile(archive / "packs" / names[place][:2] / (names[place] + ".zip")) as pack:
    own = [name for name in pack.namelist() if name.startswith(version + "/")]
    parts = {name[65:].split(".")[0]: pack.read(name) for name in own}
record, (number, entry) = json.loads(parts["record"]), find_entry(archive, folder.name)
for at, file in enumerate(record["files"], 1):
    check("stored_in" in file or digest(parts[str(at)]).hex() == file["sha256"], f"file {at}")
group = [digest(parts["record"])] + [bytes.fromhex(file["sha256"]) for file in record["files"]]
check(digest(*sorted(group)).hex() == version, f"record and files of {record['key']} are {version}")
found = {"documents": len(leaves), "root": evidence_root(leaves).hex(),
         "order_root": tree_root(functools.reduce(push, leaves, [])).hex(),
         "leaves_sha256": digest(*leaves).hex(), "packs_sha256": digest(packs).hex()}
for name in found:
    check(found[name] == entry[name], f"commit {number} states {name} {found[name]}")
