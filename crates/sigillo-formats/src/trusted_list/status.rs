//! What services are and were, and what that means for their time-stamps.

use jiff::Timestamp;

use sigillo_ers::{ListedPeriod, Standing};

const KIND_PREFIX: &str = "http://uri.etsi.org/TrstSvc/Svctype/";
const STATUS_PREFIXES: [&str; 2] = [
    "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/",
    "http://uri.etsi.org/TrstSvc/Svcstatus/",
];

/// Kinds of service that make time-stamps. Source: ETSI TS 119 612 §5.5.1.1 and §5.5.1.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServiceKind {
    /// Qualified electronic time-stamps.
    Qualified,
    /// Time-stamps.
    TimeStamps,
    /// Time-stamps as part of the service of a provider of qualified certificates.
    OfCertificateProvider,
    /// Time-stamps as part of a service for advanced electronic signatures.
    OfSignatureService,
}

impl ServiceKind {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::Qualified, Self::TimeStamps, Self::OfCertificateProvider, Self::OfSignatureService];

    /// Returns the last part of its address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qualified => "TSA/QTST",
            Self::TimeStamps => "TSA",
            Self::OfCertificateProvider => "TSA/TSS-QC",
            Self::OfSignatureService => "TSA/TSS-AdESQCandQES",
        }
    }

    /// Returns the kind of an address, `None` for services of other kinds.
    pub(super) fn of_address(address: &str) -> Option<Self> {
        Self::of_name(address.strip_prefix(KIND_PREFIX)?)
    }

    /// Returns the kind with this [`name`](Self::name).
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a service was from some time on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedStatus {
    /// First instant.
    pub from: Timestamp,
    /// Of what kind it was, `None` if it made no time-stamps then.
    pub kind: Option<ServiceKind>,
    /// The last part of the address of the status, such as `granted`; of addresses that are none of
    /// ETSI's, the whole.
    pub status: String,
}

impl ListedStatus {
    /// Returns what the status means. Source: Regulation (EU) 910/2014, articles 22 and 41; ETSI TS
    /// 119 612 §5.5.4 and annex D.5.
    pub fn standing(&self) -> Standing {
        match (self.kind, self.status.as_str()) {
            (Some(ServiceKind::Qualified), "granted") => Standing::Qualified,
            (
                Some(_),
                "granted"
                | "recognisedatnationallevel"
                | "undersupervision"
                | "supervisionincessation"
                | "accredited"
                | "setbynationallaw",
            ) => Standing::Active,
            _ => Standing::Inactive,
        }
    }

    /// Returns the last part of the address of a status.
    pub(super) fn name_of(address: &str) -> &str {
        STATUS_PREFIXES.iter().find_map(|it| address.strip_prefix(it)).unwrap_or(address)
    }
}

/// Returns from when until when each of `statuses` held, the last until `end`.
pub fn listed_periods(statuses: &[ListedStatus], end: Timestamp) -> Vec<ListedPeriod> {
    let mut ordered: Vec<&ListedStatus> = statuses.iter().collect();
    // Of two that begin together the one that stands first is the newer: it comes last, and the
    // other lasts no time.
    ordered.reverse();
    ordered.sort_by_key(|it| it.from);
    let ends = ordered.iter().skip(1).map(|it| it.from).chain([end]);
    let periods = ordered.iter().zip(ends).map(|(status, until)| ListedPeriod {
        from: status.from,
        until: until.min(end),
        standing: status.standing(),
        status: match status.kind {
            Some(kind) => format!("{} ({})", status.status, kind.name()),
            None => status.status.clone(),
        },
    });
    periods.filter(|period| period.from < period.until).collect()
}
