//! Icons, cursors, styles, and modules of the host's libraries.

use std::env::consts;
use std::fs;
use std::path::Path;
use std::process::Command;

use tests::{Change, Nix, run};

use crate::screen::{How, MODES, Screen, alone, bundle, host, same_as_alone, start, without};

/// A window with an icon.
const ICON: How<'_> = How {
    arguments: &["--image=dialog-information", "--text=Text"],
    variables: &[],
    changes: &[],
    files: &[],
};

/// A color that no program shows by itself: red and blue.
const LOUD: u32 = 0xff_00ff;

#[test]
#[ignore = "needs an X server"]
fn icons_and_loaders_of_the_closure_are_enough() {
    let libraries = format!("/usr/lib/{}-linux-gnu", consts::ARCH);
    let modules = ["gdk-pixbuf-2.0", "gio", "gtk-3.0"].map(|name| format!("{libraries}/{name}"));
    let shared = ["/usr/share/icons", "/usr/share/mime"].map(str::to_owned);
    let changes: Vec<Change> = modules.iter().chain(&shared).map(|path| without(path)).collect();
    let shown = same_as_alone("yad", &MODES, &How { changes: &changes, ..ICON });
    let arguments = ["--image=no-such-icon", "--text=Text"];
    let (screen, running) = Screen::alone("yad", &How { arguments: &arguments, ..ICON });
    assert!(screen.still(running) != shown, "there is no icon");
}

#[test]
#[ignore = "needs an X server"]
fn icon_themes_of_the_host_are_found() {
    let share = tempfile::tempdir().expect("make a directory");
    let theme = share.path().join("icons/Loud");
    let icons = theme.join("any/status");
    fs::create_dir_all(&icons).expect("make a theme");
    let index = "[Icon Theme]\nName=Loud\nDirectories=any/status\n\
        [any/status]\nSize=48\nMinSize=8\nMaxSize=512\nType=Scalable\n";
    fs::write(theme.join("index.theme"), index).expect("write a theme");
    let icon = "<svg xmlns='http://www.w3.org/2000/svg' width='48' height='48'>\
        <rect width='48' height='48' fill='#f0f'/></svg>";
    fs::write(icons.join("dialog-information.svg"), icon).expect("write an icon");
    let how = How {
        changes: &[Change::Bind { source: share.path().into(), at: "/usr/local/share".into() }],
        files: &[(
            "/home/alice/.config/gtk-3.0/settings.ini",
            b"[Settings]\ngtk-icon-theme-name=Loud\n",
        )],
        ..ICON
    };
    let (screen, running) = Screen::alone("yad", &how);
    assert_eq!(screen.still(running).count(LOUD), 0, "the wrapper hides the host's directories");
    let bundle = bundle("yad");
    for mode in MODES {
        let (screen, running) = Screen::packed(&bundle, mode, &how);
        assert!(screen.still(running).count(LOUD) > 500, "{mode}");
    }
}

#[test]
#[ignore = "needs an X server"]
fn cursor_themes_of_the_host_are_found() {
    let cursor = cursor();
    let names = ["default", "left_ptr", "text", "xterm"];
    for (directory, path) in [("/home/alice/.icons", None), ("/srv/icons", Some("/srv/icons"))] {
        let files = names.map(|name| format!("{directory}/Loud/cursors/{name}"));
        let files: Vec<(&str, &[u8])> = files.iter().map(|file| (&**file, &*cursor)).collect();
        let mut variables = vec![("XCURSOR_THEME", "Loud"), ("XCURSOR_SIZE", "32")];
        variables.extend(path.map(|path| ("XCURSOR_PATH", path)));
        let how = How { files: &files, variables: &variables, ..How::default() };
        let bundle = bundle("mousepad");
        for mode in MODES {
            let (screen, running) = Screen::packed(&bundle, mode, &how);
            screen.display.still().expect("a window");
            screen.display.input(&screen.host, &["mousemove", "300", "300"]);
            assert!(screen.still(running).count(LOUD) > 100, "{mode}, {directory}");
        }
    }
}

/// A cursor of 32 × 32 pixels: Xcursor(3), file format.
fn cursor() -> Vec<u8> {
    const IMAGE: u32 = 0xfffd_0002;
    let (head, position) = ([16, 0x1_0000, 1], [IMAGE, 32, 28]);
    let image = [36, IMAGE, 32, 1, 32, 32, 0, 0, 0];
    let pixels = [0xff00_0000 | LOUD; 32 * 32];
    let words = head.into_iter().chain(position).chain(image).chain(pixels);
    b"Xcur".iter().copied().chain(words.flat_map(u32::to_le_bytes)).collect()
}

#[test]
#[ignore = "needs an X server"]
fn a_style_or_theme_that_the_closure_lacks_is_no_obstacle() {
    let plain = How::default();
    let (screen, running) = Screen::alone("featherpad", &plain);
    let expected = screen.still(running);
    let bundle = bundle("featherpad");
    for (mode, theme) in MODES.iter().zip(["kde", "qt5ct"]) {
        let variables = [("QT_QPA_PLATFORMTHEME", theme), ("QT_STYLE_OVERRIDE", "kvantum")];
        let how = How { variables: &variables, ..plain };
        let (screen, running) = Screen::packed(&bundle, mode, &how);
        screen.expect(&expected, running, theme);
    }
}

#[test]
#[ignore = "needs closures of programs with windows"]
fn modules_of_the_host_stay_out() {
    let directory = tempfile::tempdir().expect("make a directory");
    let library = library(directory.path());
    let module = fs::read(&library).expect("read a library");
    let how = How {
        arguments: &["gio", "info", "/"],
        variables: &[("GIO_EXTRA_MODULES", "/srv/modules")],
        files: &[("/srv/modules/libloud.so", &module)],
        ..How::default()
    };
    let host_with_store = host(Nix::SamePaths, &how);
    start(&host_with_store, alone("glib"), &how).run().expect_code(99);
    let packed = bundle("glib");
    for mode in MODES {
        let host = host(Nix::Absent, &how);
        start(&host, host.install(&packed.path), &how)
            .env("PACKED_MODE", mode)
            .run()
            .expect_code(0);
    }
}

/// A library that ends every program that loads it.
fn library(directory: &Path) -> std::path::PathBuf {
    let (source, library) = (directory.join("loud.c"), directory.join("libloud.so"));
    let text =
        "#include <unistd.h>\n__attribute__((constructor)) static void loud(void) { _exit(99); }\n";
    fs::write(&source, text).expect("write a source file");
    run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]))
        .expect_code(0);
    library
}
