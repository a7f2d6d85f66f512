//! Where a store is, as people write it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use sigillo_model::ErrorKind;

/// The place of a store: a folder, or the memory of this process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreUrl(Place);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Folder(PathBuf),
    Memory,
}

impl StoreUrl {
    /// Parses a path, `file:///…` or `memory:`.
    ///
    /// # Errors
    ///
    /// [`StoreUrlError`] says what is wrong; `s3://` and `az://` are known, but not served yet.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        if text.is_empty() {
            return Err(StoreUrlError::Empty);
        }
        if text == "memory:" {
            return Ok(Self(Place::Memory));
        }
        let Some((scheme, _)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::in_folder(text));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => parse_file_url(text),
            "s3" | "az" => Err(StoreUrlError::Later { scheme: scheme.to_owned() }),
            // A folder may have a colon in its name; only `scheme://` is surely no path.
            _ if text[scheme.len()..].starts_with("://") => {
                Err(StoreUrlError::UnknownScheme { scheme: scheme.to_owned() })
            }
            _ => Ok(Self::in_folder(text)),
        }
    }

    /// Takes a folder as the place of a store.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(Place::Folder(folder.into()))
    }

    /// Returns the folder, or nothing for the memory of this process.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Place::Folder(folder) => Some(folder),
            Place::Memory => None,
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder(folder) => folder.display().fmt(f),
            Place::Memory => f.write_str("memory:"),
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

    /// The kind of store is known, but not served yet.
    #[error("stores under {scheme}:// come with a later version: give a folder for now")]
    Later {
        /// The scheme.
        scheme: String,
    },

    /// The kind of store is unknown.
    #[error("stores under {scheme}:// are unknown: give a folder, or file:///path")]
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
    fn services_are_refused_in_words() {
        for text in ["s3://bucket/prefix", "az://container", "S3://bucket"] {
            let error = StoreUrl::parse(text).unwrap_err();
            assert!(error.to_string().contains("later version"), "{error}");
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
