//! Forgeries, to a user: made with keys of one's own, with stolen ones, or out of a hash tree.

use std::{fs, path::Path, process::Command};

use sigillo_ers::{EvidenceRecord, HashFunction, StampParts, write_chain, write_record};

use crate::program::World;

#[test]
fn a_bundle_made_wholly_with_keys_of_ones_own_is_never_believed() {
    let (victim, forger) = (World::with(&[("a.txt", b"a")]), World::with(&[("b.txt", b"b")]));
    forger.run(["prove", "carte/b.txt", "-o", "falso.zip"]).check(0, "falso.zip");
    let bundle = forger.place("falso.zip");
    let file = forger.source().join("b.txt");
    let check = ["check", bundle.to_str().unwrap(), file.to_str().unwrap()];
    forger.run(check).check(0, "PROVEN");
    let ran = victim.run(check);
    ran.check(3, "CANNOT TELL");
    for code in ["F601", "F602", "F603"] {
        ran.check(3, code);
    }
    assert!(!ran.stdout.contains("PROVEN"), "{ran:?}");
    // The forger's own exported trust counts only for who takes it.
    let exported = forger.run(["trust", "export"]);
    fs::create_dir(victim.place("fidati")).unwrap();
    fs::write(victim.place("fidati/falso.json"), &exported.stdout).unwrap();
    victim.run(check).check(3, "F601");
    victim.run([&check[..], &["--trust", "fidati"]].concat()).check(0, "PROVEN");
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_checkpoint_signed_twice_for_one_size_is_told_as_a_fork() {
    // The same keys and state go on twice, as a pole that shows two logs would let them.
    let world = World::with(&[("uno.txt", b"uno")]);
    let other =
        World { folder: tempfile::tempdir_in(world.folder.path().parent().unwrap()).unwrap() };
    for name in ["home", "archivio", "carte"] {
        copy(&world.place(name), &other.place(name));
    }
    let keys = |world: &World| {
        let folder = fs::read_dir(world.home().join(".local/share/sigillo/keys")).unwrap();
        folder.map(|it| it.unwrap().path()).next().unwrap().to_str().unwrap().to_owned()
    };
    let add = |world: &World, content: &[u8]| {
        world.write("due.txt", content);
        let ran = world.ingest(&["--keys", &keys(world)]);
        assert_eq!(ran.code, 0, "{ran:?}");
        world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
        let checkpoint = world.run(["log", "checkpoint"]);
        fs::write(world.place("checkpoint"), &checkpoint.stdout).unwrap();
        checkpoint.stdout
    };
    let (here, there) = (add(&world, b"qui"), add(&other, b"altrove"));
    let size = |note: &str| note.lines().nth(1).unwrap().to_owned();
    assert_eq!(size(&here), size(&there), "two notes of one size");
    assert_ne!(here, there);
    let path = |name: &str| other.place(name).to_str().unwrap().to_owned();
    let forked = world.run(["log", "consistency", &path("checkpoint")]);
    assert_eq!(forked.code, 5, "{forked:?}");
    assert!(forked.stderr.contains("rewritten"), "{forked:?}");
    // Whoever saw neither cannot tell them apart; whoever saw one names the other.
    world.run(["check", "prova.zip"]).check(0, "PROVEN");
    world.run(["check", &path("prova.zip"), "--state", "nuovo"]).check(0, "PROVEN");
    let checked = world.run(["check", &path("prova.zip")]);
    checked.check(5, "F304");
    checked.check(5, "the log was forked");
}

#[test]
fn two_hashes_spelt_as_a_file_are_no_document() {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    let bytes = fs::read(world.place("prova.zip")).unwrap();
    fs::create_dir(world.place("aperto")).unwrap();
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(world.place("prova.zip")).arg(world.place("aperto"));
    assert!(unzip.status().unwrap().success());
    let name = "aperto/documents/1/1-plain-sha256-trial.er";
    let raw = fs::read(world.place(name)).unwrap();
    let record = EvidenceRecord::read(&raw).unwrap();
    let stamp = &record.chains[0].stamps[0];
    let lists: Vec<Vec<Vec<u8>>> = stamp
        .lists
        .as_ref()
        .unwrap()
        .iter()
        .map(|list| list.iter().map(|it| it.to_vec()).collect())
        .collect();
    // The group of record and file is hashed as 64 bytes: they are the file, its digest the leaf.
    let mut group = lists[0].clone();
    group.sort_unstable();
    let file = group.concat();
    assert_eq!(file.len(), 64);
    fs::write(world.place("due-impronte.bin"), &file).unwrap();
    let hash = HashFunction::Sha256;
    let cut = [vec![vec![hash.digest(&file)]], lists[1..].to_vec()].concat();
    let chain = write_chain(&[StampParts { hash, lists: cut, token: stamp.token }]);
    fs::write(world.place("falso.er"), write_record(&[hash], &[&chain])).unwrap();
    let ran = world.run(["er", "verify", "falso.er", "due-impronte.bin", "--group"]);
    ran.check(3, "F919");
    assert!(!ran.stdout.contains("PROVEN"), "{ran:?}");
    // The honest one does not hold it, and the bundle knows what is a document.
    world.run(["er", "verify", name, "due-impronte.bin"]).check(5, "F902");
    world.run(["check", "prova.zip", "due-impronte.bin"]).check(3, "F809");
    assert_eq!(fs::read(world.place("prova.zip")).unwrap(), bytes);
}

#[test]
fn an_honest_file_that_spells_hashes_is_told_from_a_node_by_the_record_that_names_it() {
    let hashes = [[1; 32], [2; 32]].concat();
    let world = World::with(&[("impronte.bin", &hashes), ("uno.txt", b"uno")]);
    for (name, at) in [("impronte.bin", "una"), ("uno.txt", "altra")] {
        let bundle = format!("{at}.zip");
        world.run(["prove", &format!("carte/{name}"), "-o", &bundle]).check(0, "");
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "-e"]).arg(world.place(&bundle)).arg(world.place(at));
        assert!(unzip.status().unwrap().success());
    }
    let er = "una/documents/1/1-plain-sha256-trial.er";
    let (file, record) = ("carte/impronte.bin", "una/documents/1/record.json");
    world.run(["er", "verify", er, file]).check(3, "F919");
    for both in [[file, record], [record, file]] {
        let ran = world.run(["er", "verify", er, both[0], both[1], "--group"]);
        ran.check(0, "PROVEN: 2 objects");
        assert!(!ran.stdout.contains("F919"), "{ran:?}");
    }
    // Another record does not name it, and one that is made up is not proven with it.
    let other = "altra/documents/1/record.json";
    world.run(["er", "verify", er, file, other]).check(5, "F919");
    let text = fs::read_to_string(world.place(record)).unwrap();
    fs::write(world.place("finta.json"), text.replacen("impronte", "imprunte", 1)).unwrap();
    world.run(["er", "verify", er, file, "finta.json"]).check(5, "F919");
}

#[test]
fn a_page_of_the_verdict_can_be_printed() {
    let name = "<script>alert(1)<&\"'>.txt";
    let world = World::with(&[(name, b"uno")]);
    let key = format!("carte/{name}");
    world.run(["prove", &key, "--files", "-o", "prova.zip"]).check(0, "with the files themselves");
    world.run(["check", "prova.zip", "--html", "esito.html"]).check(0, "1 file inside");
    let html = fs::read_to_string(world.place("esito.html")).unwrap();
    for said in [
        "PROVATO / PROVEN",
        "Comune di Prova",
        "&lt;script&gt;alert(1)&lt;&amp;&quot;&#39;&gt;.txt",
        "Radice RFC 6962",
        "Sigillo / seal (CAdES)",
        "TRIAL",
        "Che cosa NON è stato verificato",
        "no witness has cosigned",
        "F915",
    ] {
        assert!(html.contains(said), "{said}: {html}");
    }
    for never in ["<script", "http:", "https:", "src=", "href=", "url("] {
        assert!(!html.contains(never), "{never}: {html}");
    }
    world.run(["check", "prova.zip", "--html", "esito.html"]).check_error(1, "is there already");
    world.run(["receipt", "show", &key, "-o", "rdv.json"]).check(0, "rdv.json");
    let args = ["verify", "--receipt", "rdv.json", "--html", "rdv.html", "--config", "nessuno"];
    world.run(args).check(3, "CANNOT TELL");
    let html = fs::read_to_string(world.place("rdv.html")).unwrap();
    assert!(html.contains("NON DETERMINABILE / CANNOT TELL") && html.contains("F601"), "{html}");
    assert!(html.contains("nobody vouches") && !html.contains("<script"), "{html}");
}
