//! Everybody else's codecs, as `etalon bench` names them: what h5py has built in, and hdf5plugin's.
//!
//! A SPEC is written like one of Etalon's, `blosc2:cname=zstd,shuffle=bitshuffle`, with `shuffle+` in front for HDF5's
//! own shuffle. Keys are the keyword arguments of hdf5plugin's classes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use etalon_codec::{Error, nearest};

use crate::h5py_worker::Storage;
use crate::peer_filters::{Key, PEERS, PeerFilter, peer_names};

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
        // zfp's manual: fixed-accuracy mode is for floating-point data only; SPERR knows no other data at all.
        if matches!(self.filter.name, "zfp" | "sperr") && !is_float {
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
    use serde_json::json;

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
