//! `etalon codecs`: the codec table.

use etalon_codec::{CODECS, Codec, Kind};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Lists every codec with its keys.
pub fn run(output: Output) -> Result<Outcome, Failure> {
    if output.json {
        let list: Vec<Value> = CODECS.iter().map(|codec| document(codec)).collect();
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
            let takes = takes(&param.kind);
            output.line(&format!(
                "    {}={takes}  {} [default {}]",
                param.name, param.about, param.default
            ))?;
        }
    }
    Ok(Outcome::Done)
}

fn document(codec: &Codec) -> Value {
    let keys: Vec<Value> = codec
        .params
        .iter()
        .map(|param| {
            json!({
                "name": param.name,
                "default": param.default,
                "takes": takes(&param.kind),
                "about": param.about,
            })
        })
        .collect();
    json!({
        "name": codec.name,
        "id": codec.filter.id,
        "about": codec.about,
        "lossless": codec.lossless,
        "keys": keys,
    })
}

fn takes(kind: &Kind) -> String {
    match kind {
        Kind::Integer { min, max } => format!("{min}…{max}"),
        Kind::Choice(words) => words.join("|"),
    }
}
