//! Owns starting a process in the way that every child of init is started.
//! Never waits for one: `reap` and `tool` do, each for its own.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::process::{Child, Command, Stdio};

use homeport_core::unit::{Gid, Uid};
use rustix::process::{Pid, geteuid};

use super::kernel::{Birth, Identity, Leads};
use super::service::Service;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom a child runs as and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct As<'a> {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: &'a [Gid],
    pub(crate) directory: &'a str,
    pub(crate) leads: Leads,
}

/// The command that starts `program` in a clean way: its environment holds these variables and nothing else, standard
/// input is empty. [spec: ENT-36]
pub(crate) fn command(
    program: &str,
    args: &[String],
    env: &BTreeMap<String, String>,
    child: As<'_>,
) -> io::Result<Command> {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env).stdin(Stdio::null());
    let root = geteuid().is_root();
    let same = geteuid().as_raw() == child.uid.get() && rustix::process::getegid().as_raw() == child.gid.get();
    let identity = if same && !root {
        Identity::Kept
    } else {
        Identity::Changed {
            uid: rustix::process::Uid::from_raw(child.uid.get()),
            gid: rustix::process::Gid::from_raw(child.gid.get()),
            groups: child.groups.iter().map(|gid| rustix::process::Gid::from_raw(gid.get())).collect(),
        }
    };
    Birth { leads: child.leads, identity, directory: CString::new(child.directory)? }.arrange(&mut command);
    Ok(command)
}

/// The environment that every child gets: nothing of init's own but the time zone. [spec: ENT-36]
pub(crate) fn base_env(tz: &str) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in [("PATH", PATH), ("HOME", "/"), ("LANG", "C.UTF-8"), ("TZ", tz)] {
        env.insert(name.to_owned(), value.to_owned());
    }
    env
}

/// Starts a service; its output is init's output.
pub(crate) fn start(service: &Service, shared_env: &BTreeMap<String, String>) -> io::Result<Pid> {
    let mut env = shared_env.clone();
    env.extend(service.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    let child = As {
        uid: service.uid,
        gid: service.gid,
        groups: &service.groups,
        directory: &service.directory,
        leads: service.leads,
    };
    spawn(&mut command(&service.program, &service.args, &env, child)?)
}

/// Starts the command and gives its process id. The handle is let go: who is PID 1 reaps whatever ends.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Pid> {
    let child: Child = command.spawn()?;
    Ok(Pid::from_child(&child))
}
