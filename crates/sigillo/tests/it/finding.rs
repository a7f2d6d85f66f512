//! What was described is found again by it, and `find` says so when it could not look everywhere.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    thread,
};

use serde_json::Value;

use crate::program::{Ran, World, finish, noise};

/// An archive of the sample submission: five documents in registers and by path, one aggregation
/// for each of two names.
fn described() -> World {
    let world = World::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/metadata");
    let mut args = ["ingest", "--create", "--entity", "Comune di Prova", "--source", "atti"]
        .map(OsString::from)
        .to_vec();
    args.extend(["--metadata".into(), samples.join("versamento.csv").into_os_string()]);
    args.push(samples.join("versamento").into_os_string());
    let ran = world.run(args);
    assert_eq!(ran.code, 0, "{ran:?}");
    world
}

fn find(world: &World, args: &[&str]) -> Ran {
    world.run(["find", "--json"].iter().chain(args))
}

fn keys(ran: &Ran) -> Vec<String> {
    let documents = ran.json()["documents"].as_array().unwrap().clone();
    documents.iter().map(|it| it["key"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn check_found(world: &World, args: &[&str], expected: &[&str]) {
    let ran = find(world, args);
    assert_eq!((ran.code, keys(&ran)), (0, expected.iter().map(|it| (*it).to_owned()).collect()));
    assert_eq!(ran.json()["complete"], true);
}

const D12: &str = "AOO1/delibere di giunta/2026/12";
const D13: &str = "AOO1/delibere di giunta/2026/13";
const P1: &str = "AOO1/protocollo/2026/0001";
const NOTES: &str = "atti/appunti.txt";

fn check_criteria(world: &World) {
    for (args, expected) in [
        (&["BILANCIO", "previsione"][..], &[D12][..]),
        (&["bilancio approvazione"], &[D12]),
        (&["bilancio", "piazza"], &[]),
        (&["delibera-12-allegato-a"], &[D12]),
        (&["giunta"], &[D12, D13]),
        (&["--key", "GIUNTA/2026/13"], &[D13]),
        (&["--path", "APPUNTI"], &[NOTES]),
        (&["--subject", "urgenti"], &[D13]),
        (&["--class", "II"], &[D12]),
        (&["--class", "II.4"], &[D12]),
        (&["--class", "ii.4"], &[D12]),
        (&["--class", "ii"], &[D12]),
        (&["--class", "I"], &[]),
        (&["--type", "Delibera"], &[D12, D13]),
        (&["--type", "deliber"], &[]),
        (&["--date", "2026"], &[D12, D13, P1]),
        (&["--date", "2026-03"], &[D12, D13]),
        (&["--date", "2026-03-08"], &[D13]),
        (&["--date", "2026-03-02.."], &[D13]),
        (&["--date", "..2026-03-01"], &[D12, P1]),
        (&["--date", "2027"], &[]),
        (&["ditta", "--type", "lettera", "--date", "2026-02"], &[P1]),
        (&["ditta", "--type", "delibera"], &[]),
        (&["--date", "08/03/2026"], &[D13]),
        (&["--aggregation", "bilancio 2026"], &[D12]),
        (&["--aggregation", "AOO1/2026/II.4/1"], &[D12]),
        (&["--aggregation", "AOO2/2026/II.4/1"], &[]),
        (&["--aggregation", "Bilancio"], &[]),
        (&["--field", "firmatario=bianchi"], &[D12, D13]),
        (&["--field", "Firmatario=Rossi"], &[]),
    ] {
        check_found(world, args, expected);
    }
}

/// The files of a table, by how their names begin.
fn files(world: &World, starts: &str) -> Vec<PathBuf> {
    let keys = world.objects().into_iter().filter(|key| key.starts_with(starts));
    keys.map(|key| world.archive().join(key)).collect()
}

fn segments(world: &World, below: &str) -> Vec<PathBuf> {
    let mut files = files(world, below);
    files.retain(|file| file.extension().is_some_and(|it| it == "parquet"));
    files
}

#[test]
fn documents_are_found_by_every_criterion_also_after_a_rebuild() {
    let world = described();
    check_criteria(&world);
    world.run(["rebuild"]).check(0, "the catalogue of 6");
    check_criteria(&world);
    world.check_intact(6);
}

#[test]
fn a_line_has_what_other_commands_take() {
    let world = described();
    let ran = world.run(["find", "appunti"]);
    ran.check(0, "atti/appunti.txt  -  -  Appunti della riunione\n");
    let id = &ran.stdout[..8];
    assert_eq!(world.run(["get", id, "-o", "fuori"]).code, 0);
    assert!(world.place("fuori").read_dir().unwrap().next().is_some());
    world.run(["find", "inesistente"]).check(0, "nothing found\n");
    // A line break in a subject is a space, and aggregations are marked.
    world
        .run(["find", "--key", "2026/13"])
        .check(0, "VI.5  Nuova illuminazione della piazza; lavori");
    let ran = world.run(["find", "--key", "bilancio"]);
    ran.check(0, "AOO1/Bilancio 2026  -  -  [aggregation]\n");
    let found = find(&world, &["bilancio"]).json()["documents"].clone();
    let kinds = found.as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["aggregation", "document"], "{found}");
    assert_eq!(found[1]["metadata"]["Firmatario"], "Anna Bianchi");
    world.run(["find", "--field", "Firmatario"]).check_error(2, "write NAME=PART");
    world.run(["find", "giunta", "--limit", "1"]).check(0, "and 1 more");
    world.run(["find"]).check_error(2, "nothing is said of what to find");
    world.run(["find", "--date", "ieri"]).check_error(2, "no date");
}

#[test]
fn the_newest_version_is_found_and_older_ones_when_asked() {
    let world = described();
    world.write("uno.txt", b"uno");
    let table = |subject: &str, operation: &str| {
        let rows = format!("path;subject;operation\nuno.txt;{subject};{operation}\n");
        fs::write(world.place("dati.csv"), rows).unwrap();
        world.ingest(&["--metadata", "dati.csv"]).check(0, "");
    };
    table("Prima stesura", "");
    fs::remove_file(world.source().join("uno.txt")).unwrap();
    table("Seconda mano", "corrected-metadata");
    check_found(&world, &["uno.txt"], &["carte/uno.txt"]);
    check_found(&world, &["seconda"], &["carte/uno.txt"]);
    check_found(&world, &["prima stesura"], &[]);
    check_found(&world, &["prima", "stesura", "--versions"], &["carte/uno.txt"]);
    let versions = find(&world, &["uno.txt", "--versions"]).json()["documents"].clone();
    let first = &versions[0]["version_id"].as_str().unwrap()[..16];
    let ran = world.run(["find", "uno.txt", "--versions"]);
    ran.check(0, &format!("carte/uno.txt  version 1  {first}  -  -  Prima stesura\n"));
    ran.check(0, "version 2");
    world.run(["get", first, "-o", "prima"]).check(0, "1 document");
}

#[test]
fn names_that_could_mislead_are_spelt_out() {
    let world = World::with(&[("rosso\u{202e}txt.exe", b"x")]);
    world.run(["find", "rosso"]).check(0, "rosso\\u{202e}txt.exe");
}

#[test]
fn names_are_found_as_people_write_them_and_as_they_are_spelt() {
    let key = "carte/altre/50%25 sconto.txt";
    let world = World::with(&[("altre/50% sconto.txt", b"x"), ("altre/50.txt", b"y")]);
    for args in [
        &["--path", "50% sconto"][..],
        &["--path", "50%25 SCONTO"],
        &["--key", "altre/50% sc"],
        &["50% sconto"],
        &["50%25"],
    ] {
        check_found(&world, args, &[key]);
    }
    for (name, folder) in [("carte/altre/50% sconto.txt", "uno"), (key, "due")] {
        assert_eq!(world.run(["get", name, "-o", folder]).code, 0, "{name}");
        let given = world.place(folder).join("50% sconto.txt");
        assert_eq!(fs::read(given).unwrap(), b"x");
    }
    world.run(["get", "carte/altre/5%", "-o", "fuori"]).check_error(1, "has no document");
}

#[test]
fn a_class_is_found_in_either_case_and_with_those_below_it() {
    let world = World::new();
    let mut table = "path;class\n".to_owned();
    for (number, class) in ["VI-3", "VI/4", "vi.5", "VII-1", "VI"].iter().enumerate() {
        world.write(&format!("{number}.txt"), class.as_bytes());
        table.push_str(&format!("{number}.txt;{class}\n"));
    }
    fs::write(world.place("dati.csv"), table).unwrap();
    assert_eq!(world.create_with(&["--metadata", "dati.csv"]).code, 0);
    let found = |numbers: &[u8]| {
        numbers.iter().map(|number| format!("carte/{number}.txt")).collect::<Vec<_>>()
    };
    for (class, numbers) in [
        ("vi-3", &[0][..]),
        ("VI-3", &[0]),
        ("VI", &[0, 1, 2, 4]),
        ("vi", &[0, 1, 2, 4]),
        ("VI.5", &[2]),
        ("vii", &[3]),
        ("V", &[]),
    ] {
        let expected = found(numbers);
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check_found(&world, &["--class", class], &expected);
    }
}

#[test]
fn without_the_catalogue_find_says_what_it_did_not_look_at() {
    let world = described();
    fs::remove_dir_all(world.archive().join("catalogue")).unwrap();
    let ran = find(&world, &["bilancio"]);
    assert_eq!((ran.code, keys(&ran).len()), (3, 0));
    assert_eq!((&ran.json()["complete"], &ran.json()["missing"]), (&Value::from(false), &6.into()));
    world.run(["find", "bilancio"]).check_error(3, "not looked at: 6 documents");
    world.check_intact(6);
    // The next ingest completes it.
    assert_eq!(world.ingest(&[]).code, 0);
    check_criteria(&world);
}

#[test]
fn a_damaged_catalogue_stops_nothing_and_is_made_anew() {
    let world = described();
    let change = |file: &Path, bytes: &[u8]| fs::write(file, bytes).unwrap();
    for (what, file) in [
        ("a bit", segments(&world, "catalogue/descriptions/")[0].clone()),
        ("a part", segments(&world, "catalogue/descriptions/")[0].clone()),
        ("a version", files(&world, "catalogue/descriptions/_delta_log")[1].clone()),
        ("the first version", files(&world, "catalogue/descriptions/_delta_log")[0].clone()),
        ("absent", segments(&world, "catalogue/descriptions/")[0].clone()),
    ] {
        let file = if file.exists() {
            file
        } else {
            segments(&world, "catalogue/descriptions/")[0].clone()
        };
        let mut bytes = fs::read(&file).unwrap();
        match what {
            "a bit" => {
                // The first column is the id, which every search reads.
                bytes[100] ^= 4;
                change(&file, &bytes);
            }
            "a part" => change(&file, &bytes[..bytes.len() / 2]),
            "absent" => fs::remove_file(&file).unwrap(),
            _ => change(&file, b"{\"add\":"),
        }
        let ran = find(&world, &["bilancio"]);
        assert_eq!(
            (ran.code, &ran.json()["complete"]),
            (3, &Value::from(false)),
            "{what}: {ran:?}"
        );
        let faults = ran.json()["faults"].to_string();
        assert!(faults.contains("sigillo rebuild"), "{what}: {faults}");
        // Neither ingest nor verification minds.
        assert_eq!(world.ingest(&[]).code, 0, "{what}");
        world.check_intact(6);
        world.run(["rebuild"]).check(0, "the catalogue of 6");
        check_found(&world, &["bilancio", "approvazione"], &[D12]);
    }
}

#[test]
fn of_two_ingests_at_once_the_catalogue_has_every_document() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["sinistra", "destra"] {
        fs::create_dir(world.place(folder)).unwrap();
        for number in 0..60 {
            fs::write(world.place(folder).join(format!("{number}.txt")), folder).unwrap();
        }
    }
    for _ in 0..2 {
        thread::scope(|scope| {
            for folder in ["sinistra", "destra"] {
                let command = world.command(["ingest", folder, "--new-versions"]);
                scope.spawn(move || assert_eq!(finish(command).code, 0));
            }
        });
        let ran = find(&world, &["--path", ".txt"]);
        assert_eq!((ran.code, keys(&ran).len()), (0, 121), "{ran:?}");
        for number in 0..60 {
            fs::write(world.place("destra").join(format!("{number}.txt")), "altro").unwrap();
        }
    }
    let ran = find(&world, &["--path", ".txt", "--versions"]);
    assert_eq!(keys(&ran).len(), 181);
}

#[test]
fn what_an_ingest_adds_from_memory_is_what_a_rebuild_reads_from_the_packs() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.write("allegati/uno.pdf", b"%PDF-1.7 allegato");
    world.write("due.txt", b"due");
    // Large enough for a pack of its own.
    world.write("grande.bin", &noise(7, 9 << 20));
    let table = "path;main;structure;register;year;number;date;subject;class;Firmatario\n\
                 uno.txt;;AOO1;protocollo;2026;1;2026-03-01;Primo;II.4;Anna Bianchi\n\
                 allegati/uno.pdf;uno.txt;;;;;;;;\n\
                 due.txt;;;;;;;;;\n\
                 grande.bin;;AOO1;protocollo;2026;2;;Grande;;\n";
    fs::write(world.place("carte.csv"), table).unwrap();
    assert_eq!(world.create_with(&["--metadata", "carte.csv"]).code, 0);
    let added = segments(&world, "catalogue/");
    assert_eq!(added.len(), 2, "one batch is one segment of each table: {added:?}");
    assert_eq!(world.run(["rebuild"]).code, 0);
    assert_eq!(segments(&world, "catalogue/"), added);
}
