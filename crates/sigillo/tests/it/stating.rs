//! Producers who state something wrong, or not all: every document is accounted for, and what they
//! did not say stays as it was.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
};

use serde_json::{Value, json};

use crate::program::{Ran, World};

/// Writes the table of a submission beside the source.
fn table(world: &World, text: &str) {
    fs::write(world.place("tabella.csv"), text).unwrap();
}

/// Ingests with the table, into a new archive if there is none.
fn ingest(world: &World) -> Ran {
    world.create_with(&["--metadata", "tabella.csv", "--json"])
}

fn submission(ran: &Ran) -> Value {
    ran.json()["submissions"][0].clone()
}

/// Returns received, archived, already, refused and pending of the one submission; sees that none
/// is lost, and that as many were logged as received before anything was read.
#[track_caller]
fn counts(world: &World, ran: &Ran) -> [u64; 5] {
    let submission = submission(ran);
    let count = |name: &str| submission[name].as_u64().unwrap_or_else(|| panic!("{submission}"));
    let counts = ["received", "archived", "already", "refused", "pending"].map(count);
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{submission}");
    let id = submission["submission"].as_str().unwrap();
    let arrival = fs::read(world.archive().join(format!("submissions/{id}/received.json")));
    let arrival: Value = serde_json::from_slice(&arrival.unwrap()).unwrap();
    assert_eq!(arrival["received"], counts[0], "{submission}");
    let listed = world.run(["submission", "list", "--json"]).json();
    let listed = listed["submissions"].as_array().unwrap().iter();
    let listed: Vec<_> = listed.filter(|it| it["submission"] == id).collect();
    assert_eq!((listed.len(), &listed[0]["refused"]), (1, &json!(counts[3])), "{listed:?}");
    counts
}

/// Returns path, code and reason of every refusal.
fn refusals(ran: &Ran) -> Vec<(String, String, String)> {
    let submission = submission(ran);
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    let refusals = submission["refusals"].as_array().unwrap().iter();
    refusals.map(|it| (text(it, "path"), text(it, "code"), text(it, "reason"))).collect()
}

/// Sees that the submission has one refusal: its path, code, and what its reason holds.
#[track_caller]
fn check_refusal(ran: &Ran, path: &str, code: &str, part: &str) {
    let told = refusals(ran);
    let [(told_path, told_code, reason)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((told_path.as_str(), told_code.as_str()), (path, code), "{reason}");
    assert!(reason.contains(part), "{reason}");
}

/// Returns the descriptions of all versions of the documents of a register, by their numbers.
fn descriptions(world: &World) -> BTreeMap<u64, Value> {
    let mut found = BTreeMap::new();
    for key in world.packs() {
        let pack = fs::read(world.archive().join(&key)).unwrap();
        let starts = |at: &usize| pack[*at..].starts_with(b"/record.json{");
        for at in (0..pack.len()).filter(starts) {
            let json = &pack[at + "/record.json".len()..];
            let record = serde_json::Deserializer::from_slice(json).into_iter::<Value>().next();
            let record = record.unwrap().unwrap();
            if record["kind"] == "document" {
                found.insert(record["version"].as_u64().unwrap(), record["description"].clone());
            }
        }
    }
    found
}

#[test]
fn many_refusals_of_one_kind_do_not_hide_the_others() {
    let world = World::new();
    let mut rows = String::from("path;date\n");
    for number in 0..30 {
        world.write(&format!("{number}.txt"), b"testo");
        rows += &format!("{number}.txt;31/02/2025\n");
    }
    rows += "manca.txt;\n";
    fs::write(world.place("tabella.csv"), rows).unwrap();
    let ran = world.create_with(&["--metadata", "tabella.csv"]);
    ran.check(1, "refused 0.txt: METADATA_INVALID");
    ran.check(1, "refused manca.txt: FILE_MISSING");
    ran.check(1, "  and 11 reasons more; all of them: sigillo receipt show ");
    let id = ran.stdout.split("sigillo receipt show ").nth(1).unwrap().trim_end();
    let id = id.lines().next().unwrap();
    let shown = world.run(["receipt", "show", id]);
    assert_eq!(shown.stdout.matches("31/02/2025").count(), 30, "{shown:?}");
}

#[test]
fn a_name_that_no_table_can_hold_is_to_be_renamed() {
    let world = World::new();
    world.write("a.txt", b"a");
    let odd = OsStr::from_bytes(b"perch\xe8.txt");
    fs::write(world.source().join(odd), b"b").unwrap();
    fs::write(world.place("tabella.csv"), "path\na.txt\n").unwrap();
    let ran = world.create_with(&["--metadata", "tabella.csv"]);
    ran.check(1, "NOT_LISTED");
    ran.check(1, "no table can name it). What to do: rename it and add a row for it");
}

#[test]
fn what_was_archived_is_told_even_if_it_cannot_be_sealed() {
    let world = World::with(&[("a.txt", b"a")]);
    world.write("b.txt", b"b");
    assert_eq!(world.ingest(&["--no-seal"]).code, 0);
    let commits: Vec<_> =
        world.objects().into_iter().filter(|key| key.starts_with("log/seq/")).collect();
    let damaged = world.archive().join(&commits[commits.len() - 3]);
    let mut bytes = fs::read(&damaged).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    world.write("c.txt", b"c");
    let ran = world.ingest(&[]);
    ran.check(5, "1 document archived, 2 there before, 0 refused");
    ran.check(5, "Not sealed");
    ran.check_error(5, "is damaged");
    let json = world.ingest(&["--json"]);
    assert_eq!((json.code, &json.json()["error"]["kind"]), (5, &"integrity".into()), "{json:?}");
    assert_eq!(json.json()["submissions"][0]["already"], 3);
}

#[test]
fn a_row_with_four_mistakes_is_one_refused_document() {
    let world = World::new();
    world.write("a.txt", b"a");
    table(&world, "path;date;year;structure;nota\na.txt;ieri;26;A/B;\u{1}\n");
    let ran = ingest(&world);
    assert_eq!(refusals(&ran).len(), 4, "{ran:?}");
    assert_eq!(counts(&world, &ran), [1, 0, 0, 1, 0]);
}

#[test]
fn a_document_of_several_rows_is_refused_as_one() {
    let world = World::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        world.write(name, name.as_bytes());
    }
    table(&world, "path;main;date\na.txt;;\nb.txt;a.txt;ieri\nc.txt;;\n");
    let ran = ingest(&world);
    assert_eq!(refusals(&ran).len(), 2, "{ran:?}");
    assert_eq!(counts(&world, &ran), [2, 1, 0, 1, 0]);
}

#[test]
fn a_missing_attachment_refuses_its_document_by_name() {
    let world = World::new();
    world.write("atto.txt", b"atto");
    symlink("atto.txt", world.source().join("foto.jpg")).unwrap();
    table(&world, "path;main\natto.txt;\nmanca.txt;atto.txt\n");
    fs::remove_file(world.source().join("foto.jpg")).unwrap();
    let ran = ingest(&world);
    check_refusal(&ran, "atto.txt", "FILE_MISSING", "line 3: its file manca.txt");
    assert_eq!(counts(&world, &ran), [1, 0, 0, 1, 0]);
    // One that is there and cannot be taken is told in the same way, and counted once.
    symlink("atto.txt", world.source().join("manca.txt")).unwrap();
    let ran = ingest(&world);
    check_refusal(&ran, "atto.txt", "SYMBOLIC_LINK", "its file manca.txt");
    assert_eq!(counts(&world, &ran), [1, 0, 0, 1, 0]);
}

#[test]
fn a_sidecar_whose_files_are_links_is_one_document() {
    let world = World::new();
    world.write("vero.txt", b"vero");
    world.write("atto.txt", b"atto");
    world.write("atto.txt.sigillo.json", br#"{"attachments":["foto.jpg"]}"#);
    world.write("lettera.txt.sigillo.json", b"{}");
    for link in ["foto.jpg", "lettera.txt", "sciolto.txt"] {
        symlink("vero.txt", world.source().join(link)).unwrap();
    }
    let ran = world.create_with(&["--json"]);
    assert_eq!(counts(&world, &ran), [4, 1, 0, 3, 0], "{ran:?}");
    let told = refusals(&ran);
    let told: Vec<_> = told.iter().map(|(path, code, _)| (path.as_str(), code.as_str())).collect();
    let link = "SYMBOLIC_LINK";
    assert_eq!(told, [("atto.txt", link), ("lettera.txt", link), ("sciolto.txt", link)]);
}

/// What may be in a source, each with its rows and how many documents it is, refused ones last.
type Part = (fn(&World), &'static str, u64, u64);

const PARTS: [Part; 9] = [
    (|it| it.write("0.txt", b"0"), "0.txt;;2026-01-01\n", 1, 0),
    (|it| it.write("1.txt", b"1"), "1.txt;;ieri\n", 1, 1),
    (|it| it.write("2.txt", b"2"), "", 1, 1),
    (|_| (), "3.txt;;\n", 1, 1),
    (
        |it| {
            it.write("4.txt", b"4");
            it.write("4a.txt", b"4a");
        },
        "4.txt;;\n4a.txt;4.txt;\n",
        1,
        0,
    ),
    (|it| it.write("5.txt", b"5"), "5.txt;;\n5a.txt;5.txt;\n5b.txt;5.txt;ieri\n", 1, 1),
    (|it| symlink("0.txt", it.source().join("6.txt")).unwrap(), "6.txt;;\n", 1, 1),
    (|it| symlink("0.txt", it.source().join("7.txt")).unwrap(), "", 1, 1),
    (|it| it.write("8.txt", b"8"), "8.txt;8.txt;\n8.txt;;\n", 2, 2),
];

#[test]
fn every_document_is_accounted_for_whatever_is_mixed() {
    for chosen in [0b1_1111_1111_u32, 0b0_1010_0110, 0b1_0001_1010, 0b0_0110_1001, 0b1_0101_0101] {
        let world = World::new();
        let parts = PARTS.iter().enumerate();
        let parts: Vec<_> = parts.filter(|(at, _)| chosen >> at & 1 == 1).collect();
        let mut rows = "path;main;date\n".to_owned();
        let (mut received, mut refused) = (0, 0);
        for (_, (make, stated, of_these, refused_of_these)) in parts {
            make(&world);
            rows += stated;
            received += of_these;
            refused += refused_of_these;
        }
        table(&world, &rows);
        let ran = ingest(&world);
        let wanted = [received, received - refused, 0, refused, 0];
        assert_eq!(counts(&world, &ran), wanted, "{chosen:b}: {ran:?}");
        let again = ingest(&world);
        assert_eq!(counts(&world, &again), [received, 0, received - refused, refused, 0]);
    }
}

/// An archive with one document of a register whose description says much.
fn with_one_act() -> World {
    let world = World::new();
    world.write("atto.txt", b"atto");
    table(
        &world,
        "path;structure;register;year;number;subject;class;date;aggregation;CIG;Firmatario\n\
         atto.txt;AOO;prot;2026;1;Oggetto;II.4;2026-03-01;2026/1;X1;Anna\n",
    );
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    world
}

const CORRECTION: &str = "path;structure;register;year;number;operation";

#[test]
fn a_correction_changes_only_what_it_states() {
    let world = with_one_act();
    let key = "AOO;prot;2026;1;corrected-metadata";
    table(&world, &format!("{CORRECTION};subject;class;CIG\n;{key};Giusto;;X2\n"));
    fs::remove_file(world.source().join("atto.txt")).unwrap();
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    let first = json!({"aggregations": ["2026/1"], "class": "II.4", "date": "2026-03-01",
        "metadata": {"CIG": "X1", "Firmatario": "Anna"}, "subject": "Oggetto"});
    let mut second = first.clone();
    second["subject"] = "Giusto".into();
    second["metadata"]["CIG"] = "X2".into();
    let wanted = BTreeMap::from([(1, first.clone()), (2, second)]);
    assert_eq!(descriptions(&world), wanted);
    // The same again changes nothing, in other words neither.
    assert_eq!(counts(&world, &ingest(&world)), [1, 0, 1, 0, 0]);
    table(&world, &format!("{CORRECTION};subject\n;{key};Giusto\n"));
    assert_eq!(counts(&world, &ingest(&world)), [1, 0, 1, 0, 0]);
    // What was said first can be said again.
    table(&world, &format!("{CORRECTION};subject;CIG\n;{key};Oggetto;X1\n"));
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    assert_eq!(descriptions(&world)[&3], first);
}

#[test]
fn an_added_file_leaves_the_description_as_it_was() {
    let world = with_one_act();
    fs::remove_file(world.source().join("atto.txt")).unwrap();
    world.write("tardi.txt", b"tardi");
    let key = "AOO;prot;2026;1;added-file";
    table(&world, &format!("{CORRECTION};class\ntardi.txt;{key};II.5\n"));
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    let mut wanted = descriptions(&world)[&1].clone();
    wanted["class"] = "II.5".into();
    assert_eq!(descriptions(&world)[&2], wanted);
}

#[test]
fn a_file_that_a_row_names_without_reading_it_is_no_stranger() {
    let world = with_one_act();
    let key = "AOO;prot;2026;1;corrected-metadata";
    table(&world, &format!("{CORRECTION};subject\natto.txt;{key};Giusto\n"));
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    let world = World::with(&[("uno.txt", b"uno")]);
    table(&world, "path;main;operation;subject\nuno.txt;;corrected-metadata;Giusto\n");
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    world.write("tardi.txt", b"tardi");
    table(&world, "path;main;operation\ntardi.txt;uno.txt;added-file\n");
    assert_eq!(counts(&world, &ingest(&world)), [1, 1, 0, 0, 0]);
    // A sidecar says nothing beside a table, and is told to be left out.
    world.write("uno.txt.sigillo.json", b"{");
    let ran = ingest(&world);
    check_refusal(&ran, "uno.txt.sigillo.json", "NOT_LISTED", "the metadata do not name");
    assert_eq!(counts(&world, &ran), [2, 0, 1, 1, 0]);
}

#[test]
fn what_differs_under_a_key_is_told_with_the_operations_that_help() {
    let world = with_one_act();
    let header =
        "path;structure;register;year;number;subject;class;date;aggregation;CIG;Firmatario";
    let row = "atto.txt;AOO;prot;2026;1;Oggetto;II.5;2026-03-01;2026/1;X1;Bruno";
    table(&world, &format!("{header}\n{row}\n"));
    let ran = ingest(&world);
    let words = "the files are the same; class and Firmatario differ";
    check_refusal(&ran, "atto.txt", "KEY_EXISTS", words);
    let submission = submission(&ran);
    let remedy = submission["refusals"][0]["remedy"].as_str().unwrap();
    for operation in ["corrected-metadata", "added-file", "new-version"] {
        assert!(remedy.contains(operation), "{remedy}");
    }
    let row = row.replace("II.5", "II.4").replace("Bruno", "Anna");
    table(&world, &format!("{header};main\n{row};\nfoto.jpg;;;;;;;;;;;atto.txt\n"));
    world.write("foto.jpg", b"foto");
    let words = "1 file more (foto.jpg); the description is the same";
    check_refusal(&ingest(&world), "atto.txt", "KEY_EXISTS", words);
    fs::remove_file(world.source().join("foto.jpg")).unwrap();
    table(&world, &format!("{header}\n{row}\n"));
    world.write("atto.txt", b"altro");
    let words = "other content of atto.txt; the description is the same";
    check_refusal(&ingest(&world), "atto.txt", "KEY_EXISTS", words);
}

#[test]
fn a_file_that_is_spelt_differently_in_the_folder_is_named() {
    for (there, stated, what) in [
        ("Citta.txt", "citta.txt", "upper and lower case"),
        ("citta\u{300}.txt", "citt\u{e0}.txt", "accents"),
        ("citta.txt", "citta.txt ", "a space"),
        ("sotto/citta.txt", "sotto\\citta.txt", "`\\` for `/`"),
        ("Sotto/Citta.txt", "sotto\\citta.txt", "in several ways"),
    ] {
        let world = World::new();
        world.write(there, b"x");
        table(&world, &format!("path;subject\n{stated};Uno\n"));
        let ran = ingest(&world);
        assert_eq!(counts(&world, &ran), [2, 0, 0, 2, 0], "{ran:?}");
        let told = refusals(&ran);
        let missing: Vec<_> = told.iter().filter(|it| it.1 == "FILE_MISSING").collect();
        let [(_, _, reason)] = missing[..] else { panic!("{told:?}") };
        assert!(reason.starts_with("line 2: "), "{reason}");
        assert!(reason.contains("spelt differently"), "{reason}");
        assert!(reason.contains(what), "{what}: {reason}");
    }
}

#[test]
fn columns_of_the_producers_own_are_told_once() {
    let world = World::new();
    world.write("a.txt", b"a");
    world.write("b.txt", b"b");
    table(&world, "path;subject;Oggetto;CIG\na.txt;A;x;y\nb.txt;B;;\n");
    let ran = ingest(&world);
    let notes = submission(&ran)["notes"].clone();
    let [note] = &notes.as_array().unwrap()[..] else { panic!("{notes}") };
    assert_eq!(note["code"], "OWN_COLUMNS");
    assert!(note["text"].as_str().unwrap().contains("`Oggetto`, `CIG`"), "{note}");
}

#[test]
fn a_table_that_cannot_be_used_says_how_to_mend_it() {
    let world = World::new();
    world.write("a.txt", b"a");
    table(&world, "path;oggetto;aoo\na.txt;A;\n");
    let ran = world.create_with(&["--metadata", "tabella.csv"]);
    ran.check_error(1, "`oggetto` is not known; `subject` is");
    ran.check_error(1, "`aoo` is not known; `structure` is");
    ran.check_error(1, "hint: write `subject`");
    fs::write(world.place("tabella.csv"), b"path;subject\na.txt;citt\xe0\n").unwrap();
    let ran = world.create_with(&["--metadata", "tabella.csv"]);
    ran.check_error(1, "in Excel: Save as, \"CSV UTF-8\"");
}
