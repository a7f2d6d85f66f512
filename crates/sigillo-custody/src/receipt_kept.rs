//! What a receipt has and the archive has lost: when the receipt is given anew, it stays in it.

use std::collections::{BTreeSet, HashMap};

use sigillo_proof::{Receipt, RenewalSection, SealingSection, TokenSection};

use crate::{
    ReceiptLog,
    receipt_error::GiveReceiptError,
    receipt_trees::{sealing_in, sections_of},
};

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

/// Keeps the places of documents in hash trees whose time-stamp is the same: a token has one tree.
fn keep_places(older: &Receipt, newer: &mut Receipt) {
    let same: BTreeSet<(u64, String)> = trees_of(older)
        .intersection(&trees_of(newer))
        .map(|(of, line, _)| (*of, (*line).to_owned()))
        .collect();
    let known: HashMap<_, _> = older
        .documents
        .iter()
        .filter(|it| !it.hash_trees.is_empty())
        .map(|it| (it.version_id, it))
        .collect();
    let Receipt { batches, documents, .. } = newer;
    for document in documents {
        let Some(before) = known.get(&document.version_id) else { continue };
        let Some(number) = sealing_in(batches, document.batch) else { continue };
        for place in &before.hash_trees {
            let is_there = document.hash_trees.iter().any(|it| it.line == place.line);
            if !is_there && same.contains(&(number, place.line.clone())) {
                document.hash_trees.push(place.clone());
                document.sha512.clone_from(&before.sha512);
            }
        }
        document.hash_trees.sort_by(|a, b| a.line.cmp(&b.line));
    }
}

/// Returns the hash trees of a receipt: of which sealing they are, on which line, and their time-stamp.
fn trees_of(receipt: &Receipt) -> BTreeSet<(u64, &str, &[u8])> {
    let tokens = sections_of(receipt).flat_map(|(number, section)| {
        let tokens = section.tokens.iter().filter(|token| token.has_trees());
        tokens.map(move |token| {
            let over = token.hash_tree.as_ref().map_or(&token.token, |tree| &tree.token);
            (number, token.line.as_str(), &over.0[..])
        })
    });
    tokens.collect()
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
