//! `sigillo trust import-list`: trusted lists are taken into the trust store, and shown.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use sigillo_ers::{PEM_BYTES_MAX, Standing, pem_blocks};
use sigillo_formats::TRUSTED_LIST_BYTES_MAX;
use sigillo_model::ErrorKind;

use crate::{
    cli::TrustImportListArgs,
    commands::EXIT_CLEAN,
    context::Context,
    error::CommandError,
    lists::{KnownList, KnownService},
    output::{counted, visible},
    places::read_beginning,
};

pub(super) fn import(context: &Context, args: &TrustImportListArgs) -> Result<u8, CommandError> {
    let mut signers = Vec::new();
    for file in &args.signer {
        signers.extend(certificates_of(file)?);
    }
    let bytes = read_beginning(&args.file, TRUSTED_LIST_BYTES_MAX)?;
    let imported = context.trust.import_list(&bytes, signers)?;
    let (list, at) = (&imported.list, context.clock.now());
    let already = if imported.is_known { "Believed already" } else { "Believed from now on" };
    let mut text = format!("{already}: {}", list_text(list));
    for note in list.notes(at) {
        text.push_str(&format!("  note: {}\n", visible(&note)));
    }
    let mut value = list_json(list, at);
    value["file"] = json!(context.trust.raw_list_file(list).display().to_string());
    value["known"] = json!(imported.is_known);
    context.output.result("sigillo.trust.import-list/1", &text, value);
    Ok(EXIT_CLEAN)
}

fn certificates_of(file: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    let bytes = read_beginning(file, PEM_BYTES_MAX as u64)?;
    let unusable = |what: String| {
        let words = format!("{} cannot be used as signers: {what}", file.display());
        CommandError::new(ErrorKind::Invalid, words).hint("give a PEM file with certificates")
    };
    let text = String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))?;
    let blocks = pem_blocks(&text, "CERTIFICATE").map_err(|error| unusable(error.to_string()))?;
    if blocks.is_empty() {
        return Err(unusable("it has no block -----BEGIN CERTIFICATE-----".to_owned()));
    }
    Ok(blocks)
}

/// Says what a list is, and each of its services in a line.
pub(super) fn list_text(list: &KnownList) -> String {
    let next = match list.next_update {
        Some(next) => format!("the next by {next}"),
        None => "closed".to_owned(),
    };
    let mut text = format!(
        "trusted list of {}, by {}: number {} of {}, {next}, {}\n",
        list.territory,
        visible(&list.operator),
        list.sequence,
        list.issued,
        counted(list.services.len() as u64, "time-stamping service"),
    );
    if list.list_of_lists {
        let lists = counted(list.pointers.len() as u64, "list");
        text.push_str(&format!("  it names the signers of {lists}\n"));
    }
    for service in &list.services {
        let Some(newest) = service.statuses.first() else { continue };
        text.push_str(&format!(
            "  {} of {}: {} ({}) since {}\n",
            visible(&service.name),
            visible(&service.provider),
            visible(&newest.status),
            newest.kind.as_deref().unwrap_or("no time-stamps"),
            newest.from,
        ));
    }
    text
}

/// Returns the same for programs, as of a time.
pub(super) fn list_json(list: &KnownList, at: Timestamp) -> Value {
    json!({
        "issued": list.issued,
        "list_of_lists": list.list_of_lists,
        "next_update": list.next_update,
        "notes": list.notes(at),
        "operator": list.operator,
        "pointers": list.pointers.iter().map(|it| &it.territory).collect::<Vec<_>>(),
        "sequence": list.sequence,
        "services": list.services.iter().map(service_json).collect::<Vec<_>>(),
        "sha256": list.sha256,
        "territory": list.territory,
        "version": list.version,
    })
}

fn service_json(service: &KnownService) -> Value {
    let statuses = service.statuses.iter().map(|status| {
        json!({
            "from": status.from,
            "kind": status.kind,
            "qualified": status.listed().standing() == Standing::Qualified,
            "status": status.status,
        })
    });
    json!({
        "certificates": service.certificates.len(),
        "name": service.name,
        "provider": service.provider,
        "statuses": statuses.collect::<Vec<_>>(),
    })
}
