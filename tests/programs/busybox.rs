//! Busybox is one program that takes its name for the applet to run.

use tests::{Bundle, Closure, Host, run};

use crate::{MODES, fails, fails_with_callers, link};

#[test]
fn a_link_chooses_an_applet() {
    let bundle = Bundle::of(&Closure::example("programs.busybox")).entry("/bin/busybox");
    let bundle = bundle.option("--level", "3").pack();
    for mode in MODES {
        let host = Host::ordinary();
        let program = host.install_as(&bundle.path, "/srv/tools-1.36");
        let start = |name| host.start(link(&host, &program, name)).env("PACKED_MODE", mode);
        // No entries, but links beside the entry.
        let sorted = start("sort").arg("-r").stdin(b"a\nc\nb\n").run();
        assert_eq!(sorted.stdout(), "c\nb\na\n", "{mode}");
        assert_eq!(start("basename").arg("/a/b").run().stdout(), "b\n", "{mode}");
        start("false").run().expect_code(1);
        // The entry by its name, and by one that is no applet's.
        let echo = ["echo", "applet"];
        assert_eq!(start("busybox").args(echo).run().stdout(), "applet\n", "{mode}");
        assert_eq!(start("other").args(echo).run().stdout(), "applet\n", "{mode}");
        let message = "another: applet not found\n";
        fails_with_callers(start("another").args(echo), message);
    }
}

#[test]
fn a_bundle_may_have_any_name() {
    let closure = Closure::example("programs.busybox");
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("tools-1.36");
    for (entry, arguments) in
        [("/bin/busybox", &["echo", "applet"][..]), ("/bin/echo", &["applet"])]
    {
        let builder = Bundle::of(&closure).entry(entry).option("--level", "3");
        run(builder.command().arg("-o").arg(&output)).expect_code(0);
        for mode in MODES {
            let host = Host::ordinary();
            let program = host.install(&output);
            let start = || host.start(&program).args(arguments).env("PACKED_MODE", mode);
            assert_eq!(start().run().stdout(), "applet\n", "{entry} in {mode}");
            fails_with_callers(start(), "tools-1.36: applet not found\n");
        }
    }
}

/// Debian's package has no links. So what the caller's name stands for only the packager knows.
#[test]
fn without_links_in_the_closure_the_packager_chooses_the_callers_name() {
    let closure = Closure::example("programs.busybox-static");
    let pack = |argv0| {
        let builder = Bundle::of(&closure).entry("/bin/busybox").option("--level", "3");
        builder.option("--argv0", argv0).pack()
    };
    let (caller, applet) = (pack("caller"), pack("basename"));
    let default = Bundle::of(&closure).entry("/bin/busybox").option("--level", "3").pack();
    for mode in MODES {
        let host = Host::ordinary();
        let start = |bundle: &Bundle, name| {
            let program = host.install_as(&bundle.path, format!("/srv/{name}"));
            host.start(program).arg("/a/b").env("PACKED_MODE", mode).run()
        };
        assert_eq!(start(&caller, "basename").stdout(), "b\n", "{mode}");
        assert_eq!(start(&applet, "tools-1.36").stdout(), "b\n", "{mode}");
        // Busybox takes its first argument for the applet.
        fails(&start(&default, "basename"), "b: applet not found\n");
    }
}

#[test]
fn a_login_shell_reads_the_profile() {
    let bundle = Bundle::of(&Closure::example("programs.busybox")).entry("/bin/sh");
    let bundle = bundle.option("--level", "3").pack();
    for mode in MODES {
        let host = Host::ordinary();
        let program = host.install(&bundle.path);
        std::fs::write(host.outside(host.home(".profile")), "echo profile\n").unwrap();
        let start = |name: &[u8]| {
            let start = host.start(&program).argv(&[name, b"-c", b"echo command"]);
            start.env("PACKED_MODE", mode).run().stdout()
        };
        assert_eq!(start(b"-sh"), "profile\ncommand\n", "{mode}");
        assert_eq!(start(b"sh"), "command\n", "{mode}");
    }
}

#[test]
fn a_shell_starts_its_bundle_anew() {
    let bundle = Bundle::of(&Closure::example("programs.busybox")).entry("/bin/sh");
    let bundle = bundle.option("--env", "SELF=%BUNDLE%").option("--level", "3").pack();
    for mode in MODES {
        let host = Host::ordinary();
        let program = host.install_as(&bundle.path, "/srv/tools-1.36");
        let start = host.start(link(&host, &program, "sh")).env("PACKED_MODE", mode);
        let script = "echo \"$SELF\"; cd /; \"$SELF\" -c 'echo again; echo \"$SELF\"'";
        let text = start.args(["-c", script]).run().stdout();
        assert_eq!(text, "/srv/tools-1.36\nagain\n/srv/tools-1.36\n", "{mode}");
    }
}
