//! Owns the account files, to which the image's `/etc/passwd`, `/etc/group` and `/etc/shadow` lead.
//! Never writes them.

use super::settings::Settings;

/// The user's number and group, whatever the name is.
pub(crate) const USER_ID: u32 = 1000;

/// `/etc/passwd` where nobody logs in: root alone, for programs that ask who they are.
pub(crate) const ROOT: &str = "root:x:0:0:root:/run/shell:/bin/false\n";

/// `/etc/passwd`: the user, and those that sshd and the system need.
pub(crate) fn passwd(settings: &Settings) -> String {
    let (user, shell) = (&settings.user, settings.shell.path());
    format!(
        "{ROOT}\
         {user}:x:{USER_ID}:{USER_ID}::/home/user:{shell}\n\
         sshd:x:100:65534::/run/sshd:/bin/false\n\
         nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    )
}

/// `/etc/group`.
pub(crate) fn group(settings: &Settings) -> String {
    format!("root:x:0:\ntty:x:5:\n{}:x:{USER_ID}:\nnogroup:x:65534:\n", settings.user)
}

/// `/etc/shadow`: `*` is no password, and unlike `!` leaves the account open for keys.
pub(crate) fn shadow(settings: &Settings) -> String {
    let hash = settings.password.as_deref().unwrap_or("*");
    format!("root:*:::::::\n{}:{hash}:::::::\nsshd:*:::::::\nnobody:*:::::::\n", settings.user)
}

#[cfg(test)]
mod tests {
    use homeport_core::config::Value;

    use super::super::settings::tests::context;
    use super::*;

    #[test]
    fn the_users_name_and_shell_come_from_the_settings() {
        let cx = context(&[("user", Value::Text("ann".into())), ("shell", Value::Text("zsh".into()))]);
        let settings = Settings::read(&cx);
        assert!(passwd(&settings).starts_with(ROOT));
        assert!(passwd(&settings).contains("\nann:x:1000:1000::/home/user:/bin/zsh\n"));
        assert!(group(&settings).contains("\nann:x:1000:\n"));
        assert!(shadow(&settings).contains("\nann:*:::::::\n"));
        for line in passwd(&settings).lines() {
            assert_eq!(line.matches(':').count(), 6, "{line}");
        }
        for line in shadow(&settings).lines() {
            assert_eq!(line.matches(':').count(), 8, "{line}");
        }
    }

    #[test]
    fn a_password_stands_in_shadow_only_where_it_may_be_used() {
        let hash = Value::Text("$6$saltsalt$0123456789abcdef".into());
        let off = Settings::read(&context(&[("password", hash.clone())]));
        assert!(!shadow(&off).contains("$6$"));
        let on = Settings::read(&context(&[("password", hash), ("password_login", Value::Bool(true))]));
        assert!(shadow(&on).contains("user:$6$saltsalt$0123456789abcdef:"));
    }
}
