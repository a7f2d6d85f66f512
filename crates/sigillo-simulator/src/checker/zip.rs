//! A reader of plain stored ZIP files, as small as can be, for the checker alone.

/// One entry of a ZIP file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ZipEntry<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: &'a [u8],
}

/// Length of the comment that every pack has.
const COMMENT_BYTES: usize = 42;

/// Reads the entries of a stored ZIP file below 4 GiB, in the order of its directory.
pub(super) fn read_zip(zip: &[u8]) -> Option<Vec<ZipEntry<'_>>> {
    let end = zip.get(zip.len().checked_sub(22 + COMMENT_BYTES)?..)?;
    if u32_at(end, 0)? != 0x0605_4b50 || u16_at(end, 20)? != COMMENT_BYTES {
        return None;
    }
    let (count, mut at) = (u16_at(end, 10)?, u32_at(end, 16)?);
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let record = zip.get(at..)?;
        let (method, size, name) = (u16_at(record, 10)?, u32_at(record, 24)?, u16_at(record, 28)?);
        if u32_at(record, 0)? != 0x0201_4b50 || method != 0 || u32_at(record, 20)? != size {
            return None;
        }
        let header = zip.get(u32_at(record, 42)?..)?;
        let start = 30 + u16_at(header, 26)? + u16_at(header, 28)?;
        if u32_at(header, 0)? != 0x0403_4b50 {
            return None;
        }
        let name_bytes = record.get(46..46 + name)?;
        if header.get(30..30 + name)? != name_bytes {
            return None;
        }
        let name_text = std::str::from_utf8(name_bytes).ok()?;
        entries.push(ZipEntry { name: name_text, bytes: header.get(start..start + size)? });
        at += 46 + name + u16_at(record, 30)? + u16_at(record, 32)?;
    }
    Some(entries)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}
