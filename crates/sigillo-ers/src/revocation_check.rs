//! Checking evidence of revocation against the certificates of a path.

use std::collections::HashMap;

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    AlgorithmTable, TrustAnchors,
    asn1::OCSP_SIGNING,
    crl::Crl,
    der::DerError,
    evidence_told::ToldEvidence,
    ocsp::Ocsp,
    revocation::{
        CertificateRevocation, Fact, Form, RevocationEffect, RevocationKind, RevocationSource,
        RevocationStatus, RevocationTimes, status,
    },
    signature::SignatureUse,
    x509::Certificate,
};

/// Most certificates of a path that is followed by names and signatures.
const PATH_CERTIFICATES_MAX: usize = 8;
/// Most pieces of evidence that are looked at together.
const EVIDENCE_MAX: usize = 4_000;
/// Most certificates for signing OCSP responses that are looked at together.
const DELEGATES_MAX: usize = 64;
/// Most signatures that are checked for one verdict.
const SIGNATURES_MAX: usize = 10_000;
/// Most bytes of evidence whose signatures are checked for one verdict.
const SIGNED_BYTES_MAX: usize = 1 << 30;
/// Most reasons why evidence was not used that are told for one certificate.
const REASONS_MAX: usize = 3;

/// One piece of evidence, and until when its own signature has to hold.
struct Evidence<'a> {
    name: String,
    raw: &'a [u8],
    form: Form<'a>,
    /// When something else covered it, or when it is looked at.
    holds_until: Timestamp,
    sha256: Sha256Digest,
}

/// All evidence for one verdict.
pub(crate) struct RevocationCheck<'a> {
    evidence: Vec<Evidence<'a>>,
    /// Certificates for signing OCSP responses that came beside them.
    delegates: Vec<&'a [u8]>,
    /// How long its algorithms have to hold; `None`: that is not judged.
    algorithms: Option<&'a AlgorithmTable>,
    /// What was found out about a certificate and its issuer, by the SHA-256 of each.
    known: HashMap<(Sha256Digest, Sha256Digest), Facts>,
    signatures_left: usize,
    bytes_left: usize,
}

/// What is said of a certificate, and why what is not used is not.
#[derive(Clone, Debug, Default)]
struct Facts {
    facts: Vec<Fact>,
    reasons: Vec<String>,
}

/// Who signed a piece of evidence, as far as that counts.
struct Maker {
    text: String,
    not_before: Timestamp,
    not_after: Timestamp,
    with: SignatureUse,
}

/// What a response says of a certificate.
struct Answer {
    fact: Fact,
    /// The certificate of who signed it for the issuer, if that was another.
    delegate: Option<Vec<u8>>,
    produced_at: Timestamp,
}

/// Why the signer of a response does not count.
struct DelegateFault {
    reason: String,
    /// Only what outlived its own signature says so.
    is_outlived: bool,
}

/// A path by names and signatures, and whether it ends at an anchor or a root.
pub(crate) struct FollowedPath {
    pub(crate) certificates: Vec<Vec<u8>>,
    is_complete: bool,
    /// Who issued the last certificate of a complete path, if that is at hand: whoever believes an anchor
    /// need not believe it any longer once its issuer revoked it.
    above: Option<Vec<u8>>,
}

impl FollowedPath {
    /// Reads the certificates, the signer's first, and who issued the last.
    pub(crate) fn read(&self) -> Vec<Certificate<'_>> {
        let all = self.certificates.iter().chain(&self.above);
        all.filter_map(|raw| Certificate::read(raw).ok()).collect()
    }
}

impl<'a> RevocationCheck<'a> {
    pub(crate) fn new(algorithms: Option<&'a AlgorithmTable>) -> Self {
        Self {
            evidence: Vec::new(),
            delegates: Vec::new(),
            algorithms,
            known: HashMap::new(),
            signatures_left: SIGNATURES_MAX,
            bytes_left: SIGNED_BYTES_MAX,
        }
    }

    /// Takes a piece of evidence; the same bytes are taken once, beyond a number none.
    ///
    /// # Errors
    ///
    /// Says what is wrong with what cannot be read.
    pub(crate) fn add(
        &mut self,
        name: &str,
        raw: &'a [u8],
        holds_until: Timestamp,
    ) -> Result<(), DerError> {
        let sha256 = Sha256Digest::of(raw);
        if let Some(twin) = self.evidence.iter_mut().find(|it| it.sha256 == sha256) {
            // The earliest cover counts.
            twin.holds_until = twin.holds_until.min(holds_until);
            return Ok(());
        }
        if self.evidence.len() == EVIDENCE_MAX {
            return Err(DerError { what: "too many revocation lists and OCSP responses" });
        }
        let form = Form::read(raw)?;
        let name = name.to_owned();
        self.evidence.push(Evidence { name, raw, form, holds_until, sha256 });
        Ok(())
    }

    /// Takes those of `certificates` that are for signing OCSP responses, beyond a number none.
    pub(crate) fn add_delegates(&mut self, certificates: &[&'a [u8]]) {
        for raw in certificates {
            let room = self.delegates.len() < DELEGATES_MAX && !self.delegates.contains(raw);
            if room && Certificate::read(raw).is_ok_and(|it| it.has_purpose(OCSP_SIGNING)) {
                self.delegates.push(raw);
            }
        }
    }

    /// Judges every certificate of `path`, the signer's first, against the one that follows it. Of an
    /// anchor above the signer's nothing is asked, so of it a revocation alone is told.
    pub(crate) fn judge(
        &mut self,
        path: &FollowedPath,
        times: &RevocationTimes,
    ) -> Vec<CertificateRevocation> {
        let certificates = path.read();
        let mut judged: Vec<CertificateRevocation> = certificates
            .windows(2)
            .map(|pair| {
                let status = self.judge_one(&pair[0], &pair[1], times);
                standing(&pair[0], status)
            })
            .collect();
        let is_revocation =
            |it: &CertificateRevocation| matches!(it.status, RevocationStatus::Revoked { .. });
        if path.above.is_some() && path.certificates.len() > 1 {
            judged.pop_if(|anchor| !is_revocation(anchor));
        }
        let is_alone = judged.is_empty();
        if let Some(last) = certificates.last().filter(|_| is_alone || !path.is_complete) {
            let missing = match path.is_complete {
                false => "the certificate of its issuer is not at hand",
                true if last.issuer == last.subject_name => {
                    "it issued itself, so that nobody tells whether it was revoked"
                }
                true => {
                    "it is believed itself, and the certificate of its issuer is not at hand, so that \
                     nobody can be asked"
                }
            };
            let missing = missing.to_owned();
            judged.push(standing(last, RevocationStatus::Unknown { missing }));
        }
        judged
    }

    fn judge_one(
        &mut self,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
        times: &RevocationTimes,
    ) -> RevocationStatus {
        let key = (Sha256Digest::of(certificate.raw), Sha256Digest::of(issuer.raw));
        if !self.known.contains_key(&key) {
            let facts = self.facts(certificate, issuer);
            self.known.insert(key, facts);
        }
        let empty = Facts::default();
        let Facts { facts, reasons } = self.known.get(&key).unwrap_or(&empty);
        let (used, later): (Vec<Fact>, Vec<Fact>) =
            facts.iter().cloned().partition(|fact| fact.source.as_of <= times.known_by);
        if let Some(status) = status(&used, certificate.not_after, times) {
            return status;
        }
        let mut reasons = reasons.clone();
        reasons.extend(used.iter().map(|fact| {
            let RevocationSource { kind, as_of, name, .. } = &fact.source;
            match &fact.outlived {
                Some(reason) => format!("the {kind} ({name}): {reason}"),
                None => format!("the {kind} of {as_of} does not reach {}", times.stamped_at),
            }
        }));
        reasons.extend(later.iter().map(|fact| {
            let RevocationSource { kind, as_of, .. } = fact.source;
            format!("the {kind} of {as_of} is of a later time than asked for")
        }));
        reasons.truncate(REASONS_MAX);
        let missing = match reasons[..] {
            [] => "no revocation list and no OCSP response for it".to_owned(),
            _ => reasons.join("; "),
        };
        RevocationStatus::Unknown { missing }
    }

    /// Collects what all evidence says of a certificate.
    fn facts(&mut self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Facts {
        let mut all = Facts::default();
        // What answers are signed with may be revoked by a list.
        for index in 0..self.evidence.len() {
            let found = match &self.evidence[index].form {
                Form::Crl(_) => self.list_facts(index, certificate, issuer),
                Form::Ocsp(_) => self
                    .answer_fact(index, certificate, issuer)
                    .map(|found| found.map(|fact| vec![fact])),
            };
            match found {
                Some(Ok(facts)) => all.facts.extend(facts),
                Some(Err(reason)) if all.reasons.len() < REASONS_MAX => {
                    let Evidence { name, form, .. } = &self.evidence[index];
                    all.reasons.push(format!("the {} ({name}): {reason}", kind(form)));
                }
                Some(Err(_)) | None => {}
            }
        }
        all
    }

    /// Says what a list says of a certificate, each revocation for a reason of its own; `None` if it is of
    /// another issuer.
    fn list_facts(
        &mut self,
        index: usize,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Option<Result<Vec<Fact>, String>> {
        self.spend(
            index,
            |form| matches!(form, Form::Crl(crl) if crl.issuer == issuer.subject_name),
        )?;
        let evidence = &self.evidence[index];
        let Form::Crl(crl) = &evidence.form else { return None };
        if self.is_spent() {
            return Some(Err(SPENT.to_owned()));
        }
        let found = list_maker(crl, issuer).and_then(|maker| {
            let times = (crl.this_update, crl.this_update, crl.next_update);
            let said = crl.say(certificate)?;
            let source = source(evidence, &maker, times)?;
            let outlived = self.outlived(evidence, &maker, crl.this_update);
            let fact = |said| {
                let (source, outlived) = (source.clone(), outlived.clone());
                Fact { said, source, keeps_from: crl.keeps_from, outlived }
            };
            Ok(said.into_iter().map(fact).collect())
        });
        Some(found)
    }

    /// Says what a response says of a certificate; `None` if it is about others.
    fn answer_fact(
        &mut self,
        index: usize,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Option<Result<Fact, String>> {
        let Answer { mut fact, delegate, produced_at } =
            match self.answer(index, certificate, issuer)? {
                Ok(answer) => answer,
                Err(reason) => return Some(Err(reason)),
            };
        match delegate.and_then(|raw| self.delegate_fault(&raw, issuer, produced_at)) {
            Some(DelegateFault { reason, is_outlived: false }) => return Some(Err(reason)),
            // Whoever has an ended key must not silence who says that a certificate was revoked.
            Some(fault) => fact.outlived = fact.outlived.or(Some(fault.reason)),
            None => {}
        }
        Some(Ok(fact))
    }

    /// Says the same, whatever is known of who signed the response.
    fn answer(
        &mut self,
        index: usize,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Option<Result<Answer, String>> {
        self.spend(
            index,
            |form| matches!(form, Form::Ocsp(ocsp) if ocsp.answer(certificate, issuer).is_some()),
        )?;
        if self.is_spent() {
            return Some(Err(SPENT.to_owned()));
        }
        let evidence = &self.evidence[index];
        let Form::Ocsp(ocsp) = &evidence.form else { return None };
        let (produced_at, text) = (ocsp.produced_at, ocsp.responder_text());
        let answered = match ocsp.answer(certificate, issuer)? {
            Ok(answered) => answered,
            Err(reason) => return Some(Err(reason)),
        };
        let (delegate, with) = match answer_signer(ocsp, issuer, &self.delegates) {
            Ok(signer) => signer,
            Err(reason) => return Some(Err(reason)),
        };
        let (not_before, not_after) = match &delegate {
            Some(raw) => match Certificate::read(raw) {
                Ok(read) => (read.not_before, read.not_after),
                Err(error) => return Some(Err(error.to_string())),
            },
            None => (issuer.not_before, issuer.not_after),
        };
        let maker = Maker { text, not_before, not_after, with };
        let times = (answered.this_update, produced_at, answered.next_update);
        let found = source(evidence, &maker, times).map(|source| {
            let outlived = self.outlived(evidence, &maker, produced_at);
            let (said, keeps_from) = (answered.said, answered.keeps_from);
            Answer { fact: Fact { said, source, keeps_from, outlived }, delegate, produced_at }
        });
        Some(found)
    }

    /// Says what each piece of evidence tells of the certificates of `path`, the signer's first, and of
    /// those who signed responses about them, whether it is used for a verdict or not.
    pub(crate) fn told(&mut self, path: &FollowedPath) -> Vec<ToldEvidence> {
        let certificates = path.read();
        let mut told = Vec::new();
        for pair in certificates.windows(2) {
            let [certificate, issuer] = pair else { continue };
            let mut delegates: Vec<Vec<u8>> = Vec::new();
            for index in 0..self.evidence.len() {
                let found = match &self.evidence[index].form {
                    Form::Crl(_) => {
                        self.list_facts(index, certificate, issuer).map(|it| (it, None))
                    }
                    Form::Ocsp(_) => self.answer(index, certificate, issuer).map(|it| match it {
                        Ok(Answer { fact, delegate, .. }) => (Ok(vec![fact]), delegate),
                        Err(reason) => (Err(reason), None),
                    }),
                };
                let Some((Ok(facts), delegate)) = found else { continue };
                told.extend(facts.iter().map(|fact| ToldEvidence::of(fact, certificate)));
                delegates.extend(delegate.filter(|it| !delegates.contains(it)));
            }
            for raw in &delegates {
                let Ok(delegate) = Certificate::read(raw) else { continue };
                let lists = (0..self.evidence.len())
                    .filter_map(|index| self.list_facts(index, &delegate, issuer)?.ok())
                    .flatten();
                let of_delegate = lists.map(|fact| ToldEvidence::of(&fact, &delegate));
                told.extend(of_delegate.filter(|it| it.revoked.is_some()));
            }
        }
        told
    }

    /// Says why the signer of a response does not count, by the lists at hand: it was revoked when
    /// it signed, or its key was not safe.
    fn delegate_fault(
        &mut self,
        raw: &[u8],
        issuer: &Certificate<'_>,
        at: Timestamp,
    ) -> Option<DelegateFault> {
        let (delegate, mut found) = (Certificate::read(raw).ok()?, None);
        let facts: Vec<Fact> = (0..self.evidence.len())
            .filter_map(|index| self.list_facts(index, &delegate, issuer)?.ok())
            .flatten()
            .collect();
        for fact in facts.iter().filter(|it| !it.is_lifted(&facts, delegate.not_after)) {
            let is_outlived = fact.outlived.is_some();
            let times =
                RevocationTimes { stamped_at: at, covered_at: None, known_by: Timestamp::MAX };
            let status = status(std::slice::from_ref(fact), delegate.not_after, &times);
            if let Some(RevocationStatus::Revoked { effect, at, .. }) = status
                && effect != RevocationEffect::None
            {
                let reason = format!("its signer's certificate was revoked on {at}");
                let fault = DelegateFault { reason, is_outlived };
                if !is_outlived {
                    return Some(fault);
                }
                found.get_or_insert(fault);
            }
        }
        found
    }

    /// Says why the signature on a piece of evidence of a time did not hold until something covered it.
    fn outlived(
        &self,
        evidence: &Evidence<'_>,
        maker: &Maker,
        signed_at: Timestamp,
    ) -> Option<String> {
        let until = evidence.holds_until;
        if maker.not_after.as_second() < until.as_second() {
            let end = maker.not_after;
            return Some(format!(
                "the certificate of its signer ended on {end}, and nothing covered it by then"
            ));
        }
        let with = &maker.with;
        let holds = |table: &AlgorithmTable| table.signature(with).holds_at(until.max(signed_at));
        let fell = self.algorithms.is_some_and(|table| !holds(table));
        fell.then(|| format!("{with} could not be relied on until something covered it"))
    }

    /// Takes from what may be spent, if the evidence is one that has to be looked at.
    fn spend(&mut self, index: usize, is_of_use: impl Fn(&Form<'_>) -> bool) -> Option<()> {
        let Evidence { form, raw, .. } = self.evidence.get(index)?;
        if !is_of_use(form) {
            return None;
        }
        self.signatures_left = self.signatures_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(raw.len());
        Some(())
    }

    fn is_spent(&self) -> bool {
        self.signatures_left == 0 || self.bytes_left == 0
    }

    /// Follows the path of a certificate by names and signatures, over `pool`, to an anchor or to a
    /// certificate that issued itself. Nothing is said of trust.
    pub(crate) fn follow(
        &mut self,
        first: &[u8],
        pool: &[&[u8]],
        anchors: &TrustAnchors,
    ) -> FollowedPath {
        let mut certificates = vec![first.to_vec()];
        while certificates.len() < PATH_CERTIFICATES_MAX {
            let Some(last) = certificates.last() else { break };
            let Ok(certificate) = Certificate::read(last) else { break };
            if anchors.holds(last) || certificate.issuer == certificate.subject_name {
                return self.ended(certificates, pool, anchors);
            }
            match self.issuer_of(&certificate, &certificates, (pool, anchors)) {
                Some(issuer) => certificates.push(issuer),
                None => break,
            }
        }
        FollowedPath { certificates, is_complete: false, above: None }
    }

    /// Takes a path that ends at an anchor, and looks for who issued that.
    pub(crate) fn ended(
        &mut self,
        certificates: Vec<Vec<u8>>,
        pool: &[&[u8]],
        anchors: &TrustAnchors,
    ) -> FollowedPath {
        let last = certificates.last().and_then(|last| Certificate::read(last).ok());
        let last = last.filter(|last| last.issuer != last.subject_name);
        let above = last.and_then(|last| self.issuer_of(&last, &certificates, (pool, anchors)));
        FollowedPath { certificates, is_complete: true, above }
    }

    /// Returns who issued a certificate, among anchors and `pool`, by name and signature, if it is none of
    /// those `below`.
    fn issuer_of(
        &mut self,
        certificate: &Certificate<'_>,
        below: &[Vec<u8>],
        (pool, anchors): (&[&[u8]], &TrustAnchors),
    ) -> Option<Vec<u8>> {
        let anchors = anchors.named(certificate.issuer);
        let candidates = anchors.into_iter().chain(pool.iter().copied());
        let mut issuers = candidates.filter(|raw| !below.iter().any(|it| it == raw));
        let issuer = issuers.find(|raw| {
            let Ok(issuer) = Certificate::read(raw) else { return false };
            if issuer.subject_name != certificate.issuer || self.signatures_left == 0 {
                return false;
            }
            self.signatures_left -= 1;
            certificate.is_issued_by(&issuer)
        });
        issuer.map(<[u8]>::to_vec)
    }
}

/// Says by what something is known, if the evidence is of times at which its signer's certificate was
/// valid: as of when it speaks, and when it was signed; then when the next one is due.
fn source(
    evidence: &Evidence<'_>,
    maker: &Maker,
    (as_of, signed_at, next_update): (Timestamp, Timestamp, Option<Timestamp>),
) -> Result<RevocationSource, String> {
    for at in [as_of, signed_at] {
        if at < maker.not_before || maker.not_after.as_second() < at.as_second() {
            return Err(format!("it is of {at}, when its signer's certificate was not valid"));
        }
    }
    Ok(RevocationSource {
        kind: kind(&evidence.form),
        name: evidence.name.clone(),
        maker: maker.text.clone(),
        as_of,
        next_update,
        sha256: evidence.sha256,
    })
}

const SPENT: &str = "too much evidence was looked at already";

pub(crate) fn kind(form: &Form<'_>) -> RevocationKind {
    match form {
        Form::Crl(_) => RevocationKind::Crl,
        Form::Ocsp(_) => RevocationKind::Ocsp,
    }
}

fn standing(certificate: &Certificate<'_>, status: RevocationStatus) -> CertificateRevocation {
    let serial = hex::encode(certificate.serial);
    CertificateRevocation { subject: certificate.subject.clone(), serial, status }
}

fn list_maker(crl: &Crl<'_>, issuer: &Certificate<'_>) -> Result<Maker, String> {
    if !issuer.allows_listing() {
        return Err("the key usage of its signer does not allow lists".to_owned());
    }
    let with = crl.signed.check(&issuer.key).map_err(|fault| fault.to_string())?;
    let Certificate { not_before, not_after, .. } = *issuer;
    Ok(Maker { text: crl.issuer_text.clone(), not_before, not_after, with })
}

/// Returns the certificate of who signed for the issuer, if it was not itself, and with what.
fn answer_signer(
    ocsp: &Ocsp<'_>,
    issuer: &Certificate<'_>,
    more: &[&[u8]],
) -> Result<(Option<Vec<u8>>, SignatureUse), String> {
    let signer = ocsp.signer(issuer, more)?;
    Ok((signer.delegate.map(|delegate| delegate.raw.to_vec()), signer.with))
}
