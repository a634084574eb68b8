//! `packer image`: the steps from a closure, or from a bundle, to an OCI image.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use format::{Action, Digest, STORE_DIR, StorePath};
use runtime::command;
use runtime::error::{Escaped, Size};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::gather::{self, Entries, Gathered};
use super::print;
use super::push::push;
use super::summary::{self, LeftOut};
use crate::elf::Machine;
use crate::error::{Error, Result};
use crate::output::frame::FrameCache;
use crate::output::image::{self, Description, Front, Options, Written};
use crate::output::tar::Layout;
use crate::plan::environment::{Piece, Rule};
use crate::plan::layers::{self, Part};
use crate::plan::{content_key, entry};
use crate::progress::Progress;
use crate::scan::content::Content;
use crate::scan::proof::Word;
use crate::source::bundle::Bundle;
use crate::source::closure::Ask;
use crate::source::tree::Tree;
use crate::{cli, show};

/// The store's place in an image.
const STORE: &str = "nix/store/";

/// Where certificates of authorities are looked for.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Packs a closure as an image.
///
/// # Errors
///
/// If any step fails; no partial output is left.
pub(crate) fn image(options: &cli::Image) -> Result<()> {
    let started = Instant::now();
    let progress = Progress::new();
    let bundle = options.bundle.as_deref().map(Bundle::open).transpose()?;
    let unpacked = bundle.as_ref().map(|bundle| Unpacked::of(bundle, options)).transpose()?;
    let packed = unpacked.as_ref().map_or(&options.packed, |unpacked| &unpacked.packed);
    let compression = options.compression()?;
    let entries = if options.store_only { Entries::Name } else { Entries::Run };
    let found = gather::find(packed, entries, Ask::Paths, None, &progress)?;
    let machine = found.machine;
    let mut gathered = found.read(packed, &Word::default(), &progress)?;
    if let Some(bundle) = &bundle {
        gathered.rules = rules(bundle);
    }
    let Gathered { store, closure, tree, programs, rules, threads, .. } = &gathered;

    let first = programs.first();
    let program = match (first, closure.roots.first()) {
        (Some(program), _) => Escaped(program.name()).to_string(),
        (None, Some(root)) => root.name().to_owned(),
        (None, None) => String::new(),
    };
    let is_root = !options.store_only;
    let (layouts, paths) = layouts(&gathered, options);
    let description = Description {
        name: options.name.clone().unwrap_or_else(|| name(&program)),
        architecture: architecture(machine),
        entrypoint: match first {
            Some(program) if is_root => vec![text(&program.full_path(), "the entry")?],
            _ => Vec::new(),
        },
        env: variables(rules)?,
        user: options.user.clone(),
        directory: options.workdir.clone(),
        labels: labels(programs, &program),
        annotations: annotations(&gathered, bundle.as_ref()),
    };
    // Without a name to keep it by, it is on the way to a registry.
    let on_the_way = match options.output {
        Some(_) => None,
        None => Some(temporary()?),
    };
    let path = match (&options.output, &on_the_way) {
        (Some(path), _) => path.clone(),
        (None, directory) => {
            directory.as_ref().map(|directory| directory.path().join("image")).unwrap_or_default()
        }
    };
    progress.start("packing", Some(layouts.iter().map(Layout::len).sum()));
    let cache = if packed.no_cache { FrameCache::none() } else { FrameCache::open() };
    let packing = Options { compression, threads: *threads, cache };
    let written = image::write(&path, (store, tree), &layouts, &description, &packing, &progress)?;
    drop(progress);
    let output = options.output.as_deref().or(options.push.as_deref().map(Path::new));
    let output = output.map(show::path).unwrap_or_default();
    let left_out: Vec<LeftOut> = gathered.left_out.iter().cloned().map(Into::into).collect();
    report(&output, options.json, (tree, &left_out), &written, &paths, started)?;
    match &options.push {
        Some(target) => push(&cli::Push {
            source: path,
            target: target.clone(),
            mount_from: None,
            transport: options.transport,
        }),
        None => Ok(()),
    }
}

/// Makes a directory that is removed at the end.
fn temporary() -> Result<TempDir> {
    tempfile::tempdir()
        .map_err(|source| Error::Temporary { directory: show::path(&std::env::temp_dir()), source })
}

fn report(
    output: &str,
    is_json: bool,
    (tree, left_out): (&Tree, &[LeftOut]),
    written: &[Written],
    paths: &[Vec<usize>],
    started: Instant,
) -> Result<()> {
    let bytes: u64 = written.iter().map(|layer| layer.blob.len).sum();
    let seconds = summary::seconds(started.elapsed());
    let (files, before, layers) = (tree.file_count(), tree.len(), written.len());
    if is_json {
        let layer = |(layer, paths): (&Written, &Vec<usize>)| {
            let path = |number: &usize| format!("{STORE_DIR}/{}", tree.paths[*number]);
            json!({
                "digest": format!("sha256:{}", layer.blob.digest),
                "bytes": layer.blob.len,
                "store_paths": paths.iter().map(path).collect::<Vec<_>>(),
            })
        };
        return print::json(&json!({
            "output": output,
            "store_paths": tree.paths.len(),
            "files": files,
            "left_out": left_out,
            "bytes_before": before,
            "bytes_after": bytes,
            "layers": written.iter().zip(paths).map(layer).collect::<Vec<_>>(),
            "seconds": seconds,
        }));
    }
    let (before, after) = (Size(before), Size(bytes));
    print::text(&format!(
        "{output}: {files} files, {before} -> {after} in {layers} layers, {}in {seconds:.1} s\n",
        summary::saved(left_out)
    ))
}

/// A bundle's closure in a directory, and the options to pack it again.
struct Unpacked {
    packed: cli::Packed,
    /// Removed at the end.
    _directory: TempDir,
}

impl Unpacked {
    fn of(bundle: &Bundle, options: &cli::Image) -> Result<Unpacked> {
        let directory = temporary()?;
        let root = directory.path().as_os_str().as_bytes();
        bundle.run(|payload| command::extract(payload, root))?;
        let descriptor = &bundle.header.descriptor;
        let in_store = |path: &StorePath| format!("{STORE_DIR}/{path}").into_bytes();
        let entry = descriptor.entries.iter().map(|entry| {
            let path = &descriptor.paths[usize::from(entry.path)].path;
            OsString::from_vec([in_store(path), entry.program.clone()].concat())
        });
        let closure = bundle.sections.manifest.paths.iter();
        let closure =
            closure.map(|packed| PathBuf::from(OsString::from_vec(in_store(&packed.path))));
        let drivers = descriptor.graphics.and_then(|graphics| graphics.drivers);
        let drivers = drivers.map(|number| &descriptor.paths[usize::from(number)].path);
        let packed = cli::Packed {
            closure: closure.collect(),
            entry: entry.collect(),
            graphics: drivers.map(|path| OsString::from_vec(in_store(path)).into()),
            store_root: Some(directory.path().to_owned()),
            secret: options.packed.secret.clone(),
            threads: options.packed.threads,
            no_cache: options.packed.no_cache,
            ..cli::Packed::default()
        };
        Ok(Unpacked { packed, _directory: directory })
    }
}

/// The rules of a bundle, which has the default ones among them.
fn rules(bundle: &Bundle) -> Vec<Rule> {
    let descriptor = &bundle.header.descriptor;
    let piece = |piece: &format::Piece| match piece {
        format::Piece::Bytes(bytes) => Piece::Bytes(bytes.clone()),
        format::Piece::Path(number) => {
            Piece::Path(descriptor.paths[usize::from(*number)].path.clone())
        }
        format::Piece::Bundle => Piece::Bundle,
    };
    let rule = |rule: &format::Rule| Rule {
        action: rule.action,
        name: rule.name.clone(),
        value: rule.value.iter().map(piece).collect(),
    };
    descriptor.environment.iter().map(rule).collect()
}

/// The store paths of the entries; without one, those that were asked for.
fn tops(gathered: &Gathered) -> Vec<&StorePath> {
    match &gathered.programs[..] {
        [] => gathered.closure.roots.iter().collect(),
        programs => programs.iter().map(|program| &program.path).collect(),
    }
}

/// Lays out the layers: what is no store path, in front of those that are the same for many images, or in the last one.
/// Returns with them the numbers of their store paths.
fn layouts(gathered: &Gathered, options: &cli::Image) -> (Vec<Layout>, Vec<Vec<usize>>) {
    let Gathered { tree, content, programs, .. } = gathered;
    let tops: Vec<_> = tops(gathered).into_iter().filter_map(|path| tree.number_of(path)).collect();
    let parts: Vec<Part<'_>> = (0..tree.paths.len())
        .map(|number| Part {
            len: tree.path_len(number),
            references: &content.paths[number].references,
            is_entry: tops.contains(&number),
        })
        .collect();
    if options.store_only {
        let layers = layers::choose(&parts, options.max_layers.into());
        let layout = |layer: &Vec<usize>| layout(tree, content, "", Vec::new(), layer);
        return (layers.iter().map(layout).collect(), layers);
    }
    let mut layers = layers::choose(&parts, usize::from(options.max_layers) - 1);
    let last = layers.len() - 1;
    let base = Layout::new(tree, STORE, base(options).into_bytes(), [].into_iter());
    let store = layers.iter().enumerate().map(|(number, layer)| {
        let mut front = Front::default();
        if number == last {
            links(&mut front, tree, programs);
            let graphics = gathered.graphics.as_ref();
            if let Some(drivers) = graphics.and_then(|graphics| graphics.drivers.as_ref()) {
                front.directory("run", 0o755);
                front.link(OPENGL_DRIVER, format!("{STORE_DIR}/{drivers}").as_bytes());
            }
        }
        front.directory("nix", 0o755);
        front.directory("nix/store", 0o755);
        layout(tree, content, STORE, front.into_bytes(), layer)
    });
    let layouts = [base].into_iter().chain(store).collect();
    layers.insert(0, Vec::new());
    (layouts, layers)
}

/// Lays out store paths; files that are the same within a layer are hard links.
fn layout(
    tree: &Tree,
    content: &Content,
    store: &'static str,
    front: Vec<u8>,
    layer: &[usize],
) -> Layout {
    let mut known = std::collections::HashMap::new();
    let nodes = layer.iter().flat_map(|path| tree.nodes_of(*path));
    let nodes = nodes.map(|node| (node, *known.entry(content.first(node)).or_insert(node)));
    let nodes: Vec<_> = nodes.collect();
    Layout::new(tree, store, front, nodes.into_iter())
}

/// What every system has: a place for temporary files, one to work in, and the names of its users.
fn base(options: &cli::Image) -> Front {
    let mut base = Front::default();
    let (user, group) = options.user.split_once(':').unwrap_or((&options.user, &options.user));
    let (mut users, mut groups) =
        ("root:x:0:0:root:/:/bin/sh\n".to_owned(), "root:x:0:\n".to_owned());
    if user != "0" {
        users.push_str(&format!("user:x:{user}:{group}:user:{}:/bin/sh\n", options.workdir));
    }
    if group != "0" {
        groups.push_str(&format!("user:x:{group}:\n"));
    }
    base.directory("etc", 0o755);
    base.file("etc/group", &groups);
    base.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
    base.file("etc/passwd", &users);
    // Any user may be chosen when it runs.
    for shared in ["tmp", "var/tmp", options.workdir.trim_matches('/')] {
        let mut above = String::new();
        for name in shared.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev() {
            above = format!("{above}{name}");
            base.directory(&above, 0o755);
            above.push('/');
        }
        if !shared.is_empty() {
            base.directory(shared, 0o1777);
        }
    }
    base
}

/// Where the closure's programs look for graphics drivers.
const OPENGL_DRIVER: &[u8] = b"run/opengl-driver";

/// Links to the entries, so that their names are found, and to the certificates of authorities.
fn links(front: &mut Front, tree: &Tree, programs: &[entry::Program]) {
    front.directory("bin", 0o755);
    for program in programs {
        front.link(&[b"bin/", program.name()].concat(), &program.full_path());
    }
    let below = ["etc/ssl/certs/ca-bundle.crt", CERTIFICATES];
    let found = tree.paths.iter().find_map(|path| {
        let files = below.iter().map(|below| format!("{STORE_DIR}/{path}/{below}"));
        files
            .into_iter()
            .find(|file| crate::source::resolve::resolve(tree, file.as_bytes()).is_ok())
    });
    if let Some(file) = found {
        for directory in ["etc", "etc/ssl", "etc/ssl/certs"] {
            front.directory(directory, 0o755);
        }
        front.link(CERTIFICATES.as_bytes(), file.as_bytes());
    }
}

/// The rules as variables that the image sets. An engine's user can set others in their place; of the caller's there are
/// none, so nothing is removed. Of files that may exist, those of the closure do.
fn variables(rules: &[Rule]) -> Result<Vec<String>> {
    let mut variables: Vec<(Vec<u8>, Vec<u8>)> = vec![(b"PATH".to_vec(), b"/bin".to_vec())];
    for rule in rules {
        let is_of_closure = matches!(rule.value.first(), Some(Piece::Path(_)));
        let is_known = variables.iter().any(|(name, _)| *name == rule.name);
        match rule.action {
            Action::Set => {}
            Action::SetUnlessSet if !is_known || rule.name == b"PATH" => {}
            Action::SetIfExists if is_of_closure && !is_known => {}
            _ => continue,
        }
        let piece = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => Ok(bytes.clone()),
            Piece::Path(path) => Ok(format!("{STORE_DIR}/{path}").into_bytes()),
            Piece::Bundle => {
                Err(Error::NoBundleInImage { variable: Escaped(&rule.name).to_string() })
            }
        };
        let value = rule.value.iter().map(piece).collect::<Result<Vec<_>>>()?.concat();
        variables.retain(|(name, _)| *name != rule.name);
        variables.push((rule.name.clone(), value));
    }
    let line =
        |(name, value): &(Vec<u8>, Vec<u8>)| text(&[name, &b"="[..], value].concat(), "a variable");
    variables.iter().map(line).collect()
}

/// Bytes as text, which JSON needs.
fn text(bytes: &[u8], what: &'static str) -> Result<String> {
    let text = std::str::from_utf8(bytes).map(str::to_owned);
    text.map_err(|_| Error::NoText { what, text: Escaped(bytes).to_string() })
}

fn labels(programs: &[entry::Program], name: &str) -> Map<String, Value> {
    let entries: Vec<String> =
        programs.iter().map(|program| Escaped(program.name()).to_string()).collect();
    let mut labels = Map::new();
    labels.insert("org.opencontainers.image.title".into(), json!(name));
    labels.insert("packer.entries".into(), json!(entries.join(" ")));
    labels
}

fn annotations(gathered: &Gathered, bundle: Option<&Bundle>) -> Map<String, Value> {
    let Gathered { tree, content, .. } = gathered;
    let keys = content_key::keys(&tree.paths, &content.paths);
    let key = |path: &&StorePath| tree.number_of(path).and_then(|at| keys.get(at));
    let mut annotations = Map::new();
    let mut add = |name: &str, digest: &Digest| {
        annotations.insert(name.into(), json!(digest.to_string()));
    };
    if let Some(key) = tops(gathered).first().and_then(key) {
        add("packer.key", key);
    }
    if let Some(bundle) = bundle {
        add("packer.bundle.id", &bundle.header.id);
    }
    annotations
}

/// The default name of an image: that of its first entry, with what a name may have.
fn name(program: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = program.chars().map(legal).collect();
    match name.trim_matches('-') {
        "" => "image:latest".to_owned(),
        name => format!("{name}:latest"),
    }
}

/// The name that Go has for a processor type: GOARCH.
fn architecture(machine: Machine) -> String {
    match machine.to_string().as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" => "386",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::store::tests::GLIBC;

    #[test]
    fn rules_become_variables() {
        let path = || Piece::Path(format::StorePath::parse(GLIBC.as_bytes()).unwrap());
        let bytes = |text: &str| Piece::Bytes(text.into());
        let rule = |action, name: &str, value| Rule { action, name: name.into(), value };
        let rules = [
            rule(Action::Remove, "LD_PRELOAD", vec![]),
            rule(Action::SetIfExists, "TZDIR", vec![bytes("/usr/share/zoneinfo")]),
            rule(Action::SetIfExists, "TZDIR", vec![path(), bytes("/share/zoneinfo")]),
            rule(Action::SetIfExists, "TZDIR", vec![path(), bytes("/other")]),
            rule(Action::Set, "A", vec![bytes("1")]),
            rule(Action::SetUnlessSet, "A", vec![bytes("2")]),
            rule(Action::SetUnlessSet, "PATH", vec![path(), bytes("/bin")]),
            rule(Action::Set, "A", vec![bytes("3=4")]),
        ];
        let store = format!("/nix/store/{GLIBC}");
        let expected =
            [format!("TZDIR={store}/share/zoneinfo"), format!("PATH={store}/bin"), "A=3=4".into()];
        assert_eq!(variables(&rules).unwrap(), expected);
        assert_eq!(variables(&[]).unwrap(), ["PATH=/bin"]);

        let error = variables(&[rule(Action::Set, "SELF", vec![Piece::Bundle])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the value of SELF has %BUNDLE% in it, and an image has no bundle"
        );
        let odd = rule(Action::Set, "A", vec![Piece::Bytes(vec![0xff])]);
        assert!(variables(&[odd]).unwrap_err().to_string().contains("A=\\xff"));
    }

    #[test]
    fn names_are_those_that_registries_take() {
        for (program, expected) in [
            ("markov", "markov:latest"),
            ("My Program", "my-program:latest"),
            ("", "image:latest"),
            ("-", "image:latest"),
        ] {
            assert_eq!(name(program), expected);
        }
    }
}
