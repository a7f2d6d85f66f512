//! What the machine says of the disks: how full they are, and whether they keep what they promise.

use std::{
    collections::VecDeque,
    env, fs,
    path::{Path, PathBuf},
};

use sigillo_custody::{Check, Space};
use sigillo_store::is_unfinished;

/// File systems that live in memory, by the number that Linux gives them. Source: statfs(2).
const IN_MEMORY: [(u32, &str); 2] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];

/// File systems of another machine, which decides on its own what is durable. Source: statfs(2).
const REMOTE: [(u32, &str); 5] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0x6573_5546, "FUSE"),
];

/// Options of a mount that turn off what makes writes durable.
const UNSAFE_OPTIONS: [&str; 3] = ["nobarrier", "barrier=0", "nosync"];

/// At most so many bytes of the list of mounts are looked at.
const MOUNTS_BYTES_MAX: usize = 1 << 20;

/// At most so many files are looked at for leftovers.
const FILES_SEEN_MAX: usize = 200_000;

/// Returns the space of the disk that a path is on; nothing if it is not there.
pub(crate) fn space_of(path: &Path) -> Option<Space> {
    let existing = path.ancestors().find(|it| it.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    let unit = disk.f_frsize;
    Some(Space {
        free: disk.f_bavail.saturating_mul(unit),
        total: disk.f_blocks.saturating_mul(unit),
    })
}

/// Looks whether what is written to a folder and synced is still there after a power cut.
pub(crate) fn check_durability(folder: &Path) -> Check {
    let name = "durability";
    let preloaded = env::var_os("LD_PRELOAD").unwrap_or_default();
    if preloaded.to_string_lossy().contains("eatmydata") {
        let words = "eatmydata is loaded, which turns off every fsync: a power cut loses what was \
                     acknowledged";
        return Check::fail(name, words, "unset LD_PRELOAD");
    }
    let move_it = "move the archive to a disk of this machine with a journaling file system";
    let kind = match rustix::fs::statfs(folder) {
        // The number has 32 bits, however wide the member is.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        Ok(disk) => disk.f_type as u32,
        Err(error) => {
            let words = format!("the file system cannot be told: {error}");
            return Check::warn(name, words, "df -T, and see that it is a disk");
        }
    };
    if let Some((_, system)) = IN_MEMORY.iter().find(|it| it.0 == kind) {
        let words = format!("the archive is in the memory of this machine ({system})");
        return Check::warn(name, words, move_it);
    }
    if let Some((_, system)) = REMOTE.iter().find(|it| it.0 == kind) {
        let words = format!(
            "the archive is on another machine ({system}), which alone knows what is durable"
        );
        return Check::warn(name, words, move_it);
    }
    if let Some(option) = unsafe_option(folder) {
        let words =
            format!("the disk is mounted with {option}: a power cut may lose what was synced");
        return Check::warn(name, words, format!("remount the disk without {option}"));
    }
    Check::ok(name, "every write is synced, and nothing is known to undo that")
}

/// Returns an option with which the disk of a folder is mounted that makes syncing useless.
fn unsafe_option(folder: &Path) -> Option<&'static str> {
    let mut mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.truncate(mounts.floor_char_boundary(MOUNTS_BYTES_MAX));
    unsafe_option_in(&mounts, &folder.canonicalize().ok()?)
}

/// Source: proc(5), `mountinfo`: the fifth field is the place; options are the sixth and the last.
fn unsafe_option_in(mounts: &str, folder: &Path) -> Option<&'static str> {
    let lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let holding = lines.filter(|it| it.len() > 6 && folder.starts_with(it[4]));
    let mount = holding.max_by_key(|it| it[4].len())?;
    let options = format!("{},{}", mount[5], mount[mount.len() - 1]);
    UNSAFE_OPTIONS.into_iter().find(|it| options.split(',').any(|option| option == *it))
}

/// Counts files that writes left behind which never came to their end: those that a sweep removes.
pub(crate) fn check_leftovers(folder: &Path) -> Check {
    let name = "leftovers";
    let (mut folders, mut seen, mut left) = (VecDeque::from([folder.to_owned()]), 0, 0);
    while let Some(entries) = folders.pop_front().map(PathBuf::into_boxed_path) {
        let Ok(entries) = entries.read_dir() else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push_back(entry.path());
            } else if let Ok(below) = entry.path().strip_prefix(folder)
                && is_unfinished(&below.to_string_lossy())
            {
                left += 1;
            }
        }
        if seen > FILES_SEEN_MAX {
            break;
        }
    }
    let looked = if seen > FILES_SEEN_MAX {
        format!(" among the first {seen} files")
    } else {
        String::new()
    };
    match left {
        0 => Check::ok(name, format!("no write was left unfinished{looked}")),
        left => Check::warn(
            name,
            format!("{left} files of writes that never came to their end take space{looked}"),
            "sigillo sweep --yes   (without --yes it shows what would go)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
24 23 8:2 / /srv rw,noatime shared:2 - ext4 /dev/sdb1 rw,nobarrier
25 24 8:3 / /srv/good rw - xfs /dev/sdc1 rw,attr2
26 24 8:3 / /srv/bad,barrier=0 rw - xfs /dev/sdc1 rw,barrier=0
";

    #[test]
    fn the_options_of_the_nearest_mount_count() {
        let option = |folder: &str| unsafe_option_in(MOUNTS, Path::new(folder));
        assert_eq!(option("/srv/archive"), Some("nobarrier"));
        assert_eq!(option("/srv/good/archive"), None);
        assert_eq!(option("/srvother"), None);
        assert_eq!(option("/srv/bad,barrier=0/x"), Some("barrier=0"));
    }

    #[test]
    fn a_disk_has_space() {
        let space = space_of(Path::new("/no such folder/at all")).expect("the root is there");
        assert!(space.free <= space.total && space.total > 0);
    }
}
