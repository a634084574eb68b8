//! Runs the services of a composition: in order, watched, with one log, until it is told to stop.
//!
//! ```text
//! composition   what is to run                      supervisor   the loop: what happens when
//! placeholders  what stands for %STATE% and others  unit         one service, its process and its state
//! directories   data, sockets, the lock             probe        whether a service is ready
//! control       questions to the one that runs      output       the one log
//! guard         clears away after a SIGKILL         notify       sd_notify(3), in both directions
//! signals       what the caller tells this process
//! ```

pub mod composition;
pub mod control;
pub mod directories;
pub mod error;
pub mod guard;
pub mod notify;
pub mod output;
pub mod placeholders;
pub mod probe;
pub mod signals;
pub mod supervisor;
pub mod unit;
