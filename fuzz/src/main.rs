//! The fuzzer. The arguments are libFuzzer's; `FUZZ_TARGET` is the name of the target.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fuzz::Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let target = fuzz::TARGETS.into_iter().find(|(known, _)| *known == name);
        let (_, target) = target.unwrap_or_else(|| panic!("no target FUZZ_TARGET={name}"));
        TARGET.get_or_init(|| target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(data);
        }
    }
);
