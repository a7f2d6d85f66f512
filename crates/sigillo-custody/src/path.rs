//! Turning what a record says of a path into a path that stays below a folder.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use sigillo_model::decode_name;

/// Returns the place of a key below `folder`, or nothing if it would lead elsewhere. The name of a
/// source is taken as it is; those of paths are spelt.
pub(crate) fn place_below(folder: &Path, source: &str, path: &str) -> Option<PathBuf> {
    let mut place = folder.join(component(source.as_bytes())?);
    for name in decode_name(path)?.split(|byte| *byte == b'/') {
        place.push(component(name)?);
    }
    Some(place)
}

/// Returns the place of a file by the bytes of its name alone below `folder`.
pub(crate) fn bytes_below(folder: &Path, name: &[u8]) -> Option<PathBuf> {
    Some(folder.join(component(name)?))
}

fn component(name: &[u8]) -> Option<OsString> {
    let leads_elsewhere =
        matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0);
    (!leads_elsewhere).then(|| OsString::from_vec(name.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let folder = Path::new("/out");
        let place = |path| place_below(folder, "atti", path);
        assert_eq!(place("a/b%0A.pdf"), Some(PathBuf::from("/out/atti/a/b\n.pdf")));
        for path in ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "", "a/%00", "a/"] {
            assert_eq!(place(path), None, "{path}");
        }
        assert_eq!(place_below(folder, "..", "x"), None);
        let percent = place_below(folder, "100% a%41", "x");
        assert_eq!(percent, Some(PathBuf::from("/out/100% a%41/x")));
        assert_eq!(place_below(folder, "a/b", "x"), None);
        assert_eq!(bytes_below(folder, b"a/b"), None);
    }
}
