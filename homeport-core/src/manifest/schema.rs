//! Owns the JSON Schema of the manifest, made from the wire types and their bounds, so that document and parser can't
//! drift apart. Never says more than the parser: `null` is refused by both.

use serde_json::{Map, Value};

/// The schema (draft 2020-12), ready to be written to `spec/schema/manifest.json`. [spec: MAN-4]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(super::wire::Manifest).to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("$id".to_owned(), "urn:homeport:manifest:1.0".into());
        root.insert("patternProperties".to_owned(), serde_json::json!({ "^x-": {} }));
        root.insert("title".to_owned(), "HomePort port manifest, protocol 1.0".into());
    }
    tighten(&mut schema);
    schema
}

/// Makes of what is derived what the parser does: no `null`, no formats of Rust, and words as `enum` in place of `oneOf`,
/// whose errors say nothing.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            without_null(members);
            words(members);
            if members.get("format").is_some_and(Value::is_string) {
                members.remove("format");
            }
            members.values_mut().for_each(tighten);
        }
        Value::Array(items) => items.iter_mut().for_each(tighten),
        _ => {}
    }
}

fn without_null(members: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            for (name, value) in only {
                members.entry(name).or_insert(value);
            }
        }
    }
}

/// `oneOf` of constants becomes `enum`; what each word means goes into the description.
fn words(members: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = members.get("oneOf") else { return };
    let offered: Option<Vec<(Value, String)>> = choices
        .iter()
        .map(|choice| {
            let word = choice.get("const")?.clone();
            let meaning = choice.get("description").and_then(Value::as_str).unwrap_or_default();
            let line = format!("`{}`: {meaning}", word.as_str()?);
            Some((word, line))
        })
        .collect();
    let Some(offered) = offered else { return };
    let about = members.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (words, lines): (Vec<Value>, Vec<String>) = offered.into_iter().unzip();
    members.remove("oneOf");
    members.insert("type".to_owned(), "string".into());
    members.insert("enum".to_owned(), words.into());
    members.insert("description".to_owned(), format!("{about} {}", lines.join(" ")).into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema in the document, with where it stands.
    fn each(schema: &Value, at: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
        match schema {
            Value::Object(members) => {
                visit(at, members);
                members.iter().for_each(|(name, member)| each(member, &format!("{at}/{name}"), visit));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| each(item, &format!("{at}/{n}"), visit));
            }
            _ => {}
        }
    }

    #[test]
    fn every_number_text_list_and_map_is_bounded() {
        let mut seen = 0;
        each(&schema(), "", &mut |at, members| {
            let wanted = match members.get("type").and_then(Value::as_str) {
                Some("integer") => "maximum",
                Some("string") if members.contains_key("enum") => "enum",
                Some("string") if at.ends_with("default/items") || at.ends_with("example/items") => return,
                Some("string") => "maxLength",
                Some("array") => "maxItems",
                Some("object") if members.contains_key("properties") => "additionalProperties",
                Some("object") => "maxProperties",
                _ => return,
            };
            seen += 1;
            assert!(members.contains_key(wanted), "{at} has no {wanted}");
        });
        assert!(seen > 80, "{seen}");
    }

    #[test]
    fn nothing_is_null_or_a_choice_without_words() {
        each(&schema(), "", &mut |at, members| {
            for refused in ["oneOf", "anyOf", "allOf"] {
                assert!(!members.contains_key(refused), "{at} has {refused}");
            }
            assert!(!members.get("type").is_some_and(|kind| kind.to_string().contains("null")), "{at}");
        });
    }
}
