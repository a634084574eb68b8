//! A real X server without a screen, and what a screen would show.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::needed::need;
use crate::picture::Picture;
use crate::start::{Running, Start};

/// Xvfb, with one screen of 640 × 480 pixels.
#[derive(Debug)]
pub struct Display {
    /// What programs find it by: the variable `DISPLAY`.
    pub name: String,
    /// The file that has the screen's pixels.
    screen: PathBuf,
    /// The screen before anything is shown.
    empty: Picture,
    _server: Running,
}

/// Where the server writes the screen, on its host.
const DIRECTORY: &str = "/srv/screen";

/// A picture that stays for so long is what the program wants to show.
const STILL: Duration = Duration::from_millis(700);

/// No picture takes a quarter of it.
const PATIENCE: Duration = Duration::from_secs(60);

impl Display {
    /// Starts the server as the host's user.
    #[must_use]
    pub fn on(host: &Host) -> Display {
        need(&["Xvfb", "xdotool"]);
        host.directory(DIRECTORY, 0o700);
        let (number, write) = std::io::pipe().expect("make a pipe");
        let server = host
            .start("/usr/bin/Xvfb")
            .args(["-displayfd", "3", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"])
            .args(["-fbdir", DIRECTORY])
            .open(3, write)
            .spawn();
        let mut line = String::new();
        BufReader::new(number).read_line(&mut line).expect("read the display's number");
        assert!(line.ends_with('\n'), "Xvfb does not start: {}", server.wait().stderr());
        let screen = host.outside(DIRECTORY).join("Xvfb_screen0");
        let name = format!(":{}", line.trim());
        let mut display = Display { name, empty: read(&screen), screen, _server: server };
        // Out of the way: what is under the pointer may look another way.
        display.input(host, &["mousemove", "639", "479"]);
        display.empty = display.picture();
        display
    }

    /// What the screen shows now.
    #[must_use]
    pub fn picture(&self) -> Picture {
        read(&self.screen)
    }

    /// Waits until something is shown that does not change any more, but for a cursor that blinks.
    ///
    /// # Errors
    ///
    /// If there is no such picture: what is shown.
    pub fn still(&self) -> Result<Picture, Picture> {
        let mut known = vec![self.picture()];
        let mut since = Instant::now();
        self.wait(|now| {
            if !known.contains(now) {
                // With a cursor that blinks, two take turns.
                known.insert(0, now.clone());
                known.truncate(2);
                since = Instant::now();
            }
            *now != self.empty && since.elapsed() > STILL
        })
    }

    /// Waits until this picture is shown.
    ///
    /// # Errors
    ///
    /// If it is not: what is shown in its place.
    pub fn wait_for(&self, expected: &Picture) -> Result<Picture, Picture> {
        self.wait(|now| now == expected)
    }

    fn wait(&self, mut is_right: impl FnMut(&Picture) -> bool) -> Result<Picture, Picture> {
        let start = Instant::now();
        loop {
            let now = self.picture();
            if is_right(&now) {
                return Ok(now);
            }
            if start.elapsed() > PATIENCE {
                return Err(now);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types, moves and clicks as xdotool(1) understands it.
    pub fn input(&self, host: &Host, arguments: &[&str]) {
        let xdotool: Start = host.start("/usr/bin/xdotool").env("DISPLAY", &self.name);
        xdotool.args(arguments).run().expect_code(0);
    }
}

fn read(screen: &Path) -> Picture {
    Picture::parse(&fs::read(screen).expect("read the screen")).expect("the screen is a picture")
}
