//! Everybody else's codecs, as `etalon bench` names them: what h5py has built in, and hdf5plugin's.
//!
//! A SPEC is written like one of Etalon's, `blosc2:cname=zstd,shuffle=bitshuffle`, with `shuffle+` in front for HDF5's
//! own shuffle. Keys are the keyword arguments of hdf5plugin's classes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use etalon_codec::{Error, nearest};
use serde_json::{Value, json};

use crate::h5py_worker::Storage;

/// A filter that is not Etalon's.
pub struct PeerFilter {
    /// Its name in a SPEC.
    pub name: &'static str,
    /// hdf5plugin's class; `None` for what h5py has itself.
    class: Option<&'static str>,
    keys: &'static [Key],
    /// Whether values come back bit for bit, unless a setting says otherwise.
    lossless: bool,
}

/// A setting.
struct Key {
    name: &'static str,
    /// The keyword argument it becomes.
    argument: &'static str,
    kind: Kind,
    /// What holds where it is not given; "" leaves it out.
    default: &'static str,
}

enum Kind {
    Integer(i64, i64),
    Positive,
    Word(&'static [&'static str]),
    /// Words that stand for 0, 1, 2 ….
    Code(&'static [&'static str]),
    Flag,
}

const fn key(name: &'static str, kind: Kind, default: &'static str) -> Key {
    Key {
        name,
        argument: name,
        kind,
        default,
    }
}

const fn built_in(name: &'static str, keys: &'static [Key]) -> PeerFilter {
    PeerFilter {
        name,
        class: None,
        keys,
        lossless: true,
    }
}

const fn plugin(
    name: &'static str,
    class: &'static str,
    keys: &'static [Key],
    lossless: bool,
) -> PeerFilter {
    PeerFilter {
        name,
        class: Some(class),
        keys,
        lossless,
    }
}

const SHUFFLES: Kind = Kind::Code(&["noshuffle", "shuffle", "bitshuffle"]);

/// All of them.
#[rustfmt::skip]
pub static PEERS: &[PeerFilter] = &[
    built_in("none", &[]),
    built_in("gzip", &[key("level", Kind::Integer(0, 9), "4")]),
    built_in("lzf", &[]),
    built_in("szip", &[key("coding", Kind::Word(&["nn", "ec"]), "nn"), key("pixels", Kind::Integer(2, 32), "8")]),
    plugin("bshuf", "Bitshuffle", &[
        key("cname", Kind::Word(&["lz4", "zstd", "none"]), "lz4"),
        key("clevel", Kind::Integer(1, 22), "3"),
        key("nelems", Kind::Integer(0, 1 << 24), ""),
    ], true),
    plugin("blosc", "Blosc", &[
        key("cname", Kind::Word(&["lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"]), "lz4"),
        key("clevel", Kind::Integer(0, 9), "5"),
        key("shuffle", SHUFFLES, "shuffle"),
    ], true),
    plugin("blosc2", "Blosc2", &[
        key("cname", Kind::Word(&["blosclz", "lz4", "lz4hc", "zlib", "zstd"]), "blosclz"),
        key("clevel", Kind::Integer(0, 9), "5"),
        Key { name: "shuffle", argument: "filters", kind: SHUFFLES, default: "shuffle" },
    ], true),
    plugin("lz4", "LZ4", &[key("nbytes", Kind::Integer(0, 1 << 30), "")], true),
    plugin("zstd", "Zstd", &[key("clevel", Kind::Integer(1, 22), "3")], true),
    plugin("bzip2", "BZip2", &[key("blocksize", Kind::Integer(1, 9), "9")], true),
    plugin("htj2k", "Htj2k", &[], true),
    plugin("fcidecomp", "FciDecomp", &[], true),
    plugin("sz3", "SZ3", &[key("absolute", Kind::Positive, ""), key("relative", Kind::Positive, "")], false),
    plugin("zfp", "Zfp", &[
        key("accuracy", Kind::Positive, ""),
        key("rate", Kind::Positive, ""),
        key("precision", Kind::Positive, ""),
        key("reversible", Kind::Flag, ""),
    ], false),
    plugin("sperr", "Sperr", &[key("absolute", Kind::Positive, ""), key("rate", Kind::Positive, "")], false),
];

/// A peer with its settings.
#[derive(Clone)]
pub struct Peer {
    filter: &'static PeerFilter,
    /// HDF5's shuffle comes first.
    shuffle: bool,
    /// As many words as the filter has keys; "" where nothing is set.
    words: Vec<String>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names of all peers.
pub fn peer_names() -> impl Iterator<Item = &'static str> + Clone {
    PEERS.iter().map(|peer| peer.name)
}

impl FromStr for Peer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let (shuffle, name) = match name.strip_prefix("shuffle+") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let known = || match nearest(name, peer_names()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("there are {}", peer_names().collect::<Vec<_>>().join(", ")),
        };
        let filter = PEERS
            .iter()
            .find(|peer| peer.name == name)
            .ok_or_else(|| Error::Settings(format!("unknown codec '{name}'; {}", known())))?;
        let mut peer = Self {
            filter,
            shuffle,
            words: filter.keys.iter().map(|key| key.default.into()).collect(),
        };
        for pair in settings.split(',').filter(|pair| !pair.is_empty()) {
            let (key, word) = pair.split_once('=').unwrap_or((pair, "true"));
            let at = filter.index_of(key)?;
            filter.argument(&filter.keys[at], word)?;
            word.clone_into(&mut peer.words[at]);
        }
        Ok(peer)
    }
}

impl PeerFilter {
    fn index_of(&self, key: &str) -> Result<usize, Error> {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name).collect();
        let found = names.iter().position(|name| *name == key);
        found.ok_or_else(|| {
            Error::Settings(match names.is_empty() {
                true => format!("{} has no settings", self.name),
                false => format!(
                    "{} has no key '{key}'; it has {}",
                    self.name,
                    names.join(", ")
                ),
            })
        })
    }

    /// A word as the value of its keyword argument.
    fn argument(&self, key: &Key, word: &str) -> Result<Value, Error> {
        let expected = match &key.kind {
            Kind::Integer(min, max) => match word.parse::<i64>() {
                Ok(value) if (*min..=*max).contains(&value) => return Ok(json!(value)),
                _ => format!("a whole number from {min} to {max}"),
            },
            Kind::Positive => match word.parse::<f64>() {
                Ok(value) if value > 0.0 && value.is_finite() => return Ok(json!(value)),
                _ => "a number above 0".into(),
            },
            Kind::Word(words) if words.contains(&word) => return Ok(json!(word)),
            Kind::Code(words) if words.contains(&word) => {
                return Ok(json!(words.iter().position(|known| *known == word)));
            }
            Kind::Word(words) | Kind::Code(words) => format!("one of {}", words.join(", ")),
            Kind::Flag => match word.parse::<bool>() {
                Ok(value) => return Ok(json!(value)),
                Err(_) => "true or false".into(),
            },
        };
        Err(Error::Settings(format!(
            "{}: {}={word} is not {expected}",
            self.name, key.name
        )))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.shuffle { "shuffle+" } else { "" };
        write!(f, "{prefix}{}", self.filter.name)?;
        let mut separator = ':';
        for (key, word) in self.given() {
            write!(f, "{separator}{}={word}", key.name)?;
            separator = ',';
        }
        Ok(())
    }
}

impl Peer {
    fn given(&self) -> impl Iterator<Item = (&'static Key, &str)> {
        let pairs = self.filter.keys.iter().zip(&self.words);
        pairs
            .filter(|(_, word)| !word.is_empty())
            .map(|(key, word)| (key, word.as_str()))
    }

    fn word(&self, name: &str) -> Option<&str> {
        self.given()
            .find(|(key, _)| key.name == name)
            .map(|(_, word)| word)
    }

    /// Whether every value comes back bit for bit.
    pub fn is_lossless(&self) -> bool {
        self.filter.lossless || self.word("reversible") == Some("true")
    }

    /// Largest error of floats, or of integers, that the settings allow, where they name one.
    pub fn absolute_bound(&self, is_float: bool) -> Option<f64> {
        // zfp's manual: fixed-accuracy mode is for floating-point data only.
        if self.filter.name == "zfp" && !is_float {
            return None;
        }
        let word = self.word("absolute").or_else(|| self.word("accuracy"))?;
        word.parse().ok()
    }

    /// Whether hdf5plugin brings it.
    pub fn is_plugin(&self) -> bool {
        self.filter.class.is_some()
    }

    /// zlib's level, and whether shuffle comes first, of what is gzip.
    pub fn gzip(&self) -> Option<(u32, bool)> {
        let level = self.word("level")?.parse().ok()?;
        (self.filter.name == "gzip").then_some((level, self.shuffle))
    }

    /// What the worker has to know.
    pub fn storage(&self) -> Result<Storage, Error> {
        let mut arguments = BTreeMap::new();
        for (key, word) in self.given() {
            arguments.insert(key.argument, self.filter.argument(key, word)?);
        }
        Ok(Storage {
            shuffle: self.shuffle,
            kind: if self.is_plugin() {
                "plugin"
            } else {
                "builtin"
            },
            name: self.filter.class.unwrap_or(self.filter.name),
            arguments,
            id: 0,
            cd_values: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_written_in_full_and_read_again() {
        for (text, full) in [
            ("gzip", "gzip:level=4"),
            ("shuffle+lzf", "shuffle+lzf"),
            ("szip", "szip:coding=nn,pixels=8"),
            (
                "blosc2:cname=zstd",
                "blosc2:cname=zstd,clevel=5,shuffle=shuffle",
            ),
            ("zfp:accuracy=1e-3", "zfp:accuracy=1e-3"),
        ] {
            let peer: Peer = text.parse().unwrap();
            assert_eq!(peer.to_string(), full);
            assert_eq!(full.parse::<Peer>().unwrap().to_string(), full);
        }
    }

    #[test]
    fn arguments_are_those_of_the_classes() {
        let peer: Peer = "blosc2:cname=zstd,shuffle=bitshuffle".parse().unwrap();
        let storage = serde_json::to_value(peer.storage().unwrap()).unwrap();
        assert_eq!(
            (&storage["kind"], &storage["name"]),
            (&json!("plugin"), &json!("Blosc2"))
        );
        assert_eq!(
            storage["arguments"],
            json!({"cname": "zstd", "clevel": 5, "filters": 2})
        );
    }

    #[test]
    fn mistakes_name_what_was_meant() {
        let error = |text: &str| text.parse::<Peer>().unwrap_err().to_string();
        assert!(error("blosk").contains("did you mean 'blosc'"));
        assert!(error("zstd:level=3").contains("it has clevel"));
        assert!(error("lzf:level=3").contains("no settings"));
        assert!(error("blosc:cname=lz5").contains("lz4hc"));
        assert!(error("sz3:absolute=-1").contains("above 0"));
    }

    #[test]
    fn losses_and_bounds_follow_from_the_settings() {
        let peer = |text: &str| text.parse::<Peer>().unwrap();
        assert!(peer("zfp:reversible").is_lossless() && peer("zstd").is_lossless());
        assert!(!peer("zfp:rate=8").is_lossless());
        let bound = |text: &str, is_float| peer(text).absolute_bound(is_float);
        assert_eq!(bound("zfp:accuracy=0.5", true), Some(0.5));
        assert_eq!(bound("zfp:accuracy=0.5", false), None);
        assert_eq!(bound("sz3:absolute=1e-3", false), Some(1e-3));
        assert_eq!(bound("zfp:rate=8", true), None);
    }
}
