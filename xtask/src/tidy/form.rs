//! Owns the rules of a single file's form: how it opens, how long it is, what it is called, what it must not hold.
//! Never looks at two files at once.

use super::file::{Complaint, File};

/// The most lines of a file before its tests.
const MOST_LINES: usize = 500;
/// The most lines of a `mod.rs` or `lib.rs` that are neither declarations nor words.
const MOST_GLUE: usize = 60;
/// Names that say nothing about what a file owns.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "misc", "shared"];
// In two parts, so that this file does not hold what it refuses.
const ALLOW: [&str; 2] = [concat!("#[", "allow("), concat!("#![", "allow(")];
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];

/// Every complaint about one file.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    let mut found = Vec::new();
    found.extend(trailing_blanks(file));
    if file.is_rust() {
        found.extend(opens_with_words(file));
        found.extend(length(file));
        found.extend(name(file));
        found.extend(refused(file));
        found.extend(glue(file));
    }
    found
}

fn opens_with_words(file: &File) -> Option<Complaint> {
    let opens = file.text.starts_with("//! ");
    (!opens).then(|| file.complain(1, "does not open with `//!`: what it owns, and what it never does"))
}

fn length(file: &File) -> Option<Complaint> {
    let lines = file.lines_before_tests();
    let too_long = !file.is_test() && lines > MOST_LINES;
    too_long.then(|| file.complain(0, format!("has {lines} lines before its tests: wanted at most {MOST_LINES}")))
}

fn name(file: &File) -> Option<Complaint> {
    let mut parts = file.path.trim_end_matches(".rs").split('/');
    let empty = parts.find(|part| EMPTY_NAMES.contains(part))?;
    Some(file.complain(0, format!("`{empty}` does not say what it owns")))
}

fn refused(file: &File) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (n, line) in file.lines() {
        if ALLOW.iter().any(|allow| line.contains(allow)) {
            found.push(file.complain(n, "an `allow` outlives its reason: wanted `#[expect(lint, reason = \"...\")]`"));
        }
        if let Some(word) = UNFINISHED.iter().find(|word| holds_word(line, word)) {
            found.push(file.complain(n, format!("`{word}` says that it is unfinished")));
        }
    }
    found
}

/// Whether `word` stands in the line with no letter before it.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && (word.ends_with('(') || !after.is_some_and(|c| c.is_alphanumeric() || c == '_'))
    })
}

fn trailing_blanks(file: &File) -> Vec<Complaint> {
    // Vectors hold what others get wrong.
    if file.path.starts_with("spec/vectors/") {
        return vec![];
    }
    let blank = |(n, line): (usize, &str)| {
        line.ends_with([' ', '\t', '\r']).then(|| file.complain(n, "has blanks at the end of the line"))
    };
    file.lines().filter_map(blank).collect()
}

/// `mod.rs` and `lib.rs` tell the way; what they lead to does the work.
fn glue(file: &File) -> Option<Complaint> {
    if !matches!(file.name(), "mod.rs" | "lib.rs") || file.is_test() {
        return None;
    }
    let mut code = 0;
    let mut in_use = false;
    for line in file.text.lines().take(file.lines_before_tests()) {
        let line = line.trim();
        let declares =
            ["pub use ", "use ", "pub(crate) use ", "pub(super) use "].iter().any(|start| line.starts_with(start));
        let leads = ["mod ", "pub mod ", "pub(crate) mod ", "pub(super) mod ", "//", "#"]
            .iter()
            .any(|start| line.starts_with(start));
        if in_use || declares {
            in_use = !line.ends_with(';');
        } else if !line.is_empty() && !leads {
            code += 1;
        }
    }
    (code > MOST_GLUE).then(|| file.complain(0, format!("has {code} lines of code: wanted docs, `mod` and re-exports")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&File::new(path, text)).into_iter().map(|found| (found.line, found.message)).collect()
    }

    fn only(path: &str, text: &str, line: usize, part: &str) {
        let found = complaints(path, text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == line && found[0].1.contains(part), "{found:?}");
    }

    #[test]
    fn a_plain_file_has_no_complaint() {
        assert_eq!(complaints("a/src/volume.rs", "//! Owns volumes.\n\nfn a() {}\n"), []);
        assert_eq!(complaints("a.md", "# A\n"), []);
    }

    #[test]
    fn a_file_without_opening_words_is_refused() {
        only("a/src/volume.rs", "fn a() {}\n", 1, "does not open");
        only("a/src/volume.rs", "", 1, "does not open");
    }

    #[test]
    fn a_file_is_as_long_as_the_limit_and_no_longer_but_for_its_tests() {
        let lines = |n: usize| format!("//! Owns.\n{}", "fn a() {}\n".repeat(n - 1));
        assert_eq!(complaints("a.rs", &lines(500)), []);
        only("a.rs", &lines(501), 0, "501 lines");
        assert_eq!(
            complaints("a.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(400), "\n".repeat(300))),
            []
        );
        assert_eq!(complaints("a/tests/b.rs", &lines(501)), []);
        assert_eq!(complaints("a/src/b_tests.rs", &lines(501)), []);
        only("a.rs", &format!("{}#[cfg(test)]\nmod tests;\n{}", lines(10), lines(500)), 0, "512 lines");
        only("a.rs", &format!("{}#[cfg(test)]\nfn a() {{\n}}\n{}", lines(10), lines(500)), 0, "513 lines");
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        only("a/src/utils.rs", "//! Owns.\n", 0, "`utils`");
        only("a/src/common/disk.rs", "//! Owns.\n", 0, "`common`");
        assert_eq!(complaints("a/src/commons.rs", "//! Owns.\n"), []);
    }

    #[test]
    fn allows_and_unfinished_work_are_refused() {
        only("a.rs", &format!("//! Owns.\n{}dead_code)]\n", ALLOW[0]), 2, "`allow`");
        only("a.rs", &format!("//! Owns.\n// {}: later\n", UNFINISHED[0]), 2, "unfinished");
        only("a.rs", &format!("//! Owns.\nfn a() {{ {}) }}\n", UNFINISHED[2]), 2, "unfinished");
        assert_eq!(complaints("a.rs", "//! Owns.\n// MASTODON\n"), []);
    }

    #[test]
    fn blanks_at_the_end_are_refused_but_in_vectors() {
        only("a.md", "# A \n", 1, "blanks");
        only("a.toml", "a = 1\r\nb = 2\t\n", 2, "blanks");
        assert_eq!(complaints("spec/vectors/manifest/broken/blank.json", " \n"), []);
    }

    #[test]
    fn a_mod_file_that_works_is_refused() {
        let uses = "//! Owns.\nmod a;\npub use a::{\n    B,\n    C,\n};\n";
        assert_eq!(complaints("a/mod.rs", uses), []);
        only("a/lib.rs", &format!("{uses}{}", "fn a() {}\n".repeat(61)), 0, "61 lines of code");
        assert_eq!(complaints("a/work.rs", &format!("{uses}{}", "fn a() {}\n".repeat(61))), []);
    }
}
