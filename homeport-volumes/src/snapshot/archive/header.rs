//! Owns the headers of an exported archive: `ustar` blocks, with a pax header before them for what those cannot say.
//! Never knows what a snapshot is, and never reads a header: an import makes the same headers again and compares.

use crate::tree::Timestamp;

/// What everything in a tar file is padded to.
pub(super) const BLOCK: usize = 512;

/// A member of the archive, as its headers describe it.
pub(super) struct Member<'a> {
    /// Its path in the archive, of any bytes but the zero.
    pub path: &'a [u8],
    /// What it is.
    pub kind: MemberKind<'a>,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The time of the last modification.
    pub modified: Timestamp,
    /// Extended attributes, names and values.
    pub xattrs: &'a [(&'a [u8], &'a [u8])],
}

/// What a member is.
pub(super) enum MemberKind<'a> {
    /// A regular file with so many bytes, all of which follow.
    File(u64),
    /// A regular file with holes.
    Sparse(Sparse),
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(&'a [u8]),
    /// Another name of an earlier member.
    HardLink(&'a [u8]),
    /// A FIFO.
    Fifo,
    /// A character device, major and minor.
    Character(u32, u32),
    /// A block device, major and minor.
    Block(u32, u32),
}

/// The sizes of a file with holes.
#[derive(Clone, Copy)]
pub(super) struct Sparse {
    /// Its length with its holes.
    pub real: u64,
    /// How many bytes follow: the map of its data, padded, and the data.
    pub stored: u64,
}

/// Adds the blocks that stand before a member's data.
///
/// A pax header carries what a `ustar` block cannot: long and odd names, nanoseconds, large numbers, extended attributes,
/// sparse files (`GNU.sparse` 1.0). Two members that are equal have equal headers. [spec: STO-34]
pub(super) fn write(member: &Member<'_>, out: &mut Vec<u8>) {
    let mut records = Vec::new();
    let shape = Shape::of(&member.kind);
    let placeholder;
    let name = if let MemberKind::Sparse(sparse) = member.kind {
        record(b"GNU.sparse.major", b"1", &mut records);
        record(b"GNU.sparse.minor", b"0", &mut records);
        record(b"GNU.sparse.name", member.path, &mut records);
        record(b"GNU.sparse.realsize", sparse.real.to_string().as_bytes(), &mut records);
        placeholder = sparse_name(member.path);
        &placeholder
    } else {
        member.path
    };
    if name.len() > 100 || !name.is_ascii() {
        record(b"path", name, &mut records);
    }
    if shape.target.len() > 100 || !shape.target.is_ascii() {
        record(b"linkpath", shape.target, &mut records);
    }
    let (seconds, nanos) = (member.modified.seconds(), member.modified.nanos());
    if nanos != 0 || octal(u64::try_from(seconds).unwrap_or(u64::MAX), 12).is_none() {
        record(b"mtime", decimal(member.modified).as_bytes(), &mut records);
    }
    for (keyword, number, width) in
        [(&b"uid"[..], u64::from(member.uid), 8), (b"gid", u64::from(member.gid), 8), (b"size", shape.stored, 12)]
    {
        if octal(number, width).is_none() {
            record(keyword, number.to_string().as_bytes(), &mut records);
        }
    }
    for (name, value) in member.xattrs {
        record(&xattr_keyword(name), value, &mut records);
    }
    if !records.is_empty() {
        let pax = Ustar { name: b"././@PaxHeader", mode: 0o644, uid: 0, gid: 0, seconds: 0 };
        let of_records = Shape { letter: b'x', target: b"", stored: count(&records), device: None };
        pax.write(&of_records, out);
        out.extend_from_slice(&records);
        pad(records.len(), out);
    }
    let (uid, gid) = (u64::from(member.uid), u64::from(member.gid));
    Ustar { name, mode: u64::from(member.mode), uid, gid, seconds: u64::try_from(seconds).unwrap_or(0) }
        .write(&shape, out);
}

/// Adds the zeros that fill up the block in which `length` bytes end.
pub(super) fn pad(length: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + length.next_multiple_of(BLOCK) - length, 0);
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What the kind of a member puts into its block.
struct Shape<'a> {
    letter: u8,
    target: &'a [u8],
    stored: u64,
    device: Option<(u32, u32)>,
}

impl<'a> Shape<'a> {
    fn of(kind: &MemberKind<'a>) -> Self {
        let bare = |letter| Self { letter, target: b"", stored: 0, device: None };
        match *kind {
            MemberKind::File(size) => Self { stored: size, ..bare(b'0') },
            MemberKind::Sparse(sparse) => Self { stored: sparse.stored, ..bare(b'0') },
            MemberKind::Directory => bare(b'5'),
            MemberKind::Symlink(target) => Self { target, ..bare(b'2') },
            MemberKind::HardLink(target) => Self { target, ..bare(b'1') },
            MemberKind::Fifo => bare(b'6'),
            MemberKind::Character(major, minor) => Self { device: Some((major, minor)), ..bare(b'3') },
            MemberKind::Block(major, minor) => Self { device: Some((major, minor)), ..bare(b'4') },
        }
    }
}

/// The fields of a block that a pax header may have said better.
struct Ustar<'a> {
    name: &'a [u8],
    mode: u64,
    uid: u64,
    gid: u64,
    seconds: u64,
}

impl Ustar<'_> {
    fn write(&self, shape: &Shape<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        text(self.name, 100, out);
        number(self.mode, 8, out);
        number(self.uid, 8, out);
        number(self.gid, 8, out);
        number(shape.stored, 12, out);
        number(self.seconds, 12, out);
        out.extend_from_slice(b"        ");
        out.push(shape.letter);
        text(shape.target, 100, out);
        out.extend_from_slice(b"ustar\x0000");
        text(b"", 64, out);
        let (major, minor) = shape.device.unwrap_or_default();
        number(u64::from(major), 8, out);
        number(u64::from(minor), 8, out);
        text(b"", BLOCK - (out.len() - start), out);
        let sum: u64 = out[start..].iter().map(|byte| u64::from(*byte)).sum();
        let sum = format!("{sum:06o}\0 ");
        out[start + 148..start + 156].copy_from_slice(sum.as_bytes());
    }
}

fn text(bytes: &[u8], width: usize, out: &mut Vec<u8>) {
    let kept = bytes.get(..width).unwrap_or(bytes);
    out.extend_from_slice(kept);
    out.resize(out.len() + width - kept.len(), 0);
}

/// Adds the number in octal, or the highest that there is room for: a pax record has the right one then.
fn number(value: u64, width: usize, out: &mut Vec<u8>) {
    let digits = octal(value, width).unwrap_or_else(|| "7".repeat(width - 1));
    out.extend_from_slice(digits.as_bytes());
    out.push(0);
}

fn octal(value: u64, width: usize) -> Option<String> {
    let digits = format!("{value:0>width$o}", width = width - 1);
    (digits.len() < width).then_some(digits)
}

/// Adds `<length> <keyword>=<value>\n`, where the length counts itself.
fn record(keyword: &[u8], value: &[u8], records: &mut Vec<u8>) {
    let rest = keyword.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(keyword);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn decimal(time: Timestamp) -> String {
    time.to_string()
}

/// `SCHILY.xattr.<name>`; GNU tar reads `%25` and `%3D` for the two bytes that a keyword cannot have.
fn xattr_keyword(name: &[u8]) -> Vec<u8> {
    let mut keyword = b"SCHILY.xattr.".to_vec();
    for byte in name {
        match byte {
            b'%' => keyword.extend_from_slice(b"%25"),
            b'=' => keyword.extend_from_slice(b"%3D"),
            other => keyword.push(*other),
        }
    }
    keyword
}

/// What a program that knows nothing of sparse files unpacks the map and the data as.
fn sparse_name(path: &[u8]) -> Vec<u8> {
    let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = path.split_at(at);
    [directory, b"GNUSparseFile.0/", name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        let rows: [(usize, &str); 4] = [(4, "9 a=xxxx\n"), (5, "11 a=xxxxx\n"), (93, "99 a="), (94, "101 a=")];
        for (length, begins) in rows {
            let mut records = Vec::new();
            record(b"a", &vec![b'x'; length], &mut records);
            let text = String::from_utf8(records).unwrap();
            assert!(text.starts_with(begins), "{text}");
            assert_eq!(text.split(' ').next().unwrap().parse::<usize>().unwrap(), text.len());
        }
    }

    #[test]
    fn a_plain_member_is_one_block_with_a_right_checksum() {
        let mut out = Vec::new();
        let modified = Timestamp::new(1_000_000_000, 0).unwrap();
        let plain = Member {
            path: b"home/a",
            kind: MemberKind::File(5),
            mode: 0o4755,
            uid: 5000,
            gid: 0,
            modified,
            xattrs: &[],
        };
        write(&plain, &mut out);
        assert_eq!(out.len(), BLOCK);
        let header = tar::Header::from_byte_slice(&out);
        assert_eq!(header.path_bytes()[..], b"home/a"[..]);
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.size().unwrap()), (0o4755, 5000, 5));
        assert_eq!((header.mtime().unwrap(), header.entry_type()), (1_000_000_000, tar::EntryType::Regular));
        let sum: u32 = out[..148].iter().chain(&[b' '; 8]).chain(&out[156..]).map(|byte| u32::from(*byte)).sum();
        assert_eq!(header.cksum().unwrap(), sum);
    }

    #[test]
    fn what_a_block_cannot_say_stands_in_a_pax_header() {
        let mut out = Vec::new();
        let long = [b'n'; 300];
        let member = Member {
            path: &long,
            kind: MemberKind::Symlink(b"to\xff"),
            mode: 0o777,
            uid: 4_000_000_000,
            gid: 2_097_152,
            modified: Timestamp::new(-6, 500_000_000).unwrap(),
            xattrs: &[(b"user.a=b%", b"\x00\xff")],
        };
        write(&member, &mut out);
        let mut archive = tar::Archive::new(&out[..]);
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        let found: Vec<_> = entry
            .pax_extensions()
            .unwrap()
            .unwrap()
            .map(|record| record.map(|r| (r.key_bytes().to_vec(), r.value_bytes().to_vec())).unwrap())
            .collect();
        let wanted: [(&[u8], &[u8]); 6] = [
            (b"path", &long),
            (b"linkpath", b"to\xff"),
            (b"mtime", b"-5.500000000"),
            (b"uid", b"4000000000"),
            (b"gid", b"2097152"),
            (b"SCHILY.xattr.user.a%3Db%25", b"\x00\xff"),
        ];
        assert_eq!(found, wanted.map(|(key, value)| (key.to_vec(), value.to_vec())));
    }
}
