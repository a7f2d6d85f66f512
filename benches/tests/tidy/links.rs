//! Links between the pages of the project lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use crate::tree::TextFile;

/// Anchors of every page, by path.
type Anchors = BTreeMap<String, BTreeSet<String>>;

/// Returns the dead links of `pages`; `exists` tells whether the project has a path.
fn problems(pages: &[TextFile], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let anchors: Anchors =
        pages.iter().map(|page| (page.path.clone(), anchors_of(&page.text))).collect();
    let mut problems = Vec::new();
    for page in pages {
        for (line, target) in links_of(&page.text) {
            if let Some(fault) = fault(&page.path, &target, &anchors, exists) {
                problems.push(format!("{}:{line}: {target}: {fault}", page.path));
            }
        }
    }
    problems
}

fn fault(
    page: &str,
    target: &str,
    anchors: &Anchors,
    exists: &dyn Fn(&str) -> bool,
) -> Option<&'static str> {
    let outside = ["https://", "http://", "mailto:"];
    if outside.iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { page.to_owned() } else { resolve(page, file)? };
    if path.starts_with("..") {
        return Some("leads out of the project");
    }
    if !anchors.contains_key(&path) && !exists(&path) {
        return Some("there is no such file");
    }
    let known = anchors.get(&path).is_some_and(|anchors| anchors.contains(anchor));
    (!anchor.is_empty() && !known).then_some("there is no such heading")
}

/// Returns the path from the root that `target` means on `page`; one that leaves it starts
/// with `..`.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let path = Path::new(page).parent()?.join(target.replace("%20", " "));
    let path: PathBuf = path.components().collect();
    for component in path.components() {
        match component {
            Component::ParentDir if parts.pop().is_none() => return Some("..".to_owned()),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir => return Some("..".to_owned()),
            Component::ParentDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(parts.join("/"))
}

/// Returns the prose of a page, line by line, code blocks and code spans blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(close)) if open == close => fence = None,
            (None, None) => return Some((index + 1, line.to_owned())),
            _ => {}
        }
        None
    })
}

fn without_code(line: &str) -> String {
    let parts: Vec<_> = line.split('`').collect();
    let kept = parts.iter().enumerate().filter(|(index, _)| index % 2 == 0);
    kept.map(|(_, part)| *part).collect()
}

fn links_of(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(&line);
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            links.push((number, target.trim_matches(['<', '>']).to_owned()));
        }
        if let Some((_, target)) = line.trim_start().strip_prefix('[').and_then(reference) {
            links.push((number, target.to_owned()));
        }
    }
    links
}

/// Reads the rest of `[name]: target`.
fn reference(rest: &str) -> Option<(&str, &str)> {
    let (name, target) = rest.split_once("]: ")?;
    (!name.contains(']')).then(|| (name, target.split_whitespace().next().unwrap_or_default()))
}

fn anchors_of(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let level = line.bytes().take_while(|&byte| byte == b'#').count();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            let slug = slug(line[level..].trim());
            let mut unique = slug.clone();
            for number in 1.. {
                if anchors.insert(unique) {
                    break;
                }
                unique = format!("{slug}-{number}");
            }
        }
        for attribute in ["id=\"", "name=\""] {
            for (at, _) in line.match_indices(attribute) {
                let id = line[at + attribute.len()..].split('"').next().unwrap_or_default();
                anchors.insert(id.to_owned());
            }
        }
    }
    anchors
}

/// Makes the anchor of a heading the way forges do.
fn slug(heading: &str) -> String {
    let mut text = String::new();
    // Of a link only the words count.
    let heading = heading.split("](").enumerate().map(|(index, part)| match index {
        0 => part,
        _ => part.split_once(')').map_or("", |(_, rest)| rest),
    });
    for letter in heading.collect::<String>().chars() {
        match letter {
            ' ' | '-' => text.push('-'),
            '_' => text.push('_'),
            _ if letter.is_alphanumeric() => text.extend(letter.to_lowercase()),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assert_none, assert_one,
        tree::{pages, root},
    };

    fn page(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn check(text: &str) -> Vec<String> {
        let other = page("docs/other.md", "# Two words, *and* more\n## Twice\n## Twice\n");
        problems(&[page("docs/a.md", text), other], &|path| path == "src/lib.rs")
    }

    #[test]
    fn links_between_pages_lead_somewhere() {
        assert_none(&problems(&pages(), &|path| root().join(path).exists()));
    }

    #[test]
    fn live_links_pass() {
        for text in [
            "[x](other.md)",
            "[x](other.md#two-words-and-more)",
            "[x](other.md#twice-1) [y](../src/lib.rs) [z](https://example.org/none.md)",
            "# Here\n[x](#here)",
            "<a id=\"place\"></a> [x](#place)",
            "[x]: other.md",
            "`[x](none.md)`",
            "```\n[x](none.md)\n```",
        ] {
            assert_none(&check(text));
        }
    }

    #[test]
    fn dead_links_are_seen() {
        assert_one(&check("[x](none.md)"), "docs/a.md:1: none.md: there is no such file");
        assert_one(&check("\n[x]: none.md"), "docs/a.md:2");
        assert_one(&check("[x](../none/)"), "no such file");
        assert_one(&check("[x](../../other/a.md)"), "leads out");
    }

    #[test]
    fn dead_anchors_are_seen() {
        assert_one(&check("[x](#none)"), "no such heading");
        assert_one(&check("[x](other.md#none)"), "no such heading");
        assert_one(&check("```\n# Here\n```\n[x](#here)"), "no such heading");
        assert_one(&check("[x](../src/lib.rs#L3)"), "no such heading");
    }
}
