//! Auditing successions: who vouches for a log that came after another, and what became of that.

use sigillo_authorities::SignedHead;
use sigillo_ers::{SEAL_BYTES_MAX, Trust, VerifiedSeal, verify_seal};
use sigillo_merkle::{Checkpoint, KeysOfLog};
use sigillo_model::{
    BeyondEnd, Finding, FindingCode, LogTime, ObjectKey, SUCCESSION_ACT_BYTES_MAX, Succession,
};

use crate::{
    Archive, AuditKnowledge, LogError, LogView, LoggedSuccession, audit_sealings::read_stated,
    chain::sha256_of, is_vouched_by_old_key, read_act,
};

/// Audits every succession that the log names; `keys` are those of each log, oldest first.
pub(crate) async fn audit_successions(
    (archive, keys): (&Archive, &[KeysOfLog]),
    view: &LogView,
    knowledge: &AuditKnowledge,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    for (old, logged) in keys.iter().zip(&view.successions) {
        let code = FindingCode::SuccessionFalse;
        let (body, terms) = (&logged.body, &logged.body.succession);
        let object = ObjectKey::commit(logged.commit);
        let origin = archive.description().origin_of(terms.generation.saturating_sub(1));
        if body.signature.is_some() && !is_vouched_by_old_key(body, &origin, old) {
            let message = "the key of the old log did not sign for the new one, as it says";
            findings.push(Finding::new(code, &object, message));
        }
        let signer = signer(archive, logged, knowledge, findings).await?;
        let by_old_key = body.signature.is_some();
        let message = words_of(logged, signer.as_ref(), by_old_key);
        findings.push(Finding::new(FindingCode::LogSucceeded, &object, message));
    }
    Ok(())
}

/// Reads the act and its signature; damage is a finding.
async fn signer(
    archive: &Archive,
    logged: &LoggedSuccession,
    knowledge: &AuditKnowledge,
    findings: &mut Vec<Finding>,
) -> Result<Option<VerifiedSeal>, LogError> {
    let (body, code) = (&logged.body, FindingCode::SuccessionFalse);
    let mut signed_at = logged.at;
    let generation = body.succession.generation;
    let key = ObjectKey::succession_act(generation, body.act_sha256);
    let stated = (&key, SUCCESSION_ACT_BYTES_MAX, body.act_sha256);
    if let Some(bytes) = read_stated(archive, stated, code, findings).await? {
        let act = read_act(&bytes).ok();
        signed_at = act.as_ref().map_or(signed_at, |act| act.at);
        let is_same = act.is_some_and(|act| {
            act.archive == archive.description().archive && act.succession == body.succession
        });
        if !is_same {
            let message = "the act says something else than the log";
            findings.push(Finding::new(code, &key, message));
        }
    }
    let key = ObjectKey::succession_signature(generation, body.signature_sha256);
    let stated = (&key, SEAL_BYTES_MAX as u64, body.signature_sha256);
    let Some(bytes) = read_stated(archive, stated, code, findings).await? else { return Ok(None) };
    // It must hold when the act was written, or when it was carried out: a person signs in between.
    let judged =
        |at: LogTime| verify_seal(&bytes, body.act_sha256, &knowledge.anchors, at.timestamp());
    match judged(signed_at).or_else(|_| judged(logged.at)) {
        Ok(signer) => Ok(Some(signer)),
        Err(error) if error.is_unknown_algorithm() => {
            let code = FindingCode::AlgorithmUnknown;
            findings.push(Finding::new(code, &key, error.to_string()));
            Ok(None)
        }
        Err(error) => {
            findings.push(Finding::new(code, &key, error.to_string()));
            Ok(None)
        }
    }
}

/// Says what happened to the log, in words.
fn words_of(logged: &LoggedSuccession, signer: Option<&VerifiedSeal>, by_old_key: bool) -> String {
    let terms = &logged.body.succession;
    let beyond = beyond_end(terms).in_words();
    let signer = match signer {
        None => "whose signature cannot be read".to_owned(),
        Some(it) if it.trust == Trust::Unknown => {
            format!("signed by {}, who leads to no anchor of the trust store", it.signer)
        }
        Some(it) if it.trial => format!("signed by {} (TRIAL)", it.signer),
        Some(it) => format!("signed by {}", it.signer),
    };
    let key = if by_old_key { "its key signed for the next" } else { "its key did not sign" };
    format!(
        "log {} ended with commit {} of {} entries, because {}{beyond}; log {} began on {}, by an act \
         {signer}; {key}",
        terms.generation.saturating_sub(1),
        terms.last,
        terms.size,
        terms.reason.in_words(),
        terms.generation,
        logged.at,
    )
}

/// Tells what is known of the old log beyond its end.
pub fn beyond_end(terms: &Succession) -> BeyondEnd {
    terms.beyond_end(stated_end(terms).map(|it| (it.size, it.root)))
}

/// Returns what the newest known checkpoint of the old log covers, as the succession states it.
pub(crate) fn stated_end(terms: &Succession) -> Option<SignedHead> {
    let stated = Checkpoint::stated(terms.checkpoint.as_deref()?)?;
    Some(SignedHead { size: stated.size, root: sha256_of(stated.root) })
}

/// Tells whether a succession says of a head of the log that ended that it is lost: it covers more than
/// what is left, and no more than the newest checkpoint that was known.
pub fn is_said_lost(terms: &Succession, head: SignedHead) -> bool {
    stated_end(terms)
        .is_some_and(|stated| head.size > terms.size && (head == stated || head.size < stated.size))
}

/// What a head says of a log that ended and that does not contain it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uncontained {
    /// That the log is not what it was.
    Damage,
    /// Nothing that was not known: the act of its end says that what the head covers more is lost.
    Lost,
    /// Nothing: others may sign with the keys of the log.
    Theirs,
}

/// Tells what a head says that the log which `terms` ends does not contain, to who believes the next one;
/// others may sign with its keys where they may with those of a later log.
pub fn uncontained(terms: &Succession, others_may_sign: bool, head: SignedHead) -> Uncontained {
    if others_may_sign {
        // What the act says to be known beyond the end may be theirs as well.
        return Uncontained::Theirs;
    }
    if is_said_lost(terms, head) { Uncontained::Lost } else { Uncontained::Damage }
}

#[cfg(test)]
mod tests {
    use sigillo_model::{Sha256Digest, SuccessionReason};

    use super::*;

    #[test]
    fn no_more_is_said_to_be_lost_than_the_act_names() {
        let root = |name: &str| Sha256Digest::of(name.as_bytes());
        let checkpoint = Checkpoint {
            origin: "o".to_owned(),
            size: 9,
            root: sigillo_merkle::TreeHash::from_bytes(*root("stated").as_bytes()),
        };
        let terms = Succession {
            checkpoint: Some(checkpoint.to_text()),
            commit: String::new(),
            generation: 2,
            last: 3,
            last_sha256: root("last"),
            log: String::new(),
            reason: SuccessionReason::TailLost,
            root: root("end"),
            seal: None,
            size: 6,
        };
        for (size, name, is_lost) in [
            (5, "any", false),
            (6, "end", false),
            (6, "other", false),
            (7, "any", true),
            (9, "stated", true),
            (9, "other", false),
            (10, "any", false),
        ] {
            let head = SignedHead { size, root: root(name) };
            assert_eq!(is_said_lost(&terms, head), is_lost, "{size} {name}");
            let says = if is_lost { Uncontained::Lost } else { Uncontained::Damage };
            assert_eq!(uncontained(&terms, false, head), says, "{size} {name}");
            assert_eq!(uncontained(&terms, true, head), Uncontained::Theirs, "{size} {name}");
        }
        let unknown = Succession { checkpoint: None, ..terms };
        assert!(!is_said_lost(&unknown, SignedHead { size: 7, root: root("any") }));
    }
}
