//! Frames on a connection, and header blocks.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::{ServerConnection, StreamOwned};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING.
pub const ACK: u8 = 1;
/// Of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const HAS_PRIORITY: u8 = 0x20;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it came.
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub content: Vec<u8>,
}

/// A connection to a client.
pub enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    fn io(&mut self) -> &mut dyn ReadWrite {
        match self {
            Wire::Plain(socket) => socket,
            Wire::Tls(stream) => stream,
        }
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(socket) => socket,
            Wire::Tls(stream) => &stream.sock,
        }
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io().write_all(bytes)?;
        self.io().flush()
    }

    /// Reads what a client sends before its frames.
    pub fn preface(&mut self) -> io::Result<()> {
        let mut preface = [0; 24];
        self.io().read_exact(&mut preface)?;
        if preface == PREFACE {
            Ok(())
        } else {
            Err(io::Error::other("no preface of HTTP/2"))
        }
    }

    /// Waits for a frame.
    pub fn frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.io().read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut content = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.io().read_exact(&mut content)?;
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        Ok(Frame {
            kind,
            flags,
            stream,
            content,
        })
    }

    /// Reads until the client closes.
    pub fn wait(&mut self) {
        drop(io::copy(self.io(), &mut io::sink()));
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(content);
    bytes
}

/// The bytes of SETTINGS.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (id, value) in settings {
        content.extend(id.to_be_bytes());
        content.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &content)
}

/// The bytes of WINDOW_UPDATE.
pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// A number of HPACK that begins in the last `bits` of `first`.
pub fn number(first: u8, bits: u32, number: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if number < most {
        return vec![first | u8::try_from(number).unwrap()];
    }
    let mut bytes = vec![first | u8::try_from(most).unwrap()];
    let mut rest = number - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A field, encoded as a literal that is not indexed.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    literal(0, name, value)
}

/// A field, encoded as the literal that begins with `first` and has a name of its own.
pub fn literal(first: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![first];
    for text in [name, value] {
        bytes.extend(number(0, 7, text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A block of fields.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| field(name, value));
    fields.collect::<Vec<_>>().concat()
}

/// The fields of a request's block: literals without Huffman's code, and names that requests have
/// from the static table. `None` for anything else.
pub fn fields(block: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = block;
    let mut found = Vec::new();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let fixed = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match first {
            0x20 => {}
            0x83 => found.push(fixed(":method", "POST")),
            0x86 => found.push(fixed(":scheme", "http")),
            0x87 => found.push(fixed(":scheme", "https")),
            0x00 | 0x10 => found.push((text(&mut rest)?, text(&mut rest)?)),
            0x01 | 0x11 => found.push((":authority".to_owned(), text(&mut rest)?)),
            0x04 | 0x14 => found.push((":path".to_owned(), text(&mut rest)?)),
            _ => return None,
        }
    }
    Some(found)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let (&first, mut behind) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 127 {
        // Huffman's code has the first bit.
        length = (first == 127).then_some(127)?;
        for shift in [0, 7, 14] {
            let (&byte, more) = behind.split_first()?;
            behind = more;
            length += usize::from(byte & 127) << shift;
            if byte < 128 {
                break;
            }
        }
    }
    let (text, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    String::from_utf8(text.to_vec()).ok()
}
