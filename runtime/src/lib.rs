//! The front of a bundle: makes the closure visible and becomes the program that was packed.
//!
//! `launch.rs` lists the steps. The packer uses the same code to verify and to extract.

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod boot;
pub mod cache;
pub mod command;
pub mod entry;
pub mod error;
pub mod file;
pub mod host;
pub mod launch;
pub mod log;
pub mod namespace;
pub mod payload;
pub mod place;
pub mod progress;
pub mod refusal;
pub mod relocation;
pub mod settings;
pub mod store;
pub mod sys;
pub mod unpack;
