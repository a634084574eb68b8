//! What the closure's programs need of graphics drivers.

use std::io::Read as _;
use std::path::PathBuf;

use format::{Interface, Interfaces, STORE_DIR, StorePath};

use crate::elf;
use crate::error::{Error, Result};
use crate::scan::texts::{Text, Texts};
use crate::show;
use crate::source::closure;
use crate::source::node::Kind;
use crate::source::resolve::resolve;
use crate::source::store::Store;
use crate::source::tree::Tree;

/// What a bundle says of graphics.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Graphics {
    pub(crate) interfaces: Interfaces,
    /// The minor version of the oldest glibc 2 in the closure.
    pub(crate) glibc: Option<u16>,
    /// The store path of the bundle's own drivers.
    pub(crate) drivers: Option<StorePath>,
}

/// What a file has in it that opens drivers.
const SIGNS: [(Text, Interface); 9] = [
    (Text::GlxVendor, Interface::Glx),
    (Text::EglVendors, Interface::Egl),
    (Text::VulkanDrivers, Interface::Vulkan),
    (Text::OpenclVendors, Interface::Opencl),
    (Text::Libcuda, Interface::Cuda),
    (Text::GbmBackendsPath, Interface::Gbm),
    (Text::LibvaDriversPath, Interface::VaApi),
    (Text::VdpauDriverPath, Interface::Vdpau),
    (Text::OpenglDriver, Interface::OpenglDriver),
];

/// The C library's file.
const LIBC: &[u8] = b"libc.so.6";

impl Graphics {
    /// Returns what a closure with these texts needs; `None` if it names no drivers.
    ///
    /// # Errors
    ///
    /// If a C library cannot be read.
    pub(crate) fn find(
        store: &Store,
        tree: &Tree,
        texts: Texts,
        drivers: Option<StorePath>,
    ) -> Result<Option<Graphics>> {
        let signs = SIGNS.into_iter().filter(|(text, _)| texts.has(*text));
        let interfaces: Interfaces = signs.map(|(_, interface)| interface).collect();
        if interfaces == Interfaces::default() && drivers.is_none() {
            return Ok(None);
        }
        Ok(Some(Graphics { interfaces, glibc: glibc(store, tree)?, drivers }))
    }
}

/// The directories of which drivers have at least one.
const LAYOUT: [&str; 6] = [
    "lib/dri",
    "lib/gbm",
    "lib/vdpau",
    "share/glvnd/egl_vendor.d",
    "share/vulkan/icd.d",
    "etc/OpenCL/vendors",
];

/// Returns the store path of `--graphics`: the first of its outputs that has drivers.
///
/// # Errors
///
/// If none has, or the closure does not have them.
pub(crate) fn choose(store: &Store, tree: &Tree, outputs: &[PathBuf]) -> Result<Option<StorePath>> {
    for output in outputs {
        let path = closure::store_path(store, output)?;
        let full = format!("{STORE_DIR}/{path}");
        if tree.number_of(&path).is_none() {
            return Err(Error::DriversOutside { path: full });
        }
        if LAYOUT.iter().any(|below| resolve(tree, format!("{full}/{below}").as_bytes()).is_ok()) {
            return Ok(Some(path));
        }
    }
    match outputs {
        [] => Ok(None),
        [first, ..] => Err(Error::NoDrivers { path: show::path(first) }),
    }
}

/// Returns the minor version of the oldest glibc 2 in a closure.
fn glibc(store: &Store, tree: &Tree) -> Result<Option<u16>> {
    let mut oldest = None;
    for (number, node) in tree.iter() {
        if node.name != LIBC || !matches!(node.kind, Kind::File { .. }) {
            continue;
        }
        let location = tree.location(number);
        let mut bytes = Vec::new();
        store
            .open_file(&location)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| Error::in_store("read", &location, error))?;
        oldest = elf::glibc(&*bytes).into_iter().chain(oldest).min();
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::texts::TextScanner;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

    fn tree(store: &Store) -> Tree {
        Tree::read(store, &store.paths().unwrap(), &Exclude::default()).unwrap()
    }

    fn texts(text: &str) -> Texts {
        let mut scanner = TextScanner::default();
        scanner.feed(text.as_bytes());
        scanner.finish()
    }

    #[test]
    fn files_say_what_drivers_are_for() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/libc.so.6"), "none");
        let store = store.open();
        let tree = tree(&store);
        let find = |text: &str| Graphics::find(&store, &tree, texts(text), None).unwrap();
        assert_eq!(find("LD_LIBRARY_PATH libGL.so.1 /usr/share/vulkan"), None);
        let drivers = StorePath::parse(MARKOV.as_bytes()).unwrap();
        let packed = Graphics::find(&store, &tree, texts(""), Some(drivers.clone())).unwrap();
        let none = Interfaces::default();
        assert_eq!(
            packed,
            Some(Graphics { interfaces: none, glibc: None, drivers: Some(drivers) })
        );
        for (text, expected) in [
            ("libGLX_%s.so.0 /etc/glvnd/egl_vendor.d:x", &[Interface::Glx, Interface::Egl][..]),
            ("/run/opengl-driver/lib", &[Interface::OpenglDriver]),
            ("dlopen libcuda.so.1", &[Interface::Cuda]),
        ] {
            let interfaces = expected.iter().copied().collect();
            let expected = Graphics { interfaces, glibc: None, drivers: None };
            assert_eq!(find(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn drivers_have_the_layout_of_nixos() {
        let store = TestStore::new();
        store.file(&format!("{GLIBC}/lib/libc.so.6"), "").file(&format!("{BASH}/lib/dri/x.so"), "");
        let store = store.open();
        let tree = tree(&store);
        let choose = |names: &[&str]| {
            let outputs: Vec<PathBuf> =
                names.iter().map(|name| format!("{STORE_DIR}/{name}").into()).collect();
            super::choose(&store, &tree, &outputs).map(|path| path.map(|path| path.to_string()))
        };
        assert_eq!(choose(&[]).unwrap(), None);
        assert_eq!(choose(&[GLIBC, BASH]).unwrap().as_deref(), Some(BASH));
        assert!(matches!(choose(&[GLIBC]), Err(Error::NoDrivers { .. })));
        assert!(matches!(choose(&[MARKOV]), Err(Error::DriversOutside { .. })));
    }

    #[test]
    fn the_machine_s_glibc_has_a_version() {
        let own = std::fs::read("/lib/x86_64-linux-gnu/libc.so.6")
            .or_else(|_| std::fs::read("/lib/aarch64-linux-gnu/libc.so.6"))
            .expect("the machine has Debian's glibc");
        assert!(elf::glibc(&*own).is_some_and(|minor| minor >= 28));
        assert_eq!(elf::glibc(&b"\x7fELF"[..]), None);
    }
}
