//! Checking that the documents of a receipt are in the hash trees of SHA-512 of their sealings.

use std::collections::HashMap;

use sigillo_ers::walk_path;
use sigillo_model::{Entry, FileEntry, FindingCode, Record, Sha512Digest};

use crate::{
    DocumentSection, EvidenceMaker, Receipt, SealingSection, TokenSection, check::Checker,
};

/// Checks every document that says it is in hash trees of SHA-512, and tells of those that are in none
/// of their sealing. A line of SHA-512 on which not all are stands in for no other.
pub(crate) fn check_hash_trees(checker: &mut Checker, receipt: &Receipt) {
    let has_trees = |sealing: &SealingSection| sealing.tokens.iter().any(TokenSection::has_trees);
    let stated =
        receipt.documents.iter().any(|it| !it.hash_trees.is_empty() || !it.sha512.is_empty());
    if !stated && !receipt.sealings.iter().any(has_trees) {
        return;
    }
    let (maker, mut outside) = (EvidenceMaker::new(receipt), 0);
    for (number, document) in receipt.documents.iter().enumerate() {
        let sealing = maker.sealing_of(document).map(|(section, _)| *section);
        if let Err(message) = check(&maker, document, sealing) {
            let what = (number, document.version_id, None);
            checker.find_document(FindingCode::RenewalDamaged, what, message);
        }
        outside += u64::from(sealing.is_some_and(has_trees) && document.hash_trees.is_empty());
    }
    doubt_incomplete_lines(checker, &maker, receipt);
    if outside > 0 {
        let message = format!(
            "{outside} documents are not in the hash trees of SHA-512 of their sealing, or this does not \
             say where: SHA-256 alone proves them here (receipts of submissions never say where, \
             bundles do)"
        );
        checker.find(FindingCode::RenewalDue, "documents", message);
    }
}

/// Takes note of the lines of SHA-512 on which not all documents of the receipt have a place in their
/// sealing: they stand in for no other line.
fn doubt_incomplete_lines(checker: &mut Checker, maker: &EvidenceMaker<'_>, receipt: &Receipt) {
    // Of each sealing those on which every document had its place so far.
    let mut whole: HashMap<u64, Vec<&str>> = HashMap::new();
    for (section, body) in maker.sealings() {
        let trees = section.tokens.iter().filter(|token| token.is_over_trees());
        let lines: Vec<_> = trees.map(|token| token.line.as_str()).collect();
        if !lines.is_empty() {
            whole.insert(body.number, lines);
        }
    }
    for document in &receipt.documents {
        let Some((_, body)) = maker.sealing_of(document) else { continue };
        let Some(lines) = whole.get_mut(&body.number) else { continue };
        lines.retain(|line| {
            let is_in = document.hash_trees.iter().any(|place| place.line == *line);
            if !is_in {
                checker.lines.doubt(&(body.number, (*line).to_owned()));
            }
            is_in
        });
    }
}

/// Checks the places of one document.
fn check(
    maker: &EvidenceMaker<'_>,
    document: &DocumentSection,
    sealing: Option<&SealingSection>,
) -> Result<(), &'static str> {
    if document.hash_trees.is_empty() && document.sha512.is_empty() {
        return Ok(());
    }
    // What is wrong with a record is told where it is checked.
    let Ok(record) = Record::parse(document.record.as_bytes()) else { return Ok(()) };
    let mut same = record.files.iter().zip(&document.sha512);
    let is_same =
        |(file, sha512): (&FileEntry, &Sha512Digest)| file.sha512.is_none_or(|it| it == *sha512);
    if record.files.len() != document.sha512.len() || !same.all(is_same) {
        return Err("its second digests are not those of the files of its record");
    }
    if document.hash_trees.is_empty() {
        return Err("it has second digests, and is in no hash tree that needs them");
    }
    if !document.hash_trees.is_sorted_by(|a, b| a.line < b.line) {
        return Err("its places in hash trees do not stand in the order of their lines");
    }
    let sealing = sealing.ok_or("it is in hash trees, and in no sealing")?;
    for place in &document.hash_trees {
        let token = sealing.tokens.iter().find(|token| token.line == place.line);
        let token = token.filter(|token| token.has_trees());
        let token = token.ok_or("its sealing has no hash trees on a line that it names")?;
        // That the entry is in the log is checked with the sealing.
        let Some(root) = root_of(token) else { continue };
        let value = maker.tree_value(document, &place.line);
        if value.map(|value| walk_path(value, &place.path)) != Some(root) {
            return Err("record and files do not lead to the root of the hash trees");
        }
    }
    Ok(())
}

/// Returns the root of the hash trees on a line, as the log states it.
pub(crate) fn root_of(token: &TokenSection) -> Option<Sha512Digest> {
    let entry = token.hash_tree.as_ref().map_or(&token.entry, |tree| &tree.entry);
    match Entry::parse_line(entry.line.as_bytes()) {
        Ok(Entry::EvidenceRehashed(body)) => Some(body.root),
        Ok(Entry::SealingStamped(body)) => body.tree.map(|tree| tree.root),
        _ => None,
    }
}
