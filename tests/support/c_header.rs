//! Whether a header in `include/` is that of the source; with `BLESS=1` it is written anew.

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let holds_headers = |folder: &&Path| folder.join("include/etalon.h").exists();
    package.ancestors().find(holds_headers).unwrap().into()
}

/// Compares `include/name` with what cbindgen makes of `sources`, files of the package's `src`, below `rules`.
pub(crate) fn check(name: &str, sources: &[&str], rules: &str) {
    let path = root().join("include").join(name);
    let text = generated(name, sources, rules);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let package = env!("CARGO_PKG_NAME");
    assert_eq!(
        committed, text,
        "{name} is not that of the source: BLESS=1 cargo test --release -p {package} --test header"
    );
}

fn generated(name: &str, sources: &[&str], rules: &str) -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new()
        .with_config(config)
        .with_header(rules)
        .with_include_guard(name.replace('.', "_").to_uppercase());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources {
        builder = builder.with_src(folder.join(source).with_extension("rs"));
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    without_safety(&String::from_utf8(text).unwrap())
}

/// Rustdoc's section on safety is for Rust; C has the rules at the top.
fn without_safety(text: &str) -> String {
    let mut lines = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.trim() == "* # Safety" {
            skipping = true;
            if lines.last() == Some(&" *") {
                lines.pop();
            }
        }
        skipping &= line.trim() != "*/";
        if !skipping {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}
