//! The succession on the page: the act, what the old key signs, and the commit that begins the log.

use std::collections::BTreeMap;

use bytes::Bytes;

use sigillo_evidence_log::{Commit, is_vouched_by_old_key, read_act};
use sigillo_merkle::{
    KeysOfLog, NoteSignature, SignedNote, VerifierKey, empty_root, leaf_hash, root_of,
};
use sigillo_model::{
    ArchiveDescription, CommitOpened, Entry, LogSucceeded, LogTime, Sha256Digest, Signer as _,
    Succession, SuccessionAct, SuccessionReason, WriterId, parse_canonical, to_canonical,
};
use sigillo_testkit::MemorySigner;

use crate::{
    examples::{read_examples, write_examples},
    forging::line_of,
};

/// What the page says of the archive that ends.
struct Old {
    archive: ArchiveDescription,
    last_sha256: Sha256Digest,
    root: Sha256Digest,
}

fn old(page: &BTreeMap<String, String>) -> Old {
    let archive: ArchiveDescription =
        parse_canonical(page["archive"].trim_end().as_bytes()).unwrap();
    let key = VerifierKey::parse(&archive.keys.commit).unwrap();
    let commits = [(1, "commit-1"), (2, "commit-2")].map(|(number, name)| {
        Commit::parse(&Bytes::copy_from_slice(page[name].as_bytes()), number, &key).unwrap()
    });
    let lines = commits.iter().flat_map(|it| &it.lines);
    let root = root_of(lines.map(|line| leaf_hash(line)));
    let root = Sha256Digest::from_bytes(*root.as_bytes());
    Old { archive, last_sha256: commits[1].digest, root }
}

fn key(name: String, signer: &MemorySigner) -> VerifierKey {
    VerifierKey::new_ed25519(name, signer.public_key().try_into().unwrap()).unwrap()
}

fn at() -> LogTime {
    LogTime::new("2026-11-25T09:00:00Z".parse().unwrap())
}

/// Writes what the page must say.
fn expected(page: &BTreeMap<String, String>) -> BTreeMap<&'static str, String> {
    let Old { archive, last_sha256, root } = old(page);
    let origin = archive.origin_of(2);
    let (commit, log) = (MemorySigner::new(4), MemorySigner::new(5));
    let commit_key = key(format!("{origin}/commit"), &commit);
    let succession = Succession {
        checkpoint: Some(page["checkpoint"].clone()),
        commit: commit_key.to_string(),
        generation: 2,
        last: 2,
        last_sha256,
        log: key(origin, &log).to_string(),
        reason: SuccessionReason::KeysExposed,
        root,
        seal: None,
        size: 4,
    };
    let words = "furto di un portatile".to_owned();
    let act = SuccessionAct {
        archive: archive.archive,
        at: at(),
        clock_ahead: None,
        format: 1,
        succession: succession.clone(),
        words,
    };
    let act = String::from_utf8(to_canonical(&act)).unwrap();
    let mut body = LogSucceeded {
        act_sha256: Sha256Digest::of(act.as_bytes()),
        signature: None,
        signature_sha256: Sha256Digest::of(b"signature"),
        succession,
    };
    let text = body.text(&archive.origin);
    let old = MemorySigner::new(2);
    let signature = old.sign(text.as_bytes()).unwrap().try_into().unwrap();
    let line = NoteSignature::ed25519(&key(archive.origin.clone(), &old), signature).to_line();
    body.signature = Some(line.trim_end().to_owned());
    let header = CommitOpened {
        at: at(),
        clock: at(),
        commit: 3,
        epoch: 1,
        first_leaf: 0,
        generation: 2,
        previous: Some(last_sha256),
        root: Sha256Digest::from_bytes(*empty_root().as_bytes()),
        rotated: None,
        sealed: 0,
        succeeded: Some(3),
        writer: WriterId::from_bytes([0x88; 16]),
    };
    let entries = [Entry::CommitOpened(header), Entry::LogSucceeded(Box::new(body))];
    let lines = entries.iter().map(line_of).collect::<String>();
    let signature = commit.sign(lines.as_bytes()).unwrap().try_into().unwrap();
    let signature = NoteSignature::ed25519(&commit_key, signature);
    let note = SignedNote::new(lines, vec![signature]).unwrap().to_bytes();
    BTreeMap::from([
        ("commit-3", String::from_utf8(note).unwrap()),
        ("succession-act", act + "\n"),
        ("succession-text", text),
    ])
}

#[test]
fn the_succession_on_the_page_is_what_the_code_makes() {
    let expected = expected(&read_examples());
    if std::env::var_os("SIGILLO_WRITE_EXAMPLES").is_some() {
        write_examples(&expected);
    }
    let page = read_examples();
    for (name, body) in &expected {
        assert_eq!(page[*name], *body, "the example {name:?}");
    }
}

#[test]
fn the_code_reads_the_succession_on_the_page() {
    let page = read_examples();
    let act = page["succession-act"].trim_end().as_bytes();
    let read = read_act(act).unwrap();
    let key = VerifierKey::parse(&read.succession.commit).unwrap();
    let bytes = Bytes::copy_from_slice(page["commit-3"].as_bytes());
    let commit = Commit::parse(&bytes, 3, &key).unwrap();
    let body = commit.succession().unwrap();
    assert_eq!((&body.succession, body.act_sha256), (&read.succession, Sha256Digest::of(act)));
    let archive = old(&page).archive;
    let keys = KeysOfLog::new(VerifierKey::parse(&archive.keys.log).unwrap());
    assert_eq!(body.text(&archive.origin), page["succession-text"]);
    assert!(is_vouched_by_old_key(body, &archive.origin, &keys));
    assert!(!is_vouched_by_old_key(body, "another", &keys));
}
