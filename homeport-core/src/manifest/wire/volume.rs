//! Owns a volume and its migrations as written.
//! Never holds a rule that needs two fields: those are in `check`.

use crate::manifest::bound::{FORMAT, ID_NUMBER, MODE, MOST, PATH, SUMMARY, form, line, whole};
use crate::manifest::declare::{wire_object, wire_word};

wire_word! {
    /// What losing a volume would mean. [spec: VOL-2]
    pub enum Class {
        /// A person's data: never deleted without approval.
        Data = "data",
        /// Can be made again, at a cost.
        Cache = "cache",
        /// Worth nothing once the port has stopped.
        Scratch = "scratch",
    }
}

wire_word! {
    /// Whether two versions may hold the volume at once. [spec: VOL-2]
    pub enum Access {
        /// Only one container at a time.
        Exclusive = "exclusive",
        /// The old and the new one may overlap.
        Shared = "shared",
    }
}

wire_word! {
    /// When the port writes to the volume. [spec: VOL-62]
    pub enum Writes {
        /// As long as it runs.
        Always = "always",
        /// Until it is ready, and never after that.
        Start = "start",
    }
}

wire_word! {
    /// Whether the volume is part of a snapshot. [spec: VOL-2]
    pub enum Backup {
        /// Always.
        Required = "required",
        /// If the operator does not leave it out.
        Optional = "optional",
        /// Never.
        Never = "never",
    }
}

wire_object! {
    /// A directory of the host that outlives containers. [spec: VOL-2]
    pub struct Volume {
        /// Where it stands in the container.
        pub path: String = form(PATH, 200),
        /// What losing it would mean; `data` where it is not said.
        pub class: Option<Class>,
        /// Whether two versions may hold it at once; `exclusive` where it is not said.
        pub access: Option<Access>,
        /// When the port writes to it; `always` where it is not said.
        pub writes: Option<Writes>,
        /// How its data is laid out.
        pub format: u32 = FORMAT,
        /// The oldest format that this version works with as it is; `format` where it is not said.
        pub min_format: Option<u32> = FORMAT,
        /// The user id that owns the directory.
        pub uid: u32 = ID_NUMBER,
        /// The group id that owns the directory.
        pub gid: u32 = ID_NUMBER,
        /// The directory's mode, four octal digits: `"0700"`.
        pub mode: String = form(MODE, 4),
        /// The port does not start with less.
        pub min_free_bytes: Option<u64> = whole(0, MOST),
        /// The port does not start with fewer.
        pub min_free_inodes: Option<u64> = whole(0, MOST),
        /// Whether it is part of a snapshot; `required` for data, else `never`.
        pub backup: Option<Backup>,
        /// One sentence.
        pub summary: Option<String> = SUMMARY,
    }
}

wire_object! {
    /// One step between two formats of a volume's data. [spec: MAN-14]
    pub struct Migration {
        /// The volume.
        pub volume: String = line(1, 32),
        /// The format before.
        pub from: u32 = FORMAT,
        /// The format after: one more.
        pub to: u32 = FORMAT,
        /// Whether the step can be taken back.
        pub down: bool,
        /// How much space it takes, as a multiple of the data's size, in percent.
        pub space_percent: Option<u32> = whole(0, 1000),
        /// How long it may take.
        pub max_seconds: Option<u32> = whole(1, 604_800),
        /// One sentence.
        pub summary: Option<String> = SUMMARY,
    }
}
