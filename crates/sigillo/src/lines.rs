//! Evidence lines: which are written, and who gives their time-stamps.

use std::sync::Arc;

use jiff::SignedDuration;

use sigillo_authorities::{
    Authorities, HttpAuthority, KeyFolder, RevocationGatherer, TimeStampAuthority,
};
use sigillo_ers::TrustAnchors;
use sigillo_evidence_log::{EVIDENCE_LINE, LineProfile, is_trial_line};
use sigillo_model::ErrorKind;

use crate::{
    commands::er::algorithms,
    context::{Context, add_anchors, http_authority},
    error::CommandError,
    settings::{AuthoritySettings, Settings},
};

/// The evidence line of time-stamps from configured authorities, where the settings name no line.
const REAL_LINE: &str = "plain-sha256-unqualified";

/// A time-stamp counts only if it is this close to our clock.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// An evidence line, and who gives its time-stamps.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) authorities: Authorities,
}

impl Settings {
    /// Returns the names of the evidence lines that are written, in order. Without authorities it is
    /// that of the trial authority, without lines one for all authorities.
    pub(crate) fn line_names(&self) -> Vec<String> {
        if self.authorities.is_empty() {
            vec![EVIDENCE_LINE.to_owned()]
        } else if self.lines.is_empty() {
            vec![REAL_LINE.to_owned()]
        } else {
            self.lines.iter().map(|line| line.name.clone()).collect()
        }
    }

    /// Returns those who give the time-stamps of a line, in the order in which they are asked. Those of
    /// a line that is not written any more are all others: first who gives them on no line.
    fn authorities_of(&self, line: &str) -> Vec<&AuthoritySettings> {
        let named = |it: &&AuthoritySettings, names: &[String]| names.contains(&it.name);
        if let Some(found) = self.lines.iter().find(|it| it.name == line) {
            let all = found.authorities.iter();
            return all
                .filter_map(|name| self.authorities.iter().find(|it| it.name == *name))
                .collect();
        }
        let is_taken =
            |it: &&AuthoritySettings| self.lines.iter().any(|line| named(it, &line.authorities));
        let (taken, free): (Vec<_>, Vec<_>) = self.authorities.iter().partition(is_taken);
        free.into_iter().chain(taken).collect()
    }
}

impl Context {
    /// Returns the names of the evidence lines that are written, in order.
    pub(crate) fn line_names(&self) -> Result<Vec<String>, CommandError> {
        Ok(self.settings()?.line_names())
    }

    /// Returns the lines that the settings ask for in so many words: without authorities, none.
    pub(crate) fn lines_wanted(&self) -> Result<Vec<String>, CommandError> {
        let settings = self.settings()?;
        Ok(if settings.authorities.is_empty() { Vec::new() } else { settings.line_names() })
    }

    /// Returns the evidence lines that are written, with those who give their time-stamps.
    pub(crate) fn lines(&self, keys: &KeyFolder) -> Result<Vec<Line>, CommandError> {
        self.line_names()?.into_iter().map(|name| self.line(keys, name)).collect()
    }

    /// Returns a line with those who give its time-stamps, or renew those that are on it. The line of
    /// the trial authority has no other, and no other line has that one.
    pub(crate) fn line(&self, keys: &KeyFolder, name: String) -> Result<Line, CommandError> {
        let authorities = if is_trial_line(&name) {
            self.trial_authority(keys)?
        } else {
            let authorities = of_settings(&self.settings()?.authorities_of(&name))?;
            match LineProfile::of_line(&name) {
                Some(LineProfile::TrEsor) => authorities.filling_tokens(),
                Some(LineProfile::Plain) | None => authorities,
            }
        };
        Ok(Line { name, authorities })
    }

    /// Returns all authorities of the settings.
    pub(crate) fn real_authorities(&self) -> Result<Authorities, CommandError> {
        let settings = self.settings()?;
        of_settings(&settings.authorities.iter().collect::<Vec<_>>())
    }

    /// Returns whoever can be asked for a time-stamp that is on no evidence line: all authorities of
    /// the settings, without any the trial one.
    pub(crate) fn authorities(&self, keys: &KeyFolder) -> Result<Authorities, CommandError> {
        if self.has_authorities()? { self.real_authorities() } else { self.trial_authority(keys) }
    }

    fn trial_authority(&self, keys: &KeyFolder) -> Result<Authorities, CommandError> {
        let mut anchors = TrustAnchors::new();
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let trial: Arc<dyn TimeStampAuthority> = Arc::new(keys.trial_authority(clock, entropy));
        add_anchors(&mut anchors, "trial root", keys.trial_root_pem())?;
        Ok(Authorities::new(vec![trial], anchors, CLOCK_TOLERANCE))
    }
}

/// Returns these authorities, with the anchors that their tokens must lead to.
fn of_settings(list: &[&AuthoritySettings]) -> Result<Authorities, CommandError> {
    let mut anchors = TrustAnchors::new();
    let mut asked: Vec<Arc<dyn TimeStampAuthority>> = Vec::new();
    for authority in list {
        let file = &authority.anchor_file;
        let pem = std::fs::read_to_string(file)
            .map_err(|error| CommandError::file("reading", file, &error))?;
        add_anchors(&mut anchors, &authority.name, &pem)?;
        let authority: HttpAuthority = http_authority(authority)?;
        asked.push(Arc::new(authority));
    }
    let limits = (RevocationGatherer::ANSWER_LIMIT, RevocationGatherer::ALL_LIMIT);
    let gatherer = RevocationGatherer::new(limits.0, limits.1)
        .map_err(|error| CommandError::new(ErrorKind::Bug, error.to_string()))?;
    let authorities = Authorities::new(asked, anchors, CLOCK_TOLERANCE).relying_on(algorithms()?);
    Ok(authorities.asking_revocation(gatherer))
}
