//! The trusted lists in the trust store: the files as they were imported, and what was taken of them.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use sigillo_ers::{ListedService, TrustAnchors, pem_blocks, to_pem};
use sigillo_formats::{
    ListPointer, ListedStatus, ServiceKind, TrustedList, TrustedListError, TrustedService,
    listed_periods,
};
use sigillo_model::{ErrorKind, Sha256Digest, parse_json, to_canonical};

use crate::{
    error::CommandError,
    places::{json_files, read_beginning, write_whole},
    trust_store::TrustStore,
};

/// The folder of lists in the trust store.
const FOLDER: &str = "lists";
/// Largest file of what was taken of a list, in bytes.
const KNOWN_BYTES_MAX: u64 = 32 << 20;
/// At most so many lists are believed.
const LISTS_MAX: usize = 200;
/// The territory of the list of lists.
const UNION: &str = "EU";
/// The label of certificates in PEM.
const CERTIFICATE: &str = "CERTIFICATE";

/// What was taken of a trusted list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct KnownList {
    pub(crate) format: u32,
    pub(crate) issued: Timestamp,
    /// What could not be read of single services.
    pub(crate) left_out: Vec<String>,
    pub(crate) list_of_lists: bool,
    /// `None` if the list is closed.
    pub(crate) next_update: Option<Timestamp>,
    pub(crate) operator: String,
    pub(crate) pointers: Vec<KnownPointer>,
    pub(crate) sequence: u64,
    pub(crate) services: Vec<KnownService>,
    /// Of the file as it was imported.
    pub(crate) sha256: Sha256Digest,
    /// Who signed it, PEM.
    pub(crate) signer: String,
    pub(crate) territory: String,
    /// The version of the list's format.
    pub(crate) version: u64,
}

/// Who may sign another list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct KnownPointer {
    pub(crate) location: String,
    /// PEM.
    pub(crate) signers: Vec<String>,
    pub(crate) territory: String,
}

/// A service that makes time-stamps.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct KnownService {
    /// PEM.
    pub(crate) certificates: Vec<String>,
    pub(crate) name: String,
    pub(crate) provider: String,
    /// Newest first.
    pub(crate) statuses: Vec<KnownStatus>,
}

/// What a service was from some time on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct KnownStatus {
    pub(crate) from: Timestamp,
    /// The kind of service, such as `TSA/QTST`; `None` if it made no time-stamps then.
    pub(crate) kind: Option<String>,
    pub(crate) status: String,
}

impl KnownList {
    fn of(list: &TrustedList, sha256: Sha256Digest) -> Self {
        Self {
            format: 1,
            issued: list.issued,
            left_out: list.left_out.clone(),
            list_of_lists: list.is_list_of_lists,
            next_update: list.next_update,
            operator: list.operator.clone(),
            pointers: list.pointers.iter().map(KnownPointer::of).collect(),
            sequence: list.sequence,
            services: list.services.iter().map(KnownService::of).collect(),
            sha256,
            signer: to_pem(CERTIFICATE, &list.signer),
            territory: list.territory.clone(),
            version: list.version,
        }
    }

    /// Says what whoever relies on the list at `at` should know.
    pub(crate) fn notes(&self, at: Timestamp) -> Vec<String> {
        let mut notes = Vec::new();
        match self.next_update {
            None => notes.push(format!(
                "the list is closed: it says nothing of time-stamps after {}",
                self.issued
            )),
            Some(next) if next <= at => notes.push(format!(
                "the list was to be replaced by {next}: get the next one; of time-stamps after \
                 that it says nothing"
            )),
            Some(_) => {}
        }
        notes.extend(self.left_out.iter().map(|what| format!("left out: {what}")));
        notes
    }

    /// Returns the services as they are judged by.
    fn listed(&self) -> Result<Vec<ListedService>, CommandError> {
        let end = self.next_update.unwrap_or(self.issued);
        let of = |service: &KnownService| {
            let statuses: Vec<_> = service.statuses.iter().map(KnownStatus::listed).collect();
            Ok(ListedService {
                name: format!("{}: {}, {}", self.territory, service.provider, service.name),
                certificates: ders(&service.certificates).map_err(|what| self.unusable(&what))?,
                periods: listed_periods(&statuses, end),
            })
        };
        self.services.iter().map(of).collect()
    }

    fn unusable(&self, what: &str) -> CommandError {
        let words = format!(
            "TRUST_UNUSABLE: the trusted list of {} cannot be used: {what}",
            self.territory
        );
        CommandError::new(ErrorKind::Invalid, words)
            .hint("import it again with `sigillo trust import-list`")
    }
}

impl KnownPointer {
    fn of(pointer: &ListPointer) -> Self {
        Self {
            location: pointer.location.clone(),
            signers: pems(&pointer.signers),
            territory: pointer.territory.clone(),
        }
    }
}

impl KnownService {
    fn of(service: &TrustedService) -> Self {
        Self {
            certificates: pems(&service.certificates),
            name: service.name.clone(),
            provider: service.provider.clone(),
            statuses: service.statuses.iter().map(KnownStatus::of).collect(),
        }
    }
}

impl KnownStatus {
    fn of(status: &ListedStatus) -> Self {
        Self {
            from: status.from,
            kind: status.kind.map(|kind| kind.name().to_owned()),
            status: status.status.clone(),
        }
    }

    pub(crate) fn listed(&self) -> ListedStatus {
        let kind = self.kind.as_deref().and_then(ServiceKind::of_name);
        ListedStatus { from: self.from, kind, status: self.status.clone() }
    }
}

fn pems(ders: &[Vec<u8>]) -> Vec<String> {
    ders.iter().map(|der| to_pem(CERTIFICATE, der)).collect()
}

fn ders(pems: &[String]) -> Result<Vec<Vec<u8>>, String> {
    let read = |pem: &String| pem_blocks(pem, CERTIFICATE).map_err(|error| error.to_string());
    Ok(pems.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat())
}

/// What became of a list that was imported.
#[derive(Clone, Debug)]
pub(crate) struct ImportedList {
    pub(crate) list: KnownList,
    /// Whether this very list was believed before.
    pub(crate) is_known: bool,
}

impl TrustStore {
    fn lists_folder(&self) -> PathBuf {
        self.folder().join(FOLDER)
    }

    fn list_file(&self, territory: &str) -> PathBuf {
        self.lists_folder().join(format!("{territory}.json"))
    }

    /// Returns the file in which a list is kept as it was imported.
    pub(crate) fn raw_list_file(&self, list: &KnownList) -> PathBuf {
        self.lists_folder().join(format!("{}-{}.xml", list.territory, list.sequence))
    }

    /// Reads all lists that are believed, by territory.
    pub(crate) fn trusted_lists(&self) -> Result<Vec<KnownList>, CommandError> {
        let paths = json_files(&self.lists_folder(), LISTS_MAX)?;
        paths.iter().map(|path| read_known(path)).collect()
    }

    /// Adds the services of all lists that are believed.
    pub(crate) fn add_listed(&self, anchors: &mut TrustAnchors) -> Result<(), CommandError> {
        for list in self.trusted_lists()? {
            for service in list.listed()? {
                anchors.add_listed(&service).map_err(|error| list.unusable(&error.to_string()))?;
            }
        }
        Ok(())
    }

    /// Believes the trusted list `bytes` from now on, if one of `signers`, or of those that the list
    /// of lists names for its territory, signed it. Refuses one that is older than what is known.
    pub(crate) fn import_list(
        &self,
        bytes: &[u8],
        mut signers: Vec<Vec<u8>>,
    ) -> Result<ImportedList, CommandError> {
        let refused = |error: TrustedListError| {
            let hint = match &error {
                TrustedListError::UnknownSigner { .. } => {
                    "get the certificate of its signer in another way, compare its digest, and \
                     name it with --signer; or import the list of lists first"
                }
                _ => "get the list again from where it is published",
            };
            let mut this = CommandError::of(ErrorKind::Invalid, &error);
            this.words.insert(0, "LIST_REFUSED: the trusted list is not believed".to_owned());
            this.hint(hint)
        };
        let territory = TrustedList::claimed_territory(bytes).map_err(refused)?;
        signers.extend(self.remembered_signers(&territory)?);
        let list = TrustedList::read(bytes, &signers).map_err(refused)?;
        let list = KnownList::of(&list, Sha256Digest::of(bytes));
        let file = self.list_file(&list.territory);
        let known = file.exists().then(|| read_known(&file)).transpose()?;
        if let Some(known) = &known {
            let other = known.sequence == list.sequence && known.sha256 != list.sha256;
            if known.sequence > list.sequence || other {
                let words = format!(
                    "LIST_OLDER: the list of {} has number {} and was issued on {}, but number {} \
                     of {} is believed already",
                    list.territory, list.sequence, list.issued, known.sequence, known.issued
                );
                return Err(CommandError::new(ErrorKind::Invalid, words).hint(format!(
                    "get the newest list; if this one is right, remove {} first",
                    file.display()
                )));
            }
        }
        let is_known = known.is_some_and(|known| known.sha256 == list.sha256);
        // The list itself first: nothing is believed whose ground is not kept.
        write_whole(&self.raw_list_file(&list), bytes)?;
        write_whole(&file, &to_canonical(&list))?;
        Ok(ImportedList { list, is_known })
    }

    /// Returns who may sign the list of a territory, by the list of lists.
    fn remembered_signers(&self, territory: &str) -> Result<Vec<Vec<u8>>, CommandError> {
        let file = self.list_file(UNION);
        if !file.exists() {
            return Ok(Vec::new());
        }
        let lists = read_known(&file)?;
        let pointers = lists.pointers.iter().filter(|it| it.territory == territory);
        let signers: Vec<String> = pointers.flat_map(|it| it.signers.clone()).collect();
        ders(&signers).map_err(|what| lists.unusable(&what))
    }
}

fn read_known(path: &Path) -> Result<KnownList, CommandError> {
    let bytes = read_beginning(path, KNOWN_BYTES_MAX)?;
    let unusable = |what: String| {
        let words =
            format!("TRUST_UNUSABLE: {} is not what was taken of a trusted list", path.display());
        let mut this = CommandError::new(ErrorKind::Invalid, words);
        this.words.push(what);
        this.hint("remove it, and import the list again with `sigillo trust import-list`")
    };
    if bytes.len() as u64 > KNOWN_BYTES_MAX {
        return Err(unusable("it is too large".to_owned()));
    }
    let list: KnownList = parse_json(&bytes).map_err(|error| unusable(error.to_string()))?;
    if list.format != 1 {
        return Err(unusable(format!("it has format {}, and only 1 is known", list.format)));
    }
    Ok(list)
}
