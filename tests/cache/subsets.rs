//! Several entries: a first start unpacks what its entry needs, and no other store path.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sys::signal::Signal::SIGTERM;
use serde_json::Value;
use tests::{Bundle, Change, Closure, Ended, Host, Nix, User, packer, tree, until};

/// What runs beside each other: env(1), and a program in Python.
const ENTRIES: [&str; 2] = ["env", "python-example"];

/// A bundle of both.
fn both(mode: &str) -> Bundle {
    let python = Closure::example("python-example").path;
    let bundle = Bundle::of(&Closure::example("coreutils")).entry("/bin/env");
    let bundle = bundle.entry(python.join("bin/python-example").to_str().expect("a path is text"));
    bundle.option("--closure", python).option("--level", "3").option("--mode", mode).pack()
}

/// A host with a link for each entry.
struct Installed {
    host: Host,
    bundle: Bundle,
    program: PathBuf,
}

impl Installed {
    fn new(mode: &str) -> Installed {
        let host = Host::ordinary();
        let bundle = both(mode);
        let program = host.install(&bundle.path);
        let link = program.with_file_name("python-example");
        symlink(&program, host.outside(link)).expect("make a link");
        Installed { host, bundle, program }
    }

    fn program(&self, entry: &str) -> PathBuf {
        self.program.with_file_name(entry)
    }

    /// Runs env(1), which prints a variable.
    fn env(&self) -> Ended {
        let ended = self.host.start(self.program("env")).env("ANSWER", "42").run();
        assert!(ended.stdout().contains("ANSWER=42\n"));
        ended
    }

    fn python(&self) -> Ended {
        let ended = self.host.start(self.program("python-example")).run();
        assert!(ended.text().contains("\"answer\": 42"));
        ended
    }

    /// The store paths in the cache, by their names without hashes.
    fn unpacked(&self) -> BTreeSet<String> {
        let cache = self.host.outside(self.host.cache());
        let places = [cache.join("stores/0"), cache];
        let names = places.iter().flat_map(|place| fs::read_dir(place).into_iter().flatten());
        let names = names.map(|name| name.expect("list the cache").file_name());
        let names = names.map(|name| name.to_str().expect("a name is text").to_owned());
        names.filter_map(|name| Some(name.split_once('-')?.1.to_owned())).collect()
    }

    /// The number of files and links in the cache.
    fn files(&self) -> usize {
        let cache = self.host.outside(self.host.cache());
        let all = tree::list(&cache).expect("list the cache");
        all.keys()
            .filter(|path| !path.contains(".contents/") && !path.starts_with("/bundles/"))
            .count()
    }
}

/// What `packer inspect --json` says of an entry.
fn entry(info: &Value, name: &str) -> Value {
    let entries = info["entries"].as_array().expect("entries are listed");
    entries.iter().find(|entry| entry["name"] == name).expect("the entry is listed").clone()
}

#[test]
fn a_first_start_unpacks_what_its_entry_needs() {
    for mode in ["relocate", "namespace"] {
        let installed = Installed::new(mode);
        let info = installed.bundle.inspect();
        let [env, python] = ENTRIES.map(|name| entry(&info, name)["store_paths"].as_u64().unwrap());
        let all = info["store_paths"].as_array().unwrap().len();
        assert!(env < python && python < all as u64, "{mode}: {env} {python} {all}");

        installed.env();
        let (first, files) = (installed.unpacked(), installed.files());
        assert_eq!(first.len() as u64, env, "{mode}: {first:?}");
        assert!(!first.iter().any(|name| name.starts_with("python")), "{mode}: {first:?}");
        installed.env();
        assert_eq!(installed.unpacked(), first, "{mode}");

        // The others follow.
        installed.python();
        assert_eq!(installed.unpacked().len(), all, "{mode}");
        assert!(installed.files() > 3 * files, "{mode}: {files} {}", installed.files());
        installed.env();
        installed.python();
        assert_eq!(installed.unpacked().len(), all, "{mode}");
    }
}

#[test]
fn the_larger_entry_has_what_the_smaller_one_needs_of_it() {
    let installed = Installed::new("namespace");
    let info = installed.bundle.inspect();
    installed.python();
    let python = entry(&info, "python-example")["store_paths"].as_u64().unwrap();
    assert_eq!(installed.unpacked().len() as u64, python);
    let glibc = |name: &String| name.starts_with("libc6");
    assert!(installed.unpacked().iter().any(glibc), "{:?}", installed.unpacked());
    installed.env();
    assert_eq!(installed.unpacked().len(), info["store_paths"].as_array().unwrap().len());
}

#[test]
fn one_entry_starts_the_other_inside() {
    for mode in ["namespace", "ram", "relocate"] {
        let installed = Installed::new("namespace,ram,relocate");
        let start = installed.host.start(installed.program("env")).env("PACKED_MODE", mode);
        let start = start.arg(installed.program("python-example"));
        assert!(start.run().text().contains("\"answer\": 42"), "{mode}");
        let start = installed.host.start(installed.program("env")).env("PACKED_MODE", mode);
        let start = start.args(["-u", "PACKED_MODE"]).arg(installed.program("env"));
        let start = start.arg(installed.program("python-example"));
        assert!(start.run().text().contains("\"answer\": 42"), "{mode}");
    }
}

#[test]
fn memory_has_what_the_entry_needs() {
    let installed = Installed::new("ram");
    let start = |entry: &str| {
        let ended = installed.host.start(installed.program(entry)).env("PACKED_LOG", "debug").run();
        ended.expect_code(0);
        let line =
            ended.stderr().lines().find(|line| line.contains("to memory")).map(str::to_owned);
        let line = line.expect("the log tells how much");
        line.split_once("unpacking ").expect("it tells how much").1.to_owned()
    };
    assert_ne!(start("env"), start("python-example"));
}

#[test]
fn each_subset_is_verified_listed_and_removed() {
    for mode in ["relocate", "namespace"] {
        let installed = Installed::new(mode);
        let packer = installed.host.install(packer());
        let list = || installed.host.start(&packer).args(["cache", "list"]).run().stdout();
        let command = |command: &str| {
            installed.host.start(installed.program("env")).env("PACKED", command).run().stdout()
        };
        installed.env();
        let few = installed.unpacked().len();
        assert!(command("verify").contains(&format!(": {few} store paths are whole\n")), "{mode}");
        assert!(list().contains(&format!("  env ({few} store paths, ")), "{mode}: {}", list());
        assert_eq!(installed.unpacked().len(), few, "{mode}");
        installed.python();
        let all = installed.unpacked().len();
        assert!(command("verify").contains(&format!(": {all} store paths are whole\n")), "{mode}");
        assert!(list().contains("  python-example ("), "{mode}: {}", list());

        // Altered files of either are unpacked again.
        let cache = installed.host.outside(installed.host.cache());
        for end in ["/bin/env", "/bin/python-example"] {
            let files = tree::list(&cache).expect("list the cache");
            let file = files.keys().find(|path| path.ends_with(end)).expect("it is there");
            let file = cache.join(file.trim_start_matches('/'));
            let original = fs::read(&file).unwrap();
            fs::write(&file, "#!/bin/sh\necho altered\n").expect("alter it");
            assert!(
                command("verify").contains("was altered, and is unpacked again"),
                "{mode}{end}"
            );
            assert_eq!(fs::read(&file).unwrap(), original, "{mode}{end}");
        }
        installed.env();
        installed.python();

        // What the other one uses stays while it runs.
        let sleeping = installed.host.start(installed.program("env")).args(["sleep", "60"]).spawn();
        until("it is listed as running", || list().contains("running").then_some(()));
        assert!(command("clear").contains("in use, not cleared"), "{mode}");
        installed.env();
        sleeping.signal(SIGTERM);
        sleeping.wait().expect_signal(15);
        assert!(command("clear").starts_with("cleared "), "{mode}");
        assert!(installed.unpacked().is_empty(), "{mode}: {:?}", installed.unpacked());
    }
}

#[test]
fn a_later_boot_repairs_only_what_was_there() {
    let installed = Installed::new("namespace");
    installed.env();
    let few = installed.unpacked();
    // As another boot left it: the record names a boot that has ended.
    let bundles = installed.host.outside(installed.host.cache()).join("bundles");
    for record in fs::read_dir(&bundles).unwrap() {
        let path = record.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let boot = text.lines().nth(1).expect("the second line is the boot").to_owned();
        assert!(path.to_str().unwrap().ends_with(".subset-0"), "{}", path.display());
        let other = "boot 123e4567-e89b-12d3-a456-426614174000";
        fs::write(&path, text.replace(&boot, other)).unwrap();
    }
    installed.env();
    assert_eq!(installed.unpacked(), few);
}

#[test]
fn all_of_a_shared_cache_serves_each_entry() {
    for mode in ["relocate", "namespace"] {
        let installed = Installed::new(mode);
        let admin = Host::new(User::root(), Nix::Absent);
        let [packer, program] =
            [packer(), installed.bundle.path.clone()].map(|file| admin.install(file));
        let cache =
            admin.start(&packer).args(["cache", "add", "--to", "/srv/shared"]).arg(&program);
        let all = installed.bundle.inspect()["store_paths"].as_array().map_or(0, Vec::len);
        assert!(
            cache.run().stdout().contains(&format!("{all} store paths, {all} of them new")),
            "{mode}"
        );
        let mount = Change::Bind { source: admin.outside("/srv/shared"), at: "/srv/shared".into() };
        let host = Host::changed(User::ordinary(), Nix::Absent, &[mount]);
        host.directory("/srv/shared", 0o755);
        let program = host.install(&installed.bundle.path);
        let ended = host
            .start(&program)
            .env("PACKED_SHARED", "/srv/shared")
            .env("PACKED_LOG", "debug")
            .run();
        ended.expect_code(0);
        let log = ended.stderr();
        assert!(
            log.contains("in the shared cache /srv/shared") && !log.contains("unpacking"),
            "{mode}: {log}"
        );
    }
}
