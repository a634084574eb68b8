//! Fonts and their configuration: text is drawn with the closure's fonts, and with the host's.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use tests::{Bundle, Change, Host, Nix, Start};

use crate::screen::{How, MODES, alone, closure, host, start, without};

/// What is drawn: letters that no font may lack.
const TEXT: How<'_> = How {
    arguments: &["--no-display", "--font=Sans 20", "--text=Übergrößen", "--output=/tmp/text.png"],
    variables: &[],
    changes: &[],
    files: &[],
};

/// The picture that a program draws of the text.
fn drawn(host: &Host, start: Start) -> Vec<u8> {
    start.run().expect_code(0);
    fs::read(host.outside("/tmp/text.png")).expect("a picture is written")
}

fn drawn_alone(changes: &[Change], variables: &[(&str, &str)]) -> Vec<u8> {
    let how = How { changes, variables, ..TEXT };
    let host = host(Nix::SamePaths, &how);
    drawn(&host, start(&host, alone("pango"), &how))
}

/// What the program draws with its fonts: with the configuration of the host, and with its own.
fn expected() -> [Vec<u8>; 2] {
    let own = closure("pango").path.join("etc/fonts");
    let own = own.to_str().expect("a store path is text");
    let own = drawn_alone(&[no_fonts(), no_configuration()], &[("FONTCONFIG_PATH", own)]);
    [drawn_alone(&[no_fonts()], &[]), own]
}

fn drawn_packed(bundle: &Bundle, mode: &str, changes: &[Change]) -> Vec<u8> {
    let host = host(Nix::Absent, &How { changes, ..TEXT });
    let program = host.install(&bundle.path);
    drawn(&host, start(&host, program, &TEXT).env("PACKED_MODE", mode))
}

/// The bundle of the program; as with nixpkgs, its closure has one configuration of fonts.
fn packed(excluded: &[&str]) -> Bundle {
    let builder = Bundle::of(&closure("pango")).entry("/bin/run").option("--level", "1");
    let other = "/nix/store/*-fontconfig-*/etc/fonts/fonts.conf";
    let excluded = excluded.iter().copied().chain([other]);
    excluded.fold(builder, |builder, glob| builder.option("--exclude", glob)).pack()
}

fn without_fonts() -> Bundle {
    packed(&["share/fonts/**"])
}

/// A host that has a configuration of fonts, but none of them.
fn no_fonts() -> Change {
    without("/usr/share/fonts")
}

/// A host that has no configuration of fonts.
fn no_configuration() -> Change {
    without("/etc/fonts")
}

/// A directory with the fonts that some closures have.
fn dejavu() -> PathBuf {
    let paths = closure("pango").requisites().into_iter();
    let mut fonts = paths.filter(|path| path.contains("-fonts-dejavu"));
    Path::new(&fonts.next().expect("the closure has fonts")).join("share/fonts")
}

#[test]
#[ignore = "needs closures of programs with windows"]
fn text_appears_with_the_closures_fonts() {
    let [expected, own] = expected();
    // The pictures say when there is no text: without fonts, and where the rule is not applied.
    let bare = [no_fonts(), no_configuration()];
    let tofu = drawn_alone(&bare, &[]);
    assert!(tofu != expected && tofu != own);
    let bundle = packed(&[]);
    for mode in MODES {
        let tofu = drawn_packed(&without_fonts(), mode, &bare);
        assert!(tofu != expected && tofu != own, "{mode}");
        assert!(drawn_packed(&bundle, mode, &bare) == own, "{mode}");
        assert!(drawn_packed(&bundle, mode, &[no_fonts()]) == expected, "{mode}");
    }
}

#[test]
#[ignore = "needs closures of programs with windows"]
fn text_appears_with_the_hosts_fonts() {
    let fonts = Change::Bind { source: dejavu(), at: "/usr/share/fonts".into() };
    let [expected, own] = expected();
    let bundle = without_fonts();
    for mode in MODES {
        assert!(drawn_packed(&bundle, mode, slice::from_ref(&fonts)) == expected, "{mode}");
        let changes = [fonts.clone(), no_configuration()];
        assert!(drawn_packed(&bundle, mode, &changes) == own, "{mode}");
    }
}

#[test]
#[ignore = "needs closures of programs with windows"]
fn text_appears_with_the_users_fonts() {
    let [expected, own] = expected();
    let bundle = without_fonts();
    for mode in MODES {
        let rows = [(vec![no_fonts()], &expected), (vec![no_fonts(), no_configuration()], &own)];
        for (changes, expected) in rows {
            let host = host(Nix::Absent, &How { changes: &changes, ..TEXT });
            let at = host.directory(host.home(".local/share/fonts"), 0o755).join("sans.ttf");
            let font = dejavu().join("truetype/dejavu/DejaVuSans.ttf");
            fs::copy(font, host.outside(at)).expect("copy a font");
            let program = host.install(&bundle.path);
            let start = start(&host, program, &TEXT).env("PACKED_MODE", mode);
            assert!(drawn(&host, start) == *expected, "{mode}: {changes:?}");
        }
    }
}

#[test]
#[ignore = "needs closures of programs with windows"]
fn a_configuration_of_a_later_version_is_read() {
    let directory = tempfile::tempdir().expect("make a directory");
    let text = "<?xml version='1.0'?><!DOCTYPE fontconfig SYSTEM 'urn:fontconfig:fonts.dtd'><fontconfig>\
        <later><of x='1'/></later><dir>/usr/share/fonts</dir></fontconfig>";
    fs::write(directory.path().join("fonts.conf"), text).expect("write a configuration");
    let configuration = Change::Bind { source: directory.path().into(), at: "/etc/fonts".into() };
    let with = |fonts| [configuration.clone(), fonts];
    let fonts = with(Change::Bind { source: dejavu(), at: "/usr/share/fonts".into() });
    let expected = drawn_alone(&fonts, &[]);
    let bundle = without_fonts();
    assert!(drawn_packed(&bundle, "relocate", &with(no_fonts())) != expected);
    for mode in MODES {
        assert!(drawn_packed(&bundle, mode, &fonts) == expected, "{mode}");
    }
}
