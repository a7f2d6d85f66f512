//! What an audit makes of several evidence lines: one that holds is enough.

use std::collections::{BTreeMap, HashMap, HashSet};

use sigillo_model::{Finding, Severity};

use crate::{ChainToken, Chains, LogView};

/// Makes notes of findings about time-stamps without which all sealings that they are of hold by another
/// line. What is damaged stays damage, and time-stamps for trial hold for nobody but others for trial.
pub(crate) fn outweigh(view: &LogView, chains: &Chains, findings: &mut [Finding]) {
    let is_doubt = |it: &&Finding| it.severity >= Severity::CannotTell;
    let doubtful: HashSet<String> =
        findings.iter().filter(is_doubt).map(|it| it.object.clone()).collect();
    if doubtful.is_empty() {
        return;
    }
    // Of each time-stamp in doubt, where it stands; of each sealing, the lines that hold.
    let mut places: HashMap<String, Vec<(&str, u64, bool)>> = HashMap::new();
    let mut sound: BTreeMap<u64, Vec<(&str, bool)>> = BTreeMap::new();
    for (line, number, chain) in chains.iter() {
        let trial = chain.iter().any(|token| token.stated(view).1);
        let keys = chain.iter().map(|token| token.key(view).to_string());
        let (bad, good): (Vec<_>, Vec<_>) = keys.partition(|key| doubtful.contains(key));
        if bad.is_empty() && !good.is_empty() && chain.iter().all(ChainToken::is_placed) {
            sound.entry(number).or_default().push((line, trial));
        }
        for key in bad {
            places.entry(key).or_default().push((line, number, trial));
        }
    }
    let other = |(_, number, trial): &(&str, u64, bool)| {
        let mut lines = sound.get(number)?.iter();
        lines.find(|(_, is_trial)| *trial || !is_trial).map(|(line, _)| *line)
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
}
