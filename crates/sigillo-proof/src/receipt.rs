//! The receipt as it is written and read.

use serde::{Deserialize, Serialize};

use sigillo_merkle::{VerifierKey, VerifierKeyError};
use sigillo_model::{
    EvidenceDigest, JSON_INTEGER_MAX, JsonError, LogTime, RENEWAL_VALIDATION_MAX, Sha256Digest,
    Sha512Digest, SubmissionCompleted, SubmissionId, VersionId,
};

use crate::{
    ArchiveSection, Base64Bytes, LoggedLine, ReceiptError,
    bytes::up_to,
    receipt_schema::{other_schema, unreadable},
    spelling::{is_spelling_of, written_bytes},
};

/// Largest receipt written or read, in bytes: some 250,000 documents. Reading one takes about twice
/// its size.
pub const RECEIPT_BYTES_MAX: u64 = 192 << 20;

/// Most documents in one receipt.
pub const RECEIPT_DOCUMENTS_MAX: usize = 1_000_000;

/// Most batches in one receipt.
pub const RECEIPT_BATCHES_MAX: usize = 100_000;

/// Most refusals in one receipt, as in the report of a submission.
pub const RECEIPT_REFUSALS_MAX: usize = 100_000;

/// Most sealings in one receipt.
pub const RECEIPT_SEALINGS_MAX: usize = 10_000;

/// Most time-stamps of one sealing in a receipt.
pub const RECEIPT_TOKENS_MAX: usize = 64;

/// Most renewals of one time-stamp in a receipt.
pub const RECEIPT_RENEWALS_MAX: usize = 64;

/// Most pieces of revocation evidence in a receipt.
pub const RECEIPT_VALIDATION_MAX: usize = 64;

/// Most bytes of revocation evidence in a receipt, together.
pub const RECEIPT_VALIDATION_BYTES_MAX: usize = 4 << 20;

/// Most witnesses of the checkpoint of a receipt.
pub const RECEIPT_WITNESSES_MAX: usize = 64;
/// Most leaves of one batch, as the log has them.
const LEAVES_MAX: usize = 100_000;

/// Most hashes in one proof: more than any tree is high.
pub const PROOF_HASHES_MAX: usize = 128;

/// What proves on its own that documents were taken into an archive (rapporto di versamento).
///
/// Members stand in canonical order, so that writing it is one pass. Texts of the archive (log
/// entries, records, statements, the report) are carried byte for byte, since they are hashed as
/// stored. Source: `docs/format.md`, "Receipts".
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The archive.
    pub archive: ArchiveSection,
    /// The batches that the documents are in, in log order.
    #[serde(deserialize_with = "up_to::<_, _, RECEIPT_BATCHES_MAX>")]
    pub batches: Vec<BatchSection>,
    /// A signed checkpoint of the newest log that is needed; every log entry here is in its tree, or in
    /// that of a log before it whose root follows from it.
    pub checkpoint: String,
    /// The documents, by batch and place in it.
    #[serde(deserialize_with = "up_to::<_, _, RECEIPT_DOCUMENTS_MAX>")]
    pub documents: Vec<DocumentSection>,
    /// [`RECEIPT_SCHEMA`](crate::RECEIPT_SCHEMA), or that of several logs, or of lines of SHA-512.
    pub schema: String,
    /// The sealings that cover the batches, as far as there are any, in log order.
    #[serde(deserialize_with = "up_to::<_, _, RECEIPT_SEALINGS_MAX>")]
    pub sealings: Vec<SealingSection>,
    /// The submission, if the receipt is for a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<SubmissionSection>,
    /// Revocation evidence for the certificates of its time-stamps, in the order of the digests.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, RECEIPT_VALIDATION_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub validation: Vec<ValidationSection>,
    /// The keys of the witnesses that cosigned the checkpoint, as C2SP verifier keys, in the order of
    /// their cosignatures below the log's signature.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, RECEIPT_WITNESSES_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub witnesses: Vec<String>,
}

/// A batch that holds documents of the receipt.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSection {
    /// The entry `batch.committed`.
    pub entry: LoggedLine,
    /// All leaves of the batch, 32 bytes each, in place of proofs for its documents one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Base64Bytes>,
    /// The sealing that covers the batch, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedIn>,
}

/// How a batch leads to the sealing that covers it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SealedIn {
    /// Number of the sealing.
    pub number: u64,
    /// The siblings from the batch's root up to the root of the sealing (RFC 4998).
    pub tree_path: Vec<Sha256Digest>,
}

/// One version of a document.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentSection {
    /// Which of the receipt's batches it is in, from 0.
    pub batch: u64,
    /// Where it is in the new hash trees of its sealing, by evidence line.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, RECEIPT_TOKENS_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hash_trees: Vec<DocumentTreeSection>,
    /// Its place among the leaves of the batch, from 0.
    pub leaf_index: u64,
    /// The siblings up to the order root of the batch (RFC 6962), unless the batch has `leaves`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_proof: Option<Vec<Sha256Digest>>,
    /// `record.json`, byte for byte: document id, key, version, operation and files.
    pub record: String,
    /// SHA-256 of the record.
    pub record_sha256: Sha256Digest,
    /// SHA-512 of the files, in the order of the record, if it is in new hash trees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sha512: Vec<Sha512Digest>,
    /// The siblings up to the evidence root of the batch (RFC 4998), unless it has `leaves`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_path: Option<Vec<Sha256Digest>>,
    /// The version's id.
    pub version_id: VersionId,
}

/// Where a document is in the new hash trees of its sealing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentTreeSection {
    /// The evidence line.
    pub line: String,
    /// The siblings from the value of record and files, joined with their older chain, up to the root
    /// that the time-stamp covers (RFC 4998 §5.2).
    pub path: Vec<Sha512Digest>,
}

/// A sealing that covers batches of the receipt.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SealingSection {
    /// The hashes by which the log of the statement's checkpoint became that of the receipt's.
    pub consistency: Vec<Sha256Digest>,
    /// The entry `batches.sealed`.
    pub entry: LoggedLine,
    /// The seal over the statement (CAdES).
    pub seal: Base64Bytes,
    /// `statement.json`, byte for byte.
    pub statement: String,
    /// Its time-stamps, in log order.
    #[serde(deserialize_with = "up_to::<_, _, RECEIPT_TOKENS_MAX>")]
    pub tokens: Vec<TokenSection>,
}

/// A time-stamp of a sealing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSection {
    /// The entry `sealing.stamped`.
    pub entry: LoggedLine,
    /// The new hash trees that came after it and its renewals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_tree: Option<HashTreeSection>,
    /// The evidence line.
    pub line: String,
    /// The siblings from the sealing's value up to what the token covers; mostly none, unless the line is
    /// of SHA-512.
    pub path: Vec<EvidenceDigest>,
    /// The time-stamps that renewed it, oldest first.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, RECEIPT_RENEWALS_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub renewals: Vec<RenewalSection>,
    /// The token as received (RFC 3161).
    pub token: Base64Bytes,
}

/// A time-stamp over new hash trees, which begins a chain of SHA-512.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HashTreeSection {
    /// The entry `evidence.rehashed`.
    pub entry: LoggedLine,
    /// The siblings from the value of statement and seal, joined with their older chain, up to the
    /// root that the time-stamp covers.
    pub path: Vec<Sha512Digest>,
    /// The time-stamps that renewed it, oldest first.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, RECEIPT_RENEWALS_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub renewals: Vec<RenewalSection>,
    /// The token as received (RFC 3161).
    pub token: Base64Bytes,
}

/// A newer time-stamp over a time-stamp and all that renewed it before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalSection {
    /// The entry `evidence.renewed`.
    pub entry: LoggedLine,
    /// The siblings from the value of the older time-stamps of the chain up to the root of the renewal;
    /// none without the token.
    pub path: Vec<EvidenceDigest>,
    /// The token as received (RFC 3161), unless the archive has lost it. Those around it prove what
    /// they prove without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Base64Bytes>,
    /// The digests of the revocation evidence that it covers with the older time-stamps, in their order;
    /// `path` begins with their value.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, RENEWAL_VALIDATION_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub validation: Vec<EvidenceDigest>,
}

/// A revocation list or an OCSP response.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationSection {
    /// A revocation list (RFC 5280) or an OCSP response (RFC 6960) as received, DER.
    pub evidence: Base64Bytes,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
}

/// A whole submission (versamento) and what became of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionSection {
    /// The entry `submission.completed`, once the submission came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<LoggedLine>,
    /// How many documents became what, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The submission's id.
    pub id: SubmissionId,
    /// The entry `submission.received`, without which nothing binds the section to the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<LoggedLine>,
    /// When it was received, by the pole's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<LogTime>,
    /// What was refused, as far as the report says so in words.
    #[serde(deserialize_with = "up_to::<_, _, RECEIPT_REFUSALS_MAX>")]
    pub refusals: Vec<RefusedDocument>,
    /// `report.json`, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// What the producer calls the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How many documents of a submission became what.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// New versions of aggregations, made beside the documents.
    pub aggregations: u64,
    /// Documents that were in the archive before, with the same content.
    pub already: u64,
    /// Documents archived.
    pub archived: u64,
    /// Documents that the submission ended before.
    pub pending: u64,
    /// Documents it had.
    pub received: u64,
    /// Documents refused.
    pub refused: u64,
}

impl From<&SubmissionCompleted> for Counts {
    /// Returns the counts that the end of a submission states.
    fn from(body: &SubmissionCompleted) -> Self {
        Self {
            aggregations: body.aggregations,
            already: body.already,
            archived: body.archived,
            pending: body.pending,
            received: body.received,
            refused: body.refused,
        }
    }
}

/// One document that was refused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RefusedDocument {
    /// Why, by a stable code.
    pub code: String,
    /// Its path within the source.
    pub path: String,
    /// Why, as a sentence.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// What a receipt takes from the report of a submission; other members are for other readers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct StatedReport {
    /// The versions, already in the archive, that documents of the submission were the same as.
    #[serde(default)]
    pub already_versions: Option<Vec<VersionId>>,
    /// When the submission was received.
    pub received_at: LogTime,
    /// The refusals in words.
    pub refusals: Vec<RefusedDocument>,
    /// What the producer calls the source.
    pub source: String,
    /// The submission.
    pub submission: SubmissionId,
}

impl StatedReport {
    /// Reads the report of a submission.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Shape`] if it is none. The caller bounds the length.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        serde_json::from_str(text)
            .map_err(|error| ReceiptError::Shape { reason: error.to_string() })
    }
}

impl Receipt {
    /// Writes the receipt in canonical form (RFC 8785).
    pub fn to_json(&self) -> Vec<u8> {
        // The members are declared in canonical order; a test holds that to `to_canonical`.
        serde_json::to_vec(self).expect("our types have text keys and no floats")
    }

    /// Reads a receipt, which may end in one newline. Nothing in it is believed yet.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`] for a text that is too long, of another schema, no receipt, or not in
    /// canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() as u64 > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong { size_bytes: bytes.len() as u64 });
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let receipt: Self = match serde_json::from_slice(bytes) {
            Ok(receipt) => receipt,
            Err(error) => return Err(unreadable(bytes, &error)),
        };
        if receipt.schema != receipt.schema_wanted() {
            return Err(other_schema(receipt.schema));
        }
        receipt.check_bounds()?;
        if receipt.documents.is_empty() && receipt.submission.is_none() {
            let reason = "it has neither a document nor a submission".to_owned();
            return Err(ReceiptError::Shape { reason });
        }
        if !is_spelling_of(bytes, &receipt) {
            return Err(ReceiptError::Json { error: JsonError::NotCanonical });
        }
        Ok(receipt)
    }

    /// Returns the length of the receipt as it would be written, in bytes.
    pub fn size_bytes(&self) -> u64 {
        written_bytes(self)
    }

    /// Returns every log entry that the receipt carries, but rotations of keys.
    pub fn lines(&self) -> impl Iterator<Item = &LoggedLine> {
        let submission = self.submission.iter();
        let ends = submission.flat_map(|it| it.received.iter().chain(&it.completed));
        let seals = self.sealings.iter().flat_map(|it| {
            let stamps = it.tokens.iter().flat_map(TokenSection::lines);
            std::iter::once(&it.entry).chain(stamps)
        });
        let batches = self.batches.iter().map(|it| &it.entry);
        let begins = self.archive.begins();
        begins.chain(ends).chain(batches).chain(seals)
    }

    /// Returns the same log entries, to be proven anew.
    pub fn lines_mut(&mut self) -> impl Iterator<Item = &mut LoggedLine> {
        let submission = self.submission.iter_mut();
        let ends = submission.flat_map(|it| it.received.iter_mut().chain(&mut it.completed));
        let seals = self.sealings.iter_mut().flat_map(|it| {
            std::iter::once(&mut it.entry).chain(it.tokens.iter_mut().flat_map(|token| {
                let renewals = token.renewals.iter_mut().map(|it| &mut it.entry);
                let trees = token.hash_tree.iter_mut().flat_map(|tree| {
                    let renewals = tree.renewals.iter_mut().map(|it| &mut it.entry);
                    std::iter::once(&mut tree.entry).chain(renewals)
                });
                std::iter::once(&mut token.entry).chain(renewals).chain(trees)
            }))
        });
        let batches = self.batches.iter_mut().map(|it| &mut it.entry);
        let successions = self.archive.successions.iter_mut().map(|it| &mut it.entry);
        let begins = std::iter::once(&mut self.archive.created).chain(successions);
        begins.chain(ends).chain(batches).chain(seals)
    }

    /// Reads the keys of the witnesses. That they are believed is for the caller to see.
    ///
    /// # Errors
    ///
    /// [`VerifierKeyError`] for the first that is none, or of a kind that is not known here.
    pub fn witness_keys(&self) -> Result<Vec<VerifierKey>, VerifierKeyError> {
        self.note().witness_keys()
    }

    /// Returns the checkpoint with the keys of those who cosigned it.
    pub(crate) fn note(&self) -> CosignedNote<'_> {
        CosignedNote { note: &self.checkpoint, witnesses: &self.witnesses }
    }

    pub(crate) fn check_bounds(&self) -> Result<(), ReceiptError> {
        let refusals = self.submission.as_ref().map_or(0, |it| it.refusals.len());
        let tokens = self.sealings.iter().map(|it| it.tokens.len()).max().unwrap_or(0);
        let stamps = self.sealings.iter().flat_map(|it| &it.tokens);
        let renewals = stamps.flat_map(TokenSection::chains).map(|it| it.renewals.len());
        let renewals = renewals.max().unwrap_or(0);
        let trees = self.documents.iter().map(|it| it.hash_trees.len()).max().unwrap_or(0);
        let leaves =
            self.batches.iter().filter_map(|it| Some(it.leaves.as_ref()?.0.len() / 32)).max();
        let validation = self.validation.iter().map(|it| it.evidence.0.len()).sum();
        let counts = [
            ("leaves of a batch", leaves.unwrap_or(0), LEAVES_MAX),
            ("documents", self.documents.len(), RECEIPT_DOCUMENTS_MAX),
            ("batches", self.batches.len(), RECEIPT_BATCHES_MAX),
            ("refusals", refusals, RECEIPT_REFUSALS_MAX),
            ("sealings", self.sealings.len(), RECEIPT_SEALINGS_MAX),
            ("time-stamps of a sealing", tokens, RECEIPT_TOKENS_MAX),
            ("renewals of a time-stamp", renewals, RECEIPT_RENEWALS_MAX),
            ("hash trees of a document", trees, RECEIPT_TOKENS_MAX),
            ("pieces of revocation evidence", self.validation.len(), RECEIPT_VALIDATION_MAX),
            ("bytes of revocation evidence", validation, RECEIPT_VALIDATION_BYTES_MAX),
            ("witnesses", self.witnesses.len(), RECEIPT_WITNESSES_MAX),
            ("hashes in a proof", self.longest_proof(), PROOF_HASHES_MAX),
        ];
        for (what, count, max) in counts {
            if count > max {
                return Err(ReceiptError::TooMany { what, count, max });
            }
        }
        self.archive.check_bounds()?;
        let logs = self.archive.newest_log();
        if self.lines().any(|it| it.log == 0 || it.log > logs) {
            let reason = "an entry of a log that it does not have".to_owned();
            return Err(ReceiptError::Shape { reason });
        }
        let indexes = self.lines().map(|it| it.index);
        let places = self.documents.iter().flat_map(|it| [it.batch, it.leaf_index]);
        let numbers = self.batches.iter().filter_map(|it| Some(it.sealed.as_ref()?.number));
        if indexes.chain(places).chain(numbers).any(|number| number > JSON_INTEGER_MAX) {
            let reason = "a number above 2^53-1".to_owned();
            return Err(ReceiptError::Shape { reason });
        }
        Ok(())
    }

    fn longest_proof(&self) -> usize {
        let lines = self.lines().map(|it| it.proof.len());
        let documents = self.documents.iter().flat_map(|it| [&it.order_proof, &it.tree_path]);
        let documents = documents.flatten().map(Vec::len);
        let trees = self.documents.iter().flat_map(|it| &it.hash_trees).map(|it| it.path.len());
        let batches =
            self.batches.iter().filter_map(|it| Some(it.sealed.as_ref()?.tree_path.len()));
        let sealings = self.sealings.iter().map(|it| it.consistency.len());
        let tokens = self.sealings.iter().flat_map(|it| &it.tokens);
        let tokens = tokens.flat_map(|it| {
            let renewals = it.chains().flat_map(|it| it.renewals).map(|it| it.path.len());
            let tree = it.hash_tree.iter().map(|it| it.path.len());
            std::iter::once(it.path.len()).chain(renewals).chain(tree)
        });
        lines
            .chain(documents)
            .chain(trees)
            .chain(batches)
            .chain(sealings)
            .chain(tokens)
            .max()
            .unwrap_or(0)
    }
}

/// A checkpoint, signed by its log and perhaps cosigned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CosignedNote<'a> {
    pub(crate) note: &'a str,
    /// The keys of those who cosigned it.
    pub(crate) witnesses: &'a [String],
}

impl CosignedNote<'_> {
    pub(crate) fn witness_keys(&self) -> Result<Vec<VerifierKey>, VerifierKeyError> {
        self.witnesses.iter().map(|key| VerifierKey::parse(key)).collect()
    }
}

impl TokenSection {
    /// Returns its log entry and those of what renewed it, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &LoggedLine> {
        let tree = self.hash_tree.iter().flat_map(|tree| {
            std::iter::once(&tree.entry).chain(tree.renewals.iter().map(|it| &it.entry))
        });
        let renewals = self.renewals.iter().map(|it| &it.entry);
        std::iter::once(&self.entry).chain(renewals).chain(tree)
    }
}
