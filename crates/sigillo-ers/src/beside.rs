//! What lies in signed data beside what is signed, for whoever verifies it later: certificates,
//! revocation lists and OCSP responses. Nothing protects it, and nothing of it is believed here.

use crate::{
    asn1::{CERTIFICATE_VALUES, OCSP_BASIC, OCSP_OF_CMS, REVOCATION_VALUES},
    certificate::CERTIFICATE_BYTES_MAX,
    cms::EMBEDDED_CERTIFICATES_MAX,
    der::{self, DerError, Element, Reader},
};

/// Most revocation lists and OCSP responses in one structure.
const REVOCATIONS_MAX: usize = 64;

/// What lies beside, raw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside<'a> {
    /// Revocation lists and OCSP responses.
    pub(crate) revocations: Vec<&'a [u8]>,
    /// Certificates of unsigned attributes.
    pub(crate) certificates: Vec<&'a [u8]>,
}

impl<'a> Beside<'a> {
    /// Reads `RevocationInfoChoices`. Of other formats than lists and OCSP responses, and of what
    /// cannot be read, nothing is taken; `BasicOCSPResponse` is a format of its own that many write.
    /// Source: RFC 5652 §10.2.1, RFC 5940 §2.1.
    pub(crate) fn read_choices(&mut self, choices: &Element<'a>) {
        let mut reader = choices.inside();
        while let Ok(Some(choice)) = reader.next() {
            let found = match choice.tag {
                der::SEQUENCE => Some(choice.raw),
                _ => read_other(&choice).unwrap_or_default(),
            };
            if self.revocations.len() < REVOCATIONS_MAX {
                self.revocations.extend(found);
            }
        }
    }

    /// Reads unsigned attributes, as far as they have the values that CAdES keeps there. What cannot
    /// be read is as if it were not there. Source: RFC 5126 §6.3.3, §6.3.4.
    pub(crate) fn read_attributes(&mut self, set: &Element<'a>) {
        let mut attributes = set.inside();
        while let Ok(Some(attribute)) = attributes.next() {
            // A broken attribute says nothing, and harms no other.
            let _is_read = self.read_attribute(&attribute).is_ok();
        }
    }

    fn read_attribute(&mut self, attribute: &Element<'a>) -> Result<(), DerError> {
        let mut fields = attribute.inside();
        let kind = fields.expect(der::OBJECT_IDENTIFIER, "an attribute")?;
        let kind = der::oid_text(kind.content)?;
        let mut values = fields.expect(der::SET, "the values of an attribute")?.inside();
        let mut value = values.expect(der::SEQUENCE, "the value of an attribute")?.inside();
        if kind == CERTIFICATE_VALUES {
            self.take(&mut value, CERTIFICATE_BYTES_MAX, |beside| {
                (&mut beside.certificates, EMBEDDED_CERTIFICATES_MAX)
            })
        } else if kind == REVOCATION_VALUES {
            // [0] revocation lists, [1] basic OCSP responses.
            for tag in [der::context(0), der::context(1)] {
                if let Some(outer) = value.optional(tag)? {
                    let mut list = outer.inside().expect(der::SEQUENCE, "a list")?.inside();
                    self.take(&mut list, usize::MAX, |beside| {
                        (&mut beside.revocations, REVOCATIONS_MAX)
                    })?;
                }
            }
            Ok(())
        } else {
            Ok(())
        }
    }

    fn take(
        &mut self,
        list: &mut Reader<'a>,
        bytes_max: usize,
        place: impl for<'b> Fn(&'b mut Self) -> (&'b mut Vec<&'a [u8]>, usize),
    ) -> Result<(), DerError> {
        let (taken, count_max) = place(self);
        while let Some(one) = list.optional(der::SEQUENCE)? {
            if taken.len() < count_max && one.raw.len() <= bytes_max {
                taken.push(one.raw);
            }
        }
        Ok(())
    }
}

fn read_other<'a>(choice: &Element<'a>) -> Result<Option<&'a [u8]>, DerError> {
    let mut fields = choice.inside();
    let format = fields.expect(der::OBJECT_IDENTIFIER, "a format of revocation data")?;
    let format = der::oid_text(format.content)?;
    let info = fields.any("revocation data")?;
    Ok((format == OCSP_OF_CMS || format == OCSP_BASIC).then_some(info.raw))
}
