//! Reads which shared libraries a program wants, so that a package left out by mistake is found at build time.
//! Never reads more of a program than that.

/// The libraries that a 64-bit little-endian ELF file names, and whether it brings a search path of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    /// The names of the libraries, for example `libc.so.6`.
    pub(super) needed: Vec<String>,
    /// Whether it has a `RUNPATH` or `RPATH`.
    pub(super) own_path: bool,
}

const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;

/// What a file wants; `None` for what is no such ELF file or is statically linked.
pub(super) fn wants(file: &[u8]) -> Option<Wants> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(u64_at(file, 32)?).ok()?;
    let (size, count) = (usize::from(u16_at(file, 54)?), usize::from(u16_at(file, 56)?));
    let segments: Vec<&[u8]> = (0..count).map_while(|at| file.get(table.checked_add(at * size)?..)).collect();
    let dynamic = segments.iter().find(|segment| u32_at(segment, 0) == Some(PT_DYNAMIC))?;
    let start = usize::try_from(u64_at(dynamic, 8)?).ok()?;
    let length = usize::try_from(u64_at(dynamic, 32)?).ok()?;
    let entries = file.get(start..start.checked_add(length)?)?;
    let entries: Vec<(u64, u64)> =
        entries.chunks_exact(16).map_while(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 8)?))).collect();
    let (_, address) = *entries.iter().find(|(tag, _)| *tag == DT_STRTAB)?;
    // The table is named by its address in memory: the segment that holds it says where in the file that is.
    let offset = segments.iter().filter(|segment| u32_at(segment, 0) == Some(PT_LOAD)).find_map(|segment| {
        let (at, memory, length) = (u64_at(segment, 8)?, u64_at(segment, 16)?, u64_at(segment, 32)?);
        let within = address.checked_sub(memory).filter(|within| *within < length)?;
        usize::try_from(at.checked_add(within)?).ok()
    })?;
    let text = |at: u64| {
        let bytes = file.get(offset.checked_add(usize::try_from(at).ok()?)?..)?;
        let end = bytes.iter().position(|b| *b == 0)?;
        String::from_utf8(bytes[..end].to_vec()).ok()
    };
    Some(Wants {
        needed: entries.iter().filter(|(tag, _)| *tag == DT_NEEDED).filter_map(|(_, at)| text(*at)).collect(),
        own_path: entries.iter().any(|(tag, _)| matches!(*tag, DT_RPATH | DT_RUNPATH)),
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_program_of_this_machine_wants_the_c_library() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let wants = wants(&own).unwrap();
        assert!(wants.needed.iter().any(|name| name == "libc.so.6"), "{wants:?}");
    }

    #[test]
    fn what_is_no_program_wants_nothing() {
        for file in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x01\x01", b"\x7fELF\x02\x01\x01"] {
            assert_eq!(wants(file), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_stop_the_reader(mut bytes: Vec<u8>, head in any::<[u8; 64]>()) {
            bytes.splice(0..0, head);
            bytes.splice(0..6, *b"\x7fELF\x02\x01");
            let _any = wants(&bytes);
        }
    }
}
