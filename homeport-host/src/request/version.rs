//! Owns what a person can ask about versions, as values. Never looks anything up.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use homeport_core::config::Given;
use homeport_core::fault::Advice;
use homeport_core::name::{EndpointName, InstanceName};
use semver::Version;

use super::RouteWish;
use crate::approval::Token;
use crate::engine::ImageRef;
use crate::operation::Execution;

/// Asks for another version of an instance's port.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// The instance.
    pub instance: InstanceName,
    /// Which version; the highest release that the engine holds where it is not said.
    pub to: Option<VersionChoice>,
    /// Values for keys that the other version needs and that have none.
    pub given: Vec<Given>,
    /// What is wanted of endpoints that only the other version has; none of them gets a public address by itself.
    pub routes: BTreeMap<EndpointName, RouteWish>,
    /// The consent, where one is needed.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Asks for the version that an instance had before.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The instance.
    pub instance: InstanceName,
    /// What is wanted of endpoints that only the version from before has, in the place of the addresses that they had.
    pub routes: BTreeMap<EndpointName, RouteWish>,
    /// The consent, where one is needed.
    pub approve: Option<Token>,
    /// Whether it is carried out.
    pub execution: Execution,
}

/// Which version of a port: `1.1.0`, `1.1`, `1`, or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChoice {
    /// The highest version that begins so; a whole version is that one.
    Version(VersionPrefix),
    /// This image.
    Image(ImageRef),
}

/// A version, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPrefix(String);

/// A text that is neither a version nor an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version: wanted `1.1.0`, `1.1`, `1`, or an image such as `homeport/shell:1.1.0`")]
pub struct VersionChoiceError(pub String);

impl Advice for VersionChoiceError {
    fn code(&self) -> &'static str {
        "HP-REQ-040"
    }

    fn help(&self) -> Option<String> {
        Some("`docker images` lists what the engine holds".to_owned())
    }
}

impl VersionPrefix {
    /// The range of versions that begin so. A pre-release is meant only by its whole name.
    pub fn range(&self) -> semver::VersionReq {
        let whole = Version::parse(&self.0).map(|version| format!("={version}"));
        let text = whole.unwrap_or_else(|_| match self.0.split('.').count() {
            1 => format!("={}", self.0),
            _ => format!("~{}", self.0),
        });
        text.parse().unwrap_or(semver::VersionReq::STAR)
    }
}

impl fmt::Display for VersionPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VersionPrefix {
    type Err = VersionChoiceError;

    fn from_str(text: &str) -> Result<Self, VersionChoiceError> {
        let parts: Vec<&str> = text.split('.').collect();
        let is_number = |part: &&str| {
            !part.is_empty()
                && part.len() < 19
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part.len() == 1 || !part.starts_with('0'))
        };
        let is_beginning = parts.len() <= 2 && parts.iter().all(is_number);
        if is_beginning || Version::parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(VersionChoiceError(text.to_owned()))
        }
    }
}

impl FromStr for VersionChoice {
    type Err = VersionChoiceError;

    fn from_str(text: &str) -> Result<Self, VersionChoiceError> {
        if let Ok(version) = text.parse() {
            return Ok(Self::Version(version));
        }
        // A name without a tag or an id could be a mistyped version as well.
        let is_image = text.contains([':', '/']);
        let image = text.parse().ok().filter(|_| is_image);
        image.map(Self::Image).ok_or_else(|| VersionChoiceError(text.to_owned()))
    }
}

impl fmt::Display for VersionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Image(image) => image.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_whole_or_by_its_beginning() {
        let matches = |text: &str, version: &str| -> bool {
            let VersionChoice::Version(prefix) = text.parse().unwrap() else { panic!("{text}") };
            prefix.range().matches(&version.parse().unwrap())
        };
        for (text, yes, no) in [
            ("1.1.0", "1.1.0", "1.1.1"),
            ("1.1", "1.1.7", "1.2.0"),
            ("1", "1.9.9", "2.0.0"),
            ("1", "1.0.0", "0.9.0"),
            ("1.2.0-rc.1", "1.2.0-rc.1", "1.2.0"),
            ("0.3", "0.3.9", "0.4.0"),
        ] {
            assert!(matches(text, yes), "{text} {yes}");
            assert!(!matches(text, no), "{text} {no}");
        }
    }

    #[test]
    fn what_is_neither_a_version_nor_an_image_is_refused() {
        for text in ["", "v1.1.0", "1.", "01.2", "1.2.3.4", "latest", "shell", "1.x", "^1.0", "1 .2"] {
            assert_eq!(text.parse::<VersionChoice>(), Err(VersionChoiceError(text.to_owned())), "{text}");
        }
        assert!(matches!("homeport/shell:1.1.0".parse(), Ok(VersionChoice::Image(_))));
    }
}
