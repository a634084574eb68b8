//! OCI images: the time to make one, and the bytes that an update sends again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::{Closure, packer, run};

use crate::closures::Subject;
use crate::fixture::{self, directory, extracted};
use crate::part::Part;
use crate::table::Table;
use crate::turns::{Case, Turns};

const ROUNDS: usize = 5;

const GZIP: &str = "tar | gzip -9";
const BUILDAH: &str = "buildah commit";
const BUILDAH_GZIP: &str = "buildah commit, compressed";
const PACKER: &str = "packer image";
const PACKER_NONE: &str = "packer image --compression none";

/// The closures whose layers are compared.
const CLOSURES: [&str; 3] = ["markov", "markov-circus", "blog"];

/// Layers at most, as nixpkgs' `buildLayeredImage` has it, and packer.
const MAX_LAYERS: usize = 100;

/// Measures images.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("OCI images");
    time(&mut part);
    for attribute in CLOSURES {
        updates(&mut part, attribute);
    }
    part.note("Sent again: the compressed bytes (gzip -6, store path by store path) of all layers with a store path that \
        has changed. With another glibc, the store paths that refer to it have other names, so they have changed as well. \
        buildLayeredImage: the store paths in the order of the number of ways to them from the root, each a layer, the last \
        one with all the rest. nix2container: one layer, unless its user says which store paths are another.");
    part
}

/// The time to make an image, beside the same files in a compressed archive and in another tool's image.
fn time(part: &mut Part) {
    let closure = Closure::example("markov-circus");
    let files = extracted(&Subject::of("markov-circus", 1).bundle);
    let work = directory().join("images");
    fixture::shell("rm -rf \"$1\" && mkdir \"$1\"", &[&work]);
    let image = |arguments: &[&str]| {
        let mut command = Command::new(packer());
        command
            .args(["image", "--no-cache", "--entry", "/bin/markov", "--closure"])
            .arg(&closure.path);
        command.args(arguments).arg("--output").arg(work.join("image.tar"));
        command
    };
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-ec", script, "sh"]).arg(&files).arg(&work);
        command
    };
    let buildah = |options: &str| {
        shell(&format!(
            "cd \"$2\"; b='buildah --root store --runroot run --storage-driver vfs'
            c=$($b from scratch); $b copy -q $c \"$1\" / >/dev/null
            $b commit -q {options} $c oci-archive:image.tar >/dev/null; $b rm $c >/dev/null"
        ))
    };
    let cases: [Case<'_>; 6] = [
        (GZIP, Box::new(|| shell("tar -C \"$1\" -c . | gzip -9 > \"$2/image.tar\""))),
        (BUILDAH, Box::new(|| buildah(""))),
        (BUILDAH_GZIP, Box::new(|| buildah("--disable-compression=false"))),
        (PACKER_NONE, Box::new(|| image(&["--compression", "none"]))),
        (PACKER, Box::new(|| image(&[]))),
        ("packer image --compression zstd", Box::new(|| image(&["--compression", "zstd"]))),
    ];
    let mut bytes = vec![0; cases.len()];
    let turns = Turns::of(&cases, ROUNDS, |case| {
        let image = work.join("image.tar");
        bytes[case] = fs::metadata(&image).expect("it is made").len();
        fs::remove_file(image).expect("remove an image");
    });
    let head = ["case", "of tar and gzip", "median s", "MB"];
    let mut table = Table::new("The markov-circus closure as an image", &head);
    for (case, (name, _)) in cases.iter().enumerate() {
        let [share, median] = turns.cells(case);
        let megabytes = format!("{:.1}", bytes[case] as f64 / 1e6);
        table.row([(*name).to_owned(), share, median, megabytes]);
    }
    part.tables.push(table);
    part.limit(format!("{PACKER} / {GZIP}, time"), turns.ratio(4, 0).median, 1.0);
    part.limit(format!("{PACKER} / {BUILDAH_GZIP}, time"), turns.ratio(4, 2).median, 1.0);
    part.limit(format!("{PACKER_NONE} / {BUILDAH}, time"), turns.ratio(3, 1).median, 1.0);
    fixture::shell("rm -rf \"$1\"", &[&work]);
}

/// The bytes of the layers that an update sends again.
fn updates(part: &mut Part, attribute: &str) {
    let closure = Closure::example(attribute);
    let graph = Graph::of(&closure);
    let root = name(&closure.path);
    let glibc =
        graph.references.keys().find(|path| path.ends_with("-glibc") || path.contains("-libc6"));
    let glibc = glibc.cloned().expect("the closure has a C library");
    let ways = [
        (PACKER, ours(&closure)),
        ("buildLayeredImage", graph.by_popularity(&root)),
        ("nix2container", vec![graph.references.keys().cloned().collect()]),
    ];
    let events = [("the program", BTreeSet::from([root])), ("glibc", graph.dependents(&glibc))];
    let mut table = Table::new(
        &format!("{attribute}: sent again after an update of"),
        &["layers by", "layers", "the program, MB", "glibc, MB"],
    );
    let sent = |layers: &[Vec<String>], changed: &BTreeSet<String>| {
        let is_changed = |layer: &&Vec<String>| layer.iter().any(|path| changed.contains(path));
        let paths = layers.iter().filter(is_changed).flatten();
        paths.map(|path| graph.bytes[path]).sum::<u64>() as f64 / 1e6
    };
    for (way, layers) in &ways {
        let [program, glibc] = events.each_ref().map(|(_, changed)| sent(layers, changed));
        table.row([
            (*way).to_owned(),
            layers.len().to_string(),
            format!("{program:.3}"),
            format!("{glibc:.3}"),
        ]);
    }
    let [own, other] = [0, 1].map(|way: usize| sent(&ways[way].1, &events[0].1));
    part.limit(
        format!("{attribute}: {PACKER} / buildLayeredImage, bytes for the program"),
        own / other,
        1.0,
    );
    part.tables.push(table);
}

/// The layers that packer makes.
fn ours(closure: &Closure) -> Vec<Vec<String>> {
    let output = directory().join("layers.tar");
    let mut command = Command::new(packer());
    let entry = entry(&closure.path);
    command.args(["image", "--json", "--compression", "none", "--entry", &entry, "--closure"]);
    let printed = run(command.arg(&closure.path).arg("--output").arg(&output)).text();
    fs::remove_file(output).expect("remove an image");
    let report: Value = serde_json::from_str(&printed).expect("packer prints JSON");
    let layers = report["layers"].as_array().expect("layers are listed").iter();
    let paths = |layer: &Value| -> Vec<String> {
        let paths = layer["store_paths"].as_array().expect("store paths are listed").iter();
        paths.map(|path| name(Path::new(path.as_str().expect("a path is text")))).collect()
    };
    layers.map(paths).collect()
}

/// The program with the name of the example, which has other names of it beside it.
fn entry(path: &Path) -> String {
    let name = name(path);
    format!("/bin/{}", &name[33..])
}

fn name(path: &Path) -> String {
    path.file_name().expect("a store path has a name").to_string_lossy().into_owned()
}

/// Store paths with what they refer to.
struct Graph {
    references: BTreeMap<String, BTreeSet<String>>,
    /// Compressed bytes.
    bytes: BTreeMap<String, u64>,
}

impl Graph {
    fn of(closure: &Closure) -> Graph {
        let query = |path: &String| {
            let mut command = Command::new("nix-store");
            let text = run(command.args(["--query", "--references"]).arg(path)).text();
            let others = text.lines().filter(|line| line != path);
            others.map(|line| name(Path::new(line))).collect::<BTreeSet<_>>()
        };
        let size = |path: &String| {
            let mut command = Command::new("sh");
            command.args(["-ec", "tar -C /nix/store -c \"$1\" | gzip -6 | wc -c", "sh"]);
            let text = run(command.arg(name(Path::new(path)))).text();
            text.trim().parse().expect("wc prints a number")
        };
        let paths: Vec<String> = closure.requisites().into_iter().collect();
        let own = |path: &String| name(&PathBuf::from(path));
        Graph {
            references: paths.iter().map(|path| (own(path), query(path))).collect(),
            bytes: paths.iter().map(|path| (own(path), size(path))).collect(),
        }
    }

    /// A store path and all that refer to it.
    fn dependents(&self, path: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([path.to_owned()]);
        loop {
            let refers =
                |references: &BTreeSet<String>| references.iter().any(|to| found.contains(to));
            let more: Vec<String> = self
                .references
                .iter()
                .filter(|(path, references)| !found.contains(*path) && refers(references))
                .map(|(path, _)| path.clone())
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    /// Each store path a layer, in the order of the number of ways to it; the rest is the last layer.
    fn by_popularity(&self, root: &str) -> Vec<Vec<String>> {
        let mut ways: BTreeMap<&str, f64> = BTreeMap::new();
        // Parents before what they refer to, so that each is gone through once.
        let mut order: Vec<&str> = Vec::new();
        self.visit(root, &mut order);
        for path in order.iter().rev() {
            let own = if *path == root { 1.0 } else { ways.get(path).copied().unwrap_or(0.0) };
            for below in &self.references[*path] {
                *ways.entry(below).or_default() += own;
            }
        }
        let mut paths: Vec<&String> = self.references.keys().collect();
        let popularity = |path: &String| ways.get(path.as_str()).copied().unwrap_or(0.0);
        paths.sort_by(|one, other| {
            popularity(other).total_cmp(&popularity(one)).then(one.cmp(other))
        });
        let (alone, rest) = paths.split_at(paths.len().min(MAX_LAYERS - 2));
        let mut layers: Vec<Vec<String>> = alone.iter().map(|path| vec![(*path).clone()]).collect();
        layers.extend(
            Some(rest.iter().map(|path| (*path).clone()).collect())
                .filter(|rest: &Vec<_>| !rest.is_empty()),
        );
        layers
    }

    /// Adds a store path behind all that it refers to.
    fn visit<'a>(&'a self, path: &'a str, order: &mut Vec<&'a str>) {
        if order.contains(&path) {
            return;
        }
        for below in &self.references[path] {
            self.visit(below, order);
        }
        order.push(path);
    }
}
