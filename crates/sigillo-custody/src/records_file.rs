//! The records of all documents of an export, in one file beside them: one JSON object a line.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use sigillo_model::{VersionId, encode_name, to_canonical};

use crate::{
    output_folder::OutputFolder,
    target::{Hindrance, RECORDS},
};

/// The file, made when the first record comes. Memory is bounded: one line at a time.
pub(crate) struct RecordsFile {
    folder: Arc<OutputFolder>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<BufWriter<File>>,
    records: u64,
    /// What stood in the way; nothing is written after it.
    error: Option<io::Error>,
}

impl RecordsFile {
    pub(crate) fn in_folder(folder: Arc<OutputFolder>) -> Self {
        Self { folder, state: Mutex::default() }
    }

    /// Writes the record of a version, whose files went to these places below the folder; blocks.
    /// What fails is told at the end.
    pub(crate) fn add(&self, version_id: VersionId, record: &[u8], places: &[PathBuf]) {
        let line = line_of(version_id, record, places);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_some() {
            return;
        }
        match self.write(&mut state, &line) {
            Ok(()) => state.records += 1,
            Err(error) => state.error = Some(error),
        }
    }

    fn write(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        if state.file.is_none() {
            state.file = Some(BufWriter::new(self.folder.create(Path::new(RECORDS))?));
        }
        state.file.as_mut().map_or(Ok(()), |file| file.write_all(line))
    }

    /// Writes what is left and returns how many records there are, and what stood in the way.
    pub(crate) fn finish(&self) -> (u64, Option<Hindrance>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = state.file.as_mut().map(BufWriter::flush) {
            state.error.get_or_insert(error);
        }
        let hindrance = state.error.take().map(|error| {
            let reason =
                Hindrance::not_written(&self.folder.path_of(Path::new(RECORDS)), &error).reason;
            Hindrance::other(format!("the records were not all given back: {reason}"))
        });
        (state.records, hindrance)
    }
}

/// Spells a line: the record as it is stored, with where its files were written. Source:
/// `docs/format.md`, "What an export holds".
fn line_of(version_id: VersionId, record: &[u8], places: &[PathBuf]) -> Vec<u8> {
    let spelt = |place: &PathBuf| {
        // As it is, so that it can be used; only what is no text must be spelt.
        let text = place.to_str().map(str::to_owned);
        text.unwrap_or_else(|| encode_name(place.as_os_str().as_encoded_bytes()))
    };
    let paths: Vec<_> = places.iter().map(spelt).collect();
    let paths = to_canonical(&paths);
    // JSON has line breaks between its parts only, where a space is the same.
    let one_line = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    let mut line = b"{\"paths\":".to_vec();
    line.extend(paths);
    line.extend(b",\"record\":");
    line.extend(record.iter().map(one_line));
    line.extend(format!(",\"version_id\":\"{version_id}\"}}\n").into_bytes());
    line
}
