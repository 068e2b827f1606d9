//! Answers of name servers as text, in the form of zone files (RFC 1035, section 5) and of the Go
//! library `dns`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{HEAD, reply};

/// Query types, their numbers and the form of their data: `n` a name, `b`, `w` and `l` a number of
/// one, two and four bytes, `t` texts, `4` and `6` an address, `x` and `X` the rest as hexadecimal
/// digits, `c` a name and a text. Data of other types is written as RFC 3597 says.
const TYPES: &str = "A 1 4,NS 2 n,MD 3 n,MF 4 n,CNAME 5 n,SOA 6 nnlllll,MB 7 n,MG 8 n,MR 9 n,NULL 10 ,\
    PTR 12 n,HINFO 13 t,MINFO 14 nn,MX 15 wn,TXT 16 t,RP 17 nn,AFSDB 18 wn,X25 19 ,ISDN 20 ,\
    RT 21 wn,NSAPPTR 23 n,SIG 24 ,KEY 25 ,PX 26 wnn,GPOS 27 ,AAAA 28 6,LOC 29 ,NXT 30 ,EID 31 ,\
    NIMLOC 32 ,SRV 33 wwwn,ATMA 34 ,NAPTR 35 ,KX 36 wn,CERT 37 ,DNAME 39 n,OPT 41 ,APL 42 ,\
    DS 43 wbbX,SSHFP 44 bbX,IPSECKEY 45 ,RRSIG 46 ,NSEC 47 ,DNSKEY 48 ,DHCID 49 ,NSEC3 50 ,\
    NSEC3PARAM 51 ,TLSA 52 bbbx,SMIMEA 53 bbbx,HIP 55 ,NINFO 56 t,RKEY 57 ,TALINK 58 nn,\
    CDS 59 wbbX,CDNSKEY 60 ,OPENPGPKEY 61 ,CSYNC 62 ,ZONEMD 63 ,SVCB 64 ,HTTPS 65 ,SPF 99 t,\
    UINFO 100 ,UID 101 l,GID 102 l,UNSPEC 103 ,NID 104 ,L32 105 w4,L64 106 ,LP 107 wn,EUI48 108 ,\
    EUI64 109 ,NXNAME 128 ,TKEY 249 ,TSIG 250 ,IXFR 251 ,AXFR 252 ,MAILB 253 ,MAILA 254 ,ANY 255 ,\
    URI 256 ,CAA 257 bc,AVC 258 t,AMTRELAY 260 ,RESINFO 261 t,TA 32768 wbbX,DLV 32769 wbbX";
/// Names of opcodes and of codes, by number.
const OPCODES: &str = "QUERY IQUERY STATUS  NOTIFY UPDATE";
const CODES: &str = "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH \
                     NOTZONE DSOTYPENI";
/// Flags in the head, and their bits.
const FLAGS: [(u16, &str); 8] = [
    (0x8000, " qr"),
    (0x0400, " aa"),
    (0x0200, " tc"),
    (0x0100, " rd"),
    (0x0080, " ra"),
    (0x0040, " z"),
    (0x0020, " ad"),
    (0x0010, " cd"),
];
/// Links that are followed in one name.
const LINKS: usize = 126;

/// An answer.
pub(crate) struct Answer {
    /// 0: success.
    pub(crate) code: u8,
    /// Its head in two lines.
    pub(crate) head: String,
    pub(crate) records: Vec<Record>,
}

/// A record of an answer.
pub(crate) struct Record {
    pub(crate) kind: u16,
    /// Its data, e.g. an address.
    pub(crate) data: String,
    /// The whole record in one line.
    pub(crate) line: String,
}

/// The number of a query type, in any case; `None` if the name is unknown.
pub(crate) fn kind(name: &str) -> Option<u16> {
    let mut types = TYPES.split(',');
    types.find_map(|entry| {
        let mut words = entry.split(' ');
        let is_it = words.next()?.eq_ignore_ascii_case(name);
        words.next().filter(|_| is_it)?.parse().ok()
    })
}

/// The name of a type, and the form of its data.
fn named(kind: u16) -> Option<(&'static str, &'static str)> {
    let mut types = TYPES.split(',');
    types.find_map(|entry| {
        let (name, rest) = entry.split_once(' ')?;
        let (number, form) = rest.split_once(' ')?;
        (number.parse() == Ok(kind)).then_some((name, form))
    })
}

/// The answer in `packet` to the query with this number; `None` if it is something else or damaged.
pub(crate) fn answer(packet: &[u8], id: u16) -> Option<Answer> {
    let (code, count) = reply(packet, id)?;
    let mut reader = Reader { packet, at: 2 };
    let flags = reader.word()?;
    let questions = reader.word()?;
    let name = |names: &'static str, at: u16| names.split(' ').nth(at.into()).unwrap_or_default();
    let mut head = [
        ";; opcode: ",
        name(OPCODES, flags >> 11 & 15),
        ", status: ",
        name(CODES, code.into()),
        ", id: ",
        &id.to_string(),
        "\n;; flags:",
    ]
    .concat();
    for (bit, flag) in FLAGS {
        if flags & bit != 0 {
            head.push_str(flag);
        }
    }
    head.push(';');
    reader.at = HEAD;
    for _ in 0..questions {
        reader.name(&mut String::new())?;
        reader.bytes(4)?;
    }
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(reader.record()?);
    }
    Some(Answer {
        code,
        head,
        records,
    })
}

/// Reads a packet from a position on.
#[derive(Clone, Copy)]
struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.packet.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(bytes)
    }

    /// A number of so many bytes.
    fn number(&mut self, count: usize) -> Option<u32> {
        let mut number = 0;
        for byte in self.bytes(count)? {
            number = number << 8 | u32::from(*byte);
        }
        Some(number)
    }

    fn word(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }

    /// Appends a name, whose end may be elsewhere in the packet.
    fn name(&mut self, text: &mut String) -> Option<()> {
        let (before, mut reader) = (text.len(), *self);
        let mut links = 0;
        loop {
            let length = usize::try_from(reader.number(1)?).ok()?;
            match length {
                0 => break,
                1..64 => {
                    for byte in reader.bytes(length)? {
                        escape(*byte, b".'@;() \"\\", text);
                    }
                    text.push('.');
                }
                0xc0.. => {
                    let low = usize::try_from(reader.number(1)?).ok()?;
                    if links == 0 {
                        self.at = reader.at;
                    }
                    links += 1;
                    reader.at = (length & 0x3f) << 8 | low;
                }
                _ => return None,
            }
            // Names have 255 bytes at most, each with four characters.
            if links > LINKS || text.len() - before > 1020 {
                return None;
            }
        }
        if links == 0 {
            self.at = reader.at;
        }
        if text.len() == before {
            text.push('.');
        }
        Some(())
    }

    fn record(&mut self) -> Option<Record> {
        let mut line = String::new();
        self.name(&mut line)?;
        let (kind, class, ttl) = (self.word()?, self.word()?, self.number(4)?);
        let length = self.word()?;
        let end = self.at + usize::from(length);
        let mut inside = Reader {
            packet: self.packet.get(..end)?,
            at: self.at,
        };
        self.at = end;
        let (name, form) = named(kind).unwrap_or_default();
        let start = inside;
        let mut data = String::new();
        let is_read = !form.is_empty() && inside.data(form, &mut data).is_some();
        if !is_read {
            inside = start;
            data = ["\\# ", &length.to_string(), " "].concat();
            inside.digits(b'A', &mut data);
        }
        let (class_number, kind_number) = (class.to_string(), kind.to_string());
        let (class, class_number) = match class {
            1 => ("IN", ""),
            3 => ("CH", ""),
            4 => ("HS", ""),
            254 => ("NONE", ""),
            255 => ("ANY", ""),
            _ => ("CLASS", &*class_number),
        };
        let (name, kind_number) = match name {
            "" => ("TYPE", &*kind_number),
            name => (name, ""),
        };
        let ttl = ttl.to_string();
        line.extend([
            "\t",
            &ttl,
            "\t",
            class,
            class_number,
            "\t",
            name,
            kind_number,
        ]);
        line.extend(["\t", &data]);
        Some(Record { kind, data, line })
    }

    /// Appends data of this form, and fails if it has another one.
    fn data(&mut self, form: &str, text: &mut String) -> Option<()> {
        for (at, part) in form.bytes().enumerate() {
            if at > 0 {
                text.push(' ');
            }
            let size = match part {
                b'b' => 1,
                b'w' => 2,
                b'l' => 4,
                _ => 0,
            };
            match part {
                b'n' => self.name(text)?,
                b't' => {
                    let mut space = "";
                    while self.at < self.packet.len() {
                        text.push_str(space);
                        let length = self.number(1)?;
                        self.text(usize::try_from(length).ok()?, text)?;
                        space = " ";
                    }
                }
                b'c' => {
                    let length = self.number(1)?;
                    for byte in self.bytes(usize::try_from(length).ok()?)? {
                        escape(*byte, b"\"\\", text);
                    }
                    text.push(' ');
                    self.text(self.packet.len() - self.at, text)?;
                }
                b'4' => {
                    let address = self.bytes(4)?.first_chunk::<4>()?;
                    text.push_str(&Ipv4Addr::from(*address).to_string());
                }
                b'6' => {
                    let address = self.bytes(16)?.first_chunk::<16>()?;
                    text.push_str(&Ipv6Addr::from(*address).to_string());
                }
                b'x' => self.digits(b'a', text),
                b'X' => self.digits(b'A', text),
                _ => text.push_str(&self.number(size)?.to_string()),
            }
        }
        (self.at == self.packet.len()).then_some(())
    }

    /// Appends so many bytes as a text in quotes.
    fn text(&mut self, length: usize, text: &mut String) -> Option<()> {
        text.push('"');
        for byte in self.bytes(length)? {
            escape(*byte, b"\"\\", text);
        }
        text.push('"');
        Some(())
    }

    /// Appends the rest in hexadecimal digits, of which the tenth is `a`.
    fn digits(&mut self, a: u8, text: &mut String) {
        for byte in self.packet.get(self.at..).unwrap_or_default() {
            for digit in [byte >> 4, byte & 15] {
                let digit = if digit < 10 {
                    b'0' + digit
                } else {
                    a + digit - 10
                };
                text.push(digit.into());
            }
        }
        self.at = self.packet.len();
    }
}

/// Appends a character, behind a backslash if it is `special`; others than ASCII by their number.
fn escape(byte: u8, special: &[u8], text: &mut String) {
    if special.contains(&byte) {
        text.push('\\');
        text.push(byte.into());
    } else if (b' '..=b'~').contains(&byte) {
        text.push(byte.into());
    } else {
        text.push('\\');
        for digit in [byte / 100, byte / 10 % 10, byte % 10] {
            text.push((b'0' + digit).into());
        }
    }
}

#[cfg(test)]
mod tests;
