//! Owns `spec/requirements.toml`: each clause has its entry, each MUST a check that exists or a reason why none can.
//! Never runs a check.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::clause::{Level, cited, clauses};
use super::file::{Complaint, File};

const LIST: &str = "spec/requirements.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    requirement: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    level: String,
    document: String,
    since: String,
    /// Names of tests, or `FILE::TEST` where a name stands in several files.
    #[serde(default)]
    checks: Vec<String>,
    /// Why no check of this repository can show it.
    #[serde(default)]
    untestable: Option<String>,
}

/// Complaints about the list, measured by the documents and by the tests that exist.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let Some(list) = files.iter().find(|file| file.path == LIST) else {
        return vec![File::new(LIST, "").complain(0, "is missing: every clause has an entry there")];
    };
    let document: Document = match toml::from_str(&list.text) {
        Ok(document) => document,
        Err(error) => return vec![list.complain(0, error.to_string().trim().replace('\n', " "))],
    };
    let tests = tests(files);
    let mut found = Vec::new();
    let mut entries: BTreeMap<&str, &Requirement> = BTreeMap::new();
    for entry in &document.requirement {
        let line = list.lines().find(|(_, line)| *line == format!("id = \"{}\"", entry.id)).map_or(0, |(n, _)| n);
        let mut complain = |message: String| found.push(list.complain(line, format!("`{}` {message}", entry.id)));
        if entries.insert(&entry.id, entry).is_some() {
            complain("has two entries".to_owned());
        }
        for name in entry.checks.iter().filter(|name| !exists(name, &tests)) {
            complain(format!("names the check `{name}`, which is no test"));
        }
        if entry.untestable.as_ref().is_some_and(|why| why.trim().len() < 10) {
            complain("is untestable without a reason".to_owned());
        }
        if !entry.checks.is_empty() && entry.untestable.is_some() {
            complain("has checks and is untestable".to_owned());
        }
        if entry.level == Level::Must.word() && entry.checks.is_empty() && entry.untestable.is_none() {
            complain("is a MUST without a check".to_owned());
        }
        let parts: Vec<&str> = entry.since.split('.').collect();
        if parts.len() != 2 || !parts.iter().all(|part| part.parse::<u16>().is_ok()) {
            complain(format!("is since `{}`: wanted a protocol version", entry.since));
        }
    }
    found.extend(compare(files, list, &entries));
    found
}

/// Clauses without an entry, entries without a clause, and where the two differ.
fn compare(files: &[File], list: &File, entries: &BTreeMap<&str, &Requirement>) -> Vec<Complaint> {
    let clauses: Vec<_> = files.iter().filter(|file| file.is_document()).flat_map(clauses).collect();
    let areas: BTreeSet<&str> =
        clauses.iter().filter_map(|clause| clause.id.split_once('-')).map(|(area, _)| area).collect();
    let cited: BTreeSet<String> = files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(|file| file.lines().flat_map(|(_, line)| cited(line, &areas)).collect::<Vec<_>>())
        .collect();
    let mut found = Vec::new();
    for clause in &clauses {
        let at = File::new(clause.path.as_str(), "");
        let mut complain = |message: String| found.push(at.complain(clause.line, format!("`{}` {message}", clause.id)));
        let Some(entry) = entries.get(clause.id.as_str()) else {
            complain(format!("has no entry in {LIST}"));
            continue;
        };
        // What binds nobody says how something is.
        let level = clause.level.map_or("FACT", Level::word);
        if entry.level != level {
            complain(format!("is a {level} here and a {} in {LIST}", entry.level));
        }
        if clause.path.strip_prefix("spec/") != Some(entry.document.as_str()) {
            complain(format!("stands in `{}` by {LIST}", entry.document));
        }
        if entry.checks.is_empty() && entry.untestable.is_none() && !cited.contains(&clause.id) {
            complain("is neither cited nor tested".to_owned());
        }
    }
    let known: BTreeSet<&str> = clauses.iter().map(|clause| clause.id.as_str()).collect();
    let stale = entries.keys().filter(|id| !known.contains(*id));
    found.extend(stale.map(|id| list.complain(0, format!("`{id}` is no clause of spec/"))));
    found
}

/// Every test of the tree, as path and name.
pub(super) fn tests(files: &[File]) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let mut is_test = false;
        for (_, line) in file.lines() {
            let line = line.trim();
            if line.starts_with("#[") {
                is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
                let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
                if is_test {
                    found.push((file.path.as_str(), name));
                }
                is_test = false;
            }
        }
    }
    found
}

/// Whether there is exactly such a test: a bare name that stands in two files says too little.
pub(super) fn exists(check: &str, tests: &[(&str, &str)]) -> bool {
    match check.rsplit_once("::") {
        Some((path, name)) => tests.contains(&(path, name)),
        None => tests.iter().filter(|(_, name)| *name == check).count() == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MUST: &str = "**ZZ-1.** It MUST be.\n";

    fn entry(rest: &str) -> String {
        format!("[[requirement]]\nid = \"ZZ-1\"\nlevel = \"MUST\"\ndocument = \"t.md\"\nsince = \"1.0\"\n{rest}\n")
    }

    fn messages(document: &str, list: &str) -> Vec<String> {
        let rust = "#[test]\nfn it_is() {}\n\n#[tokio::test(start_paused = true)]\nasync fn it_waits() {}\n\nfn no_test() {}\n";
        let files = [
            File::new("spec/t.md", document),
            File::new(LIST, list),
            File::new("a/tests/b.rs", rust),
            File::new("c.rs", "#[test]\nfn twice() {}\n"),
            File::new("d.rs", "#[test]\nfn twice() {}\n"),
        ];
        check(&files).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn a_checked_must_and_a_reasoned_one_are_tidy() {
        for rest in [
            "checks = [\"it_is\"]",
            "checks = [\"it_waits\", \"a/tests/b.rs::it_is\", \"c.rs::twice\"]",
            "untestable = \"a promise about times to come\"",
        ] {
            assert_eq!(messages(MUST, &entry(rest)), Vec::<String>::new());
        }
    }

    #[test]
    fn each_gap_is_found() {
        let rows: &[(&str, &str, &str)] = &[
            (MUST, "", "`ZZ-1` has no entry in spec/requirements.toml"),
            (MUST, &entry(""), "`ZZ-1` is a MUST without a check"),
            (MUST, &entry("checks = [\"no_test\"]"), "`ZZ-1` names the check `no_test`, which is no test"),
            (MUST, &entry("checks = [\"twice\"]"), "`ZZ-1` names the check `twice`, which is no test"),
            (MUST, &entry("checks = [\"x.rs::it_is\"]"), "`ZZ-1` names the check `x.rs::it_is`, which is no test"),
            (MUST, &entry("untestable = \"no\""), "`ZZ-1` is untestable without a reason"),
            (
                MUST,
                &entry("checks = [\"it_is\"]\nuntestable = \"a long reason\""),
                "`ZZ-1` has checks and is untestable",
            ),
            (MUST, &(entry("checks = [\"it_is\"]") + &entry("checks = [\"it_is\"]")), "`ZZ-1` has two entries"),
            (
                MUST,
                &entry("checks = [\"it_is\"]").replace("1.0", "1"),
                "`ZZ-1` is since `1`: wanted a protocol version",
            ),
            (
                MUST,
                &entry("checks = [\"it_is\"]").replace("t.md", "u.md"),
                "`ZZ-1` stands in `u.md` by spec/requirements.toml",
            ),
            ("", &entry("checks = [\"it_is\"]"), "`ZZ-1` is no clause of spec/"),
            (
                "**ZZ-1.** It MAY be.\n",
                &entry("checks = [\"it_is\"]"),
                "`ZZ-1` is a MAY here and a MUST in spec/requirements.toml",
            ),
        ];
        for (document, list, wanted) in rows {
            assert!(
                messages(document, list).iter().any(|found| found == wanted),
                "{wanted}: {:?}",
                messages(document, list)
            );
        }
        assert_eq!(
            messages("**ZZ-1.** It MAY be.\n", &entry("").replace("MUST", "MAY")),
            ["`ZZ-1` is neither cited nor tested"]
        );
        assert_eq!(messages(MUST, "[[requirement]\n").len(), 1);
        assert_eq!(check(&[]).len(), 1);
    }
}
