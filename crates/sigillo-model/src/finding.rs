//! Findings: what a verification met, each with a stable code.

use std::fmt;

use serde::Serialize;

/// What a finding means for the archive.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Something derived is missing or wrong; `sigillo rebuild` mends it.
    Derived,
    /// Something could not be checked, with what is missing.
    CannotTell,
    /// Stored truth or content is damaged.
    Damage,
}

/// Defines the codes with their severity and meaning, once.
macro_rules! finding_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $severity:ident;)*) => {
        /// What verification can meet. Codes are public, stable and never reused.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum FindingCode {
            $($(#[$doc])* $name,)*
        }

        impl FindingCode {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code as it is printed, `F` and three digits.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns what findings of this code mean for the archive.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

finding_codes! {
    /// A pack named by the log is not in the store.
    PackMissing = "F101", Damage;
    /// A pack has another length than the log's list says.
    PackSize = "F102", Damage;
    /// The bytes of a pack do not hash to its name.
    PackDamaged = "F103", Damage;
    /// The directory of a pack cannot be read or does not list the documents it should.
    PackDirectory = "F104", Damage;
    /// A file does not have the digest its record states.
    FileDamaged = "F105", Damage;
    /// A record cannot be read or does not give the version id of its document.
    RecordDamaged = "F106", Damage;
    /// A file that lies in an earlier version of its document is not there as the record states.
    EarlierFileDamaged = "F107", Damage;
    /// A version does not follow an earlier one of the same document, although it says so.
    VersionChain = "F108", Damage;
    /// The leaves of a batch are missing or damaged.
    LeavesDamaged = "F201", Damage;
    /// The pack list of a batch is missing or damaged.
    PackListDamaged = "F202", Damage;
    /// The leaves of a batch do not give its evidence root.
    BatchRoot = "F203", Damage;
    /// The leaves of a batch do not give its order root.
    OrderRoot = "F204", Damage;
    /// The same version stands in the archive twice.
    VersionTwice = "F205", Damage;
    /// The description of the archive is missing or damaged.
    ArchiveDamaged = "F206", Damage;
    /// The report of a submission is missing or damaged.
    ReportDamaged = "F207", Damage;
    /// A commit is missing while later ones exist.
    CommitMissing = "F301", Damage;
    /// A commit cannot be read or does not bear the archive's signature.
    CommitDamaged = "F302", Damage;
    /// A commit does not follow from the one before it.
    CommitChain = "F303", Damage;
    /// The log is shorter than, or not an extension of, a checkpoint seen before.
    LogRolledBack = "F304", Damage;
    /// The clocks of two commits, or of log and authority, differ by more than ten minutes.
    ClockDifference = "F305", Note;
    /// A rotation of the log's key does not follow from the keys before it.
    KeyRotationFalse = "F306", Damage;
    /// What is said of a log that came after another does not follow from that, or its act is damaged.
    SuccessionFalse = "F307", Damage;
    /// The log came after another one, which had ended.
    LogSucceeded = "F308", Note;
    /// A tile of the log is missing or wrong.
    TileDamaged = "F401", Derived;
    /// The published checkpoint is missing, wrong or older than the log.
    CheckpointDamaged = "F402", Derived;
    /// The block values of a pack are missing or wrong.
    BlocksDamaged = "F403", Derived;
    /// A statement is missing or damaged.
    StatementDamaged = "F501", Damage;
    /// A seal is missing, damaged or does not cover its statement.
    SealDamaged = "F502", Damage;
    /// A time-stamp token is missing, damaged or does not cover its sealing.
    TokenDamaged = "F503", Damage;
    /// A statement does not say what the log says.
    StatementDiffers = "F504", Damage;
    /// A sealing has no time-stamp yet.
    NotStamped = "F505", Note;
    /// Documents are not sealed yet.
    NotSealed = "F506", Note;
    /// The time-stamps and seals are for trial, not qualified.
    TrialEvidence = "F507", Note;
    /// An algorithm is unknown to this program, so a signature could not be checked.
    AlgorithmUnknown = "F508", CannotTell;
    /// A statement has a format, profile or policy that is unknown to this program.
    StatementUnknown = "F509", CannotTell;
    /// A renewal of time-stamps is missing or damaged, or does not cover what it should.
    RenewalDamaged = "F510", Damage;
    /// The newest time-stamps of sealings are to be renewed soon.
    RenewalDue = "F511", Note;
    /// Not all renewals of a time-stamp could be given: a token or a list of members is missing or
    /// damaged.
    RenewalLeftOut = "F514", CannotTell;
    /// The token of a renewal is not in a receipt.
    RenewalNotIncluded = "F515", Note;
    /// The time-stamps of an evidence line could not be given, for the first of them is missing or
    /// damaged; those of another line were.
    LineLeftOut = "F516", Note;
    /// The token as received, beside the one that was filled from it, is missing or another one.
    ReceivedTokenDiffers = "F517", Note;
    /// A time-stamp over a checkpoint that the log names is missing or damaged.
    AnchorDamaged = "F518", Damage;
    /// Revocation evidence that a renewal covers is missing or damaged.
    CoveredEvidenceLost = "F519", Damage;
    /// No evidence record of a document follows from the time-stamps of its sealing.
    DocumentNotStamped = "F520", CannotTell;
    /// Documents were left out of the hash trees of SHA-512 of their sealing when these were made.
    DocumentsLeftOut = "F521", Note;
    /// A renewal does not count, for the certificate of its authority was revoked.
    RenewalRevoked = "F522", Note;
    /// Sealings can be renewed no more on an evidence line, or get no new hash trees there.
    LineStopped = "F523", Note;
    /// The log's key is in no trust store, so who wrote the archive cannot be told.
    OriginUnknown = "F601", CannotTell;
    /// The certificate of a seal leads to no anchor of the trust store.
    SealOriginUnknown = "F602", CannotTell;
    /// The certificate of an authority leads to no anchor of the trust store.
    AuthorityUnknown = "F603", CannotTell;
    /// Whether the archive is the newest there is cannot be told without an outside checkpoint.
    FreshnessUnknown = "F604", Note;
    /// Fewer witnesses than the trust store asks for have cosigned the checkpoint.
    NotWitnessed = "F605", Note;
    /// A cosignature is of a kind that is unknown to this program, so it could not be checked.
    CosignatureUnknown = "F606", CannotTell;
    /// No trusted list proves that a time-stamp is qualified.
    NotQualified = "F607", Note;
    /// A checkpoint is published of a log after the newest, and no commit begins one.
    SuccessorMissing = "F608", CannotTell;
    /// The store did not give an object, so it was not checked.
    NotRead = "F701", CannotTell;

    /// The receipt is not one, or not in its one spelling.
    ReceiptMalformed = "F801", Damage;
    /// The receipt is of a later schema than this program reads.
    ReceiptSchemaUnknown = "F802", CannotTell;
    /// The record and the file digests in the receipt do not give the version id of a document.
    ReceiptDocument = "F803", Damage;
    /// A document of the receipt does not lead to the roots of its batch.
    ReceiptBatchProof = "F804", Damage;
    /// A log entry in the receipt does not lead to the root of the checkpoint.
    ReceiptLogProof = "F805", Damage;
    /// The checkpoint in the receipt is no checkpoint, or not signed by the log it names.
    ReceiptCheckpoint = "F806", Damage;
    /// The receipt says something else than what it proves.
    ReceiptDiffers = "F807", Damage;
    /// A file beside the receipt has the name of one in it, and other bytes.
    ReceiptFileDiffers = "F808", Damage;
    /// A file beside the receipt is none of those in it.
    ReceiptFileUnknown = "F809", CannotTell;
    /// The end of the submission is not in the receipt: there was none yet, or it was left out.
    ReceiptSubmissionOpen = "F810", Note;
    /// The file is no bundle, or not in its one spelling.
    BundleMalformed = "F811", Damage;
    /// A part of the bundle is not what follows from the others.
    BundleDiffers = "F812", Damage;
    /// The bundle is of a later schema than this program reads.
    BundleSchemaUnknown = "F813", CannotTell;
    /// A file in the bundle does not have the digest or the size that the record of its document states.
    BundleFile = "F814", Damage;
    /// The archive of the receipt has a format, an encryption or algorithms that are unknown here.
    ReceiptArchiveUnknown = "F815", CannotTell;

    /// The file is no period statement, or not in its one spelling.
    PeriodMalformed = "F821", Damage;
    /// The period statement is of a later schema than this program reads.
    PeriodSchemaUnknown = "F822", CannotTell;
    /// The entries of a period statement do not lead from its older checkpoint to its newer one.
    PeriodEntries = "F823", Damage;
    /// A period statement says something else than its entries.
    PeriodDiffers = "F824", Damage;
    /// The seal or the time-stamp of a period statement does not cover it.
    PeriodSeal = "F825", Damage;
    /// Entries of a period are of types that this program does not know: they are only counted.
    PeriodEntryUnknown = "F826", CannotTell;
    /// A period statement has no time-stamp.
    PeriodNotStamped = "F827", Note;

    /// The seed of a sample can be chosen, by whom and at what cost the message says.
    SampleSteerable = "F831", Note;
    /// Documents came after the seed of a sample, which cannot draw them.
    SampleSeedOlder = "F832", Note;

    /// The evidence record is not one, or not in its one spelling.
    RecordMalformed = "F901", Damage;
    /// A data object is not in the first list of a chain of the evidence record.
    RecordObject = "F902", Damage;
    /// The lists of a time-stamp do not give the digest that was stamped.
    RecordRoot = "F903", Damage;
    /// A time-stamp does not cover the one before it.
    RecordLink = "F904", Damage;
    /// Tree, token and chain are not of one hash function.
    RecordHash = "F905", Damage;
    /// The time-stamps do not stand in the order of their times.
    RecordOrder = "F906", Damage;
    /// A token cannot be read, or its signature is wrong.
    RecordToken = "F907", Damage;
    /// The first list holds other hashes than those of the data objects.
    RecordGroup = "F908", Damage;
    /// A time-stamp was renewed only after its certificate had ended.
    RenewedLate = "F909", CannotTell;
    /// An algorithm could not be relied on any more when something stronger covered it.
    AlgorithmExpired = "F910", CannotTell;
    /// The certificate of the last time-stamp had ended at the time asked for.
    EvidenceEnded = "F911", CannotTell;
    /// The digest of a data object for a hash function of the record is not at hand.
    RecordDigestMissing = "F912", CannotTell;
    /// The evidence record uses what this program does not support.
    RecordUnsupported = "F913", CannotTell;
    /// Any authority was accepted.
    AnyAuthority = "F914", Note;
    /// Whether a certificate was revoked was not looked at, or cannot be told.
    RevocationUnknown = "F915", Note;
    /// Something in the evidence record is unusual and changes nothing.
    RecordUnusual = "F916", Note;
    /// A certificate had been revoked when a time-stamp was made.
    CertificateRevoked = "F917", Damage;
    /// A certificate was revoked after a time-stamp was made, which may have been dated back.
    RevokedLater = "F918", CannotTell;
    /// A file may be a node of a hash tree and no data object.
    RecordObjectMayBeNode = "F919", CannotTell;
    /// A time-stamp of an evidence record is later than the time as of which it is verified.
    RecordFromLater = "F920", CannotTell;
}

impl FindingCode {
    /// Tells whether it says of time-stamps whom to believe about them, or how long they hold: nothing
    /// was changed since they were made, and time-stamps of others over the same may do without them.
    pub const fn is_of_one_line(self) -> bool {
        matches!(
            self,
            Self::AlgorithmUnknown
                | Self::AuthorityUnknown
                | Self::RenewedLate
                | Self::AlgorithmExpired
                | Self::EvidenceEnded
                | Self::CertificateRevoked
                | Self::RevokedLater
                | Self::RecordFromLater
        )
    }

    /// Tells whether it says of time-stamps only what they are not proven to be: whoever demands that has
    /// it if those of another line are.
    pub const fn is_quality_of_one_line(self) -> bool {
        matches!(self, Self::NotQualified | Self::TrialEvidence)
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One thing a verification met: what, where, and in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub code: FindingCode,
    /// What it means.
    pub severity: Severity,
    /// The object it is in, by its key in the store.
    pub object: String,
    /// The place within the object, when known.
    #[serde(flatten)]
    pub place: Place,
    /// What was found, in a sentence.
    pub message: String,
    /// Whether something else is all that a verdict needs: what is missing here then, nobody has to demand.
    #[serde(skip)]
    pub is_outweighed: bool,
}

/// The place of a finding within its object, as far as it is known.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Place {
    /// The version of a document, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The document, by its producer's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Damaged bytes: the offset of the first, and of the first after them, in 64 KiB blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<(u64, u64)>,
}

impl Finding {
    /// Makes a finding about a whole object.
    pub fn new(code: FindingCode, object: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            object: object.to_string(),
            place: Place::default(),
            message: message.into(),
            is_outweighed: false,
        }
    }

    /// Makes a note of what is found on one evidence line of a sealing, whose time-stamps on another
    /// line hold.
    #[must_use]
    pub fn outweighed(self, line: &str, other: &str) -> Self {
        self.not_needed(&format!(
            "on the evidence line {line}; the time-stamps on the line {other} hold, and do not need these"
        ))
    }

    /// Makes a note of what a verdict does without; `why` says so.
    #[must_use]
    pub fn not_needed(mut self, why: &str) -> Self {
        (self.severity, self.is_outweighed) = (Severity::Note, true);
        self.message = format!("{} ({why})", self.message);
        self
    }

    /// Adds the place within the object.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
}

/// The outcome of a verification, in three values.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was asked for was read and is as it was; copies that follow from it may have to be
    /// rebuilt.
    Intact,
    /// Nothing is known to be wrong, but something could not be checked.
    CannotTell,
    /// Something is not as it was.
    Damaged,
}

impl Verdict {
    /// Draws the verdict from findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        match findings.into_iter().map(|finding| finding.severity).max() {
            Some(Severity::Damage) => Self::Damaged,
            Some(Severity::CannotTell) => Self::CannotTell,
            Some(Severity::Derived | Severity::Note) | None => Self::Intact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        let codes: Vec<_> = FindingCode::ALL.iter().map(|code| code.code()).collect();
        assert!(codes.is_sorted());
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn the_gravest_finding_decides() {
        let note = Finding::new(FindingCode::NotSealed, "x", "");
        let unknown = Finding::new(FindingCode::OriginUnknown, "x", "");
        let damage = Finding::new(FindingCode::PackDamaged, "x", "");
        assert_eq!(Verdict::of([]), Verdict::Intact);
        assert_eq!(Verdict::of([&note]), Verdict::Intact);
        assert_eq!(Verdict::of([&unknown, &note]), Verdict::CannotTell);
        assert_eq!(Verdict::of([&note, &damage, &unknown]), Verdict::Damaged);
    }
}
