//! Takes steps that cannot be undone; if they may fail halfway, a child process tries them first.

use alloc::vec::Vec;

use crate::error::Impossible;
use crate::error::refusal::{self, Refusal};
use crate::system::call;
use crate::system::child::{self, Child};
use crate::system::log::Log;

/// Takes steps that cannot be undone; if they may fail halfway, a child process tries them first.
pub(crate) fn attempt(
    log: Log,
    steps: impl Fn(Log) -> Result<(), Refusal>,
) -> Result<(), Impossible> {
    if refusal::is_doubtful() {
        let work = || steps(Log { on: false }).err().map_or(Vec::new(), |refusal| refusal.encode());
        match child::in_child(work) {
            Ok(Child::Killed(signal)) => return Err(Impossible::Killed(signal)),
            Ok(Child::Wrote(bytes)) => match Refusal::decode(&bytes) {
                Some(refusal) => return Err(refusal.into()),
                None => log.debug(format_args!("a child process entered the namespace")),
            },
            Err(errno) => log
                .debug(format_args!("cannot try it in a child process: {}", call::message(errno))),
        }
    }
    Ok(steps(log)?)
}
