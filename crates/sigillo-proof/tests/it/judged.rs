//! Every time-stamp in a bundle is judged, whatever its documents say of themselves; both verifiers do.

use jiff::SignedDuration;

use sigillo_ers::{
    AlgorithmTable, ChainStamps, EvidenceTree, HashFunction, TrustAnchors, list_value,
    rehashed_group, sealing_value,
};
use sigillo_model::{
    BatchesSealed, Entry, EvidenceDigest, EvidenceRehashed, EvidenceRenewed, FindingCode, Record,
    RenewalId, SealingStamped, Severity, Sha256Digest, Sha512Digest, Verdict,
};
use sigillo_proof::{
    AttestedTime, Base64Bytes, Bundle, BundleCheck, BundleError, BundleRules, DocumentTreeSection,
    HashTreeSection, Receipt, RenewalSection, TokenSection, check_bundle, check_receipt,
};

use crate::{
    families::{LONG, add_line, prove_again, second_digests},
    second::{Cases, TABLE, disagreements, has_programs},
    world::{Changes, LINE, Plan, World, now, receipt_changed},
};

/// The end of the certificate under the first time-stamps, and days before and after it.
const END: &str = "2027-06-01T00:00:00Z";
const BEFORE: &str = "2027-05-01T00:00:00Z";
const AFTER: &str = "2028-01-01T00:00:00Z";

/// An archive of two documents, whose authority has a certificate until [`END`].
fn ending() -> (World, Receipt) {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let changes = Changes { authority_until: END, ..Changes::default() };
    let (world, mut receipt) = receipt_changed(&plan, &changes);
    receipt.submission = None;
    (world, receipt)
}

/// The same on a line of SHA-512 alone.
fn ending_of_sha_512() -> (World, Receipt) {
    let (mut world, mut receipt) = ending();
    add_line(&mut world, &mut receipt, (0, None), &|_| ());
    receipt.sealings[0].tokens.remove(0);
    (world, receipt)
}

/// Takes the place of a document in hash trees out of a receipt, with all that goes with it.
fn strip(receipt: &mut Receipt, document: usize) {
    receipt.documents[document].hash_trees.clear();
    receipt.documents[document].sha512.clear();
}

fn body_of(receipt: &Receipt) -> BatchesSealed {
    let Ok(Entry::BatchesSealed(body)) =
        Entry::parse_line(receipt.sealings[0].entry.line.as_bytes())
    else {
        panic!("it is the entry of a sealing");
    };
    body
}

/// Puts new hash trees by an authority that lasts longer over the first line of an archive, without
/// some documents.
fn rehash(world: &mut World, receipt: &mut Receipt, left_out: &[usize]) {
    let (body, section) = (body_of(receipt), &receipt.sealings[0]);
    let chain = |group: &[Sha256Digest], path: &[Sha256Digest]| {
        let group = group.iter().map(|digest| digest.as_bytes().to_vec()).collect();
        let token = &section.tokens[0].token.0;
        ChainStamps::new(HashFunction::Sha256, path, token).write(vec![group])
    };
    let leaf = |again: &[Sha512Digest], chain: &[u8]| {
        list_value(&rehashed_group(again, &[chain])).unwrap()
    };
    let signed = [body.statement_sha256, body.seal_sha256];
    let again = [section.statement.as_bytes(), &section.seal.0].map(Sha512Digest::of);
    let mut leaves = vec![leaf(&again, &chain(&signed, &[body.root]))];
    let placed: Vec<_> =
        (0..receipt.documents.len()).filter(|number| !left_out.contains(number)).collect();
    for number in &placed {
        let document = &receipt.documents[*number];
        let record = Record::parse(document.record.as_bytes()).unwrap();
        let files = record.files.iter().map(|file| file.sha256);
        let group: Vec<_> = std::iter::once(document.record_sha256).chain(files).collect();
        let mut path = document.tree_path.clone().unwrap();
        path.extend(&receipt.batches[0].sealed.as_ref().unwrap().tree_path);
        path.push(list_value(&signed).unwrap());
        let record = Sha512Digest::of(document.record.as_bytes());
        let again = [&[record][..], &second_digests(receipt, *number)].concat();
        leaves.push(leaf(&again, &chain(&group, &path)));
    }
    leaves.push(Sha512Digest::of(b"a list of objects"));
    let tree = EvidenceTree::new(leaves);
    stamp_trees(world, receipt, &tree);
    for (place, number) in (1..).zip(placed) {
        let path = tree.path(place).unwrap();
        let sha512 = second_digests(receipt, number);
        let document = &mut receipt.documents[number];
        document.hash_trees.push(DocumentTreeSection { line: LINE.to_owned(), path });
        document.hash_trees.sort_by(|a, b| a.line.cmp(&b.line));
        document.sha512 = sha512;
    }
}

fn stamp_trees(world: &mut World, receipt: &mut Receipt, tree: &EvidenceTree<Sha512Digest>) {
    world.stamp_anew();
    let root = tree.root().unwrap();
    let at = now() + SignedDuration::from_hours(5);
    let (token, stamped_at) = world.stamp_at(EvidenceDigest::from(root), at);
    let index = world.push(&Entry::EvidenceRehashed(EvidenceRehashed {
        documents: 2,
        line: LINE.to_owned(),
        renewal: RenewalId::from_bytes([9; 16]),
        root,
        sealings: 1,
        stamped_at,
        token_sha256: Sha256Digest::of(&token),
        token_sha512: Sha512Digest::of(&token),
        tree_sha256: Sha256Digest::of(b"tree"),
        trial: true,
    }));
    prove_again(world, receipt);
    receipt.sealings[0].tokens[0].hash_tree = Some(HashTreeSection {
        entry: world.line(index),
        path: tree.path(0).unwrap(),
        renewals: Vec::new(),
        token: Base64Bytes(token),
    });
}

fn check(world: &World, receipt: &Receipt, at: &str) -> BundleCheck {
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let bundle = Bundle { receipt: receipt.clone(), files: Vec::new() };
    let bundle = Bundle::parse(&bundle.to_zip().unwrap()).unwrap();
    let rules =
        BundleRules { trust: &world.trust(), algorithms: &algorithms, at: at.parse().unwrap() };
    check_bundle(&bundle, &[], &rules)
}

/// Demands a verdict of both verifiers as of a time, and of this one the codes that are no notes.
#[track_caller]
fn demand(world: &World, receipt: &Receipt, at: &str, verdict: Verdict, codes: &[FindingCode]) {
    let checked = check(world, receipt, at);
    let grave = checked.findings.iter().filter(|it| it.severity > Severity::Note);
    let grave: Vec<_> = grave.map(|it| it.code).collect();
    assert_eq!((checked.verdict, &grave[..]), (verdict, codes), "{:?}", checked.findings);
    let mut cases = Cases { at: Some(at.parse().unwrap()), ..Cases::default() };
    let bundle = Bundle { receipt: receipt.clone(), files: Vec::new() };
    cases.push("it", bundle.to_zip().unwrap(), &world.trust());
    if has_programs() {
        assert_eq!(disagreements(&cases, world), Vec::<String>::new());
    }
}

#[test]
fn a_time_stamp_that_ended_is_told_although_no_document_says_that_it_is_under_it() {
    let (world, mut receipt) = ending_of_sha_512();
    demand(&world, &receipt, BEFORE, Verdict::Intact, &[]);
    let ended = FindingCode::EvidenceEnded;
    demand(&world, &receipt, AFTER, Verdict::CannotTell, &[ended]);
    // Whoever takes out what leads from the documents to it gains nothing.
    (0..2).for_each(|document| strip(&mut receipt, document));
    let without = FindingCode::DocumentNotStamped;
    demand(&world, &receipt, AFTER, Verdict::CannotTell, &[without, without, ended]);
}

#[test]
fn a_document_without_any_evidence_record_is_not_proven() {
    let (world, mut receipt) = ending_of_sha_512();
    strip(&mut receipt, 1);
    let without = FindingCode::DocumentNotStamped;
    demand(&world, &receipt, BEFORE, Verdict::CannotTell, &[without]);
    let found = check(&world, &receipt, BEFORE);
    let found = found.findings.iter().find(|it| it.code == without).unwrap();
    assert_eq!(found.object, "documents/2");
    // A line of SHA-256 gives every document one.
    let (mut world, mut receipt) = ending();
    add_line(&mut world, &mut receipt, (0, Some(1)), &|_| ());
    demand(&world, &receipt, BEFORE, Verdict::Intact, &[]);
}

#[test]
fn a_document_that_is_not_in_new_hash_trees_does_not_hold_by_its_neighbour() {
    let ended = FindingCode::EvidenceEnded;
    let (mut world, mut receipt) = ending();
    rehash(&mut world, &mut receipt, &[]);
    demand(&world, &receipt, AFTER, Verdict::Intact, &[]);
    // By the sealing itself, if no document says where it is.
    (0..2).for_each(|document| strip(&mut receipt, document));
    demand(&world, &receipt, AFTER, Verdict::CannotTell, &[ended]);
    let later = FindingCode::RecordFromLater;
    demand(&world, &receipt, "2026-11-25T10:00:00Z", Verdict::CannotTell, &[later]);
    for left_out in 0..2 {
        let (mut world, mut receipt) = ending();
        rehash(&mut world, &mut receipt, &[left_out]);
        demand(&world, &receipt, BEFORE, Verdict::Intact, &[]);
        demand(&world, &receipt, AFTER, Verdict::CannotTell, &[ended]);
        receipt.documents.remove(left_out);
        demand(&world, &receipt, AFTER, Verdict::Intact, &[]);
    }
}

#[test]
fn a_line_stands_in_for_another_only_if_it_holds_for_all_documents() {
    // The line of SHA-512 ended; that of SHA-256 has newer hash trees, with and without one document.
    let ended = FindingCode::EvidenceEnded;
    for (left_out, verdict) in [(None, Verdict::Intact), (Some(1), Verdict::CannotTell)] {
        let (mut world, mut receipt) = ending();
        add_line(&mut world, &mut receipt, (0, None), &|_| ());
        let places: Vec<_> =
            receipt.documents.iter_mut().map(|it| std::mem::take(&mut it.hash_trees)).collect();
        rehash(&mut world, &mut receipt, left_out.as_slice());
        for (document, place) in receipt.documents.iter_mut().zip(places) {
            document.hash_trees.extend(place);
        }
        for number in 0..2 {
            receipt.documents[number].sha512 = second_digests(&receipt, number);
        }
        let codes = if left_out.is_some() { vec![ended, ended] } else { Vec::new() };
        demand(&world, &receipt, AFTER, verdict, &codes);
    }
}

#[test]
fn in_a_receipt_too_an_incomplete_line_of_sha_512_stands_in_for_no_other() {
    for (left_out, verdict) in [(None, Verdict::Intact), (Some(1), Verdict::CannotTell)] {
        let (mut world, mut receipt) = ending();
        world.stamp_anew();
        add_line(&mut world, &mut receipt, (0, left_out), &|_| ());
        // Of the authorities only that of the line of SHA-512 is believed.
        let mut trust = world.trust();
        trust.anchors = TrustAnchors::new();
        trust.anchors.add_der("its seal", &world.seal).unwrap();
        trust.anchors.add_der("the authority", &world.tsa).unwrap();
        let checked = check_receipt(&receipt, &trust, &[]);
        assert_eq!(checked.verdict, verdict, "{:?}", checked.findings);
        let unknown = FindingCode::AuthorityUnknown;
        assert!(checked.findings.iter().any(|it| it.code == unknown), "{:?}", checked.findings);
    }
}

#[test]
fn a_seal_is_judged_as_of_a_time_stamp_that_holds() {
    // The certificate of the seal ends between the time-stamps of two lines.
    let until = |hours| (now() + SignedDuration::from_hours(hours)).to_string();
    let (seal_until, authority_until) = (until(2), until(72));
    let changes = Changes {
        authority_until: &authority_until,
        seal_until: &seal_until,
        ..Changes::default()
    };
    let plan = Plan { batches: vec![2], every: 2, sealed: true };
    let (mut world, mut receipt) = receipt_changed(&plan, &changes);
    world.stamp_anew();
    world.at = now() + SignedDuration::from_hours(3);
    add_line(&mut world, &mut receipt, (0, None), &|_| ());
    demand(&world, &receipt, &until(4), Verdict::Intact, &[]);
    let checked = check(&world, &receipt, &until(96));
    let times = &checked.receipt.as_ref().unwrap().times;
    assert_eq!(times.iter().map(AttestedTime::holds).collect::<Vec<_>>(), [false, true]);
    demand(&world, &receipt, &until(96), Verdict::CannotTell, &[FindingCode::SealOriginUnknown]);
}

/// Adds another token on the first line of an archive.
fn stamp_again(world: &mut World, receipt: &mut Receipt) {
    let body = body_of(receipt);
    let (token, stamped_at) = world.stamp(sealing_value(&body));
    let index = world.push(&Entry::SealingStamped(SealingStamped {
        line: LINE.to_owned(),
        number: body.number,
        sealing: body.sealing,
        stamped_at,
        token_sha256: Sha256Digest::of(&token),
        tree: None,
        trial: true,
    }));
    prove_again(world, receipt);
    receipt.sealings[0].tokens.push(TokenSection {
        entry: world.line(index),
        hash_tree: None,
        line: LINE.to_owned(),
        path: Vec::new(),
        renewals: Vec::new(),
        token: Base64Bytes(token),
    });
}

#[test]
fn two_time_stamps_of_a_sealing_on_one_line_are_damage() {
    let (mut world, mut receipt) = ending();
    stamp_again(&mut world, &mut receipt);
    demand(&world, &receipt, BEFORE, Verdict::Damaged, &[FindingCode::ReceiptDiffers]);
    // Either is a receipt alone.
    for at in 0..2 {
        let mut one = receipt.clone();
        one.sealings[0].tokens.remove(at);
        demand(&world, &one, BEFORE, Verdict::Intact, &[]);
    }
    let (mut world, mut receipt) = ending_of_sha_512();
    let places: Vec<_> =
        receipt.documents.iter_mut().map(|it| std::mem::take(&mut it.hash_trees)).collect();
    add_line(&mut world, &mut receipt, (0, None), &|it| it.documents = 3);
    for (document, place) in receipt.documents.iter_mut().zip(places) {
        document.hash_trees = place;
    }
    demand(&world, &receipt, BEFORE, Verdict::Damaged, &[FindingCode::ReceiptDiffers]);
}

/// Renews the time-stamp on a line of SHA-512; the log says of its token what it says.
fn renew(
    world: &mut World,
    receipt: &mut Receipt,
    token_sha512: impl Fn(&[u8]) -> Option<Sha512Digest>,
) {
    let older = EvidenceDigest::from(Sha512Digest::of(&receipt.sealings[0].tokens[0].token.0));
    renew_on(world, receipt, (LONG, older), token_sha512);
}

/// Renews the only time-stamp, whose digest is given.
fn renew_on(
    world: &mut World,
    receipt: &mut Receipt,
    (line, older): (&str, EvidenceDigest),
    token_sha512: impl Fn(&[u8]) -> Option<Sha512Digest>,
) {
    let at = now() + SignedDuration::from_hours(1);
    let (token, stamped_at) = world.stamp_at(older, at);
    let index = world.push(&Entry::EvidenceRenewed(EvidenceRenewed {
        line: line.to_owned(),
        members: 1,
        members_sha256: Sha256Digest::of(b"members"),
        renewal: RenewalId::from_bytes([9; 16]),
        root: older,
        stamped_at,
        token_sha256: Sha256Digest::of(&token),
        token_sha512: token_sha512(&token),
        trial: true,
    }));
    prove_again(world, receipt);
    receipt.sealings[0].tokens[0].renewals.push(RenewalSection {
        entry: world.line(index),
        path: Vec::new(),
        token: Some(Base64Bytes(token)),
        validation: Vec::new(),
    });
}

#[test]
fn a_renewal_has_every_digest_that_the_log_states_of_it() {
    let own = |token: &[u8]| Some(Sha512Digest::of(token));
    let (mut world, mut receipt) = ending_of_sha_512();
    renew(&mut world, &mut receipt, own);
    demand(&world, &receipt, BEFORE, Verdict::Intact, &[]);
    let (mut world, mut receipt) = ending_of_sha_512();
    renew(&mut world, &mut receipt, |_| Some(Sha512Digest::of(b"another")));
    demand(&world, &receipt, BEFORE, Verdict::Damaged, &[FindingCode::RenewalDamaged]);
}

#[test]
fn the_log_states_the_sha_512_of_a_renewal_in_a_chain_of_that_and_in_no_other() {
    let damage = &[FindingCode::RenewalDamaged];
    // The token in the bundle, or lost: then the log alone says what later renewals are over.
    for is_lost in [false, true] {
        let (mut world, mut receipt) = ending_of_sha_512();
        renew(&mut world, &mut receipt, |_| None);
        if is_lost {
            receipt.sealings[0].tokens[0].renewals[0].token = None;
        }
        demand(&world, &receipt, BEFORE, Verdict::Damaged, damage);
        let (mut world, mut receipt) = ending();
        let older = Sha256Digest::of(&receipt.sealings[0].tokens[0].token.0).into();
        let own = |token: &[u8]| Some(Sha512Digest::of(token));
        renew_on(&mut world, &mut receipt, (LINE, older), own);
        if is_lost {
            receipt.sealings[0].tokens[0].renewals[0].token = None;
        }
        demand(&world, &receipt, BEFORE, Verdict::Damaged, damage);
    }
    let (mut world, mut receipt) = ending_of_sha_512();
    renew(&mut world, &mut receipt, |token| Some(Sha512Digest::of(token)));
    receipt.sealings[0].tokens[0].renewals[0].token = None;
    demand(&world, &receipt, BEFORE, Verdict::Intact, &[]);
}

#[test]
fn an_entry_of_hash_trees_that_cannot_be_read_is_damage() {
    let damaged = (Verdict::Damaged, &[FindingCode::ReceiptLogProof][..]);
    for (from, to, (verdict, codes)) in [
        ("\"documents\":2", "\"documents\":3", (Verdict::Intact, &[][..])),
        ("\"documents\":2", "\"documents\":\"2\"", damaged),
        ("\"renewal\":\"05", "\"renewal\":\"5", damaged),
        ("\"tree_sha256\":\"", "\"tree_sha256\":\"A", damaged),
    ] {
        let (mut world, mut receipt) = ending_of_sha_512();
        let line = receipt.sealings[0].tokens[0].entry.line.clone();
        assert_eq!(line.matches(from).count(), 1, "{line}");
        let index = world.push_line(line.replace(from, to).into_bytes());
        receipt.sealings[0].tokens[0].entry = world.line(index);
        prove_again(&world, &mut receipt);
        demand(&world, &receipt, BEFORE, verdict, codes);
    }
}

#[test]
fn time_stamps_of_one_name_number_and_time_are_counted_each() {
    let (mut world, mut receipt) = ending();
    add_line(&mut world, &mut receipt, (0, None), &|_| ());
    let checked = check(&world, &receipt, "2026-12-01T00:00:00Z");
    assert_eq!(checked.revocation.trial, 2, "{:?}", checked.findings);
}

#[test]
fn a_bundle_without_documents_is_none() {
    let (world, mut receipt) = ending();
    receipt.documents.clear();
    let zip = Bundle { receipt, files: Vec::new() }.to_zip().unwrap();
    assert!(matches!(Bundle::parse(&zip), Err(BundleError::Malformed { .. })));
    let mut cases = Cases::default();
    cases.push("without documents", zip, &world.trust());
    assert_eq!(cases.bundles[0].2, Verdict::Damaged);
    if has_programs() {
        assert_eq!(disagreements(&cases, &world), Vec::<String>::new());
    }
}
