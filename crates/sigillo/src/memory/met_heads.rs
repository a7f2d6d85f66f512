//! The heads of one log that were met in files, as they are remembered: one after the other in a file, each
//! with the key that signed it below.

use std::path::Path;

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::SeenHead;
use sigillo_merkle::{KeysOfLog, VerifierKey};

use super::{head_in, head_line, text_of};
use crate::{error::CommandError, places::write_whole};

/// At most so many heads of one log are remembered that were met in files.
pub(super) const MET_HEADS_MAX: usize = 64;

/// So many that were met first are given up for none that was met later.
pub(super) const FIRST_HEADS_MAX: usize = MET_HEADS_MAX / 2;

/// The line behind a head that the archive was found to contain.
const CONTAINED: &str = "contained";

/// A head that was met in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct MetHead {
    pub(super) known: SeenHead,
    /// The key that signed it; older versions did not say.
    pub(super) key: Option<VerifierKey>,
    /// Whether the archive was found to contain it.
    pub(super) is_contained: bool,
}

impl MetHead {
    pub(super) fn head(&self) -> SignedHead {
        self.known.head
    }

    /// Tells whether it is known to be by a key that has retired.
    pub(super) fn is_retired(&self, known: Option<&KeysOfLog>) -> bool {
        known.is_some_and(|it| it.is_retired(self.head().size, self.key.as_ref()))
    }

    /// Tells whether whatever has the head that was seen last in the archive has this one.
    pub(super) fn is_settled(&self, seen: Option<SignedHead>) -> bool {
        self.is_contained && seen.is_some_and(|seen| seen.size >= self.head().size)
    }

    fn contradicts(&self, other: &Self) -> bool {
        let (this, other) = (self.head(), other.head());
        this.size == other.size && this.root != other.root
    }
}

/// Tells whether one of these heads is another one of its size.
pub(super) fn is_contradicted(heads: &[MetHead], head: &MetHead) -> bool {
    heads.iter().any(|it| it.contradicts(head))
}

/// Adds a head behind those that are known, which are in the order in which they were met.
///
/// If there are too many then, one is given up: the first that the archive contains, else the first behind
/// the [`FIRST_HEADS_MAX`] that were met first which is not of the most entries, else the new one. One of
/// two that contradict each other never is for another.
///
/// Nothing tells to which history a head belongs. So whoever makes files can have those given up that were
/// met in between, and what was met before the first of theirs stays, as does what they showed last.
pub(super) fn add(heads: &mut Vec<MetHead>, new: MetHead) {
    if heads.iter().any(|it| it.head() == new.head()) {
        return;
    }
    heads.push(new);
    if heads.len() > MET_HEADS_MAX {
        let newest = heads.len() - 1;
        heads.remove(spare(&heads[..], newest).unwrap_or(newest));
    }
}

/// Returns which of the heads before the one at `newest` is the least loss.
fn spare(heads: &[MetHead], newest: usize) -> Option<usize> {
    let sizes = heads.iter().filter(|it| !it.is_contained).map(|it| it.head().size);
    let most = sizes.max();
    let is_spare = |it: &MetHead| !is_contradicted(heads, it);
    let known = || heads[..newest].iter().enumerate().filter(|(_, it)| is_spare(it));
    let contained = known().find(|(_, it)| it.is_contained);
    let between = || known().skip_while(|(index, _)| *index < FIRST_HEADS_MAX);
    let spare = contained.or_else(|| between().find(|(_, it)| Some(it.head().size) < most));
    spare.map(|it| it.0)
}

/// Lets a head stand for those that whatever has it has as well, in the place of the first of them: what was met
/// first stays where it was.
pub(super) fn replace(
    heads: &mut Vec<MetHead>,
    is_within: impl Fn(&MetHead) -> bool,
    stands: &MetHead,
) {
    let Some(first) = heads.iter().position(&is_within) else { return };
    let is_same = |it: &MetHead| it.head() == stands.head();
    let known = heads.iter().position(is_same);
    let stands = known.map_or(stands, |it| &heads[it]).clone();
    let place = known.map_or(first, |it| it.min(first));
    heads[place] = stands;
    let others = heads.iter().enumerate();
    let kept = others.filter(|(index, it)| *index == place || !is_within(it) && !is_same(it));
    *heads = kept.map(|it| it.1.clone()).collect();
}

/// Reads the heads of a log; none of what is not one.
pub(super) fn read(file: &Path) -> Vec<MetHead> {
    let text = text_of(file);
    let (mut heads, mut is_readable) = (Vec::<MetHead>::new(), true);
    for line in text.lines() {
        if let Some(known) = head_in(line) {
            is_readable = true;
            if heads.len() == MET_HEADS_MAX {
                break;
            }
            let met_in = known.met_in.or_else(|| Some("a file".to_owned()));
            let known = SeenHead { met_in, ..known };
            heads.push(MetHead { known, key: None, is_contained: false });
        } else if let Some(last) = heads.last_mut().filter(|_| is_readable) {
            let key = VerifierKey::parse(line).ok();
            last.is_contained |= line == CONTAINED;
            // It may be another head: what is below it is not about the one above.
            is_readable = key.is_some() || line == CONTAINED;
            last.key = key.or_else(|| last.key.take());
        }
    }
    heads
}

pub(super) fn write(file: &Path, heads: &[MetHead]) -> Result<(), CommandError> {
    let text = heads.iter().map(|it| {
        let key = it.key.as_ref().map(|key| format!("{key}\n")).unwrap_or_default();
        let contained = if it.is_contained { format!("{CONTAINED}\n") } else { String::new() };
        format!("{}\n{key}{contained}", head_line(&it.known))
    });
    write_whole(file, text.collect::<String>().as_bytes())
}
