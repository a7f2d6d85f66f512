//! `settings.toml`: time-stamping authorities.

use std::{path::Path, time::Duration};

use serde::Deserialize;

use sigillo_model::ErrorKind;

use crate::error::CommandError;

/// Largest settings file read, in bytes.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// What the settings file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Time-stamping authorities, in the order in which they are asked. None: the trial one.
    #[serde(default)]
    pub(crate) authorities: Vec<AuthoritySettings>,
}

/// One time-stamping authority.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthoritySettings {
    pub(crate) name: String,
    pub(crate) url: String,
    /// File of the certificate that its tokens must lead to, PEM.
    pub(crate) anchor_file: std::path::PathBuf,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<std::path::PathBuf>,
    pub(crate) answer_seconds_max: Option<u64>,
}

impl AuthoritySettings {
    pub(crate) fn answer_limit(&self) -> Option<Duration> {
        self.answer_seconds_max.map(Duration::from_secs)
    }
}

impl Settings {
    /// Reads the settings; without a file there are none.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let size = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(CommandError::file("reading", path, &error)),
        };
        if size > SETTINGS_BYTES_MAX {
            let words = format!("{} is too large for settings", path.display());
            return Err(CommandError::new(ErrorKind::Invalid, words));
        }
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| CommandError::file("reading", path, &error))?;
        let settings: Self = toml::from_str(&text).map_err(|error| {
            let words = format!("{} cannot be understood:\n{error}", path.display());
            CommandError::new(ErrorKind::Invalid, words)
        })?;
        settings.check(path)?;
        Ok(settings)
    }

    fn check(&self, path: &Path) -> Result<(), CommandError> {
        for authority in &self.authorities {
            let (given, missing) = match (&authority.user, &authority.password_file) {
                (Some(_), None) => ("user", "password_file"),
                (None, Some(_)) => ("password_file", "user"),
                _ => continue,
            };
            let words = format!(
                "{} gives the authority {} a {given} without a {missing}",
                path.display(),
                authority.name
            );
            return Err(CommandError::new(ErrorKind::Invalid, words)
                .hint(format!("add the {missing}, or remove the {given}")));
        }
        Ok(())
    }
}
