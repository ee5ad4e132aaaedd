//! Owns when a volume has become suspiciously small since the snapshot before: the mark of a disk that was not mounted, or
//! not all of it. Decides only; what follows from an alarm (nothing of the instance is removed until an operator has
//! confirmed it) is the retention's and the host's.

use homeport_core::name::VolumeName;

use crate::store::{Alarm, Measure};

/// How much is in a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The number of entries, the volume's own directory counted.
    pub entries: u64,
    /// The sum of the sizes of regular files, each group of hard links once.
    pub bytes: u64,
}

/// A volume with fewer entries than this, and fewer bytes than [`BYTES_THAT_MATTER`], can shrink without an alarm.
pub const ENTRIES_THAT_MATTER: u64 = 20;

/// See [`ENTRIES_THAT_MATTER`].
pub const BYTES_THAT_MATTER: u64 = 1 << 20;

/// Every alarm that the volumes of a snapshot raise against those of the snapshot before, in the order of `before`.
///
/// A volume that was there before and is not now counts as one with nothing in it. A volume that is new raises none.
/// [spec: STO-26]
pub fn alarms<'a>(
    before: impl IntoIterator<Item = (&'a VolumeName, Extent)>,
    now: impl Fn(&VolumeName) -> Option<Extent>,
) -> Vec<Alarm> {
    let gone = Extent { entries: 0, bytes: 0 };
    let mut alarms = Vec::new();
    for (volume, was) in before {
        let is = now(volume).unwrap_or(gone);
        alarms.extend(shrunk(was, is).map(|(measure, before, now)| Alarm {
            volume: volume.clone(),
            measure,
            before,
            now,
        }));
    }
    alarms
}

fn shrunk(was: Extent, is: Extent) -> impl Iterator<Item = (Measure, u64, u64)> {
    let matters = was.entries >= ENTRIES_THAT_MATTER || was.bytes >= BYTES_THAT_MATTER;
    let halves = move |before: u64, now: u64| matters && now < before.div_ceil(2);
    [(Measure::Entries, was.entries, is.entries), (Measure::Bytes, was.bytes, is.bytes)]
        .into_iter()
        .filter(move |(_, before, now)| halves(*before, *now))
}

/// What an alarm says, in words.
pub fn alarm_text(alarm: &Alarm) -> String {
    let Alarm { volume, measure, before, now } = alarm;
    format!("the volume `{volume}` had {before} {measure} in the snapshot before and has {now} now")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extent(entries: u64, bytes: u64) -> Extent {
        Extent { entries, bytes }
    }

    #[test]
    fn less_than_half_of_what_matters_raises_an_alarm() {
        use Measure::{Bytes, Entries};
        const MIB: u64 = 1 << 20;
        let rows: [(Extent, Extent, &[Measure]); 12] = [
            (extent(1000, 5 * MIB), extent(500, 5 * MIB / 2), &[]),
            (extent(1000, 5 * MIB), extent(499, 5 * MIB / 2), &[Entries]),
            (extent(1000, 5 * MIB), extent(500, 5 * MIB / 2 - 1), &[Bytes]),
            (extent(1000, 5 * MIB), extent(1, 0), &[Entries, Bytes]),
            (extent(19, MIB - 1), extent(1, 0), &[]),
            (extent(20, 0), extent(9, 0), &[Entries]),
            (extent(20, 100), extent(20, 49), &[Bytes]),
            (extent(2, MIB), extent(2, 0), &[Bytes]),
            (extent(21, 0), extent(10, 0), &[Entries]),
            (extent(21, 0), extent(11, 0), &[]),
            (extent(1, 0), extent(1, 0), &[]),
            (extent(u64::MAX, u64::MAX), extent(u64::MAX / 2, u64::MAX), &[Entries]),
        ];
        for (was, is, wanted) in rows {
            assert_eq!(shrunk(was, is).map(|(measure, ..)| measure).collect::<Vec<_>>(), wanted, "{was:?} -> {is:?}");
        }
    }

    #[test]
    fn a_volume_that_is_gone_has_shrunk_and_a_new_one_has_not() {
        let home: VolumeName = "home".parse().unwrap();
        let keys: VolumeName = "keys".parse().unwrap();
        let found = alarms([(&home, extent(40, 10))], |name| (*name == keys).then_some(extent(1, 0)));
        let text: Vec<_> = found.iter().map(alarm_text).collect();
        assert_eq!(
            text,
            [
                "the volume `home` had 40 entries in the snapshot before and has 0 now",
                "the volume `home` had 10 bytes in the snapshot before and has 0 now"
            ]
        );
    }

    proptest! {
        #[test]
        fn what_grows_or_stays_raises_none(entries in any::<u64>(), bytes in any::<u64>(), more in any::<(u64, u64)>()) {
            let now = extent(entries.saturating_add(more.0), bytes.saturating_add(more.1));
            prop_assert_eq!(shrunk(extent(entries, bytes), now).count(), 0);
        }

        #[test]
        fn what_falls_below_half_always_raises_one(entries in 20_u64.., part in 0.0..0.49_f64) {
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a number")]
            let now = (entries as f64 * part) as u64;
            prop_assert_eq!(shrunk(extent(entries, 0), extent(now, 0)).count(), 1);
        }
    }
}
