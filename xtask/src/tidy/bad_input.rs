//! Owns `spec/bad-inputs.md`: every bad input is refused by a test that exists, or has a reason why none can. Never runs
//! a test.

use super::file::{Complaint, File};
use super::numbered::{Entry, Numbered, quoted};

const LIST: &str = "spec/bad-inputs.md";
/// How many are listed.
const INPUTS: usize = 75;
const NOT_SHOWN: &str = "Not shown: ";

/// Complaints about the list, measured by the tests that exist.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let Some(list) = files.iter().find(|file| file.path == LIST) else {
        return vec![File::new(LIST, "").complain(0, "is missing: it says what is refused, and by which test")];
    };
    let entries = list.lines().filter_map(|(line, text)| row(line, text)).collect();
    Numbered { list, entries, count: INPUTS, noun: "bad input", numbers }.check(files)
}

/// A row of a table whose first cell begins with a digit: the second says what is wrong, the last what shows it.
fn row(line: usize, text: &str) -> Option<Entry<'_>> {
    let cells: Vec<&str> = text.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [number, title, .., shown] = cells[..] else { return None };
    number.starts_with(|c: char| c.is_ascii_digit()).then(|| Entry {
        line,
        title,
        number: number.parse().ok(),
        names: quoted(shown),
        reason: shown.strip_prefix(NOT_SHOWN),
    })
}

/// Which bad inputs a test is named after: `bad_input_45_46_...` after two.
fn numbers(test: &str) -> Vec<usize> {
    let words = test.strip_prefix("bad_input_").unwrap_or_default().split('_');
    words.map_while(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(change: impl Fn(String) -> String) -> Vec<String> {
        let rows: Vec<String> = (1..=INPUTS)
            .map(|n| match n {
                1 | 2 => format!("| {n} | thing {n} | `HP-VOL-001`, no | `bad_input_01_02_it_is_so`, `it_is` |\n"),
                n => format!(
                    "| {n} | thing {n} | it works | Not shown: no machine has such a thing, or anything like it |\n"
                ),
            })
            .collect();
        let text = change(format!("# Bad\n\n| | wrong | says | shown by |\n|---|---|---|---|\n{}", rows.concat()));
        let tests = "#[test]\nfn it_is() {}\n\n#[test]\nfn bad_input_01_02_it_is_so() {}\n";
        let files = [File::new(LIST, text), File::new("a/tests/b.rs", tests)];
        check(&files).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn shown_and_reasoned_inputs_are_tidy() {
        assert_eq!(messages(|text| text), Vec::<String>::new());
    }

    #[test]
    fn each_gap_is_found() {
        type Change = fn(String) -> String;
        let rows: [(Change, &str); 6] = [
            (|text| text.replacen("`it_is`", "`it_was`", 1), "`thing 1` names `it_was`, which is no test"),
            (|text| text.replace("| 7 |", "| 8 |"), "`thing 7`: wanted number 7, and a title"),
            (|text| text[..text.find("| 75 |").unwrap()].to_owned(), "tells of bad input 1 to 74: wanted 1 to 75"),
            (
                |text| text.replacen("`bad_input_01_02_it_is_so`, ", "", 1),
                "bad input 1 does not name `bad_input_01_02_it_is_so` of a/tests/b.rs",
            ),
            (|text| text.replace("Not shown:", "None:"), "`thing 3` is shown by no test, and nothing says why"),
            (
                |text| text.replace("no machine has such a thing, or anything like it", "no"),
                "`thing 3` is shown by no test, and nothing says why",
            ),
        ];
        for (change, wanted) in rows {
            let found = messages(change);
            assert!(found.iter().any(|found| found == wanted), "{wanted}: {found:?}");
        }
        assert_eq!(check(&[]).len(), 1);
    }
}
