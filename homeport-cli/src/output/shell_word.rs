//! Owns one word of a command line as a shell reads it, so that a command that is printed can be typed. Pure.

use super::page::escape;

/// The word, in quotes where a shell would read it otherwise. What would not be one harmless line is written as escapes,
/// which bash, zsh and ksh read.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if escape(word) == word {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut text = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\\' | '\'' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if escape(c.encode_utf8(&mut [0; 4])) != c.to_string() => {
                text.push_str("\\u");
                text.extend(format!("{:04x}", u32::from(c)).chars());
            }
            c => text.push(c),
        }
    }
    text + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_by_a_shell_as_it_is() {
        for (word, text) in [
            ("motd=Hello", "motd=Hello"),
            ("/srv/a-b_c.pub", "/srv/a-b_c.pub"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x); y", "'$(x); y'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
            ("a\nb's \\ \u{1b}\u{202e}", r"$'a\nb\'s \\ \u001b\u202e'"),
        ] {
            assert_eq!(quoted(word), text, "{word:?}");
        }
    }

    #[test]
    fn bash_gives_the_same_bytes_back() {
        for word in ["it's $(here); `x` \"y\" \\ ~ *", "a\nb's \\ \u{1b}[2J\u{202e}ä", "", "-n", "motd=x"] {
            let mut bash = std::process::Command::new("bash");
            bash.env("LC_ALL", "C.UTF-8").args(["-c", &format!("printf %s {}", quoted(&format!("{word}.")))]);
            let output = bash.output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{word}."), "{word:?}");
        }
    }
}
