//! Matches paths of an image against the patterns of a recipe.
//! Never looks at files: a pattern is a question about a text.

use std::fmt;

use super::path::ImagePath;

/// A pattern: `*` stands for anything within one part of a path, `**` for anything at all, `?` for one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    /// Reads a pattern; it starts at the root.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tidy = text.len() > 1 && !text.contains("//") && !text.chars().any(char::is_control);
        (tidy && text.starts_with('/')).then(|| Self(text.to_owned()))
    }

    /// Whether the whole path matches.
    pub(super) fn matches(&self, path: &ImagePath) -> bool {
        matches(self.0.as_bytes(), path.to_string().as_bytes())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` matches `pattern`, in time of the product of their lengths at most.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // reached[i]: the part of the pattern before `at` matches the first `i` bytes of the text.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; text.len() + 1];
        if pattern[at] == b'*' {
            let any = pattern.get(at + 1) == Some(&b'*');
            at += if any { 2 } else { 1 };
            for i in 0..=text.len() {
                next[i] = reached[i] || (i > 0 && next[i - 1] && (any || text[i - 1] != b'/'));
            }
        } else {
            for i in 1..=text.len() {
                let fits = if pattern[at] == b'?' { text[i - 1] != b'/' } else { pattern[at] == text[i - 1] };
                next[i] = reached[i - 1] && fits;
            }
            at += 1;
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_stays_in_its_part_and_two_do_not() {
        let rows = [
            ("/usr/share/doc/**", "/usr/share/doc/zsh/copyright", true),
            ("/usr/share/doc/**", "/usr/share/doc", false),
            ("/usr/share/doc/*", "/usr/share/doc/zsh", true),
            ("/usr/share/doc/*", "/usr/share/doc/zsh/copyright", false),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/zsh/copyright", true),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/a/b/copyright", false),
            ("/usr/**/copyright", "/usr/share/doc/a/b/copyright", true),
            ("/usr/lib/git-core/git-daemon", "/usr/lib/git-core/git-daemon", true),
            ("/usr/lib/lib?.so", "/usr/lib/liba.so", true),
            ("/usr/lib?x", "/usr/lib/x", false),
            ("/a*b*c", "/aXbYc", true),
            ("/a*b*c", "/aXbY", false),
        ];
        for (pattern, path, wanted) in rows {
            let path = ImagePath::from_recipe(path).unwrap();
            assert_eq!(Glob::parse(pattern).unwrap().matches(&path), wanted, "{pattern} on {path}");
        }
        for bad in ["", "/", "usr/*", "/a//b", "/a\n"] {
            assert!(Glob::parse(bad).is_none(), "{bad:?}");
        }
    }
}
