//! Owns a seeded fault as a value: one place in our own code, what it becomes, and the test that must notice. Pure: reads
//! and writes no file.

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

/// A list of faults, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// In the order in which they are tried.
    pub(super) fault: Vec<Fault>,
}

/// One fault: a care that our code takes, removed, turned round or done too late.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// Its name, unique in the repository.
    pub(super) name: String,
    /// What is wrong with the code that has it.
    pub(super) what: String,
    /// The file, from the workspace's root.
    pub(super) file: String,
    /// The code as it is: stands in the file exactly once.
    pub(super) old: String,
    /// The code with the fault.
    pub(super) new: String,
    /// The test that must fail.
    pub(super) caught_by: Test,
}

/// A test, or several with a common beginning of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// The crate.
    pub(super) package: String,
    /// The test binary below `tests/`, or `lib`.
    pub(super) target: String,
    /// What the test's name contains.
    pub(super) name: String,
}

impl Test {
    /// What `cargo test` gets to build the test binary and nothing else.
    pub(super) fn selection(&self) -> Vec<&str> {
        let mut args = vec!["-p", &self.package];
        match self.target.as_str() {
            "lib" => args.push("--lib"),
            target => args.extend(["--test", target]),
        }
        args
    }
}

/// Reads a list; fails with the first thing that is wrong with it.
pub(super) fn parse(text: &str) -> Result<List> {
    let list: List = toml::from_str(text)?;
    for (at, fault) in list.fault.iter().enumerate() {
        ensure!(!list.fault[..at].iter().any(|earlier| earlier.name == fault.name), "`{}` stands twice", fault.name);
        ensure!(fault.old != fault.new, "`{}` changes nothing", fault.name);
    }
    Ok(list)
}

impl Fault {
    /// The file's text with the fault in it; fails unless there is exactly one place for it.
    pub(super) fn seed(&self, text: &str) -> Result<String> {
        match text.matches(&self.old).count() {
            1 => Ok(text.replacen(&self.old, &self.new, 1)),
            0 => bail!("`{}` no longer applies: `{}` does not contain\n{}", self.name, self.file, self.old),
            many => bail!("`{}` has {many} places in `{}`, wanted one", self.name, self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
[[fault]]
name = "not-synced"
what = "a file is renamed without a sync"
file = "a/src/b.rs"
old = "file.sync_all()?;"
new = ""
caught_by = { package = "a", target = "crash", name = "snapshot::" }
"#;

    #[test]
    fn a_fault_is_seeded_where_it_fits_and_nowhere_else() {
        let fault = &parse(LIST).unwrap().fault[0];
        assert_eq!(fault.seed("x; file.sync_all()?; y").unwrap(), "x;  y");
        for (text, complaint) in [("x", "no longer applies"), ("file.sync_all()?; file.sync_all()?;", "2 places")] {
            assert!(fault.seed(text).unwrap_err().to_string().contains(complaint), "{text}");
        }
        assert_eq!(fault.caught_by.selection(), ["-p", "a", "--test", "crash"]);
    }

    #[test]
    fn a_list_that_says_nothing_new_is_refused() {
        let twice = format!("{LIST}{LIST}");
        let same = LIST.replace("new = \"\"", "new = \"file.sync_all()?;\"");
        let unknown = LIST.replace("what", "why");
        for (text, complaint) in [(twice, "stands twice"), (same, "changes nothing"), (unknown, "unknown field")] {
            assert!(parse(&text).unwrap_err().to_string().contains(complaint), "{text}");
        }
    }
}
