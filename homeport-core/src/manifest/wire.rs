//! Owns the manifest as it is written: names, types and nothing more. The JSON Schema is made from these types.
//! Never holds a rule that needs two fields: those are in `check`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read::{wire_object, wire_word};

wire_object! {
    /// A port's manifest, `/port/manifest.json`. [spec: MAN-4]
    free "x-"
    pub struct Manifest {
        /// The protocol version that the port is written for, `MAJOR.MINOR`.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$")))]
        pub protocol: String,
        /// What the port is.
        pub port: Port,
        /// The configuration keys, by name.
        #[serde(default)]
        pub config: BTreeMap<String, Key>,
        /// The volumes, by name.
        #[serde(default)]
        pub volumes: BTreeMap<String, Volume>,
        /// The steps between formats of a volume's data.
        #[serde(default)]
        pub migrations: Vec<Migration>,
        /// What the port listens on, by name.
        #[serde(default)]
        pub endpoints: BTreeMap<String, Endpoint>,
        /// The services that init runs, by name: for messages; how to run them is init's own business.
        #[serde(default)]
        pub services: BTreeMap<String, Service>,
        /// What is run at set times, by name.
        #[serde(default)]
        pub schedules: BTreeMap<String, Schedule>,
        /// What an operator can ask for, by name.
        #[serde(default)]
        pub commands: BTreeMap<String, Command>,
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
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])$")))]
        pub id: String,
        /// The port's own version, by semantic versioning 2.0.
        pub version: String,
        /// A few words.
        #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 80)))]
        pub title: String,
        /// One sentence.
        #[cfg_attr(feature = "schema", schemars(length(max = 300)))]
        pub summary: Option<String>,
        /// The licence of what is in the image, an SPDX expression.
        pub license: Option<String>,
        /// Where the port's source is.
        pub source: Option<String>,
        /// Who makes it.
        #[serde(default)]
        pub authors: Vec<String>,
    }
}

wire_word! {
    /// The type of a configuration key's value. [spec: MAN-7]
    pub enum KeyType {
        /// One line of text.
        String = "string",
        /// Text of several lines.
        Text = "text",
        /// Yes or no.
        Bool = "bool",
        /// A whole number.
        Int = "int",
        /// A number of bytes.
        Bytes = "bytes",
        /// A number of seconds.
        Duration = "duration",
        /// A fully qualified or single-label host name.
        Hostname = "hostname",
        /// A mail address.
        Email = "email",
        /// An `http` or `https` address.
        Url = "url",
        /// One of the texts in `values`.
        Enum = "enum",
        /// A list of texts of one line each.
        List = "list",
    }
}

wire_word! {
    /// What it takes for a changed value to take effect. [spec: MAN-8]
    pub enum ReloadKind {
        /// The running port takes it over.
        Live = "live",
        /// The port is started again.
        Restart = "restart",
    }
}

wire_object! {
    /// A configuration key. [spec: MAN-7]
    pub struct Key {
        /// The type of its value.
        pub r#type: KeyType,
        /// Whether there must be a value.
        pub required: Option<bool>,
        /// Whether the value must never be shown.
        pub secret: Option<bool>,
        /// The value where none is given.
        pub default: Option<Value>,
        /// A value for documents and tests.
        pub example: Option<Value>,
        /// The least number, length of a list, bytes or seconds.
        pub min: Option<i64>,
        /// The greatest number, length of a list, bytes or seconds.
        pub max: Option<i64>,
        /// The greatest length of a text in characters; of each item in a list.
        pub max_len: Option<u32>,
        /// A regular expression that the whole text, or each item of a list, must match.
        #[cfg_attr(feature = "schema", schemars(length(max = 1000)))]
        pub pattern: Option<String>,
        /// The texts that are offered.
        #[serde(default)]
        pub values: Vec<String>,
        /// What it takes for a change to take effect; `restart` where it is not said.
        pub reload: Option<ReloadKind>,
        /// The environment variable in which services get the value.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[A-Z][A-Z0-9_]{0,63}$")))]
        pub env: Option<String>,
        /// The version of the port in which the key first stood.
        pub since: Option<String>,
        /// Set where the key is on its way out.
        pub deprecated: Option<Deprecated>,
        /// One sentence.
        #[cfg_attr(feature = "schema", schemars(length(max = 300)))]
        pub summary: Option<String>,
    }
}

wire_object! {
    /// Says that a key is on its way out. [spec: MAN-9]
    pub struct Deprecated {
        /// The version that deprecated it.
        pub since: String,
        /// The key to use instead.
        pub r#use: Option<String>,
        /// The version in which it is gone.
        pub remove_in: Option<String>,
    }
}

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
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^(/[A-Za-z0-9._-]+)+$")))]
        pub path: String,
        /// What losing it would mean; `data` where it is not said.
        pub class: Option<Class>,
        /// Whether two versions may hold it at once; `exclusive` where it is not said.
        pub access: Option<Access>,
        /// How its data is laid out.
        #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65535)))]
        pub format: u32,
        /// The oldest format that this version works with as it is; `format` where it is not said.
        #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65535)))]
        pub min_format: Option<u32>,
        /// The user id that owns the directory.
        #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_294_u32)))]
        pub uid: u32,
        /// The group id that owns the directory.
        #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_294_u32)))]
        pub gid: u32,
        /// The directory's mode, four octal digits: `"0700"`.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^0[0-7]{3}$")))]
        pub mode: String,
        /// The port does not start with less.
        pub min_free_bytes: Option<u64>,
        /// The port does not start with fewer.
        pub min_free_inodes: Option<u64>,
        /// Whether it is part of a snapshot; `required` for data, else `never`.
        pub backup: Option<Backup>,
        /// One sentence.
        #[cfg_attr(feature = "schema", schemars(length(max = 300)))]
        pub summary: Option<String>,
    }
}

wire_object! {
    /// One step between two formats of a volume's data. [spec: MAN-14]
    pub struct Migration {
        /// The volume.
        pub volume: String,
        /// The format before.
        pub from: u32,
        /// The format after: one more.
        pub to: u32,
        /// Whether the step can be taken back.
        pub down: bool,
        /// How much space it takes, as a multiple of the data's size, in percent.
        pub space_percent: Option<u32>,
        /// How long it may take.
        pub max_seconds: Option<u32>,
        /// One sentence.
        pub summary: Option<String>,
    }
}

wire_word! {
    /// What carries an endpoint's bytes. [spec: END-2]
    pub enum Transport {
        /// A stream.
        Tcp = "tcp",
        /// Datagrams.
        Udp = "udp",
    }
}

wire_word! {
    /// Who should reach an endpoint. [spec: END-3]
    pub enum Exposure {
        /// Only other ports of the host.
        Internal = "internal",
        /// The local network.
        Lan = "lan",
        /// Everybody.
        Public = "public",
    }
}

wire_word! {
    /// Who does an endpoint's encryption. [spec: END-5]
    pub enum Tls {
        /// Nobody, or the protocol itself as in SSH.
        None = "none",
        /// The container, from the first byte.
        Passthrough = "passthrough",
        /// The container, after a plain beginning.
        Starttls = "starttls",
        /// The router.
        Terminated = "terminated",
    }
}

wire_word! {
    /// How the container learns a client's address. [spec: END-6]
    pub enum ProxyProtocol {
        /// It does not.
        None = "none",
        /// By the text form of the PROXY protocol.
        V1 = "v1",
        /// By the binary form of the PROXY protocol.
        V2 = "v2",
    }
}

wire_object! {
    /// What the port listens on inside its container. [spec: END-1]
    pub struct Endpoint {
        /// The port number inside the container.
        #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
        pub port: u16,
        /// What carries the bytes; `tcp` where it is not said.
        pub transport: Option<Transport>,
        /// The application protocol, for example `ssh`, `http`, `imap`.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,31}$")))]
        pub protocol: String,
        /// Who should reach it; `internal` where it is not said.
        pub exposure: Option<Exposure>,
        /// Who does the encryption; `none` where it is not said.
        pub tls: Option<Tls>,
        /// How the container learns a client's address; `none` where it is not said.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// The public port where the operator names none: a number as text, or `random`.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^(random|[1-9][0-9]{0,4})$")))]
        pub default_public: Option<String>,
        /// How to ask an `http` endpoint whether it works.
        pub http: Option<HttpProbe>,
        /// One sentence.
        #[cfg_attr(feature = "schema", schemars(length(max = 300)))]
        pub summary: Option<String>,
    }
}

wire_object! {
    /// How to ask an `http` endpoint whether it works. [spec: END-7]
    pub struct HttpProbe {
        /// The path to ask for.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^/")))]
        pub path: String,
    }
}

wire_object! {
    /// A service that init runs. [spec: MAN-15]
    pub struct Service {
        /// Whether the port gives up when the service does; `true` where it is not said.
        pub critical: Option<bool>,
        /// The user id that it runs as.
        pub uid: Option<u32>,
        /// One sentence.
        #[cfg_attr(feature = "schema", schemars(length(max = 300)))]
        pub summary: Option<String>,
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
        pub cron: String,
        /// The time zone of `cron`; `UTC` where it is not said.
        pub tz: Option<String>,
        /// The command that is run.
        pub command: String,
        /// How long a run may take.
        pub max_seconds: Option<u32>,
        /// What happens when a run is due while the last one still goes on; `skip` where it is not said.
        pub overlap: Option<Overlap>,
        /// Up to how much later a run may start.
        pub jitter_seconds: Option<u32>,
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
        #[cfg_attr(feature = "schema", schemars(length(max = 300)))]
        pub summary: String,
        /// When it can be run; `running` where it is not said.
        pub when: Option<When>,
        /// Whether nothing else may run beside it.
        pub exclusive: Option<bool>,
        /// Whether it deletes or overwrites a person's data.
        pub destructive: Option<bool>,
        /// The names of its arguments, for help.
        #[serde(default)]
        pub args: Vec<String>,
        /// How long it may take.
        pub max_seconds: Option<u32>,
    }
}

wire_object! {
    /// Commands that the host runs at certain moments. [spec: MAN-18]
    pub struct Hooks {
        /// Before a snapshot of the running port.
        pub freeze: Option<String>,
        /// After a snapshot of the running port.
        pub thaw: Option<String>,
        /// After a restore, before the port runs.
        pub post_restore: Option<String>,
        /// When the self-test asks the port to prove itself.
        pub selftest: Option<String>,
    }
}

wire_object! {
    /// How long things may take. [spec: MAN-19]
    pub struct Health {
        /// From the start to ready; 60 where it is not said.
        #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3600)))]
        pub ready_seconds: Option<u32>,
        /// The time between two signs of life.
        #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3600)))]
        pub watchdog_seconds: Option<u32>,
    }
}

wire_object! {
    /// How the port stops. [spec: ENT-33]
    pub struct Stop {
        /// From the signal to the end; 10 where it is not said.
        #[cfg_attr(feature = "schema", schemars(range(min = 3, max = 3600)))]
        pub timeout_seconds: Option<u32>,
    }
}

wire_object! {
    /// Whether the port takes new configuration while it runs. [spec: ENT-34]
    pub struct Reload {
        /// Whether it does.
        pub supported: bool,
        /// How long it may take; 10 where it is not said.
        #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3600)))]
        pub timeout_seconds: Option<u32>,
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
        pub memory_min_bytes: Option<u64>,
        /// The memory limit where the operator sets none.
        pub memory_recommended_bytes: Option<u64>,
        /// The most processes; 256 where it is not said.
        #[cfg_attr(feature = "schema", schemars(range(min = 8, max = 32768)))]
        pub pids_max: Option<u32>,
        /// The most open files of a process; 4096 where it is not said.
        #[cfg_attr(feature = "schema", schemars(range(min = 64, max = 1_048_576)))]
        pub nofile: Option<u32>,
        /// The size of `/dev/shm`.
        pub shm_bytes: Option<u64>,
    }
}

wire_object! {
    /// A file system in memory. [spec: MAN-23]
    pub struct Tmpfs {
        /// Where it stands in the container.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^(/[A-Za-z0-9._-]+)+$")))]
        pub path: String,
        /// The most that it may hold.
        #[cfg_attr(feature = "schema", schemars(range(min = 4096)))]
        pub size_bytes: u64,
        /// The directory's mode; `"0755"` where it is not said, `"1777"` is allowed.
        #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[01][0-7]{3}$")))]
        pub mode: Option<String>,
    }
}

wire_object! {
    /// What the port may do beyond an ordinary process. [spec: MAN-22]
    pub struct Privileges {
        /// Linux capabilities, without `CAP_`; SETUID, SETGID and KILL are always given.
        #[serde(default)]
        pub capabilities: Vec<String>,
        /// Whether the image's files are read-only; `true` where it is not said.
        pub read_only_root: Option<bool>,
        /// File systems in memory.
        #[serde(default)]
        pub tmpfs: Vec<Tmpfs>,
        /// Devices of the host.
        #[serde(default)]
        pub devices: Vec<String>,
        /// Kernel settings of the container.
        #[serde(default)]
        pub sysctls: BTreeMap<String, String>,
    }
}

wire_object! {
    /// From which versions one can go up to this one. [spec: MAN-24]
    pub struct Upgrade {
        /// A range of versions; every older one where it is not said.
        pub from: Option<String>,
        /// What an operator should know, one sentence each.
        #[serde(default)]
        pub notes: Vec<String>,
    }
}
