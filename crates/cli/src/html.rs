//! Text that becomes part of an HTML page.

/// Text as it is read, whatever characters it has: names of datasets are the user's, and may be markup.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// JSON as the content of a script element: no character that could end the element or open a comment.
pub(crate) fn script_json(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a & \"b'>"), "&lt;a &amp; &quot;b&#39;&gt;");
        assert_eq!(
            script_json(r#"["</script><!--"]"#),
            r#"["\u003c/script>\u003c!--"]"#
        );
    }
}
