//! Checking the seals of a receipt, once it is known which evidence lines hold.

use jiff::Timestamp;

use sigillo_ers::verify_stamped_seal;
use sigillo_model::{BatchesSealed, Finding, FindingCode, Sha256Digest};

use crate::{Receipt, ReceiptTrust, check::Checker};

/// A seal that is to be checked as of a time that the evidence lines of its sealing prove.
#[derive(Clone, Debug)]
pub(crate) struct WaitingSeal {
    /// Its place among the sealings of the receipt.
    pub(crate) place: usize,
    /// What the log says of it.
    pub(crate) body: BatchesSealed,
    /// When the statement says that it was written, if that can be read.
    pub(crate) stated_at: Option<Timestamp>,
    /// The certificate that seals in the time of the log, if it is known.
    pub(crate) certificate: Option<Sha256Digest>,
}

/// Checks every seal as of the earliest first time-stamp on a line that holds; without one, as of the first
/// of them, and without any as of when its statement says.
pub(crate) fn check_seals(checker: &mut Checker, receipt: &Receipt, trust: &ReceiptTrust) {
    for waiting in std::mem::take(&mut checker.seals) {
        let Some(section) = receipt.sealings.get(waiting.place) else { continue };
        let at = attested(checker, waiting.body.number).or(waiting.stated_at);
        let sealed =
            at.is_some_and(|at| check_seal(checker, &section.seal.0, (&waiting, at), trust));
        if sealed && waiting.stated_at.is_some() {
            checker.sealings += 1;
        }
    }
}

/// Returns the time by which a sealing is proven to have been there. Where nothing proves that, whatever its
/// first time-stamp says is told as doubtful by itself.
fn attested(checker: &Checker, number: u64) -> Option<Timestamp> {
    let stamps = || checker.stamps.iter().filter(move |it| it.line.0 == number);
    let sound = stamps().filter(|it| it.counts && checker.lines.is_sound(&it.line));
    sound.map(|it| it.at).min().or_else(|| stamps().next().map(|it| it.at))
}

/// Checks a seal as of a time; says whether it is as it should be.
fn check_seal(
    checker: &mut Checker,
    seal: &[u8],
    (waiting, at): (&WaitingSeal, Timestamp),
    trust: &ReceiptTrust,
) -> bool {
    let WaitingSeal { body, certificate, .. } = waiting;
    let object = format!("sealing {}", body.number);
    let mut find = |code, message: String| checker.add(Finding::new(code, &object, message));
    let code = FindingCode::SealDamaged;
    if Sha256Digest::of(seal) != body.seal_sha256 {
        find(code, "its seal does not have the digest that the log states".to_owned());
        return false;
    }
    match verify_stamped_seal(seal, body.statement_sha256, &trust.anchors, at) {
        Ok(seal) => {
            // Where the description cannot be read, that is a finding already.
            let other = certificate.is_some_and(|sha256| sha256 != seal.certificate_sha256);
            if other {
                let message = "its seal was made with another certificate than the archive's";
                find(code, message.to_owned());
            }
            if let Some(doubt) = seal.doubt() {
                find(FindingCode::SealOriginUnknown, doubt);
            }
            !other
        }
        Err(error) if error.is_unknown_algorithm() => {
            find(FindingCode::AlgorithmUnknown, error.to_string());
            false
        }
        Err(error) => {
            find(code, error.to_string());
            false
        }
    }
}
