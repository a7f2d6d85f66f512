//! Checking evidence of revocation against the certificates of a path.

use std::collections::HashMap;

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    AlgorithmTable, TrustAnchors,
    asn1::OCSP_SIGNING,
    der::DerError,
    evidence_told::ToldEvidence,
    revocation::{
        CertificateRevocation, Fact, RevocationEffect, RevocationKind, RevocationSource,
        RevocationStatus, RevocationTimes, Said, status,
    },
    revocation_piece::{Form, Maker, Question, RevocationPiece, Signers, Statement, Told},
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
    source: Source<'a>,
    /// When something else covered it, or when it is looked at.
    holds_until: Timestamp,
    sha256: Sha256Digest,
}

/// Where evidence was read.
enum Source<'a> {
    /// For all who share it.
    Piece(&'a RevocationPiece),
    /// For one verdict, from what a time-stamp brings with it.
    Brought { raw: &'a [u8], form: Form<'a>, signers: Signers },
}

impl Evidence<'_> {
    fn form(&self) -> &Form<'_> {
        match &self.source {
            Source::Piece(piece) => piece.form(),
            Source::Brought { form, .. } => form,
        }
    }

    fn signers(&self) -> &Signers {
        match &self.source {
            Source::Piece(piece) => piece.signers(),
            Source::Brought { signers, .. } => signers,
        }
    }

    fn byte_count(&self) -> usize {
        match &self.source {
            Source::Piece(piece) => piece.der().len(),
            Source::Brought { raw, .. } => raw.len(),
        }
    }
}

/// All evidence for one verdict.
pub(crate) struct RevocationCheck<'a> {
    evidence: Vec<Evidence<'a>>,
    /// The places of evidence by its SHA-256.
    places: HashMap<Sha256Digest, usize>,
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
            places: HashMap::new(),
            delegates: Vec::new(),
            algorithms,
            known: HashMap::new(),
            signatures_left: SIGNATURES_MAX,
            bytes_left: SIGNED_BYTES_MAX,
        }
    }

    /// Takes a piece of evidence that a time-stamp brings with it; the same bytes are taken once, beyond a
    /// number none.
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
        if self.has_room(sha256, holds_until)? {
            let (form, signers) = (Form::read(raw)?, Signers::default());
            self.push(name, Source::Brought { raw, form, signers }, (sha256, holds_until));
        }
        Ok(())
    }

    /// Does the same with a piece that was read.
    pub(crate) fn add_piece(
        &mut self,
        name: &str,
        piece: &'a RevocationPiece,
        holds_until: Timestamp,
    ) -> Result<(), DerError> {
        let sha256 = piece.sha256();
        if self.has_room(sha256, holds_until)? {
            self.push(name, Source::Piece(piece), (sha256, holds_until));
        }
        Ok(())
    }

    fn push(
        &mut self,
        name: &str,
        source: Source<'a>,
        (sha256, holds_until): (Sha256Digest, Timestamp),
    ) {
        self.places.insert(sha256, self.evidence.len());
        self.evidence.push(Evidence { name: name.to_owned(), source, holds_until, sha256 });
    }

    /// Tells whether evidence is to be taken that is not there yet.
    fn has_room(&mut self, sha256: Sha256Digest, holds_until: Timestamp) -> Result<bool, DerError> {
        if let Some(place) = self.places.get(&sha256) {
            // The earliest cover counts.
            let twin = &mut self.evidence[*place];
            twin.holds_until = twin.holds_until.min(holds_until);
            return Ok(false);
        }
        if self.evidence.len() == EVIDENCE_MAX {
            return Err(DerError { what: "too many revocation lists and OCSP responses" });
        }
        Ok(true)
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
        let (mut all, question) = (Facts::default(), self.question(certificate, issuer));
        for index in 0..self.evidence.len() {
            let Some(told) = self.told_by(index, &question) else { continue };
            match told.and_then(|statement| self.usable_facts(index, &statement, issuer)) {
                Ok(facts) => all.facts.extend(facts),
                Err(reason) if all.reasons.len() < REASONS_MAX => {
                    let evidence = &self.evidence[index];
                    let (name, kind) = (&evidence.name, evidence.form().kind());
                    all.reasons.push(format!("the {kind} ({name}): {reason}"));
                }
                Err(_) => {}
            }
        }
        all
    }

    fn question<'q>(
        &self,
        certificate: &'q Certificate<'q>,
        issuer: &'q Certificate<'q>,
    ) -> Question<'q>
    where
        'a: 'q,
    {
        Question::new(certificate, issuer, self.delegates.clone())
    }

    /// Asks a piece of evidence, as long as there is something left to spend on it; `None` if it is about
    /// others. What was found out before costs the same: a verdict does not depend on that.
    fn told_by(&mut self, index: usize, question: &Question<'_>) -> Told {
        let evidence = self.evidence.get(index)?;
        let form = evidence.form();
        if !form.is_about(question) {
            return None;
        }
        self.signatures_left = self.signatures_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(evidence.byte_count());
        if self.signatures_left == 0 || self.bytes_left == 0 {
            return Some(Err(SPENT.to_owned()));
        }
        form.told(question, evidence.signers())
    }

    /// Returns a statement as facts, if nothing is known against who made it.
    fn usable_facts(
        &mut self,
        index: usize,
        statement: &Statement,
        issuer: &Certificate<'_>,
    ) -> Result<Vec<Fact>, String> {
        let mut facts = self.facts_of(index, statement);
        // What answers are signed with may be revoked by a list.
        let delegate = statement.maker.delegate.as_ref();
        match delegate.and_then(|raw| self.delegate_fault(raw, issuer, statement.signed_at)) {
            Some(DelegateFault { reason, is_outlived: false }) => return Err(reason),
            // Whoever has an ended key must not silence who says that a certificate was revoked.
            Some(fault) => {
                for fact in &mut facts {
                    fact.outlived.get_or_insert_with(|| fault.reason.clone());
                }
            }
            None => {}
        }
        Ok(facts)
    }

    /// Returns a statement as facts, whatever is known of who made it.
    fn facts_of(&self, index: usize, statement: &Statement) -> Vec<Fact> {
        let evidence = &self.evidence[index];
        let Statement { said, maker, as_of, next_update, keeps_from, .. } = statement;
        let source = RevocationSource {
            kind: evidence.form().kind(),
            name: evidence.name.clone(),
            maker: maker.text.clone(),
            as_of: *as_of,
            next_update: *next_update,
            sha256: evidence.sha256,
        };
        let outlived = self.outlived(evidence, maker, statement.signed_at);
        let fact = |said: &Said| {
            let (source, outlived) = (source.clone(), outlived.clone());
            Fact { said: *said, source, keeps_from: *keeps_from, outlived }
        };
        said.iter().map(fact).collect()
    }

    /// Says what each piece of evidence tells of the certificates of `path`, the signer's first, and of
    /// those who signed responses about them, whether it is used for a verdict or not.
    pub(crate) fn told(&mut self, path: &FollowedPath) -> Vec<ToldEvidence> {
        let certificates = path.read();
        let mut told = Vec::new();
        for pair in certificates.windows(2) {
            let [certificate, issuer] = pair else { continue };
            let mut delegates: Vec<Vec<u8>> = Vec::new();
            let question = self.question(certificate, issuer);
            for index in 0..self.evidence.len() {
                let Some(Ok(statement)) = self.told_by(index, &question) else { continue };
                let facts = self.facts_of(index, &statement);
                told.extend(facts.iter().map(|fact| ToldEvidence::of(fact, certificate)));
                let delegate = statement.maker.delegate.as_ref();
                delegates.extend(delegate.filter(|it| !delegates.contains(it)).cloned());
            }
            for raw in &delegates {
                let Ok(delegate) = Certificate::read(raw) else { continue };
                let question = self.question(&delegate, issuer);
                let lists =
                    (0..self.evidence.len()).flat_map(|index| self.list_facts(index, &question));
                let of_delegate = lists.map(|fact| ToldEvidence::of(&fact, &delegate));
                told.extend(of_delegate.filter(|it| it.revoked.is_some()));
            }
        }
        told
    }

    /// Says what a list says of a certificate; nothing if that does not count, or it is no list.
    fn list_facts(&mut self, index: usize, question: &Question<'_>) -> Vec<Fact> {
        let is_list = |it: &Evidence<'_>| it.form().kind() == RevocationKind::Crl;
        if !self.evidence.get(index).is_some_and(is_list) {
            return Vec::new();
        }
        match self.told_by(index, question) {
            Some(Ok(statement)) => self.facts_of(index, &statement),
            Some(Err(_)) | None => Vec::new(),
        }
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
        let question = self.question(&delegate, issuer);
        let facts: Vec<Fact> =
            (0..self.evidence.len()).flat_map(|index| self.list_facts(index, &question)).collect();
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

const SPENT: &str = "too much evidence was looked at already";

fn standing(certificate: &Certificate<'_>, status: RevocationStatus) -> CertificateRevocation {
    let serial = hex::encode(certificate.serial);
    CertificateRevocation { subject: certificate.subject.clone(), serial, status }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        certificate::pem_blocks, revocation::RevocationSet, token::ReadToken,
        token_revocation::anchored_path,
    };

    const TOKEN: &[u8] = include_bytes!("../../../fuzz/seeds/trust/revoked.tst");
    const ANCHOR: &str = include_str!("../../../fuzz/seeds/trust/revoker.pem");
    const EVIDENCE: [&[u8]; 4] = [
        include_bytes!("../../../fuzz/seeds/revocation/good.crl"),
        include_bytes!("../../../fuzz/seeds/revocation/good.ocsp"),
        include_bytes!("../../../fuzz/seeds/revocation/revoked.crl"),
        include_bytes!("../../../fuzz/seeds/revocation/revoked.ocsp"),
    ];

    fn evidence() -> RevocationSet {
        let mut set = RevocationSet::new();
        for der in EVIDENCE {
            set.add("seed", der).unwrap();
        }
        set
    }

    /// Judges the time-stamp with some signatures left.
    fn judged(set: &RevocationSet, signatures: usize) -> Vec<CertificateRevocation> {
        let mut anchors = TrustAnchors::new();
        anchors.add_der("anchor", &pem_blocks(ANCHOR, "CERTIFICATE").unwrap()[0]).unwrap();
        let token = ReadToken::read(TOKEN).unwrap();
        let certificates = anchored_path(&token, &anchors).unwrap();
        let mut check = RevocationCheck::new(None);
        check.signatures_left = signatures;
        for (name, piece) in set.items() {
            check.add_piece(name, piece, Timestamp::MIN).unwrap();
        }
        let (stamped_at, known_by) = (token.stamped_at, Timestamp::MAX);
        let times = RevocationTimes { stamped_at, covered_at: None, known_by };
        check.judge(&FollowedPath { certificates, is_complete: true, above: None }, &times)
    }

    #[test]
    fn a_verdict_does_not_depend_on_what_was_asked_before() {
        let warm = evidence();
        let all = judged(&warm, SIGNATURES_MAX);
        assert!(matches!(all[0].status, RevocationStatus::Revoked { .. }), "{all:?}");
        let mut other = RevocationSet::new();
        other.add_shared("seed", &warm).unwrap();
        for signatures in 0..=EVIDENCE.len() + 1 {
            let fresh = judged(&evidence(), signatures);
            for shared in [&warm, &other] {
                assert_eq!(judged(shared, signatures), fresh, "{signatures} signatures");
            }
            assert_eq!(format!("{fresh:?}").contains(SPENT), signatures < 2, "{fresh:?}");
        }
    }
}
