//! What a log sends to a witness.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::TreeHash;

/// Writes the request to cosign `checkpoint`, a signed note, by who last saw `old_size` leaves.
///
/// `path` is the consistency proof from there. Nothing is checked. Source: C2SP tlog-witness,
/// "add-checkpoint".
pub fn write_witness_request(old_size: u64, path: &[TreeHash], checkpoint: &str) -> String {
    let mut text = format!("old {old_size}\n");
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
    fn a_request_is_spelt_as_its_specification_says() {
        let path = [TreeHash::from_bytes([0; 32])];
        let text = write_witness_request(7, &path, "origin\n8\nroot\n\n— origin sig\n");
        let expected = "old 7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\
                        origin\n8\nroot\n\n— origin sig\n";
        assert_eq!(text, expected);
        assert_eq!(write_witness_request(0, &[], "note\n"), "old 0\n\nnote\n");
    }
}
