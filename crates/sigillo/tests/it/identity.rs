//! What a document is, by its producer's key: several files, versions, late attachments,
//! corrections, aggregations; and nothing twice.

use std::fs;

use serde_json::Value;

use crate::program::{Ran, World};

/// Writes the table of a submission beside the source.
fn table(world: &World, rows: &str) {
    let header = "path;main;structure;register;year;number;subject;aggregation;closed_on;operation";
    fs::write(world.place("tabella.csv"), format!("{header}\n{rows}")).unwrap();
}

fn ingest(world: &World) -> Ran {
    world.ingest(&["--metadata", "tabella.csv", "--json"])
}

/// Returns received, archived, already, refused, pending and aggregations of the one submission.
#[track_caller]
fn counts(ran: &Ran) -> [u64; 6] {
    let json = ran.json();
    let submission = &json["submissions"][0];
    let names = ["received", "archived", "already", "refused", "pending", "aggregations"];
    names.map(|name| submission[name].as_u64().unwrap_or_else(|| panic!("no {name}: {json}")))
}

fn refusals(ran: &Ran) -> Vec<(String, String)> {
    let json = ran.json();
    let refusals = json["submissions"][0]["refusals"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    refusals.iter().map(|it| (text(&it["path"]), text(&it["code"]))).collect()
}

/// An archive with one document of a register, of two files.
fn with_one_act() -> World {
    let world = World::new();
    world.write("atto.txt", b"atto");
    world.write("allegato.txt", b"allegato");
    table(&world, "atto.txt;;AOO;prot;2026;1;Oggetto;;;\nallegato.txt;atto.txt;;;;;;;;\n");
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [1, 1, 0, 0, 0, 0], "{ran:?}");
    world
}

#[test]
fn a_document_of_several_files_is_one_document_under_its_registers_key() {
    let world = with_one_act();
    world.check_intact(1);
    world.run(["get", "AOO/prot/2026/1", "-o", "fuori"]).check(0, "1 document");
    assert_eq!(fs::read(world.place("fuori/atto.txt")).unwrap(), b"atto");
    assert_eq!(fs::read(world.place("fuori/allegato.txt")).unwrap(), b"allegato");
}

#[test]
fn the_same_submission_again_archives_nothing() {
    let world = with_one_act();
    let again = ingest(&world);
    assert_eq!(counts(&again), [1, 0, 1, 0, 0, 0], "{again:?}");
    assert_eq!(again.json()["submissions"][0]["already_versions"].as_array().unwrap().len(), 1);
    world.check_intact(1);
}

#[test]
fn other_metadata_under_the_same_key_need_a_declared_operation() {
    let world = with_one_act();
    let rows = "atto.txt;;AOO;prot;2026;1;Altro oggetto;;;\nallegato.txt;atto.txt;;;;;;;;\n";
    table(&world, rows);
    let ran = ingest(&world);
    assert_eq!((ran.code, counts(&ran)), (1, [1, 0, 0, 1, 0, 0]), "{ran:?}");
    assert_eq!(refusals(&ran), [("atto.txt".to_owned(), "KEY_EXISTS".to_owned())]);

    table(&world, ";;AOO;prot;2026;1;Altro oggetto;;;corrected-metadata\n");
    fs::remove_file(world.source().join("allegato.txt")).unwrap();
    fs::remove_file(world.source().join("atto.txt")).unwrap();
    assert_eq!(counts(&ingest(&world)), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 0]);
    world.check_intact(2);
}

#[test]
fn a_new_version_follows_the_one_before_and_both_are_known_again() {
    let world = World::with(&[("uno.txt", b"primo")]);
    world.write("uno.txt", b"secondo");
    world.ingest(&[]).check(1, "KEY_EXISTS");
    world.ingest(&["--new-versions"]).check(0, "1 document archived");
    world.ingest(&["--new-versions"]).check(0, "0 documents archived, 1 there before");
    // What was archived first is known again, too.
    world.write("uno.txt", b"primo");
    world.ingest(&[]).check(0, "0 documents archived, 1 there before");
    world.run(["get", "carte/uno.txt", "-o", "fuori"]).check(0, "1 document");
    assert_eq!(fs::read(world.place("fuori/uno.txt")).unwrap(), b"secondo");
    world.check_intact(2);
}

#[test]
fn a_late_attachment_does_not_touch_what_is_sealed() {
    let world = with_one_act();
    let before: Vec<_> = world.objects();
    world.write("tardi.txt", b"tardi");
    fs::remove_file(world.source().join("allegato.txt")).unwrap();
    fs::remove_file(world.source().join("atto.txt")).unwrap();
    table(&world, "tardi.txt;;AOO;prot;2026;1;;;;added-file\n");
    assert_eq!(counts(&ingest(&world)), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 0]);
    let after = world.objects();
    assert!(before.iter().filter(|key| !key.starts_with("log/")).all(|key| after.contains(key)));
    world.check_intact(2);
}

#[test]
fn an_operation_on_a_document_that_is_not_there_is_refused() {
    let world = with_one_act();
    world.write("tardi.txt", b"tardi");
    let rows = "atto.txt;;AOO;prot;2026;1;Oggetto;;;\nallegato.txt;atto.txt;;;;;;;;\n\
                tardi.txt;;AOO;prot;2026;2;;;;added-file\n\
                ;;AOO;prot;2026;3;Nuovo;;;corrected-metadata\n";
    table(&world, rows);
    let ran = ingest(&world);
    assert_eq!(counts(&ran), [3, 0, 1, 2, 0, 0], "{ran:?}");
    assert!(refusals(&ran).iter().all(|(_, code)| code == "UNKNOWN_DOCUMENT"), "{ran:?}");
}

#[test]
fn a_file_that_the_table_does_not_name_and_a_row_without_its_file_are_refused() {
    let world = World::new();
    world.write("atto.txt", b"atto");
    world.write("ignoto.txt", b"ignoto");
    table(&world, "atto.txt;;;;;;Uno;;;\nmanca.txt;;;;;;Due;;;\n../fuori.txt;;;;;;Tre;;;\n");
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [4, 1, 0, 3, 0, 0], "{ran:?}");
    let mut codes: Vec<_> = refusals(&ran).into_iter().map(|(_, code)| code).collect();
    codes.sort();
    assert_eq!(codes, ["FILE_MISSING", "METADATA_INVALID", "NOT_LISTED"]);
    world.check_intact(1);
}

#[test]
fn aggregations_grow_by_versions_and_close() {
    let world = World::new();
    world.write("a.txt", b"a");
    table(&world, "a.txt;;;;;;A;2026/1|2026/2;;\n");
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [1, 1, 0, 0, 0, 2], "{ran:?}");
    // Nothing changes: no new version.
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 0]);
    world.write("b.txt", b"b");
    table(&world, "a.txt;;;;;;A;2026/1|2026/2;;\nb.txt;;;;;;B;2026/1;2026-12-31;\n");
    let ran = ingest(&world);
    assert_eq!(counts(&ran), [2, 1, 1, 0, 0, 1], "{ran:?}");
    world.run(["get", "carte/2026/1", "-o", "fuori"]).check(0, "1 document");
    let members = fs::read(world.place("fuori/members.json")).unwrap();
    let members: Vec<String> = serde_json::from_slice(&members).unwrap();
    assert_eq!(members.len(), 2);
    world.write("c.txt", b"c");
    table(&world, "a.txt;;;;;;A;2026/1|2026/2;;\nb.txt;;;;;;B;2026/1;;\nc.txt;;;;;;C;2026/1;;\n");
    let ran = ingest(&world);
    assert_eq!(counts(&ran), [3, 0, 2, 1, 0, 0], "{ran:?}");
    assert_eq!(refusals(&ran), [("c.txt".to_owned(), "AGGREGATION_CLOSED".to_owned())]);
    // Two documents, and three versions of two aggregations.
    world.check_intact(5);
}

/// Writes a sidecar of a file of the source.
fn sidecar(world: &World, name: &str, text: &str) {
    world.write(&format!("{name}.sigillo.json"), text.as_bytes());
}

const KEY: &str = r#""structure":"AOO","register":"prot","year":"2026","number":"1""#;

#[test]
fn two_documents_of_one_submission_never_have_one_key() {
    let world = World::new();
    for name in ["a.txt", "b.txt"] {
        world.write(name, name.as_bytes());
        sidecar(&world, name, &format!("{{{KEY}}}"));
    }
    let ran = world.create_with(&["--json"]);
    assert_eq!(counts(&ran), [2, 1, 0, 1, 0, 0], "{ran:?}");
    assert_eq!(refusals(&ran), [("b.txt".to_owned(), "KEY_EXISTS".to_owned())]);
    world.check_intact(1);
}

#[test]
fn late_attachments_of_one_submission_are_one_version_after_the_other() {
    let world = with_one_act();
    fs::remove_dir_all(world.source()).unwrap();
    for number in 0..40 {
        let name = format!("allegato{number:02}.txt");
        world.write(&name, name.as_bytes());
        sidecar(&world, &name, &format!("{{{KEY},\"operation\":\"added-file\"}}"));
    }
    let ran = world.ingest(&["--json"]);
    assert_eq!(counts(&ran), [40, 40, 0, 0, 0, 0], "{ran:?}");
    let again = world.ingest(&["--json"]);
    assert_eq!(counts(&again), [40, 0, 40, 0, 0, 0], "{again:?}");
    world.check_intact(41);
    world.run(["get", "AOO/prot/2026/1", "-o", "fuori"]).check(0, "1 document");
    assert_eq!(fs::read_dir(world.place("fuori")).unwrap().count(), 42);
}

#[test]
fn a_great_many_units_of_one_key_come_to_an_end() {
    let world = with_one_act();
    fs::remove_dir_all(world.source()).unwrap();
    // New documents under a key that is there wait for nothing.
    for number in 0..600 {
        let name = format!("{number:03}.txt");
        world.write(&name, name.as_bytes());
        sidecar(&world, &name, &format!("{{{}}}", KEY.replace("\"1\"", "\"2\"")));
    }
    let ran = world.ingest(&["--json"]);
    assert_eq!(counts(&ran), [600, 1, 0, 599, 0, 0], "{ran:?}");
    // Versions that follow on each other end with a refusal.
    fs::remove_dir_all(world.source()).unwrap();
    for number in 0..255 {
        let name = format!("{number:03}.txt");
        world.write(&name, name.as_bytes());
        sidecar(&world, &name, &format!("{{{KEY},\"operation\":\"added-file\"}}"));
    }
    let ran = world.ingest(&["--json"]);
    assert_eq!(counts(&ran), [255, 251, 0, 4, 0, 0], "{ran:?}");
    assert!(refusals(&ran).iter().all(|(_, code)| code == "TOO_MANY_AT_ONCE"), "{ran:?}");
    world.check_intact(253);
}

#[test]
fn rows_that_build_on_one_document_come_one_after_the_other() {
    let world = with_one_act();
    world.write("c.txt", b"c");
    world.write("atto.txt", b"atto corretto");
    let rows = "atto.txt;;AOO;prot;2026;1;Nuovo;;;new-version\n\
                c.txt;;AOO;prot;2026;1;;;;added-file\n";
    fs::remove_file(world.source().join("allegato.txt")).unwrap();
    table(&world, rows);
    let ran = ingest(&world);
    assert_eq!(counts(&ran), [2, 2, 0, 0, 0, 0], "{ran:?}");
    assert_eq!(counts(&ingest(&world)), [2, 0, 2, 0, 0, 0]);
    world.check_intact(3);
    world.run(["get", "AOO/prot/2026/1", "-o", "fuori"]).check(0, "1 document");
    assert_eq!(fs::read(world.place("fuori/atto.txt")).unwrap(), b"atto corretto");
    assert_eq!(fs::read(world.place("fuori/c.txt")).unwrap(), b"c");
}

#[test]
fn what_was_archived_is_there_before_even_if_its_aggregation_was_closed_since() {
    let world = World::new();
    world.write("a.txt", b"a");
    let first = "a.txt;;AOO;prot;2026;1;A;F1;2025-12-31;\n";
    table(&world, first);
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [1, 1, 0, 0, 0, 1], "{ran:?}");
    table(&world, "a.txt;;AOO;prot;2026;1;;F2;;corrected-metadata\n");
    assert_eq!(counts(&ingest(&world)), [1, 1, 0, 0, 0, 1]);
    table(&world, first);
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 0]);
}

#[test]
fn a_file_that_a_document_has_already_is_not_added_twice() {
    let world = with_one_act();
    fs::remove_file(world.source().join("atto.txt")).unwrap();
    let row = "allegato.txt;;AOO;prot;2026;1;;;;added-file\n";
    table(&world, row);
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 0]);
    // What else is said would be lost.
    table(&world, "allegato.txt;;AOO;prot;2026;1;Altro oggetto;;;added-file\n");
    assert_eq!(refusals(&ingest(&world))[0].1, "FILE_EXISTS");
    world.check_intact(1);
}

#[test]
fn very_many_aggregations_come_in_several_batches() {
    let world = World::new();
    let mut rows = String::new();
    for number in 0..128 {
        world.write(&format!("{number}.txt"), number.to_string().as_bytes());
        let names: Vec<_> = (0..200).map(|name| format!("{number}/{name}")).collect();
        rows += &format!("{number}.txt;;;;;;;{};;\n", names.join("|"));
    }
    table(&world, &rows);
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [128, 128, 0, 0, 0, 25_600], "{ran:?}");
    let batches = ran.json()["submissions"][0]["batches"].as_array().unwrap().clone();
    let documents: Vec<_> = batches.iter().map(|batch| batch["documents"].clone()).collect();
    assert_eq!(documents, [128, 25_000, 600].map(Value::from));
    assert_eq!(counts(&ingest(&world)), [128, 0, 128, 0, 0, 0]);
    world.check_intact(25_728);
}

/// Returns the codes of the notes of an ingest.
fn notes(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let notes = json["submissions"][0]["notes"].as_array().unwrap();
    notes.iter().map(|note| note["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_aggregation_is_not_closed_before_the_documents_that_were_refused_came() {
    let world = World::new();
    world.write("b.txt", b"b");
    world.write("c.txt", b"c");
    let rows = |operation: &str| {
        format!("b.txt;;;;;;B;F1;2025-12-31;\nc.txt;;;;;;C;F1;2025-12-31;{operation}\n")
    };
    table(&world, &rows("nuovissimo"));
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [2, 1, 0, 1, 0, 1], "{ran:?}");
    assert_eq!(notes(&ran), ["CLOSING_LEFT"]);
    // Files that are not there, and rows that nobody can read, keep it open as well.
    fs::remove_file(world.source().join("c.txt")).unwrap();
    table(&world, &rows(""));
    assert_eq!(notes(&ingest(&world)), ["CLOSING_LEFT"]);
    world.write("c.txt", b"c");
    table(&world, &(rows("") + "d.txt;;;;;;;;;;;;;troppe\n"));
    assert_eq!(notes(&ingest(&world)), ["CLOSING_LEFT"]);
    // A row of another aggregation that is refused does not matter.
    table(&world, &(rows("") + "d.txt;;;;;;D;F2;;nuovissimo\n"));
    let ran = ingest(&world);
    assert_eq!(counts(&ran), [3, 0, 2, 1, 0, 1], "{ran:?}");
    assert!(notes(&ran).is_empty(), "{ran:?}");
    world.write("e.txt", b"e");
    table(&world, "e.txt;;;;;;E;F1;;\n");
    let ran = ingest(&world);
    assert!(refusals(&ran).iter().any(|(_, code)| code == "AGGREGATION_CLOSED"), "{ran:?}");
}

#[test]
fn a_correction_changes_the_day_of_closing_or_opens_again() {
    let world = World::new();
    world.write("a.txt", b"a");
    table(&world, "a.txt;;;;;;A;F1;2025-12-31;\n");
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [1, 1, 0, 0, 0, 1], "{ran:?}");
    // Another day without a correction is told, and not taken over.
    table(&world, "a.txt;;;;;;A;F1;2025-12-30;\n");
    let ran = ingest(&world);
    assert_eq!((counts(&ran), notes(&ran)), ([1, 0, 1, 0, 0, 0], vec!["CLOSING_LEFT".into()]));
    let closed_on = || {
        let found = world.run(["find", "--aggregation", "F1", "--json"]).json();
        assert!(found["found"].as_u64().unwrap() > 0, "{found}");
        let folder = tempfile::tempdir_in(world.folder.path()).unwrap();
        let ran = world.run(["export", "--all", "-o", folder.path().to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let records = fs::read_to_string(folder.path().join("_records.jsonl")).unwrap();
        let mut newest = (0, Value::Null);
        for line in records.lines().filter(|line| line.contains("\"aggregation\":\"F1\"")) {
            let line: Value = serde_json::from_str(line).unwrap();
            let record = line.get("record").unwrap_or(&line);
            newest = (newest.0 + 1, record["description"]["closed_on"].clone());
        }
        newest
    };
    assert_eq!(closed_on(), (1, "2025-12-31".into()));
    table(&world, "a.txt;;;;;;;F1;2025-12-30;corrected-metadata\n");
    assert_eq!(notes(&ingest(&world)), Vec::<String>::new());
    assert_eq!(closed_on(), (2, "2025-12-30".into()));
    // It is opened again by a correction only.
    table(&world, "a.txt;;;;;;A;F1;aperto;\n");
    assert_eq!(refusals(&ingest(&world))[0].1, "METADATA_INVALID");
    table(&world, "a.txt;;;;;;;F1;aperto;corrected-metadata\n");
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 1]);
    assert_eq!(closed_on(), (3, Value::Null));
    assert_eq!(counts(&ingest(&world)), [1, 0, 1, 0, 0, 0]);
    world.write("b.txt", b"b");
    table(&world, "a.txt;;;;;;A;F1;;\nb.txt;;;;;;B;F1;;\n");
    assert_eq!(counts(&ingest(&world)), [2, 1, 1, 0, 0, 1]);
}

#[test]
fn a_sidecar_describes_its_file_and_takes_attachments_along() {
    let world = World::new();
    world.write("d/atto.txt", b"atto");
    world.write("d/foto.jpg", b"foto");
    world.write("d/altro.txt", b"altro");
    let sidecar = br#"{"structure":"AOO","register":"prot","year":"2026","number":"7",
        "subject":"Oggetto","attachments":["foto.jpg"]}"#;
    world.write("d/atto.txt.sigillo.json", sidecar);
    world.write("d/rotto.txt", b"rotto");
    world.write("d/rotto.txt.sigillo.json", b"{");
    let ran = world.create_with(&["--json"]);
    assert_eq!(counts(&ran), [3, 2, 0, 1, 0, 0], "{ran:?}");
    assert_eq!(refusals(&ran), [("d/rotto.txt".to_owned(), "METADATA_INVALID".to_owned())]);
    world.run(["get", "AOO/prot/2026/7", "-o", "fuori"]).check(0, "1 document");
    assert_eq!(fs::read(world.place("fuori/foto.jpg")).unwrap(), b"foto");
    world.run(["get", "carte/d/altro.txt", "-o", "fuori"]).check(0, "1 document");
    world.check_intact(2);
}

#[test]
fn a_large_document_of_several_files_is_streamed() {
    let world = World::new();
    let large = vec![7; (9 << 20) + 3];
    world.write("grande.bin", &large);
    world.write("piccolo.txt", b"piccolo");
    table(&world, "grande.bin;;AOO;prot;2026;1;;;;\npiccolo.txt;grande.bin;;;;;;;;\n");
    let ran = world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(counts(&ran), [1, 1, 0, 0, 0, 0], "{ran:?}");
    world.check_intact(1);
    world.run(["get", "AOO/prot/2026/1", "-o", "fuori"]).check(0, "1 document");
    assert!(fs::read(world.place("fuori/grande.bin")).unwrap() == large);
    assert_eq!(fs::read(world.place("fuori/piccolo.txt")).unwrap(), b"piccolo");
    // The place of its record is known: it can be built on.
    table(&world, ";;AOO;prot;2026;1;Detto;;;corrected-metadata\n");
    fs::remove_file(world.source().join("grande.bin")).unwrap();
    fs::remove_file(world.source().join("piccolo.txt")).unwrap();
    assert_eq!(counts(&ingest(&world)), [1, 1, 0, 0, 0, 0]);
}

/// Waits: what changed just before an ingest is not believed to have settled, and nobody can put
/// back the time at which a file changed.
fn settle() {
    let (_kept, nothing) = std::sync::mpsc::channel::<()>();
    nothing.recv_timeout(std::time::Duration::from_millis(3100)).unwrap_err();
}

/// How many bytes the one submission read.
fn bytes_read(ran: &Ran) -> u64 {
    ran.json()["submissions"][0]["bytes_read"].as_u64().unwrap()
}

#[test]
fn what_was_read_once_is_not_read_again_unless_it_changed() {
    let world = World::new();
    world.write("uno.txt", b"primo");
    world.write("grande.bin", &vec![1; (8 << 20) + 1]);
    world.write("vuoto", b"");
    settle();
    let ran = world.create_with(&["--json"]);
    assert!(bytes_read(&ran) > 8 << 20, "{ran:?}");
    let again = world.ingest(&["--json"]);
    assert_eq!((counts(&again), bytes_read(&again)), ([3, 0, 3, 0, 0, 0], 0), "{again:?}");
    // Without the journal the result is the same.
    let state = world.home().join(".local/state/sigillo");
    fs::remove_dir_all(state).unwrap();
    let slower = world.ingest(&["--json"]);
    assert_eq!(counts(&slower), [3, 0, 3, 0, 0, 0], "{slower:?}");
    assert!(bytes_read(&slower) > 8 << 20);
    assert_eq!(bytes_read(&world.ingest(&["--json"])), 0);
    // The same length, the same times: what the file system says is not the same all the same.
    let path = world.source().join("uno.txt");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, b"terzo").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let changed = world.ingest(&["--json", "--new-versions"]);
    assert_eq!((counts(&changed), bytes_read(&changed)), ([3, 1, 2, 0, 0, 0], 5), "{changed:?}");
    world.check_intact(4);
}

#[test]
fn other_metadata_of_files_that_were_read_are_noticed() {
    let world = World::new();
    world.write("uno.txt", b"primo");
    settle();
    table(&world, "uno.txt;;;;;;Oggetto;;;\n");
    world.create_with(&["--metadata", "tabella.csv", "--json"]);
    assert_eq!(bytes_read(&ingest(&world)), 0);
    table(&world, "uno.txt;;;;;;Altro;;;new-version\n");
    let ran = ingest(&world);
    assert_eq!((counts(&ran), bytes_read(&ran)), ([1, 1, 0, 0, 0, 0], 5), "{ran:?}");
}
