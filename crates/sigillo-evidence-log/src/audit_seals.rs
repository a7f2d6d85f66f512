//! Auditing seals, as of a time that the evidence lines of their sealings prove.

use sigillo_ers::{SEAL_BYTES_MAX, TrustAnchors, verify_stamped_seal};
use sigillo_model::{Finding, FindingCode, ObjectKey};

use crate::{
    Archive, LogError, LogView,
    audit_lines::ProvenTimes,
    audit_sealings::{StatedTimes, is_certificate, read_stated},
};

/// Checks every seal as of the earliest first time-stamp on a line that holds. Without one, as of what the
/// first time-stamp is said to attest, which is told as doubtful by itself; without any, as of when the
/// statement says: the log's own time never goes back, so one wrong clock would put it off for ever.
pub(crate) async fn audit_seals(
    (archive, view, anchors): (&Archive, &LogView, &TrustAnchors),
    (stated, proven): (&StatedTimes, &ProvenTimes),
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    // A damaged description says nothing against a seal.
    let described = !findings.iter().any(|it| it.code == FindingCode::ArchiveDamaged);
    let code = FindingCode::SealDamaged;
    for (sealing, stated_at) in view.sealings.iter().zip(stated) {
        let (key, number) = (ObjectKey::seal(sealing.body.sealing), sealing.body.number);
        let named = (&key, SEAL_BYTES_MAX as u64, sealing.body.seal_sha256);
        let Some(bytes) = read_stated(archive, named, code, findings).await? else { continue };
        let first = || {
            let mut stamps = view.stamps.iter().filter(|it| it.body.number == number);
            stamps.find_map(|it| it.body.stamped_at.parse().ok())
        };
        let at = proven.get(&number).copied().or_else(first).or(*stated_at);
        let at = at.unwrap_or_else(|| sealing.at.timestamp());
        match verify_stamped_seal(&bytes, sealing.body.statement_sha256, anchors, at) {
            Ok(seal) => {
                let ours = archive.seal_at(sealing.commit);
                if described && !is_certificate(&ours, seal.certificate_sha256) {
                    let message = "it was made with another certificate than the archive's";
                    findings.push(Finding::new(code, &key, message));
                }
                if let Some(doubt) = seal.doubt() {
                    findings.push(Finding::new(FindingCode::SealOriginUnknown, &key, doubt));
                }
            }
            Err(error) if error.is_unknown_algorithm() => {
                findings.push(Finding::new(FindingCode::AlgorithmUnknown, &key, error.to_string()));
            }
            Err(error) => findings.push(Finding::new(code, &key, error.to_string())),
        }
    }
    Ok(())
}
