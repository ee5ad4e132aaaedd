//! Owns the JSON Schemas in `spec/schema/`: writes them from the wire types, or says where the committed ones differ.
//! Never changes what a schema says: that is homeport-core's.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::say;

/// Whether schemas are written or only compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are written.
    Write,
    /// They are compared; a difference is a failure.
    Check,
}

/// Writes or compares every schema below the workspace's root.
pub(crate) fn run(mode: Mode) -> anyhow::Result<()> {
    let schemas = [("spec/schema/manifest.json", homeport_core::manifest::schema())];
    let mut stale = 0;
    for (name, schema) in schemas {
        let path = root().join(name);
        let text = render(&schema)?;
        let found = match std::fs::read_to_string(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{name}`")),
        };
        if found == text {
            say::line(format!("{name} is what the types make"));
            continue;
        }
        match mode {
            Mode::Write => {
                write(&path, &text).with_context(|| format!("cannot write `{name}`"))?;
                say::line(format!("{name} written"));
            }
            Mode::Check => {
                stale += 1;
                say::warning(format!("{name} differs (- committed, + made)\n{}", difference(&found, &text)));
            }
        }
    }
    if stale > 0 {
        bail!("{stale} schemas are out of date: run `cargo xtask schema` and commit what it writes");
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, text)
}

/// The schema as it is committed: indented, with a line break at the end.
fn render(schema: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(schema).context("cannot write the schema as text")? + "\n")
}

/// The lines that differ, with what both sides share at the beginning and the end left out but for three lines.
fn difference(found: &str, made: &str) -> String {
    const AROUND: usize = 3;
    let found: Vec<&str> = found.lines().collect();
    let made: Vec<&str> = made.lines().collect();
    let head = found.iter().zip(&made).take_while(|(a, b)| a == b).count();
    let tail = found[head..].iter().rev().zip(made[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut lines = vec![format!("@@ line {} @@", head + 1)];
    let from = head.saturating_sub(AROUND);
    lines.extend(found[from..head].iter().map(|line| format!(" {line}")));
    lines.extend(found[head..found.len() - tail].iter().map(|line| format!("-{line}")));
    lines.extend(made[head..made.len() - tail].iter().map(|line| format!("+{line}")));
    lines.extend(made[made.len() - tail..].iter().take(AROUND).map(|line| format!(" {line}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_both_sides_and_a_little_around() {
        assert_eq!(difference("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nX\ne\nf\n"), "@@ line 4 @@\n a\n b\n c\n-d\n+X\n e\n f");
        assert_eq!(difference("", "a\n"), "@@ line 1 @@\n+a");
        assert_eq!(difference("a\nb\n", "a\n"), "@@ line 2 @@\n a\n-b");
        assert_eq!(difference("a\na\n", "a\na\na\n"), "@@ line 3 @@\n a\n a\n+a");
    }

    #[test]
    fn the_text_ends_with_a_line_break() {
        assert!(render(&serde_json::json!({})).unwrap().ends_with("}\n"));
    }
}
