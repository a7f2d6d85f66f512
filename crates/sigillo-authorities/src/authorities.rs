//! Several time-stamping authorities, asked in order until one answers as it should.

use std::{error::Error, fmt::Write as _, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use sigillo_ers::{
    AlgorithmTable, DueCause, Expectations, Imprint, RevocationKind, RevocationStatus,
    TimeStampRequest, TimeStampToken, TrustAnchors, check_response, token_renewals_due,
};
use sigillo_model::{Clock, Entropy, ErrorKind};

use crate::{GatheredRevocation, RESPONSE_BYTES_MAX, RevocationGatherer, TimeStampAuthority};

/// The most that is kept of what went wrong with one authority, in characters.
const WORDS_CHARS_MAX: usize = 1_000;

/// The authorities that an archive asks, in order, and what it demands of their answers.
#[derive(Clone, Debug)]
pub struct Authorities {
    list: Vec<Arc<dyn TimeStampAuthority>>,
    anchors: TrustAnchors,
    tolerance: SignedDuration,
    revocation: Option<RevocationGatherer>,
    /// Whether tokens are filled, and count only if they could be.
    fills: bool,
    /// How long algorithms may be relied on, if that is asked.
    algorithms: Option<AlgorithmTable>,
}

/// A token, and how it was come by.
#[derive(Clone, Debug)]
pub struct Stamped {
    /// The token, every check passed.
    pub token: TimeStampToken,
    /// The token as received, if `token` is what was filled.
    pub received: Option<Vec<u8>>,
    /// The name of the authority that made it.
    pub authority: String,
    /// Whether that is a trial authority, by our settings or by what the token says.
    pub trial: bool,
    /// Those who were asked before and gave no acceptable answer.
    pub refused: Vec<Refusal>,
}

/// One authority's failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The name of the authority.
    pub authority: String,
    /// What went wrong, down to the cause.
    pub words: String,
}

/// No authority gave an acceptable answer. Nothing is lost: ask again later.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", all_refused_words(refusals))]
pub struct AllRefused {
    /// What each of them did, in the order in which they were asked; empty if there is none to ask.
    pub refusals: Vec<Refusal>,
}

impl Authorities {
    /// Takes the authorities in the order in which to ask them.
    ///
    /// Tokens count only if their certificate leads to one of `anchors` and their time lies within
    /// `tolerance` of our clock, either way.
    pub fn new(
        list: Vec<Arc<dyn TimeStampAuthority>>,
        anchors: TrustAnchors,
        tolerance: SignedDuration,
    ) -> Self {
        let (revocation, fills, algorithms) = (None, false, None);
        Self { list, anchors, tolerance, revocation, fills, algorithms }
    }

    /// Refuses also time-stamps that rest, when they are made, on an algorithm that has come to its end: the
    /// first one of an evidence line is the one that counts.
    #[must_use]
    pub fn relying_on(mut self, algorithms: AlgorithmTable) -> Self {
        self.algorithms = Some(algorithms);
        self
    }

    /// Also asks whether the certificates of tokens were revoked, at the addresses they name.
    #[must_use]
    pub fn asking_revocation(mut self, gatherer: RevocationGatherer) -> Self {
        self.revocation = Some(gatherer);
        self
    }

    /// Also fills into every token what judges its certificates: it counts only if it is known of each
    /// that it was not revoked. What comes is asked for as [`asking_revocation`](Self::asking_revocation)
    /// says, revocation lists first: more programs read them in a token.
    #[must_use]
    pub fn filling_tokens(mut self) -> Self {
        self.revocation = self.revocation.map(RevocationGatherer::lists_first);
        self.fills = true;
        self
    }

    /// Believes other certificates than before.
    #[must_use]
    pub fn believing(mut self, anchors: TrustAnchors) -> Self {
        self.anchors = anchors;
        self
    }

    /// Returns whom the certificates of tokens are to lead to.
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// Gathers what can be known now of the revocation of the certificates of a token; nothing if
    /// nobody is to be asked.
    pub async fn gather_revocation(
        &self,
        token: &TimeStampToken,
        clock: &dyn Clock,
    ) -> GatheredRevocation {
        self.gather_for(token.raw(), None, clock).await
    }

    /// As [`gather_revocation`](Self::gather_revocation), for a token as it was kept: what is from before
    /// `since` is not enough.
    pub async fn gather_for(
        &self,
        token: &[u8],
        since: Option<Timestamp>,
        clock: &dyn Clock,
    ) -> GatheredRevocation {
        match &self.revocation {
            Some(gatherer) => gatherer.gather(token, &self.anchors, since, clock).await,
            None => GatheredRevocation::default(),
        }
    }

    /// Tells whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Asks one authority after the other for a time-stamp over `imprint`, until an answer passes
    /// every check of [`check_response`]. Each is asked once, with a nonce of its own.
    ///
    /// # Errors
    ///
    /// [`AllRefused`] if nobody gave an acceptable answer.
    pub async fn stamp(
        &self,
        imprint: impl Into<Imprint>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Stamped, AllRefused> {
        self.stamp_fitting(imprint, (clock, entropy), &|_| Ok(())).await
    }

    /// As [`stamp`](Self::stamp), until a time-stamp also passes the look that `fits` takes at it; that says
    /// why one does not.
    ///
    /// # Errors
    ///
    /// [`AllRefused`] if nobody gave an acceptable answer.
    pub async fn stamp_fitting(
        &self,
        imprint: impl Into<Imprint>,
        (clock, entropy): (&dyn Clock, &dyn Entropy),
        fits: &(dyn Fn(&TimeStampToken) -> Result<(), String> + Sync),
    ) -> Result<Stamped, AllRefused> {
        let imprint = imprint.into();
        let mut refused = Vec::new();
        for authority in &self.list {
            let policy = authority.policy().map(ToOwned::to_owned);
            let imprint = imprint.clone();
            let request = TimeStampRequest { imprint, nonce: fresh_nonce(entropy), policy };
            let answered = match self.ask(authority.as_ref(), &request, clock).await {
                Ok(token) if self.fills => self.fill(token, clock).await,
                Ok(token) => Ok((token, None)),
                Err(words) => Err(words),
            };
            let answered = answered.and_then(|stamped| fits(&stamped.0).map(|()| stamped));
            match answered {
                Ok((token, received)) => {
                    let trial = authority.is_trial() || token.verified().trial;
                    let authority = authority.name().to_owned();
                    return Ok(Stamped { token, received, authority, trial, refused });
                }
                Err(words) => {
                    refused.push(Refusal { authority: authority.name().to_owned(), words });
                }
            }
        }
        Err(AllRefused { refusals: refused })
    }

    /// Fills a token; returns it with the bytes that were received, or says why it does not count.
    async fn fill(
        &self,
        token: TimeStampToken,
        clock: &dyn Clock,
    ) -> Result<(TimeStampToken, Option<Vec<u8>>), String> {
        let gathered = self.gather_revocation(&token, clock).await;
        let unknown = gathered.certificates.iter().find_map(|it| match &it.status {
            RevocationStatus::Good { .. } => None,
            RevocationStatus::Revoked { at, .. } => {
                Some(format!("{}: it was revoked at {at}", it.subject))
            }
            RevocationStatus::Unknown { missing } => Some(format!("{}: {missing}", it.subject)),
        });
        let refused = |it: &Refusal| format!("; {}: {}", it.authority, it.words);
        let tried: String = gathered.refused.iter().map(refused).collect();
        if let Some(unknown) = unknown {
            let words = format!("its time-stamp cannot be filled: {unknown}{tried}");
            return Err(words.chars().take(WORDS_CHARS_MAX).collect());
        }
        if gathered.certificates.is_empty() {
            return Err("its time-stamp cannot be filled: nothing is known of it".to_owned());
        }
        let evidence: Vec<(RevocationKind, &[u8])> =
            gathered.evidence.iter().map(|it| (it.kind, &it.der[..])).collect();
        let filled = token.fill(&self.anchors, &evidence).map_err(|error| words(&error))?;
        Ok((filled, Some(token.raw().to_vec())))
    }

    /// Asks one authority; what stands in the way of its answer is said in words.
    async fn ask(
        &self,
        authority: &dyn TimeStampAuthority,
        request: &TimeStampRequest,
        clock: &dyn Clock,
    ) -> Result<TimeStampToken, String> {
        let response = authority.ask(&request.to_der()).await.map_err(|error| words(&error))?;
        if response.len() > RESPONSE_BYTES_MAX {
            return Err(format!("its response has more than {RESPONSE_BYTES_MAX} bytes"));
        }
        let (at, tolerance, anchors) = (clock.now(), self.tolerance, &self.anchors);
        let expected = Expectations { request, at, tolerance, anchors };
        let token = check_response(&response, &expected).map_err(|error| words(&error))?;
        self.look_at(&token).map(|()| token)
    }

    /// Says which algorithm a time-stamp rests on that has come to its end.
    fn look_at(&self, token: &TimeStampToken) -> Result<(), String> {
        let Some(algorithms) = &self.algorithms else { return Ok(()) };
        let at = token.verified().stamped_at;
        let by = (&self.anchors, at);
        let due = token_renewals_due(token.raw(), algorithms, by).unwrap_or_default();
        let ended = due.iter().find_map(|due| match (due.cause, due.before) {
            (
                DueCause::Signature(signature) | DueCause::CertificateSignature(signature),
                Some(end),
            ) if end <= at => Some((signature, end)),
            _ => None,
        });
        ended.map_or(Ok(()), |(signature, end)| {
            Err(format!(
                "its time-stamp, or a certificate of it, is signed with {signature}, on which nobody may \
                 rely any more since {end}"
            ))
        })
    }
}

impl AllRefused {
    /// Returns what the caller can do about it: try again later.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Transient
    }
}

/// Draws a nonce whose DER integer is positive, so that nobody has to agree on signs.
fn fresh_nonce(entropy: &dyn Entropy) -> [u8; 8] {
    let mut nonce = [0; 8];
    entropy.fill(&mut nonce);
    nonce[0] &= 0x7f;
    nonce
}

/// Returns what an error says, and what its causes say: one line, for some of it may come from
/// outside.
pub(crate) fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(words, ": {error}").expect("a String takes all text");
        cause = error.source();
    }
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    words.chars().take(WORDS_CHARS_MAX).map(printable).collect()
}

fn all_refused_words(refusals: &[Refusal]) -> String {
    if refusals.is_empty() {
        return "no time-stamping authority is set up".to_owned();
    }
    let mut words = "no time-stamping authority gave an acceptable answer".to_owned();
    for (index, refusal) in refusals.iter().enumerate() {
        let before = if index == 0 { ": " } else { "; " };
        write!(words, "{before}{}: {}", refusal.authority, refusal.words)
            .expect("a String takes all text");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct AllOnes;

    impl Entropy for AllOnes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[test]
    fn a_nonce_is_a_positive_integer_and_otherwise_as_drawn() {
        let ones = 0xff;
        assert_eq!(fresh_nonce(&AllOnes), [0x7f, ones, ones, ones, ones, ones, ones, ones]);
    }

    #[test]
    fn words_go_down_to_the_cause_in_one_short_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("it broke")]
        struct Broke(#[source] std::io::Error);

        let cause = format!("line\nfeed {}", "x".repeat(2 * WORDS_CHARS_MAX));
        let words = words(&Broke(std::io::Error::other(cause)));
        assert!(words.starts_with("it broke: line feed xxx"), "{words}");
        assert_eq!(words.chars().count(), WORDS_CHARS_MAX);
    }
}
