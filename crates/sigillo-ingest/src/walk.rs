//! Walking a source: every file once, in groups, links not followed.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    fs::FileType,
    io,
    os::unix::{ffi::OsStrExt as _, ffi::OsStringExt as _, fs::FileTypeExt as _},
    sync::Arc,
};

use rustix::io::Errno;
use unicode_normalization::UnicodeNormalization as _;

use sigillo_model::encode_name;

use crate::{
    FolderSource, Note, NoteCode, Refusal, RefusalCode, shared::Shared, sidecar, unit::Unit,
};

/// So many documents are read by one worker in a row.
pub(crate) const GROUP_UNITS: usize = 32;

/// No folder is nested deeper; deeper paths are refused.
const DEPTH_MAX: usize = 2048;

/// Some documents that are read by one worker.
pub(crate) type Group = Vec<Unit>;

/// Hands out the files of a source in groups; folders are sorted by name, bytes by bytes.
pub(crate) struct Walk {
    source: Arc<FolderSource>,
    shared: Arc<Shared>,
    /// Folders still to be listed, deepest last, and files found but not yet handed out.
    folders: Vec<Vec<u8>>,
    units: Box<dyn Iterator<Item = Unit> + Send>,
    /// What a table names, if there is one: that is refused elsewhere, if at all, and sidecars say
    /// nothing.
    named: Option<Arc<HashSet<Vec<u8>>>>,
}

impl Walk {
    pub(crate) fn new(source: Arc<FolderSource>, shared: Arc<Shared>) -> Self {
        let (folders, units) = match &source.single {
            Some(file) => (Vec::new(), vec![Unit::of_path(file.clone())]),
            None => (vec![Vec::new()], Vec::new()),
        };
        Self { source, shared, folders, units: Box::new(units.into_iter()), named: None }
    }

    /// Walks a source that a table describes, which names these files.
    pub(crate) fn beside_table(shared: &Arc<Shared>, named: Arc<HashSet<Vec<u8>>>) -> Self {
        let walk = Self::new(Arc::clone(&shared.source), Arc::clone(shared));
        Self { named: Some(named), ..walk }
    }

    /// Lists the next folder, and refuses in it what is no file.
    fn list(&mut self, folder: &[u8]) {
        let path = self.source.path.join(OsString::from_vec(folder.to_vec()));
        let unreadable = |error: io::Error| {
            if error.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error()) {
                return Refusal::new(RefusalCode::PathTooLong, encode_name(folder));
            }
            Refusal::new(RefusalCode::Unreadable, encode_name(folder)).because(error)
        };
        let entries = match path.read_dir() {
            Ok(entries) => entries,
            Err(error) => return self.shared.refuse(unreadable(error)),
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        let mut strange = HashMap::new();
        for entry in entries {
            let entry = match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                Ok(entry) => entry,
                Err(error) => {
                    self.shared.refuse(unreadable(error));
                    continue;
                }
            };
            let path = join(folder, entry.0.as_bytes());
            match kind_of(entry.1) {
                Kind::File => files.push(path),
                Kind::Folder => folders.push(path),
                Kind::Refused(code) => {
                    strange.insert(path, code);
                }
            }
        }
        files.sort_unstable();
        folders.sort_unstable_by(|a, b| b.cmp(a));
        self.note_twins(&files);
        self.note_twins(&folders);
        self.units = self.units_of(folder, files, strange);
        self.folders.extend(folders);
    }

    /// Makes documents of the files of a folder: those with a sidecar as it says, the others each
    /// by itself. Refuses what is `strange`, no file, unless it belongs to one of them.
    fn units_of(
        &self,
        folder: &[u8],
        mut files: Vec<Vec<u8>>,
        mut strange: HashMap<Vec<u8>, RefusalCode>,
    ) -> Box<dyn Iterator<Item = Unit> + Send> {
        let described = match &self.named {
            Some(named) => {
                strange.retain(|path, _| !named.contains(path));
                Vec::new()
            }
            None => sidecar::take_described(&self.shared, folder, &mut files, &mut strange),
        };
        for (path, code) in strange {
            self.shared.refuse(Refusal::new(code, encode_name(&path)));
        }
        // One by one: a folder may have a million files.
        let units = files.into_iter().map(Unit::of_path);
        if described.is_empty() {
            return Box::new(units);
        }
        let mut units: Vec<Unit> = units.chain(described).collect();
        units.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Box::new(units.into_iter())
    }

    /// Notes names that people cannot tell apart; both are kept as they are.
    fn note_twins(&self, paths: &[Vec<u8>]) {
        let mut seen: HashMap<String, &[u8]> = HashMap::new();
        for path in paths.iter().filter(|path| !path.is_ascii()) {
            let Ok(text) = std::str::from_utf8(path) else { continue };
            if let Some(twin) = seen.insert(text.nfc().collect(), path) {
                let text = format!(
                    "it looks like {} but is spelt differently; both are kept",
                    encode_name(twin)
                );
                let path = encode_name(path);
                self.shared.note(Note { code: NoteCode::NameTwins, path, text });
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let mut group = Vec::new();
        while group.len() < GROUP_UNITS {
            if self.shared.is_stopped() {
                return None;
            }
            if let Some(unit) = self.units.next() {
                group.push(unit);
                continue;
            }
            let Some(folder) = self.folders.pop() else { break };
            if depth(&folder) > DEPTH_MAX {
                self.shared.refuse(Refusal::new(RefusalCode::PathTooLong, encode_name(&folder)));
            } else {
                self.list(&folder);
            }
        }
        (!group.is_empty()).then_some(group)
    }
}

enum Kind {
    File,
    Folder,
    Refused(RefusalCode),
}

fn kind_of(file_type: FileType) -> Kind {
    if file_type.is_dir() {
        Kind::Folder
    } else if file_type.is_symlink() {
        Kind::Refused(RefusalCode::SymbolicLink)
    } else if file_type.is_file() {
        Kind::File
    } else {
        debug_assert!(
            file_type.is_fifo()
                || file_type.is_socket()
                || file_type.is_block_device()
                || file_type.is_char_device()
        );
        Kind::Refused(RefusalCode::NotAFile)
    }
}

pub(crate) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

fn depth(path: &[u8]) -> usize {
    path.split(|byte| *byte == b'/').count()
}
