//! Writes the user and group files of an image from its recipe.
//! Never gives anybody a password.

use std::fmt::Write as _;

use super::path::{ImagePath, PathError};
use super::recipe::Recipe;
use super::tree::Node;

/// The user and group files; none where the recipe names nobody, because the port makes its own at each start.
pub(super) fn files(recipe: &Recipe) -> Result<Vec<(ImagePath, Node)>, PathError> {
    if recipe.users.is_empty() && recipe.groups.is_empty() {
        return Ok(Vec::new());
    }
    let (mut passwd, mut shadow, mut group) = (String::new(), String::new(), String::new());
    let mut users: Vec<_> = recipe.users.iter().collect();
    users.sort_by_key(|(_, user)| user.uid);
    for (name, user) in users {
        // Writing to a String cannot fail.
        let _ok = writeln!(passwd, "{name}:x:{}:{}::{}:{}", user.uid, user.gid, user.home, user.shell);
        let _ok = writeln!(shadow, "{name}:*:::::::");
    }
    let mut groups: Vec<_> = recipe.groups.iter().collect();
    groups.sort_by_key(|(_, group)| group.gid);
    for (name, entry) in groups {
        let _ok = writeln!(group, "{name}:x:{}:{}", entry.gid, entry.members.join(","));
    }
    Ok(vec![
        (ImagePath::from_recipe("/etc/group")?, Node::text(0o644, group)),
        (ImagePath::from_recipe("/etc/passwd")?, Node::text(0o644, passwd)),
        (ImagePath::from_recipe("/etc/shadow")?, Node::text(0o600, shadow)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_in_the_order_of_numbers_and_nobody_has_a_password() {
        let recipe = Recipe::parse(
            r#"
            format = 1
            user.web = { uid = 33, gid = 33, home = "/srv" }
            user.root = { uid = 0, gid = 0, home = "/root", shell = "/bin/sh" }
            group.web = { gid = 33 }
            group.root = { gid = 0 }
            group.logs = { gid = 4, members = ["web", "root"] }
            "#,
        )
        .unwrap();
        let files = files(&recipe).unwrap();
        let text = |at: usize| match &files[at].1 {
            Node::File(meta, bytes) => format!("{} {}", meta.mode, String::from_utf8_lossy(bytes)),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(0), "0644 root:x:0:\nlogs:x:4:web,root\nweb:x:33:\n");
        assert_eq!(text(1), "0644 root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/usr/sbin/nologin\n");
        assert_eq!(text(2), "0600 root:*:::::::\nweb:*:::::::\n");
        assert_eq!(super::files(&Recipe::default()).unwrap(), []);
    }
}
