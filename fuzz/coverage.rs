//! The entry point of libFuzzer. It runs the target that `FUZZ_TARGET` names.

use std::cell::RefCell;
use std::env;

use crate::targets::{self, Target};
use crate::{MEMORY, memory};

thread_local! {
    static TARGET: RefCell<Target> = RefCell::new(chosen());
}

fn chosen() -> Target {
    let name = env::var("FUZZ_TARGET").unwrap();
    let mut all = targets::all().into_iter();
    all.find(|target| target.name == name).unwrap()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    TARGET.with_borrow_mut(|target| {
        memory::begin();
        (target.run)(bytes);
        assert!(memory::peak() <= MEMORY, "takes too much memory");
    });
});
