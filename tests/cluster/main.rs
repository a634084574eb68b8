//! Many machines with one home: network file systems, locks that do nothing, caches that an administrator fills.

/// A file system on which flock(2) does nothing.
mod locks;
/// Where a start unpacks if the home is on a network file system.
mod network;
/// A hundred first starts at once on ten machines with one home.
mod nodes;
/// Caches that an administrator fills with `packer cache add`.
mod shared;
/// Who can change a shared cache, and what starts then do.
mod trust;

use tests::{Bundle, Store};

/// A bundle of so many files and the probe, so that starts meet while they unpack.
fn of_files(store: &Store, count: u32) -> Bundle {
    for number in 0..count {
        let content = format!("{number}\n").repeat(2000);
        store.file(format!("{}/share/{number}", Store::PATH), content.as_bytes());
    }
    store.program(format!("{}/bin/probe", Store::PATH), &tests::probe());
    let bundle = Bundle::of_store(store, Store::PATH).entry("/bin/probe").option("--level", "1");
    bundle.pack_into(store.root())
}
