//! Owns how wire types are declared: once, for serde, for the JSON Schema and for the reader that finds every fault.
//! Never knows a field: those are in `wire`.

/// A field's name as documents write it: `r#type` is `type`.
pub(crate) fn plain(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Declares a wire object: the struct as serde and schemars see it, and how it is read with every fault at once.
macro_rules! wire_object {
    (
        $(#[$meta:meta])*
        $(free $free:literal)?
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $ty:ty $(= $bound:expr)?,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                $(#[cfg_attr(feature = "schema", schemars(transform = std::convert::identity($bound)))])?
                #[serde(skip_serializing_if = "crate::manifest::read::is_absent")]
                pub $field: $ty,
            )+
        }

        impl $crate::manifest::read::Read for $name {
            fn read(
                node: &$crate::manifest::node::Node,
                at: &$crate::manifest::read::Pointer,
                faults: &mut Vec<$crate::fault::Fault>,
            ) -> Option<Self> {
                let known = [$($crate::manifest::declare::plain(stringify!($field))),+];
                let free: Option<&str> = None $(.or(Some($free)))?;
                let object = $crate::manifest::read::ObjectReader::open(node, at, &known, free, faults)?;
                $(
                    let bound = [$($bound,)? $crate::manifest::bound::Bound::Free][0];
                    let $field = object.member::<$ty>($crate::manifest::declare::plain(stringify!($field)), bound, faults);
                )+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
}

/// Declares a wire word: an enum that is written as one of a few fixed texts.
macro_rules! wire_word {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The word as manifests write it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What the word stands for; `None` where it is none.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl $crate::manifest::read::Read for $name {
            fn read(
                node: &$crate::manifest::node::Node,
                at: &$crate::manifest::read::Pointer,
                faults: &mut Vec<$crate::fault::Fault>,
            ) -> Option<Self> {
                if let $crate::manifest::node::Node::Text(text) = node {
                    match text.as_str() {
                        $($word => return Some(Self::$variant),)+
                        _ => {}
                    }
                }
                let wanted = concat!("one of", $(" `", $word, "`"),+);
                faults.push($crate::manifest::read::wrong_type(node, at, wanted));
                None
            }
        }
    };
}

pub(crate) use {wire_object, wire_word};
