//! The message that pyicat-plus sends to ICAT, or writes into a file: a dataset with parameters, each a name and a text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const NAMESPACE: &str = "http://www.esrf.fr/icat";

/// Elements before the parameters, and the parameters that have their values: the schema is a sequence.
const ELEMENTS: [(&str, &str); 6] = [
    ("investigation", "proposal"),
    ("instrument", "beamlineID"),
    ("name", "datasetName"),
    ("location", "location"),
    ("startDate", "startDate"),
    ("endDate", "endDate"),
];

/// The message for a dataset with these parameters. Parameters without a value are left out.
pub(crate) fn dataset(parameters: &BTreeMap<String, String>) -> String {
    let value = |name: &str| parameters.get(name).map_or("", String::as_str);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tns:dataset xmlns:tns=\"{NAMESPACE}\" complete=\"{}\">\n",
        escaped(value("complete"))
    );
    for (element, parameter) in ELEMENTS {
        line(&mut xml, 1, element, value(parameter));
    }
    xml.push_str("  <tns:sample>\n");
    line(&mut xml, 2, "name", value("Sample_name"));
    xml.push_str("  </tns:sample>\n");
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        xml.push_str("  <tns:parameter>\n");
        line(&mut xml, 2, "name", name);
        line(&mut xml, 2, "value", value);
        xml.push_str("  </tns:parameter>\n");
    }
    xml.push_str("</tns:dataset>\n");
    xml
}

fn line(xml: &mut String, depth: usize, element: &str, text: &str) {
    let (indent, text) = ("  ".repeat(depth), escaped(text));
    // Writing to a String cannot fail.
    let _ = writeln!(xml, "{indent}<tns:{element}>{text}</tns:{element}>");
}

/// Text as XML 1.0 has it; characters that it cannot have at all become U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // A parser would make it a line feed.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_empty_parameters_are_left_out() {
        let parameters = [("Sample_name", "a<b & \"c\"\u{1}é"), ("empty", "")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let xml = dataset(&parameters.into());
        assert!(xml.contains("<tns:name>a&lt;b &amp; &quot;c&quot;\u{fffd}é</tns:name>"));
        assert!(!xml.contains("empty"));
    }
}
