"""Draws samples as docs/format.md, Samples, says: the standard library and nothing of ours."""

import base64
import hashlib
import json
import sys


def checkpoint_seed(note, names):
    """The seed of a checkpoint, with the cosignatures of the witnesses of these names."""
    text, lines = note.rsplit("\n\n", 1)
    lines = [line + "\n" for line in lines.splitlines()]
    cosigned = sorted(line.encode() for line in lines if line.split(" ")[1] in names)
    message = "sigillo.sample/1 checkpoint\n" + text + "\n"
    return hashlib.sha256(message.encode() + b"".join(cosigned)).digest()


def der(data, at=0):
    """The tag, the place of the content and its end of the element that begins there."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    return tag, at, at + length


def inside(data, at, end):
    """The elements between two places."""
    while at < end:
        tag, content, after = der(data, at)
        yield tag, content, after
        at = after


def token_seed(token):
    """The seed of a time-stamp token."""
    _, at, end = der(token)
    _, explicit = list(inside(token, at, end))
    _, at, end = der(token, explicit[1])
    fields = list(inside(token, at, end))
    octets = list(inside(token, *list(inside(token, *fields[2][1:]))[1][1:]))[0]
    content = token[octets[1] : octets[2]]
    signer = list(inside(token, *fields[-1][1:]))[0]
    parts = [it for it in inside(token, *signer[1:]) if it[0] == 0x04]
    signature = token[parts[-1][1] : parts[-1][2]]
    unforeseen = signature
    if signature[0] == 0x30:
        _, at, end = der(signature)
        numbers = list(inside(signature, at, end))
        if end == len(signature) and [it[0] for it in numbers] == [2, 2]:
            unforeseen = signature[numbers[0][1] : numbers[0][2]]
    return hashlib.sha256(b"sigillo.sample/1 token\n" + content + unforeseen).digest()


def draw(seed, population, count):
    """The places of `count` documents among `population`, sorted."""
    if count >= population:
        return list(range(population))
    places, number = set(), 0
    while len(places) < count:
        block = hashlib.sha256(seed + number.to_bytes(8, "big")).digest()
        word, number = int.from_bytes(block[:8], "big"), number + 1
        if word < 2**64 - 2**64 % population:
            places.add(word % population)
    return sorted(places)


def main():
    """Answers a list of questions with a line each."""
    for case in json.load(open(sys.argv[1], encoding="utf-8")):
        if "note" in case:
            print(checkpoint_seed(case["note"], case["witnesses"]).hex())
        elif "token" in case:
            print(token_seed(base64.b64decode(case["token"])).hex())
        else:
            drawn = draw(bytes.fromhex(case["seed"]), case["population"], case["count"])
            print(json.dumps(drawn, separators=(",", ":")))


main()
