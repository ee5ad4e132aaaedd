//! Owns what can be typed about versions of an instance: another one, the one from before, and what was done to it.
//! Never acts on anything.

use clap::Args;
use homeport_core::config::Given;
use homeport_core::name::{EndpointName, InstanceName};
use homeport_host::request::{RouteWish, VersionChoice};

use super::keep::Consent;
use super::value::FileValue;

#[derive(Debug, Args)]
#[command(after_help = UPGRADE_NOTES)]
pub(crate) struct UpgradeArgs {
    /// The instance
    pub(crate) name: InstanceName,
    /// Go to this version or image, also an older one; the highest without it
    #[arg(long, value_name = "VERSION|IMAGE")]
    pub(crate) to: Option<VersionChoice>,
    /// Set a configuration key; again for more keys or list items
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::value::parse_set)]
    pub(crate) set: Vec<Given>,
    /// Set a key to what a file holds, or standard input for `-`
    #[arg(long, value_name = "KEY=PATH", value_parser = super::value::parse_set_file)]
    pub(crate) set_file: Vec<FileValue>,
    /// Give an endpoint that is new a public address, as for `deploy`
    #[arg(long, value_name = "ENDPOINT=ADDRESS", value_parser = super::value::parse_route)]
    pub(crate) route: Vec<(EndpointName, RouteWish)>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

const UPGRADE_NOTES: &str = "\
A snapshot is made first, and data is migrated in a copy. Where the new version does not get
ready, or anything else fails, the version from before runs on the data from before. An approval
is needed only for what cannot be taken back, and where data is set back to a snapshot.

Examples:
  homeport upgrade alice --dry-run
  homeport upgrade alice --to 1.1
  homeport upgrade alice --to homeport/shell:1.1.0 --set banner=Hello";

#[derive(Debug, Args)]
#[command(after_help = ROLLBACK_NOTES)]
pub(crate) struct RollbackArgs {
    /// The instance
    pub(crate) name: InstanceName,
    /// Give an endpoint that comes back another public address, or `none`
    #[arg(long, value_name = "ENDPOINT=ADDRESS", value_parser = super::value::parse_route)]
    pub(crate) route: Vec<(EndpointName, RouteWish)>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

const ROLLBACK_NOTES: &str = "\
A snapshot is made first, and data that is set back is kept in the trash. A second rollback leads to
the present version again, and to the data that it has now where that was set back. An endpoint that
only the version from before has gets the address that it had, unless another one has it by now;
then it gets another random port where it had one, and else none.";

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The instance, which may be removed already
    pub(crate) name: InstanceName,
    /// Tell only the last LINES lines
    #[arg(long, short = 'n', value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) lines: Option<u32>,
}
