//! Certificate revocation lists (RFC 5280 §5): reading them, and what one says of a certificate.

use std::{collections::BTreeMap, sync::OnceLock};

use jiff::Timestamp;
use rasn::types::GeneralizedTime;

use crate::{
    asn1,
    der::{self, DerError, Element, Reader},
    revocation::{REVOCATION_BYTES_MAX, Said},
    revocation_reason::RevocationReason,
    signed::{self, Extension, Signed},
    time,
    x509::{self, Certificate},
};

/// Most DER elements of one list: one of the largest size has no more that say something.
const CRL_ELEMENTS_MAX: usize = 6_000_000;
/// Longest address of a list or a responder, in bytes.
pub(crate) const ADDRESS_BYTES_MAX: usize = 1_024;
/// Most names of one distribution point.
const NAMES_MAX: usize = 64;

// Content of the object identifiers of extensions.
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 0x18];
const DELTA_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
const EXPIRED_CERTIFICATES: &[u8] = &[0x55, 0x1d, 0x3c];

/// A revocation list, read but not verified.
#[derive(Clone, Debug)]
pub(crate) struct Crl<'a> {
    pub(crate) signed: Signed<'a>,
    /// The issuer's name, with tag and length.
    pub(crate) issuer: &'a [u8],
    /// The issuer in words.
    pub(crate) issuer_text: String,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Option<Timestamp>,
    /// Certificates that ended at this time or later stay in the list.
    pub(crate) keeps_from: Option<Timestamp>,
    entries: Reader<'a>,
    /// Where each entry begins in there, by serial number and then by place; sorted when somebody asks.
    by_serial: OnceLock<Vec<usize>>,
    scope: Scope<'a>,
    /// What forbids using it for any certificate.
    unusable: Option<String>,
}

/// For which certificates a list is.
#[derive(Clone, Debug, Default)]
struct Scope<'a> {
    only_users: bool,
    only_authorities: bool,
    /// The names of its distribution point, raw; `None` if it is for all.
    point: Option<Vec<&'a [u8]>>,
}

impl<'a> Crl<'a> {
    /// Reads the list that `raw` is, every entry of it.
    ///
    /// Delta and indirect lists, those for some reasons only and those with critical extensions
    /// that are not known are read, and say nothing of any certificate.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, DerError> {
        if raw.len() > REVOCATION_BYTES_MAX {
            return Err(DerError { what: "a revocation list is too large" });
        }
        let mut outer = der::read_bounded(raw, CRL_ELEMENTS_MAX, "a revocation list")?.inside();
        let signed = Signed::read(&mut outer)?;
        outer.end("a revocation list")?;
        let mut fields = signed.to_sign.inside();
        fields.optional(der::INTEGER)?;
        fields.expect(der::SEQUENCE, "a list's algorithm")?;
        let issuer = fields.expect(der::SEQUENCE, "a list's issuer")?;
        let this_update = read_time(&fields.any("the time of a list")?)?;
        let mut next_update = None;
        for tag in [der::UTC_TIME, der::GENERALIZED_TIME] {
            if let Some(time) = fields.optional(tag)? {
                next_update = Some(read_time(&time)?);
                break;
            }
        }
        let entries = fields.optional(der::SEQUENCE)?.map(|list| list.inside());
        let mut crl = Self {
            signed: signed.clone(),
            issuer: issuer.raw,
            issuer_text: x509::name_text(&issuer)?,
            this_update,
            next_update,
            keeps_from: None,
            entries: entries.unwrap_or(Reader::new(&[])),
            by_serial: OnceLock::new(),
            scope: Scope::default(),
            unusable: None,
        };
        if let Some(outer) = fields.optional(der::context(0))? {
            for extension in signed::extensions(&signed::explicit(
                &outer,
                der::SEQUENCE,
                "the extensions of a list",
            )?)? {
                crl.extension(&extension)?;
            }
        }
        fields.end("a revocation list")?;
        crl.check_entries()?;
        Ok(crl)
    }

    fn extension(&mut self, extension: &Extension<'a>) -> Result<(), DerError> {
        match extension.oid {
            CRL_NUMBER | AUTHORITY_KEY => {}
            DELTA_INDICATOR => self.refuse("it is a delta list, which says only what changed"),
            ISSUING_DISTRIBUTION_POINT => self.read_scope(extension.value)?,
            EXPIRED_CERTIFICATES => {
                let kept: GeneralizedTime = asn1::decode(extension.value, "a time of a list")?;
                self.keeps_from = Some(time::from_generalized(&kept)?);
            }
            _ if extension.critical => {
                let oid = der::oid_text(extension.oid)?;
                self.refuse(&format!("it has the critical extension {oid}, which is not known"));
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse(&mut self, reason: &str) {
        self.unusable.get_or_insert_with(|| reason.to_owned());
    }

    /// Reads an issuing distribution point. Source: RFC 5280 §5.2.5.
    fn read_scope(&mut self, value: &'a [u8]) -> Result<(), DerError> {
        const WHAT: &str = "the distribution point of a list";
        let mut reader = Reader::new(value);
        let mut fields = reader.expect(der::SEQUENCE, WHAT)?.inside();
        reader.end(WHAT)?;
        while let Some(field) = fields.next()? {
            let is_set = field.content != [0];
            match field.tag {
                0xa0 => self.scope.point = Some(point_names(&field)?),
                0x81 => self.scope.only_users = is_set,
                0x82 => self.scope.only_authorities = is_set,
                0x83 => self.refuse("it is for some reasons of revocation only"),
                0x84 if is_set => self.refuse("it is an indirect list, of several issuers"),
                0x85 if is_set => self.refuse("it is for attribute certificates only"),
                0x84 | 0x85 => {}
                _ => return Err(DerError { what: WHAT }),
            }
        }
        Ok(())
    }

    /// Sees that every entry can be read; one with a critical extension that is not known makes the
    /// whole list unusable. Source: RFC 5280 §5.3.
    fn check_entries(&mut self) -> Result<(), DerError> {
        let mut entries = self.entries;
        while let Some(entry) = entries.next()? {
            let (_, mut fields) = read_serial(&entry)?;
            fields.any("an entry of a list")?;
            let Some(list) = fields.optional(der::SEQUENCE)? else {
                fields.end("an entry of a list")?;
                continue;
            };
            fields.end("an entry of a list")?;
            for extension in signed::extensions(&list)? {
                if extension.critical && !matches!(extension.oid, REASON_CODE | INVALIDITY_DATE) {
                    let oid = der::oid_text(extension.oid)?;
                    let reason = format!("an entry has the critical extension {oid}");
                    self.refuse(&reason);
                }
            }
        }
        Ok(())
    }

    /// Tells what the list says of `certificate`, or why it says nothing: that it is good, or each
    /// revocation for a reason of its own. Who signed it is for the caller to see.
    pub(crate) fn say(&self, certificate: &Certificate<'_>) -> Result<Vec<Said>, String> {
        if let Some(reason) = &self.unusable {
            return Err(reason.clone());
        }
        let Scope { only_users, only_authorities, .. } = self.scope;
        let excluded = if certificate.is_authority { only_users } else { only_authorities };
        if excluded {
            return Err("it is for another kind of certificates".to_owned());
        }
        if let Some(names) = &self.scope.point
            && !names.iter().any(|name| certificate.distribution_points.contains(name))
        {
            return Err("it is for another distribution point".to_owned());
        }
        self.look_up(certificate.serial).map_err(|error| error.to_string())
    }

    /// Looks at every serial number that it lists.
    pub(crate) fn each_listed(&self, mut look: impl FnMut(&[u8])) {
        let mut entries = self.entries;
        while let Ok(Some(entry)) = entries.next() {
            if let Ok((serial, _)) = read_serial(&entry) {
                look(serial);
            }
        }
    }

    /// Looks for a serial number. Of several entries for one reason the earliest counts, which means most
    /// for any time-stamp; which of two reasons does depends on the time-stamp.
    fn look_up(&self, serial: &[u8]) -> Result<Vec<Said>, DerError> {
        let mut earliest = BTreeMap::new();
        for mut fields in self.entries_of(serial) {
            let mut at = read_time(&fields.any("an entry of a list")?)?;
            let mut reason = None;
            let list = fields.optional(der::SEQUENCE)?;
            for extension in
                list.map(|list| signed::extensions(&list)).transpose()?.iter().flatten()
            {
                match extension.oid {
                    REASON_CODE => reason = Some(RevocationReason::read(extension.value)?),
                    INVALIDITY_DATE => {
                        let since: GeneralizedTime = asn1::decode(extension.value, "a date")?;
                        at = at.min(time::from_generalized(&since)?);
                    }
                    _ => {}
                }
            }
            earliest.entry(reason).and_modify(|it: &mut Timestamp| *it = at.min(*it)).or_insert(at);
        }
        if earliest.is_empty() {
            return Ok(vec![Said::Good]);
        }
        Ok(earliest.into_iter().map(|(reason, at)| Said::Revoked { at, reason }).collect())
    }

    /// Returns what stands behind a serial number in each of its entries, in their order.
    fn entries_of(&self, serial: &[u8]) -> impl Iterator<Item = Reader<'a>> {
        let sorted = self.by_serial.get_or_init(|| self.sorted());
        let first = sorted.partition_point(|at| self.serial_at(*at) < Some(serial));
        let of_serial = sorted[first..].iter();
        let of_serial = of_serial.take_while(move |at| self.serial_at(**at) == Some(serial));
        of_serial.filter_map(|at| self.entry_at(*at).map(|(_, behind)| behind))
    }

    fn sorted(&self) -> Vec<usize> {
        let (mut all, mut entries) = (Vec::new(), self.entries);
        let (whole, mut left) = (entries.byte_count(), entries.byte_count());
        while let Ok(Some(_)) = entries.next() {
            all.push(whole - left);
            left = entries.byte_count();
        }
        all.sort_by(|one, two| self.serial_at(*one).cmp(&self.serial_at(*two)));
        all
    }

    /// Returns the serial number of an entry that begins at a place, and what stands behind it.
    fn entry_at(&self, at: usize) -> Option<(&'a [u8], Reader<'a>)> {
        let entry = self.entries.from(at)?.next().ok()??;
        read_serial(&entry).ok()
    }

    fn serial_at(&self, at: usize) -> Option<&'a [u8]> {
        self.entry_at(at).map(|(serial, _)| serial)
    }
}

fn read_serial<'a>(entry: &Element<'a>) -> Result<(&'a [u8], Reader<'a>), DerError> {
    if entry.tag != der::SEQUENCE {
        return Err(DerError { what: "an entry of a list" });
    }
    let mut fields = entry.inside();
    let serial = fields.expect(der::INTEGER, "an entry of a list")?.content;
    Ok((serial, fields))
}

fn read_time(element: &Element<'_>) -> Result<Timestamp, DerError> {
    time::from_time(&asn1::decode(element.raw, "a time of a list")?)
}

/// Returns the names of a distribution point, raw; none of one that is named relative to its issuer,
/// which then fits no certificate.
pub(crate) fn point_names<'a>(outer: &Element<'a>) -> Result<Vec<&'a [u8]>, DerError> {
    let mut inside = outer.inside();
    let name = inside.any("a distribution point")?;
    inside.end("a distribution point")?;
    let (mut names, mut reader) = (Vec::new(), name.inside());
    while let Some(one) = reader.next()? {
        if names.len() == NAMES_MAX {
            return Err(DerError { what: "a distribution point has too many names" });
        }
        if name.tag == der::context(0) {
            names.push(one.raw);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes a list that nobody signed; each entry is of the year of its place.
    fn list(serials: &[Vec<u8>]) -> Vec<u8> {
        let entries = serials.iter().enumerate().map(|(place, serial)| {
            let time = format!("{place:02}0101000000Z");
            let serial = der::wrap(der::INTEGER, &[serial]);
            der::wrap(der::SEQUENCE, &[&serial, &der::wrap(der::UTC_TIME, &[time.as_bytes()])])
        });
        let entries = der::wrap(der::SEQUENCE, &[&entries.collect::<Vec<_>>().concat()]);
        let algorithm = der::wrap(der::SEQUENCE, &[&[6, 3, 0x2b, 0x65, 0x70]]);
        let issuer = der::wrap(der::SEQUENCE, &[]);
        let time = der::wrap(der::UTC_TIME, &[b"260101000000Z"]);
        let fields = der::wrap(der::SEQUENCE, &[&algorithm, &issuer, &time, &entries]);
        der::wrap(der::SEQUENCE, &[&fields, &algorithm, &der::wrap(der::BIT_STRING, &[&[0, 1]])])
    }

    proptest! {
        #[test]
        fn a_serial_number_is_found_wherever_it_stands(
            serials in prop::collection::vec(prop::collection::vec(1_u8..4, 1..3), 0..40),
            asked in prop::collection::vec(1_u8..4, 1..3),
        ) {
            let raw = list(&serials);
            let list = Crl::read(&raw).unwrap();
            let years = serials.iter().enumerate().filter(|it| *it.1 == asked).map(|it| 2000 + it.0);
            let found = list.entries_of(&asked).map(|mut behind| {
                let time = read_time(&behind.any("a time").unwrap()).unwrap();
                time.to_string()[..4].parse().unwrap()
            });
            prop_assert_eq!(found.collect::<Vec<usize>>(), years.collect::<Vec<_>>());
        }
    }
}
