//! A limit on a number, as a user states it, and whether it is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Outcome, metric_named};

/// `psnr>=40` or `max_abs_error<=2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Name of the number.
    pub value: String,
    /// Whether the number may not be smaller; else it may not be larger.
    pub at_least: bool,
    /// The limit, in the number's unit.
    pub limit: f64,
}

/// A limit beside what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The limit.
    #[serde(flatten)]
    pub limit: Limit,
    /// What was measured; NaN where it is not defined or was not measured.
    pub measured: f64,
    /// Whether the limit is kept. A number that is not defined keeps none.
    pub holds: bool,
}

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (relation, at_least) = if text.contains(">=") {
            (">=", true)
        } else {
            ("<=", false)
        };
        let parts = text.split_once(relation);
        let parsed = parts.and_then(|(name, limit)| {
            let limit: f64 = limit.trim().parse().ok()?;
            // A number that no f64 holds is read as infinite.
            limit.is_finite().then_some((name.trim(), limit))
        });
        let Some((name, limit)) = parsed else {
            return Err(Error::Unsuitable {
                metric: "limit",
                reason: format!("'{text}' is none; write it as psnr>=40 or max_abs_error<=2"),
            });
        };
        let metric = metric_named(name)?;
        let is_value = metric.values.iter().any(|(value, _)| *value == name);
        if !is_value {
            let names: Vec<&str> = metric.values.iter().map(|(value, _)| *value).collect();
            return Err(Error::Unsuitable {
                metric: metric.name,
                reason: format!("a limit is on one of its numbers: {}", names.join(", ")),
            });
        }
        Ok(Self {
            value: name.to_owned(),
            at_least,
            limit,
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = if self.at_least { ">=" } else { "<=" };
        write!(f, "{}{relation}{}", self.value, self.limit)
    }
}

impl Limit {
    /// Whether what was measured keeps the limit.
    pub fn judge(&self, outcome: &Outcome) -> Verdict {
        let measured = outcome.values.get(&self.value).copied().unwrap_or(f64::NAN);
        Verdict {
            limit: self.clone(),
            measured,
            holds: match self.at_least {
                true => measured >= self.limit,
                false => measured <= self.limit,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_judged() {
        let limit: Limit = "max_abs_error <= 2".parse().unwrap();
        assert_eq!(limit.to_string(), "max_abs_error<=2");
        let mut outcome = Outcome::default();
        assert!(!limit.judge(&outcome).holds, "what was not measured");
        for (value, holds) in [(2.0, true), (2.5, false), (f64::NAN, false)] {
            outcome.value("max_abs_error", value);
            assert_eq!(limit.judge(&outcome).holds, holds, "{value}");
        }
        let least: Limit = "mean_error>=-0.5".parse().unwrap();
        outcome.value("mean_error", -0.25);
        assert!(least.judge(&outcome).holds);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("max_abs_error", "write it as"),
            ("max_abs_error<=nan", "write it as"),
            ("max_abs_error<=1e400", "write it as"),
            ("psnr>=inf", "write it as"),
            ("max_abs_eror<=2", "max_abs_eror"),
            ("abs<=2", "max_abs_error"),
        ] {
            let error = text.parse::<Limit>().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
