//! Owns what is told while an operation runs, and when: a state machine that is given events and the time, and answers
//! with what to write. Pure; never reads a clock, never writes.

use std::time::Duration;

use homeport_core::unit::Bytes;
use homeport_host::progress::Event;

use crate::output::{count, escape, size, span};

/// Nothing is told before: most operations are over by then.
pub(crate) const QUIET: Duration = Duration::from_secs(1);

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A line for each step.
    Lines,
    /// One line that is written over, with the seconds that its step has taken, at most this wide.
    InPlace {
        /// The terminal's width.
        columns: usize,
    },
    /// Warnings alone.
    Warnings,
    /// Warnings alone, each a JSON object.
    Json,
}

/// What is on the screen, and what should be.
#[derive(Debug)]
pub(crate) struct Screen {
    style: Style,
    current: Option<Current>,
    /// The line that stands in place; empty where there is none.
    drawn: String,
}

/// What goes on.
#[derive(Debug)]
struct Current {
    text: String,
    since: Duration,
    told: bool,
    /// How far it is; empty where nothing is counted.
    done: String,
}

impl Screen {
    pub(crate) const fn new(style: Style) -> Self {
        Self { style, current: None, drawn: String::new() }
    }

    /// Whether time alone changes what is told, so that `tick` has to be called.
    pub(crate) fn needs_ticks(&self) -> bool {
        match self.style {
            Style::Lines => self.current.as_ref().is_some_and(|current| !current.told),
            Style::InPlace { .. } => self.current.is_some(),
            Style::Warnings | Style::Json => false,
        }
    }

    /// Hears of an event, this long after the command began.
    pub(crate) fn event(&mut self, event: &Event, now: Duration) -> String {
        let text = match event {
            Event::Warning { text } => return self.warning(text, now),
            Event::WaitingFor { what } => format!("waiting for {what} to end"),
            Event::Step { number, of, text } => format!("step {number} of {of}: {text}"),
            Event::PortSays { text } => format!("the port says: {text}"),
            Event::Work { what, .. } => {
                let done = work(event);
                if let Some(current) = self.current.as_mut().filter(|current| current.text == escape(what)) {
                    current.done = done;
                    return self.tick(now);
                }
                self.current = Some(Current { text: escape(what), since: now, told: false, done });
                return self.tick(now);
            }
            Event::Undoing { text } => format!("taking back: {text}"),
            Event::Resuming { what } => format!("bringing to its end what was cut off: {what}"),
        };
        let text = escape(&text);
        if self.current.as_ref().is_none_or(|current| current.text != text) {
            self.current = Some(Current { text, since: now, told: false, done: String::new() });
        }
        self.tick(now)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Duration) -> String {
        let Some(current) = self.current.as_mut().filter(|_| now >= QUIET) else { return String::new() };
        match self.style {
            Style::Lines if !current.told => {
                current.told = true;
                format!("{}\n", current.text)
            }
            Style::InPlace { columns } => {
                let text = [current.text.as_str(), &current.done].concat();
                let line = in_place(&text, now.saturating_sub(current.since), columns);
                if line == self.drawn {
                    return String::new();
                }
                self.drawn = line;
                format!("\r{}\u{1b}[K", self.drawn)
            }
            Style::Lines | Style::Warnings | Style::Json => String::new(),
        }
    }

    /// Nothing more comes: takes away the line that stands in place.
    pub(crate) fn finish(&mut self) -> String {
        self.current = None;
        self.clear()
    }

    fn clear(&mut self) -> String {
        if std::mem::take(&mut self.drawn).is_empty() { String::new() } else { "\r\u{1b}[K".to_owned() }
    }

    fn warning(&mut self, text: &str, now: Duration) -> String {
        if self.style == Style::Json {
            return serde_json::json!({ "warning": text }).to_string() + "\n";
        }
        format!("{}warning: {}\n{}", self.clear(), escape(text), self.tick(now))
    }
}

/// How far counted work is: `: 1.2 GB of 3.4 GB, 800 entries, 20 s left`.
fn work(event: &Event) -> String {
    let Event::Work { bytes, of_bytes, entries, left, .. } = event else { return String::new() };
    let of = of_bytes.filter(|of| of >= bytes).map(|of| format!(" of {}", size(Bytes::new(of)))).unwrap_or_default();
    let left = left.map(|left| format!(", {} left", span(left))).unwrap_or_default();
    format!(": {}{of}, {}{left}", size(Bytes::new(*bytes)), count(*entries, "entry", "entries"))
}

/// The step with its seconds on one line; the step is cut where the line is too narrow, its seconds are not.
fn in_place(text: &str, taken: Duration, columns: usize) -> String {
    let seconds = format!(" ({} s)", taken.as_secs());
    let room = columns.saturating_sub(1 + seconds.len());
    if text.chars().count() <= room {
        return format!("{text}{seconds}");
    }
    let cut: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{cut}…{seconds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: usize, text: &str) -> Event {
        Event::Step { number, of: 3, text: text.to_owned() }
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_operation_of_less_than_a_second_says_nothing() {
        for style in [Style::Lines, Style::InPlace { columns: 80 }, Style::Warnings, Style::Json] {
            let mut screen = Screen::new(style);
            let mut told = screen.event(&step(1, "make"), at(0));
            told += &screen.event(&step(2, "start"), at(500));
            told += &screen.tick(at(999));
            told += &screen.finish();
            assert_eq!(told, "", "{style:?}");
        }
    }

    #[test]
    fn lines_are_whole_and_each_step_is_told_once() {
        let mut screen = Screen::new(Style::Lines);
        let mut told = screen.event(&step(1, "make"), at(100));
        told += &screen.event(&step(2, "start"), at(200));
        assert!(screen.needs_ticks());
        told += &screen.tick(at(1000));
        assert!(!screen.needs_ticks());
        told += &screen.tick(at(2000));
        told += &screen.event(&step(2, "start"), at(2500));
        told += &screen.event(&Event::PortSays { text: "a\u{1b}[2J".to_owned() }, at(3000));
        told += &screen.event(&Event::Undoing { text: "start".to_owned() }, at(4000));
        told += &screen.finish();
        assert_eq!(
            told, "step 2 of 3: start\nthe port says: a\\u{1b}[2J\ntaking back: start\n",
            "the first step was over before the first second was"
        );
    }

    #[test]
    fn a_terminal_shows_one_line_with_the_seconds_of_the_step() {
        let mut screen = Screen::new(Style::InPlace { columns: 30 });
        assert_eq!(screen.event(&step(1, "make"), at(400)), "");
        assert_eq!(screen.tick(at(1000)), "\rstep 1 of 3: make (0 s)\u{1b}[K");
        assert_eq!(screen.tick(at(1300)), "", "nothing has changed");
        assert_eq!(screen.tick(at(1400)), "\rstep 1 of 3: make (1 s)\u{1b}[K");
        let long = screen.event(&step(2, "wait until the port is ready"), at(2000));
        assert_eq!(long, "\rstep 2 of 3: wait unti… (0 s)\u{1b}[K");
        assert_eq!(screen.finish(), "\r\u{1b}[K");
        assert_eq!(screen.finish(), "");
    }

    #[test]
    fn counted_work_says_how_far_it_is_and_is_one_line_where_nothing_can_be_written_over() {
        let work = |bytes, left| Event::Work {
            what: "read volume `home`".to_owned(),
            bytes,
            of_bytes: Some(2_000_000),
            entries: 1,
            of_entries: None,
            left,
        };
        let mut screen = Screen::new(Style::InPlace { columns: 90 });
        screen.event(&work(0, None), at(0));
        let told = screen.event(&work(1_500_000, Some(Duration::from_secs(5))), at(3000));
        assert_eq!(told, "\rread volume `home`: 1.5 MB of 2.0 MB, 1 entry, 5.0 s left (3 s)\u{1b}[K");
        let mut lines = Screen::new(Style::Lines);
        let told = lines.event(&work(0, None), at(1000)) + &lines.event(&work(1_500_000, None), at(3000));
        assert_eq!(told, "read volume `home`\n");
    }

    #[test]
    fn a_warning_is_always_told_and_never_mixed_with_the_line_in_place() {
        let warning = Event::Warning { text: "odd\nthing".to_owned() };
        let mut screen = Screen::new(Style::InPlace { columns: 80 });
        assert_eq!(screen.event(&warning, at(0)), "warning: odd\\nthing\n");
        screen.event(&step(1, "make"), at(1500));
        assert_eq!(
            screen.event(&warning, at(1600)),
            "\r\u{1b}[Kwarning: odd\\nthing\n\rstep 1 of 3: make (0 s)\u{1b}[K"
        );
        assert_eq!(Screen::new(Style::Warnings).event(&warning, at(0)), "warning: odd\\nthing\n");
        assert_eq!(Screen::new(Style::Json).event(&warning, at(0)), "{\"warning\":\"odd\\nthing\"}\n");
        assert_eq!(Screen::new(Style::Warnings).event(&step(1, "make"), at(5000)), "");
    }

    #[test]
    fn no_line_in_place_is_wider_than_the_terminal() {
        for columns in 0..40 {
            let line = in_place("step 2 of 3: wait until the port is ready", at(12_000), columns);
            assert!(line.chars().count() < columns.max(9), "{columns}: {line}");
        }
    }
}
