//! A FUSE filesystem without files that answers statfs, or hangs.
//!
//! It speaks the protocol of `/dev/fuse` itself: linux/fuse.h.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::mount::{MountFlags, mount};

use crate::sandbox::is_emulated;

/// Runs an ignored test of this program in a user and mount namespace of its own, for at most
/// `seconds`: if it fails, its agent cannot end before the filesystem does.
#[track_caller]
pub(crate) fn run_where_it_may_mount(name: &str, seconds: u32) {
    let may_mount = File::open("/dev/fuse").is_ok()
        && Command::new("unshare")
            .args(["-rm", "true"])
            .status()
            .is_ok_and(|status| status.success());
    only_if!(!is_emulated(), "the emulator has no namespace of its own");
    require!(
        may_mount,
        "no /dev/fuse, or no user namespaces: nothing can be mounted"
    );
    let test = Command::new("timeout")
        .args([&seconds.to_string(), "unshare", "-rm"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(
        test.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&test.stderr)
    );
}

/// Operations of the protocol.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const STATFS: u32 = 17;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
/// Error numbers: no such file, no such operation.
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;
/// Bytes of the request buffer, more than the kernel requires.
const REQUEST: usize = 1 << 20;

/// The filesystem's blocks of 1024 bytes: all, free, available.
pub(crate) const BLOCKS: [u64; 3] = [1000, 500, 400];

/// A mounted filesystem. It ends with its process.
pub(crate) struct Fuse {
    device: Arc<File>,
    hangs: Arc<AtomicBool>,
    unanswered: Arc<Mutex<Vec<u64>>>,
    /// Look-ups of names.
    sought: Arc<Mutex<Vec<u64>>>,
}

impl Fuse {
    /// Mounts `source` at `point`. The filesystem hangs at once.
    pub(crate) fn mount(source: &str, point: &Path) -> Fuse {
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .unwrap();
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let options = std::ffi::CString::new(options).unwrap();
        mount(
            source,
            point,
            "fuse",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .unwrap();
        let fuse = Fuse {
            device: Arc::new(device),
            hangs: Arc::new(AtomicBool::new(true)),
            unanswered: Arc::default(),
            sought: Arc::default(),
        };
        let (device, hangs) = (Arc::clone(&fuse.device), Arc::clone(&fuse.hangs));
        let unanswered = Arc::clone(&fuse.unanswered);
        let sought = Arc::clone(&fuse.sought);
        thread::spawn(move || {
            let mut request = vec![0; REQUEST];
            while let Ok(length) = (&*device).read(&mut request) {
                let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
                let id = u64::from_ne_bytes(request[8..16].try_into().unwrap());
                assert_eq!(word(0) as usize, length);
                // The lists stay locked until the request is in one of them or answered: `wake`
                // must find it.
                let (mut unanswered, mut sought) =
                    (unanswered.lock().unwrap(), sought.lock().unwrap());
                match word(4) {
                    INIT => reply(&device, id, 0, &initial()),
                    STATFS if hangs.load(Ordering::SeqCst) => unanswered.push(id),
                    LOOKUP if hangs.load(Ordering::SeqCst) => sought.push(id),
                    LOOKUP => reply(&device, id, -ENOENT, &[]),
                    STATFS => reply(&device, id, 0, &size()),
                    FORGET | INTERRUPT | BATCH_FORGET => {}
                    _ => reply(&device, id, -ENOSYS, &[]),
                }
            }
        });
        fuse
    }

    /// The number of look-ups that wait for an answer.
    pub(crate) fn sought(&self) -> usize {
        self.sought.lock().unwrap().len()
    }

    /// The number of questions for its size that wait for an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.unanswered.lock().unwrap().len()
    }

    /// Makes it answer from now on, also the requests that wait.
    pub(crate) fn wake(&self) {
        self.hangs.store(false, Ordering::SeqCst);
        for id in self.unanswered.lock().unwrap().drain(..) {
            reply(&self.device, id, 0, &size());
        }
        for id in self.sought.lock().unwrap().drain(..) {
            reply(&self.device, id, -ENOENT, &[]);
        }
    }
}

fn reply(mut device: &File, id: u64, error: i32, body: &[u8]) {
    let length = u32::try_from(16 + body.len()).unwrap();
    let mut answer = length.to_ne_bytes().to_vec();
    answer.extend(error.to_ne_bytes());
    answer.extend(id.to_ne_bytes());
    answer.extend(body);
    // The asking process may have ended.
    let _ = device.write_all(&answer);
}

/// The answer to INIT: version 7.31 of the protocol, without optional features.
fn initial() -> Vec<u8> {
    let mut body: Vec<u8> = [7_u32, 31, 0, 0]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    body.extend([0_u8; 4]);
    body.extend(4096_u32.to_ne_bytes());
    body.resize(64, 0);
    body
}

fn size() -> Vec<u8> {
    let mut body: Vec<u8> = BLOCKS
        .iter()
        .flat_map(|count| count.to_ne_bytes())
        .collect();
    body.extend([0_u8; 16]);
    body.extend(
        [1024_u32, 255, 1024]
            .iter()
            .flat_map(|word| word.to_ne_bytes()),
    );
    body.resize(80, 0);
    body
}
