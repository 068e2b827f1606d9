//! A disk scripted by a test. At a simulated loss of power it loses what has not been synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Disk;

/// A scripted disk. Its clones share one state.
#[derive(Clone, Default)]
pub(crate) struct ScriptedDisk(Arc<Mutex<Drive>>);

/// The fault of the disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// So many more bytes can be written.
    Full(usize),
    ReadOnly,
    Denied,
    /// Syncing fails with an I/O error.
    Failing,
}

#[derive(Default)]
pub(crate) struct Drive {
    pub(crate) mood: Mood,
    /// Whether a sync succeeds without storing anything. This simulates a program that does not
    /// sync, or not in time.
    pub(crate) is_deaf: bool,
    /// Operations that changed a file or opened it for writing.
    pub(crate) touches: usize,
    /// Bytes written.
    pub(crate) written: usize,
    names: BTreeMap<String, usize>,
    kept_names: BTreeMap<String, usize>,
    files: Vec<Content>,
}

/// The current content of a file, and its content after a loss of power.
#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    kept: Vec<u8>,
}

impl ScriptedDisk {
    pub(crate) fn drive(&self) -> MutexGuard<'_, Drive> {
        self.0.lock().unwrap()
    }

    /// The content of a file.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let drive = self.drive();
        drive
            .names
            .get(name)
            .map(|file| drive.files[*file].now.clone())
    }

    /// Creates a file that is already synced.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        let mut drive = self.drive();
        let content = content.to_vec();
        drive.files.push(Content {
            now: content.clone(),
            kept: content,
        });
        let file = drive.files.len() - 1;
        drive.names.insert(name.to_owned(), file);
        drive.kept_names = drive.names.clone();
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.drive().names.keys().cloned().collect()
    }

    /// Simulates a loss of power. Data not synced is lost, kept or partly kept, as `random`
    /// decides. `random` returns any number below its argument.
    pub(crate) fn lose_power(&self, random: &mut dyn FnMut(usize) -> usize) {
        let mut drive = self.drive();
        if random(2) == 0 {
            drive.names = drive.kept_names.clone();
        }
        for file in &mut drive.files {
            if file.now != file.kept {
                let torn = random(file.now.len() + 1);
                match random(4) {
                    0 => file.now = file.kept.clone(),
                    1 => {}
                    2 => file.now.truncate(torn.max(common(&file.now, &file.kept))),
                    // The file's size was stored before its content.
                    _ => {
                        let whole = torn.max(common(&file.now, &file.kept));
                        file.now[whole..].fill(0);
                    }
                }
                file.kept = file.now.clone();
            }
        }
        drive.kept_names = drive.names.clone();
    }
}

/// The length of the common prefix.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter()
        .zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}

impl Drive {
    fn find(&self, name: &str) -> io::Result<usize> {
        let file = self.names.get(name).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn touch(&mut self) -> io::Result<()> {
        self.touches += 1;
        match self.mood {
            Mood::ReadOnly => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            Mood::Denied => Err(io::ErrorKind::PermissionDenied.into()),
            Mood::Well | Mood::Full(_) | Mood::Failing => Ok(()),
        }
    }
}

impl Disk for ScriptedDisk {
    fn read(&mut self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let drive = self.drive();
        if drive.mood == Mood::Denied {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let bytes = drive.files[drive.find(name)?].now.clone();
        if bytes.len() as u64 > limit {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(bytes)
        }
    }

    fn length(&mut self, name: &str) -> io::Result<u64> {
        let drive = self.drive();
        Ok(drive.files[drive.find(name)?].now.len() as u64)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        drive.files.push(Content::default());
        let file = drive.files.len() - 1;
        drive.names.insert(name.to_owned(), file);
        Ok(())
    }

    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        let file = drive.find(name)?;
        let room = match drive.mood {
            Mood::Full(room) => room,
            _ => usize::MAX,
        };
        let fitting = &bytes[..bytes.len().min(room)];
        let at = usize::try_from(at).unwrap();
        let content = &mut drive.files[file].now;
        content.resize(content.len().max(at + fitting.len()), 0);
        content[at..at + fitting.len()].copy_from_slice(fitting);
        drive.written += fitting.len();
        if fitting.len() < bytes.len() {
            drive.mood = Mood::Full(0);
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Mood::Full(room) = &mut drive.mood {
            *room -= fitting.len();
        }
        Ok(())
    }

    fn cut(&mut self, name: &str, length: u64) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        let file = drive.find(name)?;
        drive.files[file]
            .now
            .truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        let file = drive.find(name)?;
        if drive.mood == Mood::Failing {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        if !drive.is_deaf {
            drive.files[file].kept = drive.files[file].now.clone();
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        let file = drive.find(from)?;
        drive.names.remove(from);
        drive.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        drive.find(name)?;
        drive.names.remove(name);
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut drive = self.drive();
        drive.touch()?;
        if !drive.is_deaf {
            drive.kept_names = drive.names.clone();
        }
        Ok(())
    }
}
