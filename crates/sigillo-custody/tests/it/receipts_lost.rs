//! Receipts from an archive that has lost what hash trees consist of, or left documents out of them: what a
//! receipt keeps, and what is said of it, which its check bears out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::SignedDuration;
use tempfile::TempDir;

use sigillo_authorities::{Authorities, KeyFolder};
use sigillo_custody::{
    GivenReceipt, ReceiptLog, ReceiptMaker, ReceiptOf, RehashJournal, Rehasher, VerifyProgress,
};
use sigillo_ers::{AlgorithmTable, TrustAnchors, pem_blocks};
use sigillo_evidence_log::{
    Chains, EVIDENCE_LINE, RenewalRules, Renewer, StampWith, Stamping, ToldRevocations,
    commit_hash_tree, plan_renewals, read_pack_list, read_view,
};
use sigillo_model::{Clock as _, ObjectKey, RenewalId, Severity, Verdict, VersionId};
use sigillo_proof::{BundleRules, Receipt, ReceiptTrust, check_receipt_at};
use sigillo_store::CpuPool;

use crate::receipts::{FIRST, World};

/// A line of SHA-512.
const LONG: &str = "plain-sha512-long";

/// SHA-256, SHA-512 and ECDSA hold for ever: what ends is certificates, after ten years.
const TABLE: &str = "source = \"made up\"\nissued = \"2026-01-01\"\n[[hash]]\nname = \"SHA-256\"\n\
                     [[hash]]\nname = \"SHA-512\"\n[[signature]]\nscheme = \"ecdsa\"\nbits_min = 256";

/// An archive with one sealing of two documents in packs of their own.
struct Trees {
    world: World,
    versions: Vec<VersionId>,
    algorithms: AlgorithmTable,
    anchors: TrustAnchors,
    folder: TempDir,
    cpu: CpuPool,
}

impl Trees {
    /// Makes one, with a time-stamp on the line of SHA-256 if it is to be `stamped` there.
    async fn new() -> Self {
        let mut world = World::new().await;
        let versions = world.batch(FIRST, &[1, 1]).await;
        world.end(FIRST, 2, &[]).await;
        world.seal().await;
        Self {
            versions,
            algorithms: AlgorithmTable::from_toml(TABLE).unwrap(),
            anchors: world.anchors(),
            folder: tempfile::tempdir().unwrap(),
            cpu: CpuPool::start(1).unwrap(),
            world,
        }
    }

    fn let_pass(&self, days: u32) {
        self.world.clock.advance(Duration::from_hours(24) * days);
    }

    /// Returns an authority whose certificate is of today.
    fn authority(&mut self) -> Authorities {
        let (clock, entropy) = (self.world.clock.clone(), Arc::clone(&self.world.entropy));
        let place = self.folder.path().join(clock.now().to_string());
        let keys = KeyFolder::create(&place, "Comune di Prova", &clock, &*entropy).unwrap();
        for der in pem_blocks(keys.trial_root_pem(), "CERTIFICATE").unwrap() {
            self.anchors.add_der("an authority", &der).unwrap();
        }
        let trial = keys.trial_authority(Arc::new(clock), entropy);
        let tolerance = SignedDuration::from_mins(1);
        Authorities::new(vec![Arc::new(trial)], self.anchors.clone(), tolerance)
    }

    /// Makes new hash trees over the line of SHA-256.
    async fn rehash(&mut self) {
        let authorities = &self.authority();
        let archive = self.world.archive.clone();
        let (anchors, algorithms) = (&self.anchors, &self.algorithms);
        let (clock, entropy) = (&self.world.clock, &*self.world.entropy);
        let rules = RenewalRules {
            line: EVIDENCE_LINE,
            anchors,
            algorithms,
            at: clock.now(),
            lead: SignedDuration::ZERO,
            all: false,
            all_trees: true,
            over_lost: false,
        };
        let plan = plan_renewals(&archive, &rules).await.unwrap();
        let view = &read_view(&archive).await.unwrap();
        let chains = &Chains::read(&archive, view).await.unwrap();
        let (line, progress) = (EVIDENCE_LINE, Arc::new(VerifyProgress::default()));
        let rehasher = Rehasher { archive: &archive, cpu: &self.cpu, view, chains, line, progress };
        let (renewal, mut journal) = (RenewalId::random(entropy), RehashJournal::default());
        let made = rehasher.make(&plan.trees, renewal, &mut journal).await.unwrap();
        let renewer = Renewer { authorities, anchors, algorithms, clock, entropy };
        let trees = made.unstamped();
        let done = commit_hash_tree(&renewer, &mut self.world.log, &plan, trees).await.unwrap();
        assert!(done.rehashed.is_some(), "{done:?}");
    }

    /// Makes the first time-stamp on the line of SHA-512.
    async fn stamp_long(&mut self) {
        let authorities = &self.authority();
        let archive = self.world.archive.clone();
        let (clock, entropy) = (&self.world.clock, &*self.world.entropy);
        let with = StampWith { line: LONG, authorities, clock, entropy };
        let mut stamping = Stamping::begin(&self.world.log, with).await.unwrap();
        let (view, chains) = (&stamping.view().clone(), &Chains::default());
        let (line, progress) = (LONG, Arc::new(VerifyProgress::default()));
        let rehasher = Rehasher { archive: &archive, cpu: &self.cpu, view, chains, line, progress };
        for sealing in stamping.waiting() {
            let made = rehasher.first(&sealing, RenewalId::random(entropy)).await.unwrap();
            let trees = Some(made.unstamped());
            assert!(stamping.stamp(&mut self.world.log, &sealing, trees).await.unwrap());
        }
        assert_eq!(stamping.finish(&self.world.log).await.unwrap().waiting, 0);
    }

    /// Returns the objects of the trees on a line: leaves, `tree.json`, and the token over them.
    async fn objects(&self, line: &str) -> [ObjectKey; 3] {
        let view = read_view(&self.world.archive).await.unwrap();
        let chains = Chains::read(&self.world.archive, &view).await.unwrap();
        let mut tokens = chains.of(line, 1).iter();
        let found = tokens.find_map(|it| Some((it, &chains.trees_under(it)?.tree))).unwrap();
        let leaves = found.1.sealings[0].batches[0].leaves.unwrap();
        let (leaves, tree) = (ObjectKey::hash_tree_leaves(leaves), found.1.renewal);
        [leaves, ObjectKey::hash_tree(tree), found.0.key(&view)]
    }

    /// Returns the pack of a document.
    async fn pack(&self, document: usize) -> ObjectKey {
        let view = read_view(&self.world.archive).await.unwrap();
        let list = read_pack_list(self.world.archive.store(), &view.batches[0].body).await;
        ObjectKey::pack(list.unwrap()[document].name)
    }

    /// Makes new hash trees that leave out the second document.
    async fn rehash_without_one(&mut self) {
        let pack = self.pack(1).await;
        let bytes = self.lose(&pack).await;
        self.rehash().await;
        self.put(&pack, bytes).await;
    }

    /// Gives a receipt of each document, and of both; says what is told of each, and whether it proves them.
    async fn each(&self) -> Vec<(Vec<(&'static str, Severity, String)>, Verdict)> {
        let mut all = Vec::new();
        for documents in [&[0][..], &[1], &[0, 1]] {
            let given = self.give(documents, None).await;
            let (told, verdict) = (told(&given), self.check(&given.receipt));
            let is_grave = |it: &&(&str, Severity, String)| it.1 == Severity::CannotTell;
            // A renewal that is left out is told with an exit code whatever is left.
            let mut graver = told.iter().filter(is_grave).filter(|it| it.0 != "F514");
            let mut grave = told.iter().filter(is_grave);
            let is_dated = grave.clone().all(|it| it.2.contains("until 20"));
            let (graver, grave) = (graver.next().is_some(), grave.next().is_some());
            let is_proven = verdict == Verdict::Intact;
            let is_so = is_proven && !graver || !is_proven && grave && !is_dated;
            assert!(is_so, "{documents:?}, {verdict:?}: {told:?}");
            all.push((told, verdict));
        }
        all
    }

    /// Changes an object, and returns what it was.
    async fn lose(&self, key: &ObjectKey) -> Bytes {
        let bytes = self.world.archive.store().read(key, u64::MAX).await.unwrap();
        self.put(key, "lost".into()).await;
        bytes
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) {
        self.world.archive.store().parts().0.replace(key, bytes).await.unwrap();
    }

    /// Gives a receipt of some documents, or completes one.
    async fn give(&self, documents: &[usize], older: Option<&Receipt>) -> GivenReceipt {
        let archive = &self.world.archive;
        let log = &ReceiptLog::read_for_receipts(archive).await.unwrap();
        let (reads, told) = (&self.world.reads, &ToldRevocations::default());
        let (anchors, algorithms, at) = (&self.anchors, &self.algorithms, self.world.clock.now());
        let maker = ReceiptMaker { archive, log, reads, told, anchors, algorithms, at };
        let versions = documents.iter().map(|it| self.versions[*it]).collect();
        match older {
            Some(older) => maker.refresh(older).await.unwrap(),
            None => maker.make(&ReceiptOf::Versions(versions)).await.unwrap(),
        }
    }

    /// Checks a receipt as of now.
    fn check(&self, receipt: &Receipt) -> Verdict {
        let log = self.world.archive.log_keys_of(1);
        let trust = &ReceiptTrust { log, anchors: self.anchors.clone(), ..ReceiptTrust::default() };
        let (algorithms, at) = (&self.algorithms, self.world.clock.now());
        let receipt = Receipt::parse(&receipt.to_json()).unwrap();
        check_receipt_at(&receipt, &[], &BundleRules { trust, algorithms, at }).0.verdict
    }
}

/// Says what is told of a receipt: code, severity, words.
fn told(given: &GivenReceipt) -> Vec<(&'static str, Severity, String)> {
    let findings = given.findings.iter();
    findings.map(|it| (it.code.code(), it.severity, it.message.clone())).collect()
}

#[tokio::test]
async fn a_receipt_keeps_the_places_in_hash_trees_that_the_archive_has_lost() {
    let mut it = Trees::new().await;
    it.let_pass(1000);
    it.rehash().await;
    it.stamp_long().await;
    let older = it.give(&[0, 1], None).await;
    assert_eq!(told(&older), []);
    let places = |it: &Receipt| -> Vec<_> {
        it.documents.iter().map(|it| (it.hash_trees.clone(), it.sha512.clone())).collect()
    };
    assert!(places(&older.receipt).iter().all(|(trees, _)| trees.len() == 2));
    for line in [EVIDENCE_LINE, LONG] {
        for key in it.objects(line).await {
            let bytes = it.lose(&key).await;
            let newer = it.give(&[], Some(&older.receipt)).await;
            assert_eq!(told(&newer), [], "{line}, {key}");
            assert_eq!(places(&newer.receipt), places(&older.receipt), "{line}, {key}");
            it.put(&key, bytes).await;
        }
    }
    it.let_pass(3_000);
    assert_eq!(it.check(&older.receipt), Verdict::Intact);
}

/// Returns the codes and severities of what is told.
fn codes(told: &[(&'static str, Severity, String)]) -> Vec<(&'static str, Severity)> {
    told.iter().map(|(code, severity, _)| (*code, *severity)).collect()
}

const NOTE: Severity = Severity::Note;
const GRAVE: Severity = Severity::CannotTell;

#[tokio::test]
async fn what_new_hash_trees_left_out_is_proven_by_what_came_before_as_long_as_that_holds() {
    let mut it = Trees::new().await;
    it.let_pass(1000);
    it.rehash_without_one().await;
    let [first, second, both] = it.each().await.try_into().unwrap();
    assert_eq!((codes(&first.0), codes(&second.0)), (vec![], vec![("F521", NOTE)]));
    let words = "what came before these on the line proves them alone, until 2036-11-";
    for (told, _) in [&second, &both] {
        assert!(told[0].2.contains(words) && told[0].2.contains("when a certificate"), "{told:?}");
    }
    it.let_pass(3000);
    let [first, second, both] = it.each().await.try_into().unwrap();
    assert_eq!(codes(&first.0), []);
    for (told, _) in [&second, &both] {
        assert_eq!(codes(told), [("F521", GRAVE)]);
        assert!(told[0].2.contains("neither what came before these on the line nor"), "{told:?}");
    }
}

#[tokio::test]
async fn another_line_proves_what_new_hash_trees_left_out() {
    let mut it = Trees::new().await;
    it.let_pass(1000);
    it.rehash_without_one().await;
    it.stamp_long().await;
    it.let_pass(3000);
    let each = it.each().await;
    assert_eq!(codes(&each[1].0), [("F521", NOTE)]);
    assert!(each[1].0[0].2.contains("the other lines of the sealing prove them alone"), "{each:?}");
    // Without its leaves that line has no document, and the other has the second no more.
    it.lose(&it.objects(LONG).await[0]).await;
    let [first, second, both] = it.each().await.try_into().unwrap();
    assert_eq!(codes(&first.0), [("F516", NOTE)]);
    assert!(first.0[0].2.contains("the other lines of the sealing prove them alone"), "{first:?}");
    assert_eq!(codes(&second.0), [("F521", GRAVE), ("F516", GRAVE)]);
    assert_eq!(codes(&both.0), [("F521", GRAVE), ("F516", GRAVE)]);
}

#[tokio::test]
async fn of_lost_leaves_it_is_said_until_when_the_rest_holds() {
    let mut it = Trees::new().await;
    it.let_pass(1000);
    it.rehash().await;
    it.let_pass(100);
    let [leaves, tree, token] = it.objects(EVIDENCE_LINE).await;
    let before = "what came before these on the line proves them alone, until 2036-11-";
    let rest =
        "without it the evidence given here on the line plain-sha256-trial holds until 2036-11-";
    for (key, words) in [(&leaves, before), (&tree, rest), (&token, rest)] {
        let bytes = it.lose(key).await;
        for (told, verdict) in it.each().await {
            assert_eq!((codes(&told), verdict), (vec![("F514", GRAVE)], Verdict::Intact), "{key}");
            assert!(told[0].2.contains(words), "{key}: {told:?}");
        }
        it.put(key, bytes).await;
    }
    it.let_pass(3000);
    let ended = "neither what came before these on the line nor another line";
    let rest = "without it the evidence given here on the line plain-sha256-trial does not hold";
    for (key, words) in [(&leaves, ended), (&tree, rest), (&token, rest)] {
        let bytes = it.lose(key).await;
        let given = it.give(&[0, 1], None).await;
        assert_eq!(it.check(&given.receipt), Verdict::CannotTell);
        assert_eq!(codes(&told(&given)), [("F514", GRAVE)], "{key}");
        assert!(given.findings[0].message.contains(words), "{key}: {given:?}");
        it.put(key, bytes).await;
    }
}

#[tokio::test]
async fn of_a_renewal_that_is_left_out_no_day_is_named_where_the_rest_is_not_believed() {
    let mut it = Trees::new().await;
    it.let_pass(1000);
    it.rehash().await;
    it.anchors = TrustAnchors::new();
    it.lose(&it.objects(EVIDENCE_LINE).await[2]).await;
    let given = it.give(&[0, 1], None).await;
    assert_eq!(it.check(&given.receipt), Verdict::CannotTell);
    let message = &given.findings[0].message;
    assert!(message.contains("does not hold") && !message.contains("until"), "{message}");
}

#[tokio::test]
async fn what_is_said_of_a_receipt_is_what_its_check_says_whatever_is_lost() {
    for leaves_out in [false, true] {
        let mut it = Trees::new().await;
        it.let_pass(1000);
        if leaves_out {
            it.rehash_without_one().await;
        } else {
            it.rehash().await;
        }
        it.stamp_long().await;
        let (short, long) = (it.objects(EVIDENCE_LINE).await, it.objects(LONG).await);
        for _ in 0..2 {
            for on_short in [None, Some(0), Some(1), Some(2)] {
                for on_long in [None, Some(0), Some(1), Some(2)] {
                    let on_short = on_short.map(|at: usize| &short[at]);
                    let on_long = on_long.map(|at: usize| &long[at]);
                    let mut kept = Vec::new();
                    for key in on_short.into_iter().chain(on_long) {
                        kept.push((key, it.lose(key).await));
                    }
                    it.each().await;
                    for (key, bytes) in kept {
                        it.put(key, bytes).await;
                    }
                }
            }
            it.let_pass(3000);
        }
    }
}
