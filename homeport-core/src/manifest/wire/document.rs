//! Owns the manifest as a whole and what the port says of itself, as written.
//! Never holds a rule that needs two fields: those are in `check`.

use std::collections::BTreeMap;

use super::{
    Command, Endpoint, Health, Hooks, Key, Logs, Migration, Privileges, Reload, Resources, Schedule, Service, Stop,
    Upgrade, Volume,
};
use crate::manifest::bound::{ID, KEY, NAME, PROTOCOL, SUMMARY, form, items, line, lines, members};
use crate::manifest::declare::wire_object;

wire_object! {
    /// A port's manifest, `/port/manifest.json`. [spec: MAN-4]
    free "x-"
    pub struct Manifest {
        /// The protocol version that the port is written for, `MAJOR.MINOR`.
        pub protocol: String = form(PROTOCOL, 11),
        /// What the port is.
        pub port: Port,
        /// The configuration keys, by name.
        #[serde(default)]
        pub config: BTreeMap<String, Key> = members(KEY, 64, 200),
        /// The volumes, by name.
        #[serde(default)]
        pub volumes: BTreeMap<String, Volume> = members(NAME, 32, 32),
        /// The steps between formats of a volume's data.
        #[serde(default)]
        pub migrations: Vec<Migration> = items(1000),
        /// What the port listens on, by name.
        #[serde(default)]
        pub endpoints: BTreeMap<String, Endpoint> = members(NAME, 32, 64),
        /// The services that init runs, by name: for messages; how to run them is init's own business.
        #[serde(default)]
        pub services: BTreeMap<String, Service> = members(NAME, 32, 64),
        /// What is run at set times, by name.
        #[serde(default)]
        pub schedules: BTreeMap<String, Schedule> = members(NAME, 32, 64),
        /// What an operator can ask for, by name.
        #[serde(default)]
        pub commands: BTreeMap<String, Command> = members(NAME, 32, 100),
        /// Commands that the host runs at certain moments.
        pub hooks: Option<Hooks>,
        /// How long things may take before the port counts as not working.
        pub health: Option<Health>,
        /// How the port stops.
        pub stop: Option<Stop>,
        /// Whether the port takes new configuration while it runs.
        pub reload: Option<Reload>,
        /// What the port's log looks like.
        pub logs: Option<Logs>,
        /// What the port needs of the machine.
        pub resources: Option<Resources>,
        /// What the port may do beyond an ordinary process.
        pub privileges: Option<Privileges>,
        /// From which versions one can go up to this one.
        pub upgrade: Option<Upgrade>,
    }
}

wire_object! {
    /// What the port is. [spec: MAN-5]
    pub struct Port {
        /// The port's id, the same in every version.
        pub id: String = form(ID, 32),
        /// The port's own version, by semantic versioning 2.0.
        pub version: String = line(1, 64),
        /// A few words.
        pub title: String = line(1, 80),
        /// One sentence.
        pub summary: Option<String> = SUMMARY,
        /// The licence of what is in the image, an SPDX expression.
        pub license: Option<String> = line(1, 200),
        /// Where the port's source is.
        pub source: Option<String> = line(1, 300),
        /// Who makes it.
        #[serde(default)]
        pub authors: Vec<String> = lines(20, 200),
    }
}
