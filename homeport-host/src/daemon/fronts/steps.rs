//! Owns what has to be done so that exactly what has to be led past the router is. Pure.

use std::collections::BTreeMap;

use homeport_router::{Backend, RouteId, RouteStatus};

use crate::accelerator::{Front, Offers, Way, decide};

/// What is led past the router, and by what.
pub(super) type Led = BTreeMap<RouteId, (Backend, Front)>;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// This route is not led by this one any more.
    Away(Backend, RouteId),
    /// It is led so from now on, whether it was led by this one before or not.
    Lead(Backend, Front),
}

/// What has to be led past the router, as these routes are.
pub(super) fn wanted(routes: &[RouteStatus], offers: &Offers) -> Led {
    let past = |status: &RouteStatus| match decide(status, offers) {
        Way::Past(backend, front) => Some((status.id.clone(), (backend, front))),
        Way::Router(_) => None,
    };
    routes.iter().filter_map(past).collect()
}

/// From what is led to what has to be: first what no one leads any more, or another one.
pub(super) fn steps(led: &Led, wanted: &Led) -> Vec<Step> {
    let is_away =
        |(id, (backend, _)): &(&RouteId, &(Backend, Front))| wanted.get(*id).is_none_or(|(by, _)| by != backend);
    let away = led.iter().filter(is_away).map(|(id, (backend, _))| Step::Away(*backend, id.clone()));
    let is_new = |(id, lead): &(&RouteId, &(Backend, Front))| led.get(*id) != Some(*lead);
    let leading = wanted.iter().filter(is_new).map(|(_, (backend, front))| Step::Lead(*backend, front.clone()));
    away.chain(leading).collect()
}

#[cfg(test)]
mod tests {
    use homeport_core::manifest::Transport;
    use homeport_router::{RouteRules, Target};
    use proptest::prelude::*;

    use super::*;

    fn led(routes: &BTreeMap<u8, (bool, u8)>) -> Led {
        let one = |(route, (by, container)): (&u8, &(bool, u8))| {
            let id = RouteId { instance: format!("i{route}").parse().unwrap(), endpoint: "e".parse().unwrap() };
            let target = Target::new(format!("c{container}").parse().unwrap(), ([10, 0, 0, *container], 1).into());
            let address = format!("*:{}", 1000 + u16::from(*route)).parse().unwrap();
            let backend = if *by { Backend::Nftables } else { Backend::Haproxy };
            (
                id.clone(),
                (backend, Front { id, transport: Transport::Tcp, address, target, rules: RouteRules::default() }),
            )
        };
        routes.iter().map(one).collect()
    }

    fn some() -> impl Strategy<Value = BTreeMap<u8, (bool, u8)>> {
        prop::collection::btree_map(0..5_u8, (any::<bool>(), 0..3_u8), 0..5)
    }

    proptest! {
        #[test]
        fn the_steps_lead_from_what_is_to_what_is_wanted_and_no_route_is_led_by_two(from in some(), to in some()) {
            let (from, to) = (led(&from), led(&to));
            let mut by_both: BTreeMap<(RouteId, Backend), Front> =
                from.iter().map(|(id, (backend, front))| ((id.clone(), *backend), front.clone())).collect();
            let mut has_led = false;
            for step in steps(&from, &to) {
                match step {
                    Step::Away(backend, id) => {
                        prop_assert!(!has_led, "nothing is led before what has to go is gone");
                        prop_assert!(by_both.remove(&(id, backend)).is_some());
                    }
                    Step::Lead(backend, front) => {
                        has_led = true;
                        by_both.insert((front.id.clone(), backend), front);
                    }
                }
                let mut ids: Vec<_> = by_both.keys().map(|(id, _)| id).collect();
                ids.dedup();
                prop_assert_eq!(ids.len(), by_both.len());
            }
            let reached: Led = by_both.into_iter().map(|((id, backend), front)| (id, (backend, front))).collect();
            prop_assert_eq!(&reached, &to);
            prop_assert_eq!(steps(&to, &to), vec![]);
        }
    }
}
