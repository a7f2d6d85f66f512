//! Bundles: everything that proves documents, in one file that needs no archive and no network.
//!
//! A bundle is a receipt of documents, taken apart so that other programs find each part as a file
//! of its own, with the evidence records that follow from it. It has one spelling: whoever reads it
//! makes it anew from its parts and compares.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use sigillo_ers::walk_path;
use sigillo_merkle::write_tlog_proof;
use sigillo_model::{Entry, EvidenceDigest, Record, Sha512Digest, to_canonical};

use crate::{
    Base64Bytes, RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_LOGS, Receipt, SealingSection, TokenSection,
    ValidationSection,
    bundle_zip::{BUNDLE_BYTES_MAX, ZipEntry, read_zip, write_zip},
    check::tree_hash,
    check_sealings::imprint_of,
    evidence::{EvidenceMaker, sealing_tree_value},
};

/// The schema of the bundles that need one log, and have no evidence line of SHA-512.
pub const BUNDLE_SCHEMA: &str = "sigillo.bundle/1";

/// The schema of the bundles that need several logs of an archive, one after the other.
pub const BUNDLE_SCHEMA_OF_LOGS: &str = "sigillo.bundle/2";

/// The schema of the bundles with an evidence line of SHA-512, of one log or several.
pub const BUNDLE_SCHEMA_OF_TREES: &str = "sigillo.bundle/3";

/// The schemas that are known here.
const SCHEMAS: [&str; 3] = [BUNDLE_SCHEMA, BUNDLE_SCHEMA_OF_LOGS, BUNDLE_SCHEMA_OF_TREES];

/// What the schema of every bundle begins with.
const SCHEMA_PREFIX: &str = "sigillo.bundle/";

/// The entry of every bundle that says what is in it, in words. Always the same.
const README: &str = include_str!("bundle_readme.txt");

/// Most documents in one bundle.
pub const BUNDLE_DOCUMENTS_MAX: usize = 1_000;

/// Longest name of an evidence line.
const LINE_BYTES_MAX: usize = 64;

/// A file of a document, in a bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundledFile {
    /// Which of the documents it belongs to, from 0.
    pub document: usize,
    /// Its position in the record, from 0.
    pub position: usize,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a bundle holds. Nothing in it is believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    /// The receipt that it is made of, of documents and not of a submission.
    pub receipt: Receipt,
    /// Files of the documents, in their order.
    pub files: Vec<BundledFile>,
}

/// A bundle cannot be made or read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// The receipt is one of a submission, or says what no bundle holds.
    #[error("it cannot be put into a bundle: {what}")]
    Unfit {
        /// What is in the way.
        what: &'static str,
    },
    /// Another schema.
    #[error(
        "the bundle has another schema than {BUNDLE_SCHEMA}, {BUNDLE_SCHEMA_OF_LOGS} and \
         {BUNDLE_SCHEMA_OF_TREES}"
    )]
    OtherSchema,
    /// Not a bundle.
    #[error("this is no bundle: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// Its parts do not follow from each other.
    #[error("{entry} is not what follows from the rest of the bundle")]
    Differs {
        /// The entry of the ZIP.
        entry: String,
    },
    /// Larger than a bundle may be.
    #[error("the bundle would have more than {BUNDLE_BYTES_MAX} bytes")]
    TooLarge,
}

/// `proof.json`: the receipt without what stands in entries of its own, in canonical order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Skeleton {
    /// The files that are there: document and position, each from 1.
    files: Vec<(usize, usize)>,
    receipt: Receipt,
    schema: String,
}

impl Bundle {
    /// Writes the bundle.
    ///
    /// # Errors
    ///
    /// [`BundleError`] if it is too large, or its receipt is none of documents.
    pub fn to_zip(&self) -> Result<Vec<u8>, BundleError> {
        write_zip(&self.entries()?).ok_or(BundleError::TooLarge)
    }

    /// Reads a bundle. Its parts follow from each other, and it is the only spelling of them; what
    /// they prove is not looked at.
    ///
    /// # Errors
    ///
    /// [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let entries =
            read_zip(bytes).map_err(|what| BundleError::Malformed { what: what.to_owned() })?;
        let skeleton = Skeleton::read(&entries)?;
        let bundle = skeleton.fill(&entries)?;
        let again = bundle.entries()?;
        for (found, expected) in entries.iter().zip(&again) {
            if found != expected {
                return Err(BundleError::Differs { entry: found.0.clone() });
            }
        }
        match entries.len().cmp(&again.len()) {
            std::cmp::Ordering::Equal => Ok(bundle),
            std::cmp::Ordering::Less => Err(missing(&again[entries.len()].0)),
            std::cmp::Ordering::Greater => {
                Err(BundleError::Differs { entry: entries[again.len()].0.clone() })
            }
        }
    }

    /// Returns the entries of the ZIP, in their order.
    fn entries(&self) -> Result<Vec<ZipEntry>, BundleError> {
        self.check()?;
        let receipt = &self.receipt;
        let mut entries = Entries::default();
        entries.push("README.txt".to_owned(), README.as_bytes().to_vec())?;
        entries.push("proof.json".to_owned(), self.skeleton().to_json())?;
        entries
            .push("archive.json".to_owned(), receipt.archive.description.clone().into_bytes())?;
        entries.push("checkpoint".to_owned(), receipt.checkpoint.clone().into_bytes())?;
        for (number, batch) in (1..).zip(&receipt.batches) {
            entries.push(format!("log/{number}.entry"), batch.entry.line.clone().into_bytes())?;
            // Of a log that ended there is no checkpoint that would be signed.
            if batch.entry.log == receipt.archive.newest_log() {
                let path: Vec<_> = batch.entry.proof.iter().copied().map(tree_hash).collect();
                let proof = write_tlog_proof(batch.entry.index, &path, &receipt.checkpoint);
                entries.push(format!("log/{number}.tlog-proof"), proof.into_bytes())?;
            }
        }
        let maker = EvidenceMaker::new(receipt);
        for (number, document) in (1..).zip(&receipt.documents) {
            let record = document.record.clone().into_bytes();
            entries.push(record_name(number), record)?;
            for evidence in maker.records_of(document) {
                let name = format!("documents/{number}/{}-{}.er", evidence.place, evidence.line);
                entries.push(name, evidence.record)?;
            }
        }
        for (number, sealing) in (1..).zip(&receipt.sealings) {
            for (name, bytes) in sealing_entries(number, sealing) {
                entries.push(name, bytes)?;
            }
        }
        for section in &receipt.validation {
            entries.push(validation_name(section), section.evidence.0.clone())?;
        }
        let mut record = RecordAt::default();
        for file in &self.files {
            let name = record.file_name(receipt, (file.document, file.position))?;
            entries.push(name, file.bytes.clone())?;
        }
        Ok(entries.list)
    }

    /// Sees that the receipt is one that a bundle can be made of.
    fn check(&self) -> Result<(), BundleError> {
        let unfit = |what| Err(BundleError::Unfit { what });
        if self.receipt.submission.is_some() {
            return unfit("it is the receipt of a submission");
        }
        if self.receipt.documents.len() > BUNDLE_DOCUMENTS_MAX {
            return unfit("it has too many documents");
        }
        let is_line = |line: &str| {
            (1..=LINE_BYTES_MAX).contains(&line.len())
                && line.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let mut tokens = self.receipt.sealings.iter().flat_map(|sealing| &sealing.tokens);
        if !tokens.all(|token| is_line(&token.line)) {
            return unfit("an evidence line has an unusual name");
        }
        let places: Vec<_> = self.files.iter().map(|it| (it.document, it.position)).collect();
        if !places.is_sorted_by(|a, b| a < b) {
            return unfit("its files do not stand in their order");
        }
        Ok(())
    }

    fn skeleton(&self) -> Skeleton {
        let mut receipt = self.receipt.clone();
        receipt.archive.description.clear();
        receipt.checkpoint.clear();
        receipt.batches.iter_mut().for_each(|batch| batch.entry.line.clear());
        receipt.documents.iter_mut().for_each(|document| document.record.clear());
        for sealing in &mut receipt.sealings {
            sealing.statement.clear();
            sealing.seal.0.clear();
            for token in &mut sealing.tokens {
                token.token.0.clear();
                let mut renewals: Vec<_> = token.renewals.iter_mut().collect();
                if let Some(tree) = &mut token.hash_tree {
                    tree.token.0.clear();
                    renewals.extend(&mut tree.renewals);
                }
                let tokens = renewals.into_iter().filter_map(|it| it.token.as_mut());
                tokens.for_each(|token| token.0.clear());
            }
        }
        receipt.validation.iter_mut().for_each(|section| section.evidence.0.clear());
        Skeleton {
            files: self.files.iter().map(|it| (it.document + 1, it.position + 1)).collect(),
            receipt,
            schema: schema_of(&self.receipt).to_owned(),
        }
    }
}

/// The record that was looked at last: files stand in the order of their documents, and a record of
/// many files must not be read for each of them.
#[derive(Debug, Default)]
pub(crate) struct RecordAt {
    document: Option<usize>,
    record: Option<Record>,
}

impl RecordAt {
    /// Returns the record of a document, if there is such a document and its record can be read.
    pub(crate) fn of(&mut self, receipt: &Receipt, document: usize) -> Option<&Record> {
        if self.document != Some(document) {
            let section = receipt.documents.get(document);
            self.record = section.and_then(|it| Record::parse(it.record.as_bytes()).ok());
            self.document = Some(document);
        }
        self.record.as_ref()
    }

    /// Returns the name of a file's entry: numbers, and the extension of its name if that is plain.
    fn file_name(
        &mut self,
        receipt: &Receipt,
        (document, position): (usize, usize),
    ) -> Result<String, BundleError> {
        let none = BundleError::Unfit { what: "a file belongs to no document" };
        let record = self.of(receipt, document).ok_or(none.clone())?;
        let entry = record.files.get(position).ok_or(none)?;
        let extension = entry.name.rsplit_once('.').map(|(_, extension)| extension);
        let is_plain = |it: &&str| {
            (1..=8).contains(&it.len())
                && it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let extension = extension.filter(is_plain).map_or_else(String::new, |it| format!(".{it}"));
        Ok(format!("files/{}/{}{extension}", document + 1, position + 1))
    }
}

impl Skeleton {
    fn to_json(&self) -> Vec<u8> {
        to_canonical(self)
    }

    fn read(entries: &[ZipEntry]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: String,
        }
        let malformed = |what: String| BundleError::Malformed { what };
        let (name, json) = entries.get(1).ok_or_else(|| malformed("it is empty".to_owned()))?;
        if name != "proof.json" {
            return Err(malformed("its second entry is not proof.json".to_owned()));
        }
        let skeleton: Self = serde_json::from_slice(json).map_err(|error| {
            let is_other = serde_json::from_slice(json).is_ok_and(|Schema { schema }| {
                schema.starts_with(SCHEMA_PREFIX) && !SCHEMAS.contains(&schema.as_str())
            });
            if is_other { BundleError::OtherSchema } else { malformed(error.to_string()) }
        })?;
        if !SCHEMAS.contains(&skeleton.schema.as_str()) {
            return Err(BundleError::OtherSchema);
        }
        // Nothing else protects it.
        if skeleton.receipt.schema != skeleton.receipt.schema_wanted() {
            return Err(malformed("its receipt has another schema".to_owned()));
        }
        skeleton.receipt.check_bounds().map_err(|error| malformed(error.to_string()))?;
        if skeleton.receipt.documents.is_empty() {
            return Err(malformed("it has no document".to_owned()));
        }
        // Before anything is copied for them.
        if !skeleton.files.is_sorted_by(|a, b| a < b) {
            return Err(malformed("its files do not stand in their order".to_owned()));
        }
        Ok(skeleton)
    }

    /// Puts the entries where they were taken from.
    fn fill(self, entries: &[ZipEntry]) -> Result<Bundle, BundleError> {
        let by_name: HashMap<&str, &Vec<u8>> =
            entries.iter().map(|(name, bytes)| (name.as_str(), bytes)).collect();
        let bytes = |name: &str| {
            by_name.get(name).map(|bytes| (*bytes).clone()).ok_or_else(|| missing(name))
        };
        let text = |name: &str| {
            let what = format!("{name} is not UTF-8");
            String::from_utf8(bytes(name)?).map_err(|_| BundleError::Malformed { what })
        };
        let mut receipt = self.receipt;
        receipt.archive.description = text("archive.json")?;
        receipt.checkpoint = text("checkpoint")?;
        for (number, batch) in (1..).zip(&mut receipt.batches) {
            batch.entry.line = text(&format!("log/{number}.entry"))?;
        }
        for (number, document) in (1..).zip(&mut receipt.documents) {
            document.record = text(&record_name(number))?;
        }
        for (number, sealing) in (1..).zip(&mut receipt.sealings) {
            sealing.statement = text(&format!("sealings/{number}/statement.json"))?;
            sealing.seal = Base64Bytes(bytes(&format!("sealings/{number}/seal.p7s"))?);
            for (at, token) in (1..).zip(&mut sealing.tokens) {
                let line = token.line.clone();
                let name = |what: &str| token_name((number, at), &line, &format!("{what}tst"));
                token.token = Base64Bytes(bytes(&name(""))?);
                // A renewal that the archive has lost has no entry.
                for (of, renewal) in (1..).zip(&mut token.renewals) {
                    if let Some(token) = &mut renewal.token {
                        *token = Base64Bytes(bytes(&name(&renewal_name(0, of)))?);
                    }
                }
                if let Some(tree) = &mut token.hash_tree {
                    tree.token = Base64Bytes(bytes(&name(TREE_NAME))?);
                    for (of, renewal) in (1..).zip(&mut tree.renewals) {
                        if let Some(token) = &mut renewal.token {
                            *token = Base64Bytes(bytes(&name(&renewal_name(1, of)))?);
                        }
                    }
                }
            }
        }
        for section in &mut receipt.validation {
            section.evidence = Base64Bytes(bytes(&validation_name(section))?);
        }
        receipt
            .check_bounds()
            .map_err(|error| BundleError::Malformed { what: error.to_string() })?;
        let (mut files, mut record) = (Vec::with_capacity(self.files.len()), RecordAt::default());
        for (document, position) in self.files {
            let (Some(document), Some(position)) =
                (document.checked_sub(1), position.checked_sub(1))
            else {
                return Err(BundleError::Malformed { what: "a file has the number 0".to_owned() });
            };
            let name = record.file_name(&receipt, (document, position))?;
            files.push(BundledFile { document, position, bytes: bytes(&name)? });
        }
        Ok(Bundle { receipt, files })
    }
}

/// Entries of a bundle, which end where it would be too large.
#[derive(Default)]
struct Entries {
    list: Vec<ZipEntry>,
    bytes: usize,
}

impl Entries {
    fn push(&mut self, name: String, bytes: Vec<u8>) -> Result<(), BundleError> {
        self.bytes += name.len() + bytes.len();
        if self.bytes > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge);
        }
        self.list.push((name, bytes));
        Ok(())
    }
}

/// Returns the schema of a bundle of a receipt.
fn schema_of(receipt: &Receipt) -> &'static str {
    match receipt.schema_wanted() {
        RECEIPT_SCHEMA => BUNDLE_SCHEMA,
        RECEIPT_SCHEMA_OF_LOGS => BUNDLE_SCHEMA_OF_LOGS,
        _ => BUNDLE_SCHEMA_OF_TREES,
    }
}

fn missing(name: &str) -> BundleError {
    BundleError::Malformed { what: format!("{name} is missing") }
}

fn validation_name(section: &ValidationSection) -> String {
    format!("validation/{}", section.sha256)
}

fn record_name(number: usize) -> String {
    format!("documents/{number}/record.json")
}

/// What the names of a time-stamp over new hash trees have more.
const TREE_NAME: &str = "hash-tree.";

/// Names what belongs to a time-stamp of a sealing: sealing and line by their numbers, from 1.
fn token_name((number, at): (usize, usize), line: &str, what: &str) -> String {
    format!("sealings/{number}/{at}-{line}.{what}")
}

/// Returns what the names of a renewal, from 1, have more; `chain` is that of its chain, from 0.
fn renewal_name(chain: usize, renewal: usize) -> String {
    let chain = if chain == 0 { "" } else { "hash-tree-" };
    format!("{chain}renewal-{renewal}.")
}

fn sealing_entries(number: usize, sealing: &SealingSection) -> Vec<ZipEntry> {
    let folder = format!("sealings/{number}");
    let mut entries = vec![
        (format!("{folder}/statement.json"), sealing.statement.clone().into_bytes()),
        (format!("{folder}/seal.p7s"), sealing.seal.0.clone()),
    ];
    for (at, token) in (1..).zip(&sealing.tokens) {
        let mut push = |what: &str, raw: &[u8], imprint: Option<EvidenceDigest>| {
            let name =
                |extension| token_name((number, at), &token.line, &format!("{what}{extension}"));
            entries.push((name("tst"), raw.to_vec()));
            if let Some(imprint) = imprint {
                entries.push((name("imprint"), imprint.to_string().into_bytes()));
            }
        };
        for chain in token.chains() {
            if chain.place == 0 {
                push("", chain.first, imprint(sealing, token));
            } else {
                push(TREE_NAME, chain.first, tree_imprint(sealing, token).map(Into::into));
            }
            for (renewal, section) in (1..).zip(chain.renewals) {
                let Some(raw) = &section.token else { continue };
                let imprint = chain.imprint(renewal - 1);
                push(&renewal_name(chain.place, renewal), &raw.0, imprint);
            }
        }
    }
    entries
}

/// Returns what the time-stamp over new hash trees should cover, by the value that statement and seal
/// have in them.
fn tree_imprint(sealing: &SealingSection, token: &TokenSection) -> Option<Sha512Digest> {
    let Ok(Entry::BatchesSealed(body)) = Entry::parse_line(sealing.entry.line.as_bytes()) else {
        return None;
    };
    let value = sealing_tree_value(sealing, &body, token)?;
    Some(walk_path(value, &token.hash_tree.as_ref()?.path))
}

/// Returns what a token of a sealing should cover, as far as its log entry can be read.
fn imprint(sealing: &SealingSection, token: &TokenSection) -> Option<EvidenceDigest> {
    match Entry::parse_line(sealing.entry.line.as_bytes()).ok()? {
        Entry::BatchesSealed(body) => imprint_of((sealing, &body), token),
        _ => None,
    }
}
