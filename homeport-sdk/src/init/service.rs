//! Owns what a service is: a program with its arguments, whom it runs as, where and with what environment.
//! Never starts one.

use std::collections::BTreeMap;

use homeport_core::unit::{Gid, Uid};

use super::kernel::Leads;

/// What happens to processes of a service's group that are left when its main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// They are killed, so that the next start finds sockets and locks free.
    Kill,
    /// They live on, for example because they serve a user's session.
    Keep,
}

/// What a service needs to take a new configuration over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReload {
    /// Nothing.
    Nothing,
    /// HUP to its main process.
    Hangup,
    /// A stop and a start.
    Restart,
}

/// A service that init keeps running. Two are equal if the same process would be started. [spec: ENT-36]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub(crate) name: String,
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: Vec<Gid>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) directory: String,
    pub(crate) leads: Leads,
    pub(crate) leftovers: Leftovers,
    pub(crate) on_reload: OnReload,
}

impl Service {
    /// The service that the manifest declares as `name`: `program` (an absolute path) as root without arguments.
    pub fn new(name: impl Into<String>, program: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            uid: Uid::new(0),
            gid: Gid::new(0),
            groups: Vec::new(),
            env: BTreeMap::new(),
            directory: "/".to_owned(),
            leads: Leads::Group,
            leftovers: Leftovers::Kill,
            on_reload: OnReload::Restart,
        }
    }

    /// The same service, with these arguments after those that it has.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same service, run as this user and group and no other groups; numbers only.
    #[must_use]
    pub fn user(mut self, uid: Uid, gid: Gid) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }

    /// The same service, in these groups too.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = Gid>) -> Self {
        self.groups.extend(groups);
        self
    }

    /// The same service, with this variable in its environment. `PATH`, `HOME`, `LANG`, `TZ` and the manifest's `env`
    /// names are there without this, and can be set otherwise by it.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The same service, started in this directory, which its user must be able to enter.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<String>) -> Self {
        self.directory = directory.into();
        self
    }

    /// The same service, leading a session or a group.
    #[must_use]
    pub fn leads(mut self, leads: Leads) -> Self {
        self.leads = leads;
        self
    }

    /// The same service, treating what is left of its group in this way.
    #[must_use]
    pub fn leftovers(mut self, leftovers: Leftovers) -> Self {
        self.leftovers = leftovers;
        self
    }

    /// The same service, taking a new configuration over in this way.
    #[must_use]
    pub fn on_reload(mut self, on_reload: OnReload) -> Self {
        self.on_reload = on_reload;
        self
    }
}
