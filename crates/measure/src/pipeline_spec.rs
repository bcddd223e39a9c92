//! A dataset's filters written as a SPEC, as far as a SPEC can say them.

use crate::known_filters::filter_name;

/// The pipeline as one word: `bitshuffle:compressor=zstd,level=3`, `shuffle+gzip:level=4`, `Blosc+fletcher32`, or
/// `none`.
pub fn pipeline_spec<'a>(filters: impl IntoIterator<Item = (i32, &'a str, &'a [u32])>) -> String {
    let mut steps: Vec<String> = Vec::new();
    for (id, name, cd_values) in filters {
        steps.push(match id {
            1 => format!("gzip:level={}", cd_values.first().unwrap_or(&6)),
            _ => own_spec(id, cd_values).unwrap_or_else(|| filter_name(id, name)),
        });
    }
    if steps.is_empty() {
        "none".into()
    } else {
        steps.join("+")
    }
}

/// The SPEC of a filter of ours.
fn own_spec(id: i32, cd_values: &[u32]) -> Option<String> {
    let filter = etalon_codec::Filter::by_id(u32::try_from(id).ok()?)?;
    Some((filter.spec_of)(cd_values)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::{ByteOrder, Element, ElementClass, Layout, Spec};

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
            let cd_values =
                (spec.codec().filter.cd_values)(&spec, &Layout::new(element, vec![100])).unwrap();
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
