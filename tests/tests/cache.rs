//! `packer cache`: what is unpacked is listed and removed, but not from under a running program.

use std::fs;

use nix::sys::signal::Signal::SIGTERM;
use tests::{Bundle, Closure, Host, packer};

fn in_mode(mode: &str) -> Bundle {
    Bundle::of(&Closure::probe()).entry("/bin/probe").option("--mode", mode).pack()
}

#[test]
fn a_bundle_is_listed_kept_while_it_runs_and_removed_after() {
    for host in Host::every() {
        let packer = host.install(packer());
        let cache = |command: &[&str]| {
            let ended = host.start(&packer).arg("cache").args(command).run();
            ended.expect_code(0);
            ended.stdout()
        };
        for mode in ["namespace", "relocate"] {
            let program = host.install(in_mode(mode).path);
            assert!(!cache(&["list"]).contains("probe"), "{mode} on {host}");
            let running = host.start(&program).arg("sleep").spawn();
            tests::until("the program is listed as running", || {
                cache(&["list"]).contains("  probe (2 store paths, running)").then_some(())
            });
            assert!(cache(&["clear"]).contains("removed 0 bundles"), "{mode} on {host}");
            running.signal(SIGTERM);
            running.wait().expect_signal(15);
            assert!(cache(&["list"]).contains("  probe (2 store paths, 0 days ago)"));
            assert!(cache(&["gc"]).contains("removed 0 bundles"), "used today, {mode} on {host}");
            assert!(cache(&["clear"]).contains("removed 1 bundles"), "{mode} on {host}");
            let directory = host.outside(host.cache());
            let left = fs::read_dir(&directory).expect("list the cache").count();
            let stores = fs::read_dir(directory.join("stores/0")).map_or(0, Iterator::count);
            assert!(left <= 6 && stores == 0, "{mode} on {host}: {left} {stores}");
        }
    }
}
