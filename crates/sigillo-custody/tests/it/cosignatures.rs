//! Cosignatures of witnesses and time-stamps beside the log, and what somebody else put under their names.

use sigillo_custody::{
    AnchorFault, CosignatureOutcome, CosignedCheckpoint, ReceiptLog, read_cosignatures,
    store_anchor, store_cosignature,
};
use sigillo_ers::TrustAnchors;
use sigillo_merkle::{
    Checkpoint, CosignedAt, NoteSignature, SignedNote, VerifierKey, cosignature_message,
};
use sigillo_model::{ObjectKey, Severity, Sha256Digest, Signer as _};
use sigillo_testkit::MemorySigner;

use crate::receipts::World;

struct Cosigned {
    world: World,
    checkpoint: Checkpoint,
    note: SignedNote,
    witness: VerifierKey,
    line: NoteSignature,
}

impl Cosigned {
    async fn new() -> Self {
        let world = World::new().await;
        let note = world.archive.store().read(&ObjectKey::checkpoint(), u64::MAX).await.unwrap();
        let note = SignedNote::parse(&note).unwrap();
        let checkpoint = Checkpoint::parse(&note.text).unwrap();
        let signer = MemorySigner::new(7);
        let public_key = signer.public_key().try_into().unwrap();
        let witness = VerifierKey::new_cosigner("polo.example/1".to_owned(), public_key).unwrap();
        let at = CosignedAt::from_unix_seconds(1_800_000_000).unwrap();
        let message = cosignature_message(at, note.text.as_bytes());
        let signature = signer.sign(&message).unwrap().try_into().unwrap();
        let line = NoteSignature::cosignature(&witness, at, signature);
        Self { world, checkpoint, note, witness, line }
    }

    async fn store(&self) -> CosignatureOutcome {
        let (archive, witness) = (&self.world.archive, &self.witness);
        store_cosignature(archive, &self.note, witness, &self.line).await.unwrap()
    }

    async fn read(&self) -> Option<CosignedCheckpoint> {
        let witnesses = std::slice::from_ref(&self.witness);
        read_cosignatures(&self.world.archive, &self.checkpoint, witnesses).await.unwrap()
    }

    fn key(&self) -> ObjectKey {
        let witness = Sha256Digest::of(self.witness.to_string().as_bytes());
        ObjectKey::cosignature(1, self.checkpoint.size, witness)
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_cosignature_keeps_none_out() {
    let whole = Cosigned::new().await;
    assert_eq!(whole.store().await, CosignatureOutcome::Stored);
    let bytes = whole.world.archive.store().read(&whole.key(), u64::MAX).await.unwrap();
    let mut note = whole.note.clone();
    note.signatures.push(whole.note.signatures[0].clone());
    for junk in [b"nonsense".to_vec(), vec![b'x'; 1 << 20], note.to_bytes(), bytes[..9].to_vec()] {
        let cosigned = Cosigned::new().await;
        let store = cosigned.world.archive.store();
        store.create(&cosigned.key(), junk.into()).await.unwrap();
        assert_eq!(cosigned.read().await, None);
        let damaged = cosigned.key();
        for _ in 0..2 {
            let outcome = cosigned.store().await;
            assert_eq!(outcome, CosignatureOutcome::StoredBeside { damaged: damaged.clone() });
        }
        // Junk beside does no harm either.
        let beside = ObjectKey::cosignature_beside(&damaged, Sha256Digest::of(b"x"));
        store.create(&beside, "nonsense".into()).await.unwrap();
        let found = cosigned.read().await.expect("the cosignature");
        assert_eq!(found.checkpoint, cosigned.checkpoint);
        assert_eq!(found.witnesses.len(), 1);
    }
}

#[tokio::test]
async fn the_first_cosignature_of_a_witness_is_kept() {
    let mut cosigned = Cosigned::new().await;
    assert_eq!(cosigned.store().await, CosignatureOutcome::Stored);
    let first = cosigned.read().await;
    let at = CosignedAt::from_unix_seconds(1_900_000_000).unwrap();
    let message = cosignature_message(at, cosigned.note.text.as_bytes());
    let signature = MemorySigner::new(7).sign(&message).unwrap().try_into().unwrap();
    cosigned.line = NoteSignature::cosignature(&cosigned.witness, at, signature);
    assert_eq!(cosigned.store().await, CosignatureOutcome::WasThere);
    assert_eq!(cosigned.read().await, first);
}

#[tokio::test]
async fn what_is_no_time_stamp_and_named_by_no_entry_is_no_damage() {
    let Cosigned { world, checkpoint, .. } = Cosigned::new().await;
    store_anchor(&world.archive, checkpoint.size, b"nonsense").await.unwrap();
    let key = ObjectKey::anchor(1, checkpoint.size, Sha256Digest::of(b"another"));
    world.archive.store().create(&key, "nonsense".into()).await.unwrap();
    store_anchor(&world.archive, checkpoint.size + 9, b"nonsense").await.unwrap();
    let log = ReceiptLog::read(&world.archive).await.unwrap();
    let mut anchors = log.anchors(&world.archive, &TrustAnchors::new()).await.unwrap();
    assert_eq!(anchors.len(), 3);
    assert!(anchors.iter().any(|it| matches!(it.token, Err(AnchorFault::Token(_)))));
    assert!(anchors.iter().any(|it| matches!(it.token, Err(AnchorFault::Name))));
    assert!(anchors.iter().any(|it| matches!(it.token, Err(AnchorFault::Beyond))));
    for anchor in &mut anchors {
        assert_eq!((anchor.is_logged, anchor.severity()), (false, Severity::Note), "{anchor:?}");
        anchor.is_logged = true;
        assert_eq!(anchor.severity(), Severity::Damage, "{anchor:?}");
    }
}
