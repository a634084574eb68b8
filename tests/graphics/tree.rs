//! The files of a machine that has a driver: laid over those of this machine, for a host.

use std::env::consts::ARCH;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tests::{Change, Host, Nix, User, run};

use crate::driver::{INNER, OPENED, driver};

/// The directories of the machine that get more files.
const LAID_OVER: [&str; 3] = ["usr", "etc", "run"];

/// Those that the kernel makes, in the place of which a host has what is here.
const REPLACED: [&str; 2] = ["sys/module", "proc/driver"];

/// The version of most drivers here.
pub(crate) const VERSION: &str = "535.288.01";

/// Where Debian and Ubuntu have libraries.
pub(crate) const DEBIAN: &str = "/usr/lib/x86_64-linux-gnu";

/// The files of a driver on some distribution.
pub(crate) struct Tree {
    top: TempDir,
    processor: &'static str,
}

impl Tree {
    /// A machine without any driver.
    pub(crate) fn new() -> Tree {
        Tree::of(ARCH)
    }

    /// One with another processor type.
    pub(crate) fn of(processor: &'static str) -> Tree {
        let tree = Tree { top: tempfile::tempdir().expect("make a directory"), processor };
        fs::set_permissions(tree.top.path(), Permissions::from_mode(0o755)).expect("set a mode");
        for name in REPLACED.iter().chain(&LAID_OVER) {
            fs::create_dir_all(tree.top.path().join(name)).expect("make a directory");
        }
        tree
    }

    /// A machine with a driver in one directory.
    pub(crate) fn with_driver(directory: &str) -> Tree {
        let tree = Tree::new();
        tree.module(VERSION);
        tree.libraries(directory, VERSION);
        tree.data();
        tree
    }

    /// Where a path of the machine is.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        let path = self.top.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("make it");
        path
    }

    /// Writes a file.
    pub(crate) fn file(&self, path: &str, content: &str) {
        fs::write(self.at(path), content).expect("write a file");
    }

    /// Makes a link, or makes it anew.
    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) {
        let path = self.at(path);
        let _ = fs::remove_file(&path);
        symlink(target, path).expect("make a link");
    }

    /// Has this version's module in the kernel; Linux writes it with a newline.
    pub(crate) fn module(&self, version: &str) {
        self.file("/sys/module/nvidia/version", &format!("{version}\n"));
    }

    /// Puts a version's libraries into a directory, with the links that ldconfig makes.
    pub(crate) fn libraries(&self, directory: &str, version: &str) {
        self.opened(directory, version);
        self.inner(directory, version);
    }

    /// Puts those there that others open.
    pub(crate) fn opened(&self, directory: &str, version: &str) {
        for (name, end) in OPENED {
            self.library(directory, name, version);
            self.link(&format!("{directory}/{name}{end}"), format!("{name}.{version}"));
        }
    }

    /// Puts those there that these need.
    pub(crate) fn inner(&self, directory: &str, version: &str) {
        for name in INNER {
            self.library(directory, name, version);
        }
    }

    /// Takes the version out of the names of the files: `libcuda.so.1` in the place of the link.
    pub(crate) fn without_version(&self, directory: &str, version: &str) {
        for (name, end) in OPENED {
            let from = self.at(&format!("{directory}/{name}.{version}"));
            fs::rename(from, self.at(&format!("{directory}/{name}{end}")))
                .expect("rename a library");
        }
    }

    fn library(&self, directory: &str, name: &str, version: &str) {
        let file = format!("{name}.{version}");
        fs::copy(
            driver(self.processor, version).join(&file),
            self.at(&format!("{directory}/{file}")),
        )
        .expect("copy a library");
    }

    /// Writes what tells loaders of the driver, where distributions have it.
    pub(crate) fn data(&self) {
        let icd = |library: &str| {
            format!(
                r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}", "api_version": "1.3.242"}}}}"#
            )
        };
        self.file("/usr/share/glvnd/egl_vendor.d/10_nvidia.json", &icd("libEGL_nvidia.so.0"));
        self.file("/usr/share/glvnd/egl_vendor.d/50_mesa.json", &icd("libEGL_mesa.so.0"));
        self.file("/usr/share/vulkan/icd.d/nvidia_icd.json", &icd("libGLX_nvidia.so.0"));
        self.file(
            "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json",
            &icd("/usr/lib/libvulkan_radeon.so"),
        );
        self.file("/etc/OpenCL/vendors/nvidia.icd", "libnvidia-opencl.so.1\n");
        self.file("/etc/OpenCL/vendors/pocl.icd", "/usr/lib/libpocl.so.2\n");
    }

    /// Writes the loader's cache of libraries, with those in these directories.
    pub(crate) fn cache(&self, directories: &[&str]) {
        self.file("/etc/ld.so.conf", &directories.join("\n"));
        // Its files are those below this root.
        let mut ldconfig = Command::new("ldconfig");
        run(ldconfig.arg("-X").arg("-r").arg(self.top.path())).expect_code(0);
    }

    /// A host that has these files, as long as they are there.
    pub(crate) fn host(&self) -> Host {
        self.host_of(User::ordinary(), Nix::Absent)
    }

    /// The same for a user, and with a store.
    pub(crate) fn host_of(&self, user: User, nix: Nix) -> Host {
        Host::changed(user, nix, &self.changes())
    }

    /// What makes a host have these files.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let laid_over = LAID_OVER.iter().map(|name| Change::Mount {
            kind: "overlay",
            at: Path::new("/").join(name),
            options: format!("lowerdir={}:/{name}", self.top.path().join(name).display()),
        });
        let replaced = REPLACED.iter().map(|name| Change::Bind {
            source: self.top.path().join(name),
            at: Path::new("/").join(name),
        });
        laid_over.chain(replaced).collect()
    }
}
