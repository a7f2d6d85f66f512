//! Which witnesses must have cosigned a checkpoint: a policy, as C2SP tlog-policy writes it.

use std::{collections::HashMap, str};

use crate::{VerifierKey, VerifierKeyError};

/// The longest policy that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// The most logs, witnesses and groups, of each, that a policy may define.
pub const POLICY_NAMES_MAX: usize = 1_000;

/// The name that stands for no witness at all.
const NONE: &str = "none";

/// A set of known logs, a set of known witnesses, and the rule by which these vouch for a
/// checkpoint.
///
/// Source: C2SP tlog-policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitnessPolicy {
    /// The logs, if the policy names any.
    pub logs: Vec<VerifierKey>,
    /// The witnesses, in the order of their lines.
    pub witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

/// A witness as a policy knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyWitness {
    /// Its name, for this policy alone.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
}

/// So many of these must have witnessed a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A witness or a group, by its place among those.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Member {
    Witness(usize),
    Group(usize),
}

impl WitnessPolicy {
    /// Reads a policy. Addresses of logs and witnesses are passed over.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with the line, from 1. Stricter than the specification in one thing: the
    /// text must be UTF-8.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let whole = |what| PolicyError { line: 0, what };
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(whole(PolicyFault::TooLong));
        }
        let text = str::from_utf8(bytes).map_err(|_| whole(PolicyFault::NotUtf8))?;
        let mut reader = Reader::default();
        let mut lines = text.split('\n');
        // What follows the last newline is a line that was not ended.
        let unended = lines.next_back().unwrap_or_default();
        for (line, text) in (1..).zip(lines) {
            reader.line(text).map_err(|what| PolicyError { line, what })?;
        }
        if !unended.is_empty() {
            return Err(whole(PolicyFault::LastLine));
        }
        let quorum = match reader.quorum {
            None => return Err(whole(PolicyFault::NoQuorum)),
            Some(Quorum::Nobody) => None,
            Some(Quorum::Member(member)) => Some(member),
        };
        let Reader { logs, witnesses, groups, .. } = reader;
        Ok(Self { logs, witnesses, groups, quorum })
    }

    /// Tells whether witnesses vouch for a checkpoint by the rule, if those have cosigned it of
    /// whose key `cosigned` says so. Without a quorum nobody needs to.
    pub fn is_met(&self, cosigned: impl Fn(&VerifierKey) -> bool) -> bool {
        let by: Vec<bool> = self.witnesses.iter().map(|it| cosigned(&it.key)).collect();
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |member: &Member, groups: &[bool]| match *member {
            Member::Witness(at) => by[at],
            Member::Group(at) => groups[at],
        };
        // A group names earlier ones only.
        for group in &self.groups {
            let count = group.members.iter().filter(|member| holds(member, &groups)).count();
            groups.push(count >= group.threshold);
        }
        self.quorum.as_ref().is_none_or(|member| holds(member, &groups))
    }

    /// Tells whether the rule asks for no witness at all (`quorum none`).
    pub const fn asks_for_none(&self) -> bool {
        self.quorum.is_none()
    }
}

/// Why a text is no policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct PolicyError {
    /// The line, from 1; 0 if it is about the whole.
    pub line: usize,
    /// What is wrong with it.
    pub what: PolicyFault,
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// A control character other than tab and newline.
    #[error("it has a control character other than tab and newline")]
    ControlCharacter,
    /// Another line has the same public key, under whatever name.
    #[error("the same public key stands in another line")]
    DuplicateKey,
    /// Another line defines the name.
    #[error("the name {0:?} is taken")]
    DuplicateName(String),
    /// A key cannot be read.
    #[error("{0}")]
    Key(VerifierKeyError),
    /// The key of a log where a witness's belongs, or the reverse.
    #[error("the key is of the wrong type: a log signs, a witness cosigns")]
    KeyType,
    /// The last line is not ended by a newline.
    #[error("the last line is not ended by a newline")]
    LastLine,
    /// A member of a group is a member of that or another group already.
    #[error("{0:?} is a member of a group already")]
    MemberTwice(String),
    /// There is no quorum.
    #[error("there is no line `quorum NAME`")]
    NoQuorum,
    /// The text is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// There are two quorums.
    #[error("there is a quorum already")]
    QuorumTwice,
    /// A threshold is none, or not one that the members can reach.
    #[error("{0:?} is neither `any`, `all` nor a number from 1 to that of the members")]
    Threshold(String),
    /// The policy exceeds [`POLICY_BYTES_MAX`].
    #[error("it has more than {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// There are more than [`POLICY_NAMES_MAX`] of something.
    #[error("it defines more than {POLICY_NAMES_MAX} logs, witnesses or groups")]
    TooMany,
    /// A name that no earlier line defines.
    #[error("no earlier line defines {0:?}")]
    UnknownName(String),
    /// A line of another form.
    #[error(
        "it is none of `log KEY [URL]`, `witness NAME KEY [URL]`, `group NAME any|all|K NAME…` \
         and `quorum NAME`"
    )]
    UnknownLine,
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// Everything that has a name.
    names: HashMap<String, Member>,
    /// The members of all groups: each belongs to one.
    members: Vec<Member>,
    quorum: Option<Quorum>,
}

/// Whom the quorum names.
#[derive(Debug)]
enum Quorum {
    Nobody,
    Member(Member),
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), PolicyFault> {
        if line.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(PolicyFault::ControlCharacter);
        }
        let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
        let Some(what) = items.next().filter(|item| !item.starts_with('#')) else {
            return Ok(());
        };
        let items: Vec<&str> = items.collect();
        match (what, &items[..]) {
            ("log", [key] | [key, _]) => self.log(key),
            ("witness", [name, key] | [name, key, _]) => self.witness(name, key),
            ("group", [name, threshold, members @ ..]) if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ("quorum", [name]) => self.quorum(name),
            _ => Err(PolicyFault::UnknownLine),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), PolicyFault> {
        let key = VerifierKey::parse(key).map_err(PolicyFault::Key)?;
        if key.is_cosigner() {
            return Err(PolicyFault::KeyType);
        }
        if self.logs.iter().any(|it| it.public_key() == key.public_key()) {
            return Err(PolicyFault::DuplicateKey);
        }
        push(&mut self.logs, key).map(drop)
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), PolicyFault> {
        let key = VerifierKey::parse(key).map_err(PolicyFault::Key)?;
        if !key.is_cosigner() {
            return Err(PolicyFault::KeyType);
        }
        if self.witnesses.iter().any(|it| it.key.public_key() == key.public_key()) {
            return Err(PolicyFault::DuplicateKey);
        }
        let at = push(&mut self.witnesses, PolicyWitness { name: name.to_owned(), key })?;
        self.define(name, Member::Witness(at))
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), PolicyFault> {
        let bad = || PolicyFault::Threshold(threshold.to_owned());
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            number if number.bytes().all(|b| b.is_ascii_digit()) => {
                number.parse().map_err(|_| bad())?
            }
            _ => return Err(bad()),
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(bad());
        }
        let mut group = Group { threshold, members: Vec::with_capacity(members.len()) };
        for name in members {
            let member = self.known(name)?;
            if self.members.contains(&member) {
                return Err(PolicyFault::MemberTwice((*name).to_owned()));
            }
            self.members.push(member);
            group.members.push(member);
        }
        let at = push(&mut self.groups, group)?;
        self.define(name, Member::Group(at))
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyFault> {
        let named = if name == NONE { Quorum::Nobody } else { Quorum::Member(self.known(name)?) };
        match self.quorum.replace(named) {
            None => Ok(()),
            Some(_) => Err(PolicyFault::QuorumTwice),
        }
    }

    fn known(&self, name: &str) -> Result<Member, PolicyFault> {
        let known = self.names.get(name).copied();
        known.ok_or_else(|| PolicyFault::UnknownName(name.to_owned()))
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), PolicyFault> {
        if name == NONE || self.names.insert(name.to_owned(), member).is_some() {
            return Err(PolicyFault::DuplicateName(name.to_owned()));
        }
        Ok(())
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<usize, PolicyFault> {
    if list.len() == POLICY_NAMES_MAX {
        return Err(PolicyFault::TooMany);
    }
    list.push(item);
    Ok(list.len() - 1)
}
