//! Extracts every example of `spec/*.md` and reads it with parser and schema: a document's example is never wrong.

use crate::files::{files, report, stem};
use crate::manifest::verdict;
use crate::schema::{complaints, validator};

/// The blocks fenced with exactly this info string, each with its first line's number.
fn blocks<'a>(text: &'a str, info: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Vec<&'a str>)> = None;
    for (n, line) in text.lines().enumerate() {
        match &mut open {
            Some((from, lines)) if line == "```" => {
                found.push((*from, lines.join("\n")));
                open = None;
            }
            Some((_, lines)) => lines.push(line),
            None if line.strip_prefix("```") == Some(info) => open = Some((n + 2, Vec::new())),
            None => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

#[test]
fn every_example_of_a_manifest_is_one() {
    let validator = validator();
    let mut broken = Vec::new();
    let mut examples = 0;
    for path in files("", "md") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (line, block) in blocks(&text, "json manifest") {
            examples += 1;
            let found = verdict(block.as_bytes());
            let said = match serde_json::from_str(&block) {
                Ok(document) => complaints(&validator, &document),
                Err(error) => vec![error.to_string()],
            };
            if !found.is_empty() || !said.is_empty() {
                broken.push(format!("{}.md:{line}: {found:?} {said:?}", stem(&path)));
            }
        }
    }
    assert!(examples >= 3, "only {examples} examples in spec/*.md");
    report(&broken);
}

#[test]
fn blocks_are_found_by_their_whole_info_string() {
    let text = "a\n```json manifest\n{}\n```\n```json\n[]\n```\n";
    assert_eq!(blocks(text, "json manifest"), [(3, "{}".to_owned())]);
}
