//! The launcher at the front of a bundle: makes the closure visible and executes the program.
//!
//! `launch.rs` lists the steps. The packer uses the same code to verify and to extract bundles. The
//! modules are layers: each uses only those below it in this list, and `system` uses none.

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

#[forbid(unsafe_code)]
pub mod launch;

#[forbid(unsafe_code)]
pub mod command;
#[forbid(unsafe_code)]
pub mod entry;

#[forbid(unsafe_code)]
pub mod desktop;
#[forbid(unsafe_code)]
pub mod mode;

#[forbid(unsafe_code)]
pub mod graphics;
#[forbid(unsafe_code)]
pub mod host_programs;

#[forbid(unsafe_code)]
pub mod accounts;
pub mod cache;

#[forbid(unsafe_code)]
pub mod context;

#[forbid(unsafe_code)]
pub mod unpack;

#[forbid(unsafe_code)]
pub mod payload;
#[forbid(unsafe_code)]
pub mod settings;

#[forbid(unsafe_code)]
pub mod error;

pub mod system;
