//! Owns the number by which one HomePort's packets are told, and the rules that go by it, as text. Pure.

use std::fmt;

use crate::ledger::RootId;

/// Marks the packets of one HomePort, and numbers its table of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u32);

impl Mark {
    /// The upper half of every mark, which no well-known program uses: `HP`.
    const UPPER: u32 = 0x4850_0000;

    /// The mark of this HomePort. Two of 65,536 have the same; what is of one then serves both, until one takes it away, and the
    /// other makes it again at its next look.
    pub fn of(root: &RootId) -> Self {
        let folded =
            root.to_string().bytes().fold(0x811c_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0101));
        Self(Self::UPPER | (folded & 0xffff))
    }

    /// The name of the table of packet rules.
    pub(super) fn table(self) -> String {
        format!("homeport-way-back-{:04x}", self.0 & 0xffff)
    }

    /// What makes the table of packet rules, in place of one that is there: all of it, or nothing.
    pub(super) fn script(self) -> String {
        let (table, mark) = (self.table(), self);
        format!(
            "table inet {table}\n\
             delete table inet {table}\n\
             table inet {table} {{\n\
             \tchain arriving {{\n\
             \t\ttype filter hook prerouting priority mangle; policy accept;\n\
             \t\tmeta l4proto {{ tcp, udp }} meta mark 0 socket transparent 1 meta mark set {mark}\n\
             \t}}\n\
             }}\n"
        )
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_one_homeport_and_stays() {
        let mark = |text: &str| Mark::of(&text.parse().unwrap()).to_string();
        let one = mark("1f3c5a7b");
        assert!(one.starts_with("0x4850") && one.len() == 10, "{one}");
        assert_eq!(one, mark("1f3c5a7b"));
        assert_ne!(one, mark("1f3c5a7c"));
    }
}
