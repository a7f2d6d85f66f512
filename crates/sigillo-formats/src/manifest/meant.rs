//! Which of our names a name was probably meant to be.

use super::column::Column;

/// Names of the producer's own that only look like ours.
const OTHERS: [&str; 1] = ["mail"];

/// Returns the column that a name stands for: ours, its Italian name, or one with a slip of the
/// pen.
pub(super) fn meant_column(name: &str) -> Option<Column> {
    if OTHERS.contains(&letters(name).as_str()) {
        return None;
    }
    let columns = || Column::ALL.into_iter();
    let ours = columns().find(|column| letters(name) == letters(column.name()));
    let named = || columns().find(|column| other_names(*column).contains(&letters(name).as_str()));
    let slipped = || columns().find(|column| is_slip(name, column.name()));
    ours.or_else(named).or_else(slipped)
}

/// Tells whether a name probably stands for `ours`, which has these other names.
pub(super) fn is_meant(name: &str, ours: &str, others: &[&str]) -> bool {
    others.contains(&letters(name).as_str()) || is_slip(name, ours)
}

/// What remains of a name without case, and without what people put between words.
pub(super) fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' ' | '.' | '\''))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Tells whether a name is ours but for one letter; for two, if ours is long.
fn is_slip(name: &str, ours: &str) -> bool {
    const LONG_FROM: usize = 6;
    // Nobody slips so often that these differ much in length.
    if name.len() > 2 * ours.len() {
        return false;
    }
    let (name, ours) = (letters(name), letters(ours));
    let slips_max = if ours.len() < LONG_FROM { 1 } else { 2 };
    strsim::osa_distance(&name, &ours) <= slips_max
}

/// Returns what else a column is called, without what stands between words.
const fn other_names(column: Column) -> &'static [&'static str] {
    match column {
        Column::Aggregation => {
            &["aggregazione", "aggregazioni", "fascicolo", "fascicoli", "aggregations"]
        }
        Column::Class => &[
            "classifica",
            "classificazione",
            "classification",
            "indicediclassificazione",
            "titolario",
            "vocedititolario",
        ],
        Column::ClosedOn => &["chiusura", "datachiusura", "datadichiusura"],
        Column::Date => &["data", "datadocumento", "datadeldocumento"],
        Column::DocumentType => {
            &["tipo", "tipodocumento", "tipologia", "tipologiadocumentaria", "tipologiadocumento"]
        }
        Column::Main => &["fileprincipale", "principale", "documentoprincipale"],
        Column::Number => {
            &["numero", "numerodiprotocollo", "numeroprotocollo", "numeroregistrazione"]
        }
        Column::Operation => &["operazione"],
        Column::Path => &["file", "filename", "nomefile", "percorso", "percorsofile"],
        Column::Register => &["registro", "repertorio"],
        Column::Series => &["serie"],
        Column::StatedRetention => &[
            "conservazione",
            "retention",
            "tempodiconservazione",
            "tempodiconservazioneindicato",
            "tempoconservazione",
        ],
        Column::Structure => &["aoo", "areaorganizzativaomogenea", "struttura"],
        Column::Subject => &["oggetto"],
        Column::Year => &["anno"],
    }
}
