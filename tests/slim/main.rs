//! `--slim`, `--locales` and `--strip`: real programs print the same as in a whole bundle.
//!
//! tests/compositions and tests/corpus try it, too. Programs that are downloaded for it are ignored tests:
//! `make test-long` runs them.

/// What `packer build`, `inspect`, `verify` and `image` say of what was left out.
mod command;
/// What other programs name, open and compile stays.
mod documentation;
/// The examples.
mod examples;
/// Every module of python's standard library.
mod python;
/// git, PostgreSQL and perl.
mod servers;
/// Programs with debug information.
mod strip;

use tests::{Builder, Bundle, Directory, Ended, Host, Start};

/// A program packed whole, and packed slim and stripped.
struct Pair {
    whole: Bundle,
    slim: Bundle,
}

/// The modes in which both are compared.
const MODES: [&str; 2] = ["relocate", "namespace"];

impl Pair {
    fn of(builder: impl Fn() -> Builder) -> Pair {
        let builder = || builder().option("--level", "1");
        Pair { whole: builder().pack(), slim: builder().flag("--slim").flag("--strip").pack() }
    }

    /// Starts both as `prepare` says, on hosts of an ordinary user without /nix, and checks that they print the same.
    #[track_caller]
    fn same(&self, prepare: impl Fn(Start) -> Start) -> Vec<String> {
        self.same_in(&MODES, prepare)
    }

    /// The same, in those of these modes that the bundle can use.
    #[track_caller]
    fn same_in(&self, modes: &[&str], prepare: impl Fn(Start) -> Start) -> Vec<String> {
        let possible = self.slim.modes();
        modes
            .iter()
            .filter(|mode| possible.iter().any(|other| other == *mode))
            .map(|mode| {
                let [whole, slim] = [&self.whole, &self.slim].map(|bundle| {
                    let host = Host::ordinary();
                    let place = host.directory("/tmp/work", 0o700);
                    let start = host.start(host.install(&bundle.path)).env("PACKED_MODE", mode);
                    let start = start.env("TMPDIR", &place).directory(Directory::At(place));
                    text(&prepare(start).run())
                });
                assert_eq!(slim, whole, "{mode}");
                slim
            })
            .collect()
    }

    /// Bytes of all files of both.
    fn bytes(&self) -> [u64; 2] {
        [&self.whole, &self.slim]
            .map(|bundle| bundle.inspect()["bytes_before"].as_u64().expect("inspect counts bytes"))
    }
}

/// What came out of a program; paths in the cache have names of their own in each bundle.
fn text(ended: &Ended) -> String {
    let of = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut parts = text.split("/packed/");
        let first = parts.next().unwrap_or_default().to_owned();
        // A relocated path begins with a name of fixed length.
        let rest = parts.map(|part| part.split_once('/').map_or("", |(_, rest)| rest));
        rest.fold(first, |text, rest| text + "/packed/…/" + rest)
    };
    format!("{}\n{}\n{}", ended.status, of(&ended.stdout), of(&ended.stderr))
}
