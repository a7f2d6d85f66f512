//! Time-stamping services as trusted lists state them, and what makes a time-stamp qualified.

use std::fmt;

use jiff::Timestamp;

use crate::{
    Trust,
    anchors::{AnchorSet, Path},
    certificate::CertificateError,
    x509::Certificate,
};

/// A time-stamping service of a trusted list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedService {
    /// Its name with that of its list, by which verdicts call it.
    pub name: String,
    /// Its digital identities, DER: certificates of time-stamping units, or of authorities that
    /// issue those.
    pub certificates: Vec<Vec<u8>>,
    /// What the list says of it, and when. No two overlap.
    pub periods: Vec<ListedPeriod>,
}

/// What a trusted list says of a service for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedPeriod {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it: the next status, or the end of what the list speaks of.
    pub until: Timestamp,
    /// What the status means.
    pub standing: Standing,
    /// The status in the words of the list, such as `granted`.
    pub status: String,
}

/// What a status in a trusted list means for time-stamps made under it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Withdrawn, ceased, or of a kind that is not known here.
    Inactive,
    /// Watched over, but its time-stamps are not qualified.
    Active,
    /// Its time-stamps are qualified electronic time-stamps.
    Qualified,
}

/// Whether a time-stamp is qualified at its own time, by the trusted lists at hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Qualification {
    /// It is: a trusted list grants it for that time.
    Qualified {
        /// The service.
        service: String,
    },
    /// Its authority is in a trusted list, but not as a qualified service at that time.
    NotGranted {
        /// The service.
        service: String,
        /// The status at that time, `None` if the list says nothing of it.
        status: Option<String>,
    },
    /// Its authority is in no trusted list at hand.
    NotListed,
    /// It is for trial, whatever lists say.
    Trial,
}

impl Qualification {
    /// Tells whether it is proven that the time-stamp is qualified.
    pub const fn is_qualified(&self) -> bool {
        matches!(self, Self::Qualified { .. })
    }
}

impl fmt::Display for Qualification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qualified { service } => write!(f, "it is qualified, by {service}"),
            Self::NotGranted { service, status: Some(status) } => {
                write!(f, "{service} was {status} at its time, which does not make it qualified")
            }
            Self::NotGranted { service, status: None } => {
                write!(f, "what is known of {service} does not reach to its time")
            }
            Self::NotListed => f.write_str("its authority is in no trusted list at hand"),
            Self::Trial => f.write_str("it is for trial"),
        }
    }
}

/// The services of all trusted lists at hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    /// All certificates of all services.
    certificates: AnchorSet,
    /// For each of `certificates`, in the same order.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    is_authority: bool,
    periods: Vec<ListedPeriod>,
}

impl Entry {
    fn at(&self, time: Timestamp) -> Option<&ListedPeriod> {
        self.periods.iter().find(|period| period.from <= time && time < period.until)
    }

    fn standing(&self, time: Timestamp) -> Standing {
        self.at(time).map_or(Standing::Inactive, |period| period.standing)
    }
}

impl Listed {
    pub(crate) fn add(&mut self, service: &ListedService) -> Result<(), CertificateError> {
        for der in &service.certificates {
            self.certificates.add(&service.name, der)?;
            // `add` has read it.
            let is_authority = Certificate::read(der).is_ok_and(|it| may_issue(&it));
            self.entries.push(Entry { is_authority, periods: service.periods.clone() });
        }
        Ok(())
    }

    pub(crate) fn named(&self, subject: &[u8]) -> impl Iterator<Item = &[u8]> {
        let named = self.certificates.entries().filter(move |(_, name)| *name == subject);
        named.map(|(anchor, _)| anchor.der.as_slice())
    }

    pub(crate) fn holds(&self, certificate: &[u8]) -> bool {
        self.certificates.entries().any(|(anchor, _)| anchor.der == certificate)
    }

    /// Judges the signer of a time-stamp: the certificate and the others that came with it. `search`
    /// looks for a path to a set, at a time or at that of the caller's choice. Returns a path to a
    /// service that was active when the time-stamp was made, and whether that is qualified. What lists say
    /// of the certificate itself at that time goes before what they say of who issued it.
    pub(crate) fn judge(
        &self,
        (certificate, others): (&[u8], &[&[u8]]),
        stamped_at: Timestamp,
        search: impl Fn(&AnchorSet, Option<Timestamp>) -> Path,
    ) -> (Option<Path>, Qualification) {
        let places = self.candidates(certificate, others, stamped_at);
        let with = |standing| -> Vec<usize> {
            let of = |at: &&usize| {
                self.entries.get(**at).is_some_and(|it| it.standing(stamped_at) == standing)
            };
            places.iter().filter(of).copied().collect()
        };
        let mut path = None;
        let mut qualification = Qualification::NotListed;
        for standing in [Standing::Qualified, Standing::Active, Standing::Inactive] {
            let places = with(standing);
            if places.is_empty() {
                continue;
            }
            let set = self.certificates.only(&places);
            let Trust::Anchored { anchor: service } = search(&set, Some(stamped_at)).trust else {
                continue;
            };
            qualification = match standing {
                Standing::Qualified => Qualification::Qualified { service },
                _ => self.not_granted(&places, service, stamped_at),
            };
            if standing != Standing::Inactive {
                path = Some(search(&set, None));
            }
            break;
        }
        (path.filter(|path| path.trust != Trust::Unknown), qualification)
    }

    /// Returns the places of what a path from a signer can end at: itself, if a list says something of it
    /// at the time; else what there is of it, and who issued one of the certificates.
    fn candidates(&self, certificate: &[u8], others: &[&[u8]], time: Timestamp) -> Vec<usize> {
        let all = self.certificates.entries().zip(&self.entries).enumerate();
        let own = all.filter(|(_, ((anchor, _), entry))| {
            anchor.der == certificate && entry.at(time).is_some()
        });
        let own: Vec<usize> = own.map(|(at, _)| at).collect();
        if !own.is_empty() {
            return own;
        }
        let above: Vec<&[u8]> = [certificate]
            .iter()
            .chain(others)
            .filter_map(|der| Some(Certificate::read(der).ok()?.issuer))
            .collect();
        // An issuer's name has tag and length, a subject among anchors only the content.
        let issues = |subject: &[u8]| above.iter().any(|issuer| issuer.ends_with(subject));
        let of = |(at, (anchor, subject)): (usize, (&crate::anchors::Anchor, &[u8]))| {
            let may = self.entries.get(at).is_some_and(|entry| entry.is_authority);
            (anchor.der == certificate || may && issues(subject)).then_some(at)
        };
        self.certificates.entries().enumerate().filter_map(of).collect()
    }

    fn not_granted(&self, places: &[usize], service: String, time: Timestamp) -> Qualification {
        let of_service = self.certificates.entries().enumerate();
        let mut of_service =
            of_service.filter(|(at, (anchor, _))| places.contains(at) && anchor.name == service);
        let entry = of_service.find_map(|(at, _)| self.entries.get(at)?.at(time));
        Qualification::NotGranted { status: entry.map(|period| period.status.clone()), service }
    }
}

/// Tells whether paths may lead over a certificate: that of a time-stamping unit vouches for itself
/// alone.
fn may_issue(certificate: &Certificate<'_>) -> bool {
    certificate.is_authority && certificate.allows_certifying()
}
