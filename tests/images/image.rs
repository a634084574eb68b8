//! An image that `packer image` wrote, and what is in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Closure, Store, examples, nix_build, packer, run};

/// How an image is packed.
pub(crate) struct Packing(Command);

impl Packing {
    /// An image of a closure. As with bundles, what another run compressed is of no use to it.
    pub(crate) fn of(closure: &Closure) -> Packing {
        Packing::new().option("--closure", &closure.path)
    }

    /// An image of a path in a store made by hand.
    pub(crate) fn of_store(store: &Store, base_name: &str) -> Packing {
        let closure = Closure { path: Path::new("/nix/store").join(base_name) };
        Packing::of(&closure).option("--store-root", store.root())
    }

    /// An image of a bundle.
    pub(crate) fn of_bundle(bundle: &Path) -> Packing {
        let mut packing = Packing::new();
        packing.0.arg(bundle);
        packing
    }

    fn new() -> Packing {
        let mut command = Command::new(packer());
        // No directory: nothing is kept there.
        command.arg("image").env("XDG_CACHE_HOME", "/dev/null");
        Packing(command)
    }

    /// Adds an option with a value.
    pub(crate) fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Packing {
        self.0.arg(name).arg(value);
        self
    }

    /// Adds an option that has no value, or is in one word with it.
    pub(crate) fn flag(mut self, flag: &str) -> Packing {
        self.0.arg(flag);
        self
    }

    /// Adds an entry; the first is run.
    pub(crate) fn entry(self, program: &str) -> Packing {
        self.option("--entry", program)
    }

    /// Packs it: to a tar file if the name ends in `.tar`, else to a directory.
    #[track_caller]
    pub(crate) fn write(self, path: &Path) {
        run(&mut self.command(path)).expect_code(0);
    }

    /// The command that packs it.
    pub(crate) fn command(mut self, path: &Path) -> Command {
        self.0.arg("--output").arg(path);
        self.0
    }

    /// Packs it as a directory, and opens it.
    #[track_caller]
    pub(crate) fn image(self) -> Image {
        let directory = tempfile::tempdir().expect("make a directory");
        let path = directory.path().join("image");
        self.write(&path);
        Image::read(directory, path)
    }
}

/// A layer of an image.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    /// The names of its entries, as tar(1) lists them.
    pub(crate) names: Vec<String>,
}

/// An image to look into.
#[derive(Debug)]
pub(crate) struct Image {
    path: PathBuf,
    pub(crate) index: Value,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
    pub(crate) layers: Vec<Layer>,
    _directory: TempDir,
}

impl Image {
    /// Opens a layout, and checks every digest and length in it.
    #[track_caller]
    pub(crate) fn open(path: &Path) -> Image {
        let directory = tempfile::tempdir().expect("make a directory");
        let copy = directory.path().join("image");
        fs::create_dir(&copy).expect("make a directory");
        let mut command = if path.is_dir() {
            let mut command = Command::new("cp");
            command.args(["-a", "-T"]).arg(path).arg(&copy);
            command
        } else {
            let mut command = Command::new("tar");
            command.arg("-xf").arg(path).arg("-C").arg(&copy);
            command
        };
        run(&mut command).expect_code(0);
        Image::read(directory, copy)
    }

    #[track_caller]
    fn read(directory: TempDir, path: PathBuf) -> Image {
        let mut image = Image {
            index: json(&path.join("index.json")),
            manifest: Value::Null,
            config: Value::Null,
            layers: Vec::new(),
            path,
            _directory: directory,
        };
        assert_eq!(json(&image.path.join("oci-layout"))["imageLayoutVersion"], "1.0.0");
        let manifests = image.index["manifests"].as_array().expect("an index has manifests");
        assert_eq!(manifests.len(), 1);
        image.manifest = json(&image.blob(&manifests[0]));
        image.config = json(&image.blob(&image.manifest["config"]));
        let layers = image.manifest["layers"].as_array().expect("a manifest has layers");
        let diff_ids = image.config["rootfs"]["diff_ids"].as_array().expect("there are digests");
        assert_eq!(layers.len(), diff_ids.len());
        image.layers = layers
            .iter()
            .zip(diff_ids)
            .map(|(layer, diff_id)| {
                let _ = image.blob(layer);
                let (digest, media_type) = (text(&layer["digest"]), text(&layer["mediaType"]));
                let sum = image.stream(&digest, &media_type, "sha256sum");
                assert_eq!(format!("sha256:{}", &sum[..64]), text(diff_id));
                let names = image
                    .stream(&digest, &media_type, "tar -t")
                    .lines()
                    .map(str::to_owned)
                    .collect();
                Layer { digest, media_type, names }
            })
            .collect();
        image
    }

    /// The digests of its layers.
    pub(crate) fn digests(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.digest.as_str()).collect()
    }

    /// Unpacks it with stock tools, layer by layer, as an engine does.
    pub(crate) fn unpack(&self) -> TempDir {
        let root = tempfile::tempdir().expect("make a directory");
        for layer in &self.layers {
            let command = format!("tar -xp --numeric-owner -C {}", root.path().display());
            let said = self.stream(&layer.digest, &layer.media_type, &command);
            assert_eq!(said, "");
        }
        root
    }

    /// Where the blob of a descriptor is: it is checked.
    #[track_caller]
    fn blob(&self, descriptor: &Value) -> PathBuf {
        let digest = text(&descriptor["digest"]);
        let path = self.at(&digest);
        let len = fs::metadata(&path).expect("the blob is there").len();
        assert_eq!(descriptor["size"], len, "{digest}");
        let sum = run(Command::new("sha256sum").arg(&path)).text();
        assert_eq!(format!("sha256:{}", &sum[..64]), digest);
        path
    }

    fn at(&self, digest: &str) -> PathBuf {
        self.path.join("blobs").join(digest.replace(':', "/"))
    }

    /// What a command prints that reads a layer's tar stream.
    fn stream(&self, digest: &str, media_type: &str, command: &str) -> String {
        let decompress = match media_type.strip_prefix("application/vnd.oci.image.layer.v1.tar") {
            Some("+gzip") => "gzip -dc",
            Some("+zstd") => "zstd -dc",
            Some("") => "cat",
            _ => panic!("{media_type}"),
        };
        let blob = File::open(self.at(digest)).expect("open a layer");
        let script = format!("set -o pipefail; {decompress} | {command}");
        run(Command::new("bash").args(["-c", &script]).stdin(blob)).stdout()
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("read a document")).expect("it is JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is text").to_owned()
}

/// What there is of store paths in a directory: each file's name, kind, permissions, owner, time, target and digest.
pub(crate) fn listing(directory: &Path, names: &[String]) -> String {
    // Of links, only Nix's own have a time that matters to nobody.
    let script = r#"cd "$0" && export LC_ALL=C && {
        find "$@" -type l -printf '%p link to %l %U %G\n'
        find "$@" ! -type l -printf '%p %y %m %U %G %T@\n'
        find "$@" -type f -print0 | xargs -0 sha256sum
    } | sort"#;
    let mut command = Command::new("bash");
    run(command.args(["-euc", script]).arg(directory).args(names)).stdout()
}

/// Checks that a store has the paths of a closure, all as they are in Nix's.
#[track_caller]
pub(crate) fn assert_has(store: &Path, closure: &Closure) {
    let names = closure.requisites();
    let names: Vec<String> =
        names.iter().map(|path| path.trim_start_matches("/nix/store/").to_owned()).collect();
    let entries = fs::read_dir(store).expect("list a store");
    let mut found: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("it is text"))
        .collect();
    found.sort();
    assert_eq!(found, names);
    let (expected, found) = (listing(Path::new("/nix/store"), &names), listing(store, &names));
    let difference =
        expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(expected == found, "{difference:?}");
}

/// A program in Python; `script` is an expression of Nix.
pub(crate) fn python(name: &str, script: &str) -> Closure {
    let _ = Closure::example("python-example");
    let examples = examples();
    let expression = format!(
        r##"let made = {examples}; in made.pkgs.runCommand "{name}" {{
            python = made.pkgs.python3;
            text = {script};
        }} ''
            mkdir -p $out/bin
            printf '#!%s/bin/python3 -IB\n%s\n' $python "$text" > $out/bin/{name}
            chmod +x $out/bin/{name}
        ''"##
    );
    Closure { path: nix_build(&expression, &["--option", "sandbox", "false"]).0 }
}
