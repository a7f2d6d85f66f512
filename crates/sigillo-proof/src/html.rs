//! The verdict on a bundle or a receipt as a page to be printed: one file, no scripts, nothing from
//! outside, everything in it escaped.

use jiff::Timestamp;

use sigillo_ers::{RevocationKind, RevocationSummary};
use sigillo_model::{
    ArchiveDescription, BatchCommitted, Entry, Finding, FindingCode, Record, Severity,
    Sha256Digest, Statement, Verdict, parse_canonical,
};

use crate::{
    DocumentSection, LoggedLine, Receipt, ReceiptCheck, SealingSection, check_hash_trees::root_of,
    check_logs::certificate_in, render::shown,
};

/// At most this many documents stand on a page.
const DOCUMENTS_MAX: usize = 1_000;
/// At most this many files of one document.
const FILES_MAX: usize = 200;
/// At most this many batches, and as many sealings.
const BATCHES_MAX: usize = 1_000;

/// At most so many witnesses are shown.
const WITNESSES_MAX: usize = 64;
/// At most so many pieces of revocation evidence.
const EVIDENCE_SHOWN_MAX: usize = 100;
/// At most this many findings.
const FINDINGS_SHOWN_MAX: usize = 1_000;
/// At most so many characters of a text from outside.
const CHARACTERS_MAX: usize = 500;

const HEAD: &str = include_str!("html_head.html");

/// What was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckedSort {
    /// A bundle, with the evidence records in it.
    Bundle,
    /// A receipt (rapporto di versamento).
    Receipt,
}

/// What a page says.
#[derive(Clone, Copy, Debug)]
pub struct CheckedPage<'a> {
    /// What was checked.
    pub sort: CheckedSort,
    /// The name of its file.
    pub name: &'a str,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// When it was checked, by the clock of who checked it.
    pub at: Timestamp,
    /// The outcome.
    pub verdict: Verdict,
    /// What was met, gravest first.
    pub findings: &'a [Finding],
    /// Findings beyond those.
    pub more_findings: u64,
    /// The receipt, if it could be read, and what was found of it.
    pub receipt: Option<(&'a Receipt, &'a ReceiptCheck)>,
    /// Files inside of a bundle that have the digests of their records.
    pub files_inside: usize,
    /// By what the revocation of certificates was judged, if it was.
    pub revocation: Option<&'a RevocationSummary>,
    /// Whether the key of the log is believed by who checked it.
    pub log_believed: bool,
}

/// Writes the page, HTML in UTF-8.
pub fn render_html(page: &CheckedPage<'_>) -> String {
    let (it, en) = match page.sort {
        CheckedSort::Bundle => ("Verifica di una prova", "Check of a bundle"),
        CheckedSort::Receipt => ("Verifica di un rapporto di versamento", "Check of a receipt"),
    };
    let mut html = Html(HEAD.replace("TITLE", en));
    html.raw(&format!("<h1>{it} <small>/ {en}</small></h1>\n"));
    verdict(&mut html, page);
    html.raw("<table>\n");
    html.row("File", page.name);
    html.row("SHA-256", &page.sha256.to_string());
    let at = Timestamp::from_second(page.at.as_second()).unwrap_or(page.at);
    html.row("Verificato il / checked at", &at.to_string());
    if let Some((receipt, _)) = page.receipt {
        let archive = &receipt.archive;
        html.row("Ente titolare / entity", &archive.entity);
        html.row("Archivio / archive", &archive.id.to_string());
        if archive.trial {
            html.row("Di prova / trial", "TRIAL: chiavi e tempi di prova, not qualified");
        }
    }
    html.raw("</table>\n");
    if let Some((receipt, check)) = page.receipt {
        html.heading("La catena", "The chain");
        html.raw(
            "<p>documento → lotto → sigillatura → riferimento temporale → registro → checkpoint → \
             testimoni <small>/ document → batch → sealing → time-stamp → log → checkpoint → \
             witnesses</small></p>\n",
        );
        if page.verdict != Verdict::Intact {
            html.raw(
                "<p><strong>Come è dichiarata: non tutto è provato, vedi i rilievi.</strong> <small>/ \
                 As it is stated: not all of it is proven, see the findings.</small></p>\n",
            );
        }
        documents(&mut html, page, receipt, check);
        batches(&mut html, receipt);
        sealings(&mut html, receipt, check);
        revocation(&mut html, page);
        log(&mut html, page, receipt, check);
    }
    findings(&mut html, page);
    not_checked(&mut html, page);
    html.raw("</body>\n</html>\n");
    html.0
}

/// A page being written.
struct Html(String);

impl Html {
    /// Adds text of ours as it is.
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Adds text from outside.
    fn text(&mut self, text: &str) {
        self.0.push_str(&escaped(text));
    }

    fn heading(&mut self, it: &str, en: &str) {
        self.raw(&format!("<h2>{it} <small>/ {en}</small></h2>\n"));
    }

    fn row(&mut self, name: &str, value: &str) {
        self.raw(&format!("<tr><th>{name}</th><td>"));
        self.text(value);
        self.raw("</td></tr>\n");
    }

    fn more(&mut self, count: usize, max: usize) {
        if count > max {
            let more = count - max;
            self.raw(&format!("<p>… e altri {more} <small>/ and {more} more</small></p>\n"));
        }
    }
}

/// Spells text so that it is nothing but text, on a page and to its reader, and not too long.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len().min(CHARACTERS_MAX));
    for (index, c) in text.chars().enumerate() {
        if index == CHARACTERS_MAX {
            safe.push('…');
            break;
        }
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push_str(&shown(c.encode_utf8(&mut [0; 4]))),
        }
    }
    safe
}

fn verdict(html: &mut Html, page: &CheckedPage<'_>) {
    let (class, word, it, en) = match page.verdict {
        Verdict::Intact => (
            "intact",
            "PROVATO / PROVEN",
            "Tutto ciò che è qui è stato ricalcolato, e chi lo firma è creduto da chi ha verificato.",
            "Everything here was computed anew, and whoever checked it believes who signed it.",
        ),
        Verdict::CannotTell => (
            "unknown",
            "NON DETERMINABILE / CANNOT TELL",
            "Nulla risulta errato, ma qualcosa non si può stabilire: vedi i rilievi.",
            "Nothing is known to be wrong, but something cannot be told: see the findings.",
        ),
        Verdict::Damaged => (
            "damaged",
            "DANNEGGIATO / DAMAGED",
            "Non prova ciò che dice: vedi i rilievi.",
            "It does not prove what it says: see the findings.",
        ),
    };
    html.raw(&format!(
        "<div class=\"verdict {class}\"><strong>{word}</strong><br>{it}<br><small>{en}</small></div>\n"
    ));
}

fn documents(html: &mut Html, page: &CheckedPage<'_>, receipt: &Receipt, check: &ReceiptCheck) {
    html.raw("<h3>1. Documenti <small>/ Documents</small></h3>\n");
    let (proven, all) = (check.documents, receipt.documents.len());
    html.raw(&format!("<p>{proven} di {all} provati <small>/ {proven} of {all} proven</small>"));
    if page.files_inside > 0 {
        let inside = page.files_inside;
        html.raw(&format!(
            "; {inside} file contenuti qui, verificati <small>/ {inside} files inside, checked</small>"
        ));
    }
    html.raw("</p>\n");
    for document in receipt.documents.iter().take(DOCUMENTS_MAX) {
        document_table(html, receipt, document);
    }
    html.more(all, DOCUMENTS_MAX);
    if !check.files.is_empty() {
        html.raw(
            "<p>File presentati per la verifica <small>/ files given beside it</small>:</p>\n",
        );
        html.raw("<table>\n");
        for file in check.files.iter().take(FILES_MAX) {
            html.raw("<tr><th>");
            html.text(&file.given);
            html.raw("</th><td>");
            html.text(&format!("= {} ({})", file.name, file.key));
            html.raw("</td></tr>\n");
        }
        html.raw("</table>\n");
        html.more(check.files.len(), FILES_MAX);
    }
}

/// Says by which evidence the revocation of certificates was judged.
fn revocation(html: &mut Html, page: &CheckedPage<'_>) {
    let evidence = page.revocation.map(RevocationSummary::evidence).unwrap_or_default();
    if evidence.is_empty() {
        return;
    }
    html.raw(
        "<p>Revoca dei certificati <small>/ revocation of certificates</small>:</p>\n<table>\n",
    );
    for used in evidence.iter().take(EVIDENCE_SHOWN_MAX) {
        let source = &used.source;
        let kind = match source.kind {
            RevocationKind::Crl => "CRL",
            RevocationKind::Ocsp => "OCSP",
        };
        let as_of = Timestamp::from_second(source.as_of.as_second()).unwrap_or(source.as_of);
        let words = format!(
            "{} non revocati / not revoked, {} revocati / revoked: {kind} di / of {}, {as_of}, \
             SHA-256 {}",
            used.not_revoked, used.revoked, source.maker, source.sha256,
        );
        html.row("Certificati / certificates", &words);
    }
    html.raw("</table>\n");
    html.more(evidence.len(), EVIDENCE_SHOWN_MAX);
}

fn document_table(html: &mut Html, receipt: &Receipt, document: &DocumentSection) {
    html.raw("<table>\n");
    match Record::parse(document.record.as_bytes()) {
        Err(_) => html.row("Registrazione / record", "(illeggibile / unreadable)"),
        Ok(record) => {
            html.row("Chiave / key", &record.key.to_string());
            if let Some(subject) = &record.description.subject {
                html.row("Oggetto / subject", subject);
            }
            html.row(
                "Unità documentaria / document",
                &format!("{}, versione / version {}", record.document, record.version),
            );
            html.row("Ricevuto il / received at", &record.received_at.to_string());
            for file in record.files.iter().take(FILES_MAX) {
                let words = format!("{}, {} byte, SHA-256 {}", file.name, file.size, file.sha256);
                html.row("File", &words);
            }
            if record.files.len() > FILES_MAX {
                html.row("File", &format!("… + {}", record.files.len() - FILES_MAX));
            }
        }
    }
    html.row("Id della versione / version id", &document.version_id.to_string());
    let batch = usize::try_from(document.batch).ok().and_then(|at| receipt.batches.get(at));
    if let Some(body) = batch.and_then(|batch| batch_of(&batch.entry.line)) {
        let place = document.leaf_index.saturating_add(1);
        let words =
            format!("{place} di / of {} nel lotto / in batch {}", body.documents, body.batch);
        html.row("Posto / place", &words);
    }
    html.raw("</table>\n");
}

fn batches(html: &mut Html, receipt: &Receipt) {
    html.raw("<h3>2. Lotti <small>/ Batches</small></h3>\n");
    for batch in receipt.batches.iter().take(BATCHES_MAX) {
        let Some(body) = batch_of(&batch.entry.line) else { continue };
        html.raw("<table>\n");
        html.row("Lotto / batch", &body.batch.to_string());
        html.row("Documenti / documents", &body.documents.to_string());
        html.row("Voce del registro / log entry", &place_of(&batch.entry));
        html.row("Radice RFC 4998 / evidence root", &body.root.to_string());
        html.row("Radice RFC 6962 / order root", &body.order_root.to_string());
        let sealed = batch.sealed.as_ref().map_or_else(
            || "non ancora / not yet, or not in this proof".to_owned(),
            |sealed| sealed.number.to_string(),
        );
        html.row("Sigillatura / sealing", &sealed);
        html.raw("</table>\n");
    }
    html.more(receipt.batches.len(), BATCHES_MAX);
}

fn sealings(html: &mut Html, receipt: &Receipt, check: &ReceiptCheck) {
    html.raw("<h3>3. Sigillature e riferimenti temporali <small>/ Sealings and time-stamps</small></h3>\n");
    if receipt.sealings.is_empty() {
        html.raw("<p>Nessuna <small>/ none yet</small></p>\n");
    }
    for sealing in receipt.sealings.iter().take(BATCHES_MAX) {
        sealing_table(html, sealing, seal_certificate(receipt, sealing.entry.log).as_deref());
        let Some(number) = number_of(sealing) else { continue };
        for time in check.times.iter().filter(|time| time.sealing == number) {
            html.raw("<table>\n");
            let trial = match (time.trial, time.qualified) {
                (true, _) => " (TRIAL, di prova, not qualified)",
                (false, true) => " (qualificata / qualified)",
                (false, false) => "",
            };
            let what = if time.renewal { "Rinnovato / renewed" } else { "Attestato / attested" };
            let what = if time.holds() { what } else { "Non vale / does not count" };
            html.row(what, &format!("{}{trial}", time.stamped_at));
            html.row("Autorità / authority", &time.authority);
            html.raw("</table>\n");
        }
    }
    html.more(receipt.sealings.len(), BATCHES_MAX);
    let (sound, all) = (check.sealings, receipt.sealings.len());
    html.raw(&format!(
        "<p>{sound} di {all} con dichiarazione e sigillo come devono essere <small>/ {sound} of {all} \
         with statement and seal as they should be</small></p>\n"
    ));
}

/// Returns the digest of the certificate that is said to seal in the time of a log.
fn seal_certificate(receipt: &Receipt, log: u64) -> Option<String> {
    let archive = &receipt.archive;
    let later = archive.successions.iter().filter(|it| it.entry.log <= log);
    let later = later.rev().find_map(|it| it.body()?.succession.seal);
    let description = || {
        let description = parse_canonical::<ArchiveDescription>(archive.description.as_bytes());
        description.ok().map(|it| it.keys.seal)
    };
    certificate_in(&later.or_else(description)?).map(|it| it.to_string())
}

fn number_of(sealing: &SealingSection) -> Option<u64> {
    match Entry::parse_line(sealing.entry.line.as_bytes()).ok()? {
        Entry::BatchesSealed(body) => Some(body.number),
        _ => None,
    }
}

fn sealing_table(html: &mut Html, sealing: &SealingSection, certificate: Option<&str>) {
    html.raw("<table>\n");
    if let Some(number) = number_of(sealing) {
        html.row("Sigillatura / sealing", &number.to_string());
    }
    html.row("Voce del registro / log entry", &place_of(&sealing.entry));
    if let Ok(statement) = parse_canonical::<Statement>(sealing.statement.as_bytes()) {
        html.row("Dichiarata il / stated at", &statement.at.to_string());
        let interval = format!("{} < commit ≤ {}", statement.after, statement.through);
        html.row("Copre / covers", &interval);
    }
    let statement = Sha256Digest::of(sealing.statement.as_bytes());
    html.row("Dichiarazione / statement, SHA-256", &statement.to_string());
    html.row("Sigillo / seal (CAdES), SHA-256", &Sha256Digest::of(&sealing.seal.0).to_string());
    if let Some(certificate) = certificate {
        html.row("Certificato del sigillo / seal certificate, SHA-256", certificate);
    }
    for token in &sealing.tokens {
        let sha256 = Sha256Digest::of(&token.token.0);
        let words = format!("{} ({}), voce / entry {}", sha256, token.line, place_of(&token.entry));
        html.row("Token RFC 3161, SHA-256", &words);
        if let (true, Some(root)) = (token.is_over_trees(), root_of(token)) {
            html.row("Sopra alberi di hash / over hash trees, SHA-512", &root.to_string());
        }
        for chain in token.chains() {
            if let (1, Some(tree)) = (chain.place, &token.hash_tree) {
                let (sha256, place) = (Sha256Digest::of(chain.first), place_of(&tree.entry));
                let words = format!("{sha256} ({}), voce / entry {place}", token.line);
                html.row("Nuovi alberi di hash / new hash trees, SHA-256", &words);
            }
            for renewal in chain.renewals {
                let place = place_of(&renewal.entry);
                let which = match &renewal.token {
                    Some(raw) => Sha256Digest::of(&raw.0).to_string(),
                    None => "non incluso / not in it".to_owned(),
                };
                let words = format!("{which} ({}), voce / entry {place}", token.line);
                html.row("Rinnovo / renewal, SHA-256", &words);
            }
        }
    }
    if sealing.tokens.is_empty() {
        html.row("Token RFC 3161", "nessuno / none yet, or not in this proof");
    }
    html.raw("</table>\n");
}

fn log(html: &mut Html, page: &CheckedPage<'_>, receipt: &Receipt, check: &ReceiptCheck) {
    html.raw(
        "<h3>4. Registro, checkpoint, testimoni <small>/ Log, checkpoint, witnesses</small></h3>\n",
    );
    html.raw("<table>\n");
    logs(html, receipt, check);
    html.row(
        "Creduta / believed",
        if page.log_believed {
            "sì, per l'archivio di fiducia di chi verifica / yes, by the trust store of who checked"
        } else {
            "NO: nessuno garantisce di chi sia / nobody vouches for whose it is"
        },
    );
    match &check.checkpoint {
        Some(checkpoint) => {
            let size = checkpoint.size;
            html.row("Checkpoint", &format!("{size} voci / entries"));
            html.row("Radice / root", &checkpoint.root.to_base64());
        }
        None => html.row("Checkpoint", "senza firma valida / without a valid signature"),
    }
    for witness in check.cosigned.iter().take(WITNESSES_MAX) {
        let known = if witness.is_known {
            "noto a chi verifica / known to who checked"
        } else {
            "SCONOSCIUTO: prova solo che qualcuno ha firmato / UNKNOWN: proves only that somebody signed"
        };
        html.row("Testimone / witness", &format!("{} ({known})", witness.witness));
        html.row("Controfirmato il / cosigned at", &witness.at);
        html.row("Chiave / key", &witness.key);
    }
    html.row(
        "Testimoni / witnesses",
        match (check.cosigned.is_empty(), check.is_witnessed) {
            (true, _) => "nessuna controfirma / no cosignature in this proof",
            (false, true) => "abbastanza per chi verifica / enough for who checked",
            (false, false) => "non abbastanza per chi verifica / not enough for who checked",
        },
    );
    html.raw("</table>\n");
}

/// Names the logs, oldest first, and the first key of each.
fn logs(html: &mut Html, receipt: &Receipt, check: &ReceiptCheck) {
    let archive = &receipt.archive;
    html.row("Registro / log", &archive.origin);
    html.row("Chiave / key", &archive.log);
    for (generation, section) in (2..).zip(&archive.successions) {
        let ended = check.logs.iter().find(|it| it.generation + 1 == generation);
        let ended = ended.map_or_else(
            || "non provato / not proven".to_owned(),
            |it| {
                format!("{} voci / entries, {}", it.checkpoint.size, it.checkpoint.root.to_base64())
            },
        );
        html.row("Fine del registro / end of the log", &ended);
        html.row("Registro successivo / next log", &format!("{}/g{generation}", archive.origin));
        let key = section.body().map(|it| it.succession.log).unwrap_or_default();
        html.row("Chiave / key", &key);
    }
}

fn findings(html: &mut Html, page: &CheckedPage<'_>) {
    html.heading("Rilievi", "Findings");
    if page.findings.is_empty() {
        html.raw("<p>Nessuno <small>/ none</small></p>\n");
        return;
    }
    html.raw("<table>\n");
    for finding in page.findings.iter().take(FINDINGS_SHOWN_MAX) {
        let word = match finding.severity {
            Severity::Damage => "DANNO / damage",
            Severity::CannotTell => "non determinabile / cannot tell",
            Severity::Derived => "derivato / derived",
            Severity::Note => "nota / note",
        };
        html.raw(&format!("<tr><th>{word}<br>{}</th><td>", finding.code.code()));
        html.text(&finding.object);
        html.raw("<br>");
        html.text(&finding.message);
        html.raw("</td></tr>\n");
    }
    html.raw("</table>\n");
    let more = usize::try_from(page.more_findings).unwrap_or(usize::MAX);
    html.more(
        page.findings.len().saturating_add(more),
        FINDINGS_SHOWN_MAX.min(page.findings.len()),
    );
}

/// Says what nobody can see in a file alone.
fn not_checked(html: &mut Html, page: &CheckedPage<'_>) {
    html.heading("Che cosa NON è stato verificato", "What was NOT checked");
    html.raw(
        "<ul>\n\
         <li>Attualità: se l'archivio sia cresciuto da allora <small>/ freshness: whether the \
         archive has grown since</small></li>\n\
         <li>Se i documenti siano stati distrutti in seguito <small>/ whether the documents were \
         destroyed later</small></li>\n",
    );
    if !page.receipt.is_some_and(|(_, check)| check.is_witnessed) {
        html.raw(
            "<li>Se ad altri sia stato mostrato un altro registro: non ha controfirmato un numero \
             sufficiente di testimoni noti <small>/ whether others were shown another log: not enough \
             known witnesses have cosigned</small></li>\n",
        );
    }
    if page.receipt.is_some_and(|(receipt, _)| receipt.archive.newest_log() > 1) {
        html.raw(
            "<li>Gli atti con cui un registro è succeduto a un altro, e chi li ha firmati <small>/ the \
             acts by which a log came after another, and who signed them</small></li>\n",
        );
    }
    if page.findings.iter().any(|it| it.code == FindingCode::RevocationUnknown) {
        html.raw(
            "<li>Se un certificato sia stato revocato <small>/ whether a certificate was revoked\
             </small></li>\n",
        );
    } else {
        html.raw(
            "<li>Se il certificato di un sigillo sia stato revocato: si guarda solo a quelli delle marche \
             temporali <small>/ whether the certificate of a seal was revoked: only those of time-stamps \
             are looked at</small></li>\n",
        );
    }
    let given = page.receipt.is_some_and(|(_, check)| !check.files.is_empty());
    let is_read = given || page.files_inside > 0;
    if !is_read {
        html.raw(
            "<li>I file stessi: nessuno è stato letto, si conoscono solo le loro impronte <small>/ \
             the files themselves: none was read, only their digests are known</small></li>\n",
        );
    }
    html.raw(
        "<li>Che cosa dicano i documenti, e se sia vero <small>/ what the documents say, and whether \
         it is true</small></li>\n</ul>\n",
    );
}

/// Says where an entry stands.
fn place_of(entry: &LoggedLine) -> String {
    match entry.log {
        1 => entry.index.to_string(),
        log => format!("{} del registro / of log {log}", entry.index),
    }
}

fn batch_of(line: &str) -> Option<BatchCommitted> {
    match Entry::parse_line(line.as_bytes()).ok()? {
        Entry::BatchCommitted(body) => Some(body),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_that_nobody_looked_whether_the_seals_certificate_was_revoked() {
        let page = |findings: &[Finding]| {
            render_html(&CheckedPage {
                sort: CheckedSort::Bundle,
                name: "proof.zip",
                sha256: Sha256Digest::of(b""),
                at: Timestamp::UNIX_EPOCH,
                verdict: Verdict::Intact,
                findings,
                more_findings: 0,
                receipt: None,
                files_inside: 0,
                revocation: None,
                log_believed: true,
            })
        };
        assert!(page(&[]).contains("whether the certificate of a seal was revoked"));
        let unknown = Finding::new(FindingCode::RevocationUnknown, "certificates", "cannot tell");
        assert!(
            page(&[unknown]).contains("whether a certificate was revoked"),
            "of no certificate"
        );
    }

    #[test]
    fn text_from_outside_is_text_and_not_too_long() {
        let hostile = "<script>alert('x')</script>&\"\u{202e}\u{7}";
        let safe = escaped(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{7}']), "{safe}");
        assert!(safe.starts_with("&lt;script&gt;alert(&#39;x&#39;)"), "{safe}");
        assert_eq!(escaped(&"è".repeat(CHARACTERS_MAX)).chars().count(), CHARACTERS_MAX);
        assert!(escaped(&"è".repeat(CHARACTERS_MAX + 1)).ends_with('…'));
    }
}
