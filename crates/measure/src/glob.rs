//! Patterns for dataset paths.

/// Whether `pattern` means the dataset at `path`. `*` stands for any characters, `/` included, and `?` for one. A
/// pattern that does not start with `/` means a dataset of that name in any group.
pub fn is_match(pattern: &str, path: &str) -> bool {
    if pattern.starts_with('/') {
        return matches(pattern.as_bytes(), path.as_bytes());
    }
    matches(format!("*/{pattern}").as_bytes(), path.as_bytes())
}

/// Goes on after a mismatch from the last `*`, which swallows one character more: no recursion, no blow-up.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut star = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((star_pattern, star_text)) = star else {
                    return false;
                };
                star = Some((star_pattern, star_text + 1));
                at_pattern = star_pattern + 1;
                at_text = star_text + 1;
            }
        }
    }
    pattern[at_pattern..].iter().all(|&left| left == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_the_help_says() {
        for (pattern, path, expected) in [
            ("/entry/data", "/entry/data", true),
            ("/entry/data", "/entry/data2", false),
            ("/entry/*", "/entry/a/b", true),
            ("data", "/entry/data", true),
            ("data", "/data", true),
            ("data", "/metadata", false),
            ("data_0?", "/entry/data_01", true),
            ("*", "/anything", true),
            ("*_00*1", "/x_001_00001", true),
            ("*_00*2", "/x_001_00001", false),
            ("", "/x", false),
        ] {
            assert_eq!(is_match(pattern, path), expected, "{pattern} {path}");
        }
    }
}
