//! What is required of the time-stamps of an archive: one evidence line of a sealing that has it is enough.

use std::collections::{BTreeMap, BTreeSet, HashSet, btree_map::Entry};

use sigillo_ers::{RevocationSummary, TOKEN_BYTES_MAX, TrustAnchors, verify_token};
use sigillo_evidence_log::{Archive, ChainToken, Chains, LogView};
use sigillo_model::{Finding, FindingCode, Severity};

use crate::CustodyError;

/// Tells of each time-stamp that is not for trial and not proven to be qualified, one note each;
/// `findings` are those of a verification. One that a qualified line stands beside, which holds, need not
/// be.
///
/// What is damaged or missing is passed over: verifying the archive tells of that.
///
/// # Errors
///
/// [`CustodyError`] if the renewals of the archive could not be read.
pub async fn unqualified_stamps(
    (archive, view): (&Archive, &LogView),
    anchors: &TrustAnchors,
    findings: &[Finding],
) -> Result<Vec<Finding>, CustodyError> {
    let chains = Chains::read(archive, view).await?;
    let mut seen = BTreeMap::<String, Quality>::new();
    for (_, _, tokens) in chains.iter() {
        for token in tokens.iter().filter(|token| !token.stated(view).1) {
            if let Entry::Vacant(unseen) = seen.entry(token.key(view).to_string()) {
                unseen.insert(quality_of(archive, view, token, anchors).await);
            }
        }
    }
    let lines = Lines { view, chains: &chains, doubtful: doubtful(findings) };
    let is_qualified = |key: &str| matches!(seen.get(key), Some(Quality::Qualified));
    let good = lines.holding(&is_qualified);
    // A time-stamp of a renewal is of many sealings.
    let mut others = BTreeMap::<String, (bool, &str, &str)>::new();
    for (line, number, tokens) in chains.iter() {
        let other = good.get(&number).copied().filter(|other| *other != line);
        for key in tokens.iter().map(|token| token.key(view).to_string()) {
            let all = others.entry(key).or_insert((true, line, other.unwrap_or_default()));
            all.0 &= other.is_some();
        }
    }
    let told = seen.iter().filter_map(|(key, quality)| {
        let Quality::NotProven(finding) = quality else { return None };
        Some(match others.get(key) {
            Some((true, line, other)) => finding.clone().outweighed(line, other),
            _ => finding.clone(),
        })
    });
    Ok(told.collect())
}

/// Tells whether every sealing with a time-stamp has a line that holds, is not for trial, and of which
/// all about revocation is known; `findings` and `summary` are those of a verification.
///
/// # Errors
///
/// As [`unqualified_stamps`].
pub async fn is_revocation_known(
    (archive, view): (&Archive, &LogView),
    summary: &RevocationSummary,
    findings: &[Finding],
) -> Result<bool, CustodyError> {
    let chains = Chains::read(archive, view).await?;
    let lines = Lines { view, chains: &chains, doubtful: doubtful(findings) };
    let good = lines.holding(&|key| summary.is_known(key));
    let all: BTreeSet<u64> = chains.iter().map(|(_, number, _)| number).collect();
    Ok(!all.is_empty() && all.iter().all(|number| good.contains_key(number)))
}

/// The evidence lines of an archive, and the time-stamps that something speaks against.
struct Lines<'a> {
    view: &'a LogView,
    chains: &'a Chains,
    doubtful: HashSet<&'a str>,
}

impl<'a> Lines<'a> {
    /// Returns of each sealing a line that holds, is not for trial, and all of whose time-stamps have what
    /// is asked of their keys.
    fn holding(&self, has: &dyn Fn(&str) -> bool) -> BTreeMap<u64, &'a str> {
        let mut lines = BTreeMap::new();
        for (line, number, tokens) in self.chains.iter() {
            let is_good = |token: &ChainToken| {
                let key = token.key(self.view);
                let is_sound = token.is_placed() && !self.doubtful.contains(key.as_str());
                is_sound && !token.stated(self.view).1 && has(key.as_str())
            };
            if !tokens.is_empty() && tokens.iter().all(is_good) {
                lines.entry(number).or_insert(line);
            }
        }
        lines
    }
}

/// Returns the objects that something speaks against, also where other lines outweigh it.
fn doubtful(findings: &[Finding]) -> HashSet<&str> {
    let is_doubt = |it: &&Finding| {
        it.severity >= Severity::CannotTell || it.is_outweighed && it.code.is_of_one_line()
    };
    findings.iter().filter(is_doubt).map(|it| it.object.as_str()).collect()
}

/// What is known of the quality of a time-stamp.
enum Quality {
    Qualified,
    NotProven(Finding),
    /// It cannot be verified now.
    Unread,
}

async fn quality_of(
    archive: &Archive,
    view: &LogView,
    token: &ChainToken,
    anchors: &TrustAnchors,
) -> Quality {
    let (key, covers) = (token.key(view), token.covers(view));
    let read = archive.store().read(&key, TOKEN_BYTES_MAX as u64).await;
    let (Some(covers), Ok(bytes)) = (covers, read) else { return Quality::Unread };
    let Ok(verified) = verify_token(&bytes, covers, anchors) else { return Quality::Unread };
    if verified.qualification.is_qualified() {
        return Quality::Qualified;
    }
    let message = format!("not proven to be qualified: {}", verified.qualification);
    Quality::NotProven(Finding::new(FindingCode::NotQualified, key, message))
}
