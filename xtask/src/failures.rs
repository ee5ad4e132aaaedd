//! Owns what is told again of the tests that failed: in the output of a whole run it stands far above the end, and a record of a
//! run may keep the end only. Pure; never decides whether a run failed.

use std::collections::VecDeque;
use std::fmt;

/// Of what one test said, so many lines are told again from its beginning, and so many from its end: a picture and what it was
/// compared with, or a panic.
const FIRST: usize = 60;
const LAST: usize = 20;
/// So many of cargo's own errors: each target that failed has one.
const ERRORS: usize = 40;

/// The targets in which something failed, each with what its tests said and their names, and the errors of cargo itself.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The target whose tests run now.
    target: String,
    part: Part,
    told: Vec<Told>,
    errors: Vec<String>,
}

/// What the lines that come now are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Names of tests and how each ended, and all else.
    #[default]
    Run,
    /// The same, after one that failed.
    RunWithFailures,
    /// What the tests that failed wrote.
    Said,
    /// The frames below a panic, which tell nothing that its place does not.
    Frames,
    /// The names of those that failed.
    Names,
}

/// What is told again of one target.
#[derive(Debug)]
struct Told {
    target: String,
    said: Vec<Said>,
    names: Vec<String>,
}

/// What one test said: its first lines, its last ones, and how many stand between.
#[derive(Debug, Default)]
struct Said {
    first: Vec<String>,
    last: VecDeque<String>,
    omitted: usize,
}

impl Said {
    fn keep(&mut self, line: &str) {
        if self.first.len() < FIRST {
            return self.first.push(line.to_owned());
        }
        self.last.push_back(line.to_owned());
        if self.last.len() > LAST {
            self.last.pop_front();
            self.omitted += 1;
        }
    }
}

impl Failures {
    /// Takes the next line of what `cargo test --color=never` writes to standard output and standard error.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(target) = target(line) {
            target.clone_into(&mut self.target);
            self.part = Part::Run;
            return;
        }
        match self.part {
            Part::Run | Part::RunWithFailures if is_error(line) => self.keep_error(line),
            // Something that a test started may have written in the middle of the line.
            Part::Run if line.ends_with("FAILED") => self.part = Part::RunWithFailures,
            Part::RunWithFailures if line == "failures:" => {
                self.part = Part::Said;
                self.told.push(Told { target: self.target.clone(), said: Vec::new(), names: Vec::new() });
            }
            Part::Run | Part::RunWithFailures => {}
            Part::Said | Part::Frames | Part::Names if line.starts_with("test result: ") => self.part = Part::Run,
            Part::Said | Part::Frames if line == "failures:" => self.part = Part::Names,
            Part::Said if line == "stack backtrace:" => self.part = Part::Frames,
            Part::Frames if is_frame(line) => {}
            Part::Said | Part::Frames => {
                self.part = Part::Said;
                self.keep(line);
            }
            Part::Names => {
                if let Some(told) = self.told.last_mut().filter(|_| !line.is_empty()) {
                    told.names.push(line.trim().to_owned());
                }
            }
        }
    }

    fn keep(&mut self, line: &str) {
        let Some(told) = self.told.last_mut().filter(|_| !line.is_empty()) else { return };
        if told.said.is_empty() || (line.starts_with("---- ") && line.ends_with(" ----")) {
            told.said.push(Said::default());
        }
        if let Some(said) = told.said.last_mut() {
            said.keep(line);
        }
    }

    fn keep_error(&mut self, line: &str) {
        if self.errors.len() < ERRORS {
            self.errors.push(line.to_owned());
        }
    }
}

/// The target, where cargo says that it runs the tests of one.
fn target(line: &str) -> Option<&str> {
    line.strip_prefix("     Running ")
        .filter(|target| target.ends_with(')'))
        .or_else(|| line.strip_prefix("   Doc-tests "))
}

/// Whether it is one of cargo's or the compiler's own.
fn is_error(line: &str) -> bool {
    line.starts_with("error: ") || line.starts_with("error[")
}

/// Whether it is one of a backtrace.
fn is_frame(line: &str) -> bool {
    let bare = line.trim_start();
    let is_numbered = bare.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    bare.len() < line.len() && (is_numbered || bare.starts_with("at "))
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for told in &self.told {
            writeln!(f, "failed in {}: {}", told.target, told.names.join(", "))?;
            for said in &told.said {
                said.first.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
                if said.omitted > 0 {
                    writeln!(f, "    ({} lines more above)", said.omitted)?;
                }
                said.last.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
            }
        }
        self.errors.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if self.told.is_empty() && self.errors.is_empty() {
            writeln!(f, "nothing that tests or cargo say as usual; it stands above")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut failures = Failures::default();
        text.lines().for_each(|line| failures.read(line));
        failures.to_string()
    }

    const RUN: &str = "
     Running tests/a/main.rs (target/debug/deps/a-1)

running 3 tests
test one ... ok
test two ... FAILED
test three ... FAILED

failures:

---- two stdout ----
thread 'two' (7) panicked at tests/a/main.rs:9:5:
wanted 1: found 2
404: not found
Running hooks
stack backtrace:
   0: core::panicking::panic_fmt
             at /rustc/library/core/src/panicking.rs:80:14
   1: a::two
             at ./tests/a/main.rs:9:5
note: Some details are omitted

---- three stdout ----
thread 'three' (8) panicked at tests/a/main.rs:19:5:
here


failures:
    two
    three

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.40s

error: test failed, to rerun pass `-p a --test a`
     Running tests/b.rs (target/debug/deps/b-2)

running 1 test
failures:
test failures: ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.40s
";

    #[test]
    fn what_tests_that_failed_said_is_told_with_their_target_and_without_its_frames() {
        let wanted = "\
failed in tests/a/main.rs (target/debug/deps/a-1): two, three
    ---- two stdout ----
    thread 'two' (7) panicked at tests/a/main.rs:9:5:
    wanted 1: found 2
    404: not found
    Running hooks
    note: Some details are omitted
    ---- three stdout ----
    thread 'three' (8) panicked at tests/a/main.rs:19:5:
    here
error: test failed, to rerun pass `-p a --test a`
";
        assert_eq!(told(RUN), wanted);
    }

    #[test]
    fn one_that_says_much_hides_neither_its_end_nor_the_next() {
        let much = (1..=500).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n") + "\n";
        let text = told(&RUN.replace("wanted 1: found 2\n", &much));
        for wanted in ["a-1): two, three\n", "    line 58\n    (425 lines more above)\n    line 484\n", "    here\n"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }

    #[test]
    fn what_ends_otherwise_is_told_by_what_cargo_says_of_it_or_not_at_all() {
        let killed = "     Running tests/a.rs (target/a)\ntest one ... \nerror: test failed, to rerun pass `-p a`\n\nCaused by:\n";
        assert_eq!(told(killed), "error: test failed, to rerun pass `-p a`\n");
        assert_eq!(told("error[E0308]: mismatched types\n --> src/a.rs\n"), "error[E0308]: mismatched types\n");
        assert_eq!(told("Killed\n"), "nothing that tests or cargo say as usual; it stands above\n");
    }
}
