//! Revocation: evidence of it as received, what it says of a certificate, and what that means for
//! what the certificate stamped.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use jiff::{SignedDuration, Timestamp};
use sigillo_model::{EvidenceDigest, Sha256Digest};

use crate::{
    certificate::pem_blocks,
    der::{self, DerError},
    revocation_piece::RevocationPiece,
    revocation_reason::RevocationReason,
};

/// Largest revocation list or OCSP response accepted, in bytes.
pub const REVOCATION_BYTES_MAX: usize = 16 << 20;
/// Largest set of revocation evidence, in bytes.
pub const REVOCATION_SET_BYTES_MAX: usize = 64 << 20;
/// Most pieces of evidence in one set.
pub const REVOCATION_ITEMS_MAX: usize = 1_000;
/// Most statements of a set that a time-stamp covers evidence; those beyond are not remembered.
const COVERS_MAX: usize = 100_000;
/// How long an answer that names no next one counts. It is known at that moment (RFC 6960 §2.4), and
/// responders answer from what they computed minutes ago.
const ANSWER_COUNTS_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Revocation lists and OCSP responses, as received. Nothing in it is believed before it was checked
/// against the issuer of a certificate.
#[derive(Clone, Debug, Default)]
pub struct RevocationSet {
    /// Each with its name.
    items: Vec<(String, RevocationPiece)>,
    bytes: usize,
    /// By which time-stamps evidence is covered, by the digest of either.
    covers: HashMap<EvidenceDigest, HashSet<Sha256Digest>>,
    covers_count: usize,
    /// Whether evidence is covered by its SHA-512.
    covers_sha512: bool,
}

/// Bytes are no evidence of revocation that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RevocationError {
    /// Neither a revocation list nor an OCSP response with an answer.
    #[error("neither a revocation list nor an OCSP response: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// More than a set holds.
    #[error(
        "more than {REVOCATION_ITEMS_MAX} revocation lists and OCSP responses, or than \
         {REVOCATION_SET_BYTES_MAX} bytes of them"
    )]
    TooMany,
}

impl From<DerError> for RevocationError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

impl RevocationSet {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what `bytes` are: a revocation list, as DER or as PEM text with one or several, or an
    /// OCSP response. `name` is what verdicts call it.
    ///
    /// # Errors
    ///
    /// [`RevocationError`] if it cannot be read, or there is no more room.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), RevocationError> {
        if bytes.first() == Some(&der::SEQUENCE) {
            return self.add_der(name, bytes);
        }
        let malformed = |what| RevocationError::Malformed { what };
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("neither DER nor text"))?;
        let blocks = pem_blocks(text, "X509 CRL").map_err(|_| malformed("PEM text"))?;
        if blocks.is_empty() {
            return Err(malformed("no block -----BEGIN X509 CRL-----"));
        }
        blocks.iter().try_for_each(|der| self.add_der(name, der))
    }

    fn add_der(&mut self, name: &str, der: &[u8]) -> Result<(), RevocationError> {
        self.add_piece(name, &RevocationPiece::read(der)?)
    }

    /// Adds what is in another set under another name: it is shared, so that neither reads it again, or checks
    /// a signature on it that the other checked.
    ///
    /// # Errors
    ///
    /// [`RevocationError::TooMany`] if there is no more room.
    pub fn add_shared(&mut self, name: &str, other: &Self) -> Result<(), RevocationError> {
        other.items.iter().try_for_each(|(_, piece)| self.add_piece(name, piece))
    }

    fn add_piece(&mut self, name: &str, piece: &RevocationPiece) -> Result<(), RevocationError> {
        let room = REVOCATION_SET_BYTES_MAX - self.bytes;
        if self.items.len() == REVOCATION_ITEMS_MAX || piece.der().len() > room {
            return Err(RevocationError::TooMany);
        }
        self.bytes += piece.der().len();
        self.items.push((name.to_owned(), piece.clone()));
        Ok(())
    }

    /// Takes in that the time-stamp with the SHA-256 `token` covers evidence with the digests `covered`.
    /// It counts in a record where that time-stamp stands and is sound: the evidence existed by then,
    /// so that its own signature need not hold any longer.
    pub fn cover(&mut self, covered: &[EvidenceDigest], token: Sha256Digest) {
        for digest in covered {
            if self.covers_count == COVERS_MAX {
                return;
            }
            self.covers_sha512 |= digest.sha512().is_some();
            let is_new = self.covers.entry(*digest).or_default().insert(token);
            self.covers_count += usize::from(is_new);
        }
    }

    /// Tells whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns name and piece of each, in the order in which they were added.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&str, &RevocationPiece)> {
        self.items.iter().map(|(name, piece)| (name.as_str(), piece))
    }

    /// Returns when a piece was covered first by one of the time-stamps that are sound, whose times are
    /// given by their SHA-256.
    pub(crate) fn covered_at(
        &self,
        piece: &RevocationPiece,
        sound: &HashMap<Sha256Digest, Timestamp>,
    ) -> Option<Timestamp> {
        let longer = self.covers_sha512.then(|| self.covers.get(&piece.sha512().into())).flatten();
        let covers: Vec<_> =
            self.covers.get(&piece.sha256().into()).into_iter().chain(longer).collect();
        let is_cover = |token| covers.iter().any(|tokens| tokens.contains(token));
        sound.iter().filter(|(token, _)| is_cover(token)).map(|(_, at)| *at).min()
    }
}

/// Which kind of evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RevocationKind {
    /// A certificate revocation list.
    Crl,
    /// An OCSP response.
    Ocsp,
}

impl std::fmt::Display for RevocationKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Crl => "revocation list",
            Self::Ocsp => "OCSP response",
        })
    }
}

/// The evidence by which something is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationSource {
    /// Its kind.
    pub kind: RevocationKind,
    /// Where it was, as it was named.
    pub name: String,
    /// Who made it, in words.
    pub maker: String,
    /// The time as of which it speaks.
    pub as_of: Timestamp,
    /// When there will be a newer one, if it says so.
    pub next_update: Option<Timestamp>,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
}

/// What a piece of evidence says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    /// It is not revoked.
    Good,
    /// It is revoked: since when, as far as that is earlier since when its key was not safe.
    Revoked { at: Timestamp, reason: Option<RevocationReason> },
}

/// What a revocation means for a time-stamp, the worst last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RevocationEffect {
    /// None: it came later, and the time-stamp existed before, or the key stayed safe.
    None,
    /// It cannot be told whether the time-stamp existed before: it may have been dated back.
    Doubtful,
    /// The time-stamp was made when the certificate was revoked already.
    Void,
}

/// What is known of the revocation of a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RevocationStatus {
    /// It was not revoked.
    Good {
        /// By which evidence.
        source: RevocationSource,
    },
    /// It was revoked.
    Revoked {
        /// By which evidence.
        source: RevocationSource,
        /// Since when, or since when its key was not safe, whichever is earlier.
        at: Timestamp,
        /// Why, if that is said.
        reason: Option<RevocationReason>,
        /// What that means for the time-stamp.
        effect: RevocationEffect,
    },
    /// It cannot be told.
    Unknown {
        /// What is missing, or why what is there does not count.
        missing: String,
    },
}

/// What is known of one certificate of a path. Trust anchors above the signer's are not
/// asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateRevocation {
    /// Its subject, in words.
    pub subject: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// What is known.
    pub status: RevocationStatus,
}

/// The times by which revocation is judged.
#[derive(Clone, Copy, Debug)]
pub struct RevocationTimes {
    /// When the certificate was used: the time of the token.
    pub stamped_at: Timestamp,
    /// When something else covered the token, so that it existed by then.
    pub covered_at: Option<Timestamp>,
    /// Evidence of a later time is not used.
    pub known_by: Timestamp,
}

/// What one piece of evidence says, after its signature and its times were checked.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) said: Said,
    pub(crate) source: RevocationSource,
    /// Certificates that ended at this time or later are still known.
    pub(crate) keeps_from: Option<Timestamp>,
    /// Why its own signature did not hold until something covered it: whoever has that key by now may
    /// have made it, so it may take trust away and gives none.
    pub(crate) outlived: Option<String>,
}

impl Fact {
    /// Tells whether it shows that a certificate that ends at `end` was not revoked at a time.
    fn shows_good(&self, at: Timestamp, end: Timestamp) -> bool {
        let RevocationSource { as_of, next_update, .. } = self.source;
        let until = next_update.or_else(|| as_of.checked_add(ANSWER_COUNTS_MAX).ok());
        let reaches = at <= as_of || until.is_some_and(|until| at <= until);
        self.outlived.is_none() && self.is_good_of(end) && reaches
    }

    /// Tells whether it says good of a certificate that ends at `end`; of what has ended an authority may
    /// forget that it was revoked.
    pub(crate) fn is_good_of(&self, end: Timestamp) -> bool {
        let remembers = || self.source.as_of <= end || self.keeps_from.is_some_and(|it| it <= end);
        self.said == Said::Good && remembers()
    }

    /// Tells whether it is a hold on a certificate that ends at `end`, and one of `others` ended it: by saying
    /// good, or by a final revocation in its place, which is of the day of the hold (X.509, reason code `certificateHold`).
    pub(crate) fn is_lifted(&self, others: &[Self], end: Timestamp) -> bool {
        let Said::Revoked { at: held_at, reason: Some(RevocationReason::HOLD) } = self.said else {
            return false;
        };
        let later = |it: &&Self| self.source.as_of < it.source.as_of && it.outlived.is_none();
        let is_final = |it: &Self| match it.said {
            Said::Revoked { at, reason } => at <= held_at && reason != Some(RevocationReason::HOLD),
            Said::Good => false,
        };
        others.iter().filter(later).any(|it| it.is_good_of(end) || is_final(it))
    }
}

/// Draws from `facts` about one certificate, which ends at `end`, what they mean at `times`, whatever
/// their order.
///
/// A revocation that any of them tells counts, of several the one that means most for the time-stamp,
/// whatever others say; one on hold only until a later one says good, or that it is revoked for good since
/// that day. Without any, the newest that
/// shows the certificate good counts: one made at the time of use or later, or an earlier one that was
/// still current then. Evidence made after the certificate's end counts if its maker remembers so long
/// (archive cutoff, RFC 6960 §4.4.4; expiredCertsOnCRL, X.509 §9.5.2.8). What outlived its own signature
/// counts only as a revocation that takes trust away. `None` if none of them says anything.
///
/// Source: RFC 5280 §6.3, ETSI EN 319 102-1 §5.6.2; for what a revocation means [`effect`].
pub(crate) fn status(
    facts: &[Fact],
    end: Timestamp,
    times: &RevocationTimes,
) -> Option<RevocationStatus> {
    let revoked = facts.iter().filter_map(|fact| {
        let Said::Revoked { at, reason } = fact.said else { return None };
        let effect = effect(at, reason, times);
        let takes_away = effect != RevocationEffect::None;
        let counts = (takes_away || fact.outlived.is_none()) && !fact.is_lifted(facts, end);
        counts.then_some((effect, at, reason, fact))
    });
    // The earliest of those that mean the same, and by its digest what else is alike.
    let worst = revoked.max_by_key(|(effect, at, reason, fact)| {
        (*effect, Reverse((*at, *reason, fact.source.sha256)))
    });
    if let Some((effect, at, reason, fact)) = worst {
        let source = fact.source.clone();
        return Some(RevocationStatus::Revoked { source, at, reason, effect });
    }
    let good = facts.iter().filter(|fact| fact.shows_good(times.stamped_at, end));
    let newest = good.max_by_key(|fact| (fact.source.as_of, fact.source.sha256))?;
    Some(RevocationStatus::Good { source: newest.source.clone() })
}

/// Says what a revocation at `at` means for a time-stamp.
///
/// Made when the certificate was revoked already: void. Made before, and the reason says that the
/// key stayed safe: none (RFC 3161 §4, first case). With any other reason, or none stated, whoever
/// has the key can date back, so that the time in the token proves nothing (RFC 3161 §4, second
/// case); but if something else covered the token before the revocation, it existed by then
/// (ETSI EN 319 102-1 §5.6.2: proof of existence before the revocation), and there is no effect.
fn effect(
    at: Timestamp,
    reason: Option<RevocationReason>,
    times: &RevocationTimes,
) -> RevocationEffect {
    if at <= times.stamped_at {
        return RevocationEffect::Void;
    }
    let safe = reason.is_some_and(RevocationReason::leaves_key_safe);
    let existed = times.covered_at.is_some_and(|covered| covered < at);
    if safe || existed { RevocationEffect::None } else { RevocationEffect::Doubtful }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn year(year: i32) -> Timestamp {
        format!("{year}-01-01T00:00:00Z").parse().unwrap()
    }

    fn fact(said: Said, as_of: i32, next: Option<i32>) -> Fact {
        let source = RevocationSource {
            kind: RevocationKind::Crl,
            name: "x".to_owned(),
            maker: "y".to_owned(),
            as_of: year(as_of),
            next_update: next.map(year),
            sha256: Sha256Digest::of(b""),
        };
        Fact { said, source, keeps_from: None, outlived: None }
    }

    fn revoked(at: i32, reason: Option<u8>, as_of: i32) -> Fact {
        fact(Said::Revoked { at: year(at), reason: reason.map(RevocationReason) }, as_of, None)
    }

    /// Stamped in 2030 by a certificate that ends in 2040.
    fn judged(facts: &[Fact], covered: Option<i32>) -> Option<RevocationStatus> {
        let times = RevocationTimes {
            stamped_at: year(2030),
            covered_at: covered.map(year),
            known_by: year(2100),
        };
        status(facts, year(2040), &times)
    }

    #[rstest]
    // Made before the revocation, and the key stayed safe.
    #[case::unspecified(2031, Some(0), None, RevocationEffect::None)]
    #[case::affiliation(2031, Some(3), None, RevocationEffect::None)]
    #[case::superseded(2031, Some(4), None, RevocationEffect::None)]
    #[case::ceased(2031, Some(5), None, RevocationEffect::None)]
    #[case::withdrawn(2031, Some(9), None, RevocationEffect::None)]
    // Made before, and anybody may have dated it back.
    #[case::no_reason(2031, None, None, RevocationEffect::Doubtful)]
    #[case::compromise(2031, Some(1), None, RevocationEffect::Doubtful)]
    #[case::of_its_authority(2031, Some(2), None, RevocationEffect::Doubtful)]
    #[case::hold(2031, Some(6), None, RevocationEffect::Doubtful)]
    #[case::unknown_reason(2031, Some(99), None, RevocationEffect::Doubtful)]
    // Covered before the revocation, too late, or at the same moment.
    #[case::covered(2035, Some(1), Some(2034), RevocationEffect::None)]
    #[case::covered_without_reason(2035, None, Some(2034), RevocationEffect::None)]
    #[case::covered_late(2035, Some(1), Some(2036), RevocationEffect::Doubtful)]
    #[case::covered_then(2035, Some(1), Some(2035), RevocationEffect::Doubtful)]
    // Made afterwards, whatever the reason and whatever came later.
    #[case::after(2029, Some(4), None, RevocationEffect::Void)]
    #[case::in_that_moment(2030, Some(5), None, RevocationEffect::Void)]
    #[case::after_and_covered(2029, Some(1), Some(2031), RevocationEffect::Void)]
    fn a_revocation_means_what_its_reason_and_times_say(
        #[case] at: i32,
        #[case] reason: Option<u8>,
        #[case] covered: Option<i32>,
        #[case] expected: RevocationEffect,
    ) {
        let found = judged(&[revoked(at, reason, 2036)], covered);
        let Some(RevocationStatus::Revoked { effect, .. }) = found else { panic!("{found:?}") };
        assert_eq!(effect, expected);
    }

    #[rstest]
    #[case::made_later(2031, None, true)]
    #[case::made_then(2030, None, true)]
    #[case::still_current(2029, Some(2031), true)]
    #[case::current_to_the_last(2029, Some(2030), true)]
    #[case::stale(2028, Some(2029), false)]
    #[case::of_one_moment_before(2029, None, false)]
    // Made when the certificate had ended, and its authority need not remember it.
    #[case::forgotten(2041, Some(2042), false)]
    fn a_certificate_is_good_by_evidence_that_reaches_the_time_of_use(
        #[case] as_of: i32,
        #[case] next: Option<i32>,
        #[case] expected: bool,
    ) {
        let found = judged(&[fact(Said::Good, as_of, next)], None);
        let is_good = matches!(found, Some(RevocationStatus::Good { .. }));
        assert_eq!(is_good, expected, "{found:?}");
        assert_eq!(found.is_none(), !expected);
    }

    #[test]
    fn what_ended_is_remembered_by_whoever_says_so() {
        let mut late = fact(Said::Good, 2041, None);
        late.keeps_from = Some(year(2040));
        assert!(judged(&[late.clone()], None).is_some());
        late.keeps_from = Some(year(2041));
        assert!(judged(&[late], None).is_none());
    }

    #[test]
    fn an_answer_without_a_next_one_counts_for_minutes() {
        let at = |seconds: i64| {
            let mut answer = fact(Said::Good, 2030, None);
            answer.source.as_of -= SignedDuration::from_secs(seconds);
            judged(&[answer], None).is_some()
        };
        assert!(at(600));
        assert!(!at(601));
    }

    #[test]
    fn a_revocation_counts_whatever_others_say_and_the_worst_does() {
        let good = fact(Said::Good, 2035, None);
        let found =
            judged(&[good.clone(), revoked(2034, Some(4), 2034), revoked(2033, None, 2034)], None);
        let Some(RevocationStatus::Revoked { at, .. }) = found else { panic!("{found:?}") };
        assert_eq!(at, year(2033));
        // A hold that ended was none.
        let lifted = judged(&[revoked(2031, Some(6), 2032), good.clone()], None);
        assert!(matches!(lifted, Some(RevocationStatus::Good { .. })), "{lifted:?}");
        let held = judged(&[good, revoked(2031, Some(6), 2036)], None);
        assert!(matches!(held, Some(RevocationStatus::Revoked { .. })), "{held:?}");
        assert_eq!(judged(&[], None), None);
    }

    #[test]
    fn a_hold_counts_until_a_final_revocation_since_its_day_takes_its_place() {
        let reason_of = |facts: &[Fact]| match judged(facts, None) {
            Some(RevocationStatus::Revoked { reason, effect, .. }) => (reason.unwrap().0, effect),
            other => panic!("{other:?}"),
        };
        let hold = revoked(2031, Some(6), 2032);
        let on_hold = (6, RevocationEffect::Doubtful);
        let ceased = revoked(2031, Some(5), 2033);
        assert_eq!(reason_of(&[hold.clone(), ceased.clone()]), (5, RevocationEffect::None));
        assert_eq!(reason_of(&[ceased.clone(), hold.clone()]), (5, RevocationEffect::None));
        // Since another day it says nothing of the time between.
        assert_eq!(reason_of(&[hold.clone(), revoked(2035, Some(5), 2036)]), on_hold);
        // Nor does what was said before the hold, or at once, or by a key that had ended.
        assert_eq!(reason_of(&[hold.clone(), revoked(2031, Some(5), 2032)]), on_hold);
        let mut outlived = ceased;
        outlived.outlived = Some("its certificate had ended".to_owned());
        assert_eq!(reason_of(&[hold.clone(), outlived]), on_hold);
        // Another hold does not, and a graver reason is told.
        assert_eq!(reason_of(&[hold.clone(), revoked(2031, Some(6), 2034)]), on_hold);
        let grave = reason_of(&[hold, revoked(2031, Some(1), 2033)]);
        assert_eq!(grave, (1, RevocationEffect::Doubtful));
    }

    #[test]
    fn what_outlived_its_signature_takes_trust_away_and_gives_none() {
        let outlived = |mut fact: Fact| {
            fact.outlived = Some("its signer ended".to_owned());
            fact
        };
        let good = fact(Said::Good, 2035, None);
        let safe = revoked(2034, Some(4), 2034);
        let compromised = revoked(2034, Some(1), 2034);
        let told = |facts: &[Fact]| judged(facts, None);
        assert_eq!(told(&[outlived(good.clone())]), None);
        assert_eq!(told(&[outlived(safe.clone())]), None);
        // Beside what holds it changes nothing for the better.
        let held = told(std::slice::from_ref(&compromised));
        assert_eq!(told(&[outlived(safe.clone()), compromised.clone()]), held);
        let good_alone = told(std::slice::from_ref(&good));
        assert_eq!(told(&[outlived(safe), good.clone()]), good_alone);
        let doubted = told(&[outlived(compromised), good.clone()]);
        assert!(matches!(doubted, Some(RevocationStatus::Revoked { .. })), "{doubted:?}");
        // Nor does it end a hold.
        let suspended = revoked(2031, Some(6), 2032);
        let held = told(&[suspended, outlived(good)]);
        assert!(matches!(held, Some(RevocationStatus::Revoked { .. })), "{held:?}");
    }

    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

    #[test]
    fn the_revocation_with_the_worst_effect_counts_in_whatever_order_they_come() {
        let mut all = Vec::new();
        for at in [2029, 2031, 2033, 2035] {
            for reason in [None, Some(1), Some(4), Some(6)] {
                let mut told = revoked(at, reason, 2036);
                told.source.sha256 = Sha256Digest::of(format!("{at} {reason:?}").as_bytes());
                all.push(told);
            }
        }
        let effect_of = |found: &Option<RevocationStatus>| match found {
            Some(RevocationStatus::Revoked { effect, .. }) => *effect,
            other => panic!("{other:?}"),
        };
        for covered in [None, Some(2032), Some(2034)] {
            for (place, first) in all.iter().enumerate() {
                for (second, third) in all[place + 1..].iter().zip(&all[place..]) {
                    let some = [first.clone(), second.clone(), third.clone()];
                    let each =
                        some.iter().map(|it| effect_of(&judged(std::slice::from_ref(it), covered)));
                    let worst = each.max().unwrap();
                    let ordered = ORDERS.map(|order| order.map(|at| some[at].clone()));
                    let mut told = ordered.iter().map(|facts| judged(facts, covered));
                    let first = told.next().unwrap();
                    assert_eq!(effect_of(&first), worst, "{some:?}");
                    assert!(told.all(|it| it == first), "{some:?}");
                }
            }
        }
    }
}
