//! The table of filters that are not Etalon's, with their settings.

use etalon_codec::Error;
use serde_json::{Value, json};

/// A filter that is not Etalon's.
pub(crate) struct PeerFilter {
    /// Its name in a SPEC.
    pub(crate) name: &'static str,
    /// hdf5plugin's class; `None` for what h5py has itself.
    pub(crate) class: Option<&'static str>,
    pub(crate) keys: &'static [Key],
    /// Whether values come back bit for bit, unless a setting says otherwise.
    pub(crate) lossless: bool,
}

/// A setting.
pub(crate) struct Key {
    /// Its name in a SPEC.
    pub(crate) name: &'static str,
    /// The keyword argument it becomes.
    pub(crate) argument: &'static str,
    kind: Kind,
    /// What holds where it is not given; "" leaves it out.
    pub(crate) default: &'static str,
}

/// What a key takes.
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
pub(crate) static PEERS: &[PeerFilter] = &[
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

/// Names of all peers.
pub(crate) fn peer_names() -> impl Iterator<Item = &'static str> + Clone {
    PEERS.iter().map(|peer| peer.name)
}

impl PeerFilter {
    /// Which key has this name.
    pub(crate) fn index_of(&self, key: &str) -> Result<usize, Error> {
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
    pub(crate) fn argument(&self, key: &Key, word: &str) -> Result<Value, Error> {
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
