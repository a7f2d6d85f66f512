//! Cosignatures in receipts: checked by the keys beside them, believed by the rule of the caller.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigillo_merkle::{
    CosignedAt, NoteSignature, SignedNote, VerifierKey, WitnessPolicy, cosignature_message,
};
use sigillo_model::{FindingCode, Sha256Digest, Signer as _, Verdict, to_canonical};
use sigillo_proof::{Receipt, ReceiptCheck, ReceiptTrust, check_receipt, keep_cosignatures};
use sigillo_testkit::MemorySigner;

use crate::{
    mutations::{changes, each_scalar},
    world::{Plan, World, receipt},
};

/// The time that the witnesses of these tests state.
pub(crate) const COSIGNED_AT: u64 = 1_764_060_000;

/// Lets witnesses of these seeds cosign the checkpoint of a receipt; returns their keys.
pub(crate) fn cosign(receipt: &mut Receipt, seeds: &[u64]) -> Vec<VerifierKey> {
    let mut note = SignedNote::parse(receipt.checkpoint.as_bytes()).unwrap();
    let at = CosignedAt::from_unix_seconds(COSIGNED_AT).unwrap();
    let message = cosignature_message(at, note.text.as_bytes());
    let mut cosigned: Vec<_> = seeds
        .iter()
        .map(|seed| {
            let signer = MemorySigner::new(*seed);
            let public_key = signer.public_key().try_into().unwrap();
            let key = VerifierKey::new_cosigner(format!("witness/{seed}"), public_key).unwrap();
            let signature = signer.sign(&message).unwrap().try_into().unwrap();
            let signature = NoteSignature::cosignature(&key, at, signature);
            (key, signature)
        })
        .collect();
    cosigned.sort_by_key(|(key, _)| key.to_string());
    let (keys, signatures): (Vec<_>, Vec<_>) = cosigned.into_iter().unzip();
    note.signatures.extend(signatures);
    receipt.checkpoint = String::from_utf8(note.to_bytes()).unwrap();
    receipt.witnesses = keys.iter().map(ToString::to_string).collect();
    keys
}

/// Knows these witnesses, and takes so many of them.
fn policy(keys: &[VerifierKey], threshold: &str) -> WitnessPolicy {
    let mut text = String::new();
    for (n, key) in keys.iter().enumerate() {
        text.extend(["witness w", &n.to_string(), " ", &key.to_string(), "\n"]);
    }
    text.extend(["group g ", threshold]);
    for n in 0..keys.len() {
        text.extend([" w", &n.to_string()]);
    }
    text.push_str("\nquorum g\n");
    WitnessPolicy::parse(text.as_bytes()).unwrap()
}

fn small() -> (World, Receipt) {
    receipt(&Plan { batches: vec![2], every: 1, sealed: false })
}

fn check(world: &World, receipt: &Receipt, witnesses: Option<WitnessPolicy>) -> ReceiptCheck {
    let receipt = Receipt::parse(&receipt.to_json()).unwrap();
    check_receipt(&receipt, &ReceiptTrust { witnesses, ..world.trust() }, &[])
}

/// Returns what is said of too few witnesses.
fn not_witnessed(check: &ReceiptCheck) -> Option<&str> {
    let mut found = check.findings.iter().filter(|it| it.code == FindingCode::NotWitnessed);
    found.next().map(|it| it.message.as_str())
}

#[test]
fn witnesses_who_are_known_and_enough_vouch_for_the_checkpoint() {
    let (world, mut receipt) = small();
    let keys = cosign(&mut receipt, &[7, 8, 9]);
    let checked = check(&world, &receipt, Some(policy(&keys[..2], "all")));
    assert!(checked.is_witnessed && checked.verdict == Verdict::Intact, "{checked:?}");
    assert_eq!(not_witnessed(&checked), None);
    let told: Vec<_> =
        checked.cosigned.iter().map(|it| (it.witness.as_str(), it.is_known)).collect();
    let names: Vec<_> = keys.iter().map(VerifierKey::name).collect();
    assert_eq!(told, [(names[0], true), (names[1], true), (names[2], false)]);
    assert!(checked.cosigned.iter().all(|it| it.at == "2025-11-25T08:40:00Z"), "{checked:?}");
}

#[test]
fn too_few_witnesses_or_unknown_ones_are_a_note() {
    let (world, bare) = small();
    let mut receipt = bare.clone();
    let keys = cosign(&mut receipt, &[7]);
    let mut others = cosign(&mut bare.clone(), &[8]);
    others.extend(keys.clone());
    for (receipt, policy, says) in [
        (&bare, Some(policy(&keys, "any")), "no witness has cosigned"),
        (&bare, None, "no witness has cosigned"),
        (&receipt, None, "the trust store knows none"),
        (&receipt, Some(policy(&others[..1], "any")), "none of the witnesses that cosigned"),
        (&receipt, Some(policy(&others, "all")), "1 of the witnesses known here"),
    ] {
        let checked = check(&world, receipt, policy);
        assert!(!checked.is_witnessed && checked.verdict == Verdict::Intact, "{says}");
        assert!(not_witnessed(&checked).unwrap().contains(says), "{:?}", not_witnessed(&checked));
    }
    assert!(check(&world, &receipt, Some(policy(&others, "any"))).is_witnessed);
    // A rule for other logs is none for this one.
    let text = format!("log {}\nwitness w {}\nquorum w\n", world.log_key(), keys[0]);
    let own = WitnessPolicy::parse(text.as_bytes()).unwrap();
    assert!(check(&world, &receipt, Some(own.clone())).is_witnessed);
    let mut foreign = own;
    foreign.logs = vec![VerifierKey::new_ed25519("another", [1; 32]).unwrap()];
    assert!(!check(&world, &receipt, Some(foreign)).is_witnessed);
}

#[test]
fn every_changed_value_and_byte_of_cosignatures_is_noticed_also_of_unknown_witnesses() {
    let (world, mut receipt) = small();
    cosign(&mut receipt, &[7, 8]);
    let trust = world.trust();
    let is_noticed = |bytes: &[u8]| match Receipt::parse(bytes) {
        Err(_) => true,
        Ok(receipt) => check_receipt(&receipt, &trust, &[]).verdict == Verdict::Damaged,
    };
    assert!(!is_noticed(&receipt.to_json()));
    let whole = serde_json::to_value(&receipt).unwrap();
    each_scalar(&whole, "", &mut |path, value| {
        for change in changes(value) {
            let mut changed = whole.clone();
            *changed.pointer_mut(path).unwrap() = change.clone();
            assert!(is_noticed(&to_canonical(&changed)), "{path}: {change}");
        }
    });
    let bytes = receipt.to_json();
    let from = |name: &str| {
        let name = format!("\"{name}\":");
        bytes.windows(name.len()).position(|it| it == name.as_bytes()).unwrap()
    };
    for range in [from("checkpoint")..from("documents"), from("witnesses")..bytes.len()] {
        for at in range {
            for bit in [1, 4] {
                let mut flipped = bytes.clone();
                flipped[at] ^= bit;
                // Of a key of another kind nobody can tell anything, which is noticed too.
                let read = Receipt::parse(&flipped);
                let verdict = read.map(|it| check_receipt(&it, &trust, &[]).verdict);
                assert_ne!(verdict, Ok(Verdict::Intact), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn cosignatures_have_one_order_and_can_only_be_left_out_as_a_whole() {
    let (world, bare) = small();
    let mut receipt = bare.clone();
    cosign(&mut receipt, &[7, 8]);
    let lines: Vec<&str> = receipt.checkpoint.split_inclusive('\n').collect();
    let with = |order: &[usize], keys: &[usize]| {
        let mut changed = receipt.clone();
        let kept = order.iter().map(|at| lines[5 + at]);
        changed.checkpoint = lines[..5].iter().copied().chain(kept).collect();
        changed.witnesses = keys.iter().map(|at| receipt.witnesses[*at].clone()).collect();
        check(&world, &changed, None).verdict
    };
    assert_eq!(with(&[0, 1], &[0, 1]), Verdict::Intact);
    assert_eq!(with(&[0], &[0]), Verdict::Intact);
    assert_eq!(with(&[], &[]), Verdict::Intact);
    for (order, keys) in [
        (&[1, 0][..], &[0, 1][..]),
        (&[1, 0], &[1, 0]),
        (&[0, 0], &[0, 0]),
        (&[0, 1], &[0]),
        (&[0, 1], &[]),
        (&[0], &[0, 1]),
        (&[], &[0]),
        (&[1], &[0]),
    ] {
        assert_eq!(with(order, keys), Verdict::Damaged, "{order:?} {keys:?}");
    }
    // An empty list is another spelling of none.
    let mut value = serde_json::to_value(&bare).unwrap();
    value["witnesses"] = serde_json::json!([]);
    assert!(Receipt::parse(&to_canonical(&value)).is_err());
}

/// Puts a key of a kind that nobody knows in place of a witness's.
pub(crate) fn with_unknown_kind(receipt: &mut Receipt) {
    cosign(receipt, &[7]);
    let key = [&[5_u8], &[1; 32][..]].concat();
    let id = Sha256Digest::of(&[b"w\n", &key[..]].concat()).to_string();
    receipt.witnesses = vec![format!("w+{}+{}", &id[..8], STANDARD.encode(&key))];
}

#[test]
fn a_cosignature_of_an_unknown_kind_is_not_judged() {
    let (world, mut receipt) = small();
    with_unknown_kind(&mut receipt);
    let checked = check(&world, &receipt, None);
    assert_eq!(checked.verdict, Verdict::CannotTell);
    assert_eq!(checked.findings[0].code, FindingCode::CosignatureUnknown);
    assert!(!checked.is_witnessed && checked.cosigned.is_empty());
}

#[test]
fn cosignatures_of_the_same_checkpoint_are_kept_and_no_others() {
    let (world, bare) = small();
    let [mut older, mut newer] = [bare.clone(), bare.clone()];
    let keys = cosign(&mut older, &[7, 8]);
    cosign(&mut newer, &[8, 9]);
    for mut receipt in [bare.clone(), newer] {
        let mut expected = [older.witnesses.clone(), receipt.witnesses.clone()].concat();
        expected.sort();
        expected.dedup();
        assert_eq!(keep_cosignatures(&older, &mut receipt), Vec::<String>::new());
        assert_eq!(receipt.witnesses, expected);
        let checked = check(&world, &receipt, Some(policy(&keys, "all")));
        assert!(checked.is_witnessed && checked.verdict == Verdict::Intact, "{checked:?}");
        assert_eq!(checked.cosigned.len(), expected.len());
    }
    // Under another checkpoint they would be none.
    let (_, mut other) = receipt(&Plan { batches: vec![3], every: 1, sealed: false });
    let before = other.clone();
    assert_eq!(keep_cosignatures(&older, &mut other), older.witnesses);
    assert_eq!(other, before);
    assert_eq!(keep_cosignatures(&bare, &mut older), Vec::<String>::new());
}
