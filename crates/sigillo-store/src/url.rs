//! Where a store is, as people write it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use sigillo_model::ErrorKind;

use crate::ServiceAccess;

/// A prefix has at most this many bytes; keys below it then stay within what services allow.
const PREFIX_BYTES_MAX: usize = 512;

/// The place of a store: a folder, a part of a bucket or container, or the memory of this process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreUrl {
    place: Place,
    access: ServiceAccess,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Folder(PathBuf),
    Memory,
    Service(ServicePlace),
}

/// A part of a bucket or container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServicePlace {
    pub(crate) kind: ServiceKind,
    /// The bucket, or container.
    pub(crate) bucket: String,
    /// What the keys of all objects begin with, without slashes around it; may be empty.
    pub(crate) prefix: String,
}

/// What a service understands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ServiceKind {
    /// Amazon S3, and what speaks like it.
    S3,
    /// Azure Blob Storage.
    Azure,
}

impl StoreUrl {
    /// Parses a path, `file:///…`, `s3://bucket/prefix`, `az://container/prefix` or `memory:`.
    ///
    /// # Errors
    ///
    /// [`StoreUrlError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        if text.is_empty() {
            return Err(StoreUrlError::Empty);
        }
        if text == "memory:" {
            return Ok(Self::at(Place::Memory));
        }
        let Some((scheme, _)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::in_folder(text));
        };
        let behind = text[scheme.len()..].strip_prefix("://");
        match (scheme.to_ascii_lowercase().as_str(), behind) {
            ("file", _) => parse_file_url(text),
            ("s3", Some(rest)) => parse_service(ServiceKind::S3, rest),
            ("az", Some(rest)) => parse_service(ServiceKind::Azure, rest),
            ("s3" | "az", None) => {
                let (scheme, what) = (scheme.to_owned(), "two slashes are missing");
                Err(StoreUrlError::Service { scheme, what })
            }
            // A folder may have a colon in its name; only `scheme://` is surely no path.
            (_, Some(_)) => Err(StoreUrlError::UnknownScheme { scheme: scheme.to_owned() }),
            _ => Ok(Self::in_folder(text)),
        }
    }

    /// Takes a folder as the place of a store.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self::at(Place::Folder(folder.into()))
    }

    /// Says how the service is reached, if the place is in one.
    #[must_use]
    pub fn with_access(mut self, access: ServiceAccess) -> Self {
        self.access = access;
        self
    }

    /// Returns the folder, or nothing if the place is none.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Memory | Place::Service(_) => None,
        }
    }

    /// Returns the places that hold this one: folders above it, or shorter prefixes, nearest first.
    #[must_use]
    pub fn above(&self) -> Vec<Self> {
        match &self.place {
            Place::Memory => Vec::new(),
            Place::Folder(folder) => folder
                .ancestors()
                .skip(1)
                .filter(|above| !above.as_os_str().is_empty())
                .map(Self::in_folder)
                .collect(),
            Place::Service(place) => {
                let ends = place.prefix.rmatch_indices('/').map(|(end, _)| end);
                let top = (!place.prefix.is_empty()).then_some(0);
                let above = ends.chain(top).map(|end| ServicePlace {
                    prefix: place.prefix[..end].to_owned(),
                    ..place.clone()
                });
                let at = |place| Self::at(Place::Service(place)).with_access(self.access.clone());
                above.map(at).collect()
            }
        }
    }

    /// Returns the part of a bucket or container, if the place is one, and how it is reached.
    pub(crate) fn service(&self) -> Option<(&ServicePlace, &ServiceAccess)> {
        match &self.place {
            Place::Service(place) => Some((place, &self.access)),
            Place::Folder(_) | Place::Memory => None,
        }
    }

    fn at(place: Place) -> Self {
        Self { place, access: ServiceAccess::default() }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => folder.display().fmt(f),
            Place::Memory => f.write_str("memory:"),
            Place::Service(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for ServicePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.kind.scheme(), self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl ServiceKind {
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
        }
    }
}

/// Why a text is not the place of a store.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// The text is empty.
    #[error("the place of the archive is empty: give a folder")]
    Empty,

    /// The text starts with `file:` but does not name a folder of this machine.
    #[error("{text:?} names no folder: write file:///path, or just the path")]
    FileUrl {
        /// The text, shortened.
        text: String,
    },

    /// The text names no part of a bucket or container. It is not repeated: it may hold a secret.
    #[error("this {scheme}:// place cannot be used: {what}; write {scheme}://NAME/PREFIX")]
    Service {
        /// The scheme.
        scheme: String,
        /// What is wrong with it.
        what: &'static str,
    },

    /// The kind of store is unknown.
    #[error(
        "stores under {scheme}:// are unknown: give a folder, file:///path, s3://bucket/prefix or \
         az://container/prefix"
    )]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
}

impl StoreUrlError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Parses what stands behind `s3://` or `az://`. Only letters that no service escapes are allowed,
/// so that a key is spelt the same everywhere.
fn parse_service(kind: ServiceKind, rest: &str) -> Result<StoreUrl, StoreUrlError> {
    let scheme = kind.scheme();
    let refused = |what| Err(StoreUrlError::Service { scheme: scheme.to_owned(), what });
    if rest.contains(['@', '?']) {
        return refused("keys and tokens do not belong in it, but in the environment");
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if !(3..=63).contains(&bucket.len()) {
        return refused("its first part must be the name of a bucket or container");
    }
    let safe = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !safe(bucket) || bucket.starts_with('.') || bucket.contains("..") {
        return refused("no bucket or container has such a name");
    }
    let is_part = |part: &str| !part.is_empty() && safe(part) && part != "." && part != "..";
    if PREFIX_BYTES_MAX < prefix.len() || !(prefix.is_empty() || prefix.split('/').all(is_part)) {
        return refused(
            "a prefix has only letters without accents, digits, and any of - _ . and /",
        );
    }
    let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
    Ok(StoreUrl::at(Place::Service(ServicePlace { kind, bucket, prefix })))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn parse_file_url(text: &str) -> Result<StoreUrl, StoreUrlError> {
    let refused = || StoreUrlError::FileUrl { text: text.chars().take(80).collect() };
    if !text[4..].starts_with(":///") {
        return Err(refused());
    }
    let url = ::url::Url::parse(text).map_err(|_| refused())?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused());
    }
    url.to_file_path().map(StoreUrl::in_folder).map_err(|()| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_folder(text: &str, folder: &str) {
        assert_eq!(StoreUrl::parse(text), Ok(StoreUrl::in_folder(folder)), "{text}");
    }

    #[test]
    fn what_is_above_a_place_is_nearest_first() {
        let above = |text: &str| {
            let above = StoreUrl::parse(text).unwrap().above();
            above.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(above("s3://bucket/a/b/c"), "s3://bucket/a/b s3://bucket/a s3://bucket");
        assert_eq!((above("s3://bucket"), above("memory:")), (String::new(), String::new()));
        assert_eq!((above("/srv/a/b"), above("a")), ("/srv/a /srv /".to_owned(), String::new()));
    }

    #[test]
    fn paths_and_file_urls_are_folders() {
        check_folder("archive", "archive");
        check_folder("/srv/ente one", "/srv/ente one");
        check_folder("file:///srv/ente%20one", "/srv/ente one");
        check_folder("2026:archive", "2026:archive");
        check_folder("notes:archive", "notes:archive");
        check_folder("./memory:", "./memory:");
    }

    #[test]
    fn memory_is_no_folder() {
        assert_eq!(StoreUrl::parse("memory:").unwrap().folder(), None);
    }

    #[test]
    fn services_are_written_with_bucket_and_prefix() {
        for (text, shown) in [
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("S3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://my.bucket/enti/comune_di-prova.1/", "s3://my.bucket/enti/comune_di-prova.1"),
            ("az://container/a/b", "az://container/a/b"),
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.folder(), None);
            assert_eq!(StoreUrl::parse(shown).unwrap(), url);
        }
    }

    #[test]
    fn services_that_cannot_be_are_refused_in_words() {
        for (text, words) in [
            ("s3:bucket", "two slashes"),
            ("s3://", "name of a bucket"),
            ("s3:///prefix", "name of a bucket"),
            ("az://c", "name of a bucket"),
            ("s3://buck et", "such a name"),
            ("s3://a..b", "such a name"),
            ("s3://bucket//x", "a prefix has only"),
            ("s3://bucket/a/../b", "a prefix has only"),
            ("s3://bucket/città", "a prefix has only"),
            ("s3://key:secret@bucket/x", "in the environment"),
            ("az://container/x?sig=secret", "in the environment"),
        ] {
            let error = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("secret"), "{error}");
        }
        assert!(matches!(
            StoreUrl::parse("ftp://host/x"),
            Err(StoreUrlError::UnknownScheme { scheme }) if scheme == "ftp"
        ));
    }

    #[test]
    fn what_names_no_folder_is_refused() {
        assert_eq!(StoreUrl::parse(""), Err(StoreUrlError::Empty));
        for text in ["file:", "file:archive", "file://host/x", "file:///x?y", "file:///x#y"] {
            assert!(matches!(StoreUrl::parse(text), Err(StoreUrlError::FileUrl { .. })), "{text}");
        }
    }
}
