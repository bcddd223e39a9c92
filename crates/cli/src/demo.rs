//! stub
#[derive(clap::Args)]
pub struct Arguments {}
pub fn run(
    _: &Arguments,
    _: crate::output::Output,
) -> Result<crate::failure::Outcome, crate::failure::Failure> {
    todo!()
}
