"""What sigillo_verify.py reads and computes by public specifications, named in brackets: it knows nothing of archives.
Hashes are hexadecimal texts. What is not as it must be raises Damage; what cannot be checked, CannotTell."""
import base64, datetime, functools, hashlib, itertools, json, os, re, subprocess, tempfile, time, types

class Damage(ValueError): """Something is not as it must be."""
class CannotTell(Exception): """Something could not be checked."""

def need(condition, otherwise):
    if not condition: raise Damage(otherwise)

def verdict(check):
    """Makes a check into a function that returns verdict and findings. A check yields texts, and functions that check
    signatures, which are called last. Damage ends it, and so does what cannot be taken apart."""
    def concluded(*arguments, **options):
        lines = []
        try:
            found = list(check(*arguments, **options))
            lines += [it for it in found if isinstance(it, str)]
            for check_signature in filter(callable, found):
                try: check_signature()
                except CannotTell as why: lines.append(f"cannot tell: {why}")
        except CannotTell as why: lines.append(f"cannot tell: {why}")
        except Damage as why: return "DAMAGED", [f"damage: {why}"]
        except (ValueError, LookupError, TypeError, AttributeError) as why:
            return "DAMAGED", [f"damage: something is missing or malformed ({why!r:.200})"]
        return "CANNOT TELL" if any(it.startswith("cannot") for it in lines) else "INTACT", lines
    return concluded

def in_order(items): return all(a < b for a, b in zip(items, items[1:]))
def read_all(paths): return b"\n".join(open(path, "rb").read() for path in paths)

# ---- Evidence records (RFC 4998, 5.3) ------------------------------------------------------------------------------
@verdict
def verify_record(data, objects, ca=(), group=False, at=None):
    """Checks an evidence record; an object is a name, a function from hash function to digest, and perhaps a content,
    which is looked at then: it may be what is hashed for a list of hashes (RFC 4998, 4.2.1)."""
    need(len(data) <= 16 << 20, "the record is larger than 16 MiB")
    version, algorithms, *hints, (tag, sequence, _) = der_items(inside(data, 0x30))
    need(version[:2] == (2, b"\1") and algorithms[0] == tag == 0x30
         and in_order([0x9F, *(tag for tag, _, _ in hints), 0xA2]), "it is no evidence record of version 1")
    for _, algorithm, _ in der_items(algorithms[1], 0x30): hash_of(algorithm)  # spelt well; a hint, no more
    if any(tag == 0xA1 for tag, _, _ in hints): raise CannotTell("the data were encrypted before hashing")
    chains, stamps = der_items(sequence, 0x30), []
    need(chains and all(chain for _, chain, _ in chains), "there is no chain, or an empty one")
    for c, (_, chain, _) in enumerate(chains):
        for t, (_, content, _) in enumerate(der_items(chain, 0x30)):
            stamp, first = read_stamp(content)
            if t:
                need(stamp.hash == stamps[-1].hash and digest(stamp.hash, stamps[-1].raw) in first,
                     f"{stamp.where} does not cover the one before it")
            else:
                older = [digest(stamp.hash, der(0x30, *(raw for _, _, raw in chains[:c])))] if c else []
                yield from check_objects(stamp, first, older, objects, group)
            stamps.append(stamp)
    yield from check_tokens(stamps, read_all(ca), time.time() if at is None else at)

def read_stamp(data):
    """Returns the token of an archive time-stamp, and its first list, which leads to it."""
    *options, (_, _, token) = der_items(data)
    need(in_order([0x9F, *(tag for tag, _, _ in options), 0xA3]), "a time-stamp is malformed")
    stamp, options = parse_token(token), {tag: content for tag, content, _ in options}
    hash = hash_of(options[0xA0]) if 0xA0 in options else stamp.hash
    if None in (hash, stamp.hash): raise CannotTell(f"the hash function of {stamp.where} is not known here")
    lists = [[it.hex() for _, it, _ in der_items(one, 4)] for _, one, _ in der_items(options.get(0xA2, b""), 0x30)]
    lists = lists or [[stamp.imprint]]
    need(hash == stamp.hash and all(lists) and value(lists, hash) == stamp.imprint,
         f"lists do not lead to {stamp.where}")
    return stamp, lists[0]

def check_objects(stamp, first, older, objects, group):
    """The first list must hold the objects: as they are, or, in a later chain, joined with the older ones."""
    present = []
    for name, digest_of, *content in objects:
        own = digest_of(stamp.hash)
        if own is None:
            yield f"cannot tell: the {stamp.hash} digest of {name} is not at hand"
            return
        either = [digest(stamp.hash, unhex(*it)) for it in ([own, *older], sorted([own, *older]))] if older else [own]
        present += [it for it in either if it in first][:1]
        need(any(it in first for it in either), f"the first list of {stamp.where} does not hold {name}")
        if any(is_node(it, len(unhex(own))) for it in content):
            yield f"cannot tell: {name} spells hashes, and may be a node of a tree: name its record.json, too"
    need(not group or sorted(present) == sorted(first), f"the first list of {stamp.where} holds others, too")

def is_node(content, size):
    """Whether a content may spell two hashes of a size, or more in ascending order."""
    return len(content) == 2 * size or len(content) > size and len(content) % size == 0 and all(
        content[at - size:at] <= content[at:at + size] for at in range(size, len(content), size))

def evidence_chain(hash, stamps):
    """Writes a chain of archive time-stamps, each of a section that holds the token, and the lists that lead to it."""
    lists = lambda stamp: (der(0x30, *(der(4, unhex(it)) for it in hashes)) for hashes in stamp.lists)
    algorithm = der(0xA0, der(6, OF_HASH[hash]))
    return der(0x30, *(der(0x30, algorithm, der(0xA2, *lists(it)), it.section["token"]) for it in stamps))

def evidence_record(stamps):
    """Writes an evidence record of time-stamps, with a chain for each hash function."""
    chains = {hash: evidence_chain(hash, chain) for hash, chain in itertools.groupby(stamps, lambda it: it.hash)}
    algorithms = (der(0x30, der(6, OF_HASH[it])) for it in chains)
    return der(0x30, der(2, b"\1"), der(0x30, *algorithms), der(0x30, *chains.values()))

def check_tokens(stamps, ca, at):
    """Checks of time-stamps that follow each other: each must hold until the next was made, and the last one now."""
    for stamp, newer in itertools.zip_longest(stamps, stamps[1:]):
        need(not newer or stamp.time[:-1] <= newer.time[:-1], f"{stamp.where} is followed by an older one")
        yield functools.partial(check_token, stamp, seconds(newer.time) if newer else at, ca)

def check_lines(lines, ca, at):
    """Redundant lines of time-stamps (RFC 4998, 7): one that holds is enough, if all objects are on it; one for trial,
    for others such. The oldest of a line must hold alone, too, where some objects are under these only."""
    sound, doubts = [], []
    for line in lines:
        try:
            for chain in (line, line[0].alone):
                for check_signature in check_tokens(chain, ca, at): check_signature()
            line[0].is_sound = True
            if line[0].is_whole: sound.append(line[0].trial)
        except CannotTell as why: doubts.append((line[0].trial, why))
    for trial, why in doubts:
        if not any(trial or not it for it in sound): raise why

TRIAL_POLICY = bytes.fromhex("06146983abc5accfd385e291bfb2d080d897e8d1e65a")

def check_token(stamp, until, ca):
    is_trial = lambda certificate: TRIAL_POLICY in stamp.info or TRIAL_POLICY in certificate
    is_as_logged = lambda certificate: stamp.trial in (None, is_trial(certificate))
    certificate = check_cms(stamp.where, stamp.raw, stamp.info, is_as_logged, "timestampsign", stamp.time, ca)
    if stamp.hash in ("md5", "sha1"): raise CannotTell(f"{stamp.where}: {stamp.hash} can no longer be relied on")
    if seconds(stamp.time) > until + 600: raise CannotTell(f"{stamp.where}: it was not there yet at the time asked for")
    if seconds(end_of(certificate)) < until:
        raise CannotTell(f"{stamp.where}: its certificate ended on {end_of(certificate)}, nothing newer came")

# ---- Proofs of log entries (C2SP tlog-proof) ----------------------------------------------------------------------
@verdict
def verify_proof(data, entry, log_key):
    """Checks that an entry is in the log with a key."""
    parts = re.fullmatch(r"c2sp\.org/tlog-proof@v1\n(?:extra .+\n)?index (0|[1-9][0-9]{0,18})\n"
                         r"((?:.+\n)*)\n((?s:.+))", data.decode())
    need(parts, "it is no tlog-proof")
    key, head = parse_key(log_key), parse_checkpoint(parts[3])
    signatures = [parse_signature(it) for it in head.lines if it.split(" ")[1] == key.name]
    by_key = [signature for signer, signature in signatures if signer == (key.name, key.id)]
    if not by_key: raise CannotTell("the checkpoint bears no signature by the key that was named")
    proof = [b64(it).hex() for it in parts[2].split("\n")[:-1]]
    need(head.origin == key.name and all(len(it) == 64 for it in proof), "the origin or a hash is none")
    root = inclusion_root(leaf(entry), int(parts[1]), head.size, proof)
    need(root == head.root, "the entry does not lead to the root of the checkpoint")
    yield functools.partial(check_ed25519, key.bytes, head.text, by_key[0])

def write_proof(index, hashes, checkpoint):
    hashes = "".join(base64.b64encode(unhex(it)).decode() + "\n" for it in hashes)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{checkpoint}".encode()

# ---- Hash trees (RFC 4998, RFC 6962) -------------------------------------------------------------------------------
def digest(hash, *parts): return hashlib.new(hash, b"".join(parts), usedforsecurity=False).hexdigest()
def sha256(*parts): return digest("sha256", *parts)
def sha512(*parts): return digest("sha512", *parts)
def unhex(*hashes): return bytes.fromhex("".join(hashes))
def steps(path): return [[it] for it in path]

def value(lists, hash="sha256"):
    """What the lists of a reduced hash tree lead to: each joins what the one before it leads to (RFC 4998, 4.3)."""
    join = lambda hashes: hashes[0] if len(hashes) == 1 else digest(hash, unhex(*sorted(hashes)))
    return functools.reduce(lambda known, hashes: join([*hashes, known]), lists[1:], join(lists[0]))

def evidence_levels(leaves):
    """The levels of a tree of RFC 4998 that joins two neighbours each; an odd last one rises unchanged."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append([value([levels[-1][at:at + 2]]) for at in range(0, len(levels[-1]), 2)])
    return levels

def half_of(size): return 1 << (size - 1).bit_length() - 1  # the largest power of two below it
def leaf(entry): return sha256(b"\0", entry)
def node(left, right): return sha256(b"\1", unhex(left, right))

def tree_root(hashes):
    """The root over the hashes of all leaves (RFC 6962, 2.1)."""
    if len(hashes) == 1: return hashes[0]
    half = half_of(len(hashes))
    return node(tree_root(hashes[:half]), tree_root(hashes[half:]))

def inclusion_root(hash, index, size, proof):
    """The root that the hash of a leaf and its proof lead to (RFC 6962, 2.1.1)."""
    siblings = [*proof]
    def root(index, size):
        if size == 1: return hash
        half, sibling = half_of(size), siblings.pop()
        return node(root(index, half), sibling) if index < half else node(sibling, root(index - half, size - half))
    need(index < size, "an entry stands beyond the end of its tree")
    found = root(index, size)
    need(not siblings, "a proof is too long")
    return found

def is_consistent(old, new, proof):
    """Whether the log of one checkpoint is the beginning of that of another (RFC 6962, 2.1.2)."""
    siblings = [*proof]
    def roots(size, of, is_whole):
        if size == of: return [old.root if is_whole else siblings.pop()] * 2
        half, sibling = half_of(of), siblings.pop()
        if size > half: return [node(sibling, it) for it in roots(size - half, of - half, False)]
        first, second = roots(size, half, is_whole)
        return [first, node(second, sibling)]
    if old.size > new.size: return False
    reached = roots(old.size, new.size, True) if old.size else [sha256(), new.root]
    return reached == [old.root, new.root] and not siblings

# ---- JSON (RFC 8785, with natural numbers only) --------------------------------------------------------------------
TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'

# A regular expression can say what members canonical JSON has (?: may be left out).
def many(item, most, least=0): return rf"\[(?:{item}(?:,(?!\])|(?=\]))){{{least},{most}}}\]"
def members(**forms):
    spelt = (f'(?:,"{it}":{form[1:]})?' if form[0] == "?" else f',"{it}":{form}' for it, form in forms.items())
    return r"\{" + "".join(spelt)[1:] + r"\}"

def parse_json(data, most=64 << 20, canonical=True):
    need(len(data) <= most, "a piece of JSON is too large")
    brackets = re.findall(r"[][{}]", re.sub(TEXT, "", data.decode(), flags=re.S))
    depths = itertools.accumulate(1 if it in "[{" else -1 for it in brackets)
    need(max(depths, default=0) <= 32, "JSON is nested too deeply")
    def members(pairs):
        need(len(dict(pairs)) == len(pairs), "a member of JSON stands twice")
        return dict(sorted(pairs, key=lambda it: it[0].encode("utf-16-be", "surrogatepass")))
    def number(digits):
        need(re.fullmatch("[0-9]{1,16}", digits) and int(digits) < 2**53, "a number of JSON is none of ours")
        return int(digits)
    read = json.loads(data, object_pairs_hook=members, parse_int=number, parse_float=number, parse_constant=number)
    again = json.dumps(read, ensure_ascii=False, separators=(",", ":")).encode()
    need(again == data or not canonical, "JSON is not spelt in its canonical form")
    return read

# ---- Keys, checkpoints and their signatures (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ------------------
def b64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 is misspelt")
    return data

def parse_key(text, kinds={1: 33}):
    """Reads the verifier key of a log (Ed25519), or one of the kinds named, each with its length."""
    need(len(text) <= 4096, "a key is too long")
    name, stated_id, key = text.split("+", 2)
    key, key_id = b64(key), sha256(name.encode(), b"\n", b64(key))[:8]
    if key[0] not in kinds and 1 not in kinds: raise CannotTell("a witness has a key of an unknown kind")
    need(re.fullmatch(r"[^\s\0-\x1f]+", name) and len(key) == kinds.get(key[0]) and key_id == stated_id,
         "the key of a log or of a witness is none")
    return types.SimpleNamespace(name=name, id=key_id, kind=key[0], bytes=key[1:], text=text)

def parse_signature(line):
    """Reads the signature line of a note: name and id of its key, and the rest."""
    dash, name, signature = line.split(" ")
    need(dash == "—", "a line is no signature of a note")
    return (name, b64(signature)[:4].hex()), b64(signature)[4:]

def parse_checkpoint(note):
    """Reads a checkpoint: a text of origin, size, root, and perhaps more; and the lines of its signatures."""
    parts = re.fullmatch(r"(([^\0-\x1f]+)\n(0|[1-9][0-9]{0,18})\n([^\0-\x1f]+)\n((?:[^\0-\x1f]+\n)*))\n"
                         r"((?:— [^\s\0-\x1f+]+ [!-~]+\n)+)", note)
    need(parts and len(note) <= 16 << 20 and len(b64(parts[4])) == 32, "a checkpoint is malformed")
    return types.SimpleNamespace(text=parts[1].encode(), origin=parts[2], size=int(parts[3]),
                                 root=b64(parts[4]).hex(), more=parts[5], lines=parts[6].split("\n")[:-1])

@functools.lru_cache(64)
def check_ed25519(key, text, signature):
    good, _, _ = openssl("pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile signature",
                         key=unhex("302a300506032b6570032100") + key, text=text, signature=signature)
    need(good, "the signature of a checkpoint is wrong")

def check_cosignature(witness, text, signature):
    """Checks the signature of a witness over a time and the text."""
    at = int.from_bytes(signature[:8], "big")
    need(len(signature) == (72 if witness.kind == 4 else 2428) and at < 1 << 63, "a cosignature is none")
    if witness.kind != 4: raise CannotTell(f"the cosignature of {witness.name}: openssl does not know ML-DSA")
    check_ed25519(witness.bytes, b"cosignature/v1\ntime %d\n" % at + text, signature[8:])

# ---- DER and time-stamps (RFC 5652, RFC 3161) ----------------------------------------------------------------------
SHA_2_3 = {1: "sha256", 2: "sha384", 3: "sha512", 4: "sha224", 8: "sha3_256", 9: "sha3_384", 10: "sha3_512"}
HASHES = {"2b0e03021a": "sha1", "2a864886f70d0205": "md5", **{f"6086480165030402{n:02x}": SHA_2_3[n] for n in SHA_2_3}}
OF_HASH = {name: bytes.fromhex(it) for it, name in HASHES.items()}

def der(tag, *contents):
    content = b"".join(contents)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, *([len(content)] if len(content) < 128 else [128 + len(size), *size])]) + content

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

def inside(data, *tags):
    """Returns the content of the only item."""
    items = der_items(data, *tags)
    need(len(items) == 1, "something is missing, or follows, in DER")
    return items[0][1]

def hash_of(algorithm):
    """Returns the hash function of an algorithm identifier, or None for one that is not known."""
    tag, identifier, _ = der_items(algorithm)[0]
    is_spelt = re.fullmatch(rb"(([\x81-\xff][\x80-\xff]*)?[\0-\x7f])+", identifier)  # X.690, 8.19
    need(tag == 6 and is_spelt, "an algorithm is not named")
    return HASHES.get(identifier.hex())

def signed_data(cms, kind):
    """Returns the hash function of a CMS SignedData of a kind, and what it holds, if anything."""
    of, content = der_items(inside(cms, 0x30))
    version, _, (_, content, _), *_, (tag, signers, _) = der_items(inside(content[1], 0x30))
    signer, (kind_found, *content) = der_items(inside(signers)), der_items(content)
    need([of[1].hex(), kind_found[1].hex()] == ["2a864886f70d010702", kind] and tag == 0x31
         and version[1] in (b"\1", b"\3", b"\5") and [it[0] for it in signer[2:6]] == [0x30, 0xA0, 0x30, 4]
         and (signer[0][1], signer[1][0]) in ((b"\1", 0x30), (b"\3", 0x80)),
         "it is no signature of its kind, by one signer, with signed attributes")
    need(len(content) < 2, "something follows, in DER")
    return hash_of(signer[2][1]), inside(content[0][1], 4) if content else None

def parse_token(token):
    """Reads what a time-stamp states; its signature is for openssl."""
    _, info = signed_data(token, "2a864886f70d0109100104")
    version, _, (_, stamped, _), _, (tag, moment, _), *_ = der_items(inside(info, 0x30))
    (_, algorithm, _), (_, imprint, _) = der_items(stamped)
    need((version[1], tag) == (b"\1", 0x18), "it is no time-stamp of version 1")
    return types.SimpleNamespace(raw=token, info=info, hash=hash_of(algorithm), imprint=imprint.hex(),
                                 time=rfc3339(moment), where=f"the time-stamp of {rfc3339(moment)}", trial=None)

def validity_of(certificate):
    """The times from and until which a certificate is valid (RFC 5280, 4.1)."""
    fields = [it for it in der_items(der_items(inside(certificate))[0][1]) if it[0] != 0xA0]
    return [rfc3339(it[1]) for it in der_items(fields[3][1])]

def end_of(certificate): return validity_of(certificate)[1]

def rfc3339(time):
    """Spells a time of DER as RFC 3339 does."""
    time = time.decode() if len(time) > 13 else ("19" if time >= b"5" else "20") + time.decode()
    return re.sub(r"^(....)(..)(..)(..)(..)", r"\1-\2-\3T\4:\5:", time)

def seconds(time): return datetime.datetime.fromisoformat(re.sub(r"(\.\d+)?Z$", "+00:00", time)).timestamp()

# ---- Signatures and certificates (openssl) -------------------------------------------------------------------------
def openssl(arguments, **files):
    """Runs openssl in a folder of its own, with files of fixed names; returns success, words, files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as file: file.write(content)
        try: run = subprocess.run(["openssl", *arguments.split()], cwd=folder, capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as why: raise CannotTell(f"openssl: {why}") from None
        made = {name: read_all([os.path.join(folder, name)]) for name in os.listdir(folder)}
        return run.returncode == 0, run.stderr.decode("utf-8", "replace"), made

# The extension that says it (RFC 3161, 2.3): critical, and of one purpose.
STAMPS_ALONE = bytes.fromhex("0603551d250101ff040c300a06082b06010505070308")

def check_cms(where, signed, content, is_expected, purpose, moment, ca):
    """Checks a CMS signature over a content, and returns the certificate that it was made with: one that is expected,
    that was signed with it (CAdES), is for a purpose, and leads to one of those that are believed, as of a moment."""
    command = "cms -verify -binary -inform DER -in signed -content content -out out -no-CAfile -no-CApath -no-CAstore"
    good, words, made = openssl(f"{command} -noverify -signer signer", signed=signed, content=content)
    if not good and re.search("unsupported|unknown", words):
        raise CannotTell(f"{where}: openssl does not know an algorithm of its signature")
    need(good, f"{where}: its signature is wrong")
    certificate = pem(made["signer"].decode())
    need(is_expected(certificate), f"{where}: its certificate is not the one that it should be")
    begin, end = validity_of(certificate)
    need(seconds(begin) <= seconds(moment) < seconds(end) + 1, f"{where}: its certificate was not valid then")
    need(purpose != "timestampsign" or STAMPS_ALONE in certificate, f"{where}: its certificate is for other things")
    if not ca: raise CannotTell(f"{where}: whether its certificate is to be believed: name who is (--ca)")
    command = f"{command} -cades -purpose {purpose} -attime {int(seconds(moment))} -partial_chain -CAfile ca"
    good, words, _ = openssl(command, signed=signed, content=content, ca=ca)
    # What lies in those named, or in what leads to them, says nothing of the signature, which was right above.
    why = re.search("Verify error: *(.*)|$", words)[1]
    if not good and (why or re.search("ess cert id|load", words)):
        raise CannotTell(f"{where}: its certificate leads to none of those named: {why or words[-200:]}")
    need(good, f"{where}: its signature does not go with its certificate: {words[-200:]}")
    return certificate

def pem(text):
    """Returns the first certificate in a text."""
    parts = re.search("-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----", text)
    need(parts, "there is no certificate where one should be")
    return base64.b64decode(parts[1])
