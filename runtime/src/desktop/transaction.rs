//! Writes the files of a bundle, all or none, and removes them.
//!
//! An installation first writes the list of all that it will write, as `packed/KEY.new`. Then the files are written
//! under unfinished names, and renamed. Last, the list is renamed to `packed/KEY.list`. What a killed installation left
//! is found by its list.

use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::data_home::{DataHome, parents};
use super::exec::base_name;
use super::new_file::{Content, NewFile};
use super::record::{Key, Path, Record};
use super::text::{copied, joined, kept};
use crate::error::Error;
use crate::system::file;

/// The directory for records, and for what only the bundles' entries know.
const PACKED: &[u8] = b"packed";

/// Ends of the names of records: of what is installed, and of what is being installed.
const LIST: &[u8] = b".list";
const NEW: &[u8] = b".new";

/// Bytes of a record at most.
const RECORD_LEN: usize = 16 << 20;

/// A data directory to which no other installation writes.
pub(super) struct Locked<'a> {
    home: &'a DataHome,
    _packed: OwnedFd,
    /// What is installed.
    pub(super) installed: Vec<Record>,
}

impl<'a> Locked<'a> {
    /// Waits until no other installation is at work, and undoes what a killed one left.
    ///
    /// # Errors
    ///
    /// If somebody holds the lock for long, or the directory cannot be written.
    pub(super) fn new(home: &'a DataHome) -> Result<Locked<'a>, Error> {
        loop {
            home.make_directory(PACKED)?;
            let packed =
                home.open_directory(PACKED).map_err(|errno| home.error("open", PACKED, errno))?;
            match file::lock_for_a_moment(&packed, FlockOperation::NonBlockingLockExclusive) {
                // Where locks do nothing, two installations at once may undo each other.
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(home.error("lock", PACKED, errno)),
            }
            // Who had the lock may have removed the directory.
            if rustix::fs::fstat(&packed).is_ok_and(|stat| stat.st_nlink > 0) {
                let locked = Locked { home, _packed: packed, installed: installed(home)? };
                let killed = unfinished(home)?;
                killed.iter().for_each(|killed| locked.undo(killed, &locked.installed));
                return Ok(locked);
            }
        }
    }

    /// Writes files, and removes those of `old` records; returns `new` with the lists of files and directories.
    ///
    /// # Errors
    ///
    /// If a file exists that is in no old record, or cannot be written. Then all is as before; but files that were
    /// already renamed stay in place of old ones of their names.
    pub(super) fn replace(
        &self,
        old: &[Record],
        mut new: Record,
        files: &[NewFile],
    ) -> Result<Record, Error> {
        let (mut directories, mut paths) = (Vec::new(), Vec::new());
        for &NewFile { path, .. } in files {
            if !has(old, path) && self.home.exists(path) {
                return Err(self.home.taken(path));
            }
            for directory in parents(path) {
                let made = |record: &Record| record.directories.contains(&directory);
                let is_ours = || old.iter().any(made) || !self.home.exists(directory);
                if !directories.contains(&directory) && is_ours() {
                    directories.push(directory);
                }
            }
            paths.push(path);
        }
        new.directories = directories.leak();
        new.files = paths.leak();
        if let Err(error) = self.write(old, &new, files) {
            self.undo(&new, old);
            return Err(error);
        }
        for record in old {
            if record.key != new.key {
                self.home.unlink(record_path(record.key, LIST))?;
            }
            self.remove_directories(record);
        }
        Ok(new)
    }

    fn write(&self, old: &[Record], new: &Record, files: &[NewFile]) -> Result<(), Error> {
        let home = self.home;
        let list = record_path(new.key, NEW);
        // One that was not written to its end.
        home.unlink(list)?;
        home.create_file(list, Content::Bytes(new.text()))?;
        new.directories.iter().try_for_each(|path| home.make_directory(path))?;
        for (number, &NewFile { path, content }) in files.iter().enumerate() {
            home.create_file(unfinished_path(new.key, path, number), content)?;
        }
        for (number, &NewFile { path, .. }) in files.iter().enumerate() {
            let unfinished = unfinished_path(new.key, path, number);
            match has(old, path) {
                true => home.rename(unfinished, path)?,
                false => home.rename_new(unfinished, path)?,
            }
        }
        let mut old = old.iter().flat_map(|record| record.files);
        old.try_for_each(|path| if new.files.contains(path) { Ok(()) } else { home.unlink(path) })?;
        home.rename(list, record_path(new.key, LIST))
    }

    /// Removes what an installation wrote that was not there before, as far as that works.
    fn undo(&self, new: &Record, old: &[Record]) {
        for (number, path) in new.files.iter().enumerate() {
            let unfinished = unfinished_path(new.key, path, number);
            // While it has its unfinished name, a file of the final one is another program's. What stays is removed by
            // who comes next.
            let _ = if self.home.exists(unfinished) {
                self.home.unlink(unfinished)
            } else if !has(old, path) {
                self.home.unlink(path)
            } else {
                Ok(())
            };
        }
        self.remove_directories(new);
        let _ = self.home.unlink(record_path(new.key, NEW));
    }

    /// Removes what a record lists, and the record.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed; the record stays.
    pub(super) fn remove(&self, record: &Record) -> Result<(), Error> {
        record.files.iter().try_for_each(|path| self.home.unlink(path))?;
        self.home.unlink(record_path(record.key, LIST))?;
        self.remove_directories(record);
        Ok(())
    }

    /// Removes the directories of a record from the bottom up; those with files of other programs stay.
    fn remove_directories(&self, record: &Record) {
        record.directories.iter().rev().for_each(|path| self.home.remove_empty(path));
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.home.remove_empty(PACKED);
    }
}

/// Returns the records of what is installed.
///
/// # Errors
///
/// If they cannot be read.
pub(super) fn installed(home: &DataHome) -> Result<Vec<Record>, Error> {
    records(home, LIST)
}

/// Returns the records of installations that are at work, or were killed.
///
/// # Errors
///
/// If they cannot be read.
pub(super) fn unfinished(home: &DataHome) -> Result<Vec<Record>, Error> {
    records(home, NEW)
}

/// Returns records, sorted by the bundles' paths.
fn records(home: &DataHome, end: &[u8]) -> Result<Vec<Record>, Error> {
    let packed = match home.open_directory(PACKED) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        packed => packed.map_err(|errno| home.error("open", PACKED, errno))?,
    };
    let mut records = Vec::new();
    for name in file::names(&packed).map_err(|errno| home.error("read", PACKED, errno))? {
        let Some(key) = name.to_bytes().strip_suffix(end).and_then(|name| Key::parse(copied(name)))
        else {
            continue;
        };
        let text = file::read(&packed, &name, RECORD_LEN);
        let text = text.map_err(|errno| home.error("read", record_path(key, end), errno))?;
        // Another program's, or damaged: nothing in it is believed.
        if let Some(record) = Record::parse(key, kept(text)) {
            let at = records.partition_point(|other: &Record| other.bundle < record.bundle);
            records.insert(at, record);
        }
    }
    Ok(records)
}

fn has(records: &[Record], file: Path) -> bool {
    records.iter().any(|record| record.files.contains(&file))
}

fn record_path(key: Key, end: &[u8]) -> Path {
    joined(&[PACKED, b"/", key.0, end])
}

/// Returns the path that a file has until all are written.
fn unfinished_path(key: Key, path: &[u8], number: usize) -> Path {
    let directory = &path[..path.len() - base_name(path).len()];
    joined(&[directory, b".packed_", key.0, alloc::format!("_{number}").as_bytes()])
}
