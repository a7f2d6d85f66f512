//! The largest revocation lists and OCSP responses, and larger ones.

use sigillo_ers::{RevocationError, RevocationSet};

use crate::{
    forge::Node,
    revocations::{GOOD, Installation, TSA, has_openssl, missing},
};

#[test]
fn the_largest_lists_are_read_and_larger_ones_refused() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let mut list = Node::parse(&world.list("authority", 1, &[(TSA, 9, "")], ""));
    let tbs = list.at(&[0]);
    let place = tbs.nodes.iter().rposition(|node| node.tag == 0x30).unwrap();
    let entry = tbs.nodes[place].nodes[0].clone();
    let mut many = |count: usize| {
        list.at(&[0, place]).nodes = vec![entry.clone(); count];
        list.encode()
    };
    let largest = many(800_000);
    assert!(largest.len() > 15 << 20 && largest.len() <= 16 << 20, "{}", largest.len());
    let report = world.verify(&[largest]);
    assert!(missing(&report).contains("its signature is wrong"), "{}", missing(&report));
    let mut set = RevocationSet::new();
    let found = set.add("x", &many(900_000));
    let what = "a revocation list is too large";
    assert_eq!(found, Err(RevocationError::Malformed { what }));
}

#[test]
fn a_response_about_too_many_is_refused() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let answer = world.answer("authority", GOOD);
    let mut response = Node::parse(&answer);
    let mut basic = Node::parse(&response.at(&[1, 0, 1]).bytes);
    let place = basic.at(&[0]).nodes.len() - 1;
    let one = basic.at(&[0, place]).nodes[0].clone();
    let mut set = RevocationSet::new();
    for (count, fits) in [(1_000, true), (10_001, false)] {
        basic.at(&[0, place]).nodes = vec![one.clone(); count];
        let found = set.add("x", &basic.encode());
        assert_eq!(found.is_ok(), fits, "{count}: {found:?}");
    }
}
