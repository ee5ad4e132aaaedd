//! Owns how the files of a snapshot are told, one a line: columns of fixed width or JSON lines, so that nothing has to wait
//! for the last one.

use homeport_host::operation::{ListedFile, ListedKind};

use super::Format;
use super::amount::moment;
use super::page::escape;

/// The line of one file, with its line feed.
pub(crate) fn file_line(format: Format, file: &ListedFile) -> serde_json::Result<String> {
    Ok(match format {
        Format::Text => escape(&text(file)) + "\n",
        Format::Json => serde_json::to_string(file)? + "\n",
    })
}

fn text(file: &ListedFile) -> String {
    let none = || "-".to_owned();
    let owner = file.uid.zip(file.gid).map_or_else(none, |(uid, gid)| format!("{uid}:{gid}"));
    let size = file.size.map_or_else(none, |size| size.get().to_string());
    let target = match (&file.target, file.kind) {
        (Some(target), ListedKind::HardLink) => format!(" = {target}"),
        (Some(target), _) => format!(" -> {target}"),
        (None, _) => String::new(),
    };
    format!(
        "{} {:4} {owner:>11} {size:>13} {:23} {} {}{target}",
        letter(file.kind),
        file.mode.as_deref().unwrap_or("-"),
        file.modified.as_ref().map_or_else(none, moment),
        file.volume,
        file.path
    )
}

/// The letters of `ls -l`; `h` is a further name.
const fn letter(kind: ListedKind) -> char {
    match kind {
        ListedKind::Directory => 'd',
        ListedKind::File => '-',
        ListedKind::HardLink => 'h',
        ListedKind::Symlink => 'l',
        ListedKind::Fifo => 'p',
        ListedKind::Socket => 's',
        ListedKind::Character => 'c',
        ListedKind::Block => 'b',
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::unit::Bytes;
    use homeport_host::request::TreePath;

    use super::*;

    #[test]
    fn a_file_is_one_line_whatever_it_is_called() {
        let file = ListedFile {
            volume: "home".parse().unwrap(),
            path: TreePath::from_bytes(&b"a b\n\x1b/\xff"[..]).unwrap(),
            kind: ListedKind::File,
            mode: Some("0640".to_owned()),
            uid: Some(1000),
            gid: Some(100),
            size: Some(Bytes::new(12_345)),
            modified: Some("2026-01-02T03:04:05.000Z".parse().unwrap()),
            target: None,
        };
        let further = ListedFile {
            kind: ListedKind::HardLink,
            mode: None,
            uid: None,
            gid: None,
            size: None,
            modified: None,
            target: Some("first".to_owned()),
            ..file.clone()
        };
        let link =
            ListedFile { kind: ListedKind::Symlink, size: None, target: Some("/etc".to_owned()), ..file.clone() };
        let lines = |format| [&file, &further, &link].map(|one| file_line(format, one).unwrap()).concat();
        insta::assert_snapshot!(lines(Format::Text) + &lines(Format::Json), @r#"
        - 0640    1000:100         12345 2026-01-02 03:04:05 UTC home a\040b\012\033/\377
        h -              -             - -                       home a\040b\012\033/\377 = first
        l 0640    1000:100             - 2026-01-02 03:04:05 UTC home a\040b\012\033/\377 -> /etc
        {"volume":"home","path":"a\\040b\\012\\033/\\377","kind":"file","mode":"0640","uid":1000,"gid":100,"size":12345,"modified":"2026-01-02T03:04:05.000Z","target":null}
        {"volume":"home","path":"a\\040b\\012\\033/\\377","kind":"hard_link","mode":null,"uid":null,"gid":null,"size":null,"modified":null,"target":"first"}
        {"volume":"home","path":"a\\040b\\012\\033/\\377","kind":"symlink","mode":"0640","uid":1000,"gid":100,"size":null,"modified":"2026-01-02T03:04:05.000Z","target":"/etc"}
        "#);
    }
}
