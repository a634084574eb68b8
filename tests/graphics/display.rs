//! Screens that nobody sees: an X server and a Wayland compositor, and pictures of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tests::{Host, Running, Start, run, until};

/// How long a program may take to draw its first picture, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// What still changes then is an animation.
const MOVES: Duration = Duration::from_millis(500);

/// A screen.
pub(crate) trait Screen {
    /// Has a program use it.
    fn shown(&self, start: Start) -> Start;

    /// What is on it now.
    fn picture(&self) -> Picture;
}

/// Runs a program until the screen shows what is looked for.
#[track_caller]
pub(crate) fn draws(
    screen: &dyn Screen,
    start: Start,
    is_found: impl Fn(&Picture) -> bool,
) -> Picture {
    let mut running = screen.shown(start).spawn();
    let begin = Instant::now();
    let mut before = screen.picture();
    loop {
        thread::sleep(Duration::from_millis(100));
        let picture = screen.picture();
        // A whole one, not one that is being drawn. What moves is never the same again.
        let is_whole = picture == before || begin.elapsed() > MOVES;
        if is_whole && picture.has_drawing() && is_found(&picture) {
            end(running);
            return picture;
        }
        if running.has_ended() || begin.elapsed() > PATIENCE {
            let ended = end(running);
            let colours = picture.colours().count();
            panic!("not the picture: {colours} colours; {}, {}", ended.status, ended.stderr());
        }
        before = picture;
    }
}

fn end(mut running: Running) -> tests::Ended {
    if !running.has_ended() {
        running.signal(Signal::SIGKILL);
    }
    running.wait()
}

/// Pixels, row by row: red, green, blue.
#[derive(PartialEq, Eq)]
pub(crate) struct Picture(Vec<[u8; 3]>);

impl Picture {
    /// How many pixels there are of each colour, of four shades of red, green and blue.
    fn histogram(&self) -> [usize; 64] {
        let mut counts = [0; 64];
        for [red, green, blue] in &self.0 {
            counts[usize::from((red >> 6) << 4 | (green >> 6) << 2 | blue >> 6)] += 1;
        }
        counts
    }

    fn colours(&self) -> impl Iterator<Item = usize> {
        self.histogram().into_iter().filter(|count| *count > 50)
    }

    /// Whether there is more than a background and a window.
    pub(crate) fn has_drawing(&self) -> bool {
        self.colours().count() > 2
    }

    /// Whether it has the same colours, but for 3 % of the pixels: another moment of the same animation.
    pub(crate) fn is_like(&self, other: &Picture) -> bool {
        let pairs = self.histogram().into_iter().zip(other.histogram());
        let different: usize = pairs.map(|(mine, others)| mine.abs_diff(others)).sum();
        self.0.len() == other.0.len() && different * 100 < self.0.len() * 2 * 3
    }
}

/// An X server of the machine, without a screen.
pub(crate) struct XServer {
    server: Child,
    display: String,
    directory: TempDir,
}

impl XServer {
    pub(crate) fn new() -> XServer {
        let directory = tempfile::tempdir().expect("make a directory");
        let mut server = Command::new("Xvfb")
            // Every user may connect; the server does not end with its last client.
            .args([
                "-displayfd",
                "1",
                "-ac",
                "-noreset",
                "-nolisten",
                "tcp",
                "-screen",
                "0",
                "640x480x24",
            ])
            .arg("-fbdir")
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("run Xvfb");
        let mut number = String::new();
        let stdout = server.stdout.as_mut().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut number).expect("Xvfb says its number");
        XServer { server, display: format!(":{}", number.trim()), directory }
    }
}

impl Screen for XServer {
    fn shown(&self, start: Start) -> Start {
        start.env("DISPLAY", &self.display)
    }

    fn picture(&self) -> Picture {
        // XWDFile.h: a header of big-endian numbers, a table of colours of 12 bytes each, then pixels.
        let file = fs::read(self.directory.path().join("Xvfb_screen0")).expect("read the screen");
        let number = |at: usize| {
            let bytes = file[at * 4..][..4].try_into().expect("four bytes");
            usize::try_from(u32::from_be_bytes(bytes)).expect("a small number")
        };
        let pixels = &file[number(0) + number(19) * 12..][..number(12) * number(5)];
        Picture(pixels.chunks_exact(4).map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect())
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A Wayland compositor of a host, without a screen.
pub(crate) struct Weston<'a> {
    host: &'a Host,
    runtime: PathBuf,
    compositor: Running,
}

impl Weston<'_> {
    /// Starts it, as the host's user.
    pub(crate) fn new(host: &Host) -> Weston<'_> {
        let runtime = host.directory(host.home("run"), 0o700);
        let settings = runtime.join("weston.ini");
        // Nothing that changes by itself, and nothing beside the program's window.
        let text = "[shell]\npanel-position=none\nbackground-color=0xff000000\nlocking=false\n\
                    animation=none\nstartup-animation=none\n";
        fs::write(host.outside(&settings), text).expect("write settings");
        let start = host.start("/usr/bin/weston").env("XDG_RUNTIME_DIR", &runtime);
        let start = start
            .args(["--backend=headless-backend.so", "--use-pixman", "--width=640", "--height=480"])
            // --debug: clients may take pictures.
            .args(["--socket=wayland-test", "--idle-time=0", "--debug", "--log=/dev/null"])
            .arg(format!("--config={}", settings.display()));
        let weston = Weston { host, runtime, compositor: start.spawn() };
        until("a compositor", || weston.socket().exists().then_some(()));
        weston
    }

    fn socket(&self) -> PathBuf {
        self.host.outside(self.runtime.join("wayland-test"))
    }
}

impl Screen for Weston<'_> {
    fn shown(&self, start: Start) -> Start {
        start.env("XDG_RUNTIME_DIR", &self.runtime).env("WAYLAND_DISPLAY", "wayland-test")
    }

    fn picture(&self) -> Picture {
        let directory = self.host.directory(self.host.home("pictures"), 0o700);
        let start = self.shown(self.host.start("/usr/bin/weston-screenshooter"));
        start.directory(tests::Directory::At(directory.clone())).run().expect_code(0);
        let outside = self.host.outside(&directory);
        let mut pictures = fs::read_dir(&outside).expect("list pictures");
        let path = pictures.next().expect("it writes a picture").expect("list pictures").path();
        let text = run(Command::new("pngtopnm").arg(&path)).stdout;
        fs::remove_file(path).expect("remove a picture");
        // ppm(5): three lines, then pixels of three bytes.
        let header = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2);
        let (end, _) = header.expect("a picture has a header");
        Picture(
            text[end + 1..].chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        )
    }
}

impl Drop for Weston<'_> {
    fn drop(&mut self) {
        self.compositor.signal(Signal::SIGKILL);
        // The next one makes it anew, and is waited for.
        let _ = fs::remove_file(self.socket());
    }
}
