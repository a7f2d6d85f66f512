//! x
use clap::Args;
use crate::{context::Context,error::CommandError};
/// x
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
}
pub(crate) async fn run(_c: &Context, _a: DoctorArgs) -> Result<u8, CommandError> { Ok(0) }
