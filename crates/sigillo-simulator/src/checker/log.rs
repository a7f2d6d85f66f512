//! The log, replayed from the objects under `log/seq/` alone.

use serde_json::Value;

use sigillo_merkle::{Frontier, SignedNote, TreeHash, VerifierKey, leaf_hash};
use sigillo_model::Sha256Digest;

use super::{Invariant, Snapshot, Violation};

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// The commit it is in.
    pub commit: u64,
    /// The entry, as plain JSON.
    pub body: Value,
}

/// What the commits say.
#[derive(Clone, Debug, Default)]
pub struct ReplayedLog {
    /// The origin that `archive.json` states.
    pub origin: String,
    /// The key that `archive.json` states for checkpoints.
    pub log_key: Option<VerifierKey>,
    /// The number of the last commit.
    pub head: u64,
    /// The leaves of the tree, in order.
    pub leaves: Vec<TreeHash>,
    /// The entries, in order.
    pub entries: Vec<LogEntry>,
    /// The lines that they were read from.
    pub lines: Vec<String>,
}

impl ReplayedLog {
    /// Returns the root over the first `size` leaves, or nothing if there are fewer.
    pub fn root_at(&self, size: u64) -> Option<TreeHash> {
        let size = usize::try_from(size).ok()?;
        Some(sigillo_merkle::root_of(self.leaves.get(..size)?.iter().copied()))
    }

    /// Returns the entries of one type, with the commits they are in.
    pub fn entries_of<'a>(&'a self, type_name: &'a str) -> impl Iterator<Item = &'a LogEntry> {
        self.entries.iter().filter(move |entry| entry.body["type"] == type_name)
    }
}

/// Replays every commit, checking signatures and that each follows from those before it.
pub fn replay(snapshot: &Snapshot, violations: &mut Vec<Violation>) -> ReplayedLog {
    let mut log = ReplayedLog::default();
    let mut broken = |message: String| {
        violations.push(Violation::new(Invariant::LogExtends, message));
    };
    let description =
        snapshot.get("archive.json").map(|bytes| serde_json::from_slice::<Value>(bytes));
    let Some(Ok(description)) = description else {
        broken("archive.json is missing or cannot be read".to_owned());
        return log;
    };
    text(&description, "origin").clone_into(&mut log.origin);
    log.log_key = VerifierKey::parse(text(&description["keys"], "log")).ok();
    let Ok(commit_key) = VerifierKey::parse(text(&description["keys"], "commit")) else {
        broken("the commit key cannot be read".to_owned());
        return log;
    };
    let mut replay = Replay { log, frontier: Frontier::new(), previous: None, epoch: 1 };
    let mut found = 0;
    for (key, bytes) in snapshot.below("log/seq") {
        found += 1;
        if key != format!("log/seq/{found:020}") {
            broken(format!("commit {found} is missing, {key} is there"));
            break;
        }
        if let Err(message) = replay.take(found, bytes, &commit_key) {
            broken(format!("commit {found}: {message}"));
            break;
        }
    }
    replay.log
}

struct Replay {
    log: ReplayedLog,
    frontier: Frontier,
    previous: Option<Sha256Digest>,
    epoch: u64,
}

impl Replay {
    fn take(&mut self, number: u64, bytes: &[u8], key: &VerifierKey) -> Result<(), String> {
        let note = SignedNote::parse(bytes).map_err(|error| error.to_string())?;
        note.verify(std::slice::from_ref(key)).map_err(|error| error.to_string())?;
        let lines: Vec<&str> = note.text.lines().collect();
        let mut bodies = Vec::with_capacity(lines.len());
        for line in &lines {
            bodies.push(serde_json::from_str::<Value>(line).map_err(|error| error.to_string())?);
        }
        let header = bodies.first().ok_or("it is empty")?;
        let expected = [
            ("type", Value::from("commit.opened")),
            ("commit", number.into()),
            ("first_leaf", self.frontier.size().into()),
            ("root", digest_text(self.frontier.root()).into()),
            ("previous", self.previous.map_or(Value::Null, |digest| digest.to_string().into())),
        ];
        for (member, value) in expected {
            if header[member] != value {
                return Err(format!("{member} is {}, not {value}", header[member]));
            }
        }
        let epoch = header["epoch"].as_u64().unwrap_or(0);
        if epoch < self.epoch {
            return Err(format!("its epoch is {epoch} after {}", self.epoch));
        }
        for (line, body) in lines.iter().zip(bodies) {
            let leaf = leaf_hash(line.as_bytes());
            self.frontier.push(leaf);
            self.log.leaves.push(leaf);
            self.log.entries.push(LogEntry { commit: number, body });
            self.log.lines.push((*line).to_owned());
        }
        self.epoch = epoch;
        self.previous = Some(Sha256Digest::of(bytes));
        self.log.head = number;
        Ok(())
    }
}

/// Returns a member that is a text, or the empty text.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Spells a hash of the tree as entries do.
pub(super) fn digest_text(hash: TreeHash) -> String {
    Sha256Digest::from_bytes(*hash.as_bytes()).to_string()
}
