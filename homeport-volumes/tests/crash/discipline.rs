//! Whether a step synced all that it changed before it promised anything, by the calls that it was seen to make: file
//! systems forgive much of what is left out here, each something else. Never runs anything.

use std::collections::{BTreeMap, BTreeSet};

/// What was changed and not synced since.
#[derive(Debug, Default)]
struct Unsynced {
    /// Files whose bytes or attributes were changed.
    files: BTreeSet<String>,
    /// Directories in which names were changed, and those that came.
    directories: BTreeMap<String, Names>,
    broken: Vec<String>,
}

/// What became of the names in a directory since it was synced.
#[derive(Debug, Default)]
struct Names {
    new: BTreeSet<String>,
    /// Some that were there before are gone.
    gone: bool,
}

/// What is wrong with the calls of a log (`strace -f -y`) between the lines that hold `begin` and `end`: a file that is
/// renamed before it was synced, and what was not synced at the end. Names that `unimportant` knows may be lost.
pub(crate) fn broken(log: &str, begin: &str, end: &str, unimportant: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = log.lines().skip_while(|line| !line.contains(begin)).take_while(|line| !line.contains(end));
    let mut unsynced = Unsynced::default();
    for line in lines {
        let line = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        if let (Some((call, rest)), false) = (line.split_once('('), line.contains(" = -1 ")) {
            unsynced.call(call, rest);
        }
    }
    let Unsynced { files, directories, mut broken } = unsynced;
    broken.extend(files.into_iter().map(|file| format!("`{file}` was changed and not synced")));
    for (directory, names) in directories {
        if let Some(name) = names.new.first() {
            broken.push(format!("the name `{name}` was not synced"));
        } else if names.gone {
            broken.push(format!("names are gone from `{directory}`, and that was not synced"));
        }
    }
    broken.retain(|what| !unimportant(what));
    broken
}

/// The path of the `n`th descriptor of a call: what stands between `<` and `>`.
fn descriptor(args: &str, n: usize) -> Option<&str> {
    let path = args.split('<').nth(n + 1)?.split('>').next()?;
    path.starts_with('/').then_some(path)
}

/// The `n`th text of a call: what stands between quotes.
fn text(args: &str, n: usize) -> Option<String> {
    let mut texts = Vec::new();
    let (mut within, mut escaped, mut now) = (false, false, String::new());
    for c in args.chars() {
        match c {
            '"' if !escaped => {
                if within {
                    texts.push(std::mem::take(&mut now));
                }
                within = !within;
            }
            _ if within => now.push(c),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    texts.into_iter().nth(n)
}

/// The directory that a call changes, and the whole path of the name in it.
fn place(args: &str, n: usize, name: usize) -> Option<(String, String)> {
    let name = text(args, name)?;
    if name.starts_with('/') {
        let (directory, _) = name.rsplit_once('/')?;
        return Some((directory.to_owned(), name.clone()));
    }
    let directory = descriptor(args, n)?;
    Some((directory.to_owned(), format!("{directory}/{name}")))
}

impl Unsynced {
    fn call(&mut self, call: &str, args: &str) {
        match call {
            "openat" | "openat2" if args.contains("O_CREAT") && args.contains("O_EXCL") => self.came(place(args, 0, 0)),
            "write" | "pwrite64" | "ftruncate" | "fsetxattr" | "fremovexattr" | "fchmod" | "fchown" => {
                self.files.extend(descriptor(args, 0).map(str::to_owned));
            }
            "mkdirat" | "mknodat" => self.came(place(args, 0, 0)),
            "symlinkat" => self.came(place(args, 0, 1)),
            "linkat" => self.came(place(args, 1, 1)),
            "fsync" | "fdatasync" => {
                if let Some(path) = descriptor(args, 0) {
                    self.files.remove(path);
                    self.directories.remove(path);
                }
            }
            "syncfs" => {
                self.files.clear();
                self.directories.clear();
            }
            "unlinkat" => {
                if let Some((directory, path)) = place(args, 0, 0) {
                    self.files.retain(|file| !is_within(file, &path));
                    self.directories.retain(|known, _| !is_within(known, &path));
                    self.went(directory, &path);
                }
            }
            "rename" | "renameat" | "renameat2" => {
                if let (Some(old), Some(new)) = (place(args, 0, 0), place(args, 1, 1)) {
                    self.rename(old, new, args.contains("RENAME_EXCHANGE"));
                }
            }
            _ => {}
        }
    }

    fn came(&mut self, place: Option<(String, String)>) {
        if let Some((directory, path)) = place {
            self.directories.entry(directory).or_default().new.insert(path);
        }
    }

    /// A name that came and went since the last sync is nothing to sync.
    fn went(&mut self, directory: String, path: &str) {
        let names = self.directories.entry(directory).or_default();
        if !names.new.remove(path) {
            names.gone = true;
        }
    }

    fn rename(&mut self, (from, old): (String, String), (to, new): (String, String), exchanged: bool) {
        if let Some(file) = self.files.iter().find(|file| is_within(file, &old)) {
            self.broken.push(format!("`{file}` got its name before it was synced"));
        }
        let renamed = |path: &String| match (path.strip_prefix(&old), path.strip_prefix(&new)) {
            (Some(rest), _) if is_within(path, &old) => format!("{new}{rest}"),
            (_, Some(rest)) if exchanged && is_within(path, &new) => format!("{old}{rest}"),
            _ => path.clone(),
        };
        self.files = self.files.iter().map(renamed).collect();
        let directories = std::mem::take(&mut self.directories);
        self.directories = directories.into_iter().map(|(directory, names)| (renamed(&directory), names)).collect();
        if exchanged {
            // Both names stay, and stand for something else.
            self.directories.entry(from).or_default().gone = true;
            self.directories.entry(to).or_default().gone = true;
        } else {
            self.went(from, &old);
            self.came(Some((to, new)));
        }
    }
}

/// Whether a path is `top` or below it.
fn is_within(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAREFUL: [&str; 6] = [
        "7 openat2(3</v/tmp>, \"new\", {flags=O_WRONLY|O_CREAT|O_EXCL, mode=0600}, 24) = 4</v/tmp/new>",
        "7 write(4</v/tmp/new>, \"a \\\"word\\\"\", 8) = 8",
        "7 fsync(4</v/tmp/new>)             = 0",
        "7 renameat2(3</v/tmp>, \"new\", 5</v/packs>, \"a\", RENAME_NOREPLACE) = 0",
        "7 fsync(5</v/packs>)               = 0",
        "7 unlinkat(3</v/tmp>, \"other\", 0) = -1 ENOENT (No such file or directory)",
    ];

    fn said(lines: &[&str]) -> Vec<String> {
        let log = format!("7 statx(\"/begin\")\n{}\n7 statx(\"/end\")\n7 write(9</v/x>, \"\") = 0\n", lines.join("\n"));
        broken(&log, "/begin", "/end", |what| what.contains("`/v/tmp`"))
    }

    #[test]
    fn each_care_that_is_left_out_is_said() {
        assert_eq!(said(&CAREFUL), [""; 0]);
        let without = |n: usize| {
            let mut lines = CAREFUL.to_vec();
            lines.remove(n);
            said(&lines)
        };
        assert_eq!(without(4), ["the name `/v/packs/a` was not synced"]);
        assert_eq!(
            without(2),
            ["`/v/tmp/new` got its name before it was synced", "`/v/packs/a` was changed and not synced"]
        );
        let mut late = CAREFUL.to_vec();
        late.swap(2, 3);
        late[3] = "7 fsync(4</v/packs/a>) = 0";
        assert_eq!(said(&late), ["`/v/tmp/new` got its name before it was synced"]);
        let whole = [CAREFUL[0], CAREFUL[1], "7 syncfs(3</v/tmp>) = 0", CAREFUL[3], "7 syncfs(3</v/tmp>) = 0"];
        assert_eq!(said(&whole), [""; 0]);
    }

    #[test]
    fn what_is_exchanged_and_what_is_gone_is_followed() {
        let exchanged = [
            "7 fchmod(4</v/staging/data/f>, 0600) = 0",
            "7 renameat2(3</v>, \"data\", 5</v/staging>, \"data\", RENAME_EXCHANGE) = 0",
            "7 fsync(4</v/data/f>) = 0",
            "7 fsync(3</v>) = 0",
            "7 mkdirat(5</v/staging>, \"x\", 0700) = 0",
            "7 unlinkat(3</v>, \"staging\", AT_REMOVEDIR) = 0",
            "7 fsync(3</v>) = 0",
        ];
        assert_eq!(said(&exchanged), [""; 0]);
    }
}
