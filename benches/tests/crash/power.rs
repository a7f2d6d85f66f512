//! A disk that loses its power: a file system in a file, shut down without a last write.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    shim::{Kit, Shim},
    site::{Site, Snapshot},
    trial::{Shown, Stage, acknowledged, expect_success, judge, prepare, run_stage},
};

/// Room for archive, keys and export.
const IMAGE_BYTES: u64 = 256 << 20;

/// Keeps the file system from writing by itself while a trial lasts.
const MOUNT_OPTIONS: &str = "loop,commit=300";

/// Shuts the file system of a folder down: what is not in its journal on the disk is gone.
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, of Linux `fs/ext4/ext4.h`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))\n";

/// A mounted file system of its own.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes an empty file system below a folder and mounts it.
    ///
    /// # Errors
    ///
    /// What was refused, in words: mounting takes rights and devices that not everybody has.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let disk = Self { folder: folder.to_owned() };
        fs::create_dir_all(disk.mount_point()).map_err(|error| error.to_string())?;
        File::create(disk.image())
            .and_then(|image| image.set_len(IMAGE_BYTES))
            .map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Copies a file system that is not in use, and mounts the copy.
    fn copy(of: &Path, folder: &Path) -> Result<Self, String> {
        let disk = Self { folder: folder.to_owned() };
        fs::create_dir_all(disk.mount_point()).map_err(|error| error.to_string())?;
        run(Command::new("cp").arg("--sparse=always").args([of, &disk.image()]))?;
        disk.mount()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.join("disk.img")
    }

    fn mount_point(&self) -> PathBuf {
        self.folder.join("disk")
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        run(mount.args(["-o", MOUNT_OPTIONS]).arg(self.image()).arg(self.mount_point()))
    }

    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(self.mount_point()))
    }

    /// Cuts the power and turns it on again.
    fn cut_power(&self) -> Result<(), String> {
        run(Command::new("python3").args(["-c", SHUTDOWN]).arg(self.mount_point()))?;
        self.unmount()?;
        self.mount()
    }

    fn site(&self, documents: &Path) -> Site {
        let root = self.mount_point().join("site");
        fs::create_dir_all(&root).expect("a new disk has room");
        Site::new(&root, documents).skip("probe")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(refusal) = self.unmount() {
            println!("the disk stays mounted: {refusal}");
        }
    }
}

/// The disk as it is when a stage begins, for copies to be made of.
#[derive(Clone, Debug)]
pub(crate) struct Master {
    stage: Stage,
    image: PathBuf,
}

impl Master {
    /// Makes it below a folder that outlives it.
    pub(crate) fn make(
        kit: &Kit,
        folder: &Path,
        documents: &Path,
        stage: Stage,
    ) -> Result<Self, String> {
        let disk = Disk::make(folder)?;
        prepare(kit, &disk.site(documents), stage);
        let image = disk.image();
        drop(disk);
        Ok(Self { stage, image })
    }

    /// Lets the power fail when a stage dies or has ended, and judges what recovery makes of it.
    pub(crate) fn trial(
        &self,
        kit: &Kit,
        folder: &Path,
        documents: &Path,
        death: Shim,
    ) -> Result<Shown, String> {
        let disk = Disk::copy(&self.image, folder)?;
        let site = disk.site(documents);
        let ended = run_stage(kit, &site, self.stage, death);
        let died = ended.code.is_none();
        let mut promised = promised(&site);
        promised.checkpoints.extend(acknowledged(&ended));
        disk.cut_power()?;
        let mut violations = Vec::new();
        let after = site.snapshot();
        if self.stage == Stage::Init && died {
            let again = run_stage(kit, &site, self.stage, Shim::Absent);
            expect_success("init again", &again, &mut violations);
        }
        let (orphans, found) = judge(kit, &site, &[promised, after]);
        violations.extend(found);
        Ok(Shown { died, orphans, violations })
    }
}

/// What outsiders may have seen of a site, and so must be there after a power cut: the published
/// checkpoint, and the commits that it covers.
fn promised(site: &Site) -> Snapshot {
    let Some(published) = site.published() else { return Snapshot::default() };
    let (mut commits, mut entries) = (site.snapshot().commits, 0);
    commits.retain(|_, bytes| {
        let covered = entries < published.size;
        let lines = String::from_utf8_lossy(bytes).lines().take_while(|l| !l.is_empty()).count();
        entries += u64::try_from(lines).expect("a commit has few lines");
        covered
    });
    Snapshot { commits, checkpoints: vec![published] }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
