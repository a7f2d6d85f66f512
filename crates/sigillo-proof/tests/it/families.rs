//! Evidence lines of SHA-512 from the first time-stamp on, in receipts and bundles.

use jiff::SignedDuration;

use sigillo_ers::{
    AlgorithmTable, EvidenceRecord, EvidenceTree, HashFunction, list_value, walk_path,
};
use sigillo_merkle::consistency_path;
use sigillo_model::{
    BatchesSealed, Entry, EvidenceDigest, EvidenceRehashed, EvidenceRenewed, FindingCode, Record,
    RenewalId, SealingStamped, Sha256Digest, Sha512Digest, StampedTree, Verdict,
};
use sigillo_proof::{
    BUNDLE_SCHEMA, BUNDLE_SCHEMA_OF_TREES, Base64Bytes, Bundle, BundleCheck, BundleError,
    BundleRules, DocumentSection, DocumentTreeSection, EvidenceMaker, HashTreeSection,
    RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_TREES, Receipt, RenewalSection, TokenSection, check_bundle,
    check_receipt,
};

use crate::{
    second::{AT, Cases, TABLE, disagreements, has_programs, with_checksums},
    world::{LINE, Plan, World, digests, file_bytes, now, receipt},
};

/// The line of SHA-512 of these tests.
pub(crate) const LONG: &str = "plain-sha512-b";

/// A change of what the log says of the tree.
type TreeChange<'c> = &'c dyn Fn(&mut StampedTree);

/// Adds a line of SHA-512 to an archive and its receipt, with renewals an hour apart. The hash trees are
/// of the documents of the receipt, all those of their batches, but for `left_out`.
pub(crate) fn add_line(
    world: &mut World,
    receipt: &mut Receipt,
    (renewals, left_out): (u64, Option<usize>),
    change: TreeChange<'_>,
) {
    let section = &receipt.sealings[0];
    let Ok(Entry::BatchesSealed(body)) = Entry::parse_line(section.entry.line.as_bytes()) else {
        panic!("it is the entry of a sealing");
    };
    let signed = [section.statement.as_bytes(), &section.seal.0].map(Sha512Digest::of);
    let mut leaves = vec![list_value(&signed).unwrap()];
    let trees: Vec<EvidenceTree<Sha512Digest>> = (0..receipt.batches.len())
        .map(|batch| EvidenceTree::new(leaves_of(receipt, batch, left_out)))
        .collect();
    leaves.extend(trees.iter().filter_map(EvidenceTree::root));
    leaves.push(Sha512Digest::of(b"a list of objects"));
    let whole = EvidenceTree::new(leaves);
    place_documents(receipt, (&whole, &trees), left_out);
    let path = whole.path(0).unwrap().into_iter().map(EvidenceDigest::from).collect();
    let (index, token) = stamp(world, &body, whole.root().unwrap(), change);
    let renewals = renew(world, &token, renewals);
    prove_again(world, receipt);
    receipt.sealings[0].tokens.push(TokenSection {
        entry: world.line(index),
        hash_tree: None,
        line: LONG.to_owned(),
        path,
        renewals: renewals
            .into_iter()
            .map(|(index, other, token)| RenewalSection {
                entry: world.line(index),
                path: vec![other.into()],
                token: Some(Base64Bytes(token)),
                validation: Vec::new(),
            })
            .collect(),
        token: Base64Bytes(token),
    });
    receipt.schema = receipt.schema_wanted().to_owned();
}

pub(crate) fn second_digests(receipt: &Receipt, number: usize) -> Vec<Sha512Digest> {
    let record = Record::parse(receipt.documents[number].record.as_bytes()).unwrap();
    let (batch, index) =
        record.files[0].name.strip_suffix(".pdf").unwrap().split_once('-').unwrap();
    let bytes = file_bytes(batch.parse().unwrap(), index.parse().unwrap());
    vec![Sha512Digest::of(bytes.as_bytes())]
}

/// Returns the leaf of each document of a batch: the value of record and files.
fn leaves_of(receipt: &Receipt, batch: usize, left_out: Option<usize>) -> Vec<Sha512Digest> {
    let all = receipt.documents.iter().enumerate();
    let of_batch = all.filter(|(at, it)| it.batch == batch as u64 && Some(*at) != left_out);
    let leaf = |(at, document): (usize, &DocumentSection)| {
        let record = Sha512Digest::of(document.record.as_bytes());
        list_value(&[&[record][..], &second_digests(receipt, at)].concat()).unwrap()
    };
    of_batch.map(leaf).collect()
}

fn place_documents(
    receipt: &mut Receipt,
    (whole, trees): (&EvidenceTree<Sha512Digest>, &[EvidenceTree<Sha512Digest>]),
    left_out: Option<usize>,
) {
    let mut places = vec![0; trees.len()];
    for number in (0..receipt.documents.len()).filter(|number| Some(*number) != left_out) {
        let sha512 = second_digests(receipt, number);
        let document = &mut receipt.documents[number];
        let batch = usize::try_from(document.batch).unwrap();
        let mut path = trees[batch].path(places[batch]).unwrap();
        places[batch] += 1;
        path.extend(whole.path(1 + batch).unwrap());
        document.hash_trees.push(DocumentTreeSection { line: LONG.to_owned(), path });
        document.sha512 = sha512;
    }
}

fn stamp(
    world: &mut World,
    body: &BatchesSealed,
    root: Sha512Digest,
    change: TreeChange<'_>,
) -> (u64, Vec<u8>) {
    let (token, stamped_at) = world.stamp(EvidenceDigest::from(root));
    let mut tree = StampedTree {
        documents: 2,
        renewal: RenewalId::from_bytes([5; 16]),
        root,
        token_sha512: Sha512Digest::of(&token),
        tree_sha256: Sha256Digest::of(b"tree"),
    };
    change(&mut tree);
    let index = world.push(&Entry::SealingStamped(SealingStamped {
        line: LONG.to_owned(),
        number: body.number,
        sealing: body.sealing,
        stamped_at,
        token_sha256: Sha256Digest::of(&token),
        tree: Some(tree),
        trial: true,
    }));
    (index, token)
}

fn renew(world: &mut World, token: &[u8], count: u64) -> Vec<(u64, Sha512Digest, Vec<u8>)> {
    let (mut older, mut renewals) = (vec![Sha512Digest::of(token)], Vec::new());
    for number in 1..=count {
        let other = Sha512Digest::of(format!("another sealing, {number}").as_bytes());
        let root = walk_path(list_value(&older).unwrap(), &[other]);
        let at = now() + SignedDuration::from_hours(i64::try_from(number).unwrap());
        let (token, stamped_at) = world.stamp_at(EvidenceDigest::from(root), at);
        older.push(Sha512Digest::of(&token));
        let index = world.push(&Entry::EvidenceRenewed(EvidenceRenewed {
            line: LONG.to_owned(),
            members: 2,
            members_sha256: Sha256Digest::of(b"members"),
            renewal: RenewalId::from_bytes([9; 16]),
            root: root.into(),
            stamped_at,
            token_sha256: Sha256Digest::of(&token),
            token_sha512: Some(Sha512Digest::of(&token)),
            trial: true,
        }));
        renewals.push((index, other, token));
    }
    renewals
}

/// Proves everything in a receipt under the newest checkpoint.
pub(crate) fn prove_again(world: &World, receipt: &mut Receipt) {
    receipt.checkpoint = world.signed_checkpoint();
    let (size, older) = (world.tree.size(), receipt.sealings[0].statement.clone());
    for line in receipt.lines_mut() {
        *line = world.line(line.index);
    }
    let statement: sigillo_model::Statement = serde_json::from_str(&older).unwrap();
    let older = statement.checkpoint.lines().nth(1).unwrap().parse().unwrap();
    receipt.sealings[0].consistency = digests(&consistency_path(older, size, &world.tree).unwrap());
}

/// A bundle of two documents with a line of each hash function.
pub(crate) fn two_families(renewals: u64, left_out: Option<usize>) -> (World, Bundle) {
    two_families_changed((renewals, left_out), &|_| ())
}

/// Does the same where the log says something else of the tree.
fn two_families_changed(of: (u64, Option<usize>), change: TreeChange<'_>) -> (World, Bundle) {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let (mut world, mut receipt) = receipt(&plan);
    receipt.submission = None;
    add_line(&mut world, &mut receipt, of, change);
    (world, Bundle { receipt, files: Vec::new() })
}

fn check(world: &World, bundle: &Bundle) -> BundleCheck {
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let (trust, at) = (world.trust(), AT.parse().unwrap());
    let bundle = Bundle::parse(&bundle.to_zip().unwrap()).unwrap();
    check_bundle(&bundle, &[], &BundleRules { trust: &trust, algorithms: &algorithms, at })
}

#[test]
fn a_bundle_with_a_line_of_sha_512_proves_and_its_records_are_of_that_alone() {
    let (world, bundle) = two_families(1, None);
    assert_eq!(check(&world, &bundle).verdict, Verdict::Intact);
    let evidence = EvidenceMaker::new(&bundle.receipt).records_of(&bundle.receipt.documents[1]);
    assert_eq!((evidence.len(), evidence[1].line.as_str(), evidence[1].place), (2, LONG, 2));
    let record = EvidenceRecord::read(&evidence[1].record).unwrap();
    let stamps: Vec<_> = record.chains.iter().flat_map(|chain| &chain.stamps).collect();
    assert_eq!((record.chains.len(), stamps.len()), (1, 2));
    assert!(stamps.iter().all(|it| it.hash == Some(Ok(HashFunction::Sha512))));
}

/// A change of a receipt.
type Change<'c> = &'c dyn Fn(&mut Receipt);

#[test]
fn what_is_not_as_it_was_on_a_line_of_sha_512_is_damage() {
    let (world, bundle) = two_families(1, None);
    let other = || Sha512Digest::of(b"another");
    let changes: [(&str, Change<'_>); 8] = [
        ("the path of the sealing", &|it| {
            it.sealings[0].tokens[1].path[0] = Sha512Digest::of(b"another").into();
        }),
        ("a hash of the other function in it", &|it| {
            it.sealings[0].tokens[1].path[0] = Sha256Digest::of(b"another").into();
        }),
        ("the path of a document", &|it| it.documents[0].hash_trees[0].path[0] = other()),
        ("the second digest of a file", &|it| it.documents[0].sha512[0] = other()),
        ("second digests without a place", &|it| it.documents[0].hash_trees.clear()),
        ("a place on a line without trees", &|it| {
            it.documents[0].hash_trees[0].line = LINE.to_owned();
        }),
        ("the path of a renewal", &|it| {
            it.sealings[0].tokens[1].renewals[0].path[0] = other().into();
        }),
        ("the tokens of the other line", &|it| {
            it.sealings[0].tokens[1].token = it.sealings[0].tokens[0].token.clone();
        }),
    ];
    for (name, change) in changes {
        let mut receipt = bundle.receipt.clone();
        change(&mut receipt);
        assert_ne!(receipt, bundle.receipt, "{name}");
        let verdict = check_receipt(&receipt, &world.trust(), &[]).verdict;
        assert_eq!(verdict, Verdict::Damaged, "{name}");
    }
}

#[test]
fn the_schema_says_whether_there_is_a_line_of_sha_512() {
    let (_, mut bundle) = two_families(0, None);
    assert_eq!(bundle.receipt.schema, RECEIPT_SCHEMA_OF_TREES);
    assert_eq!(Receipt::parse(&bundle.receipt.to_json()), Ok(bundle.receipt.clone()));
    let zip = bundle.to_zip().unwrap();
    let text = String::from_utf8_lossy(&zip).into_owned();
    assert!(text.contains(BUNDLE_SCHEMA_OF_TREES) && !text.contains(BUNDLE_SCHEMA));
    RECEIPT_SCHEMA.clone_into(&mut bundle.receipt.schema);
    assert!(Receipt::parse(&bundle.receipt.to_json()).is_err());
    let malformed = |bundle: &Bundle| {
        let read = Bundle::parse(&bundle.to_zip().unwrap());
        assert!(matches!(read, Err(BundleError::Malformed { .. })), "{read:?}");
    };
    malformed(&bundle);
    bundle.receipt.sealings[0].tokens.pop();
    RECEIPT_SCHEMA_OF_TREES.clone_into(&mut bundle.receipt.schema);
    assert!(Receipt::parse(&bundle.receipt.to_json()).is_err());
    malformed(&bundle);
}

#[test]
fn a_document_that_is_not_in_the_trees_has_no_record_there_and_the_line_stands_in_for_no_other() {
    let (world, bundle) = two_families(0, Some(0));
    let checked = check(&world, &bundle);
    assert_eq!(checked.verdict, Verdict::Intact, "{:?}", checked.findings);
    let outside = checked.findings.iter().find(|it| it.code == FindingCode::RenewalDue).unwrap();
    assert!(outside.message.contains("SHA-256 alone proves them"), "{}", outside.message);
    let maker = EvidenceMaker::new(&bundle.receipt);
    let of = |at: usize| maker.records_of(&bundle.receipt.documents[at]);
    let lines = |at| of(at).into_iter().map(|it| (it.place, it.line)).collect::<Vec<_>>();
    assert_eq!(lines(0), [(1, LINE.to_owned())]);
    assert_eq!(lines(1), [(1, LINE.to_owned()), (2, LONG.to_owned())]);
}

/// Demands that both verifiers find a bundle damaged.
fn demand_damage(world: &World, bundle: &Bundle, what: &str) {
    let mut cases = Cases::default();
    cases.push(what, bundle.to_zip().unwrap(), &world.trust());
    assert_eq!(cases.bundles[0].2, Verdict::Damaged, "{what}");
    if has_programs() {
        assert_eq!(disagreements(&cases, world), Vec::<String>::new());
    }
}

#[test]
fn a_log_that_says_something_else_of_the_tree_is_not_believed() {
    let changes: [(&str, TreeChange<'_>); 2] = [
        ("another root", &|it| it.root = Sha512Digest::of(b"another")),
        ("another token", &|it| it.token_sha512 = Sha512Digest::of(b"another")),
    ];
    for (what, change) in changes {
        let (world, bundle) = two_families_changed((0, None), change);
        demand_damage(&world, &bundle, what);
    }
}

#[test]
fn new_hash_trees_on_a_line_of_sha_512_are_damage() {
    let (mut world, mut bundle) = two_families(0, None);
    let receipt = &mut bundle.receipt;
    let section = &receipt.sealings[0];
    let signed = [section.statement.as_bytes(), &section.seal.0].map(Sha512Digest::of);
    let root = list_value(&signed).unwrap();
    let at = now() + SignedDuration::from_hours(1);
    let (token, stamped_at) = world.stamp_at(EvidenceDigest::from(root), at);
    let index = world.push(&Entry::EvidenceRehashed(EvidenceRehashed {
        documents: 2,
        line: LONG.to_owned(),
        renewal: RenewalId::from_bytes([9; 16]),
        root,
        sealings: 1,
        stamped_at,
        token_sha256: Sha256Digest::of(&token),
        token_sha512: Sha512Digest::of(&token),
        tree_sha256: Sha256Digest::of(b"tree"),
        trial: true,
    }));
    prove_again(&world, receipt);
    receipt.documents.iter_mut().for_each(|it| it.hash_trees.clear());
    receipt.documents.iter_mut().for_each(|it| it.sha512.clear());
    let unchanged = bundle.clone();
    bundle.receipt.sealings[0].tokens[1].hash_tree = Some(HashTreeSection {
        entry: world.line(index),
        path: Vec::new(),
        renewals: Vec::new(),
        token: Base64Bytes(token),
    });
    assert_eq!(check(&world, &unchanged).verdict, Verdict::Intact);
    demand_damage(&world, &bundle, "new hash trees");
}

#[test]
fn of_lines_of_sha_512_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    for (renewals, left_out) in [(1, None), (0, Some(0))] {
        let (world, mut bundle) = two_families(renewals, left_out);
        let (trust, mut cases) = (world.trust(), Cases::default());
        cases.push("two documents", bundle.to_zip().unwrap(), &trust);
        bundle.receipt.documents.truncate(1);
        let zip = bundle.to_zip().unwrap();
        cases.push("one document", zip.clone(), &trust);
        assert!(cases.bundles.iter().all(|it| it.2 == Verdict::Intact));
        cases.flip_and_cut(&zip, 61, &trust);
        cases.change_values(&bundle, &trust);
        for schema in [RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_TREES, "sigillo.receipt/2"] {
            let mut other = bundle.clone();
            schema.clone_into(&mut other.receipt.schema);
            cases.push(format!("schema {schema}"), other.to_zip().unwrap(), &trust);
            other.receipt.sealings[0].tokens.pop();
            cases.push(format!("without, {schema}"), other.to_zip().unwrap(), &trust);
        }
        for (name, from, to) in [
            ("another schema of the receipt", "sigillo.receipt/3", "sigillo.receipt/1"),
            ("another schema of the bundle", "sigillo.bundle/3", "sigillo.bundle/1"),
            ("a later schema of the bundle", "sigillo.bundle/3", "sigillo.bundle/4"),
            ("another of both", "/3\"", "/1\""),
        ] {
            cases.push(name, with_checksums(&replaced(&zip, from, to)).unwrap(), &trust);
        }
        let verdicts: Vec<_> = cases.bundles.iter().rev().take(4).map(|it| it.2).collect();
        let (damaged, unknown) = (Verdict::Damaged, Verdict::CannotTell);
        assert_eq!(verdicts, [damaged, unknown, damaged, damaged]);
        let differing = disagreements(&cases, &world);
        assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
    }
}

/// Puts bytes in the place of others of the same length, wherever they are.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}
