//! The targets under libFuzzer: see `run`.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let wanted = std::env::var("PORTCULLIS_FUZZ").expect("the name of a target");
    let found = targets::ALL.iter().find(|(name, ..)| *name == wanted);
    found.expect("one of the targets").1
});

fuzz_target!(|data: &[u8]| (*TARGET)(data));
