//! `settings.toml`: time-stamping authorities and evidence lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use url::{Host, Url};

use sigillo_evidence_log::{HashFamily, LINE_NAME_CHARS_MAX, LineProfile, is_trial_line};
use sigillo_model::ErrorKind;

use crate::error::{CommandError, most_similar};

/// Largest settings file read, in bytes.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;

/// Most evidence lines.
const LINES_MAX: usize = 8;

/// The ports of HTTP and HTTPS, which need not be written.
const HTTP_PORTS: [u16; 2] = [80, 443];

/// What the settings file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Time-stamping authorities, in the order in which they are asked. None: the trial one.
    #[serde(default)]
    pub(crate) authorities: Vec<AuthoritySettings>,
    /// Evidence lines, in the order in which they are stamped. None: one, of all authorities.
    #[serde(default)]
    pub(crate) lines: Vec<LineSettings>,
    /// Whether records state SHA-512 of their files as well.
    #[serde(default)]
    pub(crate) second_digest: bool,
}

/// One time-stamping authority.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthoritySettings {
    pub(crate) name: String,
    pub(crate) url: String,
    /// File of the certificate that its tokens must lead to, PEM.
    pub(crate) anchor_file: std::path::PathBuf,
    /// The policy that its tokens must be under, a dotted OID.
    pub(crate) policy: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<std::path::PathBuf>,
    pub(crate) answer_seconds_max: Option<u64>,
}

/// One evidence line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineSettings {
    pub(crate) name: String,
    pub(crate) profile: ProfileSetting,
    #[serde(default)]
    pub(crate) hash: HashSetting,
    /// The names of the authorities that give its time-stamps, in the order in which they are asked.
    pub(crate) authorities: Vec<String>,
}

/// What the tokens of a line hold.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProfileSetting {
    Plain,
    TrEsor,
}

/// The hash function of a line, from its first time-stamps on.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HashSetting {
    #[default]
    Sha256,
    Sha512,
}

impl From<HashSetting> for HashFamily {
    fn from(hash: HashSetting) -> Self {
        match hash {
            HashSetting::Sha256 => Self::Sha256,
            HashSetting::Sha512 => Self::Sha512,
        }
    }
}

impl From<ProfileSetting> for LineProfile {
    fn from(profile: ProfileSetting) -> Self {
        match profile {
            ProfileSetting::Plain => Self::Plain,
            ProfileSetting::TrEsor => Self::TrEsor,
        }
    }
}

impl AuthoritySettings {
    pub(crate) fn answer_limit(&self) -> Option<Duration> {
        self.answer_seconds_max.map(Duration::from_secs)
    }
}

impl Settings {
    /// Tells whether records state SHA-512 of their files: lines of SHA-512 need it of every file, and
    /// whoever has it reads none again.
    pub(crate) fn wants_second_digest(&self) -> bool {
        let is_long = |line: &LineSettings| HashFamily::from(line.hash) == HashFamily::Sha512;
        self.second_digest || self.lines.iter().any(is_long)
    }

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
        let settings: Self =
            toml::from_str(&text).map_err(|error| not_understood(path, &text, &error))?;
        settings.check(path)?;
        Ok(settings)
    }

    fn check(&self, path: &Path) -> Result<(), CommandError> {
        for authority in &self.authorities {
            if let Some(policy) = authority.policy.as_deref().filter(|policy| !is_oid(policy)) {
                let words = format!(
                    "{} gives the authority {} a policy that is no OID: {policy:?}",
                    path.display(),
                    authority.name
                );
                return Err(CommandError::new(ErrorKind::Invalid, words)
                    .hint("write it as numbers and dots, such as 1.3.6.1.4.1.99999.1"));
            }
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
        self.check_lines(path)
    }

    fn check_lines(&self, path: &Path) -> Result<(), CommandError> {
        let invalid = |words: String, hint: &str| {
            let words = format!("{} {words}", path.display());
            Err(CommandError::new(ErrorKind::Invalid, words).hint(hint))
        };
        if self.lines.len() > LINES_MAX {
            let words = format!("has {} evidence lines", self.lines.len());
            return invalid(words, &format!("at most {LINES_MAX} can be written at a time"));
        }
        let mut names = BTreeSet::new();
        for line in &self.lines {
            let name = &line.name;
            if !names.insert(name) {
                let words = format!("names the evidence line {name:?} twice");
                return invalid(words, "give each line a name of its own");
            }
            if is_trial_line(name) {
                let words = format!("asks authorities for time-stamps on the line {name}");
                return invalid(
                    words,
                    "that line is for the trial authority alone: choose another",
                );
            }
            let (profile, family) = (LineProfile::from(line.profile), HashFamily::from(line.hash));
            let is_named = LineProfile::of_line(name) == Some(profile);
            if !is_named || HashFamily::of_line(name) != family {
                let words = format!(
                    "gives an evidence line a name that is none of its profile and hash function: \
                     {name:?}"
                );
                let hint = format!(
                    "begin it with {}, and go on with a-z, 0-9 and -, up to {LINE_NAME_CHARS_MAX} \
                     characters",
                    profile.prefix(family)
                );
                return invalid(words, &hint);
            }
            if line.authorities.is_empty() {
                let words = format!("gives the evidence line {name} no authority");
                return invalid(
                    words,
                    "name at least one of the [[authorities]], or leave out the line",
                );
            }
        }
        self.check_line_authorities(&invalid)
    }

    /// Two lines are there so that one holds when the other fails, so no authority is in both.
    fn check_line_authorities(
        &self,
        invalid: &dyn Fn(String, &str) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        // By address, too: the same authority under another name is the same authority.
        let mut taken = BTreeMap::<String, &str>::new();
        for line in &self.lines {
            for wanted in &line.authorities {
                let mut named = self.authorities.iter().filter(|it| it.name == *wanted);
                let (Some(authority), None) = (named.next(), named.next()) else {
                    let words = format!(
                        "gives the evidence line {} an authority that is not there once: {wanted:?}",
                        line.name
                    );
                    return invalid(words, "name one of the [[authorities]], each of another name");
                };
                if let Some(other) = taken.insert(address_of(&authority.url), &line.name) {
                    let words = format!(
                        "asks {wanted} twice, for the evidence lines {other} and {}",
                        line.name
                    );
                    let hint = "give each line authorities of its own: lines that end together \
                                replace each other in nothing";
                    return invalid(words, hint);
                }
            }
        }
        Ok(())
    }
}

/// Returns what of an address says whom it leads to: host, port and path, whatever the spelling. Whoever
/// has two names for one machine can still name it twice. One that is none is told when it is used.
fn address_of(text: &str) -> String {
    // As the HTTP client reads it: letters of the host, numbers of ports and machines, dots in the path.
    let Ok(url) = Url::parse(text) else { return text.to_owned() };
    let host = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
        Some(Host::Ipv6(number)) => number.to_canonical().to_string(),
        Some(Host::Ipv4(number)) => number.to_string(),
        None => return text.to_owned(),
    };
    // Encrypted or not, it is the same authority.
    let port = url.port().filter(|port| !HTTP_PORTS.contains(port)).unwrap_or_default();
    let path = decoded(url.path());
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|it| !it.is_empty()).collect();
    format!("{host}:{port}/{}", hex::encode(names.join(&b'/')))
}

/// Resolves `%` and two hexadecimal digits, once.
fn decoded(path: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).filter(|_| *first == b'%');
        if let Some(byte) = digits.and_then(|digits| hex::decode(digits).ok()) {
            bytes.extend(byte);
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    bytes
}

/// Tells whether a text is an object identifier as it is written: numbers and dots.
fn is_oid(text: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty()
            && part.len() <= 10
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    text.len() <= 128 && text.split('.').count() > 2 && text.split('.').all(is_number)
}

/// Says what is wrong with the settings, with the line and where in it.
fn not_understood(path: &Path, text: &str, error: &toml::de::Error) -> CommandError {
    let words = format!("{} cannot be understood", path.display());
    let mut this = CommandError::new(ErrorKind::Invalid, words);
    this.words.push(error.message().to_owned());
    if let Some(span) = error.span().filter(|span| text.is_char_boundary(span.start)) {
        let before = &text[..span.start];
        let number = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let column = before[line_start..].chars().count();
        let marked = text.get(span).map_or(1, |it| it.lines().next().unwrap_or_default().len());
        let margin = " ".repeat(number.to_string().len());
        this.excerpt = vec![
            format!("line {number}, column {}", column + 1),
            format!("{number} | {line}"),
            format!("{margin} | {}{}", " ".repeat(column), "^".repeat(marked.max(1))),
        ];
    }
    // What serde says of a key that is none: the key, then those that there are, in backticks.
    let mut names = error.message().split('`').skip(1).step_by(2);
    if error.message().starts_with("unknown field")
        && let Some(unknown) = names.next()
        && let Some(similar) = most_similar(unknown, names)
    {
        return this.hint(format!("did you mean `{similar}`?"));
    }
    this.hint("docs/operations/README.md says what the settings are")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::upper_case("HTTP://TSA.Example/A/b")]
    #[case::encrypted("https://tsa.example/A/b")]
    #[case::its_port("http://tsa.example:80/A/b")]
    #[case::its_port_encrypted("https://tsa.example:443/A/b")]
    #[case::no_port("http://tsa.example:/A/b")]
    #[case::a_dot("http://tsa.example./A/b")]
    #[case::slashes("http://tsa.example//A///b//")]
    #[case::a_step_back("http://tsa.example/c/../A/./b")]
    #[case::percent("http://tsa.example/%41/%62")]
    #[case::percent_in_the_name("http://tsa%2Eexample/A/b")]
    #[case::a_user("http://anna:segreta@tsa.example/A/b")]
    #[case::a_question("http://tsa.example/A/b?c#d")]
    #[case::white_space(" http://tsa.example/A/b ")]
    fn an_address_leads_to_one_authority_however_it_is_spelt(#[case] url: &str) {
        assert_eq!(address_of(url), address_of("http://tsa.example/A/b"), "{url}");
    }

    #[test]
    fn numbers_of_machines_and_ports_have_one_spelling() {
        let plain = address_of("http://127.0.0.1:8771/");
        for url in [
            "http://127.0.0.1:08771",
            "http://127.1:8771/",
            "http://0x7f000001:8771/",
            "http://127.0.0.1.:8771/",
            "http://[::ffff:127.0.0.1]:8771/",
        ] {
            assert_eq!(address_of(url), plain, "{url}");
        }
        let long = address_of("http://[0:0:0:0:0:0:0:1]/");
        assert_eq!(long, address_of("http://[::1]/"));
    }

    #[rstest]
    #[case::another_host("http://tsb.example/A")]
    #[case::another_port("http://tsa.example:8080/A")]
    #[case::another_path("http://tsa.example/B")]
    #[case::more_path("http://tsa.example/A/B")]
    #[case::another_letter("http://tsa.example/a")]
    #[case::a_percent_sign("http://tsa.example/%2541")]
    #[case::no_address("tsa.example/A")]
    fn what_leads_elsewhere_is_another_authority(#[case] url: &str) {
        assert_ne!(address_of(url), address_of("http://tsa.example/A"), "{url}");
    }

    #[test]
    fn only_numbers_and_dots_are_an_oid() {
        assert!(is_oid("1.3.6.1.4.1.99999.0.1"));
        for text in ["", "1", "1.3", "1..3", "1.3.06", "1.3.x", "1.3.6.", "1.3.99999999999"] {
            assert!(!is_oid(text), "{text}");
        }
    }
}
