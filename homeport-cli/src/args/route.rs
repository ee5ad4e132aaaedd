//! What can be typed after `homeport route`.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};
use homeport_core::name::{EndpointName, InstanceName};
use homeport_host::request::RuleWish;
use homeport_host::routes::{AccessLog, Backend, SourceAddress};
use ipnet::IpNet;

use super::value::{parse_backend, parse_log, parse_networks, parse_number, parse_source};

#[derive(Debug, Subcommand)]
pub(crate) enum RouteAction {
    /// List public addresses and what happens on them
    List,
    /// Show everything that is known of an instance's public addresses
    Show {
        /// The instance
        name: InstanceName,
        /// Only this endpoint
        endpoint: Option<EndpointName>,
    },
    /// Change who may come to a public address, and how; connected clients stay
    Set(RouteSetArgs),
    /// Show what goes over public addresses now, again and again
    Top(TopArgs),
    /// Print the counters of all public addresses, for Prometheus
    Metrics,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Look again after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) every: u32,
    /// End after so many looks
    #[arg(short = 'n', long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) times: Option<u32>,
}

#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("rule").required(true).multiple(true),
    override_usage = "homeport route set [OPTIONS] <NAME> <ENDPOINT>"
)]
pub(crate) struct RouteSetArgs {
    /// The instance
    pub(crate) name: InstanceName,
    /// The endpoint
    pub(crate) endpoint: EndpointName,
    /// Let so many be connected at once, or `usual`
    #[arg(long, value_name = "NUMBER", group = "rule", value_parser = parse_number)]
    pub(crate) connections: Option<RuleWish<NonZeroU32>>,
    /// Let so many be connected from one address (IPv6: /64), or `usual`
    #[arg(long, value_name = "NUMBER", group = "rule", value_parser = parse_number)]
    pub(crate) per_source: Option<RuleWish<NonZeroU32>>,
    /// Let so many come in a second, or `usual`
    #[arg(long, value_name = "NUMBER", group = "rule", value_parser = parse_number)]
    pub(crate) new_per_second: Option<RuleWish<NonZeroU32>>,
    /// Let clients come from these networks only (A,B), or `usual`
    #[arg(long, value_name = "NETWORKS", group = "rule", value_parser = parse_networks)]
    pub(crate) allow: Option<RuleWish<Vec<IpNet>>>,
    /// Let no client come from these networks (A,B), or `usual`
    #[arg(long, value_name = "NETWORKS", group = "rule", value_parser = parse_networks)]
    pub(crate) deny: Option<RuleWish<Vec<IpNet>>>,
    /// End connections after so long without a byte, or `usual`
    #[arg(long, value_name = "SECONDS", group = "rule", value_parser = parse_number)]
    pub(crate) idle: Option<RuleWish<NonZeroU32>>,
    /// Let clients wait at most so long for a container, or `usual`
    #[arg(long, value_name = "SECONDS", group = "rule", value_parser = parse_number)]
    pub(crate) hold: Option<RuleWish<NonZeroU32>>,
    /// Show the container the address of the `client`, or our `own`
    #[arg(long, value_name = "WHOSE", group = "rule", value_parser = parse_source)]
    pub(crate) source: Option<SourceAddress>,
    /// Have connections leave a line in the daemon's log: `on`, `off`
    #[arg(long, value_name = "WHETHER", group = "rule", value_parser = parse_log)]
    pub(crate) log: Option<AccessLog>,
    /// Have `builtin`, `nftables` or `haproxy` carry clients
    #[arg(long, value_name = "BACKEND", group = "rule", value_parser = parse_backend)]
    pub(crate) backend: Option<Backend>,
}
