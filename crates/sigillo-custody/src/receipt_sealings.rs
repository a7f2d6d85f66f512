//! The sealings of a receipt: statement, seal and time-stamps of those that cover its batches.

use std::collections::BTreeMap;

use bytes::Bytes;

use sigillo_ers::{EvidenceTree, SEAL_BYTES_MAX, TOKEN_BYTES_MAX, sealing_leaves};
use sigillo_evidence_log::{
    Archive, Chains, LoggedBatch, RevokedRenewals, TokenFrom, checkpoint_value,
};
use sigillo_merkle::parse_signed_checkpoint;
use sigillo_model::{
    BatchesSealed, Entry, EvidenceDigest, ObjectKey, STATEMENT_BYTES_MAX, SealingStamped,
    Sha256Digest, Statement, parse_canonical,
};
use sigillo_proof::{
    Base64Bytes, EntryPlace, HashTreeSection, PROOF_HASHES_MAX, RECEIPT_RENEWALS_MAX,
    RECEIPT_TOKENS_MAX, Receipt, RenewalSection, SealedIn, SealingSection, TokenSection,
};

use crate::{
    CustodyError, GiveReceiptError, ReceiptLog, named::read_or_lost, receipt::unreadable,
    receipt_lost::LeftOut,
};

/// Adds the sealings that cover the batches of a receipt, and how each batch leads to its own.
/// Returns what is left out because it is lost.
pub(crate) async fn seal_batches(
    archive: &Archive,
    log: &ReceiptLog,
    receipt: &mut Receipt,
    batches: &[&LoggedBatch],
    revoked: &mut RevokedRenewals<'_>,
) -> Result<LeftOut, GiveReceiptError> {
    let (chains, mut left_out) = (Chains::read(archive, &log.view).await?, LeftOut::default());
    let sealings = log.entries().filter_map(|(place, entry)| match entry {
        Entry::BatchesSealed(body) => Some((place, body)),
        _ => None,
    });
    for (place, body) in sealings {
        let within = |commit| body.after < commit && commit <= body.through;
        let covered: Vec<_> =
            (0..).zip(batches).filter(|(_, batch)| within(batch.commit)).collect();
        if covered.is_empty() {
            continue;
        }
        let (statement, text) = read_statement(archive, body).await?;
        let key = ObjectKey::statement(body.sealing);
        let Some(checkpoint) = checkpoint_value(&statement) else {
            return Err(unreadable(key, "its checkpoint is no note"));
        };
        let places: BTreeMap<_, _> =
            (0..).zip(&statement.batches).map(|(at, it)| (it.batch, at)).collect();
        let tree = EvidenceTree::new(sealing_leaves(&statement, checkpoint));
        for (number, batch) in covered {
            let at = places.get(&batch.body.batch);
            let Some(tree_path) = at.and_then(|at| tree.path(*at)) else {
                return Err(unreadable(key, "it does not list a batch that it should cover"));
            };
            let section: usize = number;
            receipt.batches[section].sealed = Some(SealedIn { number: body.number, tree_path });
        }
        let note = statement.checkpoint.as_bytes();
        let older = parse_signed_checkpoint(note, archive.keys_of_note(note).of_note(note))
            .map_err(|error| unreadable(key, &error.to_string()))?;
        let (key, bytes_max) = (ObjectKey::seal(body.sealing), SEAL_BYTES_MAX as u64);
        let seal = read_named(archive, key, bytes_max, body.seal_sha256).await?;
        receipt.sealings.push(SealingSection {
            consistency: log.consistency(&older)?,
            entry: log.line(place)?,
            seal: Base64Bytes(seal.to_vec()),
            statement: text,
            tokens: tokens((archive, log, &chains), body, revoked, &mut left_out).await?,
        });
    }
    Ok(left_out)
}

/// Reads the statement of a sealing, and its text.
pub(crate) async fn read_statement(
    archive: &Archive,
    body: &BatchesSealed,
) -> Result<(Statement, String), GiveReceiptError> {
    let key = ObjectKey::statement(body.sealing);
    let sha256 = body.statement_sha256;
    let bytes = read_named(archive, key.clone(), STATEMENT_BYTES_MAX, sha256).await?;
    let statement = parse_canonical::<Statement>(&bytes);
    let statement = statement.map_err(|error| unreadable(key.clone(), &error.to_string()))?;
    let text = String::from_utf8(bytes.to_vec());
    Ok((statement, text.map_err(|error| unreadable(key, &error.to_string()))?))
}

/// Reads the time-stamps of a sealing: of each line the first, which is the one that counts. A line
/// whose first one is lost is left out if another line has it.
async fn tokens(
    (archive, log, chains): (&Archive, &ReceiptLog, &Chains),
    sealing: &BatchesSealed,
    revoked: &mut RevokedRenewals<'_>,
    left_out: &mut LeftOut,
) -> Result<Vec<TokenSection>, GiveReceiptError> {
    let mut sections: Vec<TokenSection> = Vec::new();
    let mut missing: Vec<(ObjectKey, &str, &'static str)> = Vec::new();
    let stamps = log.entries().filter_map(|(place, entry)| match entry {
        Entry::SealingStamped(body) if body.number == sealing.number => Some((place, body)),
        _ => None,
    });
    for (place, body) in stamps.take(RECEIPT_TOKENS_MAX) {
        let is_known = |line: &str| line == body.line;
        if sections.iter().any(|section| is_known(&section.line))
            || missing.iter().any(|(_, line, _)| is_known(line))
        {
            continue;
        }
        let key = ObjectKey::token(body.sealing, &body.line, body.token_sha256);
        let bytes_max = TOKEN_BYTES_MAX as u64;
        let token = match read_or_lost(archive, &key, bytes_max, body.token_sha256).await? {
            Ok(token) => token,
            Err(what) => {
                missing.push((key, &body.line, what));
                continue;
            }
        };
        let path = match token_path((archive, chains), body).await? {
            Ok(path) => path,
            Err(key) => {
                missing.push((key, &body.line, "its hash trees are not there as they were"));
                continue;
            }
        };
        let of = (archive, log, chains);
        let (renewals, hash_tree) = newer(of, body, revoked, left_out).await?;
        sections.push(TokenSection {
            entry: log.line(place)?,
            hash_tree,
            line: body.line.clone(),
            path,
            renewals,
            token: Base64Bytes(token.to_vec()),
        });
    }
    for (key, line, what) in missing {
        if sections.is_empty() {
            return Err(unreadable(key, what));
        }
        left_out.line(key, (sealing.number, line), what);
    }
    Ok(sections)
}

/// What came after a time-stamp.
type Newer = (Vec<RenewalSection>, Option<HashTreeSection>);

/// Reads what renewed a time-stamp, as far as it is under the checkpoint. A renewal whose token is lost
/// stands without it: the log says what those after it cover. So does one that does not count, for a
/// certificate behind it was revoked. New hash trees are over everything before them: if anything of that
/// is lost or does not count, they are left out.
async fn newer(
    (archive, log, chains): (&Archive, &ReceiptLog, &Chains),
    stamped: &SealingStamped,
    revoked: &mut RevokedRenewals<'_>,
    lost: &mut LeftOut,
) -> Result<Newer, GiveReceiptError> {
    let (mut first, mut tree) = (Vec::new(), None::<HashTreeSection>);
    let (known, of) = ((&log.view, chains), (stamped.number, stamped.line.as_str()));
    let (mut is_whole, mut goes_on) = (true, true);
    let chain = chains.of(&stamped.line, stamped.number);
    let revoked = revoked.of((archive, &log.view, chains), chain).await?;
    for token in chain {
        let Some((generation, index)) = token.entry_place(&log.view) else { continue };
        let place = EntryPlace { log: generation, index };
        let renewals = tree.as_mut().map_or(&mut first, |tree| &mut tree.renewals);
        if !log.covers(place) || renewals.len() == RECEIPT_RENEWALS_MAX {
            break;
        }
        if !goes_on {
            lost.not_given(of, place);
            continue;
        }
        let (key, bytes_max) = (token.key(&log.view), TOKEN_BYTES_MAX as u64);
        let raw = match read_or_lost(archive, &key, bytes_max, token.sha256).await? {
            _ if revoked.contains_key(&token.sha256) => {
                lost.revoked(key, &revoked[&token.sha256], place);
                is_whole = false;
                None
            }
            Ok(raw) if token.is_placed() => Some(Base64Bytes(raw.to_vec())),
            read => {
                lost.token(known, of, token, read.err().unwrap_or_default());
                is_whole = false;
                None
            }
        };
        let (entry, path) = (log.line(place)?, chains.path(token));
        match (token.from, raw) {
            (TokenFrom::Rehashed { .. }, Some(raw)) if is_whole => {
                let path = path.iter().filter_map(EvidenceDigest::sha512).collect();
                tree = Some(HashTreeSection { entry, path, renewals: Vec::new(), token: raw });
            }
            (TokenFrom::Rehashed { .. }, _) => {
                lost.not_given(of, place);
                goes_on = false;
            }
            (_, Some(raw)) => {
                let validation = chains.validation(token).to_vec();
                renewals.push(RenewalSection { entry, path, token: Some(raw), validation });
            }
            (_, None) => {
                let (path, validation) = (Vec::new(), Vec::new());
                renewals.push(RenewalSection { entry, path, token: None, validation });
            }
        }
    }
    for unread in chains.perhaps_renewed(&log.view, &stamped.line, stamped.number) {
        let (generation, index) = unread.entry_place(&log.view);
        if log.covers(EntryPlace { log: generation, index }) {
            lost.list(known, of, unread);
        }
    }
    Ok((first, tree))
}

/// Reads the siblings from a sealing's value up to what its token covers; mostly there are none, unless
/// the token is over hash trees. Those lead nowhere if they are not there: then their key is returned.
async fn token_path(
    (archive, chains): (&Archive, &Chains),
    body: &SealingStamped,
) -> Result<Result<Vec<EvidenceDigest>, ObjectKey>, GiveReceiptError> {
    if let Some(tree) = &body.tree {
        let first = chains.of(&body.line, body.number).first().filter(|it| it.is_placed());
        return Ok(first.map(|it| chains.path(it)).ok_or(ObjectKey::hash_tree(tree.renewal)));
    }
    let key = ObjectKey::token_path(body.sealing, &body.line, body.token_sha256);
    let bytes_max = (PROOF_HASHES_MAX * Sha256Digest::LENGTH_BYTES) as u64;
    let read = archive.store().read_optional(&key, bytes_max).await;
    let bytes = read.map_err(|source| CustodyError::Store {
        doing: "reading the path of a time-stamp",
        source,
    })?;
    let bytes = bytes.unwrap_or_default();
    let (hashes, rest) = bytes.as_chunks::<{ Sha256Digest::LENGTH_BYTES }>();
    if !rest.is_empty() {
        return Err(unreadable(key, "it is no list of hashes"));
    }
    Ok(Ok(hashes.iter().map(|hash| Sha256Digest::from_bytes(*hash).into()).collect()))
}

/// Reads an object whose digest the log states.
async fn read_named(
    archive: &Archive,
    key: ObjectKey,
    bytes_max: u64,
    sha256: Sha256Digest,
) -> Result<Bytes, GiveReceiptError> {
    let read = read_or_lost(archive, &key, bytes_max, sha256).await?;
    read.map_err(|what| unreadable(key, what))
}
