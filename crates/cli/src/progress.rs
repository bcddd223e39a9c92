//! Progress bars on stderr, for a person who looks on.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// A bar of `len` steps, invisible where stderr is no terminal or the user wants quiet.
pub(crate) fn bar(output: Output, len: u64, template: &str) -> ProgressBar {
    let target = if output.shows_progress() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(len), target).with_style(style.progress_chars("█▌░"))
}

/// A bar that counts bytes.
pub(crate) const BYTES: &str =
    "{msg:30!} {bar:30} {decimal_bytes:>9} / {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta}";
/// A bar that counts steps.
pub(crate) const STEPS: &str = "{msg:50!} {bar:30} {pos} / {len}  {eta}";
