//! Inside a bundle everything works that works outside: namespaces, other bundles, mounts that come later.

use std::path::PathBuf;

use tests::{Bundle, Closure, Host, Nix, User};

/// The modes in which a bundle is in a namespace of its own.
const MODES: [&str; 2] = ["namespace", "ram"];

/// A bundle of env(1), which runs programs of the host.
fn env() -> Bundle {
    Bundle::of(&Closure::example("coreutils")).entry("/bin/env").option("--level", "3").pack()
}

#[test]
fn sandboxes_are_made_inside() {
    for host in Host::every() {
        let program = host.install(env().path);
        for mode in MODES {
            for command in [
                "unshare --user --map-root-user id -u",
                "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc sh -c 'echo 0'",
                "bwrap --dev-bind / / bwrap --unshare-user --uid 0 --dev-bind / / id -u",
            ] {
                let start = host.start(&program).args(["sh", "-c", command]);
                let text = start.env("PACKED_MODE", mode).run().stdout();
                assert_eq!(text, "0\n", "{command} in {mode} on {host}");
            }
        }
    }
}

#[test]
fn bundles_run_in_one_another_three_deep() {
    let hello = Bundle::of(&Closure::example("hello")).entry("/bin/hello").pack();
    let python = Bundle::of(&Closure::example("python-example"))
        .entry("/bin/python-example")
        .option("--level", "3")
        .pack();
    for host in Host::every() {
        let [env, hello, python] =
            [&env(), &hello, &python].map(|bundle| host.install(&bundle.path));
        for mode in MODES {
            let run = |program: &PathBuf| {
                let start = host.start(&env).env("PACKED_MODE", mode);
                start.arg(&env).arg(&env).arg(program).run().stdout()
            };
            // The second time nothing is unpacked.
            for _ in 0..2 {
                let text = run(&hello);
                assert_eq!(text, "Hello from a closure of two paths.\n", "{mode} on {host}");
            }
            let report = run(&python);
            assert!(report.contains("\"answer\": 42"), "{mode} on {host}: {report}");
        }
    }
}

#[test]
fn mounts_that_come_later_arrive() {
    for nix in [Nix::Absent, Nix::OtherPaths] {
        for (user, identity) in
            [("root", ""), ("user", "setpriv --reuid=1717 --regid=1717 --clear-groups")]
        {
            for mode in MODES {
                let host = Host::new(User::root(), nix);
                let program = host.install(env().path);
                // All in one mount namespace: each start here has its own.
                let script = format!(
                    "mkdir /srv/late && mkdir -m 0777 /srv/home && export HOME=/srv/home PACKED_MODE={mode}
                     {identity} {} sh -c 'echo started; while ! cat /srv/late/file; do sleep 0.05; done' \
                         2>/dev/null >/srv/out &
                     until grep -qs started /srv/out; do sleep 0.05; done
                     mount -t tmpfs none /srv/late && echo arrived >/srv/late/new && mv /srv/late/new /srv/late/file
                     wait && cat /srv/out",
                    program.display()
                );
                let text = host.start("/bin/sh").args(["-c", &script]).run().stdout();
                assert_eq!(text, "started\narrived\n", "{user} in {mode} on {host}");
            }
        }
    }
}
