//! The directory for the user's data: writes the files of a bundle there, all or none, and removes them.
//!
//! An installation first writes the list of all that it will write, as `packed/KEY.new`. Then the files are written
//! under unfinished names, and renamed. Last, the list is renamed to `packed/KEY.list`. What a killed installation left
//! is found by its list.

use alloc::ffi::CString;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FlockOperation, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
};
use rustix::io::Errno;

use super::collect::{Content, NewFile};
use super::record::{Key, Record};
use crate::error::{DesktopError, Error};
use crate::settings::variable;
use crate::system::call;
use crate::system::file::{self, Permissions};

/// The directory for records, and for what only the bundles' entries know.
const PACKED: &str = "packed";

/// Ends of the names of records: of what is installed, and of what is being installed.
const LIST: &str = ".list";
const NEW: &str = ".new";

/// Bytes of a record at most.
const RECORD_LEN: usize = 16 << 20;

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// The directory for the user's data: `$XDG_DATA_HOME`, else `~/.local/share`.
pub(super) struct DataHome {
    /// Its absolute path.
    pub(super) path: String,
    directory: OwnedFd,
}

/// Who has the directory to itself.
pub(super) struct Locked {
    _directory: OwnedFd,
}

impl DataHome {
    /// Opens the directory.
    ///
    /// # Errors
    ///
    /// If no variable names one, it cannot be used, or does not exist.
    pub(super) fn open(environment: &[&CStr]) -> Result<DataHome, Error> {
        let (path, _) = path(environment)?;
        let directory = open(&path).map_err(file_error("open", &path))?;
        Ok(DataHome { path, directory })
    }

    /// Opens the directory; creates it if it is absent.
    ///
    /// # Errors
    ///
    /// As [`DataHome::open`]; if the process is root's and the directory another user's.
    pub(super) fn create(environment: &[&CStr]) -> Result<DataHome, Error> {
        let (path, base) = path(environment)?;
        if let Ok(found) = rustix::fs::stat(&*base)
            && call::is_root()
            && found.st_uid != call::user()
        {
            return Err(DesktopError::ForeignDataHome((&*base).into(), found.st_uid).into());
        }
        for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
            match rustix::fs::mkdirat(CWD, &path[..end], Permissions::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(file_error("create", &path[..end])(errno)),
            }
        }
        DataHome::open(environment)
    }

    /// Waits until no other installation is at work, and undoes what a killed one left.
    ///
    /// # Errors
    ///
    /// If somebody holds the lock for long, or the directory cannot be written.
    pub(super) fn lock(&self) -> Result<Locked, Error> {
        let locked = loop {
            match rustix::fs::mkdirat(&self.directory, PACKED, Permissions::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.error("create", PACKED)(errno)),
            }
            let packed = file::open(&self.directory, c"packed", READ, Permissions::empty())
                .map_err(self.error("open", PACKED))?;
            match file::lock_for_a_moment(&packed, FlockOperation::NonBlockingLockExclusive) {
                // Where locks do nothing, two installations at once may undo each other.
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(self.error("lock", PACKED)(errno)),
            }
            // Who had the lock may have removed the directory.
            if rustix::fs::fstat(&packed).is_ok_and(|stat| stat.st_nlink > 0) {
                break Locked { _directory: packed };
            }
        };
        let installed = self.records(LIST)?;
        for unfinished in self.records(NEW)? {
            self.undo(&unfinished, &installed);
        }
        Ok(locked)
    }

    /// Returns the records of what is installed.
    pub(super) fn installed(&self) -> Result<Vec<Record>, Error> {
        self.records(LIST)
    }

    /// Returns the records of installations that are at work, or were killed.
    pub(super) fn unfinished(&self) -> Result<Vec<Record>, Error> {
        self.records(NEW)
    }

    fn records(&self, end: &str) -> Result<Vec<Record>, Error> {
        let packed = match file::open(&self.directory, c"packed", READ, Permissions::empty()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            packed => packed.map_err(self.error("open", PACKED))?,
        };
        let mut records = Vec::new();
        for name in file::names(&packed).map_err(self.error("read", PACKED))? {
            let key = name.to_str().ok().and_then(|name| name.strip_suffix(end));
            let Some(key) = key.and_then(Key::parse) else { continue };
            let text = file::read(&packed, &name, RECORD_LEN)
                .map_err(self.error("read", &alloc::format!("{PACKED}/{}{end}", key.0)))?;
            // Another program's, or damaged: nothing in it is believed.
            records
                .extend(core::str::from_utf8(&text).ok().and_then(|text| Record::parse(key, text)));
        }
        records.sort_by(|a, b| a.bundle.cmp(&b.bundle));
        Ok(records)
    }

    /// Writes files, and removes those of `old` records; `new` gets the lists of files and directories.
    ///
    /// # Errors
    ///
    /// If a file exists that is in no old record, or cannot be written. Then all is as before.
    pub(super) fn replace(
        &self,
        _: &Locked,
        old: &[Record],
        new: &mut Record,
        files: &[NewFile],
    ) -> Result<(), Error> {
        for NewFile { path, .. } in files {
            if !has(old, path) && self.exists(path) {
                return Err(self.taken(path));
            }
            let above = path.match_indices('/').map(|(end, _)| &path[..end]);
            for directory in above {
                let known = new.directories.iter().any(|known| known == directory);
                if !known && (has_directory(old, directory) || !self.exists(directory)) {
                    new.directories.push(directory.to_string());
                }
            }
            new.files.push(path.clone());
        }
        let result = self.write(old, new, files);
        if result.is_err() {
            self.undo(new, old);
            return result;
        }
        for record in old.iter().filter(|record| record.key != new.key) {
            self.unlink(&record_path(&record.key, LIST))?;
        }
        let unused: Vec<&String> = old.iter().flat_map(|record| &record.directories).collect();
        self.remove_directories(unused.into_iter());
        Ok(())
    }

    fn write(&self, old: &[Record], new: &Record, files: &[NewFile]) -> Result<(), Error> {
        let list = record_path(&new.key, NEW);
        self.create_file(&list, new.to_string().as_bytes())?;
        for directory in &new.directories {
            match rustix::fs::mkdirat(
                &self.directory,
                &**directory,
                Permissions::from_raw_mode(0o755),
            ) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.error("create", directory)(errno)),
            }
        }
        for (number, NewFile { path, content }) in files.iter().enumerate() {
            let unfinished = unfinished(&new.key, path, number);
            match content {
                Content::Bytes(bytes) => self.create_file(&unfinished, bytes)?,
                Content::Link(target) => {
                    rustix::fs::symlinkat(&**target, &self.directory, &*unfinished)
                        .map_err(self.error("create", path))?;
                }
            }
        }
        for (number, NewFile { path, .. }) in files.iter().enumerate() {
            let (from, to) = (c_string(&unfinished(&new.key, path, number)), c_string(path));
            let renamed = match has(old, path) {
                true => rustix::fs::renameat(&self.directory, &*from, &self.directory, &*to),
                false => file::rename_new(&self.directory, &from, &to),
            };
            match renamed {
                Err(Errno::EXIST | Errno::NOTEMPTY) => return Err(self.taken(path)),
                renamed => renamed.map_err(self.error("create", path))?,
            }
        }
        for path in old.iter().flat_map(|record| &record.files) {
            if !new.files.contains(path) {
                self.unlink(path)?;
            }
        }
        let directory = &self.directory;
        rustix::fs::renameat(directory, &*list, directory, &*record_path(&new.key, LIST))
            .map_err(self.error("create", &list))
    }

    /// Removes what an installation wrote that was not there before, as far as that works.
    fn undo(&self, new: &Record, old: &[Record]) {
        for (number, path) in new.files.iter().enumerate() {
            // Whatever stays, the next installation removes.
            let _ = self.unlink(&unfinished(&new.key, path, number));
            if !has(old, path) {
                let _ = self.unlink(path);
            }
        }
        self.remove_directories(new.directories.iter());
        let _ = self.unlink(&record_path(&new.key, NEW));
    }

    /// Removes what a record lists, and the record.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed; the record stays.
    pub(super) fn remove(&self, _: &Locked, record: &Record) -> Result<(), Error> {
        record.files.iter().try_for_each(|path| self.unlink(path))?;
        self.unlink(&record_path(&record.key, LIST))?;
        self.remove_directories(record.directories.iter());
        Ok(())
    }

    /// Removes the directory for records, if it is empty.
    pub(super) fn unlock(&self, locked: Locked) {
        let _ = rustix::fs::unlinkat(&self.directory, PACKED, AtFlags::REMOVEDIR);
        drop(locked);
    }

    /// Sets the time of a directory, by which desktops notice new icons.
    pub(super) fn touch(&self, directory: &str) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: now,
        };
        // They notice it at their next start, too.
        let _ = rustix::fs::utimensat(&self.directory, directory, &times, AtFlags::empty());
    }

    /// Whether something has this name, also a link that leads nowhere.
    pub(super) fn exists(&self, path: &str) -> bool {
        rustix::fs::statat(&self.directory, path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    fn create_file(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        file::open(&self.directory, &c_string(path), flags, Permissions::from_raw_mode(0o644))
            .and_then(|file| file::write_at(rustix::fd::AsFd::as_fd(&file), bytes, 0))
            .map_err(self.error("write", path))
    }

    /// Removes a file, which need not exist.
    fn unlink(&self, path: &str) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.directory, path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(self.error("remove", path)(errno)),
        }
    }

    /// Removes the directories that are empty, from the bottom up.
    fn remove_directories<'a>(&self, paths: impl DoubleEndedIterator<Item = &'a String>) {
        for path in paths.rev() {
            // It has files of others.
            let _ = rustix::fs::unlinkat(&self.directory, &**path, AtFlags::REMOVEDIR);
        }
    }

    fn taken(&self, path: &str) -> Error {
        DesktopError::Taken(alloc::format!("{}/{path}", self.path).into()).into()
    }

    fn error(&self, operation: &'static str, path: &str) -> impl FnOnce(Errno) -> Error + use<> {
        file_error(operation, &alloc::format!("{}/{path}", self.path))
    }
}

/// Returns the path of the directory, and the variable's directory.
fn path(environment: &[&CStr]) -> Result<(String, String), Error> {
    // The specification says that relative paths are to be ignored.
    let absolute = |name| variable(environment, name).filter(|path| path.starts_with(b"/"));
    let (base, below) = match absolute("XDG_DATA_HOME") {
        Some(base) => (base, ""),
        None => (absolute("HOME").ok_or(DesktopError::NoDataHome)?, "/.local/share"),
    };
    let base = fit(base)?.trim_end_matches('/');
    Ok((alloc::format!("{base}{below}"), base.into()))
}

/// Returns a path as text.
///
/// # Errors
///
/// If no desktop entry can name it.
pub(super) fn fit(path: &[u8]) -> Result<&str, Error> {
    let unfit = |reason| DesktopError::UnfitPath(path.into(), reason).into();
    let text = core::str::from_utf8(path).map_err(|_| unfit("it is not UTF-8"))?;
    match text.contains(char::is_control) {
        true => Err(unfit("it has control characters")),
        false => Ok(text),
    }
}

fn has(records: &[Record], file: &str) -> bool {
    records.iter().any(|record| record.files.iter().any(|known| known == file))
}

fn has_directory(records: &[Record], directory: &str) -> bool {
    records.iter().any(|record| record.directories.iter().any(|known| known == directory))
}

fn record_path(key: &Key, end: &str) -> String {
    alloc::format!("{PACKED}/{}{end}", key.0)
}

/// Returns the path that a file has until all are written.
fn unfinished(key: &Key, path: &str, number: usize) -> String {
    let directory = path.rfind('/').map_or("", |end| &path[..=end]);
    alloc::format!("{directory}.packed_{}_{number}", key.0)
}

fn open(path: &str) -> Result<OwnedFd, Errno> {
    file::open(CWD, &c_string(path), READ, Permissions::empty())
}

/// Converts a path that has no control characters.
fn c_string(path: &str) -> CString {
    CString::new(path).unwrap_or_default()
}

fn file_error(operation: &'static str, path: &str) -> impl FnOnce(Errno) -> Error + use<> {
    let object = path.into();
    move |errno| DesktopError::File { operation, object, errno }.into()
}
