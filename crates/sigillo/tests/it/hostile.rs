//! Files made to exhaust whoever reads them: a clear answer, and no more than 512 MiB.

use std::{fs, path::Path, process::Command};

use rstest::rstest;

use crate::program::{Ran, World, finish};

/// Most memory that a hostile input may take, in KiB.
const MEMORY_KIB_MAX: u64 = 512 << 10;

/// Runs the program by a Python that asks the kernel for its peak of memory afterwards, and kills it
/// where it hangs.
const MEASURED: &str = r"
import resource, subprocess, sys, time
begun = time.monotonic()
try:
    ran = subprocess.run(sys.argv[1:], timeout=60)
except subprocess.TimeoutExpired:
    sys.exit('it hangs')
print('seconds %.1f' % (time.monotonic() - begun), file=sys.stderr)
print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(ran.returncode if ran.returncode >= 0 else 99)
";

/// Runs the program, and sees that it stays within its memory.
#[track_caller]
fn run(world: &World, args: &[&str]) -> Ran {
    let program = world.command(args);
    let mut python = Command::new("python3");
    python.args(["-c", MEASURED]).arg(program.get_program()).args(program.get_args());
    python.env_clear().env("HOME", world.home()).env("PATH", "/usr/bin:/bin");
    python.env("SIGILLO_ARCHIVE", world.archive()).current_dir(world.folder.path());
    let ran = finish(python);
    let peak = ran.stderr.lines().find_map(|line| line.strip_prefix("peak ")).map(str::parse);
    let Some(Ok(peak)) = peak else { panic!("{args:?}: {ran:?}") };
    let peak: u64 = peak;
    let seconds = ran.stderr.lines().find_map(|line| line.strip_prefix("seconds "));
    let seconds = seconds.unwrap_or("?");
    println!("{args:?}: exit {}, {} MiB, {seconds} s", ran.code, peak >> 10);
    assert!(peak <= MEMORY_KIB_MAX, "{args:?} took {peak} KiB");
    ran
}

/// Writes an element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let skipped = length.iter().take_while(|digit| **digit == 0).count().min(3);
    let header = match length {
        [0, 0, 0, short @ 0..=0x7f] => vec![tag, short],
        long => [&[tag, 0x80 | u8::try_from(4 - skipped).unwrap()], &long[skipped..]].concat(),
    };
    [&header, content].concat()
}

/// Puts an element into as many others as `depth` says; written from the inside out.
fn nested(depth: usize) -> Vec<u8> {
    let mut headers = Vec::new();
    let mut length = 0;
    for _ in 0..depth {
        let digits = match length {
            0..=0x7f => vec![0x30, u8::try_from(length).unwrap()],
            0x80..=0xff => vec![0x30, 0x81, u8::try_from(length).unwrap()],
            0x100..=0xffff => {
                [&[0x30, 0x82], &u16::try_from(length).unwrap().to_be_bytes()[..]].concat()
            }
            _ => [&[0x30, 0x83], &u32::try_from(length).unwrap().to_be_bytes()[1..]].concat(),
        };
        length += digits.len();
        headers.push(digits);
    }
    headers.iter().rev().flatten().copied().collect()
}

/// The parts of a record with one chain around `stamps`.
fn record(stamps: &[u8]) -> Vec<u8> {
    let sha256 = der(0x30, &der(6, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]));
    let chains = der(0x30, &der(0x30, stamps));
    der(0x30, &[der(2, &[1]), der(0x30, &sha256), chains].concat())
}

/// An archive time-stamp with these lists and no readable token.
fn stamp(lists: &[u8]) -> Vec<u8> {
    der(0x30, &[der(0xa2, lists), der(0x30, &[])].concat())
}

/// An evidence record of one file made by the program, and the time-stamp in it.
fn made(world: &World) -> (Vec<u8>, Vec<u8>) {
    world.run(["er", "create", "carte/uno.txt", "-o", "uno.er"]).check(0, "is in uno.er");
    let record = fs::read(world.place("uno.er")).unwrap();
    // Version and algorithms are short, the sequence of chains follows.
    let content = |bytes: &[u8]| match bytes[1] {
        0x82 => 4,
        0x81 => 3,
        _ => 2,
    };
    let mut at = content(&record) + 3;
    at += 2 + usize::from(record[at + 1]);
    at += content(&record[at..]);
    at += content(&record[at..]);
    let stamp = record[at..].to_vec();
    (record, stamp)
}

#[rstest]
#[case::a_record_of_100_mebibytes(vec![0x30; 100 << 20], "more than 16777216")]
#[case::one_element_of_100_mebibytes(der(0x30, &vec![0; 100 << 20]), "more than 16777216")]
#[case::nested_100_000_deep(nested(100_000), "nested too deeply")]
#[case::a_million_lists(record(&stamp(&der(0x30, &der(4, &[7])).repeat(1_000_000))), "too many elements")]
#[case::a_million_empty_lists(record(&stamp(&[0x30, 0].repeat(1_000_000))), "malformed")]
#[case::a_million_hashes(record(&stamp(&der(0x30, &[4, 1, 7].repeat(1_000_000)))), "more than 200000 hashes")]
#[case::a_million_chains(record(&[]).into_iter().chain([0x30, 0].repeat(500_000)).collect(), "malformed")]
#[case::a_million_stamps(record(&stamp(&[]).repeat(1_000_000)), "malformed")]
#[case::only_elements(der(0x30, &[5, 0].repeat(8_000_000)), "too many elements")]
fn evidence_records_that_exhaust_are_refused(#[case] bytes: Vec<u8>, #[case] said: &str) {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("ostile.er"), bytes).unwrap();
    for trust in ["any", "root.pem"] {
        fs::write(world.place("root.pem"), root(&world)).unwrap();
        let ran = run(&world, &["er", "verify", "ostile.er", "carte/uno.txt", "--trust", trust]);
        ran.check(5, "F901");
        assert!(ran.stdout.contains(said), "{ran:?}");
    }
    run(&world, &["er", "show", "ostile.er"]).check_error(1, said);
    let renewed = run(&world, &["er", "renew", "ostile.er", "-o", "nuovo.er"]);
    renewed.check_error(1, "");
}

fn root(world: &World) -> String {
    let exported = world.run(["trust", "export", "--json"]).json();
    exported["trusted"]["anchors"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_time_stamp_a_thousand_times_is_refused_or_verified() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let (honest, stamp) = made(&world);
    assert!(
        honest.ends_with(&stamp) && record(&stamp).len() == honest.len(),
        "the parts are known"
    );
    for (count, code, said) in [(1, 0, "PROVEN"), (1_000, 5, "F904"), (1_001, 5, "F901")] {
        fs::write(world.place("ostile.er"), record(&stamp.repeat(count))).unwrap();
        run(&world, &["er", "verify", "ostile.er", "carte/uno.txt"]).check(code, said);
    }
}

#[test]
fn clocks_ten_years_off_are_told() {
    let world = World::with(&[("uno.txt", b"uno")]);
    made(&world);
    let at = |time: &str| world.run(["er", "verify", "uno.er", "carte/uno.txt", "--at", time]);
    at("2016-11-29").check(3, "F920");
    // Ten years later the certificate of the trial authority has ended, or will soon.
    at("2046-11-29").check(3, "F911");
}

/// The header of an entry of a ZIP, as bundles have it.
fn entry(name: &str, content: &[u8], offset: usize) -> (Vec<u8>, Vec<u8>) {
    let size = u32::try_from(content.len()).unwrap().to_le_bytes();
    let mut shared = vec![10, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
    shared.extend(crc32(content).to_le_bytes());
    shared.extend([size, size].concat());
    shared.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    shared.extend([0, 0]);
    let local = [b"PK\x03\x04", &shared[..], name.as_bytes(), content].concat();
    let mut central = [b"PK\x01\x02\x1e\x03", &shared[..], &[0; 6]].concat();
    central.extend((0o100_644_u32 << 16).to_le_bytes());
    central.extend(u32::try_from(offset).unwrap().to_le_bytes());
    central.extend(name.as_bytes());
    (local, central)
}

fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| {
            (0..8).fold(byte, |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
        })
        .collect();
    let step = |sum: u32, byte: &u8| table[((sum & 0xff) as usize) ^ usize::from(*byte)] ^ sum >> 8;
    !bytes.iter().fold(u32::MAX, step)
}

fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let (local, central) = entry(name, content, bytes.len());
        bytes.extend(local);
        directory.extend(central);
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let lengths = [directory.len(), bytes.len()].map(|it| u32::try_from(it).unwrap().to_le_bytes());
    [
        bytes,
        directory,
        b"PK\x05\x06\0\0\0\0".to_vec(),
        count.into(),
        count.into(),
        lengths.concat(),
        vec![0, 0],
    ]
    .concat()
}

/// A bundle with this in place of `proof.json`.
fn with_proof(json: Vec<u8>) -> Vec<u8> {
    zip(&[("README.txt".to_owned(), Vec::new()), ("proof.json".to_owned(), json)])
}

#[rstest]
#[case::of_100_mebibytes(b"PK\x03\x04".repeat(25 << 20), "too large")]
#[case::nested_100_000_deep(with_proof(b"[".repeat(100_000)), "F811")]
#[case::nested_in_a_member(with_proof([b"{\"files\":".to_vec(), b"[".repeat(100_000)].concat()), "F811")]
#[case::a_million_files(with_proof([b"{\"files\":[".to_vec(), b"[1,1],".repeat(1_000_000)].concat()), "F811")]
#[case::of_one_entry_of_63_mebibytes(with_proof(vec![b' '; 63 << 20]), "F811")]
#[case::of_65_534_entries(zip(&vec![("n".to_owned(), Vec::new()); 65_534]), "F811")]
fn bundles_that_exhaust_are_refused(#[case] bytes: Vec<u8>, #[case] said: &str) {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("ostile.zip"), bytes).unwrap();
    run(&world, &["check", "ostile.zip", "--html", "esito.html"]).check(5, said);
    assert!(world.place("esito.html").exists());
}

/// Reads the receipt of the only document.
fn receipt(world: &World) -> String {
    world.run(["receipt", "show", "carte/uno.txt", "-o", "uno.json"]).check(0, "uno.json");
    fs::read_to_string(world.place("uno.json")).unwrap()
}

/// Puts as much of `item` into the list of this name as makes so many bytes.
fn stuffed(receipt: &str, list: &str, item: &str, bytes: usize) -> Vec<u8> {
    let items = vec![item; bytes / (item.len() + 1)].join(",");
    let (before, after) = receipt.split_once(&format!("\"{list}\":[")).unwrap();
    format!("{before}\"{list}\":[{items},{after}").into_bytes()
}

#[test]
fn receipts_that_exhaust_are_refused() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let honest = receipt(&world);
    let line = r#"{"index":1,"line":"","proof":[]}"#;
    let batch = format!("{{\"entry\":{line}}}");
    let token = format!("{{\"entry\":{line},\"line\":\"\",\"path\":[],\"token\":\"\"}}");
    let most = 190 << 20;
    let cases = [
        (vec![b'['; 100 << 20], "no receipt"),
        (stuffed(&honest, "batches", &batch, most), "a list of more than 100000"),
        (stuffed(&honest, "tokens", &token, most), "a list of more than 64"),
        (stuffed(&honest, "proof", "\"00\"", most), "no receipt"),
        (
            stuffed(&honest, "proof", &format!("\"{}\"", "0".repeat(64)), 64 << 20),
            "hashes in a proof",
        ),
        ([honest.as_bytes(), &vec![b' '; most]].concat(), "canonical"),
        (vec![b' '; 200 << 20], "more than"),
    ];
    for (bytes, said) in cases {
        fs::write(world.place("ostile.json"), bytes).unwrap();
        let ran = run(&world, &["verify", "--receipt", "ostile.json"]);
        ran.check(5, "F801");
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
}

#[test]
fn a_record_of_very_many_files_is_read_once() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["prove", "carte/uno.txt", "--files", "-o", "prova.zip"]).check(0, "prova.zip");
    let bytes = fs::read(world.place("prova.zip")).unwrap();
    let mut entries = read_zip(&bytes);
    let record = entries.iter().position(|(name, _)| name == "documents/1/record.json").unwrap();
    let text = String::from_utf8(entries[record].1.clone()).unwrap();
    let (before, rest) = text.split_once("\"files\":[").unwrap();
    let (file, after) = rest.split_once("}]").unwrap();
    let count = 60_000;
    let files = vec![format!("{file}}}"); count].join(",");
    entries[record].1 = format!("{before}\"files\":[{files}]{after}").into_bytes();
    let proof = String::from_utf8(entries[1].1.clone()).unwrap();
    let list: Vec<_> = (1..=count).map(|position| format!("[1,{position}]")).collect();
    entries[1].1 = proof.replacen("[[1,1]]", &format!("[{}]", list.join(",")), 1).into_bytes();
    let (name, content) = entries.pop().unwrap();
    let extension = Path::new(&name).extension().unwrap().to_str().unwrap().to_owned();
    entries.extend((1..=count).map(|at| (format!("files/1/{at}.{extension}"), content.clone())));
    // The evidence record follows from the files; without it the bundle is read to its end first.
    entries.retain(|(name, _)| Path::new(name).extension().is_none_or(|it| it != "er"));
    fs::write(world.place("ostile.zip"), zip(&entries)).unwrap();
    run(&world, &["check", "ostile.zip"]).check(5, "F812");
}

/// Reads the entries of a bundle.
fn read_zip(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (mut at, mut entries) = (0, Vec::new());
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let name = usize::from(u16::from_le_bytes([bytes[at + 26], bytes[at + 27]]));
        let (start, size) = (at + 30 + name, number(at + 18));
        let text = std::str::from_utf8(&bytes[at + 30..start]).unwrap().to_owned();
        entries.push((text, bytes[start..start + size].to_vec()));
        at = start + size;
    }
    entries
}
