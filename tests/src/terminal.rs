//! A person at a terminal: types text and waits for what appears.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::fcntl::OFlag;
use nix::libc::O_NOCTTY;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::start::{Start, until, wait};

/// A person at a terminal.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: PtyMaster,
    screen: Arc<Mutex<Vec<u8>>>,
    seen: usize,
}

impl Terminal {
    /// Starts a program in a session of its own on a new terminal.
    #[must_use]
    pub fn start(start: Start) -> Terminal {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("make a terminal");
        grantpt(&master).expect("grant the terminal");
        unlockpt(&master).expect("unlock the terminal");
        let name = ptsname_r(&master).expect("name the terminal");
        let mut options = OpenOptions::new();
        let slave = options.read(true).write(true).custom_flags(O_NOCTTY).open(name);
        let slave = slave.expect("open the terminal");
        let child = start.spawn_on(&slave);
        let screen = Arc::default();
        watch(&master, Arc::clone(&screen));
        Terminal { child, keyboard: master, screen, seen: 0 }
    }

    /// Types text; `\x03` is Ctrl-C, `\x1a` Ctrl-Z, `\x04` Ctrl-D.
    pub fn send(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("type");
    }

    /// Waits until the text appears behind what was expected last.
    pub fn expect(&mut self, text: &str) {
        let (screen, seen) = (Arc::clone(&self.screen), self.seen);
        let look = || {
            let screen = screen.lock().expect("the reader does not panic");
            let new = String::from_utf8_lossy(&screen[seen..]).into_owned();
            Some(seen + new.find(text)? + text.len())
        };
        let what = format!("{text:?} on the terminal");
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(&what, look)));
        self.seen = found.unwrap_or_else(|_| panic!("{what}, but it shows:\n{}", self.text()));
    }

    /// All that was on the screen so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("the reader does not panic"))
            .into_owned()
    }

    /// The process that was spawned.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program has ended.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

fn watch(master: &PtyMaster, screen: Arc<Mutex<Vec<u8>>>) {
    use std::os::fd::AsFd;
    let mut output =
        File::from(master.as_fd().try_clone_to_owned().expect("duplicate a descriptor"));
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // EIO: nobody has the terminal open any more.
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            screen.lock().expect("the test does not panic here").extend_from_slice(&bytes[..count]);
        }
    });
}
