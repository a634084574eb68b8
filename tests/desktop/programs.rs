//! Each program alone and in a bundle, in each mode: the screens are the same.

use std::fs;

use tests::{Nix, Start, User, until};

use crate::screen::{How, MODES, Screen, alone, bundle, same_as_alone};

#[test]
#[ignore = "needs an X server"]
fn gtk_3_shows_the_same() {
    let how = How {
        arguments: &["--text=Übergrößen", "--image=dialog-information"],
        ..How::default()
    };
    same_as_alone("yad", &["relocate", "namespace", "ram"], &how);
    same_as_alone("mousepad", &MODES, &How::default());
}

#[test]
#[ignore = "needs an X server"]
fn gtk_4_shows_the_same() {
    same_as_alone("calculator", &MODES, &How::default());
}

#[test]
#[ignore = "needs an X server"]
fn qt_shows_the_same() {
    same_as_alone("featherpad", &MODES, &How::default());
    same_as_alone("qt6ct", &MODES, &How::default());
}

#[test]
#[ignore = "needs an X server"]
fn sdl_shows_the_same() {
    same_as_alone("sopwith", &MODES, &How::default());
}

#[test]
#[ignore = "needs an X server"]
fn tk_shows_the_same() {
    same_as_alone("idle", &MODES, &How::default());
}

/// A page that needs text, and the window that shows it.
const PAGE: How<'_> = How {
    arguments: &[
        "--no-first-run",
        "--window-position=0,0",
        "--window-size=640,480",
        "--app=file:///srv/page/hello.html",
    ],
    variables: &[],
    changes: &[],
    files: &[(
        "/srv/page/hello.html",
        "<meta charset=utf-8><h1>Hello</h1><p lang=el>Καλημέρα".as_bytes(),
    )],
};

#[test]
#[ignore = "needs an X server"]
fn chromium_shows_the_same_in_its_sandbox() {
    let (screen, running) = Screen::alone("chromium", &PAGE);
    let expected = screen.still(running);
    let bundle = bundle("chromium");
    for mode in MODES {
        let (screen, running) = Screen::packed(&bundle, mode, &PAGE);
        screen.expect(&expected, running, mode);
        // A filter of system calls, and process IDs in a namespace below that of the host.
        let (seccomp, ids) = until("a renderer", || renderer(&screen.host.user));
        assert_eq!(seccomp, "2", "{mode}");
        assert!(ids.split_whitespace().count() >= 2, "{mode}: {ids}");
    }
}

/// Of a user's process that renders pages: its mode of seccomp and its process IDs, proc_pid_status(5).
fn renderer(user: &User) -> Option<(String, String)> {
    // Not by its mounts: its root is an empty directory.
    fs::read_dir("/proc").expect("list processes").find_map(|entry| {
        let path = entry.ok()?.path();
        let status = fs::read_to_string(path.join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let is_users = field("Uid:")?.split_whitespace().next()? == user.uid.to_string();
        let command = fs::read_to_string(path.join("cmdline")).ok()?;
        (is_users && command.contains("--type=renderer")).then_some(())?;
        Some((field("Seccomp:")?.trim().to_owned(), field("NSpid:")?.to_owned()))
    })
}

#[test]
#[ignore = "needs an X server"]
fn a_video_plays_without_va_api() {
    let film = |start: Start| {
        let source = "av://lavfi:testsrc=duration=1:size=320x240";
        start.args([source, "--o=/tmp/film.mp4", "--ovc=libx264", "--really-quiet"]).run()
    };
    let play = |start: Start| {
        let asked = ["--no-config", "--hwdec=vaapi", "--vo=x11", "--pause", "--osc=no", "-v"];
        start.args(asked).arg("/tmp/film.mp4").spawn()
    };
    let how = How::default();
    let screen = Screen::new(Nix::SamePaths, &how);
    let start = || screen.start(alone("mpv"), &how);
    film(start()).expect_code(0);
    let expected = screen.still(play(start()));
    let bundle = bundle("mpv");
    for mode in MODES {
        let screen = Screen::new(Nix::Absent, &how);
        let program = screen.host.install(&bundle.path);
        let start = || screen.start(&program, &how).env("PACKED_MODE", mode);
        film(start()).expect_code(0);
        let running = play(start());
        screen.expect(&expected, running, mode);
    }
}
