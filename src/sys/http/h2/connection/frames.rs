//! What each kind of frame does.

use super::{
    BLOCK, BODY, Block, Connection, Done, LARGEST, Outcome, TOO_WIDE, Violation, protocol,
    violation, widened, wrong_size,
};
use crate::sys::http::h2::frame::{self, Head};
use crate::sys::http::h2::hpack::{Field, Wrong};

impl Connection {
    pub(super) fn data(&mut self, head: Head, content: &[u8]) -> Done {
        if let Ok(count @ 1..) = u32::try_from(content.len()) {
            let count = count.to_be_bytes();
            frame::put(&mut self.output, frame::WINDOW_UPDATE, 0, 0, &count);
        }
        let content = unpadded(head, content)?;
        let Some(stream) = self
            .stream
            .as_mut()
            .filter(|stream| stream.id == head.stream)
        else {
            // Of an exchange that has ended before all of it had come.
            return Ok(());
        };
        if stream.answer.status == 0 {
            return protocol("a body comes before its header");
        }
        if stream.answer.body.len() + content.len() > BODY {
            return violation(frame::CANCEL, "the answer is longer than 32 KiB");
        }
        stream.answer.body.extend_from_slice(content);
        if head.has(frame::END_STREAM) {
            self.finish();
        }
        Ok(())
    }

    pub(super) fn headers(&mut self, head: Head, content: &[u8]) -> Done {
        let mut content = unpadded(head, content)?;
        if head.has(frame::PRIORITY) {
            let Some(behind) = content.get(5..) else {
                return wrong_size();
            };
            content = behind;
        }
        let block = Block {
            stream: head.stream,
            bytes: content.to_vec(),
            is_end: head.has(frame::END_STREAM),
        };
        self.gathered(head, block)
    }

    pub(super) fn continuation(&mut self, head: Head, content: &[u8]) -> Done {
        let Some(mut block) = self.block.take() else {
            return protocol("a header goes on that has not begun");
        };
        block.bytes.extend_from_slice(content);
        self.gathered(head, block)
    }

    /// Decodes `block` if it is whole.
    fn gathered(&mut self, head: Head, block: Block) -> Done {
        const TOO_LARGE: &str = "a header is longer than 16 KiB";
        if block.bytes.len() > BLOCK {
            return violation(frame::ENHANCE_YOUR_CALM, TOO_LARGE);
        }
        if !head.has(frame::END_HEADERS) {
            self.block = Some(block);
            return Ok(());
        }
        // One of a stream that has ended changes the table, too.
        match self.decoder.block(&block.bytes) {
            Ok(fields) => self.header(block.stream, fields, block.is_end),
            Err(Wrong::Coding) => violation(frame::COMPRESSION_ERROR, "a header is no HPACK"),
            Err(Wrong::TooLarge) => violation(frame::ENHANCE_YOUR_CALM, TOO_LARGE),
        }
    }

    fn header(&mut self, id: u32, fields: Vec<Field>, is_end: bool) -> Done {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.id == id) else {
            return Ok(());
        };
        let answer = &mut stream.answer;
        if answer.status != 0 {
            let is_plain = fields.iter().all(|field| !field.name.starts_with(b":"));
            if !is_end || !is_plain {
                return protocol("a second header is no trailer");
            }
            answer.trailers = fields;
            self.finish();
            return Ok(());
        }
        match status(&fields) {
            // Interim answers.
            Some(100 | 102..200) if !is_end => return Ok(()),
            Some(status @ 200..) => answer.status = status,
            _ => return protocol("an answer has no status"),
        }
        answer.head = fields;
        if is_end {
            self.finish();
        }
        Ok(())
    }

    /// The answer is whole.
    fn finish(&mut self) {
        if let Some(stream) = self.stream.take() {
            if stream.sent < stream.length {
                let code = frame::CANCEL.to_be_bytes();
                frame::put(&mut self.output, frame::RST_STREAM, 0, stream.id, &code);
            }
            self.outcome = Some(Outcome::Answer(stream.answer));
        }
    }

    pub(super) fn reset(&mut self, head: Head, content: &[u8]) -> Done {
        let Ok(code) = content.try_into().map(u32::from_be_bytes) else {
            return wrong_size();
        };
        if self
            .stream
            .take_if(|stream| stream.id == head.stream)
            .is_some()
        {
            self.outcome = Some(match code {
                frame::REFUSED_STREAM => Outcome::Refused,
                code => Outcome::Reset(code),
            });
        }
        Ok(())
    }

    pub(super) fn settings(&mut self, head: Head, content: &[u8]) -> Done {
        let (settings, rest) = content.as_chunks::<6>();
        if !rest.is_empty() || (head.has(frame::ACK) && !content.is_empty()) {
            return wrong_size();
        }
        if head.has(frame::ACK) {
            return Ok(());
        }
        for &[i, d, value @ ..] in settings {
            self.setting(u16::from_be_bytes([i, d]), u32::from_be_bytes(value))?;
        }
        frame::put(&mut self.output, frame::SETTINGS, frame::ACK, 0, &[]);
        Ok(())
    }

    fn setting(&mut self, id: u16, value: u32) -> Done {
        match id {
            frame::MAX_CONCURRENT_STREAMS => self.is_closing |= value == 0,
            frame::INITIAL_WINDOW_SIZE => {
                let window = i32::try_from(value).map_err(|_| TOO_WIDE)?;
                if let Some(stream) = &mut self.stream {
                    stream.window = widened(stream.window, window - self.initial_window)?;
                }
                self.initial_window = window;
            }
            frame::MAX_FRAME_SIZE => {
                let size = usize::try_from(value).unwrap_or(usize::MAX);
                if !(frame::CONTENT..1 << 24).contains(&size) {
                    return protocol("it announces a wrong size of frames");
                }
                self.frame_limit = size.min(LARGEST);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn ping(&mut self, head: Head, content: &[u8]) -> Done {
        if content.len() != 8 {
            return wrong_size();
        }
        if !head.has(frame::ACK) {
            frame::put(&mut self.output, frame::PING, frame::ACK, 0, content);
        }
        Ok(())
    }

    pub(super) fn goaway(&mut self, content: &[u8]) -> Done {
        let Some((last, [_, _, _, _, ..])) = content.split_first_chunk() else {
            return wrong_size();
        };
        self.is_closing = true;
        let last = u32::from_be_bytes(*last) & 0x7fff_ffff;
        if self.stream.take_if(|stream| stream.id > last).is_some() {
            self.outcome = Some(Outcome::Refused);
        }
        Ok(())
    }

    pub(super) fn window_update(&mut self, head: Head, content: &[u8]) -> Done {
        let Ok(by) = content.try_into().map(u32::from_be_bytes) else {
            return wrong_size();
        };
        let by = i32::try_from(by & 0x7fff_ffff).unwrap_or(0);
        if by == 0 {
            return protocol("it widens a window by nothing");
        }
        if head.stream == 0 {
            self.window = widened(self.window, by)?;
        } else if let Some(stream) = &mut self.stream
            && stream.id == head.stream
        {
            stream.window = widened(stream.window, by)?;
        }
        Ok(())
    }
}

/// The content of DATA or HEADERS without its padding.
fn unpadded(head: Head, content: &[u8]) -> Result<&[u8], Violation> {
    if !head.has(frame::PADDED) {
        return Ok(content);
    }
    let Some((&padding, content)) = content.split_first() else {
        return wrong_size();
    };
    let end = content.len().checked_sub(padding.into());
    match end.and_then(|end| content.get(..end)) {
        Some(content) => Ok(content),
        None => protocol("there is more padding than content"),
    }
}

/// The status of an answer, which comes before its other fields.
fn status(fields: &[Field]) -> Option<u16> {
    let first = fields.first().filter(|field| field.name == b":status")?;
    match first.value.as_slice() {
        [_, _, _] => std::str::from_utf8(&first.value).ok()?.parse().ok(),
        _ => None,
    }
}
