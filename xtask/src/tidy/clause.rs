//! Owns the clauses of the specification: finding them in documents, one sentence each, and that what code cites exists.
//! Never looks at tests: that is `requirement`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Complaint, File};

/// How binding a sentence is, by RFC 2119 and 8174.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    May,
    Should,
    Must,
}

impl Level {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::May => "MAY",
            Self::Should => "SHOULD",
            Self::Must => "MUST",
        }
    }

    /// The most binding word of a text. What stands in backticks is spoken about, not said.
    fn of(text: &str) -> Option<Self> {
        let said: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let words = said.split(|c: char| !c.is_ascii_alphabetic());
        words
            .filter_map(|word| match word {
                "MUST" | "REQUIRED" | "SHALL" => Some(Self::Must),
                "SHOULD" | "RECOMMENDED" => Some(Self::Should),
                "MAY" | "OPTIONAL" => Some(Self::May),
                _ => None,
            })
            .max()
    }
}

/// A sentence with an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) id: String,
    /// `None` where the sentence says how something is, and binds nobody.
    pub(super) level: Option<Level>,
    /// The document's path.
    pub(super) path: String,
    pub(super) line: usize,
    text: String,
}

/// Every clause of a document. One starts where a line, an item or a table's row opens with an id in bold, and ends at
/// the next one, at an empty line or at a line of another kind.
pub(super) fn clauses(file: &File) -> Vec<Clause> {
    parse(file).0
}

fn parse(file: &File) -> (Vec<Clause>, Vec<(usize, String)>) {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut prose: Vec<(usize, String)> = Vec::new();
    let mut in_code = false;
    let mut in_clause = false;
    let mut in_prose = false;
    for (n, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code || line.trim_start().starts_with("```") || line.trim().is_empty() || line.starts_with('#') {
            (in_clause, in_prose) = (false, false);
            continue;
        }
        let body = line.trim_start().trim_start_matches(['-', '*', '|', ' ']);
        let starts_part = line.trim_start().starts_with(['-', '|']);
        if let Some((id, rest)) = opening_id(line) {
            clauses.push(Clause { id, level: None, path: file.path.clone(), line: n, text: rest.to_owned() });
            (in_clause, in_prose) = (true, false);
        } else if in_clause && !starts_part {
            if let Some(clause) = clauses.last_mut() {
                clause.text.push(' ');
                clause.text.push_str(body);
            }
        } else if in_prose && !starts_part {
            if let Some((_, text)) = prose.last_mut() {
                text.push(' ');
                text.push_str(body);
            }
        } else {
            prose.push((n, body.to_owned()));
            (in_clause, in_prose) = (false, true);
        }
    }
    for clause in &mut clauses {
        clause.level = Level::of(&clause.text);
    }
    (clauses, prose)
}

/// `**MAN-4**`, with an item's dash or a row's bar before it and a point or colon behind it.
fn opening_id(line: &str) -> Option<(String, &str)> {
    let rest = line.trim_start().trim_start_matches(['-', '|']).trim_start().strip_prefix("**")?;
    let (bold, rest) = rest.split_once("**")?;
    let id = bold.trim_end_matches(['.', ':']);
    is_id(id).then(|| (id.to_owned(), rest.trim_start_matches(['.', ':', ' ', '|'])))
}

/// Two to four capitals, a dash, a number.
fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(area, number)| {
        (2..=4).contains(&area.len())
            && area.bytes().all(|b| b.is_ascii_uppercase())
            && !number.is_empty()
            && !number.starts_with('0')
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The sentences of a text: ended by a point, question or exclamation mark before a blank or the end.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let ends = matches!(c, '.' | '!' | '?' | '|') && bytes.get(at + 1).is_none_or(|next| *next == b' ');
        let abbreviated = text[..=at].ends_with("e.g.") || text[..=at].ends_with("i.e.");
        if ends && !abbreviated {
            found.push(text[from..=at].trim());
            from = at + 1;
        }
    }
    found.push(text[from..].trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// Complaints about documents and about what code cites.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut known: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_document()) {
        let (clauses, prose) = parse(file);
        for clause in clauses {
            let binding = sentences(&clause.text).into_iter().filter(|sentence| Level::of(sentence).is_some()).count();
            match binding {
                0 | 1 => {}
                n => found
                    .push(file.complain(clause.line, format!("`{}` has {n} binding sentences: wanted one", clause.id))),
            }
            if let Some((path, line)) = known.insert(clause.id.clone(), (file.path.clone(), clause.line)) {
                found.push(file.complain(clause.line, format!("`{}` stands already in {path}:{line}", clause.id)));
            }
        }
        // The paragraph that says how the words are meant names them without binding anybody.
        let loose = prose.into_iter().filter(|(_, text)| Level::of(text).is_some() && !text.contains("RFC 2119"));
        found.extend(loose.map(|(n, _)| file.complain(n, "a binding sentence has no id")));
    }
    let areas: BTreeSet<&str> = known.keys().filter_map(|id| id.split_once('-')).map(|(area, _)| area).collect();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (n, line) in file.lines() {
            let unknown = cited(line, &areas).into_iter().filter(|id| !known.contains_key(id));
            found.extend(unknown.map(|id| file.complain(n, format!("`{id}` is no clause of spec/"))));
        }
    }
    found
}

/// Every clause that a line of Rust cites: `[spec: A-1, B-2]` always, a literal `"A-1"` where the area is known.
pub(super) fn cited(line: &str, areas: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in line.match_indices(concat!("[spec", ": ")) {
        let rest = &line[at + start.len()..];
        let list = rest.split(']').next().unwrap_or(rest);
        found.extend(list.split(',').map(str::trim).filter(|id| is_id(id)).map(str::to_owned));
    }
    for literal in line.split('"').skip(1).step_by(2) {
        if is_id(literal) && literal.split_once('-').is_some_and(|(area, _)| areas.contains(area)) {
            found.push(literal.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# T\n\nWords.\n\n**ZZ-1.** A port MUST be kind,\nalways.\n\n- **ZZ-2** It SHOULD smile. That helps.\n- **ZZ-3:** It MAY sing.\n\n| **ZZ-4** | It MUST NOT `SHOULD` shout. |\n";

    fn messages(document: &str, rust: &str) -> Vec<String> {
        check(&[File::new("spec/t.md", document), File::new("a.rs", rust)]).into_iter().map(|c| c.message).collect()
    }

    #[test]
    fn clauses_are_found_with_their_level() {
        let found = clauses(&File::new("spec/t.md", DOCUMENT));
        let shown: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.level, c.line)).collect();
        let wanted =
            [("ZZ-1", Level::Must, 5), ("ZZ-2", Level::Should, 8), ("ZZ-3", Level::May, 9), ("ZZ-4", Level::Must, 11)];
        assert_eq!(shown, wanted.map(|(id, level, line)| (id, Some(level), line)));
        assert_eq!(messages(DOCUMENT, ""), Vec::<String>::new());
    }

    #[test]
    fn a_binding_sentence_without_an_id_is_found() {
        assert_eq!(messages("A port MUST be kind.\n", ""), ["a binding sentence has no id"]);
        assert_eq!(messages("MUST is meant as in RFC 2119.\n", ""), Vec::<String>::new());
        assert_eq!(messages("`MUST` is a word.\n\n```\nMUST\n```\n", ""), Vec::<String>::new());
        assert_eq!(messages("**ZZ-1.** It MUST be.\n\nIt MUST not end there.\n", ""), ["a binding sentence has no id"]);
    }

    #[test]
    fn one_id_is_one_binding_sentence() {
        assert_eq!(messages("**ZZ-1.** It MUST be. It MAY go.\n", ""), ["`ZZ-1` has 2 binding sentences: wanted one"]);
        assert_eq!(messages("**ZZ-1.** It is. So be it.\n", ""), Vec::<String>::new());
        assert_eq!(messages("**ZZ-1.** Version 1.0 MUST be (e.g. now).\n", ""), Vec::<String>::new());
    }

    #[test]
    fn an_id_stands_once() {
        let found = messages("**ZZ-1.** It MUST be.\n\n**ZZ-1.** It MUST go.\n", "");
        assert_eq!(found, ["`ZZ-1` stands already in spec/t.md:1"]);
    }

    #[test]
    fn what_code_cites_must_exist() {
        let cite = |id: &str| format!("/// A thing. {}{id}]\n", concat!("[spec", ": "));
        assert_eq!(messages(DOCUMENT, &cite("ZZ-1, ZZ-3")), Vec::<String>::new());
        assert_eq!(messages(DOCUMENT, &cite("ZZ-1, ZZ-9")), ["`ZZ-9` is no clause of spec/"]);
        assert_eq!(messages(DOCUMENT, &cite("YY-1")), ["`YY-1` is no clause of spec/"]);
        assert_eq!(messages(DOCUMENT, "clause(\"ZZ-8\"), \"UTF-8\""), ["`ZZ-8` is no clause of spec/"]);
    }
}
