//! Trusted lists decide whether a time-stamp is qualified, at its own time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::Timestamp;
use rstest::rstest;

use sigillo_ers::{
    ListedPeriod, ListedService, Qualification, Standing, Trust, TrustAnchors, VerifiedToken,
    verify_seal, verify_token,
};
use sigillo_model::Sha256Digest;

use crate::{
    forge::{Forgery, change_certificate, extensions},
    world::{World, now, time},
};

/// The content of the OID of a policy that is not for trial: 1.2.3.4.
const POLICY: &[u8] = &[0x2a, 3, 4];
const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];

/// A token that is not for trial, and the certificates behind it.
struct Real {
    token: Vec<u8>,
    unit: Vec<u8>,
    root: Vec<u8>,
}

impl Real {
    fn new() -> Self {
        let world = World::new();
        let unit = change_certificate(&world.tsa, &world.root_key, |tbs| {
            let at = extensions(tbs).position_of(CERTIFICATE_POLICIES);
            extensions(tbs).nodes.remove(at);
        });
        let request = World::request();
        let mut forgery = Forgery::of_response(&world.response(&request, &[]));
        forgery.change_info(|info| info.at(&[1]).bytes = POLICY.to_vec());
        forgery.change_certificate(&unit);
        forgery.sign(&world.tsa_key);
        Self { token: forgery.token(), unit, root: world.root }
    }

    fn verify(&self, anchors: &TrustAnchors) -> VerifiedToken {
        verify_token(&self.token, World::request().imprint, anchors).unwrap()
    }
}

fn period(from: &str, until: &str, standing: Standing) -> ListedPeriod {
    let status = format!("{standing:?}").to_lowercase();
    ListedPeriod { from: time(from), until: time(until), standing, status }
}

fn listed(certificate: &[u8], periods: Vec<ListedPeriod>) -> TrustAnchors {
    let name = "IT: Prova".to_owned();
    let mut anchors = TrustAnchors::new();
    let certificates = vec![certificate.to_vec()];
    anchors.add_listed(&ListedService { name, certificates, periods }).unwrap();
    anchors
}

/// Granted in 2020 and withdrawn from some instant on.
fn granted_until(until: &str) -> Vec<ListedPeriod> {
    vec![
        period("2020-01-01T00:00:00Z", until, Standing::Qualified),
        period(until, "2070-01-01T00:00:00Z", Standing::Inactive),
    ]
}

const JUST_AFTER: &str = "2026-11-25T08:30:15.250000001Z";

#[rstest]
#[case("2030-01-01T00:00:00Z", true)]
#[case(JUST_AFTER, true)]
#[case("2026-11-25T08:30:15.25Z", false)]
#[case("2024-01-01T00:00:00Z", false)]
fn what_counts_is_the_status_when_the_time_stamp_was_made(
    #[case] until: &str,
    #[case] qualified: bool,
) {
    let real = Real::new();
    assert_eq!(now(), "2026-11-25T08:30:15.25Z".parse::<Timestamp>().unwrap());
    // By its own certificate, and by that of who issued it.
    for certificate in [&real.unit, &real.root] {
        let verified = real.verify(&listed(certificate, granted_until(until)));
        let service = "IT: Prova".to_owned();
        if qualified {
            assert_eq!(verified.trust, Trust::Anchored { anchor: service.clone() });
            assert_eq!(verified.qualification, Qualification::Qualified { service });
        } else {
            assert_eq!(verified.trust, Trust::Unknown);
            let status = Some("inactive".to_owned());
            assert_eq!(verified.qualification, Qualification::NotGranted { service, status });
        }
    }
}

#[test]
fn what_a_list_says_of_the_unit_itself_goes_before_what_it_says_of_who_issued_it() {
    let real = Real::new();
    let now = "2026-11-25T08:30:15.25Z";
    let service = |name: &str, certificate: &[u8], periods| ListedService {
        name: name.to_owned(),
        certificates: vec![certificate.to_vec()],
        periods,
    };
    let both = |unit: Vec<ListedPeriod>, root: Vec<ListedPeriod>| {
        let mut anchors = TrustAnchors::new();
        anchors.add_listed(&service("unit", &real.unit, unit)).unwrap();
        anchors.add_listed(&service("root", &real.root, root)).unwrap();
        real.verify(&anchors)
    };
    let granted = || granted_until("2030-01-01T00:00:00Z");
    let verified = both(granted_until(now), granted());
    assert_eq!(verified.trust, Trust::Unknown, "it was withdrawn");
    let status = Some("inactive".to_owned());
    let expected = Qualification::NotGranted { service: "unit".to_owned(), status };
    assert_eq!(verified.qualification, expected);
    let active = vec![period("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", Standing::Active)];
    let verified = both(active, granted());
    assert_eq!(verified.trust, Trust::Anchored { anchor: "unit".to_owned() });
    assert!(!verified.qualification.is_qualified());
    assert!(both(granted(), granted_until(now)).qualification.is_qualified());
    // Where it says nothing of the unit at the time, what it says of the issuer counts.
    let later = vec![period("2027-01-01T00:00:00Z", "2030-01-01T00:00:00Z", Standing::Inactive)];
    let expected = Qualification::Qualified { service: "root".to_owned() };
    assert_eq!(both(later, granted()).qualification, expected);
}

#[test]
fn an_active_service_is_known_and_not_qualified() {
    let real = Real::new();
    let periods = vec![period("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", Standing::Active)];
    let verified = real.verify(&listed(&real.unit, periods));
    assert!(matches!(verified.trust, Trust::Anchored { .. }));
    assert!(!verified.qualification.is_qualified());
}

#[test]
fn a_list_says_nothing_before_and_after_its_periods() {
    let real = Real::new();
    for (from, until) in [("2020-01-01", "2021-01-01"), ("2027-01-01", "2028-01-01")] {
        let [from, until] = [from, until].map(|day| format!("{day}T00:00:00Z"));
        let anchors = listed(&real.unit, vec![period(&from, &until, Standing::Qualified)]);
        let verified = real.verify(&anchors);
        assert!(matches!(verified.qualification, Qualification::NotGranted { status: None, .. }));
        assert_eq!(verified.trust, Trust::Unknown);
    }
}

#[test]
fn anchors_of_the_verifier_make_nothing_qualified() {
    let real = Real::new();
    let mut anchors = TrustAnchors::new();
    anchors.add_der("own", &real.root).unwrap();
    let verified = real.verify(&anchors);
    assert_eq!(verified.trust, Trust::Anchored { anchor: "own".to_owned() });
    assert_eq!(verified.qualification, Qualification::NotListed);
    // And a list beside them changes only that.
    let periods = granted_until("2030-01-01T00:00:00Z");
    let certificates = vec![real.unit.clone()];
    let service = ListedService { name: "IT: Prova".to_owned(), certificates, periods };
    anchors.add_listed(&service).unwrap();
    let verified = real.verify(&anchors);
    assert_eq!(verified.trust, Trust::Anchored { anchor: "own".to_owned() });
    assert!(verified.qualification.is_qualified());
}

#[test]
fn a_trial_token_is_never_qualified() {
    let world = World::new();
    let request = World::request();
    let token = Forgery::of_response(&world.response(&request, &[])).token();
    for certificate in [&world.tsa, &world.root] {
        let anchors = listed(certificate, granted_until("2030-01-01T00:00:00Z"));
        let verified = verify_token(&token, request.imprint.clone(), &anchors).unwrap();
        assert_eq!(verified.qualification, Qualification::Trial);
    }
}

#[test]
fn a_listed_unit_vouches_for_no_other_certificate() {
    // The root signed the unit, but is listed as if it were a unit: its right to certify is gone.
    let real = Real::new();
    let world = World::new();
    let not_authority = change_certificate(&real.root, &world.root_key, |tbs| {
        let at = extensions(tbs).position_of(&[0x55, 0x1d, 19]);
        extensions(tbs).nodes.remove(at);
    });
    let anchors = listed(&not_authority, granted_until("2030-01-01T00:00:00Z"));
    let verified = real.verify(&anchors);
    assert_eq!(verified.qualification, Qualification::NotListed);
    assert_eq!(verified.trust, Trust::Unknown);
}

#[test]
fn lists_of_time_stamps_vouch_for_no_seal() {
    let world = World::new();
    let seal = world.seal_over(b"content", &[]);
    let anchors = listed(&world.root, granted_until("2030-01-01T00:00:00Z"));
    let verified = verify_seal(&seal, Sha256Digest::of(b"content"), &anchors, now()).unwrap();
    assert_eq!(verified.trust, Trust::Unknown);
    let verified = verify_seal(&seal, Sha256Digest::of(b"content"), &world.anchors, now()).unwrap();
    assert!(matches!(verified.trust, Trust::Anchored { .. }));
}
