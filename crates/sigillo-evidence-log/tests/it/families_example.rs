//! The line of SHA-512 on the page: from documents to what its token covers.

use std::collections::BTreeMap;

use sigillo_ers::{EvidenceTree, list_value};
use sigillo_model::{
    BatchId, Entry, HashTree, RehashedBatch, RehashedSealing, RenewalId, SealingId, SealingStamped,
    Sha256Digest, Sha512Digest, StampedTree, to_canonical,
};

use crate::examples::{read_examples, write_examples};

/// Digits of a hash on the page.
const DIGITS: usize = 32;

fn short(hash: Sha512Digest) -> String {
    hash.to_string()[..DIGITS].to_owned()
}

/// Computes the examples by the words of the page, and by the program: the hashes, and the entry.
fn examples(page: &BTreeMap<String, String>) -> [String; 2] {
    let of = |bytes: &[u8]| Sha512Digest::of(bytes);
    let documents = [(of(b"{}"), of(b"ciao\n")), (of(b"[]"), of(b"1;2\n"))];
    let value = |a: Sha512Digest, b: Sha512Digest| {
        let sorted = if a < b { [a, b] } else { [b, a] };
        let hash = of(&sorted.map(|it| *it.as_bytes()).concat());
        assert_eq!(list_value(&[a, b]), Some(hash));
        hash
    };
    let leaves = documents.map(|(record, file)| value(record, file));
    let batch = value(leaves[0], leaves[1]);
    let statement = of(page["statement"].trim_end().as_bytes());
    let sealing = value(statement, of(b"seal"));
    let list = of(b"list");
    let root = value(value(sealing, batch), list);
    let tree = HashTree {
        format: 1,
        hash: HashTree::HASH.to_owned(),
        line: "plain-sha512-a".to_owned(),
        objects: vec![list],
        renewal: RenewalId::from_bytes([0x99; 16]),
        sealings: vec![RehashedSealing {
            batches: vec![RehashedBatch {
                batch: BatchId::from_bytes([0x33; 16]),
                leaves: Some(Sha256Digest::of(b"leaves")),
                left_out: Vec::new(),
                root: EvidenceTree::new(leaves.to_vec()).root(),
            }],
            number: 1,
            tokens: Vec::new(),
            value: sealing,
        }],
    };
    assert_eq!(EvidenceTree::new(tree.tree_leaves()).root(), Some(root));
    let lines = [
        ("SHA-512(record 1)", documents[0].0),
        ("SHA-512(file 1)", documents[0].1),
        ("leaf 1", leaves[0]),
        ("leaf 2", leaves[1]),
        ("root of the batch", batch),
        ("SHA-512(statement.json)", statement),
        ("value of the sealing", sealing),
        ("SHA-512(list)", list),
        ("root = imprint", root),
    ];
    [lines.map(|(name, hash)| format!("{name:<24} {}\n", short(hash))).concat(), entry(&tree, root)]
}

fn entry(tree: &HashTree, root: Sha512Digest) -> String {
    let stamped = SealingStamped {
        line: tree.line.clone(),
        number: 1,
        sealing: SealingId::from_bytes([0x66; 16]),
        stamped_at: "2026-11-25T08:00:03.25Z".to_owned(),
        token_sha256: Sha256Digest::of(b"token"),
        tree: Some(StampedTree {
            documents: 2,
            renewal: tree.renewal,
            root,
            token_sha512: Sha512Digest::of(b"token"),
            tree_sha256: Sha256Digest::of(&to_canonical(tree)),
        }),
        trial: false,
    };
    String::from_utf8(Entry::SealingStamped(stamped).to_line().unwrap()).unwrap() + "\n"
}

#[test]
fn the_line_of_sha_512_on_the_page_is_computed_as_it_says() {
    let page = read_examples();
    let [hashes, entry] = examples(&page);
    if std::env::var_os("SIGILLO_WRITE_EXAMPLES").is_some() {
        write_examples(&BTreeMap::from([("line-of-sha-512", hashes), ("stamped", entry)]));
        return;
    }
    assert_eq!((&page["line-of-sha-512"], &page["stamped"]), (&hashes, &entry));
}
