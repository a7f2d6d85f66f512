#!/usr/bin/env python3
"""Makes c14n.json: XML of our own making and its canonical forms by libxml2.

Needs lxml. The same bytes every time.
"""

import json
import pathlib
import random

from lxml import etree

FOLDER = pathlib.Path(__file__).resolve().parent

BY_HAND = [
    '<?xml version="1.0"?>\n\n<?before a  b ?>\n<!-- c -->\n<a>\n  <b  />\n</a>\n<?after?>\n\n<!-- d -->\n',
    "<a b='1'   a='2'\tc=\"'\"><d></d><e/>  <f >  </f  ></a>",
    "<a t='x&#9;y&#10;z&#13;&lt;&amp;&gt;&quot;&apos;' u='  a\n\tb  '>&lt;&amp;&gt;&quot;'&#13;&#9;\r\n</a>",
    "<a><![CDATA[<b> & \"c\" ]]>d<![CDATA[]]></a>",
    "<a>caff\u00e8 \u20ac \U0001f5c4 &#xe8;</a>",
    '<a xmlns="urn:a" xmlns:p="urn:p" xmlns:q="urn:q"><p:b q:z="1" p:y="2" x="3"/></a>',
    '<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"><p:c xmlns:p="urn:1"/></p:b><p:d xmlns:p="urn:1"/></p:a>',
    '<a xmlns="urn:a"><b xmlns=""><c xmlns="urn:a"/><d xmlns=""/></b><e xmlns="urn:a"/></a>',
    '<a xmlns:z="urn:1" xmlns:y="urn:2" z:a="1" y:a="2" a="3"><b xmlns:x="urn:2" x:a="4"/></a>',
    '<a xml:lang="it" xml:space="preserve"> <b xml:lang="en"/> </a>',
    '<a xmlns:u="urn:u"><b xmlns:v="urn:v"><c Id="x" xmlns:w="urn:w" w:d="1"><v:e/></c></b></a>',
    '<a xmlns="urn:a" xmlns:u="urn:u"><b><c Id="x"><d/><u:e xmlns:u="urn:u"/></c></b></a>',
    '<a xmlns="urn:a"><b xmlns=""><c Id="x"><d/></c></b></a>',
    "<a><!-- one --><b><?p?><?q  r s?><!----></b>t<!-- two -->u</a>",
]
URIS = ["urn:1", "urn:2", "urn:3"]
PREFIXES = ["p", "q", "r", "s"]
TEXTS = ["", "t", " ", "&amp;", "&#13;", "<!-- c -->", "<?i x?>", "<![CDATA[<]]>", "\u00e8", "\n  "]


def element(draw, scope, depth, ids):
    """Returns a random element in the name spaces of scope."""
    scope, attributes = dict(scope), {}
    for prefix in ["", *PREFIXES]:
        if draw.random() < 0.25:
            uri = draw.choice(URIS if prefix else [*URIS, ""])
            scope[prefix] = uri
            attributes[f"xmlns:{prefix}" if prefix else "xmlns"] = uri
    seen = set()
    for name in draw.sample(["a", "b", "c"], draw.randrange(4)):
        prefix = draw.choice(["", *scope])
        if (scope[prefix] if prefix else "", name) not in seen:
            seen.add((scope[prefix] if prefix else "", name))
            attributes[f"{prefix}:{name}" if prefix else name] = draw.choice(["", "1", "&#9;&lt;"])
    if draw.random() < 0.3:
        ids.append(f"i{len(ids)}")
        attributes["Id"] = ids[-1]
    items = list(attributes.items())
    draw.shuffle(items)
    prefix = draw.choice(["", "", *scope])
    name = f"{prefix}:e" if prefix else "e"
    inside = ""
    for _ in range(draw.randrange(4) if depth < 4 else 0):
        inside += draw.choice(TEXTS) + element(draw, scope, depth + 1, ids)
    inside += draw.choice(TEXTS)
    spelt = "".join(f' {key}="{value}"' for key, value in items)
    return f"<{name}{spelt}>{inside}</{name}>"


def alone(node):
    """Returns an element as a document of its own with the same name spaces in scope.

    What libxml2 writes of an element within a document goes through a makeshift root here, which
    gets name spaces wrong.
    """
    copy = etree.fromstring(etree.tostring(node, with_tail=False))
    return etree.ElementTree(copy) if copy.nsmap == node.nsmap else None


def cases(text, ids, prefixes):
    """Returns the canonical forms of a document and of its elements with these ids."""
    tree = etree.ElementTree(etree.fromstring(text.encode()))
    for apex in [None, *ids]:
        node = tree if apex is None else alone(tree.xpath(f'//*[@Id="{apex}"]')[0])
        if node is None:
            continue
        for exclusive in [False, True]:
            for comments in [False, True]:
                named = prefixes if exclusive else []
                canonical = etree.tostring(
                    node, method="c14n", exclusive=exclusive, with_comments=comments,
                    inclusive_ns_prefixes=named or None,
                )
                yield {
                    "apex": apex, "canonical": canonical.decode(), "comments": comments,
                    "exclusive": exclusive, "prefixes": named,
                }


def main():
    """Makes them."""
    made = []
    for text in BY_HAND:
        forms = list(cases(text, ["x"] if 'Id="x"' in text else [], []))
        made.append({"forms": forms, "xml": text})
    draw = random.Random(4)
    for _ in range(40):
        ids = []
        text = element(draw, {}, 0, ids)
        forms = list(cases(text, ids[:2], draw.sample(PREFIXES, draw.randrange(3))))
        made.append({"forms": forms, "xml": text})
    text = "[\n" + ",\n".join(json.dumps(case, sort_keys=True) for case in made) + "\n]\n"
    (FOLDER / "c14n.json").write_text(text)


if __name__ == "__main__":
    main()
