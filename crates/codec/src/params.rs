//! SPEC strings: `name[:key=value[,key=value]…]`, the one way to write settings everywhere.
//!
//! A codec lists its keys once, as [`Param`]s. The parser, the listing of the command, the keyword arguments of the
//! Python package and the defaults all come from that list. A flag without a value means `=true`.

use std::fmt;
use std::str::FromStr;

use crate::codecs::auto;
use crate::{CODECS, Codec, Error};

/// A key of a codec.
pub struct Param {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Value used where the SPEC does not name the key, in SPEC notation; "" for none.
    pub default: &'static str,
    /// One line for listings, with the unit.
    pub about: &'static str,
}

/// What a key takes.
pub enum Kind {
    /// A whole number in a closed range.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number in a closed range.
    Number {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// One of the words listed.
    Choice(&'static [&'static str]),
    /// True or false; the key alone means true.
    Flag,
    /// Words separated by `;`, which the codec reads as values of the element type.
    Values,
    /// Anything, which the codec reads.
    Text,
}

/// A parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Choice`]: the word.
    Choice(&'static str),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Values`]: the words.
    Values(Vec<String>),
    /// Of [`Kind::Text`].
    Text(String),
    /// The key has no default and the user did not name it.
    Unset,
}

/// The key that every codec has: values that come back bit for bit.
pub(crate) const MASK: Param = Param {
    name: "mask",
    kind: Kind::Values,
    default: "",
    about: "values kept exact, separated by ';' (the fill value and NaN always are)",
};

/// How much time a smaller chunk may take, for codecs that can choose.
pub(crate) const SPEED: Param = Param {
    name: "speed",
    kind: Kind::Choice(&["balanced", "fast", "small"]),
    default: "balanced",
    about: "how much time a smaller chunk may take",
};

/// Whether a model looks at earlier frames of its chunk.
pub(crate) const TEMPORAL: Param = Param {
    name: "temporal",
    kind: Kind::Choice(&["auto", "yes", "no"]),
    default: "auto",
    about: "whether earlier frames of a chunk tell what to expect: auto where that helps",
};

/// What [`TEMPORAL`] says; `None` where the encoder is to find out.
pub(crate) fn temporal(spec: &Spec) -> Option<bool> {
    match spec.choice(TEMPORAL.name) {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// What [`SPEED`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    Fast,
    Balanced,
    Small,
}

impl Speed {
    pub(crate) const ALL: [Self; 3] = [Self::Fast, Self::Balanced, Self::Small];

    /// The one that `spec` asks for.
    pub(crate) fn of(spec: &Spec) -> Self {
        let asked = spec.choice(SPEED.name);
        let found = Self::ALL.into_iter().find(|speed| speed.name() == asked);
        found.unwrap_or(Self::Balanced)
    }

    /// Its word in a SPEC.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Small => "small",
        }
    }
}

/// A codec with its settings.
#[derive(Clone)]
pub struct Spec {
    codec: &'static Codec,
    values: Vec<Value>,
    given: Vec<bool>,
}

impl Spec {
    /// Settings of `codec` from key–value pairs; keys that are not named take their defaults.
    pub fn new<'a>(
        codec: &'static Codec,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(codec.params.len());
        for param in codec.params {
            values.push(param.parse(codec, param.default)?);
        }
        let mut spec = Self {
            codec,
            values,
            given: vec![false; codec.params.len()],
        };
        for (key, text) in pairs {
            let index = spec.index_of(key)?;
            if spec.given[index] {
                return Err(Error::Settings(format!(
                    "{}: '{key}' is given twice",
                    codec.name
                )));
            }
            spec.values[index] = codec.params[index].parse(codec, text)?;
            spec.given[index] = true;
        }
        Ok(spec)
    }

    /// The codec these settings are for.
    pub fn codec(&self) -> &'static Codec {
        self.codec
    }

    /// The whole number set for `key`, or 0 where the codec has no such key.
    pub fn integer(&self, key: &str) -> i64 {
        match self.value(key) {
            Some(Value::Integer(value)) => *value,
            _ => 0,
        }
    }

    /// The number set for `key`, or `None` where it has none.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.value(key) {
            Some(Value::Number(value)) => Some(*value),
            _ => None,
        }
    }

    /// Whether the flag `key` is set.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    /// The words set for `key`.
    pub fn values(&self, key: &str) -> &[String] {
        match self.value(key) {
            Some(Value::Values(words)) => words,
            _ => &[],
        }
    }

    /// The text set for `key`, or "" where it has none.
    pub fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The word set for `key`, or "" where the codec has no such key.
    pub fn choice(&self, key: &str) -> &'static str {
        match self.value(key) {
            Some(Value::Choice(word)) => word,
            _ => "",
        }
    }

    /// Whether the user named `key`.
    pub fn is_given(&self, key: &str) -> bool {
        self.position(key).is_some_and(|index| self.given[index])
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|index| &self.values[index])
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.codec.params.iter().position(|param| param.name == key)
    }

    fn index_of(&self, key: &str) -> Result<usize, Error> {
        self.position(key).ok_or_else(|| {
            let keys = self.codec.params.iter().map(|param| param.name);
            Error::Settings(unknown(
                &format!("{}: unknown key", self.codec.name),
                key,
                keys,
            ))
        })
    }
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let pairs = rest
            .split(',')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "true")));
        let lossy = (name == auto::CODEC.name)
            .then(|| auto::lossy_codec(pairs.clone().map(|(key, _)| key)))
            .flatten();
        let name = lossy.unwrap_or(name);
        let codec = CODECS
            .iter()
            .find(|codec| codec.name == name)
            .ok_or_else(|| {
                let names = CODECS.iter().map(|codec| codec.name);
                Error::Settings(unknown("unknown codec", name, names))
            })?;
        Spec::new(codec, pairs)
    }
}

/// The shortest SPEC that means the same: keys that the user named, in table order.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.codec.name)?;
        let mut separator = ':';
        for (index, param) in self.codec.params.iter().enumerate() {
            if self.given[index] {
                write!(f, "{separator}{}={}", param.name, self.values[index])?;
                separator = ',';
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spec({self})")
    }
}

/// What the key takes, for listings.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer { min, max } => write!(f, "{min}…{max}"),
            Kind::Number { min, max } => write!(f, "{}…{}", short(*min), short(*max)),
            Kind::Choice(words) => f.write_str(&words.join("|")),
            Kind::Flag => f.write_str("true|false"),
            Kind::Values => f.write_str("v1;v2;…"),
            Kind::Text => f.write_str("text"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(value) => write!(f, "{value}"),
            Value::Number(value) => write!(f, "{value}"),
            Value::Flag(value) => write!(f, "{value}"),
            Value::Values(words) => f.write_str(&words.join(";")),
            Value::Text(text) => f.write_str(text),
            Value::Unset => Ok(()),
            Value::Choice(word) => f.write_str(word),
        }
    }
}

impl Param {
    fn parse(&self, codec: &Codec, text: &str) -> Result<Value, Error> {
        let wrong = |what: String| {
            Err(Error::Settings(format!(
                "{}: {}={text} is not {what}",
                codec.name, self.name
            )))
        };
        if text.is_empty() && self.default.is_empty() {
            return Ok(Value::Unset);
        }
        match &self.kind {
            Kind::Integer { min, max } => {
                match integer(text).filter(|value| (min..=max).contains(&value)) {
                    Some(value) => Ok(Value::Integer(value)),
                    None => wrong(format!("a whole number from {min} to {max}")),
                }
            }
            Kind::Number { min, max } => match text
                .parse()
                .ok()
                .filter(|value| (min..=max).contains(&value))
            {
                Some(value) => Ok(Value::Number(value)),
                None => wrong(format!("a number from {} to {}", short(*min), short(*max))),
            },
            Kind::Choice(words) => match words.iter().find(|word| **word == text) {
                Some(word) => Ok(Value::Choice(word)),
                None => {
                    let what = format!("{}: {} cannot be", codec.name, self.name);
                    Err(Error::Settings(unknown(&what, text, words.iter().copied())))
                }
            },
            Kind::Flag => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => wrong("true or false".into()),
            },
            Kind::Values => Ok(Value::Values(text.split(';').map(str::to_string).collect())),
            Kind::Text => Ok(Value::Text(text.to_string())),
        }
    }
}

/// A whole number, also in the notation `1e6`.
fn integer(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    let exact = value.fract() == 0.0 && value.abs() < 9.0e15;
    exact.then_some(value as i64)
}

/// A number in digits, or with an exponent where that is shorter.
fn short(value: f64) -> String {
    let (digits, exponent) = (value.to_string(), format!("{value:e}"));
    if digits.len() <= exponent.len().max(6) {
        digits
    } else {
        exponent
    }
}

fn unknown(what: &str, given: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
    let list: Vec<_> = known.clone().collect();
    match nearest(given, known) {
        Some(near) => format!("{what} '{given}'; did you mean '{near}'?"),
        None => format!("{what} '{given}'; known: {}", list.join(", ")),
    }
}

/// The known word most like `given`, where one is near enough to be meant.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (edit_distance(given, word), word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min()
        .map(|(_, word)| word)
}

/// Levenshtein distance in characters, row by row.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Spec>().unwrap_err().to_string()
    }

    #[test]
    fn defaults_come_from_the_table_and_printing_is_the_inverse_of_parsing() {
        let spec: Spec = "bitshuffle".parse().unwrap();
        assert_eq!(
            (spec.choice("compressor"), spec.integer("level")),
            ("lz4", 3)
        );
        for text in [
            "bitshuffle",
            "bitshuffle:compressor=zstd,level=9,block=4096",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        let spec: Spec = "bitshuffle:block=1e4".parse().unwrap();
        assert_eq!(spec.integer("block"), 10_000);
    }

    #[test]
    fn mistakes_name_what_was_meant() {
        assert!(error("bitshufle").contains("did you mean 'bitshuffle'"));
        assert!(error("bitshuffle:lvel=3").contains("did you mean 'level'"));
        assert!(error("bitshuffle:compressor=zstandard").contains("known: lz4, zstd, none"));
        assert!(error("bitshuffle:level=3.5").contains("whole number from"));
        assert!(error("bitshuffle:level=1,level=2").contains("given twice"));
        assert!(error("noise:sigma=9").contains("sigma=9 is not a number from 0.001 to 8"));
        assert!(error("quantise:abs=-1").contains("a number from 1e-300 to 1e300"));
        assert!(error("").contains("unknown codec"));
    }
}
