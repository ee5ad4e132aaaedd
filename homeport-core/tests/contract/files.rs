//! Owns finding the files of `spec/`. A folder without any is a failure, so that no test passes by finding nothing.

use std::path::{Path, PathBuf};

/// `spec/` of this workspace.
pub(crate) fn spec_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")
}

/// Every file in `spec/<dir>` with this ending, in the order of names.
pub(crate) fn files(dir: &str, ending: &str) -> Vec<PathBuf> {
    let dir = spec_dir().join(dir);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no .{ending} files", dir.display());
    files
}

/// The file's name without its ending, for messages.
pub(crate) fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// Says every broken vector at once, not the first.
pub(crate) fn report(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}
