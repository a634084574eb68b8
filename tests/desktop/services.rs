//! The session bus, portals and programs of the host.

use std::fs;

use tests::{Host, Nix, Running, until};

use crate::screen::{How, MODES, Screen, bundle};

/// The session bus of a screen, which starts the host's portals as they are asked for.
fn bus(screen: &Screen) -> Running {
    let bus = screen
        .start("/usr/bin/dbus-daemon", &How::default())
        .args(["--session", "--nofork", "--address=unix:path=/tmp/bus"])
        .spawn();
    until("a session bus", || screen.host.outside("/tmp/bus").exists().then_some(()));
    bus
}

/// What calls a method of a portal.
const PORTAL: [&str; 6] = [
    "gdbus",
    "call",
    "--session",
    "--timeout=20",
    "--dest=org.freedesktop.portal.Desktop",
    "--object-path=/org/freedesktop/portal/desktop",
];

const BUS: (&str, &str) = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/bus");

/// A browser of the host that writes down what it is to show, and its environment.
const BROWSER: &[(&str, &[u8])] = &[
    (
        "/srv/bin/browser",
        b"#!/bin/sh\nenv > /tmp/environment\nprintf %s \"$1\" > /tmp/new\nmv /tmp/new /tmp/shown\n",
    ),
    (
        "/home/alice/.local/share/applications/browser.desktop",
        b"[Desktop Entry]\nType=Application\nName=Browser\nExec=sh /srv/bin/browser %u\n\
          MimeType=x-scheme-handler/https;\n",
    ),
    (
        "/home/alice/.config/mimeapps.list",
        b"[Default Applications]\nx-scheme-handler/https=browser.desktop\n",
    ),
];

const ADDRESS: &str = "https://example.org/a";

/// What the browser was asked to show.
fn shown(host: &Host) -> String {
    until("the browser", || fs::read_to_string(host.outside("/tmp/shown")).ok())
}

#[test]
#[ignore = "needs a session bus and portals"]
fn portals_of_the_host_answer() {
    let bundle = bundle("glib");
    for mode in MODES {
        let how = How { files: BROWSER, ..How::default() };
        let screen = Screen::new(Nix::Absent, &how);
        let _bus = bus(&screen);
        let program = screen.host.install(&bundle.path);
        let call = |arguments: &[&str]| {
            let how = How { arguments: &[&PORTAL, arguments].concat(), ..How::default() };
            screen.start(&program, &how).env("PACKED_MODE", mode).env(BUS.0, BUS.1).run().text()
        };
        let scheme = call(&[
            "--method=org.freedesktop.portal.Settings.Read",
            "org.freedesktop.appearance",
            "color-scheme",
        ]);
        assert_eq!(scheme, "(<<uint32 0>>,)\n", "{mode}");
        call(&["--method=org.freedesktop.portal.OpenURI.OpenURI", "", ADDRESS, "{}"]);
        assert_eq!(shown(&screen.host), ADDRESS, "{mode}");
    }
}

#[test]
#[ignore = "needs a session bus and portals"]
fn the_hosts_file_chooser_opens_files() {
    let bundle = bundle("chromium");
    let how = How {
        arguments: &[
            "--no-first-run",
            "--window-position=0,0",
            "--window-size=640,480",
            "about:blank",
        ],
        variables: &[BUS],
        files: &[("/srv/page/loud.html", b"<body style='background: #f0f'>")],
        ..How::default()
    };
    for mode in MODES {
        let screen = Screen::new(Nix::Absent, &how);
        let _bus = bus(&screen);
        let program = screen.host.install(&bundle.path);
        let _running = screen.start(program, &how).env("PACKED_MODE", mode).spawn();
        let input = |arguments: &[&str]| {
            screen.display.input(&screen.host, arguments);
            screen.display.still().expect("a window")
        };
        let window = input(&["mousemove", "300", "300"]);
        input(&["click", "1", "key", "ctrl+o"]);
        until("a file chooser", || (screen.display.picture() != window).then_some(()));
        input(&["type", "/"]);
        input(&["type", "--delay", "50", "srv/page/loud.html"]);
        input(&["key", "Return"]);
        until("the page", || (screen.display.picture().count(0xff_00ff) > 50_000).then_some(()));
    }
}

#[test]
#[ignore = "needs a session bus and portals"]
fn xdg_open_of_the_host_has_the_callers_environment() {
    let bundle = bundle("glib");
    let variables = [("GIO_MODULE_DIR", "/srv/modules"), ("XDG_DATA_DIRS", "/usr/share")];
    let how = How {
        arguments: &["xdg-open", ADDRESS],
        variables: &variables,
        files: BROWSER,
        ..How::default()
    };
    for mode in MODES {
        let (screen, running) = Screen::packed(&bundle, mode, &how);
        running.wait().expect_code(0);
        assert_eq!(shown(&screen.host), ADDRESS, "{mode}");
        let environment = fs::read_to_string(screen.host.outside("/tmp/environment"));
        let environment = environment.expect("the browser writes its environment");
        let of = |name: &str| environment.lines().find_map(|line| line.strip_prefix(name));
        // What a rule removes, what the wrapper changes, and what only the wrapper sets.
        assert_eq!(of("GIO_MODULE_DIR="), Some("/srv/modules"), "{mode}");
        assert_eq!(of("XDG_DATA_DIRS="), Some("/usr/share"), "{mode}");
        assert_eq!(of("GIO_EXTRA_MODULES="), None, "{mode}");
        assert_eq!(of("PATH="), Some("/usr/local/bin:/usr/bin:/bin"), "{mode}");
    }
}

#[test]
#[ignore = "needs programs of a desktop"]
fn glib_of_a_bundle_starts_the_hosts_programs() {
    let bundle = bundle("glib");
    for mode in MODES {
        let how = How { arguments: &["gio", "open", ADDRESS], files: BROWSER, ..How::default() };
        let (screen, running) = Screen::packed(&bundle, mode, &how);
        running.wait().expect_code(0);
        assert_eq!(shown(&screen.host), ADDRESS, "{mode}");
    }
}
