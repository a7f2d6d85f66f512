//! Logs that end, and others that come after them, in the sixty years of an archive.

use std::sync::Arc;

use sigillo_authorities::KeyFolder;
use sigillo_ers::pem_blocks;
use sigillo_evidence_log::{
    LogKeys, SuccessionTerms, plan_succession, sign_succession_act, succeed_log,
    write_succession_act,
};
use sigillo_model::{Clock as _, LogTime, SuccessionReason};

use super::World;

/// In these years a log ends, and why: somebody else may have its keys, and its hash function has ended.
pub(super) const ENDS: [(i16, SuccessionReason); 2] =
    [(2031, SuccessionReason::KeysExposed), (2056, SuccessionReason::HashFunction)];

impl World {
    /// Lets another log come after the one that there is; the key of that signs for it.
    pub(super) async fn succeed(&mut self, reason: SuccessionReason) {
        let archive = self.archive().await;
        archive.learn().await.unwrap();
        let plan = plan_succession(&archive).await.unwrap();
        let path = self.folder.path().join("keys").join(format!("g{}", plan.generation));
        // Seal and trial root are new as well: they are exposed, or have ended.
        let entity = "Comune di Prova";
        let keys =
            KeyFolder::create_successor(&path, None, entity, &self.clock, &*self.entropy).unwrap();
        for der in pem_blocks(keys.trial_root_pem(), "CERTIFICATE").unwrap() {
            self.anchors.add_der("the archive", &der).unwrap();
        }
        self.roots.push_str(keys.trial_root_pem());
        let at = LogTime::new(self.clock.now());
        let terms = SuccessionTerms {
            at,
            checkpoint: None,
            clock_ahead: None,
            reason,
            words: String::new(),
        };
        let new = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
        let act = write_succession_act(&archive, &plan, (&new, keys.seal_pem()), terms).unwrap();
        let signature = sign_succession_act(&keys.seal(), &act, at).unwrap();
        let clock = Arc::new(self.clock.clone());
        let signers = (new, Some(self.keys.log_signer()));
        let given = (act.as_slice(), signature.as_slice());
        succeed_log(archive, signers, given, &self.anchors, clock, &*self.entropy).await.unwrap();
        self.keys = keys;
    }
}
