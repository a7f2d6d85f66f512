//! The witnesses in the trust store: whose cosignatures are believed, and how many are enough.

use std::path::PathBuf;

use sigillo_merkle::{POLICY_BYTES_MAX, VerifierKey, WitnessPolicy};
use sigillo_model::ErrorKind;

use crate::{
    error::CommandError,
    places::{read_beginning, refuse_no_file, write_whole},
    trust_store::TrustStore,
};

/// The file of the trust store with the witnesses, a policy as C2SP tlog-policy writes it.
const WITNESSES: &str = "witnesses.txt";

/// The group that a policy written here takes its quorum from.
const GROUP: &str = "known";

impl TrustStore {
    /// Returns the file of the witnesses, whether or not there is one.
    pub(crate) fn witnesses_file(&self) -> PathBuf {
        self.folder().join(WITNESSES)
    }

    /// Reads the witnesses, and how many of them are enough; none if there is no such file.
    pub(crate) fn witnesses(&self) -> Result<Option<WitnessPolicy>, CommandError> {
        Ok(self.witnesses_text()?.map(|(policy, _)| policy))
    }

    /// Returns the keys of the witnesses.
    pub(crate) fn witness_keys(&self) -> Result<Vec<VerifierKey>, CommandError> {
        let witnesses = self.witnesses()?.map(|it| it.witnesses).unwrap_or_default();
        Ok(witnesses.into_iter().map(|it| it.key).collect())
    }

    /// Believes a witness from now on; `quorum` witnesses are enough then, as many as before if it
    /// is not said, and one at first.
    pub(crate) fn add_witness(
        &self,
        key: &VerifierKey,
        quorum: Option<usize>,
    ) -> Result<WitnessPolicy, CommandError> {
        let mut keys = Vec::new();
        let mut threshold = 1;
        if let Some((policy, text)) = self.witnesses_text()? {
            keys.extend(policy.witnesses.into_iter().map(|it| it.key));
            let own = (1..=keys.len()).find(|it| written(&keys, *it) == text);
            threshold = own.ok_or_else(|| {
                let words = "the witnesses of this trust store stand in a policy of its own";
                CommandError::new(ErrorKind::Invalid, words).hint(format!(
                    "add the line `witness NAME {key}` to {}, and NAME to the group that it \
                     belongs to",
                    self.witnesses_file().display()
                ))
            })?;
        }
        if !keys.contains(key) {
            keys.push(key.clone());
        }
        self.write_witnesses(&written(&keys, quorum.unwrap_or(threshold)))
    }

    /// Takes a whole policy, unless there is another.
    pub(crate) fn set_witnesses(&self, text: &str) -> Result<WitnessPolicy, CommandError> {
        parse(text.as_bytes(), "what is to be believed")?;
        if self.witnesses_text()?.is_some_and(|(_, known)| known != text) {
            let words = "this trust store has another policy for witnesses";
            let file = self.witnesses_file();
            return Err(CommandError::new(ErrorKind::Invalid, words)
                .hint(format!("if the change is right, remove {} first", file.display())));
        }
        self.write_witnesses(text)
    }

    fn write_witnesses(&self, text: &str) -> Result<WitnessPolicy, CommandError> {
        let policy = parse(text.as_bytes(), "what is to be believed")?;
        write_whole(&self.witnesses_file(), text.as_bytes())?;
        Ok(policy)
    }

    fn witnesses_text(&self) -> Result<Option<(WitnessPolicy, String)>, CommandError> {
        let file = self.witnesses_file();
        if !file.exists() {
            return Ok(None);
        }
        refuse_no_file(&file)?;
        let bytes = read_beginning(&file, POLICY_BYTES_MAX as u64)?;
        let policy = parse(&bytes, &file.display().to_string())?;
        Ok(Some((policy, String::from_utf8_lossy(&bytes).into_owned())))
    }
}

fn parse(bytes: &[u8], what: &str) -> Result<WitnessPolicy, CommandError> {
    WitnessPolicy::parse(bytes).map_err(|error| {
        let words = format!("{what} is no policy for witnesses (C2SP tlog-policy)");
        let mut this = CommandError::new(ErrorKind::Invalid, words);
        this.words.push(error.to_string());
        this
    })
}

/// Writes the policy that takes so many of these witnesses.
fn written(keys: &[VerifierKey], threshold: usize) -> String {
    let mut text =
        String::from("# Witnesses, and how many of them are enough (C2SP tlog-policy).\n");
    for key in keys {
        text.push_str(&format!("witness {} {key}\n", key.name()));
    }
    let names: Vec<&str> = keys.iter().map(VerifierKey::name).collect();
    let names = names.join(" ");
    text.push_str(&format!("group {GROUP} {threshold} {names}\nquorum {GROUP}\n"));
    text
}
