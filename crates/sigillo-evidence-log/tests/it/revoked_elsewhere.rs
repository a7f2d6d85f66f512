//! Renewals that are revoked for who does not believe their authority, by what another time-stamp brings, or
//! by a list that is newer than the clock of the authority.

use jiff::{SignedDuration, Timestamp};

use sigillo_authorities::Authorities;
use sigillo_ers::{AlgorithmTable, TrustAnchors};
use sigillo_evidence_log::{
    AuditKnowledge, AuditTime, Chains, GatherRules, LogAudit, RENEWAL_LEAD, RenewOutcome,
    RenewalPlan, RenewalRules, Renewer, RevokedRenewals, ToldRevocations, gather_again,
    plan_gathering, plan_renewals, read_view, stamp_sealings,
};
use sigillo_model::{Clock, EvidenceRenewed, FindingCode, ObjectKey};

use crate::{
    gathering::TABLE,
    revoked_renewals::told,
    validation::{Far, LINE, RealClock, has_openssl, stamp},
    world::{Place, World},
};

const REVOKED: &str = "250101000000Z,superseded";

/// A clock that is some minutes fast.
#[derive(Debug)]
struct Fast(i64);

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        RealClock.now() + SignedDuration::from_mins(self.0)
    }
}

/// Whoever works on an archive.
struct Person<'a> {
    world: &'a World,
    anchors: &'a TrustAnchors,
    clock: Fast,
}

impl<'a> Person<'a> {
    fn new(world: &'a World, anchors: &'a TrustAnchors) -> Self {
        Self { world, anchors, clock: Fast(0) }
    }

    async fn plan(&self, algorithms: &AlgorithmTable) -> RenewalPlan {
        let rules = RenewalRules {
            line: LINE,
            anchors: self.anchors,
            algorithms,
            at: self.clock.now(),
            lead: RENEWAL_LEAD,
            all: true,
            all_trees: false,
            over_lost: false,
        };
        plan_renewals(&self.world.archive().await, &rules).await.unwrap()
    }

    async fn renew(&self, authorities: &Authorities) -> RenewOutcome {
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let plan = self.plan(&algorithms).await;
        let (clock, entropy) = (&self.clock, &*self.world.entropy);
        let (anchors, algorithms) = (self.anchors, &algorithms);
        let renewer = Renewer { authorities, anchors, algorithms, clock, entropy };
        renewer.renew(&mut self.world.writer().await, &plan).await.unwrap()
    }

    async fn renewed(&self, authorities: &Authorities) -> EvidenceRenewed {
        self.renew(authorities).await.renewed[0].0.clone()
    }

    async fn gather(&self, authorities: &Authorities) -> usize {
        let algorithms = &AlgorithmTable::from_toml(TABLE).unwrap();
        let rules = GatherRules { anchors: self.anchors, algorithms, at: self.clock.now() };
        let plan = plan_gathering(&self.world.archive().await, &rules).await.unwrap();
        let log = self.world.writer().await;
        gather_again(&log, &plan, &rules, authorities, &self.clock).await.unwrap().stored
    }

    async fn audit(&self) -> LogAudit {
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let at = self.clock.now() + SignedDuration::from_hours(24);
        let knowledge = AuditKnowledge {
            anchors: self.anchors.clone(),
            log_key_trusted: true,
            seen: None,
            seen_before: Vec::new(),
            time: Some(AuditTime { algorithms, at }),
        };
        self.world.audit_of(knowledge).await
    }

    /// Sees that an audit, a plan and whoever makes proofs leave one renewal out, and doubt nothing.
    async fn leaves_out(&self, renewal: &EvidenceRenewed) {
        let key = ObjectKey::renewal_token(renewal.renewal);
        let audit = self.audit().await;
        assert_eq!(told(&audit), (vec![], vec![key.as_str()]), "{:?}", audit.findings);
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let plan = self.plan(&algorithms).await;
        let revoked = plan.findings.iter().filter(|it| it.code == FindingCode::RenewalRevoked);
        let revoked: Vec<&str> = revoked.map(|it| &*it.object).collect();
        assert_eq!(revoked, [key.as_str()], "{plan:?}");
        let archive = self.world.archive().await;
        let view = read_view(&archive).await.unwrap();
        let chains = Chains::read(&archive, &view).await.unwrap();
        let of = (&archive, &view, &chains);
        let told = ToldRevocations::read(of, self.anchors).await.unwrap();
        let mut revoked = RevokedRenewals::new(&told, (self.anchors, self.clock.now()));
        let left_out = revoked.of(of, chains.of(LINE, 1)).await.unwrap();
        assert_eq!(left_out.into_keys().collect::<Vec<_>>(), [renewal.token_sha256]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_renewal_is_left_out_by_who_does_not_believe_its_authority() {
    if !has_openssl() {
        return;
    }
    let world = World::new(Place::Folder).await;
    let (far, other) = (Far::new(false), Far::new(false));
    other.bring_issuer();
    let mut both = far.anchors.clone();
    for (name, der) in other.anchors.certificates() {
        both.add_der(name, der).unwrap();
    }
    let owner = Person::new(&world, &both);
    stamp(&world, &far).await;
    other.certify("21", 5_000);
    let renewal = owner.renewed(&other.authorities).await;
    other.list_revoked(REVOKED, "21");
    other.publish();
    assert_eq!(owner.gather(&other.authorities).await, 1);
    owner.leaves_out(&renewal).await;
    Person::new(&world, &far.anchors).leaves_out(&renewal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_left_out_that_another_time_stamp_says_to_be_revoked() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let filling = far.authorities.clone().filling_tokens();
    let mut log = world.writer().await;
    log.commit(&[world.batch(2).await]).await.unwrap();
    world.sealed(&mut log).await;
    let stamped = stamp_sealings(&mut log, LINE, &filling, &RealClock, &*world.entropy).await;
    assert_eq!(stamped.unwrap().stamped.len(), 1);
    drop(log);
    let person = Person::new(&world, &far.anchors);
    far.certify("21", 5_000);
    let renewal = person.renewed(&filling).await;
    far.list_revoked(REVOKED, "21");
    far.certify("22", 6_000);
    person.renewed(&filling).await;
    let beside = world.keys_in_folder();
    assert!(beside.iter().all(|key| !key.as_str().contains("validation")), "{beside:?}");
    person.leaves_out(&renewal).await;
    // It is put beside the renewal, too.
    let algorithms = &AlgorithmTable::from_toml(TABLE).unwrap();
    let rules = GatherRules { anchors: &far.anchors, algorithms, at: RealClock.now() };
    let plan = plan_gathering(&world.archive().await, &rules).await.unwrap();
    let copies: Vec<_> = plan.copies.iter().map(|it| it.key.clone()).collect();
    assert_eq!(copies, [ObjectKey::renewal_token(renewal.renewal)]);
    assert_eq!((plan.revoked.len(), plan.replaced), (0, 1), "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_renews_with_what_a_list_revokes_that_is_newer_than_the_clock_of_the_authority() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    let person = Person { world: &world, anchors: &far.anchors, clock: Fast(2) };
    stamp(&world, &far).await;
    // The authority is two minutes behind, and a minute behind the list.
    far.list_as_of(60, Some((-3_600, "superseded")));
    far.publish();
    assert_eq!(person.gather(&far.authorities).await, 1);
    let outcome = person.renew(&far.authorities).await;
    let refused = outcome.refused.iter().map(|it| &*it.words).collect::<String>();
    assert!(outcome.renewed.is_empty() && refused.contains("was revoked on"), "{outcome:?}");
}
