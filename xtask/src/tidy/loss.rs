//! Owns `spec/losses.md`: every way in which people lost data has tests that exist, or a reason why it cannot happen.
//! Never runs a test.

use super::file::{Complaint, File};
use super::numbered::{Entry, Numbered, quoted};

const LIST: &str = "spec/losses.md";
/// How many are told.
const LOSSES: usize = 28;
const SHOWN: &str = "Shown by ";
const CANNOT: &str = "Cannot happen: ";

/// Complaints about the list, measured by the tests that exist.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let Some(list) = files.iter().find(|file| file.path == LIST) else {
        return vec![File::new(LIST, "").complain(0, "is missing: it says why data is not lost here")];
    };
    let sections: Vec<(usize, &str, String)> =
        sections(list).into_iter().map(|(line, title, body)| (line, title, body.join(" "))).collect();
    let entries = sections.iter().map(|(line, title, text)| Entry {
        line: *line,
        title,
        number: title.split_once(". ").and_then(|(number, _)| number.parse().ok()),
        names: text.split_once(SHOWN).map(|(_, shown)| quoted(shown)).unwrap_or_default(),
        reason: text.split_once(CANNOT).map(|(_, reason)| reason),
    });
    Numbered { list, entries: entries.collect(), count: LOSSES, noun: "loss", numbers }.check(files)
}

/// Which losses a test is named after: `story_l1_l22_...` after the first and the twenty-second.
fn numbers(test: &str) -> Vec<usize> {
    let words = test.strip_prefix("story_").unwrap_or_default().split('_');
    words.map_while(|word| word.strip_prefix('l')?.parse().ok()).collect()
}

/// Each second-level heading that begins with a digit, with its line and what stands below it.
fn sections(list: &File) -> Vec<(usize, &str, Vec<&str>)> {
    let mut found: Vec<(usize, &str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for (n, line) in list.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            inside = title.starts_with(|c: char| c.is_ascii_digit());
            if inside {
                found.push((n, title, Vec::new()));
            }
        } else if inside && let Some((_, _, body)) = found.last_mut() {
            body.push(line.trim());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(change: impl Fn(String) -> String) -> Vec<String> {
        let sections: Vec<String> = (1..=LOSSES)
            .map(|n| match n {
                1 => "## 1. A thing\n\nIt was lost.\n\nShown by `it_is` and\n`a/tests/b.rs::story_l1_l02_it_is_so`.\n"
                    .to_owned(),
                2 => "## 2. A thing\n\nIt was lost.\n\nShown by `story_l1_l02_it_is_so`.\n".to_owned(),
                n => format!(
                    "## {n}. A thing\n\nIt went.\n\nCannot happen: nothing here has such a thing to lose at all.\n"
                ),
            })
            .collect();
        let text = change(format!("# Losses\n\n## What this is\n\nWords.\n\n{}", sections.concat()));
        let tests = "#[test]\nfn it_is() {}\n\n#[test]\nfn story_l1_l02_it_is_so() {}\n";
        let files = [File::new(LIST, text), File::new("a/tests/b.rs", tests)];
        check(&files).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn shown_and_reasoned_losses_are_tidy() {
        assert_eq!(messages(|text| text), Vec::<String>::new());
    }

    #[test]
    fn each_gap_is_found() {
        type Change = fn(String) -> String;
        let rows: [(Change, &str); 6] = [
            (|text| text.replace("`it_is` and", "`it_was` and"), "`1. A thing` names `it_was`, which is no test"),
            (|text| text.replace("## 7. A", "## 8. A"), "`8. A thing`: wanted number 7, and a title"),
            (|text| text[..text.find("## 28").unwrap()].to_owned(), "tells of loss 1 to 27: wanted 1 to 28"),
            (
                |text| text.replace("by `story_l1_l02_it_is_so`", "by `it_is`"),
                "loss 2 does not name `story_l1_l02_it_is_so` of a/tests/b.rs",
            ),
            (|text| text.replace("Shown by", "It is so by"), "`1. A thing` is shown by no test, and nothing says why"),
            (
                |text| text.replace("nothing here has such a thing to lose at all", "no"),
                "`3. A thing` is shown by no test, and nothing says why",
            ),
        ];
        for (change, wanted) in rows {
            let found = messages(change);
            assert!(found.iter().any(|found| found == wanted), "{wanted}: {found:?}");
        }
        assert_eq!(check(&[]).len(), 1);
    }
}
