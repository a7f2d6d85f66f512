//! What is kept for ever says nothing about people: what could tell or confirm a name is only
//! where it can be erased.

use std::fs;

use serde_json::Value;

use sigillo_model::{Blake3Digest, Sha256Digest};

use crate::program::World;

/// A folder, a file, a source and a content that name somebody.
const NAMES: [&str; 4] = ["Ippolita", "Calandrino", "Brunilde", "Torquemada"];

/// Where what is kept for ever lies.
const FOR_EVER: [&str; 6] =
    ["log/", "batches/", "sealings/", "archive.json", "README.txt", "catalogue/documents/"];

fn holds(object: &[u8], needle: &[u8]) -> bool {
    object.windows(needle.len()).any(|window| window == needle)
}

/// Returns what the record in a pack says: its bytes and the salt in it.
fn record(pack: &[u8]) -> (Vec<u8>, String) {
    let mark = b"/record.json{";
    let at = pack.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len() - 1;
    let mut values = serde_json::Deserializer::from_slice(&pack[at..]).into_iter::<Value>();
    let value = values.next().unwrap().unwrap();
    let salt = value["salt"].as_str().unwrap().to_owned();
    (pack[at..at + values.byte_offset()].to_vec(), salt)
}

#[test]
fn names_contents_digests_and_salts_are_nowhere_in_what_is_kept_for_ever() {
    let world = World::new();
    let [folder, file, source, content] = NAMES;
    world.write(&format!("{folder}/{file}.txt"), content.as_bytes());
    std::os::unix::fs::symlink("x", world.source().join(format!("{file}-rinvio"))).unwrap();
    let ran = world.create_with(&["--source", source]);
    ran.check(1, "1 document archived, 0 there before, 1 refused");
    let pack = fs::read(world.object("packs/", ".zip")).unwrap();
    let (record, salt) = record(&pack);
    let digests = [content.as_bytes(), &record].map(Sha256Digest::of);
    let mut secrets: Vec<Vec<u8>> = NAMES.iter().map(|name| name.as_bytes().to_vec()).collect();
    secrets.extend(digests.map(|digest| digest.as_bytes().to_vec()));
    secrets.extend(digests.map(|digest| digest.to_string().into_bytes()));
    secrets.push(Blake3Digest::of(content.as_bytes()).to_string().into_bytes());
    secrets.extend([hex::decode(&salt).unwrap(), salt.into_bytes()]);
    let mut looked_at = 0;
    for key in world.objects() {
        let erasable = !FOR_EVER.iter().any(|place| key.starts_with(place));
        let bytes = fs::read(world.archive().join(&key)).unwrap();
        for secret in secrets.iter().filter(|_| !erasable) {
            assert!(!holds(&bytes, secret), "{} in {key}", String::from_utf8_lossy(secret));
            assert!(!holds(key.as_bytes(), secret), "{key}");
        }
        looked_at += usize::from(!erasable);
    }
    assert!(looked_at > 10, "{looked_at}");
    // They are where they can be erased, so what was looked for is what there is.
    for secret in [&secrets[0], &secrets[1], &secrets[2], &secrets[3], &secrets[6]] {
        assert!(holds(&pack, secret), "{}", String::from_utf8_lossy(secret));
    }
}
