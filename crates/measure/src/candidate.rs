//! What takes part in a benchmark: Etalon's codecs, and everybody else's.

use std::fmt;
use std::str::FromStr;

use etalon_codec::{CODECS, Error, Layout, Spec, nearest};

use crate::h5py_worker::Storage;
use crate::method::Method;
use crate::peer::Peer;
use crate::peer_filters::peer_names;

/// A codec with its settings.
#[derive(Debug, Clone)]
pub enum Candidate {
    /// One of Etalon's codecs.
    Own(Box<Spec>),
    /// A filter of HDF5, h5py or hdf5plugin.
    Peer(Peer),
}

impl FromStr for Candidate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.split(':').next().unwrap_or_default();
        let is_own = |name: &str| CODECS.iter().any(|codec| codec.name == name);
        if is_own(name) {
            return Ok(Self::Own(Box::new(text.parse()?)));
        }
        let peer = text.parse::<Peer>();
        let is_peer = peer_names().any(|peer| name.trim_start_matches("shuffle+") == peer);
        match nearest(name, CODECS.iter().map(|codec| codec.name)) {
            Some(own) if !is_peer && nearest(name, peer_names()).is_none() => Err(Error::Settings(
                format!("unknown codec '{name}'; did you mean '{own}'?"),
            )),
            _ => peer.map(Self::Peer),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(spec) => spec.fmt(f),
            Self::Peer(peer) => peer.fmt(f),
        }
    }
}

/// Peers of every benchmark; what hdf5plugin brings comes last.
const LOSSLESS_PEERS: [&str; 15] = [
    "none",
    "gzip:level=1",
    "gzip:level=9",
    "shuffle+gzip:level=4",
    "lzf",
    "shuffle+lzf",
    "szip",
    "lz4",
    "zstd",
    "bshuf",
    "bshuf:cname=zstd",
    "blosc",
    "blosc:cname=zstd,shuffle=bitshuffle",
    "blosc2:cname=zstd,shuffle=bitshuffle",
    "htj2k",
];

impl Candidate {
    /// The lossless codecs that are compared where nothing is asked for, and those that keep an absolute bound where one
    /// is given.
    pub fn usual(bound: Option<f64>, with_plugins: bool) -> Result<Vec<Self>, Error> {
        let mut specs: Vec<String> = LOSSLESS_PEERS.map(String::from).to_vec();
        for codec in CODECS.iter().filter(|codec| codec.lossless) {
            specs.push(codec.name.into());
            if codec.params.iter().any(|param| param.name == "compressor") {
                specs.push(format!("{}:compressor=zstd", codec.name));
            }
        }
        if let Some(bound) = bound {
            let settings = [
                "quantise:abs",
                "sz3:absolute",
                "zfp:accuracy",
                "sperr:absolute",
            ];
            specs.extend(settings.map(|setting| format!("{setting}={bound}")));
        }
        let mut candidates = Vec::new();
        for spec in specs {
            let candidate: Self = spec.parse()?;
            if with_plugins || !candidate.is_plugin() {
                candidates.push(candidate);
            }
        }
        Ok(candidates)
    }

    fn is_plugin(&self) -> bool {
        matches!(self, Self::Peer(peer) if peer.is_plugin())
    }

    /// Whether every value comes back bit for bit.
    pub fn is_lossless(&self) -> bool {
        match self {
            Self::Own(spec) => spec.codec().lossless,
            Self::Peer(peer) => peer.is_lossless(),
        }
    }

    /// Largest error of floats, or of integers, that the settings allow, where they name one.
    pub fn absolute_bound(&self, is_float: bool) -> Option<f64> {
        match self {
            Self::Own(spec) if spec.is_given("abs") => spec.number("abs"),
            Self::Own(_) => None,
            Self::Peer(peer) => peer.absolute_bound(is_float),
        }
    }

    /// How h5py stores chunks of this layout.
    pub fn storage(&self, layout: &Layout) -> Result<Storage, Error> {
        match self {
            Self::Own(spec) => {
                let filter = spec.codec().filter;
                Ok(Storage {
                    shuffle: false,
                    kind: "id",
                    name: spec.codec().name,
                    arguments: Default::default(),
                    id: filter.id,
                    cd_values: (filter.cd_values)(spec, layout)?,
                })
            }
            Self::Peer(peer) => peer.storage(),
        }
    }

    /// The same as a method that runs in this process, where there is one.
    pub fn method(&self) -> Option<Method> {
        match self {
            Self::Own(spec) => Some(Method::Codec((**spec).clone())),
            Self::Peer(peer) => {
                let (level, shuffle) = peer.gzip()?;
                Some(Method::Gzip { level, shuffle })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_kinds_are_known_and_mistakes_of_both_understood() {
        let error = |text: &str| text.parse::<Candidate>().unwrap_err().to_string();
        for text in ["bitshuffle", "quantise:abs=0.5", "bshuf", "shuffle+lzf"] {
            assert!(text.parse::<Candidate>().is_ok(), "{text}");
        }
        assert!(error("bitshufle").contains("did you mean 'bitshuffle'"));
        assert!(error("blosc3").contains("did you mean 'blosc"));
        assert!(error("bitshuffle:levl=3").contains("level"));
    }

    #[test]
    fn the_usual_ones_are_lossless_unless_a_bound_is_given() {
        let lossless = Candidate::usual(None, true).unwrap();
        assert!(lossless.iter().all(Candidate::is_lossless));
        let names: Vec<String> = lossless.iter().map(Candidate::to_string).collect();
        assert!(
            names
                .iter()
                .any(|name| name == "bitshuffle:compressor=zstd")
        );
        let lossy = Candidate::usual(Some(0.5), true).unwrap();
        let bounds: Vec<f64> = lossy
            .iter()
            .filter_map(|one| one.absolute_bound(true))
            .collect();
        assert_eq!(bounds, [0.5; 4]);
        let own = Candidate::usual(Some(0.5), false).unwrap();
        assert!(!own.iter().any(Candidate::is_plugin) && own.len() > 8);
    }
}
