//! Owns the words that have no place in the repository: who or what wrote it, and the hosts of package registries.
//! Never spells one: words are known by their hash, so that the list is not what it refuses.

use std::collections::BTreeSet;

use super::file::{Complaint, File};

/// FNV-1a hashes of the words in small letters.
const REFUSED: &[u64] = &[
    0x0702_bf46_1365_8751,
    0x0a08_1e64_ba22_4254,
    0x10c8_e516_b0e4_b069,
    0x125b_6919_1db9_4ab8,
    0x1f62_1cab_7c0f_866e,
    0x2391_9480_3edf_98f7,
    0x2524_b426_1996_11b3,
    0x2bc2_2df0_3884_078d,
    0x321c_2b5e_a15e_8554,
    0x4622_376f_a414_0cb3,
    0x74c1_c6a6_88ab_3cce,
    0x7571_05cd_50f0_aa87,
    0x7f7a_7547_86a6_64b8,
    0x833a_2535_a315_ffe5,
    0x8a1b_8f4a_0a91_3503,
    0xa113_d274_5d70_6ce3,
    0xa233_cd01_de1d_da83,
    0xc550_f37d_20f6_ca83,
    0xca83_44c0_6d53_1884,
    0xd50e_a8be_af53_9e13,
    0xde35_e608_c3c2_ca95,
    0xea9e_60ad_81da_16f1,
];

/// Every refused word of a file's path and text.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    // The lock file names the registry that cargo was told to use.
    if file.name() == "Cargo.lock" {
        return vec![];
    }
    let mut found: Vec<Complaint> =
        refused(&file.path).map(|word| file.complain(0, format!("is named after `{word}`"))).collect();
    for (n, line) in file.lines() {
        found.extend(refused(line).map(|word| file.complain(n, format!("`{word}` has no place in the repository"))));
    }
    found
}

/// Every refused word of commit messages.
pub(super) fn check_message(text: &str) -> Vec<Complaint> {
    let file = File::new("commit message", text);
    file.lines()
        .flat_map(|(_, line)| refused(line).collect::<Vec<_>>())
        .map(|word| file.complain(0, format!("`{word}` has no place in the history")))
        .collect()
}

/// Words with their dots and dashes, and each part of them.
fn refused(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    words.flat_map(|word| {
        let whole = std::iter::once(word.trim_matches(['.', '-']));
        let parts: BTreeSet<&str> = whole.chain(word.split('.')).chain(word.split(['.', '-'])).collect();
        parts.into_iter().filter(|part| !part.is_empty() && REFUSED.contains(&hash(&part.to_ascii_lowercase())))
    })
}

const fn hash(word: &str) -> u64 {
    let bytes = word.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut n = 0;
    while n < bytes.len() {
        hash = (hash ^ bytes[n] as u64).wrapping_mul(0x0100_0000_01b3);
        n += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands in the list for tests alone.
    const PROBE: &str = concat!("refused-", "probe");
    const DOTTED: &str = concat!("refused.", "probe");

    #[test]
    fn a_refused_word_is_found_in_path_text_and_history() {
        let file = File::new(format!("docs/{PROBE}.md"), format!("a\nsee <https://{DOTTED}/x>.\nRefused probes\n"));
        let found: Vec<usize> = check(&file).iter().map(|found| found.line).collect();
        assert_eq!(found, [0, 2]);
        assert_eq!(check_message(&format!("core: a thing\n\nBy {}.\n", PROBE.to_uppercase())).len(), 1);
    }

    #[test]
    fn other_words_and_the_lock_file_pass() {
        assert!(check(&File::new("a.md", "refused probes, a refuse-probe and so on\n")).is_empty());
        assert!(check(&File::new("Cargo.lock", format!("{DOTTED}\n"))).is_empty());
        assert!(check_message("core: a thing\n").is_empty());
    }
}
