//! Runs the services of a composition: in order, watched, with one log, until it is told to stop.
//!
//! ```text
//! composition   what is to run                      supervisor   the loop: what happens when
//! check         what is wrong with it               unit         one service, its process and its state
//! placeholders  what stands for %STATE% and others
//! directories   data, sockets, the lock             probe        whether a service is ready
//! control       questions to the one that runs      output       the one log
//! guard         clears away after a SIGKILL         notify       sd_notify(3), in both directions
//! signals       what the caller tells this process
//! ```
//!
//! The exit status is that of the first of these: the service `main` has ended, whatever its status; a service has
//! failed, and is not started again. Death by a signal is 128 and its number; a program that is not there is 127, one
//! that cannot be run 126; a service that was not ready in time, or ended before it was ready, is 1. It is 0 if all have
//! ended well, and if this program was told to stop.
//!
//! If this program is killed by SIGKILL, its guard kills the services. Services begin with no signal blocked, with
//! /dev/null as standard input, and ignore what the caller ignores.

pub mod check;
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
