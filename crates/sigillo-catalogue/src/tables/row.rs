//! One row of both tables: what they keep of a version of a document.

use sigillo_model::{
    BatchId, Blake3Digest, Description, DocumentId, DocumentKey, LogTime, Operation, Record,
    RecordKind, VersionId,
};

use crate::RecordPlace;

/// The role of the file that is the document itself.
const MAIN_ROLE: &str = "main";

/// What both tables keep of one version of a document.
///
/// Salt and digests of the record stay where they are: nothing here confirms a guess.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TableRow {
    pub(crate) version_id: VersionId,
    pub(crate) document: DocumentId,
    pub(crate) version: u32,
    pub(crate) kind: RecordKind,
    pub(crate) operation: Operation,
    pub(crate) received_at: LogTime,
    pub(crate) key: DocumentKey,
    pub(crate) description: Description,
    /// One name a line.
    pub(crate) file_names: String,
    pub(crate) files: u32,
    pub(crate) bytes: u64,
    pub(crate) media_type: Option<String>,
    pub(crate) puid: Option<String>,
    pub(crate) place: TablePlace,
}

/// Where a version stands in the log and in the packs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TablePlace {
    /// The commit that added it.
    pub commit: u64,
    /// Its batch.
    pub batch: BatchId,
    /// Its place among the leaves of its batch, from 0.
    pub leaf: u32,
    /// Where its record lies.
    pub record: RecordPlace,
}

/// A row of a version that has no place yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowDraft(TableRow);

impl RowDraft {
    /// Takes from a record what the tables keep.
    pub fn new(version_id: VersionId, record: Record) -> Self {
        let nowhere = RecordPlace {
            pack: Blake3Digest::from_bytes([0; Blake3Digest::LENGTH_BYTES]),
            offset: 0,
            size_bytes: 0,
        };
        let batch = BatchId::from_bytes([0; BatchId::LENGTH_BYTES]);
        // Not seen by anybody: `placed` is the only way to the row.
        let place = TablePlace { commit: 0, batch, leaf: 0, record: nowhere };
        Self(TableRow::new(version_id, record, place))
    }

    /// Returns the row, now that its place is known.
    #[must_use]
    pub fn placed(self, place: TablePlace) -> TableRow {
        TableRow { place, ..self.0 }
    }
}

impl TableRow {
    /// Takes from a record what the tables keep.
    pub fn new(version_id: VersionId, mut record: Record, place: TablePlace) -> Self {
        let file_names = match &mut record.files[..] {
            [file] => std::mem::take(&mut file.name),
            files => files.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join("\n"),
        };
        let files = u32::try_from(record.files.len()).unwrap_or(u32::MAX);
        let bytes = record.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let main = record.files.iter().position(|file| file.role == MAIN_ROLE).unwrap_or(0);
        let main = record.files.into_iter().nth(main);
        let (media_type, puid) = main.map_or((None, None), |file| (file.media_type, file.puid));
        Self {
            version_id,
            document: record.document,
            version: record.version,
            kind: record.kind,
            operation: record.operation,
            received_at: record.received_at,
            key: record.key,
            description: record.description,
            file_names,
            files,
            bytes,
            media_type,
            puid,
            place,
        }
    }

    /// Returns the commit that added the version.
    pub fn commit(&self) -> u64 {
        self.place.commit
    }

    /// Returns about how much memory the row takes, in bytes.
    pub fn weight_bytes(&self) -> usize {
        let description = &self.description;
        let texts = [
            &description.class,
            &description.document_type,
            &description.series,
            &description.stated_retention,
            &description.subject,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let aggregations: usize = description.aggregations.iter().map(|it| it.len() + 24).sum();
        let metadata: usize =
            description.metadata.iter().map(|(name, text)| name.len() + text.len() + 64).sum();
        let key = match &self.key {
            DocumentKey::Aggregation { aggregation, structure } => {
                aggregation.len() + structure.len()
            }
            DocumentKey::Path { path, source } => path.len() + source.len(),
            DocumentKey::Register { number, register, structure, year } => {
                number.len() + register.len() + structure.len() + year.len()
            }
        };
        size_of::<Self>() + texts + aggregations + metadata + key + self.file_names.len()
    }
}
