//! Owns the agreement of fault codes in Rust code with the table in `spec/faults.md`. Never judges a code's meaning.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Complaint, File};

const TABLE: &str = "spec/faults.md";
const START: &str = concat!("HP", "-");

/// Every code that stands on one side only, or twice in the table. A row needs code that reports it: a test or a comment
/// that names one is not enough, and has to name one that there is.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut named: BTreeMap<String, Complaint> = BTreeMap::new();
    let mut reported: BTreeSet<String> = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let before_tests = if file.is_test() { 0 } else { file.lines_before_tests() };
        for (n, line) in file.lines() {
            let reports = n <= before_tests && !line.trim_start().starts_with("//");
            for code in codes(line) {
                if reports {
                    reported.insert(code.clone());
                }
                let complaint = file.complain(n, format!("`{code}` has no row in {TABLE}"));
                named.entry(code).or_insert(complaint);
            }
        }
    }
    let Some(table) = files.iter().find(|file| file.path == TABLE) else {
        return vec![File::new(TABLE, "").complain(0, "is missing: every fault code has a row there")];
    };
    let mut found = Vec::new();
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for (n, line) in table.lines() {
        let row = line
            .strip_prefix("| `")
            .and_then(|rest| codes(rest).into_iter().next().filter(|code| rest.starts_with(code.as_str())));
        if let Some(code) = row
            && let Some(earlier) = rows.insert(code.clone(), n)
        {
            found.push(table.complain(n, format!("`{code}` has a row already, in line {earlier}")));
        }
    }
    for (code, n) in &rows {
        if !reported.contains(code) {
            found.push(table.complain(*n, format!("`{code}` is reported by no code")));
        }
    }
    found.extend(named.into_iter().filter(|(code, _)| !rows.contains_key(code)).map(|(_, complaint)| complaint));
    found
}

/// Every code of a line: `HP`, an area in capitals and a number, with dashes between them.
fn codes(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(START) {
        let rest = &line[at + START.len()..];
        let area: String = rest.chars().take_while(char::is_ascii_uppercase).collect();
        let Some(rest) = rest[area.len()..].strip_prefix('-') else { continue };
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if !area.is_empty() && !number.is_empty() {
            found.push(format!("{START}{area}-{number}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(n: u32) -> String {
        format!("{START}TST-{n:03}")
    }

    fn messages(table: &str, rust: &str) -> Vec<String> {
        check(&[File::new(TABLE, table), File::new("a.rs", rust)]).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn both_sides_the_same_is_tidy() {
        assert!(messages(&format!("| `{}` | a |\n", code(1)), &format!("f(\"{}\")", code(1))).is_empty());
    }

    #[test]
    fn a_code_without_a_row_and_a_row_without_code_are_found() {
        let found = messages(&format!("| `{}` | a |\n", code(1)), &format!("f(\"{}\")", code(2)));
        assert_eq!(
            found,
            [format!("`{}` is reported by no code", code(1)), format!("`{}` has no row in {TABLE}", code(2))]
        );
    }

    #[test]
    fn what_only_tests_and_comments_name_is_reported_by_no_code() {
        let row = format!("| `{}` | a |\n", code(1));
        let wanted = [format!("`{}` is reported by no code", code(1))];
        for rust in
            [format!("//! {}\n", code(1)), format!("a();\n#[cfg(test)]\nmod tests {{\n    \"{}\"\n}}\n", code(1))]
        {
            assert_eq!(messages(&row, &rust), wanted, "{rust}");
        }
        for path in ["a/tests/b.rs", "a/tests.rs", "a_tests.rs"] {
            let found = check(&[File::new(TABLE, row.as_str()), File::new(path, format!("\"{}\"", code(1)))]);
            assert_eq!(found.into_iter().map(|found| found.message).collect::<Vec<_>>(), wanted, "{path}");
        }
    }

    #[test]
    fn two_rows_of_one_code_are_found() {
        let row = format!("| `{}` | a |\n", code(1));
        let found = messages(&format!("{row}{row}"), &code(1));
        assert_eq!(found, [format!("`{}` has a row already, in line 1", code(1))]);
    }

    #[test]
    fn a_missing_table_is_found() {
        assert_eq!(check(&[]).len(), 1);
    }
}
