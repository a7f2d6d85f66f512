//! Proofs that an entry is in a log, as C2SP spells them for use without a connection.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::TreeHash;

/// The first line of every such proof.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Writes the proof that entry `index` is in the tree of `checkpoint`, a signed note.
///
/// `path` holds the siblings from the leaf up. Nothing is checked. Source: C2SP tlog-proof.
pub fn write_tlog_proof(index: u64, path: &[TreeHash], checkpoint: &str) -> String {
    let mut text = format!("{MAGIC}\nindex {index}\n");
    for hash in path {
        text.push_str(&STANDARD.encode(hash.as_bytes()));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(checkpoint);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_spelt_as_its_specification_says() {
        let path = [TreeHash::from_bytes([0; 32]), TreeHash::from_bytes([255; 32])];
        let text = write_tlog_proof(7, &path, "origin\n8\nroot\n\n— origin sig\n");
        let expected = "c2sp.org/tlog-proof@v1\nindex 7\n\
                        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
                        //////////////////////////////////////////8=\n\n\
                        origin\n8\nroot\n\n— origin sig\n";
        assert_eq!(text, expected);
    }
}
