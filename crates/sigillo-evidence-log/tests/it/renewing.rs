//! Renewing time-stamps: what is due, one time-stamp over all, and what an audit says of it.

use std::{fs, path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use sigillo_authorities::{Authorities, KeyFolder, TimeStampAuthority};
use sigillo_ers::{AlgorithmTable, TrustAnchors, list_value, pem_blocks, tree_root};
use sigillo_evidence_log::{
    AuditKnowledge, AuditTime, Chains, EVIDENCE_LINE, LogAudit, LogWriter, RENEWAL_LEAD,
    RenewOutcome, RenewalPlan, RenewalRules, Renewer, SealOutcome, UnstampedTree, commit_hash_tree,
    plan_renewals, read_view, stamp_sealings,
};
use sigillo_model::{
    Clock as _, Entry, EvidenceDigest, EvidenceRenewed, ObjectKey, RenewalId, RenewalMember,
    RenewalMembers, Sha256Digest, Sha512Digest, to_canonical,
};
use sigillo_testkit::{Fault, FaultPlan};

use crate::world::{Place, World, commit, faults};

/// SHA-256, SHA-512 and ECDSA hold for ever.
pub(crate) const TABLE: &str = r#"
    source = "a future that was made up"
    issued = "2026-01-01"
    [[hash]]
    name = "SHA-256"
    [[hash]]
    name = "SHA-512"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 256
"#;

const DAY: Duration = Duration::from_hours(24);

/// When the certificate of the first authority ends: ten years after the world begins.
const FIRST_END: &str = "2036-11-25";

/// An archive whose authority gets a new key, and a new root, now and then.
pub(crate) struct Renewing {
    pub(crate) world: World,
    algorithms: AlgorithmTable,
    anchors: TrustAnchors,
    /// The authority of today.
    keys: KeyFolder,
    folder: TempDir,
}

impl Renewing {
    /// Makes sealings with a time-stamp each.
    pub(crate) async fn with_sealings(count: usize) -> Self {
        Self::with_sealings_in(Place::Folder, count).await
    }

    async fn with_sealings_in(place: Place, count: usize) -> Self {
        let world = World::new(place).await;
        let mut log = world.writer().await;
        for _ in 0..count {
            commit(&mut log, &[world.batch(2).await]).await;
            world.sealed(&mut log).await;
        }
        assert_eq!(world.stamp(&mut log).await.stamped.len(), count);
        let anchors = world.anchors();
        let folder = tempfile::tempdir().unwrap();
        let keys = new_keys(&world, &folder.path().join("first"));
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let mut this = Self { world, algorithms, anchors, keys, folder };
        this.trust();
        this
    }

    /// Lets days go by; then the authority has a new key.
    pub(crate) fn let_pass(&mut self, days: u32) {
        self.world.clock.advance(DAY * days);
        let name = self.world.clock.now().to_string();
        self.keys = new_keys(&self.world, &self.folder.path().join(name));
        self.trust();
    }

    fn trust(&mut self) {
        for der in pem_blocks(self.keys.trial_root_pem(), "CERTIFICATE").unwrap() {
            self.anchors.add_der("an authority", &der).unwrap();
        }
    }

    pub(crate) fn authorities(&self) -> Authorities {
        self.authorities_of(&self.keys)
    }

    fn authorities_of(&self, keys: &KeyFolder) -> Authorities {
        let (clock, entropy) = (self.world.clock.clone(), Arc::clone(&self.world.entropy));
        let trial = keys.trial_authority(Arc::new(clock), entropy);
        let tolerance = SignedDuration::from_mins(1);
        Authorities::new(vec![Arc::new(trial)], self.anchors.clone(), tolerance)
    }

    pub(crate) async fn plan(&self, all: bool) -> RenewalPlan {
        self.plan_over(all, false).await
    }

    pub(crate) async fn plan_over(&self, all: bool, over_lost: bool) -> RenewalPlan {
        self.plan_on(EVIDENCE_LINE, (all, over_lost, false)).await
    }

    pub(crate) async fn plan_on(
        &self,
        line: &str,
        (all, over_lost, all_trees): (bool, bool, bool),
    ) -> RenewalPlan {
        let rules = RenewalRules { all, all_trees, over_lost, ..self.rules(line) };
        plan_renewals(&self.world.archive().await, &rules).await.unwrap()
    }

    fn rules<'a>(&'a self, line: &'a str) -> RenewalRules<'a> {
        RenewalRules {
            line,
            anchors: &self.anchors,
            algorithms: &self.algorithms,
            at: self.world.clock.now(),
            lead: RENEWAL_LEAD,
            all: false,
            all_trees: false,
            over_lost: false,
        }
    }

    async fn renew_by(
        &self,
        log: &mut LogWriter,
        plan: &RenewalPlan,
        authorities: &Authorities,
    ) -> RenewOutcome {
        self.renewer(authorities).renew(log, plan).await.unwrap()
    }

    fn renewer<'a>(&'a self, authorities: &'a Authorities) -> Renewer<'a> {
        Renewer {
            authorities,
            anchors: &self.anchors,
            algorithms: &self.algorithms,
            clock: &self.world.clock,
            entropy: &*self.world.entropy,
        }
    }

    /// Renews everything with the authority of today, and returns what the log says of it.
    pub(crate) async fn renewed(&self) -> EvidenceRenewed {
        self.renewed_on(EVIDENCE_LINE, false).await
    }

    /// Renews everything on a line, and over what is lost as well.
    pub(crate) async fn renewed_on(&self, line: &str, over_lost: bool) -> EvidenceRenewed {
        let plan = self.plan_on(line, (true, over_lost, false)).await;
        self.carry_out(&plan).await
    }

    pub(crate) async fn carry_out(&self, plan: &RenewalPlan) -> EvidenceRenewed {
        let authorities = self.authorities_of(&self.keys);
        let mut log = self.world.writer().await;
        let outcome = self.renew_by(&mut log, plan, &authorities).await;
        assert_eq!((outcome.waiting, outcome.overtaken, outcome.refused.len()), (0, false, 0));
        outcome.renewed.into_iter().next().unwrap().0
    }

    /// Has new hash trees stamped.
    pub(crate) async fn stamp_trees(&self, plan: &RenewalPlan, trees: UnstampedTree<'_>) {
        let authorities = self.authorities_of(&self.keys);
        let mut log = self.world.writer().await;
        let renewer = self.renewer(&authorities);
        let outcome = commit_hash_tree(&renewer, &mut log, plan, trees).await.unwrap();
        assert!(outcome.rehashed.is_some(), "{outcome:?}");
    }

    /// Has the sealings stamped on another line.
    pub(crate) async fn stamp_on(&self, line: &str) {
        let authorities = self.authorities_of(&self.keys);
        let (clock, entropy) = (&self.world.clock, &*self.world.entropy);
        let mut log = self.world.writer().await;
        stamp_sealings(&mut log, line, &authorities, clock, entropy).await.unwrap();
    }

    /// Audits as of a day; `None` looks at each time-stamp at its own time.
    pub(crate) async fn audit_at(&self, day: Option<&str>) -> LogAudit {
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        let algorithms = self.algorithms.clone();
        let time = day.map(|day| AuditTime { algorithms, at: at(day) });
        let anchors = self.anchors.clone();
        self.world
            .audit_of(AuditKnowledge {
                anchors,
                log_key_trusted: true,
                seen: None,
                seen_before: Vec::new(),
                time,
            })
            .await
    }

    pub(crate) async fn faults_at(&self, day: Option<&str>) -> Vec<(&'static str, String)> {
        let audit = self.audit_at(day).await;
        faults(&audit).into_iter().map(|(code, object)| (code, object.to_owned())).collect()
    }

    pub(crate) fn file(&self, key: &ObjectKey) -> std::path::PathBuf {
        self.world.file(key)
    }
}

/// Renews while a call of the store goes wrong, and sees that nothing acknowledged is lost and that
/// the same again brings it to its end. Returns whether the fault was reached.
async fn check_fault(number: u64, fault: Fault) -> bool {
    let mut it = Renewing::with_sealings_in(Place::Memory, 2).await;
    it.let_pass(3_500);
    let plan = it.plan(false).await;
    let authorities = it.authorities_of(&it.keys);
    let (whole, faulty) = (it.world.store.clone(), FaultPlan::at(number, fault));
    it.world.store = faulty.wrap(&whole);
    let mut acknowledged = Vec::new();
    if let Ok(mut log) = it.world.try_writer().await {
        let renewer = it.renewer(&authorities);
        if let Ok(outcome) = renewer.renew(&mut log, &plan).await {
            acknowledged.extend(outcome.renewed.into_iter().map(|(body, _)| body));
        }
    }
    it.world.store = whole;
    let what = format!("call {number}, {fault:?}");
    drop(it.world.writer().await);
    let found = renewals(&it).await;
    assert!(acknowledged.iter().all(|body| found.contains(body)), "{what}");
    assert!(found.len() <= 1, "{what}");
    assert_eq!(it.faults_at(None).await, [], "{what}");
    let left = it.plan(false).await.due.len();
    assert_eq!(left, if found.is_empty() { 2 } else { 0 }, "{what}");
    if left > 0 {
        assert_eq!(it.renewed().await.members, 2, "{what}");
    }
    assert_eq!(it.faults_at(Some("2040-01-01")).await, [], "{what}");
    faulty.struck()
}

#[tokio::test(flavor = "multi_thread")]
async fn time_stamps_of_later_than_the_clock_say_that_it_is_wrong() {
    let it = Renewing::with_sealings(1).await;
    let [(code, object)] = &it.faults_at(Some("2016-11-25")).await[..] else { panic!("one fault") };
    assert!(*code == "F920" && object.starts_with("sealings/"), "{code} {object}");
    assert_eq!(it.faults_at(Some("2027-11-25")).await, []);
}

#[tokio::test]
async fn whatever_call_goes_wrong_a_renewal_is_there_or_is_not() {
    for fault in Fault::ALL {
        let mut number = 1;
        while check_fault(number, fault).await {
            number += 1;
        }
        assert!(number > 10, "{number} calls only");
    }
}

fn new_keys(world: &World, folder: &Path) -> KeyFolder {
    KeyFolder::create(folder, "Comune di Prova", &world.clock, &*world.entropy).unwrap()
}

fn members(numbers_and_tokens: Vec<(u64, Vec<Sha256Digest>)>) -> Vec<RenewalMember> {
    let members = numbers_and_tokens.into_iter();
    members
        .map(|(number, tokens)| RenewalMember { number, tokens, validation: Vec::new() })
        .collect()
}

#[tokio::test]
async fn one_time_stamp_renews_those_of_all_sealings() {
    let mut it = Renewing::with_sealings(3).await;
    assert_eq!(it.plan(false).await.due, [], "nothing is due in the first year");
    it.let_pass(3_500);
    let plan = it.plan(false).await;
    assert_eq!((plan.due.len(), plan.not_due, plan.findings.len()), (3, 0, 0));
    let before = plan.due[0].due.unwrap().before.unwrap().to_string();
    assert!(before.starts_with(FIRST_END), "{before}");
    let first = it.renewed().await;
    assert_eq!((first.members, first.trial, first.line.as_str()), (3, true, EVIDENCE_LINE));
    assert_eq!(it.faults_at(None).await, []);

    // Another sealing comes, and all are renewed by the next one.
    let mut log = it.world.writer().await;
    commit(&mut log, &[it.world.batch(1).await]).await;
    it.world.sealed(&mut log).await;
    assert_eq!(it.world.stamp(&mut log).await.stamped.len(), 1);
    let plan = it.plan(false).await;
    let due: Vec<_> = plan.due.iter().map(|it| it.number).collect();
    assert_eq!((due, plan.not_due), (vec![4], 3), "the first authority's certificate is old");
    let second = it.renewed().await;
    assert_eq!(second.members, 4);
    let view = read_view(&it.world.archive().await).await.unwrap();
    let chains = Chains::read(&it.world.archive().await, &view).await.unwrap();
    let lengths: Vec<_> = chains.iter().map(|(_, number, chain)| (number, chain.len())).collect();
    assert_eq!(lengths, [(1, 3), (2, 3), (3, 3), (4, 2)]);
    for (line, number, chain) in chains.iter() {
        let digests: Vec<_> = chain.iter().map(|token| token.sha256).collect();
        let last = chain.last().unwrap();
        let leaf = list_value(&digests[..digests.len() - 1]).unwrap();
        let path: Vec<_> = chains.path(last).iter().filter_map(EvidenceDigest::sha256).collect();
        let root = EvidenceDigest::from(sigillo_ers::walk_path(leaf, &path));
        assert_eq!((line, root, last.sha256), (EVIDENCE_LINE, second.root, second.token_sha256));
        assert_eq!(chains.of(line, number), chain);
    }
    assert_eq!(it.faults_at(None).await, []);
    assert_eq!(it.world.seal(&mut log).await.unwrap(), SealOutcome::NothingNew);
}

#[tokio::test]
async fn as_of_later_years_only_what_was_renewed_in_time_holds() {
    let mut it = Renewing::with_sealings(2).await;
    assert_eq!(it.faults_at(Some("2036-01-01")).await, []);
    let ended: Vec<_> = it.faults_at(Some("2037-01-01")).await;
    let codes: Vec<_> = ended.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["F911", "F911"], "{ended:?}");
    it.let_pass(3_500);
    it.renewed().await;
    assert_eq!(it.faults_at(Some("2037-01-01")).await, []);
    let due = |audit: &LogAudit| audit.findings.iter().any(|it| it.code.code() == "F511");
    assert!(!due(&it.audit_at(Some("2045-01-01")).await));
    assert!(due(&it.audit_at(Some("2046-05-01")).await));
    // The one new time-stamp is told of once.
    let token = ObjectKey::renewal_token(renewals(&it).await[0].renewal).to_string();
    assert_eq!(it.faults_at(Some("2047-01-01")).await, [("F911", token)]);
}

#[tokio::test]
async fn a_renewal_that_came_too_late_is_told_for_ever() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(4_000);
    assert_eq!(it.plan(false).await.due.len(), 1, "late is better than never");
    it.renewed().await;
    let codes: Vec<_> =
        it.faults_at(Some("2038-01-01")).await.into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["F909"]);
}

async fn renewals(it: &Renewing) -> Vec<EvidenceRenewed> {
    let view = read_view(&it.world.archive().await).await.unwrap();
    view.renewals.into_iter().map(|logged| logged.body).collect()
}

#[tokio::test]
async fn an_authority_that_cannot_help_changes_nothing() {
    let mut it = Renewing::with_sealings(2).await;
    let mut log = it.world.writer().await;
    it.world.clock.advance(DAY * 3_500);
    let plan = it.plan(false).await;
    let head = log.head();
    let nobody = Authorities::new(Vec::new(), it.anchors.clone(), SignedDuration::ZERO);
    // The second has the very certificate that comes to its end.
    for (authorities, words) in [
        (nobody, None),
        (
            it.authorities_of(&it.world.keys),
            Some("one that it is to renew holds as long or longer"),
        ),
    ] {
        let outcome = it.renew_by(&mut log, &plan, &authorities).await;
        assert_eq!((outcome.renewed.len(), outcome.waiting), (0, 2));
        let told = outcome.refused.iter().map(|it| it.words.as_str()).collect::<String>();
        assert!(words.is_none_or(|words| told.contains(words)), "{told}");
    }
    // One whose clock went back is no better.
    it.let_pass(1);
    let then = it.world.clock.now();
    it.world.clock.advance(DAY * 5);
    it.renewed().await;
    it.world.clock.set(then);
    let plan = it.plan(true).await;
    let head_after = it.world.writer().await.head();
    let authorities = it.authorities_of(&it.keys);
    let outcome = it.renew_by(&mut log, &plan, &authorities).await;
    assert!(outcome.refused[0].words.contains("clocks is wrong"), "{:?}", outcome.refused);
    assert_eq!((log.head(), head_after), (head + 1, head + 1));
}

/// Says what was renewed, what waits, and what was refused.
fn told(outcome: &RenewOutcome) -> (Vec<u64>, usize, String) {
    let members = outcome.renewed.iter().map(|(body, _)| body.members).collect();
    let refused = outcome.refused.iter().map(|it| it.words.as_str()).collect();
    (members, outcome.waiting, refused)
}

#[tokio::test]
async fn nothing_is_renewed_by_what_ends_sooner_and_the_next_authority_is_asked() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    it.renewed().await;
    let plan = it.plan(true).await;
    let [older, newer] = [&it.world.keys, &it.keys].map(|keys| {
        let (clock, entropy) = (it.world.clock.clone(), Arc::clone(&it.world.entropy));
        Arc::new(keys.trial_authority(Arc::new(clock), entropy)) as Arc<dyn TimeStampAuthority>
    });
    let of = |list| Authorities::new(list, it.anchors.clone(), SignedDuration::from_mins(1));
    let mut log = it.world.writer().await;
    let outcome = it.renew_by(&mut log, &plan, &of(vec![Arc::clone(&older)])).await;
    let (renewed, waiting, words) = told(&outcome);
    assert_eq!((&renewed[..], waiting), (&[][..], 2));
    assert!(words.contains("holds as long or longer"), "{words}");
    // The same certificate does no harm where nothing is due.
    let outcome = it.renew_by(&mut log, &plan, &of(vec![older, newer])).await;
    let (renewed, waiting, words) = told(&outcome);
    assert_eq!((&renewed[..], waiting), (&[2][..], 0));
    assert!(words.contains("holds as long or longer"), "{words}");
    assert_eq!(it.faults_at(Some("2036-12-25")).await, []);
}

#[tokio::test]
async fn what_holds_longer_keeps_nothing_from_being_renewed() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(50);
    let middle = it.folder.path().join(it.world.clock.now().to_string());
    it.let_pass(50);
    let mut plan = it.plan(true).await;
    plan.due.retain(|it| it.number == 2);
    it.carry_out(&plan).await;
    // The first ends on day 3653, the authority on day 3703, the second on day 3753.
    it.world.clock.advance(DAY * 3_500);
    let plan = it.plan(false).await;
    assert_eq!(plan.due.len(), 2);
    let mut log = it.world.writer().await;
    let middle = it.authorities_of(&KeyFolder::open(&middle).unwrap());
    let (renewed, waiting, words) = told(&it.renew_by(&mut log, &plan, &middle).await);
    assert_eq!((&renewed[..], waiting), (&[1][..], 1));
    assert!(words.contains("holds as long or longer"), "{words}");
    let left: Vec<u64> = it.plan(false).await.due.iter().map(|it| it.number).collect();
    assert_eq!(left, [1, 2], "both end within half a year yet");
    // Again nobody gains.
    let plan = it.plan(false).await;
    let (renewed, waiting, _) = told(&it.renew_by(&mut log, &plan, &middle).await);
    assert_eq!((&renewed[..], waiting), (&[][..], 2));
    assert_eq!(it.faults_at(Some("2036-12-25")).await, []);
}

#[tokio::test]
async fn of_two_that_renew_at_once_one_gives_way() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(3_500);
    let plan = it.plan(false).await;
    let authorities = it.authorities_of(&it.keys);
    let (mut one, mut other) = (it.world.writer().await, it.world.writer().await);
    assert_eq!(it.renew_by(&mut one, &plan, &authorities).await.renewed.len(), 1);
    let outcome = it.renew_by(&mut other, &plan, &authorities).await;
    assert!(outcome.overtaken && outcome.renewed.is_empty() && outcome.waiting == 2);
    assert_eq!(renewals(&it).await.len(), 1);
    assert_eq!(it.plan(false).await.due, []);
    assert_eq!(it.faults_at(None).await, []);
}

#[tokio::test]
async fn whatever_is_changed_in_a_renewal_is_found() {
    let mut it = Renewing::with_sealings(3).await;
    it.let_pass(3_500);
    let body = it.renewed().await;
    let keys = [ObjectKey::renewal_members(body.renewal), ObjectKey::renewal_token(body.renewal)];
    for key in &keys {
        let bytes = fs::read(it.file(key)).unwrap();
        for place in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            fs::write(it.file(key), changed).unwrap();
            assert_eq!(it.faults_at(None).await, [("F510", key.to_string())], "byte {place}");
        }
        fs::remove_file(it.file(key)).unwrap();
        assert_eq!(it.faults_at(None).await, [("F510", key.to_string())]);
        // Nothing is put under a newer time-stamp that could not be verified.
        let plan = it.plan(true).await;
        assert_eq!(plan.due.len(), 0, "{:?}", plan.findings);
        assert_eq!(plan.findings.len(), 1);
        fs::write(it.file(key), bytes).unwrap();
    }
    assert_eq!(it.faults_at(None).await, []);
}

#[tokio::test]
async fn an_older_time_stamp_that_is_missing_is_told_and_keeps_nothing_from_being_renewed() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(3_500);
    let body = it.renewed().await;
    it.let_pass(100);
    it.renewed().await;
    let view = read_view(&it.world.archive().await).await.unwrap();
    let first = &view.stamps[0].body;
    for (key, code) in [
        (ObjectKey::token(first.sealing, EVIDENCE_LINE, first.token_sha256), "F503"),
        (ObjectKey::renewal_token(body.renewal), "F510"),
    ] {
        let bytes = fs::read(it.file(&key)).unwrap();
        let changed = [&bytes[..bytes.len() - 1], &[0]].concat();
        for damaged in [None, Some(changed)] {
            fs::remove_file(it.file(&key)).unwrap();
            if let Some(bytes) = &damaged {
                fs::write(it.file(&key), bytes).unwrap();
            }
            assert_eq!(it.plan(false).await.findings, [], "nothing is due");
            let plan = it.plan(true).await;
            let told: Vec<_> =
                plan.findings.iter().map(|it| (it.code.code(), &it.object)).collect();
            assert_eq!((plan.due.len(), told), (2, vec![(code, &key.to_string())]));
            fs::write(it.file(&key), &bytes).unwrap();
        }
    }
    it.renewed().await;
    assert_eq!(it.faults_at(None).await, []);
}

/// Commits a renewal whose members are made up, with the right keys and a right token.
async fn forge(it: &Renewing, members: Vec<RenewalMember>, root: Option<Sha256Digest>) -> String {
    forge_stating(it, members, root, None).await
}

/// Does the same where the log states something as the SHA-512 of the token.
async fn forge_stating(
    it: &Renewing,
    members: Vec<RenewalMember>,
    root: Option<Sha256Digest>,
    token_sha512: Option<Sha512Digest>,
) -> String {
    let renewal = RenewalId::random(&*it.world.entropy);
    let leaves: Vec<_> = members.iter().filter_map(|it| list_value(&it.tokens)).collect();
    let root = root.or(tree_root(&leaves)).unwrap();
    let count = members.len() as u64;
    let line = EVIDENCE_LINE.to_owned();
    let bytes = to_canonical(&RenewalMembers { format: 1, line: line.clone(), members, renewal });
    let authorities = it.authorities_of(&it.keys);
    let stamped = authorities.stamp(root, &it.world.clock, &*it.world.entropy).await.unwrap();
    let token = stamped.token.raw().to_vec();
    let body = EvidenceRenewed {
        line,
        members: count,
        members_sha256: Sha256Digest::of(&bytes),
        renewal,
        root: root.into(),
        stamped_at: stamped.token.verified().stamped_at.to_string(),
        token_sha256: Sha256Digest::of(&token),
        token_sha512,
        trial: true,
    };
    let key = ObjectKey::renewal_members(renewal);
    it.world.store.create(&key, bytes.into()).await.unwrap();
    it.world.store.create(&ObjectKey::renewal_token(renewal), token.into()).await.unwrap();
    commit(&mut it.world.writer().await, &[Entry::EvidenceRenewed(body)]).await;
    key.to_string()
}

#[tokio::test]
async fn a_renewal_that_leaves_out_a_time_stamp_does_not_count() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(3_500);
    let first = it.renewed().await;
    let view = read_view(&it.world.archive().await).await.unwrap();
    let [one, two] = [0, 1].map(|at: usize| view.stamps[at].body.token_sha256);
    let newer = first.token_sha256;
    let other = Sha256Digest::of(b"another token");
    let mut expected = Vec::new();
    for forged in [
        vec![(1, vec![newer])],
        vec![(1, vec![one])],
        vec![(1, vec![newer, one])],
        vec![(1, vec![two, newer])],
        vec![(1, vec![one, newer, other])],
        vec![(3, vec![other])],
        vec![(2, vec![two, newer]), (1, vec![one, newer])],
        vec![(1, vec![one, newer]), (1, vec![one, newer])],
        vec![(1, vec![])],
    ] {
        let root = forged.iter().all(|(_, tokens)| tokens.is_empty()).then_some(other);
        expected.push(("F510", forge(&it, members(forged), root).await));
    }
    let right = vec![(1, vec![one, newer]), (2, vec![two, newer])];
    expected.push(("F510", forge(&it, members(right.clone()), Some(other)).await));
    // What is of SHA-256 has no digest of SHA-512.
    let one_too_many = Some(Sha512Digest::of(b"token"));
    expected.push(("F510", forge_stating(&it, members(right.clone()), None, one_too_many).await));
    let found = it.faults_at(None).await;
    assert_eq!(found, expected);
    // They stand in nobody's way.
    forge(&it, members(right), None).await;
    assert_eq!(it.faults_at(None).await, expected);
    let view = read_view(&it.world.archive().await).await.unwrap();
    let chains = Chains::read(&it.world.archive().await, &view).await.unwrap();
    assert!(chains.iter().all(|(_, _, chain)| chain.len() == 3));
}
