"""Prints what the time-stamp of a sealing must cover, from docs/format.md: imprint.py FOLDER."""
import hashlib, json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
sha256 = lambda data: hashlib.sha256(data).digest()
pair = lambda a, b: sha256(min(a, b) + max(a, b))
statement, seal = (folder / "statement.json").read_bytes(), (folder / "seal.p7s").read_bytes()
content = json.loads(statement)
text = content["checkpoint"].split("\n\n")[0] + "\n"
level = [bytes.fromhex(batch["root"]) for batch in content["batches"]] + [sha256(text.encode())]
while len(level) > 1:
    pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
    level = [pair(*both) if len(both) == 2 else both[0] for both in pairs]
print(pair(level[0], pair(sha256(statement), sha256(seal))).hex())
