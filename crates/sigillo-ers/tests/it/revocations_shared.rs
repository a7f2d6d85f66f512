//! Evidence that many time-stamps share says of each what it says of it alone.

use sigillo_ers::{
    REVOCATION_ITEMS_MAX, RevocationError, RevocationSet, RevocationStatus, pem_blocks,
};

use crate::{
    forge::Node,
    revocations::{GOOD, Installation, TSA, has_openssl, missing, of_tsa, record_of},
};

#[test]
fn a_responder_counts_only_for_time_stamps_that_bring_its_certificate() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let mut answer = Node::parse(&world.answer("responder", GOOD));
    let basic = answer.at(&[1, 0, 1]);
    let mut inside = Node::parse(&basic.bytes);
    inside.nodes.truncate(3);
    basic.bytes = inside.encode();
    let mut set = RevocationSet::new();
    set.add("answer", &answer.encode()).unwrap();
    let pem = std::fs::read_to_string(world.path().join("responder.pem")).unwrap();
    let responder = &pem_blocks(&pem, "CERTIFICATE").unwrap()[0];
    let mut token = Node::parse(&world.token);
    token.at(&[1, 0, 3]).nodes.push(Node::parse(responder));
    let with = token.encode();
    for _ in 0..2 {
        let report = world.verify_with(&record_of(&world.token), &set);
        assert!(missing(&report).contains("signed by somebody else"), "{}", missing(&report));
        let report = world.verify_with(&record_of(&with), &set);
        assert!(matches!(of_tsa(&report), RevocationStatus::Good { .. }), "{report:?}");
    }
}

#[test]
fn evidence_is_called_as_the_set_calls_it() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let list = world.list("authority", 1, &[(TSA, 9, "superseded")], "");
    let mut set = RevocationSet::new();
    set.add("list", &list).unwrap();
    for name in ["one", "two"] {
        let mut other = RevocationSet::new();
        other.add_shared(name, &set).unwrap();
        let report = world.verify_with(&world.record(), &other);
        let RevocationStatus::Revoked { source, .. } = of_tsa(&report) else {
            panic!("{report:?}")
        };
        assert_eq!(source.name, name);
    }
}

#[test]
fn a_set_holds_no_more_than_its_limit_of_what_others_hold() {
    if !has_openssl() {
        return;
    }
    let list = Installation::new().list("authority", 1, &[], "");
    let (mut set, mut one) = (RevocationSet::new(), RevocationSet::new());
    one.add("list", &list).unwrap();
    for _ in 0..REVOCATION_ITEMS_MAX {
        set.add_shared("list", &one).unwrap();
    }
    assert_eq!(set.add_shared("list", &one), Err(RevocationError::TooMany));
    assert_eq!(RevocationSet::new().add_shared("list", &set), Ok(()));
    assert_eq!(one.add_shared("list", &set), Err(RevocationError::TooMany));
}
