//! Proofs as C2SP spells them: that an entry is in a log, for use without a connection, and that a
//! log only grew, for its witnesses.

use crate::TreeHash;

/// The first line of every such proof.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Writes the proof that entry `index` is in the tree of `checkpoint`, a signed note.
///
/// `path` holds the siblings from the leaf up. Nothing is checked. Source: C2SP tlog-proof.
pub fn write_tlog_proof(index: u64, path: &[TreeHash], checkpoint: &str) -> String {
    proof_text(&format!("{MAGIC}\nindex {index}"), path, checkpoint)
}

/// Writes the request to cosign `checkpoint`, a signed note, by who last saw `old_size` leaves.
///
/// `path` is the consistency proof from there. Nothing is checked. Source: C2SP tlog-witness,
/// "add-checkpoint".
pub fn write_witness_request(old_size: u64, path: &[TreeHash], checkpoint: &str) -> String {
    proof_text(&format!("old {old_size}"), path, checkpoint)
}

/// Writes what such a text begins with, a line for each hash, an empty line and the checkpoint.
fn proof_text(head: &str, path: &[TreeHash], checkpoint: &str) -> String {
    let hashes: String = path.iter().map(|hash| hash.to_base64() + "\n").collect();
    format!("{head}\n{hashes}\n{checkpoint}")
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

    #[test]
    fn a_request_is_spelt_as_its_specification_says() {
        let path = [TreeHash::from_bytes([0; 32])];
        let text = write_witness_request(7, &path, "origin\n8\nroot\n\n— origin sig\n");
        let expected = "old 7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\
                        origin\n8\nroot\n\n— origin sig\n";
        assert_eq!(text, expected);
        assert_eq!(write_witness_request(0, &[], "note\n"), "old 0\n\nnote\n");
    }
}
