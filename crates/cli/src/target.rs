//! What a user means by FILE: `file.h5` or `file.h5::/path/to/dataset`, the path with `*` and `?`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::anyhow;
use etalon_measure::glob;
use etalon_measure::source::{Dataset, datasets};

use crate::failure::Failure;

/// A file, or some datasets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The file.
    pub file: PathBuf,
    /// The pattern behind `::`.
    pub pattern: Option<String>,
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once("::") {
            Some((file, pattern)) => Self {
                file: file.into(),
                pattern: Some(pattern.into()),
            },
            None => Self {
                file: text.into(),
                pattern: None,
            },
        })
    }
}

impl Target {
    /// The datasets that this target and the patterns (any of them, or none for all) mean.
    pub fn datasets(&self, patterns: &[String]) -> Result<Vec<Dataset>, Failure> {
        let wanted = |path: &str| {
            let by_target = self
                .pattern
                .as_ref()
                .is_none_or(|pattern| glob::is_match(pattern, path));
            by_target
                && (patterns.is_empty()
                    || patterns.iter().any(|pattern| glob::is_match(pattern, path)))
        };
        let found = datasets(&self.file, wanted).map_err(Failure::Input)?;
        if found.is_empty() && (self.pattern.is_some() || !patterns.is_empty()) {
            return Err(self.nothing_found(patterns));
        }
        Ok(found)
    }

    /// Names what is there, so that the next try is right.
    fn nothing_found(&self, patterns: &[String]) -> Failure {
        let asked: Vec<&str> = self
            .pattern
            .iter()
            .chain(patterns)
            .map(String::as_str)
            .collect();
        let there = datasets(&self.file, |_| true).unwrap_or_default();
        let names: Vec<&str> = there.iter().map(|dataset| dataset.path.as_str()).collect();
        let near = asked
            .iter()
            .find_map(|word| etalon_codec::nearest(word, names.iter().copied()));
        let known = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!(
                "it has: {}",
                names
                    .iter()
                    .take(12)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        Failure::Arguments(anyhow!(
            "{} has no dataset '{}'; {known}",
            self.file.display(),
            asked.join("', '")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_stands_behind_two_colons() {
        let target: Target = "/data/run:1.h5::/entry/*".parse().unwrap();
        assert_eq!(target.file, PathBuf::from("/data/run:1.h5"));
        assert_eq!(target.pattern.as_deref(), Some("/entry/*"));
        assert_eq!("a.h5".parse::<Target>().unwrap().pattern, None);
    }
}
