//! Owns `cargo xtask tidy`: rules of this repository that the compiler does not know. Reads every file that git would
//! commit, asks each rule, says every complaint. Never changes a file.

mod bad_input;
mod clause;
mod code;
mod edge;
mod file;
mod form;
mod loss;
mod numbered;
mod requirement;
mod word;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::say;
use file::{Complaint, File};

/// Asks every rule; a failure says how many complaints there are.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = files(&root)?;
    let mut complaints: Vec<Complaint> = files.iter().flat_map(form::check).collect();
    complaints.extend(files.iter().flat_map(word::check));
    complaints.extend(word::check_message(&output(&root, "git", &["log", "--format=%B"])?));
    complaints.extend(clause::check(&files));
    complaints.extend(requirement::check(&files));
    complaints.extend(loss::check(&files));
    complaints.extend(bad_input::check(&files));
    complaints.extend(code::check(&files));
    let metadata = output(&root, "cargo", &["metadata", "--format-version", "1", "--no-deps", "--offline"])?;
    let declared = edge::declared(&metadata)?;
    complaints.extend(edge::check_declared(&declared));
    for name in edge::linked_alone(&declared) {
        let tree = output(&root, "cargo", &["tree", "--offline", "-p", name, "-e", "normal", "--prefix", "none"])?;
        complaints.extend(edge::check_linked(name, &tree));
    }
    complaints.sort();
    complaints.dedup();
    for complaint in &complaints {
        say::warning(complaint);
    }
    if !complaints.is_empty() {
        bail!("{} complaints in {} files", complaints.len(), files.len());
    }
    say::line(format!("{} files are tidy", files.len()));
    Ok(())
}

/// Every file that git knows or would add, that is text.
fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let list = output(root, "git", &["ls-files", "--cached", "--others", "--exclude-standard", "-z"])?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let full: PathBuf = root.join(path);
        match std::fs::read(&full) {
            Ok(bytes) => {
                if let Ok(text) = String::from_utf8(bytes) {
                    files.push(File::new(path, text));
                }
            }
            // Deleted but not yet committed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read `{path}`")),
        }
    }
    Ok(files)
}

fn output(root: &Path, program: &str, args: &[&str]) -> anyhow::Result<String> {
    let shown = || format!("`{program} {}`", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot run {}", shown()))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed other than text", shown()))
}
