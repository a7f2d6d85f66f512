//! What proves the documents of a receipt in place of what it leaves out, by the rules of its check.

use jiff::Timestamp;

use sigillo_ers::{AlgorithmTable, DueCause, TrustAnchors, token_renewals_due};
use sigillo_model::{Finding, Severity};
use sigillo_proof::{
    Base64Bytes, BundleRules, HoldingLines, Receipt, ReceiptTrust, RenewalSection, TokenSection,
};

use crate::{receipt_lost::SealingLine, receipt_trees::sections_of};

/// A receipt, and which of its lines hold by what is in it.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) receipt: &'a Receipt,
    lines: HoldingLines,
    by: (&'a TrustAnchors, &'a AlgorithmTable),
    at: Timestamp,
}

/// When the newest of some time-stamps ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct End {
    at: Timestamp,
    /// Whether that is because a certificate does.
    of_certificate: bool,
}

/// What is left of the time-stamps of a sealing on a line; what is worse stands first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Left {
    /// They do not hold.
    Nothing,
    /// They hold until then.
    Until(End),
    /// They hold, and no end is in sight.
    Open,
}

/// What proves documents in place of a line, or of hash trees, that they are not on; what is worse stands
/// last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Instead {
    /// What came before new hash trees on the line itself.
    Before(Left),
    /// Other lines, of which one holds.
    Holds,
    /// Other lines, of which none holds.
    IsDoubtful,
    /// What came before new hash trees on the line itself, and perhaps other lines: none of that holds.
    AllDoubtful,
    /// Nothing.
    Nothing,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what =
            if self.of_certificate { "a certificate ends" } else { "an algorithm under it ends" };
        write!(f, "{}, when {what}", self.at)
    }
}

impl<'a> Judged<'a> {
    /// Judges the lines of a receipt that has its revocation evidence.
    pub(crate) fn new(
        receipt: &'a Receipt,
        (anchors, algorithms): (&'a TrustAnchors, &'a AlgorithmTable),
        at: Timestamp,
    ) -> Self {
        let trust = &ReceiptTrust { anchors: anchors.clone(), ..ReceiptTrust::default() };
        let lines = HoldingLines::of(receipt, &BundleRules { trust, algorithms, at });
        Self { receipt, lines, by: (anchors, algorithms), at }
    }

    /// Returns the time-stamps of a sealing on a line.
    pub(crate) fn section(&self, (number, line): SealingLine<'_>) -> Option<&'a TokenSection> {
        let mut sections = sections_of(self.receipt).filter(|(it, _)| *it == number);
        sections.find_map(|(_, it)| it.tokens.iter().find(|token| token.line == line))
    }

    /// Tells whether a document is in hash trees of its sealing on a line.
    pub(crate) fn is_in_trees(&self, document: usize, line: &str) -> bool {
        let document = self.receipt.documents.get(document);
        document.is_some_and(|it| it.hash_trees.iter().any(|place| place.line == line))
    }

    /// Says what is left of the time-stamps of a sealing on a line, all of them.
    pub(crate) fn left(&self, number: u64, section: &TokenSection) -> Left {
        let trees = section.hash_tree.as_ref().map(|it| (&it.token, &it.renewals[..]));
        self.left_of((number, &section.line), trees.unwrap_or((&section.token, &section.renewals)))
    }

    /// Says the same of what came before new hash trees.
    fn left_before(&self, number: u64, section: &TokenSection) -> Left {
        self.left_of((number, &section.line), (&section.token, &section.renewals))
    }

    /// Says until when a chain holds, if its line does.
    fn left_of(
        &self,
        (number, line): SealingLine<'_>,
        (first, renewals): (&Base64Bytes, &[RenewalSection]),
    ) -> Left {
        if !self.lines.has(number, line) {
            return Left::Nothing;
        }
        let newest = renewals.iter().rev().find_map(|it| it.token.as_ref()).unwrap_or(first);
        let (anchors, algorithms) = self.by;
        let due = token_renewals_due(&newest.0, algorithms, (anchors, self.at));
        let ends = due.iter().flatten().filter_map(|due| {
            let of_certificate = due.cause == DueCause::Certificate;
            Some(End { at: due.before?, of_certificate })
        });
        ends.min_by_key(|it| it.at).map_or(Left::Open, Left::Until)
    }

    /// Returns the other lines of a sealing that have a document, and whether each holds.
    fn others(
        &self,
        (number, line): SealingLine<'_>,
        document: usize,
    ) -> impl Iterator<Item = bool> {
        let sections = sections_of(self.receipt).filter(move |(it, _)| *it == number);
        let tokens = sections.flat_map(|(_, section)| &section.tokens);
        let others = tokens.filter(move |token| {
            let has = !token.is_over_trees() || self.is_in_trees(document, &token.line);
            has && token.line != line
        });
        others.map(move |token| self.lines.has(number, &token.line))
    }
}

impl Instead {
    /// Looks what there is for all of some documents that are not on a line, or not in new hash trees there.
    pub(crate) fn of(judged: &Judged<'_>, of: SealingLine<'_>, documents: &[usize]) -> Self {
        let section = judged.section(of).filter(|it| !it.is_over_trees());
        let before = section.map(|section| judged.left_before(of.0, section));
        let of_document = |document: &usize| {
            let others: Vec<bool> = judged.others(of, *document).collect();
            match before {
                Some(left) if left != Left::Nothing => Self::Before(left),
                _ if others.contains(&true) => Self::Holds,
                Some(_) => Self::AllDoubtful,
                None if others.is_empty() => Self::Nothing,
                None => Self::IsDoubtful,
            }
        };
        documents.iter().map(of_document).max().unwrap_or(Self::Holds)
    }

    /// Looks what there is for a submission whose receipt lacks a line of a sealing: that says of no document
    /// where it is in hash trees.
    pub(crate) fn of_submission(judged: &Judged<'_>, number: u64) -> Self {
        let mut sections = sections_of(judged.receipt).filter(|(it, _)| *it == number);
        let holds = sections.any(|(_, section)| {
            section.tokens.iter().any(|token| judged.lines.has(number, &token.line))
        });
        if holds { Self::Holds } else { Self::IsDoubtful }
    }

    /// Says so; `them` is what they are called.
    pub(crate) fn words(self, them: &str) -> String {
        match self {
            Self::Before(Left::Until(end)) => {
                format!("and what came before these on the line proves {them} alone, until {end}")
            }
            Self::Before(_) => {
                format!("and what came before these on the line proves {them} alone")
            }
            Self::Holds => format!("and the other lines of the sealing prove {them} alone"),
            Self::IsDoubtful => {
                "and of the other lines of the sealing none holds, by what is known here \
                                 (`sigillo verify` says why)"
                    .to_owned()
            }
            Self::AllDoubtful => format!(
                "and neither what came before these on the line nor another line of the sealing proves \
                 {them}, by what is known here (`sigillo verify` says why)"
            ),
            Self::Nothing => format!(
                "and no other line of the sealing has {them}: there is no evidence record of {them}, and only \
                 the statement of the sealing, by SHA-256, leads from {them} to a time-stamp"
            ),
        }
    }

    /// Makes of a note what it is where nothing that holds proves the documents.
    pub(crate) fn graver(self, mut finding: Finding) -> Finding {
        if matches!(self, Self::IsDoubtful | Self::AllDoubtful | Self::Nothing) {
            finding.severity = Severity::CannotTell;
        }
        finding
    }
}

/// Says how many documents of a proof something is said of.
pub(crate) fn are(documents: usize) -> String {
    match documents {
        1 => "1 document of this is".to_owned(),
        documents => format!("{documents} documents of this are"),
    }
}
