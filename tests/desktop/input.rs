//! Keys arrive, whatever input method the host's variables name.

use std::fs;

use tests::until;

use crate::screen::{How, MODES, Screen, bundle};

/// What sessions with ibus and fcitx set.
const METHODS: [&[(&str, &str)]; 2] = [
    &[("GTK_IM_MODULE", "ibus"), ("QT_IM_MODULE", "ibus"), ("XMODIFIERS", "@im=ibus")],
    &[("GTK_IM_MODULE", "fcitx"), ("QT_IM_MODULE", "fcitx"), ("XMODIFIERS", "@im=fcitx")],
];

/// What is typed once the pointer is in the window.
const CLICK: [&str; 5] = ["mousemove", "100", "100", "click", "1"];

#[test]
#[ignore = "needs an X server"]
fn gtk_takes_keys_without_the_named_input_method() {
    let bundle = bundle("yad");
    for (mode, variables) in MODES.iter().zip(METHODS) {
        let arguments = ["--entry", "--text=Text", "--width=300", "--height=200"];
        let how = How { arguments: &arguments, variables, ..How::default() };
        let (screen, running) = Screen::packed(&bundle, mode, &how);
        screen.display.still().expect("a window");
        screen.display.input(&screen.host, &CLICK);
        screen.display.input(&screen.host, &["type", "hello"]);
        screen.display.input(&screen.host, &["key", "Return"]);
        assert_eq!(running.wait().text(), "hello\n", "{mode}");
    }
}

#[test]
#[ignore = "needs an X server"]
fn qt_takes_keys_without_the_named_input_method() {
    let bundle = bundle("featherpad");
    for (mode, variables) in MODES.iter().zip(METHODS) {
        let how = How {
            arguments: &["/srv/text/a"],
            variables,
            files: &[("/srv/text/a", b"")],
            ..How::default()
        };
        let (screen, _running) = Screen::packed(&bundle, mode, &how);
        let file = screen.host.outside("/srv/text/a");
        screen.host.user.own(&file).expect("give it to the user");
        screen.display.still().expect("a window");
        screen.display.input(&screen.host, &["mousemove", "300", "200", "click", "1"]);
        screen.display.input(&screen.host, &["type", "hello"]);
        screen.display.input(&screen.host, &["key", "ctrl+s"]);
        until("a file", || fs::read_to_string(&file).ok().filter(|text| text.trim() == "hello"));
    }
}
