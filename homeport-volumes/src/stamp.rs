//! Owns the extended attribute by which `data/` says whose data it is. Never judges what it says. [spec: VOL-7]

use std::os::fd::AsFd;

use homeport_core::unit::Format;
use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::facts::StampFact;
use crate::identity::VolumeUuid;
use crate::layout::STAMP;

/// Reads the attribute; `data` is open for reading.
pub(crate) fn read(data: impl AsFd) -> Result<StampFact, Errno> {
    let mut buffer = [0_u8; 256];
    match rustix::fs::fgetxattr(data, STAMP, &mut buffer[..]) {
        Ok(length) => Ok(parse(&String::from_utf8_lossy(&buffer[..length]))),
        Err(Errno::NODATA) => Ok(StampFact::Absent),
        Err(Errno::NOTSUP) => Ok(StampFact::Unsupported),
        Err(Errno::RANGE) => Ok(StampFact::Strange("longer than 256 bytes".to_owned())),
        Err(error) => Err(error),
    }
}

/// Writes the attribute where the file system can have it. A file system without is no fault: the marker decides.
pub(crate) fn write(data: impl AsFd, uuid: VolumeUuid, format: Format) -> Result<(), Errno> {
    match rustix::fs::fsetxattr(data, STAMP, format!("{uuid}:{format}").as_bytes(), XattrFlags::empty()) {
        Ok(()) | Err(Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> StampFact {
    let read = || {
        let (uuid, format) = text.split_once(':')?;
        let number: u32 = format.parse().ok().filter(|n: &u32| n.to_string() == format)?;
        Some(StampFact::Stamp { uuid: uuid.parse().ok()?, format: Format::new(number) })
    };
    read().unwrap_or_else(|| StampFact::Strange(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_one_spelling() {
        let text = "0f0e0d0c-0b0a-4988-8776-655443322110";
        let stamp = StampFact::Stamp { uuid: text.parse().unwrap(), format: Format::new(3) };
        assert_eq!(parse(&format!("{text}:3")), stamp);
        for bad in ["", text, &format!("{text}:"), &format!("{text}:03"), &format!("{text}:-1"), "x:3"] {
            assert_eq!(parse(bad), StampFact::Strange(bad.to_owned()), "{bad}");
        }
    }
}
