//! `homeport route`.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use homeport_core::name::{EndpointName, InstanceName};
use homeport_host::operation::{rates, route_set, routes, routes_of};
use homeport_host::request::{RouteSetRequest, RuleWish};

use crate::args::{RouteSetArgs, TopArgs};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, MetricsReport, RatesReport, RouteDetails, RoutesReport, render, write_out};

pub(super) fn list(context: &Context) -> Result<Exit, Failure> {
    let routes = routes(&context.host()?)?;
    context.print(&RoutesReport { routes })?;
    Ok(Exit::Done)
}

pub(super) fn show(context: &Context, name: &InstanceName, endpoint: Option<&EndpointName>) -> Result<Exit, Failure> {
    let routes = routes_of(&context.host()?, name, endpoint)?;
    context.print(&RouteDetails { instance: name.clone(), routes })?;
    Ok(Exit::Done)
}

pub(super) fn set(context: &Context, args: RouteSetArgs) -> Result<Exit, Failure> {
    let request = RouteSetRequest {
        instance: args.name,
        endpoint: args.endpoint,
        connections: args.connections.unwrap_or(RuleWish::Keep),
        per_source: args.per_source.unwrap_or(RuleWish::Keep),
        new_per_second: args.new_per_second.unwrap_or(RuleWish::Keep),
        allow: args.allow.unwrap_or(RuleWish::Keep),
        deny: args.deny.unwrap_or(RuleWish::Keep),
        idle_seconds: args.idle.unwrap_or(RuleWish::Keep),
        hold_seconds: args.hold.unwrap_or(RuleWish::Keep),
        source: args.source.map_or(RuleWish::Keep, RuleWish::Is),
        log: args.log.map_or(RuleWish::Keep, RuleWish::Is),
        backend: args.backend.map_or(RuleWish::Keep, RuleWish::Is),
    };
    context.print(&route_set(&context.host()?, &request)?)?;
    Ok(Exit::Done)
}

pub(super) fn metrics(context: &Context) -> Result<Exit, Failure> {
    let routes = routes(&context.host()?)?;
    context.print(&MetricsReport { routes })?;
    Ok(Exit::Done)
}

/// Shows what goes over public addresses, again and again. On a terminal each look takes the place of the one before; JSON is
/// one line a look.
pub(super) fn top(context: &Context, args: &TopArgs) -> Result<Exit, Failure> {
    let host = context.host()?;
    let every = Duration::from_secs(args.every.into());
    let clears = context.format() == Format::Text && io::stdout().is_terminal();
    let (mut before, mut since) = (routes(&host)?, Instant::now());
    let mut shown = 0_u32;
    while args.times.is_none_or(|times| shown < times) {
        std::thread::sleep(every);
        let (after, now) = (routes(&host)?, Instant::now());
        let between = now.duration_since(since);
        let not_held = after.iter().filter(|route| route.live.is_none()).cloned().collect();
        let routes = rates(&before, &after, between);
        let report = RatesReport { seconds: between.as_secs_f64(), routes, not_held };
        let text = match context.format() {
            Format::Text => render(Format::Text, &report),
            Format::Json => serde_json::to_string(&report).map(|line| line + "\n").map_err(io::Error::from),
        };
        let text = text.map_err(Failure::Output)?;
        let text = if clears { format!("\u{1b}[H\u{1b}[J{text}") } else { text };
        write_out(text.as_bytes()).map_err(Failure::Output)?;
        (before, since, shown) = (after, now, shown.saturating_add(1));
    }
    Ok(Exit::Done)
}
