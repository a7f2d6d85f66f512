//! How services are reached, and as whom: values that the program read from its environment.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// How object stores are reached, and as whom. Its values never show in messages or logs.
///
/// Library crates read no environment: the program reads the [`VARIABLES`](Self::VARIABLES) and
/// hands them over.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ServiceAccess {
    values: BTreeMap<&'static str, String>,
    spool_folder: Option<PathBuf>,
    put_bytes_max: Option<u64>,
}

impl ServiceAccess {
    /// The variables of the environment that count, as the tools of the services name them.
    pub const VARIABLES: [&'static str; 27] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_REGION",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_ACCOUNT",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_TOKEN",
        "AZURE_TENANT_ID",
    ];

    /// Takes the variables that are set, and not empty, from what `read` says of each.
    pub fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| Some((name, read(name).filter(|value| !value.is_empty())?));
        let values = Self::VARIABLES.into_iter().filter_map(set).collect();
        Self { values, ..Self::default() }
    }

    /// Lets large packs wait in `folder` for their upload; it is made when first needed. Files in
    /// it have no name: nothing stays behind, whatever happens.
    #[must_use]
    pub fn with_spool_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool_folder = Some(folder.into());
        self
    }

    /// Sends packs of more than `bytes` in several parts, for services that take less at once than
    /// the usual 4 GiB.
    #[must_use]
    pub fn with_put_bytes_max(mut self, bytes: u64) -> Self {
        self.put_bytes_max = Some(bytes);
        self
    }

    /// Returns the first of these variables that is set.
    pub(crate) fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.values.get(*name).map(String::as_str))
    }

    pub(crate) fn spool_folder(&self) -> Option<&Path> {
        self.spool_folder.as_deref()
    }

    pub(crate) fn put_bytes_max(&self) -> Option<u64> {
        self.put_bytes_max
    }
}

impl fmt::Debug for ServiceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.values.keys().collect();
        f.debug_struct("ServiceAccess")
            .field("variables_set", &names)
            .field("spool_folder", &self.spool_folder)
            .field("put_bytes_max", &self.put_bytes_max)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_but_never_shown() {
        let access = ServiceAccess::from_variables(|name| match name {
            "AWS_SECRET_ACCESS_KEY" => Some("hunter2".to_owned()),
            "AWS_REGION" => Some(String::new()),
            _ => None,
        });
        assert_eq!(access.first_of(&["AWS_REGION", "AWS_SECRET_ACCESS_KEY"]), Some("hunter2"));
        let shown = format!("{access:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hunter2"), "{shown}");
    }
}
