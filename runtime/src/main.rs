//! The stub: `sys.rs` has its `main`, `launch.rs` what it does.
#![no_std]
#![no_main]

use runtime as _;
