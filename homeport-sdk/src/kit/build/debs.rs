//! Brings the packages that a lock names: from the cache, else from the archive, and checked by sha256 either way.
//! Never uses a package whose bytes are not those that were locked, and never changes a committed lock.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use homeport_core::fault::Fault;
use homeport_core::unit::Bytes;

use super::apt;
use super::date::Date;
use super::error::BuildError;
use super::lock::{Lock, LockedDeb, Sha256};
use super::recipe::Packages;

/// What to do when the archive no longer has a locked version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPolicy {
    /// Fail: the same image or none.
    Exact,
    /// Choose the packages anew and say what was replaced, so that a later security update does not stop a fresh machine.
    RefreshIfGone,
}

/// Something worth telling while packages are brought.
#[derive(Debug)]
pub enum Notice {
    /// The package lists are refreshed.
    Updating,
    /// They could not be; the old ones are used.
    UpdateFailed(BuildError),
    /// So many packages, of so many bytes, are asked for.
    Fetching(usize, Bytes),
    /// A file in the cache was not the locked package and is fetched again.
    BadCache(PathBuf),
    /// The lock could not be kept.
    Gone(Vec<Fault>),
}

/// A package in another version than the committed lock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The package.
    pub name: String,
    /// The locked version; `None` where it was not in the lock.
    pub locked: Option<String>,
    /// The version that is used; `None` where it is not any more.
    pub now: Option<String>,
}

/// The packages of an image, with their bytes.
#[derive(Debug)]
pub struct Provided {
    /// What the image is made of: the committed lock, or a fresh one if that could not be kept.
    pub lock: Lock,
    /// The bytes of each package, in the order of the lock.
    pub files: Vec<Vec<u8>>,
    /// How the lock differs from the committed one; empty where that was kept.
    pub replaced: Vec<Replaced>,
}

/// A directory of package files, each under the name that the lock gives it.
#[derive(Debug, Clone)]
pub struct Cache(PathBuf);

/// Chooses the packages anew, from fresh package lists.
pub fn choose(packages: &Packages, tell: &mut dyn FnMut(Notice)) -> Result<Lock, BuildError> {
    refresh_lists(tell);
    choose_from_lists(packages)
}

fn refresh_lists(tell: &mut dyn FnMut(Notice)) {
    tell(Notice::Updating);
    if let Err(error) = apt::update() {
        tell(Notice::UpdateFailed(error));
    }
}

fn choose_from_lists(packages: &Packages) -> Result<Lock, BuildError> {
    let chosen = apt::closure(packages)?;
    let debs = apt::show(chosen.iter().map(|chosen| (chosen.name.as_str(), chosen.version.as_str())))?;
    let fits = |deb: &LockedDeb| deb.architecture == packages.architecture || deb.architecture == "all";
    let debs: Vec<LockedDeb> = debs.into_iter().filter(fits).collect();
    let missing = |name: &str| debs.iter().all(|deb| deb.name != name);
    let faults: Vec<Fault> = chosen
        .iter()
        .filter(|chosen| missing(&chosen.name))
        .map(|chosen| Fault::new("HP-KIT-131", &chosen.name, format!("`{}` is chosen but not described", chosen.name)))
        .collect();
    if faults.is_empty() { Ok(Lock::new(Date::of(SystemTime::now()), debs)) } else { Err(BuildError::Choice(faults)) }
}

/// Brings the packages of a lock. The network is used only for what the cache lacks.
///
/// # Errors
/// [`BuildError::Gone`] where the archive has other versions and the policy is [`LockPolicy::Exact`];
/// [`BuildError::Mismatch`] where the archive gives other bytes than were locked, under any policy.
pub fn provide(
    packages: &Packages,
    lock: &Lock,
    cache: &Cache,
    policy: LockPolicy,
    tell: &mut dyn FnMut(Notice),
) -> Result<Provided, BuildError> {
    let stale = disagreements(packages, lock);
    if !stale.is_empty() {
        return Err(BuildError::Lock(stale));
    }
    let mut missing = cache.missing(lock, tell)?;
    let mut gone = gone(&missing)?;
    if !gone.is_empty() {
        refresh_lists(tell);
        gone = self::gone(&missing)?;
    }
    let mut used = lock.clone();
    if !gone.is_empty() {
        if policy == LockPolicy::Exact {
            return Err(BuildError::Gone(gone));
        }
        tell(Notice::Gone(gone));
        used = choose_from_lists(packages)?;
        missing = cache.missing(&used, tell)?;
    }
    if !missing.is_empty() {
        let size = missing.iter().map(|deb| deb.size.get()).sum();
        tell(Notice::Fetching(missing.len(), Bytes::new(size)));
        cache.fetch(&missing)?;
    }
    let files = used.debs.iter().map(|deb| cache.read(deb)).collect::<Result<_, _>>()?;
    Ok(Provided { replaced: difference(lock, &used), lock: used, files })
}

/// Where a lock is not one of this recipe, because the recipe was changed since.
fn disagreements(packages: &Packages, lock: &Lock) -> Vec<Fault> {
    let locked = |name: &str| lock.debs.iter().any(|deb| deb.name == name);
    let lacks = packages.want.iter().filter(|name| !locked(name)).map(|name| (name, "wants", "is not in the lock"));
    let has = packages.leave_out.keys().filter(|name| locked(name)).map(|name| (name, "leaves out", "is in the lock"));
    lacks
        .chain(has)
        .map(|(name, does, is)| Fault::new("HP-KIT-114", name, format!("`image.toml` {does} `{name}`, which {is}")))
        .collect()
}

/// A fault for each package of which the archive does not offer the locked version.
fn gone(missing: &[LockedDeb]) -> Result<Vec<Fault>, BuildError> {
    let offered = apt::show(missing.iter().map(|deb| (deb.name.as_str(), deb.version.as_str())))?;
    let has = |deb: &LockedDeb| offered.iter().any(|other| (&other.name, &other.version) == (&deb.name, &deb.version));
    Ok(missing
        .iter()
        .filter(|deb| !has(deb))
        .map(|deb| {
            let now = apt::versions(&deb.name);
            let now = if now.is_empty() { "none".to_owned() } else { format!("`{}`", now.join("`, `")) };
            Fault::new("HP-KIT-132", &deb.name, format!("the archive has no `{}` in the locked version", deb.name))
                .expected(format!("`{}`", deb.version))
                .actual(now)
        })
        .collect())
}

/// How two locks differ, by name.
fn difference(locked: &Lock, now: &Lock) -> Vec<Replaced> {
    let version =
        |lock: &Lock, name: &str| lock.debs.iter().find(|deb| deb.name == name).map(|deb| deb.version.clone());
    let mut names: Vec<&String> = locked.debs.iter().chain(&now.debs).map(|deb| &deb.name).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| Replaced { name: name.clone(), locked: version(locked, name), now: version(now, name) })
        .filter(|replaced| replaced.locked != replaced.now)
        .collect()
}

impl Cache {
    /// The cache in this directory, which is made when it is needed.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    fn file(&self, deb: &LockedDeb) -> PathBuf {
        self.0.join(&deb.filename)
    }

    /// What the cache lacks, or has wrong.
    fn missing(&self, lock: &Lock, tell: &mut dyn FnMut(Notice)) -> Result<Vec<LockedDeb>, BuildError> {
        let mut missing = Vec::new();
        for deb in &lock.debs {
            match self.read(deb) {
                Ok(_) => continue,
                Err(BuildError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(BuildError::Mismatch { .. }) => tell(Notice::BadCache(self.file(deb))),
                Err(error) => return Err(error),
            }
            missing.push(deb.clone());
        }
        Ok(missing)
    }

    /// The bytes of a package, which are the locked ones.
    fn read(&self, deb: &LockedDeb) -> Result<Vec<u8>, BuildError> {
        let file = self.file(deb);
        let bytes = fs::read(&file).map_err(|source| BuildError::io("read", &file, source))?;
        check(deb, &bytes)?;
        Ok(bytes)
    }

    /// Fetches these packages into a directory beside, checks each, and only then gives it its name in the cache.
    fn fetch(&self, missing: &[LockedDeb]) -> Result<(), BuildError> {
        let incoming = Incoming::new(&self.0)?;
        apt::download(missing.iter(), &incoming.0)?;
        let listed = fs::read_dir(&incoming.0).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let files: Vec<PathBuf> = listed
            .map_err(|source| BuildError::io("read", &incoming.0, source))?
            .into_iter()
            .map(|entry| entry.path())
            .collect();
        for deb in missing {
            // Versions with an epoch are written with `%3a` where the archive leaves the epoch out.
            let name = format!("{}_{}_{}.deb", deb.name, deb.version.replace(':', "%3a"), deb.architecture);
            let file = files.iter().find(|file| file.file_name().is_some_and(|found| *found == *name));
            let file = file.cloned().unwrap_or_else(|| incoming.0.join(&name));
            let bytes = fs::read(&file).map_err(|source| BuildError::io("read", &file, source))?;
            check(deb, &bytes)?;
            let target = self.file(deb);
            fs::rename(&file, &target).map_err(|source| BuildError::io("write", &target, source))?;
        }
        Ok(())
    }
}

fn check(deb: &LockedDeb, bytes: &[u8]) -> Result<(), BuildError> {
    let found = Sha256::of(bytes);
    if found == deb.sha256 && bytes.len() as u64 == deb.size.get() {
        return Ok(());
    }
    Err(BuildError::Mismatch {
        filename: deb.filename.clone(),
        size: deb.size,
        sha256: deb.sha256,
        found_size: Bytes::new(bytes.len() as u64),
        found,
    })
}

/// A directory for what has not been checked yet; gone when it is dropped.
struct Incoming(PathBuf);

impl Incoming {
    fn new(cache: &Path) -> Result<Self, BuildError> {
        // Two builds may share a cache; a process fetches into one at a time.
        let dir = cache.join(format!(".incoming-{}-{:?}", std::process::id(), std::thread::current().id()));
        fs::create_dir_all(&dir).map_err(|source| BuildError::io("make", &dir, source))?;
        Ok(Self(dir))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What stays behind is hidden, unchecked, and never read.
        let _left = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deb(name: &str, bytes: &[u8]) -> LockedDeb {
        LockedDeb {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            architecture: "all".to_owned(),
            size: Bytes::new(bytes.len() as u64),
            sha256: Sha256::of(bytes),
            filename: format!("{name}_1.0_all.deb"),
        }
    }

    #[test]
    fn the_cache_gives_only_what_was_locked() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let lock = Lock::new(Date::EPOCH, vec![deb("good", b"1"), deb("bad", b"2"), deb("absent", b"3")]);
        fs::write(dir.path().join("good_1.0_all.deb"), b"1").unwrap();
        fs::write(dir.path().join("bad_1.0_all.deb"), b"X").unwrap();
        let mut told = Vec::new();
        let missing = cache.missing(&lock, &mut |notice| told.push(notice)).unwrap();
        let names: Vec<&str> = missing.iter().map(|deb| deb.name.as_str()).collect();
        assert_eq!(names, ["absent", "bad"]);
        assert!(matches!(&told[..], [Notice::BadCache(file)] if file.ends_with("bad_1.0_all.deb")), "{told:?}");
        let error = cache.read(&deb("bad", b"2")).unwrap_err();
        assert!(error.to_string().starts_with("`bad_1.0_all.deb` is not the locked package: found 1 bytes"), "{error}");
    }

    #[test]
    fn a_lock_of_another_recipe_is_refused_before_anything_is_fetched() {
        let packages = Packages {
            distribution: "Debian".to_owned(),
            release: "12".to_owned(),
            architecture: "amd64".to_owned(),
            want: vec!["here".to_owned(), "added".to_owned()],
            leave_out: [("dropped".to_owned(), "a reason".to_owned())].into(),
        };
        let lock = Lock::new(Date::EPOCH, vec![deb("here", b"1"), deb("dropped", b"1")]);
        let cache = Cache::new("/nonexistent");
        let mut never = |notice: Notice| panic!("{notice:?}");
        let error = provide(&packages, &lock, &cache, LockPolicy::RefreshIfGone, &mut never).unwrap_err();
        let BuildError::Lock(faults) = error else { panic!("{error}") };
        let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        let wanted = [
            "`image.toml` wants `added`, which is not in the lock",
            "`image.toml` leaves out `dropped`, which is in the lock",
        ];
        assert_eq!(messages, wanted);
    }

    #[test]
    fn a_version_that_the_archive_never_had_is_said_to_be_gone() {
        let mut gone_deb = deb("bash", b"1");
        gone_deb.version = "0.0.1-never".to_owned();
        let faults = gone(&[gone_deb]).unwrap();
        assert_eq!(faults[0].expected, "`0.0.1-never`");
        assert_eq!(faults[0].message, "the archive has no `bash` in the locked version");
    }

    #[test]
    fn the_difference_of_two_locks_names_what_changed_came_and_went() {
        let mut newer = deb("changed", b"1");
        newer.version = "2.0".to_owned();
        let old = Lock::new(Date::EPOCH, vec![deb("same", b"1"), deb("changed", b"1"), deb("went", b"1")]);
        let new = Lock::new(Date::EPOCH, vec![deb("same", b"1"), newer, deb("came", b"1")]);
        let rows: Vec<(String, Option<String>, Option<String>)> =
            difference(&old, &new).into_iter().map(|r| (r.name, r.locked, r.now)).collect();
        let version = |text: &str| Some(text.to_owned());
        let wanted = [
            ("came".to_owned(), None, version("1.0")),
            ("changed".to_owned(), version("1.0"), version("2.0")),
            ("went".to_owned(), version("1.0"), None),
        ];
        assert_eq!(rows, wanted);
    }
}
