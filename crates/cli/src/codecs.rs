//! `etalon codecs`: the codec table.

use etalon_codec::{CODECS, Codec};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Lists every codec with its keys.
pub(crate) fn run(output: Output) -> Result<Outcome, Failure> {
    if output.json {
        let list: Vec<Listed> = CODECS.iter().map(|codec| Listed::of(codec)).collect();
        output.document(&list)?;
        return Ok(Outcome::Done);
    }
    for codec in CODECS {
        let promise = if codec.lossless { "lossless" } else { "lossy" };
        output.line(&format!(
            "{} (filter {}, {promise}): {}",
            codec.name, codec.filter.id, codec.about
        ))?;
        for param in codec.params {
            output.line(&format!(
                "    {}={}  {} [default {}]",
                param.name, param.kind, param.about, param.default
            ))?;
        }
    }
    Ok(Outcome::Done)
}

/// A codec as `--json` prints it.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    id: u32,
    about: &'static str,
    lossless: bool,
    keys: Vec<Key>,
}

/// A key of a codec.
#[derive(Serialize)]
struct Key {
    name: &'static str,
    default: &'static str,
    takes: String,
    about: &'static str,
}

impl Listed {
    fn of(codec: &'static Codec) -> Self {
        let keys = codec.params.iter().map(|param| Key {
            name: param.name,
            default: param.default,
            takes: param.kind.to_string(),
            about: param.about,
        });
        Self {
            name: codec.name,
            id: codec.filter.id,
            about: codec.about,
            lossless: codec.lossless,
            keys: keys.collect(),
        }
    }
}
