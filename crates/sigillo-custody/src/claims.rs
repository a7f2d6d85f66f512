//! Which places of an export are taken, decided in the order of the archive.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// The places that documents of one pack took, so that threads that write at once do not decide by
/// which of them was faster.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    files: HashSet<PathBuf>,
    folders: HashSet<PathBuf>,
}

impl Claims {
    /// Takes all of these places, or none of them if one is a file or a folder of another document,
    /// or would lie below a file of one.
    pub(crate) fn take(&mut self, places: &[PathBuf]) -> bool {
        let is_free = |place: &PathBuf| {
            !self.files.contains(place)
                && !self.folders.contains(place)
                && !folders_above(place).any(|folder| self.files.contains(folder))
        };
        if !places.iter().all(is_free) {
            return false;
        }
        for place in places {
            self.files.insert(place.clone());
            for folder in folders_above(place) {
                // Those above it are known, too.
                if !self.folders.insert(folder.to_owned()) {
                    break;
                }
            }
        }
        true
    }
}

fn folders_above(place: &Path) -> impl Iterator<Item = &Path> {
    place.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_once_and_no_file_is_a_folder() {
        let mut claims = Claims::default();
        let mut take = |places: &[&str]| {
            let places: Vec<_> = places.iter().map(PathBuf::from).collect();
            claims.take(&places)
        };
        assert!(take(&["s/a"]) && !take(&["s/a"]) && !take(&["s/a/b"]) && !take(&["s"]));
        assert!(take(&["s/c/d/e"]) && !take(&["s/c"]) && !take(&["s/c/d"]));
        assert!(!take(&["s/free", "s/a"]) && take(&["s/free"]));
    }
}
