//! Owns services, schedules, commands and hooks as written.
//! Never holds a rule that needs two fields: those are in `check`.

use crate::manifest::bound::{ID_NUMBER, SUMMARY, ZONE, form, line, lines, whole};
use crate::manifest::declare::{wire_object, wire_word};

wire_object! {
    /// A service that init runs. [spec: MAN-15]
    pub struct Service {
        /// Whether the port gives up when the service does; `true` where it is not said.
        pub critical: Option<bool>,
        /// The user id that it runs as.
        pub uid: Option<u32> = ID_NUMBER,
        /// One sentence.
        pub summary: Option<String> = SUMMARY,
    }
}

wire_word! {
    /// What happens when a run is due while the last one still goes on. [spec: MAN-16]
    pub enum Overlap {
        /// It is left out, and said.
        Skip = "skip",
        /// It is run afterwards.
        Queue = "queue",
    }
}

wire_object! {
    /// Something that is run at set times. [spec: MAN-16]
    pub struct Schedule {
        /// When, in the five fields of cron.
        pub cron: String = line(1, 200),
        /// The time zone of `cron`; `UTC` where it is not said.
        pub tz: Option<String> = form(ZONE, 64),
        /// The command that is run.
        pub command: String = line(1, 32),
        /// How long a run may take.
        pub max_seconds: Option<u32> = whole(1, 86_400),
        /// What happens when a run is due while the last one still goes on; `skip` where it is not said.
        pub overlap: Option<Overlap>,
        /// Up to how much later a run may start.
        pub jitter_seconds: Option<u32> = whole(0, 86_400),
    }
}

wire_word! {
    /// When a command can be run. [spec: MAN-17]
    pub enum When {
        /// In the running container.
        Running = "running",
        /// While the port is stopped, in a container of its own.
        Stopped = "stopped",
    }
}

wire_object! {
    /// What an operator can ask for. [spec: MAN-17]
    pub struct Command {
        /// One sentence.
        pub summary: String = line(1, 300),
        /// When it can be run; `running` where it is not said.
        pub when: Option<When>,
        /// Whether nothing else may run beside it.
        pub exclusive: Option<bool>,
        /// Whether it deletes or overwrites a person's data.
        pub destructive: Option<bool>,
        /// The names of its arguments, for help.
        #[serde(default)]
        pub args: Vec<String> = lines(32, 64),
        /// How long it may take.
        pub max_seconds: Option<u32> = whole(1, 86_400),
    }
}

wire_object! {
    /// Commands that the host runs at certain moments. [spec: MAN-18]
    pub struct Hooks {
        /// Before a snapshot of the running port.
        pub freeze: Option<String> = line(1, 32),
        /// After a snapshot of the running port.
        pub thaw: Option<String> = line(1, 32),
        /// After a restore, before the port runs.
        pub post_restore: Option<String> = line(1, 32),
        /// When the self-test asks the port to prove itself.
        pub selftest: Option<String> = line(1, 32),
    }
}
