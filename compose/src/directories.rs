//! Where the services keep their data, and where their sockets are.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Uid, User, getpid};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::composition::Composition;
use crate::error::{Error, Result};
use crate::signals::Signals;

/// Bytes of a socket's path at most: `sun_path` of unix(7) without its NUL.
pub const SOCKET_PATH_LEN: usize = 107;

/// Bytes that the directory for sockets leaves for their names.
const SOCKET_NAME_LEN: usize = 32;

/// The name of the socket for questions in the directory for sockets.
pub const CONTROL: &str = "control";

/// Time for an instance that was killed to be cleared away by its guard, and for one that begins to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The directory for data; one instance has it.
#[derive(Debug)]
pub struct State {
    /// Its absolute path.
    pub path: PathBuf,
    /// Held as long as the instance runs. It says which process has the directory, and where its sockets are.
    pub lock: Flock<File>,
    /// The lock's file.
    pub lock_path: PathBuf,
}

/// What the lock's file says about who holds it.
#[derive(Debug)]
pub struct Holder {
    /// The process.
    pub process: u32,
    /// Its directory for sockets.
    pub run: PathBuf,
}

/// Returns the path that a variable names.
fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Returns the unit's own directory that a variable of systemd's names: the first one, if the unit has several.
fn of_unit(variable: &str) -> Option<PathBuf> {
    let list = named(variable)?;
    list.to_string_lossy().split(':').next().map(PathBuf::from)
}

/// Returns the directory for data: systemd's, else the one that the composition's variable names, else the current one.
#[must_use]
pub fn state_path(composition: &Composition) -> PathBuf {
    let by_caller = || composition.state_variable.as_deref().and_then(named);
    of_unit("STATE_DIRECTORY").or_else(by_caller).unwrap_or_else(|| ".".into())
}

/// Makes a directory, and those above it, for one user alone: this process's, or another one.
///
/// # Errors
///
/// If it cannot be made.
pub fn make_private(path: &Path, user: Option<&User>) -> Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    for directory in missing.into_iter().rev() {
        DirBuilder::new().mode(0o700).create(directory).map_err(Error::file("use", path))?;
        own(directory, user)?;
    }
    // What is there may be a file.
    DirBuilder::new().recursive(true).create(path).map_err(Error::file("use", path))
}

/// Returns the user of the services that have one, where root started the composition.
///
/// # Errors
///
/// If there is no such user.
pub fn user(composition: &Composition) -> Result<Option<User>> {
    // They have no two.
    let name = composition.services.values().find_map(|service| service.user.as_ref());
    let Some(name) = name.filter(|_| Uid::effective().is_root()) else { return Ok(None) };
    let found = User::from_name(name).map_err(|errno| Error::System("look up a user", errno))?;
    found.map(Some).ok_or_else(|| Error::User(name.clone()))
}

/// Gives a file to a user.
///
/// # Errors
///
/// What chown(2) says.
pub fn own(path: &Path, user: Option<&User>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
        .map_err(Error::file("give away", path))
}

fn lock_path(composition: &Composition, state: &Path) -> PathBuf {
    state.join(format!(".{}.lock", composition.name))
}

impl State {
    /// Says in the lock's file who has the directory, and where its sockets are.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn announce(&mut self, run: &Path) -> Result<()> {
        let text = format!("{}\n{}\n", getpid(), run.display());
        self.lock
            .set_len(0)
            .and_then(|()| self.lock.rewind())
            .and_then(|()| self.lock.write_all(text.as_bytes()))
            .map_err(Error::file("use", &self.lock_path))
    }

    /// Takes the directory for data. It waits for one that is just being cleared away; `None` if a signal comes
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// If another instance has it, or it cannot be written.
    pub fn take(
        composition: &Composition,
        user: Option<&User>,
        signals: &mut Signals,
    ) -> Result<Option<State>> {
        let path = state_path(composition);
        make_private(&path, user)?;
        let path = fs::canonicalize(&path).map_err(Error::file("use", &path))?;
        let lock_path = lock_path(composition, &path);
        let failed = || Error::file("use", &lock_path);
        let end = Instant::now() + PATIENCE;
        loop {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&lock_path)
                .map_err(failed())?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    // The one before removes its file at its end: then this is not the file of that name any more.
                    let is_there = fs::metadata(&lock_path).is_ok_and(|there| {
                        lock.metadata().is_ok_and(|ours| ours.ino() == there.ino())
                    });
                    if !is_there {
                        continue;
                    }
                    // One that could not clear away its directory, nor could its guard. After a boot, it can be that of
                    // another instance, which has got the same number.
                    let stale = Holder::read(&mut lock).map_err(failed())?.run;
                    if !answers(&stale)
                        && places(None).iter().any(|place| stale.parent() == Some(place))
                        && stale.file_name().is_some_and(|file| {
                            file.to_string_lossy().starts_with(&format!("{}-", composition.name))
                        })
                    {
                        let _ = fs::remove_dir_all(stale);
                    }
                    let mut state = State { path, lock, lock_path };
                    state.announce(Path::new(""))?;
                    return Ok(Some(state));
                }
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    let holder = Holder::read(&mut file).map_err(failed())?;
                    if answers(&holder.run) || Instant::now() > end {
                        let name = composition.name.clone();
                        let process = holder.process;
                        return Err(Error::Running { name, directory: path, process });
                    }
                    if !signals.pending().is_empty() {
                        return Ok(None);
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                Err((_, errno)) => return Err(Error::System("lock the directory for data", errno)),
            }
        }
    }
}

/// Whether an instance answers in a directory for sockets.
fn answers(run: &Path) -> bool {
    run.is_absolute() && UnixStream::connect(run.join(CONTROL)).is_ok()
}

impl Drop for State {
    fn drop(&mut self) {
        // The next instance makes it again.
        let _ = fs::remove_file(&self.lock_path);
    }
}

impl Holder {
    fn read(file: &mut File) -> std::io::Result<Holder> {
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut lines = text.lines();
        let process = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
        Ok(Holder { process, run: lines.next().unwrap_or_default().into() })
    }
}

/// Returns who has the directory for data.
///
/// # Errors
///
/// If the lock's file cannot be read.
pub fn holder(composition: &Composition, state: &Path) -> Result<Option<Holder>> {
    let path = lock_path(composition, state);
    let Ok(mut file) = File::open(&path) else { return Ok(None) };
    let holder = Holder::read(&mut file).map_err(Error::file("read", &path))?;
    let is_free = Flock::lock(file, FlockArg::LockSharedNonblock).is_ok();
    Ok(Some(holder).filter(|_| !is_free))
}

/// Returns where directories for sockets are made: in the unit's own directory of systemd's and in `$XDG_RUNTIME_DIR`, if
/// they are this user's, and in /tmp.
fn places(user: Option<&User>) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| {
        path.is_absolute()
            && fs::metadata(path).is_ok_and(|found| found.uid() == Uid::effective().as_raw())
    };
    // root's is closed to other users.
    let of_login = || named("XDG_RUNTIME_DIR").filter(|_| user.is_none());
    let found = [of_unit("RUNTIME_DIRECTORY"), of_login()];
    found.into_iter().flatten().filter(is_ours).chain(["/tmp".into()]).collect()
}

/// A private, short directory for sockets and files of this run; it is removed at the end.
#[derive(Debug)]
pub struct Run {
    /// Its path.
    pub path: PathBuf,
    /// To whom it belongs, if not to this process's user: the user of the services that have one.
    pub user: Option<User>,
}

impl Run {
    /// Makes it in the first place that is short and can be written.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn make(composition: &Composition, user: Option<User>) -> Result<Run> {
        let name = format!("{}-{}", composition.name, getpid());
        let mut last = None;
        let is_short = |place: &PathBuf| {
            place.as_os_str().len() + name.len() + "//".len() + SOCKET_NAME_LEN <= SOCKET_PATH_LEN
        };
        for place in places(user.as_ref()).into_iter().filter(is_short) {
            for attempt in 0..100 {
                let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
                let path = place.join(format!("{name}{suffix}"));
                match DirBuilder::new().mode(0o700).create(&path) {
                    Ok(()) => {
                        let run = Run { path, user: user.clone() };
                        return own(&run.path, run.user.as_ref()).map(|()| run);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(error) => {
                        last = Some(Error::file("make", &path)(error));
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::SocketPath(Path::new("/tmp").join(name))))
    }

    /// Returns the path of a socket in it.
    ///
    /// # Errors
    ///
    /// If it is too long.
    pub fn socket(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        match path.as_os_str().len() {
            len if len <= SOCKET_PATH_LEN => Ok(path),
            _ => Err(Error::SocketPath(path)),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
