//! Owns the JSON Schema of the manifest, made from the wire types, so that document and parser can't drift apart.
//! Never says more than the parser: `null` is refused by both.

use serde_json::Value;

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

/// Takes `null` out, gives whole numbers their ranges, and says what a configuration value may be: as the parser does.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
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
                    members.extend(only);
                }
            }
            let most: Option<u64> = match members.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(u32::MAX.into()),
                Some("uint64") => Some(u64::MAX),
                _ => None,
            };
            if let Some(most) = most
                && !members.contains_key("maximum")
            {
                members.insert("maximum".to_owned(), most.into());
            }
            if members.get("format").and_then(Value::as_str) == Some("int64") {
                members.insert("minimum".to_owned(), i64::MIN.into());
                members.insert("maximum".to_owned(), i64::MAX.into());
            }
            members.remove("format");
            for name in ["default", "example"] {
                let in_key = members.get("properties").is_some_and(|properties| properties.get("secret").is_some());
                if in_key && let Some(value) = members.get_mut("properties").and_then(|p| p.get_mut(name)) {
                    let description = value.get("description").cloned().unwrap_or_default();
                    *value = serde_json::json!({
                        "description": description,
                        "type": ["string", "integer", "boolean", "array"],
                        "items": { "type": "string" },
                    });
                }
            }
            members.values_mut().for_each(tighten);
        }
        Value::Array(items) => items.iter_mut().for_each(tighten),
        _ => {}
    }
}
