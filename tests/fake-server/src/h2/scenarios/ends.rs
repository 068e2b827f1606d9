//! Windows, bodies, and other protocols or none.

use std::thread;
use std::time::Duration;

use super::{HUGE, INITIAL_WINDOW_SIZE, after, body, large, of};
use crate::h2::evil::{End, HEAD, Scenario, Script, good, message};
use crate::h2::wire::{self, ACK, PING, SETTINGS, WINDOW_UPDATE};

/// By name.
pub(super) const ALL: &[Scenario] = &[
    // Windows.
    of("first_window_too_large", End::Broken, |s| {
        s.greet(&[(INITIAL_WINDOW_SIZE, 0x8000_0000)])?;
        s.wait()
    }),
    of("window_of_the_stream_overflows", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, None, &0x7fff_ffff_u32.to_be_bytes())
    }),
    of("window_of_the_connection_overflows", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, Some(0), &0x7fff_ffff_u32.to_be_bytes())
    }),
    of("settings_make_a_window_overflow", End::Broken, |s| {
        let stream = s.request()?;
        s.wire.send(&wire::window_update(stream, 0x7fff_0000))?;
        s.wire
            .send(&wire::settings(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)]))?;
        s.wait()
    }),
    of("window_update_of_nothing", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, None, &[0; 4])
    }),
    of("window_update_of_three_bytes", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, Some(0), &[0; 3])
    }),
    of("window_update_of_an_idle_stream", End::Broken, |s| {
        after(s, WINDOW_UPDATE, 0, Some(3), &[0, 0, 0, 1])
    }),
    large("window_never_opens", End::Deadline, |s| {
        s.greet(&[])?;
        s.wait()
    }),
    large("window_of_the_connection_never_opens", End::Deadline, |s| {
        s.greet(&[])?;
        let stream = s.head()?;
        s.wire.send(&wire::window_update(stream, 1 << 20))?;
        s.wait()
    }),
    Scenario {
        name: "never_reads",
        end: End::Deadline,
        needs: HUGE,
        run: |s| {
            s.greet(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)])?;
            s.wire.send(&wire::window_update(0, 0x7fff_0000))?;
            // The client closes once its time is over.
            while s.wire.socket().take_error()?.is_none() && !is_closed(s) {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        },
    },
    // Bodies.
    of("answer_too_long", End::Broken, |s| {
        body(s, &message(0, &[0; 40_000]))
    }),
    // Other protocols, and none.
    of("http_1", End::Broken, |s| {
        s.wire.preface()?;
        s.wire
            .send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        s.wait()
    }),
    of("ssh", End::Broken, |s| {
        s.wire.preface()?;
        s.wire.send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")?;
        s.wait()
    }),
    of("alert_of_TLS_and_close", End::Broken, |s| {
        s.wire.preface()?;
        s.wire.send(&[21, 3, 1, 0, 2, 2, 10])
    }),
    of("no_settings", End::Broken, |s| {
        s.wire.preface()?;
        let stream = s.head()?;
        s.good(stream)?;
        s.wait()
    }),
    of("acknowledgement_in_place_of_settings", End::Broken, |s| {
        s.wire.preface()?;
        s.frame(SETTINGS, ACK, 0, &[])?;
        s.wait()
    }),
    of("closed_at_once", End::Broken, |_| Ok(())),
    of("closed_behind_the_head", End::Broken, |s| {
        let stream = s.request()?;
        s.headers(stream, 0, &HEAD)
    }),
    of("closed_inside_a_frame", End::Broken, |s| {
        let stream = s.request()?;
        let all = good(stream);
        s.wire.send(&all[..all.len() - 1])
    }),
    of("silence", End::Deadline, |s| s.wait()),
    of("silence_behind_settings", End::Deadline, |s| {
        s.greet(&[])?;
        s.wait()
    }),
    of("silence_inside_a_frame", End::Deadline, |s| {
        let stream = s.request()?;
        let all = good(stream);
        s.wire.send(&all[..all.len() - 1])?;
        s.wait()
    }),
    of("drip", End::Deadline, |s| {
        s.request()?;
        loop {
            s.frame(PING, 0, 0, &[0; 8])?;
            thread::sleep(Duration::from_millis(20));
        }
    }),
];

/// Whether the client has closed the connection; what it has sent before is not read.
fn is_closed(s: &Script) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut watched = [PollFd::new(s.wire.socket(), PollFlags::RDHUP)];
    let now = rustix::event::Timespec::default();
    matches!(poll(&mut watched, Some(&now)), Ok(1..))
}
