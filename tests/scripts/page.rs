//! The packed live page.

use std::path::Path;
use std::process::Command;

use super::TOP;

#[test]
fn page_is_packed_from_its_source() {
    let pack = Path::new(TOP).join("src/listen/page/pack");
    let status = Command::new(pack).arg("--check").status().unwrap();
    assert!(status.success(), "run make page");
}
