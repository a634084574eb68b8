//! A store path in the host's store is run only if root put it there and nobody else can have altered it.

use tests::{Bundle, Closure, Ended, Host, Nix, User};

/// The probe's bundle, with every mode.
fn bundle() -> Bundle {
    Bundle::of(&Closure::probe()).entry("/bin/probe").pack()
}

/// Starts the probe's bundle as root, after `prepare` has changed the host's store: `$path` is the probe's
/// store path, `$all` are those of its closure.
fn start_after(prepare: &str) -> Ended {
    let host = Host::new(User::root(), Nix::OtherPaths);
    let program = host.install(bundle().path);
    let closure = Closure::probe();
    let all: Vec<String> = closure.requisites().into_iter().collect();
    let (path, all) = (closure.path.display(), all.join(" "));
    let script = format!("path={path}; all='{all}'; {prepare}; exec {} exit 3", program.display());
    host.start("/bin/sh").args(["-euc", &script]).run()
}

const PLANT: &str = "mkdir -p $all $path/bin; printf '#!/bin/sh\\nexit 4\\n' > $path/bin/probe; \
                     chmod 755 $path/bin/probe";

#[test]
fn what_root_put_into_the_hosts_store_is_run() {
    start_after(PLANT).expect_code(4);
}

#[test]
fn what_another_user_put_into_the_hosts_store_is_not() {
    start_after(&format!("{PLANT}; chown -R 4242 $path")).expect_code(3);
    start_after(&format!("{PLANT}; chown 4242 /nix/store")).expect_code(3);
    start_after(&format!("{PLANT}; chmod 777 $path")).expect_code(3);
}

#[test]
fn a_store_path_that_is_not_whole_is_none() {
    start_after("mkdir -p $all").expect_code(3);
    start_after(&format!("{PLANT}; for one in $all; do [ $one = $path ] || rm -r $one; done"))
        .expect_code(3);
}
