//! Renewals and evidence lines that a receipt leaves out because the archive has lost them, and what
//! that means.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_evidence_log::{ChainToken, Chains, LogView, TokenFrom, Unread};
use sigillo_model::{Finding, FindingCode, ObjectKey, is_sha512_line};
use sigillo_proof::{EntryPlace, LoggedLine, Receipt, TokenSection};

use crate::{
    receipt_instead::{Instead, Judged, Left, are},
    receipt_trees::{documents_of, lines_of, sealing_in},
};

/// A receipt, and what it leaves out because the archive has lost it.
#[derive(Clone, Debug)]
pub struct GivenReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Which renewals and evidence lines are not in it, why, and until when what is in it proves
    /// something.
    pub findings: Vec<Finding>,
}

/// What the archive does not have for a receipt. What of it is left out, the receipt says once it is whole:
/// an older one may have had it.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    renewals: Vec<Renewal>,
    revoked: Vec<Revoked>,
    lines: Vec<Line>,
    places: Vec<Places>,
}

/// A sealing and an evidence line of it.
pub(crate) type SealingLine<'a> = (u64, &'a str);

/// An object of a renewal that is lost.
#[derive(Debug)]
struct Renewal {
    key: ObjectKey,
    /// When the renewal was made, as the log states it.
    renewed_at: String,
    /// What was found in its place.
    what: String,
    /// The sealing, the line, and the entries of all renewals that are not given without it.
    of: (u64, String, Vec<EntryPlace>),
}

/// A renewal that does not count, for a certificate behind it was revoked.
#[derive(Debug)]
struct Revoked {
    key: ObjectKey,
    why: String,
    place: EntryPlace,
}

/// A first time-stamp that is lost, and with it its line.
#[derive(Debug)]
struct Line {
    key: ObjectKey,
    of: (u64, String),
    what: &'static str,
}

/// Documents without a place in hash trees of their sealing.
#[derive(Debug)]
struct Places {
    key: ObjectKey,
    of: (u64, String),
    /// What is wrong with what is lost; nothing if they were left out when the trees were made.
    what: Option<String>,
    /// Their places in the receipt.
    documents: Vec<usize>,
}

impl LeftOut {
    /// Takes note of a token that was not there as the log names it, or that leads to no sealing
    /// because the members of its renewal are lost.
    pub(crate) fn token(
        &mut self,
        (view, chains): (&LogView, &Chains),
        of: SealingLine<'_>,
        token: &ChainToken,
        what: &str,
    ) {
        let unread = match token.from {
            TokenFrom::Stamped { .. } => return,
            TokenFrom::Renewed { renewal, .. } => Unread::Renewal(renewal),
            TokenFrom::Rehashed { rehash, .. } => Unread::Rehash(rehash),
        };
        if token.is_placed() {
            let (key, place) = (token.key(view), place_of(view, unread));
            let (renewed_at, what) = (unread.stamped_at(view).to_owned(), what.to_owned());
            let of = (of.0, of.1.to_owned(), vec![place]);
            self.renewals.push(Renewal { key, renewed_at, what, of });
        } else {
            self.list((view, chains), of, unread);
        }
    }

    /// Takes note of a renewal whose list of what it covers is not there as the log names it.
    pub(crate) fn list(
        &mut self,
        (view, chains): (&LogView, &Chains),
        (number, line): SealingLine<'_>,
        unread: Unread,
    ) {
        let what = match unread {
            Unread::Renewal(renewal) => {
                chains.faults().find(|(at, _)| *at == renewal).map(|(_, what)| what)
            }
            Unread::Rehash(at) => {
                chains.rehashes().get(at).and_then(|it| it.as_ref().err()).map(String::as_str)
            }
        };
        self.renewals.push(Renewal {
            key: unread.key(view),
            renewed_at: unread.stamped_at(view).to_owned(),
            what: what.unwrap_or("it is not in the store").to_owned(),
            of: (number, line.to_owned(), vec![place_of(view, unread)]),
        });
    }

    /// Takes note of a renewal that does not count, and is not given.
    pub(crate) fn revoked(&mut self, key: ObjectKey, why: &str, place: EntryPlace) {
        self.revoked.push(Revoked { key, why: why.to_owned(), place });
    }

    /// Returns an older receipt without the renewals that do not count, as it would be given now.
    pub(crate) fn without_revoked(&self, older: &Receipt) -> Receipt {
        let mut older = older.clone();
        let places: BTreeSet<EntryPlace> = self.revoked.iter().map(|it| it.place).collect();
        let counts = |entry: &LoggedLine| !places.contains(&entry.place());
        for token in older.sealings.iter_mut().flat_map(|it| &mut it.tokens) {
            // New hash trees are over everything before them.
            let is_whole = token.renewals.iter().all(|it| counts(&it.entry));
            token.hash_tree = token.hash_tree.take().filter(|it| is_whole && counts(&it.entry));
            let newer = token.hash_tree.iter_mut().flat_map(|it| &mut it.renewals);
            for renewal in token.renewals.iter_mut().chain(newer) {
                if !counts(&renewal.entry) {
                    (renewal.token, renewal.path, renewal.validation) = (None, vec![], vec![]);
                }
            }
        }
        drop_places(&mut older);
        older
    }

    /// Takes note that of a sealing on a line a renewal is not given either that is there, for something
    /// before it is lost.
    pub(crate) fn not_given(&mut self, (number, line): SealingLine<'_>, place: EntryPlace) {
        let of = self.renewals.iter_mut().map(|it| &mut it.of);
        for (.., places) in of.filter(|it| (it.0, it.1.as_str()) == (number, line)) {
            places.push(place);
        }
    }

    /// Takes note that the first time-stamp of a sealing on a line is lost, and with it the line.
    pub(crate) fn line(
        &mut self,
        key: ObjectKey,
        (number, line): SealingLine<'_>,
        what: &'static str,
    ) {
        self.lines.push(Line { key, of: (number, line.to_owned()), what });
    }

    /// Takes note that documents have no place in hash trees on a line, for what is under the time-stamp over
    /// these is lost, or, without `what`, that they were left out when the trees were made.
    pub(crate) fn places(
        &mut self,
        key: ObjectKey,
        (number, line): SealingLine<'_>,
        what: Option<&str>,
        documents: &[usize],
    ) {
        let (of, what) = ((number, line.to_owned()), what.map(str::to_owned));
        let same = |it: &&mut Places| (&it.key, &it.of) == (&key, &of);
        match self.places.iter_mut().find(same) {
            Some(places) => places.documents.extend(documents),
            None => self.places.push(Places { key, of, what, documents: documents.to_vec() }),
        }
    }

    /// Tells whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { renewals, revoked, lines, places } = self;
        renewals.is_empty() && revoked.is_empty() && lines.is_empty() && places.is_empty()
    }

    /// Says what a receipt leaves out, with the way to mend it, by what its check will say of the rest.
    pub(crate) fn findings(self, judged: &Judged<'_>) -> Vec<Finding> {
        let mut renewals = BTreeMap::<String, (Option<Left>, Renewal)>::new();
        for lost in self.renewals {
            let (number, line, places) = &lost.of;
            let section = judged.section((*number, line));
            if section.is_some_and(|it| has_all(it, places)) {
                continue;
            }
            let left = section.map(|section| judged.left(*number, section));
            let (least, _) = renewals.entry(lost.key.to_string()).or_insert((left, lost));
            *least = least.iter().copied().chain(left).min();
        }
        let renewals = renewals.into_values().map(|(left, lost)| lost.finding(left));
        let revoked: BTreeMap<String, Revoked> =
            self.revoked.into_iter().map(|it| (it.key.to_string(), it)).collect();
        let renewals = renewals.chain(revoked.into_values().map(Revoked::finding));
        let is_lost = |it: &Line| judged.section((it.of.0, &it.of.1)).is_none();
        let lines = self.lines.into_iter().filter(is_lost).map(|it| it.finding(judged));
        let places = self.places.into_iter().filter_map(|it| it.finding(judged));
        renewals.chain(lines).chain(places).collect()
    }
}

/// Drops the places of documents in hash trees that a receipt does not have.
fn drop_places(receipt: &mut Receipt) {
    let trees: BTreeSet<(u64, String)> = lines_of(receipt).into_iter().collect();
    let Receipt { batches, documents, .. } = receipt;
    for document in documents {
        let number = sealing_in(batches, document.batch);
        let has = |line: &String| number.is_some_and(|it| trees.contains(&(it, line.clone())));
        document.hash_trees.retain(|place| has(&place.line));
        if document.hash_trees.is_empty() {
            document.sha512.clear();
        }
    }
}

fn place_of(view: &LogView, unread: Unread) -> EntryPlace {
    let (generation, index) = unread.entry_place(view);
    EntryPlace { log: generation, index }
}

/// Tells whether the tokens of all these renewals are there.
fn has_all(section: &TokenSection, places: &[EntryPlace]) -> bool {
    let trees = section.hash_tree.iter();
    let newer = trees.clone().flat_map(|tree| &tree.renewals);
    let renewals = section.renewals.iter().chain(newer).filter(|it| it.token.is_some());
    let entries = renewals.map(|it| &it.entry).chain(trees.map(|tree| &tree.entry));
    let there: BTreeSet<EntryPlace> = entries.map(LoggedLine::place).collect();
    places.iter().all(|place| there.contains(place))
}

impl Revoked {
    fn finding(self) -> Finding {
        let message = format!("{}: this renewal is left out, for it proves nothing", self.why);
        Finding::new(FindingCode::RenewalRevoked, self.key, message)
    }
}

impl Line {
    fn finding(self, judged: &Judged<'_>) -> Finding {
        let Self { key, of: (number, line), what } = self;
        let instead = if judged.receipt.submission.is_none() {
            let documents: Vec<usize> = documents_of(judged.receipt, number).collect();
            Instead::of(judged, (number, &line), &documents)
        } else {
            Instead::of_submission(judged, number)
        };
        let message = format!(
            "{what}: what was stamped on the evidence line {line} is left out, {}; bring the object back from \
             a copy of the archive, then make this again",
            instead.words("it"),
        );
        instead.graver(Finding::new(FindingCode::LineLeftOut, key, message))
    }
}

impl Places {
    /// Says which documents of a receipt have no place, if there are any.
    fn finding(mut self, judged: &Judged<'_>) -> Option<Finding> {
        let (number, line) = (self.of.0, self.of.1.as_str());
        self.documents.retain(|at| !judged.is_in_trees(*at, line));
        if self.documents.is_empty() {
            return None;
        }
        let instead = Instead::of(judged, (number, line), &self.documents);
        let (are, words) = (are(self.documents.len()), instead.words("them"));
        let (code, message) = if let Some(what) = self.what {
            let is_first = is_sha512_line(line);
            let trees = if is_first { "hash trees" } else { "new hash trees" };
            let message = format!(
                "{what}: {are} not in the {trees} of the evidence line {line} as it is given, {words}; \
                 bring the object back from a copy of the archive, then make this again",
            );
            let code = FindingCode::LineLeftOut;
            (if is_first { code } else { FindingCode::RenewalLeftOut }, message)
        } else {
            let message = format!(
                "{are} not in the hash trees of sealing {number} on the evidence line {line}, for they were \
                 left out when these were made, and never will be; {words}",
            );
            (FindingCode::DocumentsLeftOut, message)
        };
        Some(instead.graver(Finding::new(code, self.key, message)))
    }
}

impl Renewal {
    /// Says that it is left out; `left` is what is left of the evidence of the sealings that lack it.
    fn finding(self, left: Option<Left>) -> Finding {
        let line = &self.of.1;
        let left = match left {
            None | Some(Left::Open) => String::new(),
            Some(Left::Until(end)) => {
                format!("; without it the evidence given here on the line {line} holds until {end}")
            }
            Some(Left::Nothing) => format!(
                "; without it the evidence given here on the line {line} does not hold, by what is known \
                 here (`sigillo verify` says why)"
            ),
        };
        let message = format!(
            "{}: the renewal of {} is left out{left}; bring the object back from a copy of the \
             archive, then make this again",
            self.what, self.renewed_at,
        );
        Finding::new(FindingCode::RenewalLeftOut, self.key, message)
    }
}
