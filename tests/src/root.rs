//! A host's root file system: what is mounted where.

use std::ffi::CString;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, mkdir, pivot_root, symlinkat};

/// What a host has at /nix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nix {
    /// Nothing: there is no /nix.
    Absent,
    /// An empty /nix/store.
    Empty,
    /// A /nix/store with store paths that are in no bundle: see [`Root::OTHER_FILE`].
    OtherPaths,
    /// The machine's own, from which the bundles are made.
    SamePaths,
}

/// How the file system of a host differs from the machine's, apart from what is at /nix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another file system at a place.
    Mount {
        /// Its type, such as `tmpfs`.
        kind: &'static str,
        /// A directory that is there.
        at: PathBuf,
        /// What mount(8) calls options, such as `size=1m`.
        options: String,
    },
    /// A directory of the machine's at a place.
    Bind {
        /// The directory.
        source: PathBuf,
        /// A directory that is there.
        at: PathBuf,
    },
    /// What is mounted at a place, and only that, gets flags such as `MS_RDONLY`.
    Flags(PathBuf, MsFlags),
    /// The root is a directory, and was made the root by chroot(2).
    Chroot,
    /// The files of this directory in the place of the machine's, but for /dev, /proc and /sys.
    UserLand(PathBuf),
}

/// The root file system of a host: a new one, with the machine's top-level entries bound into it.
///
/// The root is changed by pivot_root and not by chroot, since the kernel refuses user namespaces to
/// processes in a chroot. Everything is prepared before; [`Root::enter`] only makes system calls.
#[derive(Debug)]
pub struct Root {
    /// Where the new root is mounted while it is put together.
    at: CString,
    /// What is mounted there.
    base: Step,
    steps: Vec<Step>,
    /// The place of [`Change::Chroot`].
    chroot: Option<CString>,
}

#[derive(Debug)]
enum Step {
    Directory(CString),
    File(CString),
    Symlink { target: CString, at: CString },
    Bind { source: CString, at: CString },
    Mount { kind: &'static str, at: CString, options: CString },
    Flags { at: CString, flags: MsFlags },
}

impl Root {
    /// A file of a store path on a host with [`Nix::OtherPaths`].
    pub const OTHER_FILE: &str = "/nix/store/00000000000000000000000000000000-other/share/greeting";

    /// Prepares a root. `workplace` is an empty directory; `replaced` names directories and what
    /// shall be there instead.
    ///
    /// # Errors
    ///
    /// If `/` can't be listed.
    pub fn new(
        workplace: &Path,
        nix: Nix,
        replaced: &[(&Path, &Path)],
        changes: &[Change],
    ) -> io::Result<Root> {
        let at = c_string(workplace);
        let chroot = changes.contains(&Change::Chroot).then_some("/jail");
        let top = workplace.join(chroot.unwrap_or("/").trim_start_matches('/'));
        let inside = |path: &Path| below(&top, path);
        let mut root = Root {
            base: Step::tmpfs(at.clone()),
            at,
            steps: chroot.iter().map(|_| Step::Directory(c_string(&top))).collect(),
            chroot: chroot.map(|path| c_string(Path::new(path))),
        };
        let user_land = changes.iter().find_map(|change| match change {
            Change::UserLand(directory) => Some(directory.as_path()),
            _ => None,
        });
        let listed = fs::read_dir(user_land.unwrap_or(Path::new("/")))?;
        let mut entries = listed.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = Path::new("/").join(entry.file_name());
            let is_kernels = ["/dev", "/proc", "/sys"].iter().any(|name| path == Path::new(name));
            let source = if is_kernels { path.clone() } else { entry.path() };
            if path != Path::new("/nix") && replaced.iter().all(|(at, _)| path != *at) {
                root.entry(&source, entry.file_type()?, inside(&path))?;
            }
        }
        for (path, source) in replaced {
            if path.parent() == Some(Path::new("/")) {
                root.steps.push(Step::Directory(inside(path)));
            }
            root.steps.push(Step::Bind { source: c_string(source), at: inside(path) });
        }
        root.nix(nix, inside);
        root.change(changes, inside);
        Ok(root)
    }

    /// Prepares a root with nothing in it but what is in a directory.
    #[must_use]
    pub fn only(workplace: &Path, directory: &Path, changes: &[Change]) -> Root {
        let at = c_string(workplace);
        let base = Step::Bind { source: c_string(directory), at: at.clone() };
        let mut root = Root { at, base, steps: Vec::new(), chroot: None };
        root.change(changes, |path| below(workplace, path));
        root
    }

    fn change(&mut self, changes: &[Change], inside: impl Fn(&Path) -> CString) {
        for change in changes {
            match change {
                Change::Mount { kind, at, options } => self.steps.push(Step::Mount {
                    kind,
                    at: inside(at),
                    options: c_string(Path::new(options)),
                }),
                Change::Bind { source, at } => {
                    self.steps.push(Step::Bind { source: c_string(source), at: inside(at) });
                }
                Change::Flags(at, flags) => {
                    let place = inside(at);
                    if at != Path::new("/") {
                        // Flags are a mount's, not a directory's.
                        let (source, at) = (place.clone(), place.clone());
                        self.steps.push(Step::Bind { source, at });
                    }
                    self.steps.push(Step::Flags { at: place, flags: *flags });
                }
                Change::Chroot | Change::UserLand(_) => {}
            }
        }
    }

    fn entry(&mut self, path: &Path, kind: FileType, at: CString) -> io::Result<()> {
        if kind.is_symlink() {
            let target = c_string(&fs::read_link(path)?);
            self.steps.push(Step::Symlink { target, at });
            return Ok(());
        }
        self.steps.push(match kind.is_dir() {
            true => Step::Directory(at.clone()),
            false => Step::File(at.clone()),
        });
        self.steps.push(Step::Bind { source: c_string(path), at });
        Ok(())
    }

    fn nix(&mut self, nix: Nix, inside: impl Fn(&Path) -> CString) {
        let place = inside(Path::new("/nix"));
        match nix {
            Nix::Absent => return,
            Nix::SamePaths => {
                self.steps.push(Step::Directory(place.clone()));
                self.steps.push(Step::Bind { source: c_string(Path::new("/nix")), at: place });
                return;
            }
            Nix::Empty | Nix::OtherPaths => {}
        }
        self.steps.push(Step::Directory(place.clone()));
        // A file system of its own, as on hosts where /nix is a volume.
        self.steps.push(Step::tmpfs(place));
        self.steps.push(Step::Directory(inside(Path::new("/nix/store"))));
        if nix == Nix::OtherPaths {
            let file = Path::new(Root::OTHER_FILE);
            let mut above: Vec<&Path> = file.ancestors().skip(1).take(2).collect();
            above.reverse();
            above.into_iter().for_each(|path| self.steps.push(Step::Directory(inside(path))));
            self.steps.push(Step::File(inside(file)));
        }
    }

    /// Moves the calling process into a mount namespace with this root. Needs real root; changes
    /// nothing for other processes. Allocates nothing, for use after fork.
    ///
    /// # Errors
    ///
    /// Those of the system calls.
    pub fn enter(&self) -> nix::Result<()> {
        const NONE: Option<&str> = None;
        unshare(CloneFlags::CLONE_NEWNS)?;
        // Or the mounts below would appear in the machine's own namespace.
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
        let umask = umask(Mode::from_bits_truncate(0o022));
        let at = self.at.as_c_str();
        self.base.take()?;
        // A bind of a directory above this place would otherwise have the new root in it again.
        mount(NONE, at, NONE, MsFlags::MS_UNBINDABLE, NONE)?;
        self.steps.iter().try_for_each(Step::take)?;
        mount(NONE, at, NONE, MsFlags::MS_PRIVATE, NONE)?;
        chdir(at)?;
        // pivot_root(2), "pivot_root(".", ".")": the old root lands on top of the new one.
        pivot_root(".", ".")?;
        umount2(".", MntFlags::MNT_DETACH)?;
        // As systemd has it: what a bundle mounts without care would be seen by the whole host.
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE)?;
        nix::sys::stat::umask(umask);
        if let Some(directory) = &self.chroot {
            chroot(directory.as_c_str())?;
        }
        chdir("/")
    }
}

impl Step {
    fn tmpfs(at: CString) -> Step {
        Step::Mount { kind: "tmpfs", at, options: c"mode=755".to_owned() }
    }

    fn take(&self) -> nix::Result<()> {
        const NONE: Option<&str> = None;
        match self {
            Step::Directory(at) => mkdir(at.as_c_str(), Mode::from_bits_truncate(0o755)),
            Step::File(at) => {
                let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                open(at.as_c_str(), flags, Mode::from_bits_truncate(0o644)).map(drop)
            }
            Step::Symlink { target, at } => {
                symlinkat(target.as_c_str(), nix::fcntl::AT_FDCWD, at.as_c_str())
            }
            Step::Bind { source, at } => {
                let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
                mount(Some(source.as_c_str()), at.as_c_str(), NONE, flags, NONE)
            }
            Step::Mount { kind, at, options } => {
                let (at, options) = (at.as_c_str(), Some(options.as_c_str()));
                mount(Some(*kind), at, Some(*kind), MsFlags::empty(), options)
            }
            Step::Flags { at, flags } => {
                let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | *flags;
                mount(NONE, at.as_c_str(), NONE, flags, NONE)
            }
        }
    }
}

/// A path of the host, while the host's root is at `top`.
fn below(top: &Path, path: &Path) -> CString {
    c_string(&top.join(path.strip_prefix("/").expect("paths are absolute")))
}

pub(crate) fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path has no NUL")
}
