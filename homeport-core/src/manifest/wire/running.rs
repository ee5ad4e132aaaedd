//! Owns how long things may take, what the log looks like and what the port needs of the machine, as written.
//! Never holds a rule that needs two fields: those are in `check`.

use crate::manifest::bound::{MOST, line, lines, whole};
use crate::manifest::declare::{wire_object, wire_word};

wire_object! {
    /// How long things may take. [spec: MAN-19]
    pub struct Health {
        /// From the start to ready; 60 where it is not said.
        pub ready_seconds: Option<u32> = whole(1, 3600),
        /// The time between two signs of life.
        pub watchdog_seconds: Option<u32> = whole(1, 3600),
    }
}

wire_object! {
    /// How the port stops. [spec: ENT-33]
    pub struct Stop {
        /// From the signal to the end; 10 where it is not said.
        pub timeout_seconds: Option<u32> = whole(3, 3600),
    }
}

wire_object! {
    /// Whether the port takes new configuration while it runs. [spec: ENT-34]
    pub struct Reload {
        /// Whether it does.
        pub supported: bool,
        /// How long it may take; 10 where it is not said.
        pub timeout_seconds: Option<u32> = whole(1, 3600),
    }
}

wire_word! {
    /// What a line of the log is. [spec: MAN-20]
    pub enum LogFormat {
        /// Text.
        Text = "text",
        /// A JSON object.
        Jsonl = "jsonl",
    }
}

wire_object! {
    /// What the port's log looks like. [spec: MAN-20]
    pub struct Logs {
        /// What a line is; `text` where it is not said.
        pub format: Option<LogFormat>,
        /// Whether the port writes to `/dev/log`.
        pub syslog: Option<bool>,
    }
}

wire_object! {
    /// What the port needs of the machine. [spec: MAN-21]
    pub struct Resources {
        /// The port does not start with less; the limit where no other is set.
        pub memory_min_bytes: Option<u64> = whole(0, MOST),
        /// The memory limit where the operator sets none.
        pub memory_recommended_bytes: Option<u64> = whole(0, MOST),
        /// The most processes; 256 where it is not said.
        pub pids_max: Option<u32> = whole(8, 32_768),
        /// The most open files of a process; 4096 where it is not said.
        pub nofile: Option<u32> = whole(64, 1_048_576),
        /// The size of `/dev/shm`.
        pub shm_bytes: Option<u64> = whole(0, MOST),
    }
}

wire_object! {
    /// From which versions one can go up to this one. [spec: MAN-24]
    pub struct Upgrade {
        /// A range of versions; every older one where it is not said.
        pub from: Option<String> = line(1, 100),
        /// What an operator should know, one sentence each.
        #[serde(default)]
        pub notes: Vec<String> = lines(20, 300),
    }
}
