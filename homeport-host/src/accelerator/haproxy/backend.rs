//! Owns the haproxies of all routes, as the daemon has them: which routes have one, and what is asked of each.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use homeport_core::manifest::Transport;
use homeport_router::{AccessLog, Backend, ContainerId, RouteId, RouteRules, Router, SourceAddress};

use super::post::{Found, Post, is_wanted};
use super::program::{OLDEST, Program, Version};
use crate::accelerator::{Accelerator, AcceleratorError, Asked, Drift, Flows, Front, Obstacle, Offer, Silent, Total};
use crate::layout::Layout;

/// The haproxies of one HomePort.
#[derive(Debug)]
pub struct Haproxy {
    dir: PathBuf,
    /// The one that these stand before, once there is one.
    router: OnceLock<Router>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    posts: BTreeMap<RouteId, Post>,
    /// What happened that nobody was told yet.
    news: Vec<String>,
}

impl State {
    fn heard(&mut self, found: Found) {
        if let Found::Trouble(what) = found {
            self.news.push(what);
        }
    }
}

impl Haproxy {
    /// Those with their files in the run directory of this HomePort.
    pub fn new(layout: &Layout) -> Self {
        Self { dir: layout.haproxy_dir(), router: OnceLock::new(), state: Mutex::default() }
    }

    fn router(&self) -> Result<&Router, String> {
        self.router.get().ok_or_else(|| "it stands before no router".to_owned())
    }

    fn lead(&self, state: &mut State, front: &Front) -> Result<(), String> {
        if front.transport != Transport::Tcp {
            return Err("it carries no datagrams".to_owned());
        }
        let router = self.router()?;
        let listening = router.listening().into_iter().find(|socket| socket.id == front.id);
        let status = router.status().into_iter().find(|status| status.id == front.id);
        let (Some(listening), Some(status)) = (listening, status) else { return Err("the route is gone".to_owned()) };
        if state.posts.get_mut(&front.id).is_some_and(|post| !post.is_of(&listening)) {
            // They are in front of a socket that is the route's no more.
            close(state, &front.id);
        }
        let post = match state.posts.remove(&front.id) {
            Some(post) => post,
            None => Post::open(&self.dir, &front.id, router).map_err(|error| error.to_string())?,
        };
        let post = state.posts.entry(front.id.clone()).or_insert(post);
        post.join().map_err(|error| error.to_string())?;
        post.lead(front, status.limit, &listening)
    }

    /// Leads the route nowhere. Where clients wait, or the next container is about to come, the haproxy stays; where the route is to
    /// be carried otherwise, or turns clients away, the router accepts them, and where it is gone, so is everything.
    fn lead_nowhere(&self, state: &mut State, id: &RouteId) {
        let (Some(post), Ok(router)) = (state.posts.get_mut(id), self.router()) else { return };
        let status = router.status().into_iter().find(|status| status.id == *id);
        let found = match status {
            Some(status) if is_wanted(&status) => post.hold(),
            Some(_) => post.withdraw(),
            None => return close(state, id),
        };
        state.heard(found);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close(state: &mut State, id: &RouteId) {
    if let Some(post) = state.posts.remove(id) {
        post.close();
    }
}

fn failed(action: &'static str, why: String) -> AcceleratorError {
    AcceleratorError::Failed { backend: Backend::Haproxy, action, why }
}

/// What a machine lacks that has a program of this version, or none.
fn lacks(version: Option<Result<Version, String>>) -> Option<Obstacle> {
    let backend = Backend::Haproxy;
    let why = match version {
        None => return Some(Obstacle::NoProgram { backend, program: "haproxy", package: "haproxy" }),
        Some(Ok(version)) if version >= OLDEST => return None,
        Some(Ok(version)) => format!("its haproxy is {version}, and wanted is {OLDEST} or newer"),
        Some(Err(why)) => why,
    };
    Some(Obstacle::NotAble { backend, why })
}

/// What it cannot do for a route. A rule that is added has to be thought of here.
fn refuses(asked: &Asked<'_>) -> Vec<Obstacle> {
    let RouteRules { connections: _, per_source: _, new_per_second: _, allow: _, deny: _, .. } = asked.rules;
    // How long clients wait is the router's, which they are handed on to.
    let RouteRules { idle_seconds: _, hold_seconds: _, log, source, backend, .. } = asked.rules;
    let not_kept = [(*log == AccessLog::On, "--log"), (*source == SourceAddress::Client, "--source")];
    let not_kept = not_kept.into_iter().filter(|(is_wished, _)| *is_wished);
    let not_kept = not_kept.map(|(_, option)| Obstacle::NotKept { backend: *backend, option });
    let datagrams = asked.address.filter(|address| address.transport() == Transport::Udp);
    not_kept.chain(datagrams.map(|_| Obstacle::Datagrams { backend: *backend })).collect()
}

impl Accelerator for Haproxy {
    fn backend(&self) -> Backend {
        Backend::Haproxy
    }

    fn offer(&self) -> Offer {
        Offer { lacks: lacks(Program::find().map(|program| program.version())).into_iter().collect(), refuses }
    }

    fn stand_before(&self, router: &Router) {
        self.router.set(router.clone()).unwrap_or(());
    }

    fn begin(&self) -> Result<(), AcceleratorError> {
        let mut state = self.lock();
        let not_taken = |error: std::io::Error| failed("take up those that run", error.to_string());
        let mut done = Ok(());
        // Each by itself: what is wrong with one keeps no other from being held.
        for post in Post::find_all(&self.dir, self.router.get()).map_err(not_taken)? {
            match post {
                Ok(mut post) => {
                    let found = post.hold();
                    state.heard(found);
                    state.posts.insert(post.id().clone(), post);
                }
                Err(error) => done = done.and(Err(not_taken(error))),
            }
        }
        done
    }

    fn sockets(&self) -> Vec<(RouteId, Result<OwnedFd, AcceleratorError>)> {
        let state = self.lock();
        let given = |post: &Post| {
            let action = "give a public socket back";
            Some(post.public_socket()?.map_err(|error| failed(action, error.to_string())))
        };
        state.posts.iter().filter_map(|(id, post)| Some((id.clone(), given(post)?))).collect()
    }

    fn apply(&self, wanted: &[Front]) -> Result<(), AcceleratorError> {
        let mut state = self.lock();
        let others: Vec<RouteId> =
            state.posts.keys().filter(|id| !wanted.iter().any(|front| front.id == **id)).cloned().collect();
        for id in others {
            self.lead_nowhere(&mut state, &id);
        }
        let mut done = Ok(());
        for front in wanted {
            let led = self.lead(&mut state, front).map_err(|why| failed("lead a route", why));
            done = done.and(led);
        }
        done
    }

    fn point(&self, front: &Front) -> Result<(), AcceleratorError> {
        self.lead(&mut self.lock(), front).map_err(|why| failed("lead the route", why))
    }

    fn unpoint(&self, id: &RouteId) -> Result<(), AcceleratorError> {
        self.lead_nowhere(&mut self.lock(), id);
        Ok(())
    }

    fn observe(&self) -> Result<Drift, AcceleratorError> {
        let Ok(router) = self.router() else { return Ok(Drift::None) };
        let mut state = self.lock();
        let (all, sockets) = (router.status(), router.listening());
        let ids: Vec<RouteId> = state.posts.keys().cloned().collect();
        for id in ids {
            let Some(post) = state.posts.get_mut(&id) else { continue };
            let is_there = sockets.iter().any(|socket| socket.id == id && post.is_of(socket));
            if !is_there {
                close(&mut state, &id);
                continue;
            }
            let mut found = vec![post.look()];
            let is_wanted = all.iter().any(|status| status.id == id && is_wanted(status));
            if post.is_manned() && !is_wanted {
                found.push(post.withdraw());
            }
            for found in found {
                state.heard(found);
            }
        }
        let news = std::mem::take(&mut state.news);
        Ok(if news.is_empty() { Drift::None } else { Drift::Found(news.join("; ")) })
    }

    fn flows(&self, silent: Silent) -> Flows {
        self.lock().posts.values_mut().map(|post| post.flows(silent)).fold(Flows::default(), Flows::and)
    }

    fn totals(&self) -> Vec<(RouteId, Total)> {
        self.lock().posts.iter().map(|(id, post)| (id.clone(), post.total())).collect()
    }

    fn end_flows(&self, id: &RouteId, container: &ContainerId) -> Result<usize, AcceleratorError> {
        let mut state = self.lock();
        let ended = state.posts.get_mut(id).map_or(Ok(0), |post| post.end_with(container));
        ended.map_err(|why| failed("end connections", why))
    }

    fn give_up(&self) -> Result<(), AcceleratorError> {
        let mut state = self.lock();
        std::mem::take(&mut state.posts).into_values().for_each(Post::close);
        std::fs::remove_dir_all(&self.dir)
            .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
            .map_err(|error| failed("clear its directory away", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use homeport_core::fault::Advice as _;
    use homeport_router::Announcement;

    use super::*;

    #[test]
    fn a_machine_without_the_program_or_with_an_old_one_is_told_what_it_lacks() {
        let said = |version| lacks(version).map(|lack| (lack.code(), lack.to_string(), lack.help().unwrap()));
        let (code, text, help) = said(None).unwrap();
        assert_eq!((code, text.as_str()), ("HP-RTR-031", "`haproxy` needs the program `haproxy`, which was not found"));
        assert_eq!(help, "install it with `apt install haproxy`");
        let (code, text, _) = said(Some(Ok(Version::new(2, 2)))).unwrap();
        let wanted = "this machine cannot do what `haproxy` needs: its haproxy is 2.2, and wanted is 2.6 or newer";
        assert_eq!((code, text.as_str()), ("HP-RTR-032", wanted));
        assert!(said(Some(Err("Permission denied".to_owned()))).unwrap().1.ends_with("Permission denied"));
        assert_eq!((said(Some(Ok(OLDEST))), said(Some(Ok(Version::new(3, 2))))), (None, None));
    }

    #[test]
    fn what_it_cannot_keep_is_refused_by_the_name_of_its_option() {
        let asked = |rules: &RouteRules| {
            let asked = Asked { rules, address: None, announcement: Announcement::ProxyV2 };
            refuses(&asked).iter().map(Obstacle::to_string).collect::<Vec<_>>()
        };
        let rules = RouteRules { backend: Backend::Haproxy, ..RouteRules::default() };
        assert!(asked(&rules).is_empty());
        let rules = RouteRules { log: AccessLog::On, source: SourceAddress::Client, ..rules };
        assert_eq!(asked(&rules), ["`haproxy` cannot keep `--log`", "`haproxy` cannot keep `--source`"]);
        let usual = RouteRules { backend: Backend::Haproxy, ..RouteRules::default() };
        for (address, wanted) in [("*:53", Vec::new()), ("*:53/udp", vec!["`haproxy` cannot carry datagrams"])] {
            let address = Some(address.parse().unwrap());
            let asked = Asked { rules: &usual, address, announcement: Announcement::None };
            assert_eq!(refuses(&asked).iter().map(Obstacle::to_string).collect::<Vec<_>>(), wanted);
        }
    }
}
