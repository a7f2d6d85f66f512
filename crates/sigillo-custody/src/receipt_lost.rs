//! Renewals and evidence lines that a receipt leaves out because the archive has lost them, and what
//! that means.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use sigillo_ers::token_certificate_end;
use sigillo_evidence_log::{ChainToken, Chains, LogView, TokenFrom, Unread};
use sigillo_model::{Entry, Finding, FindingCode, ObjectKey, Severity, is_sha512_line};
use sigillo_proof::{Receipt, RenewalSection, SealingSection, TokenSection};

use crate::{ReceiptLog, receipt_error::GiveReceiptError};

/// A receipt, and what it leaves out because the archive has lost it.
#[derive(Clone, Debug)]
pub struct GivenReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Which renewals and evidence lines are not in it, why, and until when what is in it proves
    /// something.
    pub findings: Vec<Finding>,
}

/// What is left out of a receipt, by the key of what is lost.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    objects: BTreeMap<String, Lost>,
    lines: Vec<Finding>,
}

/// An object of a renewal that is lost.
#[derive(Debug)]
struct Lost {
    key: ObjectKey,
    /// When the renewal was made, as the log states it.
    renewed_at: String,
    /// What was found in its place.
    what: String,
    /// Until when the evidence of all sealings that lack it holds.
    until: Option<Timestamp>,
}

impl LeftOut {
    /// Takes note of a token that was not there as the log names it, or that leads to no sealing
    /// because the members of its renewal are lost.
    pub(crate) fn token(
        &mut self,
        view: &LogView,
        chains: &Chains,
        token: &ChainToken,
        what: &str,
    ) {
        let unread = match token.from {
            TokenFrom::Stamped { .. } => return,
            TokenFrom::Renewed { renewal, .. } => Unread::Renewal(renewal),
            TokenFrom::Rehashed { rehash, .. } => Unread::Rehash(rehash),
        };
        if token.is_placed() {
            self.add(&token.key(view), unread.stamped_at(view), what);
        } else {
            self.list(view, chains, unread);
        }
    }

    /// Takes note of a renewal whose list of what it covers is not there as the log names it.
    pub(crate) fn list(&mut self, view: &LogView, chains: &Chains, unread: Unread) {
        let what = match unread {
            Unread::Renewal(renewal) => {
                chains.faults().find(|(at, _)| *at == renewal).map(|(_, what)| what)
            }
            Unread::Rehash(at) => {
                chains.rehashes().get(at).and_then(|it| it.as_ref().err()).map(String::as_str)
            }
        };
        let what = what.unwrap_or("it is not in the store");
        self.add(&unread.key(view), unread.stamped_at(view), what);
    }

    /// Takes note of an object of the renewal of that time.
    pub(crate) fn add(&mut self, key: &ObjectKey, renewed_at: &str, what: &str) {
        let (renewed_at, what) = (renewed_at.to_owned(), what.to_owned());
        let lost = || Lost { key: key.clone(), renewed_at, what, until: None };
        self.objects.entry(key.to_string()).or_insert_with(lost);
    }

    /// Takes note that the first time-stamp of a sealing on a line is lost, and with it the line.
    pub(crate) fn line(&mut self, key: &ObjectKey, line: &str, what: &str) {
        let message = format!(
            "{what}: what was stamped on the evidence line {line} is left out, the other lines of the \
             sealing prove it alone; bring the object back from a copy of the archive, then make this \
             again"
        );
        self.lines.push(Finding::new(FindingCode::LineLeftOut, key, message));
    }

    /// Takes note that documents have no place on a line of SHA-512, for what is under its time-stamp is lost.
    pub(crate) fn places(
        &mut self,
        key: &ObjectKey,
        (line, what): (&str, &str),
        documents: usize,
        has_other: bool,
    ) {
        let message = format!(
            "{what}: {} not in the hash trees of the evidence line {line} as it is given, {}; bring the \
             object back from a copy of the archive, then make this again",
            are(documents),
            instead(has_other),
        );
        self.lines.push(graver(Finding::new(FindingCode::LineLeftOut, key, message), has_other));
    }

    /// Takes note that documents were left out of hash trees when these were made.
    pub(crate) fn never_in(
        &mut self,
        key: &ObjectKey,
        (line, number): (&str, u64),
        documents: usize,
        has_other: bool,
    ) {
        let instead = if is_sha512_line(line) {
            instead(has_other)
        } else {
            "what came before these on the line proves them alone"
        };
        let message = format!(
            "{} not in the hash trees of sealing {number} on the evidence line {line}, for they were left \
             out when these were made, and never will be; {instead}",
            are(documents),
        );
        self.lines
            .push(graver(Finding::new(FindingCode::DocumentsLeftOut, key, message), has_other));
    }

    /// Says until when the time-stamps of a sealing hold that lacks everything in `self`.
    pub(crate) fn hold(&mut self, section: &TokenSection) {
        let until = holds_until(section);
        for lost in self.objects.values_mut() {
            lost.until = lost.until.into_iter().chain(until).min();
        }
    }

    /// Takes in what another sealing lacks.
    pub(crate) fn join(&mut self, other: Self) {
        self.lines.extend(other.lines);
        for (name, lost) in other.objects {
            let until = lost.until;
            let there = self.objects.entry(name).or_insert(lost);
            there.until = there.until.into_iter().chain(until).min();
        }
    }

    /// Puts it into words, with the way to mend it.
    pub(crate) fn findings(self) -> Vec<Finding> {
        self.objects.into_values().map(Lost::finding).chain(self.lines).collect()
    }
}

/// Says how many documents of a proof something is said of.
fn are(documents: usize) -> String {
    match documents {
        1 => "1 document of this is".to_owned(),
        documents => format!("{documents} documents of this are"),
    }
}

/// Says what proves documents that are not on a line of SHA-512.
fn instead(has_other: bool) -> &'static str {
    if has_other {
        "and the other lines of the sealing prove them alone"
    } else {
        "and no other line of the sealing has them: there is no evidence record of them, and only the \
         statement of the sealing, by SHA-256, leads from them to a time-stamp"
    }
}

/// Makes of a note what it is where no other line proves the documents.
fn graver(mut finding: Finding, has_other: bool) -> Finding {
    if !has_other {
        finding.severity = Severity::CannotTell;
    }
    finding
}

impl Lost {
    fn finding(self) -> Finding {
        let until = self.until.map_or_else(String::new, |until| {
            format!(
                "; without it the evidence given here holds until {until}, when a certificate ends"
            )
        });
        let message = format!(
            "{}: the renewal of {} is left out{until}; bring the object back from a copy of the \
             archive, then make this again",
            self.what, self.renewed_at,
        );
        Finding::new(FindingCode::RenewalLeftOut, self.key, message)
    }
}

/// Returns until when the certificates of a chain last, each from before the end of the one before.
fn holds_until(section: &TokenSection) -> Option<Timestamp> {
    let mut until = token_certificate_end(&section.token.0).ok()?;
    let newer = |it: &RenewalSection| Some((it.token.clone()?, it.entry.line.clone()));
    let tree = section.hash_tree.iter().flat_map(|tree| {
        let first = (tree.token.clone(), tree.entry.line.clone());
        std::iter::once(first).chain(tree.renewals.iter().filter_map(newer))
    });
    for (raw, line) in section.renewals.iter().filter_map(newer).chain(tree) {
        let renewed_at = renewed_at(&line);
        // A gap is not closed by what came after it.
        if renewed_at.is_none_or(|at| at > until) {
            break;
        }
        until = token_certificate_end(&raw.0).ok()?;
    }
    Some(until)
}

fn renewed_at(line: &str) -> Option<Timestamp> {
    match Entry::parse_line(line.as_bytes()).ok()? {
        Entry::EvidenceRenewed(body) => body.stamped_at.parse().ok(),
        Entry::EvidenceRehashed(body) => body.stamped_at.parse().ok(),
        _ => None,
    }
}

/// Keeps the renewals and the evidence lines that an older receipt has and the archive has lost: the
/// older one is a copy of them.
pub(crate) fn keep_from(
    older: &Receipt,
    newer: &mut Receipt,
    log: &ReceiptLog,
) -> Result<(), GiveReceiptError> {
    for section in &mut newer.sealings {
        let same = |it: &&SealingSection| it.entry.line == section.entry.line;
        if let Some(before) = older.sealings.iter().find(same) {
            keep_lines(&before.tokens, &mut section.tokens, log)?;
        }
    }
    let pairs = older.sealings.iter().flat_map(|it| &it.tokens).collect::<Vec<_>>();
    for token in newer.sealings.iter_mut().flat_map(|it| &mut it.tokens) {
        let Some(before) = pairs.iter().find(|it| it.token == token.token) else { continue };
        keep(&before.renewals, &mut token.renewals, log)?;
        match (&before.hash_tree, &mut token.hash_tree) {
            (Some(before), Some(tree)) => keep(&before.renewals, &mut tree.renewals, log)?,
            (Some(before), tree) => {
                let mut kept = before.clone();
                let renewals = kept.renewals.iter_mut().map(|it| &mut it.entry);
                for entry in std::iter::once(&mut kept.entry).chain(renewals) {
                    *entry = log.line(entry.place())?;
                }
                *tree = Some(kept);
            }
            (None, _) => {}
        }
    }
    keep_places(older, newer);
    Ok(())
}

/// Keeps the places of documents in the trees of lines of SHA-512 whose token is the same: a token has
/// one tree.
fn keep_places(older: &Receipt, newer: &mut Receipt) {
    let tokens = |it: &Receipt| -> HashSet<(String, Vec<u8>)> {
        let tokens = it.sealings.iter().flat_map(|it| &it.tokens).filter(|it| it.is_over_trees());
        tokens.map(|it| (it.line.clone(), it.token.0.clone())).collect()
    };
    let (before, after) = (tokens(older), tokens(newer));
    let lines: HashSet<_> = before.intersection(&after).map(|(line, _)| line.as_str()).collect();
    let known: HashMap<_, _> = older
        .documents
        .iter()
        .filter(|it| !it.hash_trees.is_empty())
        .map(|it| (it.version_id, it))
        .collect();
    for document in &mut newer.documents {
        let Some(before) = known.get(&document.version_id) else { continue };
        for place in before.hash_trees.iter().filter(|it| lines.contains(it.line.as_str())) {
            if !document.hash_trees.iter().any(|it| it.line == place.line) {
                document.hash_trees.push(place.clone());
                document.sha512.clone_from(&before.sha512);
            }
        }
        document.hash_trees.sort_by(|a, b| a.line.cmp(&b.line));
    }
}

/// Keeps those lines of a sealing.
fn keep_lines(
    before: &[TokenSection],
    tokens: &mut Vec<TokenSection>,
    log: &ReceiptLog,
) -> Result<(), GiveReceiptError> {
    for kept in before {
        if tokens.iter().any(|it| it.line == kept.line) {
            continue;
        }
        let entry = log.line(kept.entry.place())?;
        if entry.line != kept.entry.line {
            continue;
        }
        let mut kept = TokenSection { entry, ..kept.clone() };
        for renewal in &mut kept.renewals {
            renewal.entry = log.line(renewal.entry.place())?;
        }
        if let Some(tree) = &mut kept.hash_tree {
            tree.entry = log.line(tree.entry.place())?;
            for renewal in &mut tree.renewals {
                renewal.entry = log.line(renewal.entry.place())?;
            }
        }
        let after = |it: &TokenSection| it.entry.place() > kept.entry.place();
        let at = tokens.iter().position(after).unwrap_or(tokens.len());
        tokens.insert(at, kept);
    }
    Ok(())
}

/// Keeps those renewals of a chain.
fn keep(
    before: &[RenewalSection],
    renewals: &mut Vec<RenewalSection>,
    log: &ReceiptLog,
) -> Result<(), GiveReceiptError> {
    for kept in before.iter().filter(|it| it.token.is_some()) {
        let same = |it: &&mut RenewalSection| it.entry.line == kept.entry.line;
        if let Some(section) = renewals.iter_mut().find(same) {
            if section.token.is_none() {
                *section = RenewalSection { entry: section.entry.clone(), ..kept.clone() };
            }
            continue;
        }
        let entry = log.line(kept.entry.place())?;
        if entry.line != kept.entry.line {
            continue;
        }
        let after = |it: &RenewalSection| it.entry.place() > entry.place();
        let at = renewals.iter().position(after).unwrap_or(renewals.len());
        renewals.insert(at, RenewalSection { entry, ..kept.clone() });
    }
    Ok(())
}
