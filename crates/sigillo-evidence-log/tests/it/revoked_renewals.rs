//! Renewals by certificates that prove to be revoked: what they renewed holds without them.

use jiff::SignedDuration;
use rstest::rstest;

use sigillo_ers::AlgorithmTable;
use sigillo_evidence_log::{
    Chains, GatherRules, LogAudit, RevokedRenewals, ToldRevocations, plan_gathering, read_view,
    stamp_sealings,
};
use sigillo_model::{Clock as _, FindingCode, ObjectKey, Severity};

use crate::{
    gathering::{
        algorithms, ask_again, audit, covered, plan, renew, renew_now, renewals, try_renewing,
    },
    validation::{Far, LINE, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// Returns what an audit doubts, and the renewals that it leaves out.
pub(crate) fn told(audit: &LogAudit) -> (Vec<FindingCode>, Vec<&str>) {
    let doubts = audit.findings.iter().filter(|it| it.severity >= Severity::CannotTell);
    // The seals are of another origin than the time-stamps here.
    let doubts = doubts.filter(|it| it.code != FindingCode::SealOriginUnknown);
    let left_out = audit.findings.iter().filter(|it| it.code == FindingCode::RenewalRevoked);
    (doubts.map(|it| it.code).collect(), left_out.map(|it| &*it.object).collect())
}

/// When the certificate of the renewal is revoked.
#[derive(Clone, Copy, Debug)]
enum Revoked {
    /// Before the renewal.
    Before,
    /// After it, and whoever has the key can date back.
    After,
}

impl Revoked {
    /// Returns it as an index of OpenSSL has it.
    fn when(self) -> String {
        let after = RealClock.now() + SignedDuration::from_hours(24 * 10);
        match self {
            Self::Before => "250101000000Z,superseded".to_owned(),
            Self::After => after.strftime("%y%m%d%H%M%SZ,keyCompromise").to_string(),
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_by_a_revoked_certificate_is_left_out(
    #[values(Revoked::Before, Revoked::After)] revoked: Revoked,
) {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    let first = renew(&world, &far, false).await;
    assert_eq!(told(&audit(&world, &far).await), (vec![], vec![]));
    far.list_revoked(&revoked.when(), "21");
    far.publish();
    assert_eq!(ask_again(&world, &far).await.stored, 2, "beside the time-stamp and its renewal");
    let key = ObjectKey::renewal_token(first.renewal);
    let left_out = vec![key.as_str()];
    assert_eq!(told(&audit(&world, &far).await), (vec![], left_out.clone()));

    let gathering = plan(&world, &far).await;
    assert_eq!((gathering.revoked.len(), gathering.replaced), (1, 0), "{gathering:?}");

    // It is renewed over, and named with what it renewed. What ends sooner than it, and later than that, helps.
    far.certify("22", 4000);
    let planned = renewals(&world, &far, false).await;
    assert_eq!((planned.due.len(), planned.due[0].tokens.len()), (1, 2), "{planned:?}");
    assert_eq!(planned.findings.len(), 1, "{planned:?}");
    let second = renew_now(&world, &far, false).await;
    assert_eq!(covered(&world, &second)[0].len(), 1, "the list, which tells of both");
    // What is revoked from some later day on was covered before it, and counts again.
    let counts = matches!(revoked, Revoked::After);
    let left_out = if counts { vec![] } else { left_out };
    assert_eq!(told(&audit(&world, &far).await), (vec![], left_out));
    let gathering = plan(&world, &far).await;
    let replaced = u64::from(!counts);
    assert_eq!((gathering.revoked.len(), gathering.replaced), (0, replaced), "{gathering:?}");

    // New hash trees would have it in them for ever.
    let planned = renewals(&world, &far, true).await;
    let told = planned.findings.iter().filter(|it| it.severity >= Severity::CannotTell);
    let told = told.filter(|it| it.code == FindingCode::LineStopped);
    let expected = if counts { (1, 0) } else { (0, 1) };
    assert_eq!((planned.trees.len(), told.count()), expected, "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_renewal_covered_that_does_not_count_is_told_as_revoked() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    renew(&world, &far, false).await;
    let [before, after] = [Revoked::Before, Revoked::After].map(Revoked::when);
    // It was covered before the revocation, but by what was revoked itself.
    far.list_all(&[(&after, "20"), (&before, "21")]);
    far.publish();
    ask_again(&world, &far).await;
    let audited = audit(&world, &far).await;
    assert_eq!(told(&audited).0, vec![FindingCode::RevokedLater]);
    assert_eq!(plan(&world, &far).await.revoked.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_renewal_covered_that_is_lost_is_told_as_revoked() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    let renewal = renew(&world, &far, false).await.renewal;
    far.list_revoked(&Revoked::After.when(), "20");
    far.publish();
    ask_again(&world, &far).await;
    assert_eq!(plan(&world, &far).await.revoked.len(), 0);
    std::fs::remove_file(world.file(&ObjectKey::renewal_token(renewal))).unwrap();
    assert!(told(&audit(&world, &far).await).0.contains(&FindingCode::RevokedLater));
    assert_eq!(plan(&world, &far).await.revoked.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_was_covered_before_its_certificate_was_revoked_counts() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    renew(&world, &far, false).await;
    far.certify("22", 6000);
    renew_now(&world, &far, false).await;
    far.list_revoked(&Revoked::After.when(), "21");
    far.publish();
    ask_again(&world, &far).await;
    assert_eq!(told(&audit(&world, &far).await), (vec![], vec![]));
    let planned = renewals(&world, &far, true).await;
    assert_eq!((planned.findings.len(), planned.trees.len()), (0, 1), "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_not_told_of_any_more_once_another_line_stands() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    far.list_revoked(&Revoked::Before.when(), "20");
    stamp(&world, &far).await;
    let other = Far::new(true);
    let mut anchors = far.anchors.clone();
    for (name, der) in other.anchors.certificates() {
        anchors.add_der(name, der).unwrap();
    }
    let told_by = async |anchors, days: i64| {
        let at = RealClock.now() + SignedDuration::from_hours(24 * days);
        let rules = GatherRules { anchors, algorithms: &algorithms(), at };
        let plan = plan_gathering(&world.archive().await, &rules).await.unwrap();
        (plan.revoked.len(), plan.replaced)
    };
    let told_in = async |days| told_by(&anchors, days).await;
    assert_eq!(told_in(0).await, (1, 0));
    let mut log = world.writer().await;
    let (line, authorities) = ("plain-sha256-other", &other.authorities);
    let (clock, entropy) = (&RealClock, &*world.entropy);
    let stamped = stamp_sealings(&mut log, line, authorities, clock, entropy).await.unwrap();
    assert_eq!(stamped.stamped.len(), 1, "{stamped:?}");
    assert_eq!(told_in(0).await, (0, 1));
    assert_eq!(told_by(&far.anchors, 0).await, (1, 0), "nobody believes the other");
    // When that has ended as well, nothing stands any more.
    assert_eq!(told_in(3_649).await, (0, 1));
    assert_eq!(told_in(3_651).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_time_stamp_is_never_left_out() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    renew(&world, &far, false).await;
    far.list_revoked(&Revoked::Before.when(), "20");
    far.publish();
    ask_again(&world, &far).await;
    let audited = audit(&world, &far).await;
    assert_eq!(told(&audited), (vec![FindingCode::CertificateRevoked], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_time_stamp_is_taken_whose_algorithms_have_come_to_their_end() {
    if !has_openssl() {
        return;
    }
    let (world, mut far) = (World::new(Place::Folder).await, Far::new(false));
    let table = |until: &str| {
        AlgorithmTable::from_toml(&format!(
            "source = \"a table that was made up\"\nissued = \"2026-01-01\"\n\
             [[hash]]\nname = \"SHA-256\"\n\
             [[signature]]\nscheme = \"ecdsa\"\nbits_min = 256\n{until}"
        ))
    };
    let ended = table("until = \"2026-02-01\"\n").unwrap();
    let open = far.authorities.clone();
    far.authorities = open.clone().relying_on(ended);
    let outcome = stamp(&world, &far).await;
    let refused = outcome.refused.iter().map(|it| &*it.words).collect::<String>();
    assert!(outcome.stamped.is_empty() && refused.contains("since 2026-02-01"), "{outcome:?}");
    far.authorities = open.relying_on(table("").unwrap());
    assert_eq!(stamp(&world, &far).await.stamped.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_elsewhere_is_planned_with_and_nobody_renews_with_what_is_revoked() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    let first = renew(&world, &far, false).await;
    // It is learnt with another time-stamp by the certificate of the renewal, and lies beside that only.
    far.list_revoked(&Revoked::Before.when(), "21");
    far.publish();
    assert_eq!(stamp(&world, &far).await.gathered.stored, 1);
    let planned = renewals(&world, &far, true).await;
    let key = ObjectKey::renewal_token(first.renewal).to_string();
    assert!(planned.findings.iter().any(|it| it.object == key), "{planned:?}");
    assert!(!planned.trees.iter().any(|it| it.number == 1), "{planned:?}");
    let outcome = try_renewing(&world, &far, false).await;
    let refused = outcome.refused.iter().map(|it| &*it.words).collect::<String>();
    assert!(outcome.renewed.is_empty() && refused.contains("was revoked on"), "{outcome:?}");
    far.certify("22", 6000);
    assert_eq!(try_renewing(&world, &far, false).await.renewed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_whose_certificate_was_on_hold_counts_for_proofs() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    renew(&world, &far, false).await;
    far.list_revoked("250101000000Z,certificateHold", "21");
    far.publish();
    ask_again(&world, &far).await;
    // Lists state whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    far.list_revoked("250101000000Z,superseded", "99");
    ask_again(&world, &far).await;
    let archive = world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let chains = Chains::read(&archive, &view).await.unwrap();
    let of = (&archive, &view, &chains);
    let told = ToldRevocations::read(of, &far.anchors).await.unwrap();
    assert!(!told.pieces().is_empty(), "the hold was told");
    let mut revoked = RevokedRenewals::new(&told, (&far.anchors, RealClock.now()));
    let left_out = revoked.of(of, chains.of(LINE, 1)).await.unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
}
