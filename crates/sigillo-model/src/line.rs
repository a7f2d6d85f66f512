//! What the names of evidence lines say.

/// What the names of the lines of SHA-512 begin with, for each profile.
const SHA512_PREFIXES: [&str; 2] = ["plain-sha512-", "tr-esor-sha512-"];

/// Tells whether the time-stamps of an evidence line are of SHA-512 from the first on. On every other
/// line they begin with SHA-256.
pub fn is_sha512_line(line: &str) -> bool {
    SHA512_PREFIXES.iter().any(|prefix| line.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_family_stands_behind_the_profile() {
        assert!(is_sha512_line("plain-sha512-a") && is_sha512_line("tr-esor-sha512-a"));
        for other in ["plain-sha256-a", "plain-sha256-my-sha512-a", "plain-sha512", "sha512-a", ""]
        {
            assert!(!is_sha512_line(other), "{other}");
        }
    }
}
