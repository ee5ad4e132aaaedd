//! Owns the small shape rules that several parts of a manifest share: names, container paths, words of a list.
//! Never knows which part it is asked for: that comes in as a pointer.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::read::Pointer;
use crate::fault::Fault;
use crate::name::NameError;

/// Places in a container that are HomePort's or the kernel's.
pub(super) const HOMEPORTS_PLACES: [&str; 5] = ["/port", "/run/port", "/proc", "/sys", "/dev"];

/// Collects the faults of a document while it is being checked.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    faults: Vec<Fault>,
}

impl Findings {
    /// Adds a fault at `at`.
    pub(crate) fn add(
        &mut self,
        code: &'static str,
        clause: &'static str,
        at: &Pointer,
        message: String,
    ) -> &mut Fault {
        self.faults.push(Fault::new(code, at.text(), message).clause(clause));
        let last = self.faults.len() - 1;
        &mut self.faults[last]
    }

    /// Everything that was found.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Reads a name of a kind, or adds why it is none.
    pub(crate) fn name<N: FromStr<Err = NameError>>(&mut self, text: &str, at: &Pointer) -> Option<N> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(NameError { kind, found, wanted }) => {
                let fault =
                    self.add("HP-MAN-011", "MAN-5", at, format!("`{}` is not well formed as {kind}", at.text()));
                fault.set_actual(format!("`{}`", crate::text::clip(&found, 60)));
                fault.set_expected(wanted);
                None
            }
        }
    }

    /// Reads the members of a map, each name as a name of its kind.
    pub(crate) fn map<N: FromStr<Err = NameError> + Ord, W, V>(
        &mut self,
        wire: BTreeMap<String, W>,
        at: &Pointer,
        mut check: impl FnMut(W, &Pointer, &mut Self) -> Option<V>,
    ) -> BTreeMap<N, V> {
        let mut checked = BTreeMap::new();
        for (name, member) in wire {
            let at = at.child(&name);
            let name = self.name(&name, &at);
            let member = check(member, &at, self);
            if let (Some(name), Some(member)) = (name, member) {
                checked.insert(name, member);
            }
        }
        checked
    }

    /// Checks a path inside the container: absolute, normal, plain characters, and not one of HomePort's own places.
    pub(crate) fn container_path(&mut self, path: &str, at: &Pointer) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let parts_ok = path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain))
        });
        if !parts_ok || path.len() > 200 {
            let fault = self.add("HP-MAN-012", "MAN-45", at, format!("`{}` is not a path in a container", at.text()));
            fault.set_actual(format!("`{}`", crate::text::clip(path, 80)));
            fault.set_expected(
                "an absolute path of plain names: letters, digits, `.`, `_`, `-`, no `..`, at most 200 bytes",
            );
            return;
        }
        for taken in HOMEPORTS_PLACES {
            if is_within(path, taken) {
                let fault = self.add(
                    "HP-MAN-013",
                    "MAN-46",
                    at,
                    format!("`{}` is not a place that a port can have", at.text()),
                );
                fault.set_actual(format!("`{path}`"));
                fault.set_expected(format!("a path outside of `{taken}`"));
                return;
            }
        }
    }
}

/// Whether `path` is `dir` or below it; both are normal.
pub(crate) fn is_within(path: &str, dir: &str) -> bool {
    path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_path_is_plain_and_leaves_homeports_places_alone() {
        let verdict = |path: &str| {
            let mut findings = Findings::default();
            findings.container_path(path, &Pointer::default());
            findings.into_faults().first().map(|fault| fault.code)
        };
        for good in ["/home/user", "/var/lib/hostkeys", "/run", "/run/x", "/srv/a.b-c_d", "/portable"] {
            assert_eq!(verdict(good), None, "{good}");
        }
        for bad in ["", "/", "home", "/a/../b", "/a//b", "/a/", "/a b", "/ä", "/a:b", "/a,b"] {
            assert_eq!(verdict(bad), Some("HP-MAN-012"), "{bad}");
        }
        for taken in ["/port", "/port/x", "/run/port", "/run/port/x", "/proc", "/proc/1", "/sys", "/dev/shm"] {
            assert_eq!(verdict(taken), Some("HP-MAN-013"), "{taken}");
        }
    }
}
