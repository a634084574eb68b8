use std::ffi::CString;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, mkdir, pivot_root, symlinkat};

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

/// The root file system of a host: a new one, with the machine's top-level entries bound into it.
///
/// The root is changed by pivot_root and not by chroot, since the kernel refuses user namespaces to
/// processes in a chroot. Everything is prepared before; [`Root::enter`] only makes system calls.
#[derive(Debug)]
pub struct Root {
    /// Where the new root is mounted while it is put together.
    at: CString,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Directory(CString),
    File(CString),
    Symlink { target: CString, at: CString },
    Bind { source: CString, at: CString },
    Tmpfs(CString),
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
    pub fn new(workplace: &Path, nix: Nix, replaced: &[(&Path, &Path)]) -> io::Result<Root> {
        let mut root = Root { at: c_string(workplace), steps: Vec::new() };
        let inside = |path: &Path| {
            c_string(&workplace.join(path.strip_prefix("/").expect("paths are absolute")))
        };
        let mut entries = fs::read_dir("/")?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if path != Path::new("/nix") && replaced.iter().all(|(at, _)| path != *at) {
                root.entry(&path, entry.file_type()?, inside(&path))?;
            }
        }
        for (path, source) in replaced {
            if path.parent() == Some(Path::new("/")) {
                root.steps.push(Step::Directory(inside(path)));
            }
            root.steps.push(Step::Bind { source: c_string(source), at: inside(path) });
        }
        root.nix(nix, inside);
        Ok(root)
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
        self.steps.push(Step::Tmpfs(place));
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
        mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
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
        chdir("/")
    }
}

impl Step {
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
            Step::Tmpfs(at) => {
                let options = Some("mode=755");
                mount(Some("tmpfs"), at.as_c_str(), Some("tmpfs"), MsFlags::empty(), options)
            }
        }
    }
}

pub(crate) fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path has no NUL")
}
