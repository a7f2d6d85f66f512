//! In which order the program makes things durable, judged from the list of its calls.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{shim::Point, site::Site};

/// What was written and is not durable yet.
#[derive(Debug, Default)]
struct Debts {
    /// Files whose bytes were written.
    files: BTreeSet<PathBuf>,
    /// Names that were made, until their folder is synced.
    names: BTreeSet<PathBuf>,
}

impl Debts {
    /// Takes in one call.
    fn take(&mut self, point: &Point) {
        let path = Path::new(&point.path);
        match point.kind.as_str() {
            _ if point.failed => {}
            "write" | "writev" | "pwrite" | "pwrite64" | "ftruncate64" | "copy_file_range" => {
                self.files.insert(path.to_owned());
            }
            "linkat" | "rename" | "renameat2" | "mkdir" => {
                self.names.insert(path.to_owned());
            }
            "unlink" => {
                self.files.remove(path);
                self.names.remove(path);
            }
            "fsync" | "fdatasync" => {
                self.files.remove(path);
                self.names.retain(|name| name.parent() != Some(path));
            }
            _ => {}
        }
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.names)
    }
}

/// Says where something is relied on before what it relies on is durable.
///
/// A commit may be made only when all that the archive holds is durable, a checkpoint signed only
/// after that commit, published only after the memory of the signature, and at the end nothing is
/// owed. State, settings and the catalogue can be made again and owe nothing.
///
/// `dead` are the calls of a run before that died; what it left in a batch, a sealing or the like is
/// owed from when the later run first touches that: until then no commit names it.
pub(crate) fn too_early(site: &Site, dead: &[Point], points: &[Point]) -> Vec<String> {
    let archive = site.archive();
    let home = site.home();
    let exempt = [home.join(".local/state"), home.join(".config"), archive.join("catalogue")];
    let mut debts = Debts::default();
    for point in dead.iter().filter(|point| !exempt.iter().any(|e| point.is_below(e))) {
        debts.take(point);
    }
    // Files get their final name when they are durable; under another one nobody relies on them.
    debts.files.clear();
    let mut untouched: Vec<(PathBuf, PathBuf)> = Vec::new();
    for name in std::mem::take(&mut debts.names) {
        match own_folder(&archive, &name) {
            Some(own) => untouched.push((own, name)),
            None => drop(debts.names.insert(name)),
        }
    }
    let mut problems = Vec::new();
    for point in points {
        for (_, name) in untouched.extract_if(.., |(own, _)| point.is_below(own)) {
            debts.names.insert(name);
        }
        let path = Path::new(&point.path);
        let is_commit = point.kind == "linkat" && path.starts_with(archive.join("log/seq"));
        let is_publication = point.kind == "rename" && path == archive.join("log/checkpoint");
        let is_signature = point.kind == "rename" && path.ends_with("last-signed.json");
        let relies_on = |debt: &Path| {
            // What is signed is the log; what is published and the keys' memory come after it.
            let published = ["log/tile", "log/checkpoint"].map(|path| archive.join(path));
            let is_later = published.iter().any(|path| debt.starts_with(path));
            let is_signed = debt.starts_with(&archive) && !is_later;
            is_commit || is_publication || (is_signature && is_signed)
        };
        let debts_now = debts.all().filter(|debt| !point.failed && relies_on(debt));
        problems.extend(debts_now.map(|debt| {
            format!("{} {} comes before {} is durable", point.kind, point.path, debt.display())
        }));
        if !exempt.iter().any(|folder| point.is_below(folder)) {
            debts.take(point);
        }
    }
    problems.extend(debts.all().map(|debt| format!("{} is never durable", debt.display())));
    problems
}

/// Returns the folder that holds a path and that belongs to one batch, sealing or submission, or
/// to the packs of one first byte.
fn own_folder(archive: &Path, path: &Path) -> Option<PathBuf> {
    let mut parts = path.strip_prefix(archive).ok()?.components();
    let (top, own) = (parts.next()?.as_os_str(), parts.next()?);
    let owned = ["batches", "packs", "sealings", "submissions"].iter().any(|name| top == *name);
    owned.then(|| archive.join(top).join(own))
}

/// Returns the packs that were written, by the names they had then, with the number of syncs of
/// each after its last byte.
pub(crate) fn syncs_of_packs(site: &Site, points: &[Point]) -> Vec<(String, usize)> {
    let packs = site.archive().join("packs");
    let mut found: Vec<(String, usize)> = Vec::new();
    for point in points.iter().filter(|point| Path::new(&point.path).parent() == Some(&packs)) {
        let position = found.iter().position(|(path, _)| *path == point.path);
        if point.kind == "pwrite64" {
            match position {
                Some(position) => found[position].1 = 0,
                None => found.push((point.path.clone(), 0)),
            }
        } else if let (true, Some(position)) = (point.is_sync(), position) {
            found[position].1 += 1;
        }
    }
    found
}
