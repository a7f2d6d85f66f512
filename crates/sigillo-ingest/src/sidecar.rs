//! Sidecars: `NAME.sigillo.json` beside a file describes it and names its attachments.

use std::{
    collections::{HashMap, HashSet},
    io::Read as _,
};

use sigillo_formats::{MetadataProblem, SIDECAR_BYTES_MAX, read_sidecar};
use sigillo_model::encode_name;

use crate::{
    Refusal, RefusalCode,
    shared::Shared,
    stated::{refusal_of, unit_of},
    unit::{Unit, name_of},
    walk::join,
};

/// What follows the name of the file that a sidecar describes.
const SUFFIX: &[u8] = b".sigillo.json";

/// The sidecars of one folder, which are read at once, have at most this many bytes.
const FOLDER_BYTES_MAX: u64 = 96 << 20;

/// Takes the documents that have a sidecar out of the files of a folder, with their attachments
/// and the sidecars themselves. What is wrong with a sidecar, or with an attachment, refuses its
/// document; what belongs to a document is taken out of what is `strange`, no file, too.
pub(crate) fn take_described(
    shared: &Shared,
    folder: &[u8],
    files: &mut Vec<Vec<u8>>,
    strange: &mut HashMap<Vec<u8>, RefusalCode>,
) -> Vec<Unit> {
    // A name that is nothing but the suffix describes nothing: it is a file like others.
    let is_sidecar = |path: &[u8]| path.ends_with(SUFFIX) && name_of(path).len() > SUFFIX.len();
    if !files.iter().any(|path| is_sidecar(path)) {
        return Vec::new();
    }
    let sidecars: Vec<Vec<u8>> = files.iter().filter(|path| is_sidecar(path)).cloned().collect();
    let mut taken: HashSet<Vec<u8>> = sidecars.iter().cloned().collect();
    let there: HashSet<Vec<u8>> = files.iter().cloned().collect();
    let mut units = Vec::new();
    let mut room = FOLDER_BYTES_MAX;
    for sidecar in sidecars {
        let main = sidecar[..sidecar.len() - SUFFIX.len()].to_vec();
        match describe(shared, folder, (&sidecar, &mut room), &main) {
            Ok(unit) => {
                let others: Vec<_> = unit.others.iter().map(|file| file.path.clone()).collect();
                let fault = others.iter().find_map(|path| match strange.get(path) {
                    Some(code) => Some(Refusal::new(*code, encode_name(path))),
                    None if taken.contains(path) || !there.contains(path) => Some(
                        Refusal::new(RefusalCode::FileMissing, encode_name(path))
                            .because("it is not there, or belongs to another document"),
                    ),
                    None => None,
                });
                match fault {
                    None => units.push(unit),
                    Some(refusal) => {
                        shared.hold_open(unit.aggregations());
                        shared.refuse(refusal.of_document(&encode_name(&main)));
                    }
                }
                taken.extend(others);
            }
            Err(refusal) => {
                // Nobody knows which aggregations it names.
                shared.hold_all_open();
                shared.refuse(refusal);
            }
        }
        taken.insert(main);
    }
    files.retain(|path| !taken.contains(path));
    strange.retain(|path, _| !taken.contains(path));
    units
}

fn describe(
    shared: &Shared,
    folder: &[u8],
    (sidecar, room): (&[u8], &mut u64),
    main: &[u8],
) -> Result<Unit, Refusal> {
    let mut bytes = Vec::new();
    let file = shared.source.open_file(sidecar)?;
    let limit = SIDECAR_BYTES_MAX + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| {
        Refusal::new(RefusalCode::Unreadable, encode_name(sidecar)).because(error)
    })?;
    let Some(left) = room.checked_sub(bytes.len() as u64) else {
        let mut refusal = Refusal::new(RefusalCode::MetadataInvalid, encode_name(main));
        refusal.reason = format!(
            "the sidecars of its folder have more than {} MiB together",
            FOLDER_BYTES_MAX >> 20
        );
        "spread the documents over several folders, or send long texts as files"
            .clone_into(&mut refusal.remedy);
        return Err(refusal);
    };
    *room = left;
    let name = std::str::from_utf8(main).map_err(|_| {
        Refusal::new(RefusalCode::MetadataInvalid, encode_name(main))
            .because("a sidecar can only describe a file whose name is UTF-8")
    })?;
    let stated = read_sidecar(&bytes, name).map_err(|problem: MetadataProblem| {
        let mut refusal = refusal_of(&problem);
        refusal.path = encode_name(main);
        refusal
    })?;
    let mut unit = unit_of(stated, &shared.source.name);
    for file in &mut unit.others {
        file.path = join(folder, &file.path);
    }
    Ok(unit)
}
