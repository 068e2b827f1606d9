//! Questions to the firmware of a Raspberry Pi, over its mailbox `/dev/vcio`. Format: the mailbox
//! property interface in the wiki of github.com/raspberrypi/firmware.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use super::root::Root;

/// The device, which members of the group `video` may open.
const DEVICE: &str = "/dev/vcio";
/// Questions: what limits the clock, the clock that is measured, and a voltage.
pub(crate) const THROTTLED: u32 = 0x0003_0046;
pub(crate) const CLOCK: u32 = 0x0003_0047;
pub(crate) const VOLTAGE: u32 = 0x0003_0003;
/// The request of the driver, without the size of its argument: `_IOWR(100, 0, char *)`.
const REQUEST: u32 = 0xc000_6400;
/// The number of words of a message with one question of two words.
const WORDS: usize = 8;
const BYTES: u32 = 32;
/// The bit of an answer.
const ANSWER: u32 = 1 << 31;

/// The two words of the answer to the question `tag` about `subject`. Fails without the device, if
/// this user may not open it, or if the firmware does not know the question.
pub(crate) fn ask(root: &Root, tag: u32, subject: u32) -> io::Result<[u32; 2]> {
    let device = root.places().open(Path::new(DEVICE), libc::O_NONBLOCK)?;
    // Size, code, the question, the size of its words, its code, its two words, and the end.
    let mut message: [u32; WORDS] = [BYTES, 0, tag, 8, 0, subject, 0, 0];
    // The size of a pointer has its place above the 16 lower bits.
    let request = REQUEST | (usize::BITS / 8) << 16;
    // SAFETY: the driver reads and writes as many bytes as the first word says, which are those of
    // the message. The message outlives the call.
    let asked = unsafe { libc::ioctl(device.as_raw_fd(), request as _, message.as_mut_ptr()) };
    if asked < 0 {
        return Err(io::Error::last_os_error());
    }
    match message {
        [_, ANSWER, _, _, code, first, second, _] if code & ANSWER != 0 => Ok([first, second]),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
