//! Planning renewals, and choosing time-stamps, by the path to an anchor that a verdict takes.

use jiff::SignedDuration;

use sigillo_ers::{AlgorithmTable, TrustAnchors};
use sigillo_evidence_log::{
    AuditKnowledge, AuditTime, RENEWAL_LEAD, RenewOutcome, RenewalPlan, RenewalRules, Renewer,
    plan_renewals,
};
use sigillo_model::{Clock as _, FindingCode};

use crate::{
    validation::{Far, LINE, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// Returns a table in which RSA ends some days from now, and nothing else does.
fn table(rsa_days: i64) -> AlgorithmTable {
    let end = (RealClock.now() + SignedDuration::from_hours(24 * rsa_days)).strftime("%F");
    AlgorithmTable::from_toml(&format!(
        "source = \"a table that was made up\"\nissued = \"2026-01-01\"\n\
         [[hash]]\nname = \"SHA-256\"\n\
         [[signature]]\nscheme = \"ecdsa\"\nbits_min = 256\n\
         [[signature]]\nscheme = \"rsa-pkcs1\"\nbits_min = 2000\nuntil = \"{end}\"\n"
    ))
    .unwrap()
}

/// An archive of one sealing, and whom it believes.
struct Planned {
    world: World,
    anchors: TrustAnchors,
    algorithms: AlgorithmTable,
}

impl Planned {
    /// Seals, and has it stamped.
    async fn stamped_by(far: &Far) -> Self {
        let world = World::new(Place::Folder).await;
        assert_eq!(stamp(&world, far).await.stamped.len(), 1);
        Self { world, anchors: far.anchors.clone(), algorithms: table(700) }
    }

    /// Believes those of another authority as well.
    fn believe(&mut self, far: &Far) {
        for (name, der) in far.anchors.certificates() {
            self.anchors.add_der(name, der).unwrap();
        }
    }

    /// Plans as of some days from now.
    async fn plan(&self, days: i64, all: bool) -> RenewalPlan {
        let rules = RenewalRules {
            line: LINE,
            anchors: &self.anchors,
            algorithms: &self.algorithms,
            at: RealClock.now() + SignedDuration::from_hours(24 * days),
            lead: RENEWAL_LEAD,
            all,
            all_trees: false,
            over_lost: false,
        };
        plan_renewals(&self.world.archive().await, &rules).await.unwrap()
    }

    /// Tells whether something is to be renewed some days from now, which an audit must tell too.
    async fn is_due(&self, days: i64) -> bool {
        let at = RealClock.now() + SignedDuration::from_hours(24 * days);
        let time = AuditTime { algorithms: self.algorithms.clone(), at };
        let knowledge = AuditKnowledge {
            anchors: self.anchors.clone(),
            log_key_trusted: true,
            seen: None,
            seen_before: Vec::new(),
            time: Some(time),
        };
        let audited = self.world.audit_of(knowledge).await;
        let is_told = audited.findings.iter().any(|it| it.code == FindingCode::RenewalDue);
        let planned = self.plan(days, false).await;
        assert_eq!(!planned.due.is_empty(), is_told, "in {days} days: {:?}", audited.findings);
        is_told
    }

    /// Renews everything with a time-stamp of an authority.
    async fn renew_by(&self, far: &Far) -> RenewOutcome {
        let renewer = Renewer {
            authorities: &far.authorities,
            anchors: &self.anchors,
            algorithms: &self.algorithms,
            clock: &RealClock,
            entropy: &*self.world.entropy,
        };
        let plan = self.plan(0, true).await;
        assert_eq!(plan.due.len(), 1);
        renewer.renew(&mut self.world.writer().await, &plan).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_root_signed_with_is_counted_though_the_root_came_along_with_nothing() {
    if !has_openssl() {
        return;
    }
    let mut rsa = Far::new(false);
    rsa.under_rsa();
    let it = Planned::stamped_by(&rsa).await;
    assert!(!it.is_due(500).await);
    assert!(it.is_due(600).await);
    // What holds for longer is not put under it.
    let other = Far::new(false);
    let mut it = Planned::stamped_by(&other).await;
    it.believe(&rsa);
    rsa.certify_again();
    let refused = it.renew_by(&rsa).await;
    assert_eq!((refused.renewed.len(), refused.waiting), (0, 1), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_certified_by_another_holds_as_long_as_that_for_who_believes_the_other() {
    if !has_openssl() {
        return;
    }
    let mut cross = Far::new(false);
    cross.cross_certify(400, &["root.pem", "cross.pem"], &["old.pem"]);
    let it = Planned::stamped_by(&cross).await;
    assert!(!it.is_due(200).await);
    assert!(it.is_due(230).await);
    let other = Far::new(false);
    let mut it = Planned::stamped_by(&other).await;
    it.believe(&cross);
    cross.certify_again();
    let refused = it.renew_by(&cross).await;
    assert_eq!((refused.renewed.len(), refused.waiting), (0, 1), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_along_and_is_not_needed_shortens_nothing() {
    if !has_openssl() {
        return;
    }
    let mut cross = Far::new(false);
    cross.cross_certify(400, &["cross.pem"], &["root.pem"]);
    let it = Planned::stamped_by(&cross).await;
    assert!(!it.is_due(230).await);
    assert!(!it.is_due(1_000).await);
    cross.certify_again();
    let renewed = it.renew_by(&cross).await;
    assert_eq!((renewed.renewed.len(), renewed.refused.len()), (1, 0), "{renewed:?}");
    // It is also taken where what is not needed has come to its end.
    cross.authorities = cross.authorities.clone().relying_on(table(-100));
    assert_eq!(stamp(&it.world, &cross).await.stamped.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_time_stamp_is_taken_under_a_root_whose_algorithm_has_come_to_its_end() {
    if !has_openssl() {
        return;
    }
    let (world, mut rsa) = (World::new(Place::Folder).await, Far::new(false));
    rsa.under_rsa();
    rsa.authorities = rsa.authorities.clone().relying_on(table(-100));
    let outcome = stamp(&world, &rsa).await;
    let refused = outcome.refused.iter().map(|it| &*it.words).collect::<String>();
    assert!(outcome.stamped.is_empty(), "{outcome:?}");
    assert!(refused.contains("RSA PKCS#1 v1.5, 2048 bits"), "{outcome:?}");
}
