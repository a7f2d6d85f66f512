//! Signing checkpoints: what is remembered, and what is refused.

use std::fs;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use sigillo_authorities::{CheckpointSigner, KeyError, KeyFolder, SignedHead};
use sigillo_model::{ErrorKind, Sha256Digest};

use crate::support::TestFolder;

/// The head of `size` leaves of a log that is the same for everybody.
fn head(size: u64) -> SignedHead {
    SignedHead { size, root: Sha256Digest::of(&size.to_be_bytes()) }
}

/// Another log of the same size.
fn fork(size: u64) -> SignedHead {
    SignedHead { size, root: Sha256Digest::of(b"fork") }
}

fn last(signer: &CheckpointSigner) -> Option<SignedHead> {
    signer.last_signed().expect("a memory")
}

/// Signs a head that continues the last one.
#[track_caller]
fn check_signed(signer: &CheckpointSigner, head: SignedHead) {
    let text = format!("origin\n{}\n{}\n", head.size, head.root);
    let signature = signer.sign(head, text.as_bytes(), &mut |_| true).expect("a signature");
    UnparsedPublicKey::new(&ED25519, signer.public_key())
        .verify(text.as_bytes(), &signature)
        .expect("a true signature");
}

#[test]
fn the_first_head_is_signed_without_a_question_and_remembered() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    assert_eq!(last(&signer), None);
    let mut asked = |_| panic!("there is nothing to ask about");
    signer.sign(head(5), b"text", &mut asked).expect("a signature");
    assert_eq!(last(&signer), Some(head(5)));
}

#[test]
fn the_memory_outlives_the_process() {
    let folder = TestFolder::new();
    check_signed(&folder.keys.log_signer(), head(5));
    let reopened = KeyFolder::open(&folder.path).expect("a folder").log_signer();
    assert_eq!(last(&reopened), Some(head(5)));
    let mut asked = Vec::new();
    let mut extends = |last| {
        asked.push(last);
        false
    };
    let error = reopened.sign(head(9), b"text", &mut extends).expect_err("a refusal");
    assert_eq!(asked, [head(5)]);
    assert!(matches!(error, KeyError::Diverged { .. }), "{error:?}");
}

#[test]
fn a_head_that_does_not_continue_the_last_one_is_not_signed() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    check_signed(&signer, head(5));
    for other in [fork(4), fork(6)] {
        let error = signer.sign(other, b"text", &mut |_| false).expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Integrity);
        match error {
            KeyError::Diverged { last, head: refused } => {
                assert_eq!((last, refused), (head(5), other));
            }
            error => panic!("{error:?}"),
        }
        assert_eq!(last(&signer), Some(head(5)));
    }
}

#[test]
fn the_same_size_with_another_root_is_not_even_asked_about() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    check_signed(&signer, head(5));
    let mut asked = |_| panic!("nothing can make these one log");
    let error = signer.sign(fork(5), b"text", &mut asked).expect_err("a refusal");
    assert!(matches!(error, KeyError::Diverged { .. }), "{error:?}");
    assert_eq!(last(&signer), Some(head(5)));
}

#[test]
fn the_same_head_is_signed_again_without_a_question() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    check_signed(&signer, head(5));
    let reopened = KeyFolder::open(&folder.path).expect("a folder").log_signer();
    for signer in [signer, reopened] {
        let mut asked = |_| panic!("it is the same head");
        signer.sign(head(5), b"text", &mut asked).expect("a signature");
        assert_eq!(last(&signer), Some(head(5)));
    }
}

#[test]
fn a_smaller_head_of_the_same_log_is_signed_and_the_memory_left_alone() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    check_signed(&signer, head(9));
    check_signed(&signer, head(4));
    assert_eq!(last(&signer), Some(head(9)));
    check_signed(&signer, head(0));
    assert_eq!(last(&signer), Some(head(9)));
    check_signed(&signer, head(10));
    assert_eq!(last(&signer), Some(head(10)));
}

#[test]
fn nothing_is_signed_that_cannot_be_remembered_first() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    check_signed(&signer, head(5));
    let obstacle = folder.file("last-signed.json.new");
    fs::create_dir(&obstacle).expect("a folder in the way");
    let error = signer.sign(head(6), b"text", &mut |_| true).expect_err("a refusal");
    assert!(matches!(error, KeyError::Io { .. }), "{error:?}");
    assert_eq!(last(&signer), Some(head(5)));
    fs::remove_dir(&obstacle).expect("the folder");
    check_signed(&signer, head(6));
    assert_eq!(last(&signer), Some(head(6)));
}

#[test]
fn the_head_is_remembered_even_if_the_disk_was_set_back_meanwhile() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    check_signed(&signer, head(5));
    let older = fs::read(folder.file("last-signed.json")).expect("a file");
    check_signed(&signer, head(6));
    fs::write(folder.file("last-signed.json"), older).expect("a file");
    check_signed(&signer, head(6));
    assert_eq!(last(&signer), Some(head(6)));
}

#[test]
fn a_head_too_large_to_be_read_again_is_not_signed() {
    let folder = TestFolder::new();
    let signer = folder.keys.log_signer();
    assert!(signer.sign(head(1 << 53), b"text", &mut |_| true).is_err());
    assert_eq!(last(&signer), None);
    check_signed(&signer, head((1 << 53) - 1));
    assert_eq!(last(&signer), Some(head((1 << 53) - 1)));
}

#[test]
fn writers_at_the_same_time_never_forget_what_was_signed() {
    const HEADS: u64 = 200;
    let folder = TestFolder::new();
    std::thread::scope(|scope| {
        for parity in 0..2 {
            // Each with a folder of its own, as two processes have.
            let signer = KeyFolder::open(&folder.path).expect("a folder").log_signer();
            scope.spawn(move || {
                for size in (1..=HEADS).filter(|size| size % 2 == parity) {
                    check_signed(&signer, head(size));
                    let remembered = last(&signer).expect("a head");
                    assert!(remembered.size >= size, "{size} was forgotten for {remembered:?}");
                }
            });
        }
    });
    assert_eq!(last(&folder.keys.log_signer()), Some(head(HEADS)));
}
