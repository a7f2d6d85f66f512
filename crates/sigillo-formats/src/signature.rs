//! Recognising formats by the signatures in the first bytes of a file.

/// No more of a file than this is looked at, in bytes.
pub const HEAD_BYTES_MAX: usize = 1024;

/// A format that was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaType {
    /// Its media type (RFC 6838).
    pub media_type: &'static str,
    /// Its PRONOM identifier, where the signature settles the version too.
    pub puid: Option<&'static str>,
}

/// Recognises a format by the beginning of a file, or says nothing.
///
/// What it says is a hint for people, never evidence. Source: the PRONOM registry's signatures.
pub fn identify(head: &[u8]) -> Option<MediaType> {
    let head = &head[..head.len().min(HEAD_BYTES_MAX)];
    if let Some(version) = head.strip_prefix(b"%PDF-1.") {
        let puid = match version.first() {
            Some(b'0') => Some("fmt/14"),
            Some(b'1') => Some("fmt/15"),
            Some(b'2') => Some("fmt/16"),
            Some(b'3') => Some("fmt/17"),
            Some(b'4') => Some("fmt/18"),
            Some(b'5') => Some("fmt/19"),
            Some(b'6') => Some("fmt/20"),
            Some(b'7') => Some("fmt/276"),
            _ => None,
        };
        return Some(MediaType { media_type: "application/pdf", puid });
    }
    let simple: &[(&[u8], &str)] = &[
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"<?xml", "application/xml"),
        (b"\xef\xbb\xbf<?xml", "application/xml"),
        (b"{\\rtf", "application/rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        (b"\x1f\x8b", "application/gzip"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    ];
    if let Some((_, media_type)) = simple.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(MediaType { media_type, puid: None });
    }
    zip_family(head).map(|media_type| MediaType { media_type, puid: None })
}

/// Tells apart what is inside a ZIP by its first entry.
fn zip_family(head: &[u8]) -> Option<&'static str> {
    const MIMETYPE: &[u8] = b"mimetype";
    if !head.starts_with(b"PK\x03\x04") {
        return None;
    }
    let known = [
        "application/epub+zip",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
    ];
    if head.get(30..38) == Some(MIMETYPE) {
        let content = &head[38..];
        return known
            .into_iter()
            .find(|media_type| content.starts_with(media_type.as_bytes()))
            .or(Some("application/zip"));
    }
    Some("application/zip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], media_type: Option<&str>, puid: Option<&str>) {
        let found = identify(head);
        assert_eq!(found.map(|it| it.media_type), media_type, "{head:?}");
        assert_eq!(found.and_then(|it| it.puid), puid, "{head:?}");
    }

    #[test]
    fn formats_are_recognised_by_their_first_bytes() {
        check(b"%PDF-1.4\n", Some("application/pdf"), Some("fmt/18"));
        check(b"%PDF-1.", Some("application/pdf"), None);
        check(b"%PDF-2.0", Some("application/pdf"), None);
        check(b"\x89PNG\r\n\x1a\n\0", Some("image/png"), None);
        check(b"<?xml version=\"1.0\"?>", Some("application/xml"), None);
        check(b"PK\x03\x04", Some("application/zip"), None);
        let odt =
            [&b"PK\x03\x04"[..], &[0; 26], b"mimetypeapplication/vnd.oasis.opendocument.text"];
        check(&odt.concat(), Some("application/vnd.oasis.opendocument.text"), None);
        check(b"", None, None);
        check(b"plain words", None, None);
    }
}
