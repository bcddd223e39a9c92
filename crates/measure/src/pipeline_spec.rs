//! A dataset's filters written as a SPEC, as far as a SPEC can say them.

use crate::known_filters::filter_name;

/// The pipeline as one word: `bitshuffle:compressor=zstd,level=3`, `shuffle+gzip:level=4`, `Blosc+fletcher32`, or
/// `none`.
pub fn pipeline_spec<'a>(filters: impl IntoIterator<Item = (i32, &'a str, &'a [u32])>) -> String {
    let mut steps: Vec<String> = Vec::new();
    for (id, name, cd_values) in filters {
        steps.push(match id {
            1 => format!("gzip:level={}", cd_values.first().unwrap_or(&6)),
            32008 => bitshuffle_spec(cd_values),
            _ => filter_name(id, name),
        });
    }
    if steps.is_empty() {
        "none".into()
    } else {
        steps.join("+")
    }
}

/// Reads `[major, minor, element bytes, block, compressor, level]`; the shortest SPEC that means the same.
fn bitshuffle_spec(cd_values: &[u32]) -> String {
    let value = |at: usize| cd_values.get(at).copied().unwrap_or(0);
    let mut settings = Vec::new();
    match value(4) {
        0 => settings.push("compressor=none".into()),
        3 => {
            settings.push("compressor=zstd".into());
            // Level-less values mean the default.
            if let Some(level) = cd_values.get(5).filter(|level| **level != 3) {
                settings.push(format!("level={level}"));
            }
        }
        _ => {}
    }
    if value(3) != 0 {
        settings.push(format!("block={}", value(3)));
    }
    if settings.is_empty() {
        return "bitshuffle".into();
    }
    format!("bitshuffle:{}", settings.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::{ByteOrder, Element, ElementClass, Spec};

    #[test]
    fn bitshuffle_is_written_as_the_spec_it_came_from() {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        for text in [
            "bitshuffle",
            "bitshuffle:block=4096",
            "bitshuffle:compressor=none",
            "bitshuffle:compressor=zstd",
            "bitshuffle:compressor=zstd,level=9,block=65536",
        ] {
            let spec: Spec = text.parse().unwrap();
            let cd_values = (spec.codec().cd_values)(&spec, &element).unwrap();
            assert_eq!(pipeline_spec([(32008, "", cd_values.as_slice())]), text);
        }
    }

    #[test]
    fn several_filters_are_joined() {
        assert_eq!(pipeline_spec([]), "none");
        let steps = [
            (2, "shuffle", &[2][..]),
            (1, "deflate", &[4]),
            (3, "fletcher32", &[]),
        ];
        assert_eq!(pipeline_spec(steps), "shuffle+gzip:level=4+fletcher32");
        assert_eq!(
            pipeline_spec([(40000, "beamline 7", &[][..])]),
            "beamline 7"
        );
    }
}
