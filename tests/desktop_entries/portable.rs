//! `packer build --portable`: directories beside the bundle become the program's HOME and XDG_CONFIG_HOME.

use std::fs;

use tests::{Bundle, Host, Report, Store};

use crate::fixture::store;

#[test]
fn directories_beside_the_bundle_are_the_programs() {
    let directory = tempfile::tempdir().expect("make a directory");
    let bundle = Bundle::of_store(&store(), Store::PATH)
        .entry("/bin/foo")
        .flag("--portable")
        .option("--level", "1")
        .pack_into(directory.path());
    for host in Host::every() {
        let program = host.install_as(&bundle.path, "/srv/with space/foo");
        for mode in bundle.modes() {
            let report = || -> Report {
                let start = host.start(&program).env("PACKED_MODE", &mode);
                start.env("XDG_CONFIG_HOME", "/home/alice/config").run().report()
            };
            let home = host.user.home().to_str().expect("text");
            let seen = report();
            assert_eq!(seen.values_of("HOME"), [home], "in mode {mode} on {host}");
            assert_eq!(seen.values_of("XDG_CONFIG_HOME"), ["/home/alice/config"]);
            let made = ["home", "config"].map(|name| format!("/srv/with space/foo.{name}"));
            for path in &made {
                host.directory(path, 0o755);
            }
            let seen = report();
            assert_eq!(seen.values_of("HOME"), [&*made[0]], "in mode {mode} on {host}");
            assert_eq!(seen.values_of("XDG_CONFIG_HOME"), [&*made[1]]);
            // The cache stays where it was.
            assert_eq!(fs::read_dir(host.outside(&made[0])).expect("list it").count(), 0);
            for path in &made {
                fs::remove_dir(host.outside(path)).expect("remove it");
            }
        }
    }
}
