//! The proof that references can be rewritten: every place where a hash stands, and whether that is one.

use std::collections::{BTreeMap, BTreeSet};

use format::Reference;

use super::compressed;
use crate::error::{Error, Result};
use crate::source::reference::{Form, Hashes, Occurrence, PREFIX};
use crate::source::store::Store;
use crate::source::tree::Tree;
use runtime::error::Escaped;

/// Directories of a store path whose files nobody executes: a reference that stays there does no harm.
const DOCUMENTATION: [&[u8]; 3] = [b"share/man/", b"share/doc/", b"share/info/"];

/// Where the hashes in a store path's files stand.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The references that can be rewritten, by node.
    pub(crate) references: BTreeMap<u32, Vec<Reference>>,
    /// The compiled Python modules that check their sources.
    pub(crate) checked_pycs: BTreeSet<u32>,
    /// What cannot, in words.
    pub(crate) obstacles: Vec<String>,
}

/// A file, link or directory that is surveyed.
pub(crate) struct Surveyed<'a> {
    survey: &'a mut Survey,
    node: u32,
    /// The path below the store: `<hash>-<name>/…`.
    location: Vec<u8>,
    /// The first and the last bytes of the content, which tell if it is compressed.
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Where the first hash of a form that cannot be rewritten is, and how many there are.
    bare: Option<(u64, u32)>,
    wide: Option<(u64, u32)>,
}

impl Survey {
    /// Starts with a node: its name, and then its content or target.
    pub(crate) fn node<'a>(
        &'a mut self,
        tree: &Tree,
        number: u32,
        hashes: &Hashes,
    ) -> Surveyed<'a> {
        let location = tree.location(number);
        let (head, tail) = (Vec::new(), Vec::new());
        let mut node =
            Surveyed { survey: self, node: number, location, head, tail, bare: None, wide: None };
        if hashes.first(&tree.node(number).name).is_some() {
            node.obstacle("its name holds a store hash");
        }
        node
    }
}

impl Surveyed<'_> {
    /// Takes the next bytes of a file's content.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let missing = compressed::HEAD_LEN - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        let last = &bytes[bytes.len().saturating_sub(compressed::TAIL_LEN)..];
        let passed = (self.tail.len() + last.len()).saturating_sub(compressed::TAIL_LEN);
        self.tail.drain(..passed);
        self.tail.extend_from_slice(last);
    }

    /// Takes a hash that was found in the content or the target.
    pub(crate) fn occurrence(&mut self, found: Occurrence) {
        let Occurrence { position, number, form } = found;
        let unfit = match form {
            Form::Reference => {
                let offset = position - PREFIX.len() as u64;
                let references = self.survey.references.entry(self.node).or_default();
                references.push(Reference { offset, path: number });
                return;
            }
            Form::Bare => &mut self.bare,
            Form::Wide => &mut self.wide,
        };
        let (_, count) = unfit.get_or_insert((position, 0));
        *count = count.saturating_add(1);
    }

    /// Ends a node; if it is a compressed file, looks for references inside.
    ///
    /// # Errors
    ///
    /// If it cannot be opened again.
    pub(crate) fn end(mut self, store: &Store, hashes: &Hashes) -> Result<()> {
        for (found, one, many) in [
            (self.bare, "a store hash without its path", "store hashes without their paths"),
            (self.wide, "a reference in UTF-16 or UTF-32", "references in UTF-16 or UTF-32"),
        ] {
            match found {
                None => {}
                Some((at, 1)) => self.obstacle(&format!("{one}, at byte {at}")),
                Some((at, count)) => {
                    self.obstacle(&format!("{count} {many}, the first at byte {at}"));
                }
            }
        }
        if self.location.ends_with(b".pyc") && format::is_checked_pyc(&self.head) {
            self.survey.checked_pycs.insert(self.node);
        }
        let Some(method) = compressed::Method::of(&self.head, &self.tail) else { return Ok(()) };
        if self.is_documentation() {
            // Bytes that a compressed file holds uncompressed are under its checksum.
            self.survey.references.remove(&self.node);
            return Ok(());
        }
        let file = store
            .open_file(&self.location)
            .map_err(|error| Error::in_store("read", &self.location, error))?;
        let name = method.name();
        match compressed::holds_reference(file, method, hashes, compressed::LIMIT) {
            Ok(false) => {}
            Ok(true) => self.obstacle(&format!("a reference inside a {name} file")),
            Err(error) => {
                self.obstacle(&format!("a {name} file that cannot be looked into ({error})"));
            }
        }
        Ok(())
    }

    fn obstacle(&mut self, what: &str) {
        if !self.is_documentation() {
            let location = Escaped(&self.location);
            self.survey.obstacles.push(format!("{}/{location}: {what}", format::STORE_DIR));
        }
    }

    fn is_documentation(&self) -> bool {
        let below = self.location.iter().position(|byte| *byte == b'/').map(|at| at + 1);
        let below = below.and_then(|at| self.location.get(at..)).unwrap_or_default();
        DOCUMENTATION.iter().any(|directory| below.starts_with(directory))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::progress::Progress;
    use crate::scan::content::Content;
    use crate::source::exclude::Exclude;
    use crate::source::store::tests::{BASH, GLIBC, TestStore};

    /// What is in the way, and how many references can be rewritten.
    fn survey(store: &TestStore) -> (Vec<String>, usize) {
        let store = store.file(&format!("{GLIBC}/lib/libc.so"), "").open();
        let tree = Tree::read(&store, &store.paths().unwrap(), &Exclude::default()).unwrap();
        let hashes = Hashes::of_paths(&tree.paths);
        let threads = NonZeroUsize::MIN;
        let content = Content::read(&store, &tree, &hashes, threads, &Progress::hidden()).unwrap();
        (content.obstacles().map(str::to_owned).collect(), content.count_references().0)
    }

    /// As `survey`, for one file.
    fn survey_file(name: &str, content: &[u8]) -> (Vec<String>, usize) {
        survey(TestStore::new().file(&format!("{BASH}/{name}"), content))
    }

    /// The obstacle `what` in `file`; none if it is empty.
    fn refused(file: &str, what: &str) -> Vec<String> {
        what.lines().map(|what| format!("/nix/store/{BASH}/{file}: {what}")).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn text_is_judged_by_what_stands_before_the_hash() {
        for (text, references, what) in [
            ("/nix/store/HASH", 1, ""),
            ("/nix/store/HASH-glibc/lib:/nix/store/HASH-glibc", 2, ""),
            ("//nix/store/HASH-glibc", 1, ""),
            ("file:///nix/store/HASH-glibc", 1, ""),
            // No reference: not to Nix either.
            ("/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1a", 0, ""),
            ("/nix/store/1B9P07Z77PHVV2HF6GM9F28SYP39F1AG-glibc", 0, ""),
            ("/nix/store/00000000000000000000000000000000-absent", 0, ""),
            // What would name another file, or none, if it were replaced.
            ("HASH", 0, "a store hash without its path, at byte 0"),
            ("/gnu/store/HASH-glibc", 0, "a store hash without its path, at byte 11"),
            ("/nix//store/HASH-glibc", 0, "a store hash without its path, at byte 12"),
            ("/nix/store//HASH-glibc", 0, "a store hash without its path, at byte 12"),
            ("../HASH-glibc/lib", 0, "a store hash without its path, at byte 3"),
            (r"\/nix\/store\/HASH-glibc", 0, "a store hash without its path, at byte 14"),
            ("%2Fnix%2Fstore%2FHASH", 0, "a store hash without its path, at byte 17"),
            ("%2fnix%2fstore%2fHASH", 0, "a store hash without its path, at byte 17"),
            (
                "HASH /nix/store/HASH HASH",
                1,
                "2 store hashes without their paths, the first at byte 0",
            ),
        ] {
            let expected = (refused("lib/x", what), references);
            let content = text.replace("HASH", &GLIBC[..32]);
            assert_eq!(survey_file("lib/x", content.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn wide_text_is_refused() {
        let text = format!("/nix/store/{GLIBC}|");
        let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect();
        let utf32 = |unit: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| unit(c.into())).collect();
        let cases: [(Vec<u8>, u32); 4] = [
            (utf16(u16::to_le_bytes), 22),
            (utf16(u16::to_be_bytes), 23),
            (utf32(u32::to_le_bytes), 44),
            (utf32(u32::to_be_bytes), 47),
        ];
        for (content, at) in cases {
            let what = format!("a reference in UTF-16 or UTF-32, at byte {at}");
            assert_eq!(survey_file("lib/x", &content), (refused("lib/x", &what), 0));
            let what = format!("2 references in UTF-16 or UTF-32, the first at byte {at}");
            assert_eq!(survey_file("lib/x", &content.repeat(2)), (refused("lib/x", &what), 0));
        }
    }

    #[test]
    fn compressed_files_are_looked_into() {
        // Not compressed, so that the reference stands in the file as it is: it must not be rewritten.
        let stored = gzip(format!("/nix/store/{GLIBC}").as_bytes());
        let what = "a reference inside a gzip file";
        assert_eq!(survey_file("lib/x", &stored), (refused("lib/x", what), 1));
        assert_eq!(survey_file("lib/x", &gzip(b"nothing here")), (Vec::new(), 0));
        let (obstacles, _) = survey_file("lib/x", &stored[..20]);
        assert!(obstacles[0].contains("a gzip file that cannot be looked into ("), "{obstacles:?}");
    }

    #[test]
    fn documentation_alone_is_excused() {
        let hash = &GLIBC[..32];
        let stored = gzip(format!("/nix/store/{GLIBC}").as_bytes());
        for name in ["share/man/man1/x.1", "share/doc/x", "share/info/x"] {
            assert_eq!(survey_file(name, hash.as_bytes()), (Vec::new(), 0), "{name}");
            assert_eq!(survey_file(name, &stored), (Vec::new(), 0), "{name}");
            assert_eq!(survey_file(&format!("{name}-{hash}"), b""), (Vec::new(), 0), "{name}");
            let text = format!("/nix/store/{GLIBC}");
            assert_eq!(survey_file(name, text.as_bytes()), (Vec::new(), 1), "{name}");
        }
        for name in ["share/mandatory", "share/man", "lib/share/man/x", "man/x", "share/document/x"]
        {
            let what = "a store hash without its path, at byte 0";
            assert_eq!(survey_file(name, hash.as_bytes()), (refused(name, what), 0));
        }
    }

    #[test]
    fn names_and_targets_are_judged() {
        let hash = &GLIBC[..32];
        let name = format!("lib/{hash}.txt");
        let what = "its name holds a store hash";
        assert_eq!(survey_file(&name, b""), (refused(&name, what), 0));
        let link = |target: &str| survey(TestStore::new().link(&format!("{BASH}/lib"), target));
        assert_eq!(link(&format!("/nix/store/{GLIBC}/lib")), (Vec::new(), 1));
        let what = "a store hash without its path, at byte 3";
        assert_eq!(link(&format!("../{GLIBC}/lib")), (refused("lib", what), 0));
    }
}
