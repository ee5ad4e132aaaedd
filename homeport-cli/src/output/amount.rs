//! Owns how sizes, counts and times are said to people. Pure.

use std::time::Duration;

use homeport_core::unit::Bytes;

/// A size in the unit in which it is easiest to read, with the exact number where that is another.
pub(crate) fn size(bytes: Bytes) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let exact = bytes.get();
    if exact < 1000 {
        return format!("{exact} B");
    }
    let (mut whole, mut tenths, mut unit) = (exact, 0, 0);
    for step in 0..UNITS.len() {
        if whole < 1000 {
            break;
        }
        (tenths, whole, unit) = (whole % 1000 / 100, whole / 1000, step);
    }
    format!("{whole}.{tenths} {}", UNITS[unit])
}

/// A number of things: `1 entry`, `2 entries`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Entries and the bytes of their files.
pub(crate) fn extent(entries: u64, bytes: Bytes) -> String {
    format!("{}, {}", count(entries, "entry", "entries"), size(bytes))
}

/// A span of time, to two units: `1 h 20 min`, `45 s`, `0.8 s`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{}.{} s", seconds, span.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How often something is done, after `every`: `day`, `6 h`, `90 min`.
pub(crate) fn interval(seconds: u32) -> String {
    const UNITS: [(u32, &str, &str); 4] =
        [(7 * 86_400, "week", "weeks"), (86_400, "day", "days"), (3_600, "hour", "h"), (60, "minute", "min")];
    match UNITS.iter().find(|(unit, ..)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, one, _)) if seconds == *unit => (*one).to_owned(),
        Some((unit, _, many)) => format!("{} {many}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

/// A moment to the second, as people read it.
pub(crate) fn moment(time: &homeport_host::ledger::Time) -> String {
    let text = time.as_str();
    text.get(..19).map_or_else(|| text.to_owned(), |text| text.replacen('T', " ", 1) + " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_cut_and_never_rounded_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1999, "1.9 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (2_150_000_000, "2.1 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(Bytes::new(bytes)), text, "{bytes}");
        }
    }

    #[test]
    fn an_interval_is_said_in_its_largest_whole_unit() {
        for (seconds, text) in [
            (604_800, "week"),
            (1_209_600, "2 weeks"),
            (86_400, "day"),
            (172_800, "2 days"),
            (90_000, "25 h"),
            (21_600, "6 h"),
            (3_600, "hour"),
            (5_400, "90 min"),
            (60, "minute"),
            (61, "61 s"),
        ] {
            assert_eq!(interval(seconds), text);
        }
    }

    #[test]
    fn a_span_has_two_units_at_most() {
        for (milliseconds, text) in [
            (0, "0.0 s"),
            (850, "0.8 s"),
            (9_999, "9.9 s"),
            (59_000, "59 s"),
            (61_000, "1 min 1 s"),
            (4_800_000, "1 h 20 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), text);
        }
    }
}
