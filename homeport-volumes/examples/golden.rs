//! Makes a golden store: what the tests of every later release restore. See `spec/golden/README.md`.

#![expect(clippy::unwrap_used, reason = "run by hand, by who makes a release")]

use std::fs;
use std::path::{Path, PathBuf};

use homeport_volumes::store::Compression;

#[path = "../tests/support/keep.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod keep;
#[path = "../tests/support/listing.rs"]
mod listing;
#[path = "../tests/support/odd_tree.rs"]
#[expect(dead_code, reason = "not all of it is needed here")]
mod odd_tree;

/// Too large for a repository, or too deep for its tools.
const WITHOUT: &[&str] = &["deep", "file-large", "file-mebibyte", "file-zeros", "sparse-1-gib"];

fn main() {
    let mut words = std::env::args_os().skip(1);
    let (compression, golden) = match (words.next().as_deref().and_then(|word| word.to_str()), words.next()) {
        (Some("zstd"), Some(golden)) => (Compression::Zstd, PathBuf::from(golden)),
        (Some("none"), Some(golden)) => (Compression::None, PathBuf::from(golden)),
        _ => panic!("wanted: golden zstd|none DIRECTORY"),
    };
    let golden = std::path::absolute(golden).unwrap();
    fs::create_dir(&golden).unwrap();
    let scratch = odd_tree::Scratch::new(&std::env::temp_dir());
    let (home, mail) = (scratch.dir("home"), scratch.dir("mail"));
    odd_tree::make_but(&home, WITHOUT);
    fs::write(mail.join("one"), "a letter\n").unwrap();
    if compression == Compression::Zstd {
        // In pieces, which get small enough.
        fs::write(mail.join("box"), "From a to b, once more\n".repeat(100_000)).unwrap();
    }
    let at = golden.join("store");
    let store = keep::create(&at, compression);
    let volumes: [(&str, &Path); 2] = [("home", &home), ("mail", &mail)];
    list(&golden, 1, volumes);
    keep::snapshot(&store, &volumes);
    fs::rename(mail.join("one"), mail.join("one:2,S")).unwrap();
    fs::write(mail.join("two"), "another letter\n").unwrap();
    fs::remove_dir_all(home.join("name-order")).unwrap();
    list(&golden, 2, volumes);
    keep::snapshot(&store, &volumes);
}

fn list(golden: &Path, sequence: u32, volumes: [(&str, &Path); 2]) {
    for (name, tree) in volumes {
        fs::write(golden.join(format!("{sequence}-{name}.listing")), listing::listing(tree)).unwrap();
    }
}
