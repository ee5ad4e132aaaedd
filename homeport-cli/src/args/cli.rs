//! Owns what can be typed after `homeport`: commands, options and their help. Completions and manual pages come from here.
//! Never acts on anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use homeport_core::config::Given;
use homeport_core::name::{EndpointName, InstanceName, VolumeName};
use homeport_host::engine::ContainerUser;
use homeport_host::request::{PortRef, RouteWish};

use super::keep::{PurgeArgs, ScheduleAction, SnapshotAction, TrashAction, VolumeAction};
use super::route::RouteAction;
use super::value::FileValue;
use super::version::{HistoryArgs, RollbackArgs, UpgradeArgs};

/// Run small personal services on this machine
#[derive(Debug, Parser)]
#[command(name = "homeport", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Without --root, state and data are in /var/lib/homeport and sockets in /run/homeport. What only
looks or changes what is there makes no root: a DIR that does not exist is refused.
A command that is cut off, by Ctrl-C or by a crash, is finished or taken back by the next one.

Exit codes:
  0  done, or nothing to do
  1  the request or the port is at fault
  2  the command line is wrong
  3  this machine or the container engine failed, wholly or in part
  4  an operation failed, and so did taking it back";

/// What every command takes, before or after its own words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Keep state, data and sockets under DIR
    #[arg(long, global = true, value_name = "DIR", env = "HOMEPORT_ROOT", hide_env_values = true)]
    pub(crate) root: Option<PathBuf>,
    /// Use the container engine that listens on SOCKET
    #[arg(long, global = true, value_name = "SOCKET", env = "HOMEPORT_ENGINE", hide_env_values = true)]
    pub(crate) engine: Option<PathBuf>,
    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Wait at most SECONDS for an operation of another process
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) wait: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Deploy a port as a new instance, or confirm the one that is there
    Deploy(DeployArgs),
    /// List instances
    List,
    /// Show how an instance is, or how everything is
    Status {
        /// The instance; all where it is left out
        name: Option<InstanceName>,
    },
    /// Print the log of an instance
    Logs(LogsArgs),
    /// Run a program in the container of an instance
    Exec(ExecArgs),
    /// Start an instance that is stopped
    Start {
        /// The instance
        name: InstanceName,
    },
    /// Stop an instance and keep its public addresses reserved
    Stop {
        /// The instance
        name: InstanceName,
    },
    /// Give an instance a new container while its clients wait
    Restart {
        /// The instance
        name: InstanceName,
    },
    /// Show or change the configuration of an instance
    Config {
        /// The instance
        name: InstanceName,
        #[command(subcommand)]
        action: Option<ConfigAction>,
    },
    /// Give an instance another version of its port, with its data and addresses
    Upgrade(UpgradeArgs),
    /// Give an instance the version back that it had before
    Rollback(RollbackArgs),
    /// Tell what was done to an instance, when, and how it ended
    History(HistoryArgs),
    /// Look at public addresses
    #[command(subcommand)]
    Route(RouteAction),
    /// Copies of an instance's volumes: take, list, prove, restore, prune, export
    #[command(subcommand)]
    Snapshot(SnapshotAction),
    /// Periodic snapshots
    #[command(subcommand)]
    Schedule(ScheduleAction),
    /// Look at volumes, take one up, or let one be elsewhere
    #[command(subcommand)]
    Volume(VolumeAction),
    /// Remove an instance and keep its volumes
    Remove {
        /// The instance
        name: InstanceName,
        /// Print what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// What other programs call taking the data away as well
        #[arg(long, short = 'v', alias = "volume", alias = "rm-data", alias = "purge", alias = "force", hide = true)]
        volumes: bool,
    },
    /// Remove an instance and put its volumes into the trash
    Purge(PurgeArgs),
    /// Look at what was purged or replaced, put it back, or delete it for good
    #[command(subcommand)]
    Trash(TrashAction),
    /// Bring to an end what was cut off or is stuck, and say what is in the way
    Repair,
    /// Run, look at or end the process that holds the public addresses
    #[command(subcommand)]
    Daemon(DaemonAction),
    /// Look at ports
    #[command(subcommand)]
    Port(PortAction),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory, which is made where it is missing
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(after_help = DEPLOY_EXAMPLES)]
pub(crate) struct DeployArgs {
    /// The port: its id, or an image
    pub(crate) port: PortRef,
    /// Name the instance; the port's id where it is left out
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<InstanceName>,
    /// Take the newest version that fits, for example `^1.2`
    #[arg(long, value_name = "REQ")]
    pub(crate) version: Option<semver::VersionReq>,
    /// Set a configuration key; again for more keys or list items
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::value::parse_set)]
    pub(crate) set: Vec<Given>,
    /// Set a key to what a file holds, or standard input for `-`
    #[arg(long, value_name = "KEY=PATH", value_parser = super::value::parse_set_file)]
    pub(crate) set_file: Vec<FileValue>,
    /// Keep a volume in this directory
    #[arg(long, value_name = "NAME=PATH", value_parser = super::value::parse_volume)]
    pub(crate) volume: Vec<(VolumeName, PathBuf)>,
    /// Set a public address: PORT, ADDRESS:PORT, random or none
    #[arg(long, value_name = "ENDPOINT=ADDRESS", value_parser = super::value::parse_route)]
    pub(crate) route: Vec<(EndpointName, RouteWish)>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const DEPLOY_EXAMPLES: &str = "\
Examples:
  homeport deploy shell --set-file authorized_keys=$HOME/.ssh/id_ed25519.pub
  homeport deploy shell --name alice --set shell=zsh --route ssh=2222 --volume home=/srv/alice
  homeport deploy homeport/shell:1.0.0 --route ssh=127.0.0.1:random --dry-run";

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The instance
    pub(crate) name: InstanceName,
    /// Go on with what comes, until the container ends or Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Begin with the last LINES lines; all that is kept where it is left out
    #[arg(long, short = 'n', value_name = "LINES")]
    pub(crate) lines: Option<u32>,
}

#[derive(Debug, Args)]
#[command(after_help = EXEC_NOTES)]
pub(crate) struct ExecArgs {
    /// The instance
    pub(crate) name: InstanceName,
    /// Give the program a terminal; its input is this terminal's
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// Give the program standard input
    #[arg(long, short)]
    pub(crate) interactive: bool,
    /// Run it as this user and group; GID is UID where it is left out
    #[arg(long, value_name = "UID[:GID]", value_parser = super::value::parse_user)]
    pub(crate) user: Option<ContainerUser>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) argv: Vec<String>,
}

const EXEC_NOTES: &str = "\
The exit code is the program's own. Its output is passed on as it is, also with --json.

Examples:
  homeport exec alice -- ps aux
  homeport exec alice -t --user 1000 -- bash -l";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Show every key, its value and where that comes from; secrets stay hidden
    Show,
    /// Give keys other values; a running instance gets a new container
    Set {
        /// Keys and values; again for more items of a list
        #[arg(value_name = "KEY=VALUE", value_parser = super::value::parse_set, required_unless_present = "file")]
        pairs: Vec<Given>,
        /// Set a key to what a file holds, or standard input for `-`
        #[arg(long, value_name = "KEY=PATH", value_parser = super::value::parse_set_file)]
        file: Vec<FileValue>,
    },
    /// Give keys back to the port's default
    Unset {
        /// The keys
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DaemonAction {
    /// Run it in the foreground, until it is told to end
    Run {
        /// Take the place of the one that runs
        #[arg(long, hide = true)]
        take_over: bool,
    },
    /// Keep the sockets of a daemon; it starts this itself
    #[command(hide = true)]
    Hold,
    /// Show whether it runs, and what it holds
    Status,
    /// Replace it by a new one; addresses stay open, and clients connected
    Restart,
    /// End it and close the public addresses; instances go on
    Stop,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PortAction {
    /// Show what a port is, needs and can be told
    Info {
        /// The port: its id, or an image
        port: PortRef,
    },
}
