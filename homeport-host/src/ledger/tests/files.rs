//! The file itself: its mode, its absence, another version, another program's, damage, readers beside a writer.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use homeport_core::fault::Advice as _;

use super::sample::{Root, event, instance, now};
use crate::ledger::*;

/// Every file of the state directory but the lock, with its bytes.
fn files(root: &Root) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(root.layout.state_dir())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "lock")
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Makes a ledger with one instance and closes it, so that all is in the one file.
fn filled() -> Root {
    let root = Root::new();
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    writer.create_root(&now()).unwrap();
    writer.put_instance(&instance("alice")).unwrap();
    root
}

fn edit(file: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn reading_where_no_ledger_is_finds_nothing_and_makes_nothing() {
    let root = Root::new();
    let ledger = root.ledger();
    assert_eq!(ledger.root_id().unwrap(), None);
    assert_eq!(ledger.instances().unwrap(), []);
    assert_eq!(ledger.open_operation().unwrap(), None);
    assert_eq!(files(&root), []);
    fs::write(root.layout.ledger_file(), "").unwrap();
    assert_eq!(root.ledger().instances().unwrap(), []);
    assert_eq!(files(&root), [("ledger.sqlite".to_owned(), Vec::new())]);
}

#[test]
fn the_file_and_its_log_are_closed_to_others_and_fully_synced() {
    let root = filled();
    fs::set_permissions(root.layout.ledger_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    writer.append_event(&event("written")).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", root.layout.ledger_file().display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{path}");
    }
    let connection = writer.connection().unwrap();
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!([number("synchronous"), number("foreign_keys"), number("secure_delete")], [2, 1, 1]);
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_file_that_is_not_ours_to_write_is_refused_and_stays_as_it_is() {
    let newer = schema::NEWEST + 1;
    let rows: [(&str, &str, String); 5] = [
        (
            "newer",
            "HP-LED-002",
            format!("was written by a newer HomePort: found schema {newer}, wanted at most {}", newer - 1),
        ),
        ("foreign", "HP-LED-003", "is no ledger of HomePort: found application id 0x7, wanted 0x486d5074".into()),
        ("tables of another", "HP-LED-003", "is no ledger of HomePort: found application id 0x0".into()),
        ("no database", "HP-LED-001", "is damaged: file is not a database".into()),
        ("version gone", "HP-LED-001", "is damaged: schema 0 in a ledger".into()),
    ];
    for (case, code, text) in rows {
        let root = filled();
        let file = root.layout.ledger_file();
        match case {
            "newer" => edit(&file, &format!("PRAGMA user_version = {newer}")),
            "foreign" => edit(&file, "PRAGMA application_id = 7"),
            "tables of another" => edit(&file, "PRAGMA application_id = 0"),
            "version gone" => edit(&file, "PRAGMA user_version = 0"),
            _ => fs::write(&file, "x".repeat(5000)).unwrap(),
        }
        let before = fs::read(&file).unwrap();
        let lock = root.lock();
        for error in [LedgerWriter::open(&lock).unwrap_err(), Ledger::open(&root.layout).unwrap_err()] {
            assert_eq!(error.code(), code, "{case}: {error}");
            assert!(error.to_string().contains(&text), "{case}: {error}");
            assert!(error.to_string().contains(file.to_str().unwrap()), "{case}: {error}");
            assert!(error.help().unwrap().starts_with("Nothing was written to it"), "{case}");
        }
        assert!(fs::read(&file).unwrap() == before, "{case}: the file has changed");
    }
}

#[test]
fn damage_in_any_page_is_found_before_anything_is_written() {
    let pages = {
        let root = filled();
        fs::metadata(root.layout.ledger_file()).unwrap().len() / 4096
    };
    let mut found = 0;
    for page in 0..pages {
        let root = filled();
        let file = root.layout.ledger_file();
        let mut bytes = fs::read(&file).unwrap();
        let start = usize::try_from(page).unwrap() * 4096 + if page == 0 { 100 } else { 0 };
        bytes[start..start + 64].fill(0xaa);
        fs::write(&file, &bytes).unwrap();
        let lock = root.lock();
        let error = LedgerWriter::open(&lock).unwrap_err();
        assert_eq!(error.code(), "HP-LED-001", "page {page}: {error}");
        assert!(fs::read(&file).unwrap() == bytes, "page {page}");
        found += 1;
    }
    assert!(found > 10, "{found}");
}

#[test]
fn a_truncated_file_and_a_value_that_cannot_be_are_errors() {
    let root = filled();
    let file = root.layout.ledger_file();
    edit(&file, "UPDATE instance SET image = 'sha256:12'");
    let error = root.ledger().instances().unwrap_err();
    assert_eq!(error.code(), "HP-LED-007");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("`sha256:12` is not a digest"), "{cause}");

    let length = fs::metadata(&file).unwrap().len();
    fs::File::options().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
    let lock = root.lock();
    assert_eq!(LedgerWriter::open(&lock).unwrap_err().code(), "HP-LED-001");
}

#[test]
fn a_link_or_directory_in_the_place_of_the_ledger_is_refused() {
    let root = Root::new();
    let lock = root.lock();
    let elsewhere = root.layout.run_dir().join("elsewhere");
    symlink(&elsewhere, root.layout.ledger_file()).unwrap();
    assert_eq!(LedgerWriter::open(&lock).unwrap_err().code(), "HP-LED-004");
    assert_eq!(Ledger::open(&root.layout).unwrap_err().code(), "HP-LED-004");
    assert!(!elsewhere.exists());
    fs::remove_file(root.layout.ledger_file()).unwrap();
    fs::create_dir(root.layout.ledger_file()).unwrap();
    assert_eq!(LedgerWriter::open(&lock).unwrap_err().code(), "HP-LED-004");
    assert_eq!(Ledger::open(&root.layout).unwrap_err().code(), "HP-LED-004");
}

#[test]
fn a_writer_that_a_foreign_tool_keeps_out_says_so_and_leaves_nothing() {
    let root = filled();
    let lock = root.lock();
    let mut writer = LedgerWriter::open(&lock).unwrap();
    writer.connection().unwrap().busy_timeout(std::time::Duration::from_millis(20)).unwrap();
    let tool = rusqlite::Connection::open(root.layout.ledger_file()).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = writer.put_instance(&instance("bob")).unwrap_err();
    assert_eq!(error.code(), "HP-LED-006", "{error}");
    tool.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.instances().unwrap().len(), 1);
    assert_eq!(writer.put_instance(&instance("bob")).unwrap(), Change::Changed);
}
