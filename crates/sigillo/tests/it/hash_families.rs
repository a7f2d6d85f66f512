//! Evidence lines of SHA-512 from the first time-stamp on: what they prove when SHA-256 has fallen, and what
//! others say of them.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{
    lines::{believe, second_verifier},
    program::World,
    renewing::json,
    revoking::{Authority, RESPONDER, has_openssl},
};

const SHORT: &str = "plain-sha256-a";
const LONG: &str = "plain-sha512-b";

/// An archive whose sealings are stamped on a line of SHA-256 and on one of SHA-512, by two authorities
/// that sign with these.
struct Families {
    world: World,
    short: Authority,
    long: Authority,
}

impl Families {
    fn new() -> Option<Self> {
        if !has_openssl() {
            return None;
        }
        let world = World::new();
        let of = |folder, what| Authority::signing(world.place(folder), RESPONDER, what);
        let short = of("prima", ("Prima", "sha256", "P-256"));
        let long = of("seconda", ("Seconda", "sha512", "P-384"));
        let this = Self { world, short, long };
        this.set(&this.both());
        this.world.write("uno.txt", b"uno");
        this.world.write("due.txt", b"due");
        Some(this)
    }

    fn both(&self) -> String {
        [
            self.short.section(),
            self.long.section(),
            line(SHORT, "sha256", "Prima"),
            line(LONG, "sha512", "Seconda"),
        ]
        .concat()
    }

    fn set(&self, settings: &str) {
        let folder = self.world.home().join(".config/sigillo");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("settings.toml"), settings).unwrap();
    }

    fn roots(&self) -> [PathBuf; 2] {
        [&self.short, &self.long].map(|it| it.folder.join("root.pem"))
    }
}

fn line(name: &str, hash: &str, authority: &str) -> String {
    format!(
        "[[lines]]\nname = \"{name}\"\nprofile = \"plain\"\nhash = \"{hash}\"\n\
         authorities = [\"{authority}\"]\n"
    )
}

#[test]
fn a_sealing_is_stamped_by_both_functions_from_the_beginning() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    world.create().check(0, &format!("on the line {LONG}"));
    believe(world);
    let verified = json(world, 0, &["verify", "--full"]);
    assert_eq!((&verified["verdict"], &verified["time_stamps"]), (&"intact".into(), &2.into()));
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip", "--files"]);
    let checked = json(world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    assert_eq!(checked["verdict"], "intact", "{checked}");
    let _: (Value, _) = (checked, second_verifier(world, &it.roots()));
}
