//! Whether a new time-stamp may stand above those that it is to renew, and is of use to them.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use sigillo_ers::{AlgorithmTable, Renewal, TimeStampToken, TrustAnchors, token_renewals_due};

use crate::ToldRevocations;

/// What a newer time-stamp must be better than.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Standing {
    /// The time that the newest time-stamp attests.
    pub(crate) newest_at: Timestamp,
    /// Whether that is for trial.
    pub(crate) trial: bool,
    /// How long what there is holds without a newer one, `None` if no end is in sight.
    pub(crate) until: Option<Timestamp>,
    /// Whether the newer one must hold longer than that, and not as long at least.
    pub(crate) longer: bool,
}

impl Standing {
    /// Tells whether a newer time-stamp that ends then is of use.
    pub(crate) fn gains_by(&self, end: Timestamp) -> bool {
        self.until.is_some_and(|until| if self.longer { until < end } else { until <= end })
    }
}

/// Looks at new time-stamps for what is to be renewed together.
pub(crate) struct Fit<'a> {
    others: Vec<Standing>,
    /// How long a time-stamp holds: by these algorithms, and by its path to one of these, as a verdict says.
    holds: (&'a AlgorithmTable, &'a TrustAnchors),
    /// What is told to be revoked, whom the certificates of tokens are to lead to, and the time now.
    revoked: (&'a ToldRevocations, &'a TrustAnchors, Timestamp),
    /// How long the longest holds that was refused for that alone.
    longest: Mutex<Option<Timestamp>>,
}

impl<'a> Fit<'a> {
    pub(crate) fn new(
        others: impl Iterator<Item = Standing>,
        (holds, revoked): (
            (&'a AlgorithmTable, &'a TrustAnchors),
            (&'a ToldRevocations, &'a TrustAnchors, Timestamp),
        ),
    ) -> Self {
        Self { others: others.collect(), holds, revoked, longest: Mutex::new(None) }
    }

    /// Says why a new time-stamp cannot stand above the others, or is of no use to them.
    pub(crate) fn look_at(&self, new: &TimeStampToken) -> Result<(), String> {
        let token = new.verified();
        if let Some(newer) = self.others.iter().find(|it| it.newest_at > token.stamped_at) {
            return Err(format!(
                "it states {}, before the {} of the time-stamp that it is to renew: one of the \
                 two clocks is wrong",
                token.stamped_at, newer.newest_at
            ));
        }
        // A chain is worth no more than its weakest link.
        if self.others.iter().any(|it| it.trial != token.trial) {
            return Err("trial time-stamps and real ones are not joined".to_owned());
        }
        let (told, anchors, now) = self.revoked;
        if let Some(why) = told.said_of(new.raw(), (anchors, now)) {
            return Err(format!("{why}: what it stamps proves nothing"));
        }
        let (algorithms, anchors) = self.holds;
        let by = (anchors, token.stamped_at);
        let due = token_renewals_due(new.raw(), algorithms, by).unwrap_or_default();
        let mut ends = due.iter().filter(|it| it.renewal == Renewal::TimeStamp);
        let Some(end) = ends.find_map(|it| it.before) else { return Ok(()) };
        if self.others.iter().all(|it| it.gains_by(end)) {
            return Ok(());
        }
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = (*longest).max(Some(end));
        Err(format!(
            "its time-stamp ends on {end}, and one that it is to renew holds as long or longer: an authority \
             with a newer certificate, or stronger algorithms, is needed"
        ))
    }

    /// Returns how long the longest time-stamp holds that was refused only because it ends too early.
    pub(crate) fn longest(&self) -> Option<Timestamp> {
        *self.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
