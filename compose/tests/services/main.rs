//! Whole compositions of real programs: sh, sleep and python3. Any user can run them, except one that says so.

// A test that panics has failed, which is what it is for; clippy.toml allows it in functions of tests only.
#![allow(clippy::unwrap_used)]

mod control;
mod directories;
mod end;
mod harness;
mod input;
mod left;
mod log;
mod order;
mod restart;
mod stop;
mod surroundings;
