//! What an audit makes of several evidence lines: one that holds is enough, for documents that it has.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use sigillo_model::{BatchId, Finding, FindingCode, ObjectKey, Severity};

use crate::{ChainToken, Chains, LogView};

/// A document, by its place in its batch.
type Member = (BatchId, u32);

/// The time by which each sealing is proven to have been there, by its number: the earliest first time-stamp
/// on a line that holds.
pub(crate) type ProvenTimes = HashMap<u64, Timestamp>;

/// What a line has of a sealing.
struct LineOf<'a> {
    line: &'a str,
    /// Whether its time-stamps are for trial.
    trial: bool,
    /// Whether no time-stamp of it is in doubt.
    holds: bool,
    /// The documents that hash trees on it leave out, unless what is before the trees proves them alone.
    lacks: HashSet<Member>,
    /// The hash trees that leave them out.
    trees: Option<ObjectKey>,
}

impl LineOf<'_> {
    /// Tells whether this may hold in place of one whose time-stamps are for trial or not: those for trial
    /// hold for nobody but others for trial.
    fn stands_for(&self, trial: bool) -> bool {
        self.holds && (trial || !self.trial)
    }
}

/// Weighs the lines of each sealing against one another.
///
/// Findings about time-stamps become notes where all sealings that they are of hold by another line, with
/// all their documents. What is damaged stays damage. Documents that hash trees leave out and that no line
/// proves are a finding. `alone` are the sealings with such trees, by line and number, of which what is
/// before the trees holds. Time-stamps for trial prove no time but in an archive for `trial`.
pub(crate) fn weigh(
    (view, chains): (&LogView, &Chains),
    (alone, trial_archive): (&HashSet<(String, u64)>, bool),
    findings: &mut Vec<Finding>,
) -> ProvenTimes {
    let is_doubt = |it: &&Finding| it.severity >= Severity::CannotTell;
    let doubtful: HashSet<String> =
        findings.iter().filter(is_doubt).map(|it| it.object.clone()).collect();
    let mut proven = ProvenTimes::new();
    let mut prove = |number: u64, chain: &[ChainToken]| {
        let Some((stated, trial)) = chain.first().map(|it| it.stated(view)) else { return };
        if let (Ok(at), true) = (stated.parse::<Timestamp>(), trial_archive || !trial) {
            proven.entry(number).and_modify(|known| *known = at.min(*known)).or_insert(at);
        }
    };
    let leaves_out = |(_, number, chain)| chains.left_out((number, chain)).next().is_some();
    if doubtful.is_empty() && !chains.iter().any(leaves_out) {
        for (_, number, chain) in chains.iter() {
            prove(number, chain);
        }
        return proven;
    }
    // Of each time-stamp in doubt, where it stands; of each sealing, its lines.
    let mut places: HashMap<String, Vec<(&str, u64, bool)>> = HashMap::new();
    let mut lines: BTreeMap<u64, Vec<LineOf<'_>>> = BTreeMap::new();
    for (line, number, chain) in chains.iter() {
        let trial = chain.iter().any(|token| token.stated(view).1);
        let keys = chain.iter().map(|token| token.key(view).to_string());
        let (bad, good): (Vec<_>, Vec<_>) = keys.partition(|key| doubtful.contains(key));
        let holds = bad.is_empty() && !good.is_empty() && chain.iter().all(ChainToken::is_placed);
        if holds {
            prove(number, chain);
        }
        let by_first = alone.contains(&(line.to_owned(), number));
        let lacks = chains.left_out((number, chain)).filter(|_| !by_first).collect();
        let mut trees = chain.iter().filter_map(|token| chains.trees_under(token));
        let trees = trees.next().map(|made| ObjectKey::hash_tree(made.tree.renewal));
        lines.entry(number).or_default().push(LineOf { line, trial, holds, lacks, trees });
        for key in bad {
            places.entry(key).or_default().push((line, number, trial));
        }
    }
    let other = |(_, number, trial): &(&str, u64, bool)| {
        let mut lines = lines.get(number)?.iter();
        lines.find(|it| it.stands_for(*trial) && it.lacks.is_empty()).map(|it| it.line)
    };
    for finding in findings.iter_mut() {
        if finding.severity < Severity::CannotTell || !finding.code.is_of_one_line() {
            continue;
        }
        let Some(places) = places.get(&finding.object) else { continue };
        let others: Option<Vec<&str>> = places.iter().map(other).collect();
        if let (Some([other, ..]), Some((line, ..))) = (others.as_deref(), places.first()) {
            *finding = finding.clone().outweighed(line, other);
        }
    }
    findings.extend(lines.iter().filter_map(|(number, lines)| unproven(*number, lines)));
    proven
}

/// Says how many documents of a sealing hash trees leave out that no line proves.
fn unproven(number: u64, lines: &[LineOf<'_>]) -> Option<Finding> {
    let mut unproven: HashSet<Member> = HashSet::new();
    for line in lines {
        let is_proven = |it: &Member| {
            lines.iter().any(|other| other.stands_for(line.trial) && !other.lacks.contains(it))
        };
        unproven.extend(line.lacks.iter().filter(|it| !is_proven(it)));
    }
    let trees = lines.iter().find(|it| !it.lacks.is_disjoint(&unproven))?.trees.as_ref()?;
    let message = format!(
        "{} documents of sealing {number} were left out of hash trees of SHA-512, and no time-stamps that \
         hold prove them without: bring back what is damaged from a copy of the archive, then let another \
         line of SHA-512 take them in",
        unproven.len()
    );
    Some(Finding::new(FindingCode::DocumentNotStamped, trees, message))
}
