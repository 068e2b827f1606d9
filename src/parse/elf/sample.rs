//! ELF programs for tests, made of what this module documents.

/// An ELF program with some sections.
pub(crate) struct Sample {
    machine: u16,
    is_wide: bool,
    is_big: bool,
    is_bare: bool,
    /// Name, address and content.
    sections: Vec<(&'static str, u64, Vec<u8>)>,
}

/// Reads `bytes` as a file.
pub(crate) fn read_of(bytes: &[u8]) -> impl Fn(u64, usize) -> Option<Vec<u8>> {
    move |offset, length| {
        let start = usize::try_from(offset).ok()?;
        Some(bytes.get(start..start.checked_add(length)?)?.to_vec())
    }
}

impl Sample {
    /// A 32-bit ARM program.
    pub(crate) fn arm() -> Sample {
        Sample::of(40, false, false)
    }

    /// A program for this machine, with addresses of 64 bits, and with high bytes first.
    pub(crate) fn of(machine: u16, is_wide: bool, is_big: bool) -> Sample {
        Sample {
            machine,
            is_wide,
            is_big,
            is_bare: false,
            sections: Vec::new(),
        }
    }

    /// The same without a table of sections.
    pub(crate) fn bare(mut self) -> Sample {
        self.is_bare = true;
        self
    }

    /// Adds Go's build information in the form since Go 1.18.
    pub(crate) fn go(mut self, text: &str) -> Sample {
        let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
        info.resize(32, 0);
        info.extend(b"\x08go1.25.1");
        let text = [&[b'0'; 16][..], text.as_bytes(), &[b'1'; 16]].concat();
        assert!(text.len() < 128);
        info.push(text.len().try_into().unwrap());
        info.extend(text);
        self.sections.push((".go.buildinfo", 0x1000, info));
        self
    }

    /// Adds Go's build information in the form before.
    pub(crate) fn go_by_pointers(mut self, text: &str) -> Sample {
        let word = if self.is_wide { 8 } else { 4 };
        let mut info = b"\xff Go buildinf:".to_vec();
        info.extend([word, u8::from(self.is_big)]);
        info.extend(self.number(0x2000, word));
        info.extend(self.number(0x2010, word));
        let text = [&[b'0'; 16][..], text.as_bytes(), &[b'1'; 16]].concat();
        let mut data = vec![0; 16];
        data.extend(self.number(0x2020, word));
        data.extend(self.number(text.len() as u64, word));
        data.resize(32, 0);
        data.extend(text);
        self.sections.push((".go.buildinfo", 0x1000, info));
        self.sections.push((".data", 0x2000, data));
        self
    }

    /// Adds attributes with this `Tag_CPU_arch`, behind a name of the processor.
    pub(crate) fn attributes(mut self, arch: u8) -> Sample {
        let list = [&b"\x05cpu\0\x20\x01gnu\0\x41v\0"[..], &[6, arch, 8, 1]].concat();
        let mut file = vec![1];
        file.extend(self.number(list.len() as u64 + 5, 4));
        file.extend(list);
        let mut section = b"A".to_vec();
        section.extend(self.number(4 + 4, 4));
        section.extend(b"gnu\0");
        section.extend(self.number(file.len() as u64 + 10, 4));
        section.extend(b"aeabi\0");
        section.extend(file);
        self.sections.push((".ARM.attributes", 0, section));
        self
    }

    fn number(&self, value: u64, bytes: u8) -> Vec<u8> {
        let all = value.to_be_bytes();
        let mut bytes = all[8 - usize::from(bytes)..].to_vec();
        if !self.is_big {
            bytes.reverse();
        }
        bytes
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let word = if self.is_wide { 8 } else { 4 };
        let (header, row) = if self.is_wide { (64, 64) } else { (52, 40) };
        let mut names = b"\0.shstrtab\0".to_vec();
        let mut rows = vec![(0, 0, 0, 0)];
        let mut content = Vec::<u8>::new();
        for (name, address, bytes) in &self.sections {
            rows.push((names.len(), *address, header + content.len(), bytes.len()));
            names.extend(name.as_bytes());
            names.push(0);
            content.extend(bytes);
        }
        rows.push((1, 0, header + content.len(), names.len()));
        content.extend(&names);
        let mut file = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(self.is_wide)];
        file.extend([1 + u8::from(self.is_big), 1]);
        file.resize(16, 0);
        file.extend(
            [2, u64::from(self.machine)]
                .iter()
                .flat_map(|half| self.number(*half, 2)),
        );
        file.extend(self.number(1, 4));
        file.extend([self.number(0, word), self.number(0, word)].concat());
        let table = if self.is_bare {
            0
        } else {
            header + content.len()
        };
        file.extend(self.number(table as u64, word));
        file.extend(self.number(0, 4));
        let count = if self.is_bare { 0 } else { rows.len() };
        for half in [header, 0, 0, row, count, count.saturating_sub(1)] {
            file.extend(self.number(half as u64, 2));
        }
        assert_eq!(file.len(), header);
        file.extend(content);
        for (name, address, offset, size) in rows {
            file.extend([self.number(name as u64, 4), self.number(1, 4)].concat());
            for value in [0, address, offset as u64, size as u64] {
                file.extend(self.number(value, word));
            }
            let length = file.len();
            file.resize(length + row - 8 - 4 * usize::from(word), 0);
        }
        file
    }
}
