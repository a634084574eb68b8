//! Generates stores of any size; the files contain words, which compress like text.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tests::{Builder, Bundle, Closure};

use crate::{fixture, floor};

/// The number of files in one directory.
const FANOUT: u64 = 100;

/// The number of different words in all files.
const VOCABULARY: usize = 4096;

/// The size of a generated store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The name of the store and of its directory.
    pub(crate) name: &'static str,
    /// The number of store paths; the first has the entry and refers to all others.
    pub(crate) paths: u64,
    /// The number of files, spread evenly over the store paths.
    pub(crate) files: u64,
    /// The average number of bytes of a file.
    pub(crate) file_len: u64,
    /// Bytes of one additional sparse file; 0 for none.
    pub(crate) sparse_len: u64,
}

/// 50 000 files with 1 GB in total.
pub(crate) const LARGE: Shape =
    Shape { name: "large", paths: 50, files: 50_000, file_len: 20_000, sparse_len: 0 };

/// Half of [`LARGE`].
pub(crate) const HALF: Shape = Shape { name: "half", files: 25_000, ..LARGE };

/// 2 000 store paths.
pub(crate) const MANY_PATHS: Shape =
    Shape { name: "many-paths", paths: 2000, files: 10_000, file_len: 2000, sparse_len: 0 };

/// Half of [`MANY_PATHS`].
pub(crate) const SOME_PATHS: Shape =
    Shape { name: "some-paths", paths: 1000, files: 5000, ..MANY_PATHS };

/// More than 4 GiB, nearly all of it a hole in a sparse file.
pub(crate) const SPARSE: Shape =
    Shape { name: "sparse", paths: 1, files: 10, file_len: 20_000, sparse_len: 5 << 30 };

impl Shape {
    /// Describes the size.
    pub(crate) fn describe(&self) -> String {
        let bytes = self.files * self.file_len + self.sparse_len;
        let Shape { paths, files, .. } = self;
        format!("{paths} store paths, {files} files, {:.2} GB", bytes as f64 / 1e9)
    }

    /// Returns how to pack the store, after making it if needed. Level 3 is fast; only the number of files matters.
    pub(crate) fn builder(&self) -> Builder {
        let root = self.root();
        let closure = Closure { path: Path::new("/nix/store").join(self.base_name(0)) };
        let builder = Bundle::of(&closure).entry("/bin/tiny");
        builder.option("--store-root", root).option("--level", "3")
    }

    /// Makes the store once; returns the directory above `nix/store`.
    fn root(&self) -> PathBuf {
        let place = fixture::directory().join("stores").join(self.name);
        fixture::once(place, |root| self.make(&root.join("nix/store")))
    }

    /// Reads all files into the page cache, so that packing does not wait for the disk.
    pub(crate) fn warm_up(&self) {
        fixture::shell("find \"$1\" -type f -exec cat {} + >/dev/null", &[&self.root()]);
    }

    fn make(&self, store: &Path) {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let words: Vec<Vec<u8>> = (0..VOCABULARY).map(|_| random.word()).collect();
        let first = store.join(self.base_name(0));
        for file in 0..self.files {
            let owner = self.base_name(file % self.paths);
            let number = file / self.paths;
            let directory = store.join(&owner).join(format!("share/{}", number / FANOUT));
            fs::create_dir_all(&directory).expect("make a directory");
            let path = directory.join(format!("file-{number}"));
            self.write(&path, &owner, &words, &mut random);
        }
        let names: Vec<String> = (1..self.paths)
            .map(|number| format!("/nix/store/{}\n", self.base_name(number)))
            .collect();
        fs::create_dir_all(first.join("share")).expect("make a directory");
        fs::write(first.join("share/paths"), names.concat()).expect("write a file");
        if self.sparse_len > 0 {
            let file = File::create(first.join("share/sparse")).expect("make a file");
            file.set_len(self.sparse_len).expect("set a length");
            file.write_all_at(b"the end\n", self.sparse_len - 8).expect("write a file");
        }
        let program = floor::compile("tiny", &first.join("bin/tiny"));
        fs::set_permissions(program, Permissions::from_mode(0o755)).expect("set a mode");
    }

    /// Writes a file of half to one and a half times `file_len`; one file in eight refers to its own store path.
    fn write(&self, path: &Path, owner: &str, words: &[Vec<u8>], random: &mut Random) {
        let mut file = BufWriter::new(File::create(path).expect("make a file"));
        let len = self.file_len / 2 + random.below(self.file_len.max(1));
        let mut written = 0;
        if random.below(8) == 0 {
            writeln!(file, "/nix/store/{owner}").expect("write a file");
        }
        while written < len {
            let word = &words[usize::try_from(random.below(VOCABULARY as u64)).unwrap_or(0)];
            file.write_all(word).expect("write a file");
            written += word.len() as u64;
        }
        file.flush().expect("write a file");
    }

    /// Makes a base name with a unique hash; any 32 digits are a valid hash.
    fn base_name(&self, number: u64) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
        let mut random = Random(number.wrapping_add(1).wrapping_mul(0xD134_2543_DE82_EF95));
        let digit = |_| char::from(DIGITS[usize::try_from(random.below(32)).unwrap_or(0)]);
        let hash: String = (0..32).map(digit).collect();
        format!("{hash}-{}-{number}", self.name)
    }
}

/// xorshift64: Marsaglia, "Xorshift RNGs", 2003. It gives the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits are less random.
        (self.0 >> 16) % limit
    }

    /// Makes a word: two to nine letters and a space.
    fn word(&mut self) -> Vec<u8> {
        let len = 2 + self.below(8);
        let letter = |_| b'a' + u8::try_from(self.below(26)).unwrap_or(0);
        (0..len).map(letter).chain([b' ']).collect()
    }
}
