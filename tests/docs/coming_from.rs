//! The pages for people who come from elsewhere, `docs/from-….md`: each command of ours on them is run.
//!
//! A page's commands are the code in the last column of its tables with the header `packer`, in this
//! order; code below the header `composition.nix` is a part of one. A command that stands anywhere else is a mistake.

use std::collections::BTreeSet;
use std::fs;

use tests::{Project, compose, http, run, source, target};

const PAGES: [&str; 4] = [
    "from-appimage.md",
    "from-docker-compose.md",
    "from-nix-bundle-command.md",
    "from-nix-bundle.md",
];

/// What is on a page.
#[derive(Default)]
struct Page {
    commands: Vec<String>,
    composition: Vec<String>,
    other: Vec<String>,
}

impl Page {
    fn read(name: &str) -> Page {
        let text = fs::read_to_string(source().join("docs").join(name)).expect("read a page");
        let mut page = Page::default();
        let mut header = None;
        for line in text.lines() {
            let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
                assert!(!line.starts_with("    ") && !line.contains("```"), "a block: {line}");
                header = None;
                page.other.extend(code(line));
                continue;
            };
            let last = cells(row).pop().expect("a row has cells");
            match header.get_or_insert(last.clone()).as_str() {
                "packer" => page.commands.extend(code(&last)),
                "composition.nix" => page.composition.extend(code(&last)),
                _ => page.other.extend(code(&last)),
            }
        }
        page
    }

    /// Commands in the text that are not run: two words alone are a command's name.
    fn forgotten(&self) -> Vec<&String> {
        let is_command = |code: &&String| {
            let mut words = code.split_whitespace();
            words.next().is_some_and(|word| {
                word.starts_with("PACKED")
                    || ["packer", "nix", "nix-build", "nix/build", "make"].contains(&word)
            }) && words.count() > 1
        };
        let other = self.other.iter().filter(is_command);
        other.filter(|code| !self.commands.contains(code)).collect()
    }

    /// Runs the commands, one after the other, in a project's directory; returns what they print.
    fn run(&self, project: &Project) -> String {
        let end = "trap 'kill $(jobs -p) 2>/dev/null || :' EXIT";
        // In the source tree, where all that it would set up and build is there.
        let make = r#"make() { command make -C "$SOURCE" -o setup -o build "$@"; }"#;
        let port = format!("localhost:{}", http::free_port());
        let commands = self.commands.join("\n").replace("localhost:8000", &port);
        let script = format!("{end}\n{make}\n{commands}\n");
        let mut bash = project.command("bash");
        bash.env("SOURCE", source()).env("CARGO_TARGET_DIR", target()).env_remove("MAKEFLAGS");
        let ended = run(bash.args(["-euxc", &script]).env("no_proxy", "*"));
        ended.expect_code(0);
        String::from_utf8_lossy(&ended.stdout).into_owned()
    }
}

/// The cells of a row; a bar in code is none between cells.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_code = false;
    for c in row.chars() {
        is_code ^= c == '`';
        match cells.last_mut() {
            Some(cell) if c != '|' || is_code => cell.push(c),
            _ => cells.push(String::new()),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// What stands between backquotes in a line.
fn code(line: &str) -> impl Iterator<Item = String> {
    let pieces: Vec<&str> = line.split('`').collect();
    assert!(pieces.len() % 2 == 1, "code ends on its line: {line}");
    pieces.into_iter().skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn every_page_is_linked_and_holds_only_commands_that_are_run() {
    let listed = fs::read_dir(source().join("docs")).expect("list docs");
    let names =
        listed.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    let found: BTreeSet<String> = names.filter(|name| name.starts_with("from-")).collect();
    assert_eq!(found, PAGES.map(str::to_owned).into());
    let readme = fs::read_to_string(source().join("README.md")).expect("read it");
    for name in PAGES {
        assert!(readme.contains(&format!("(docs/{name})")), "README.md links {name}");
        let page = Page::read(name);
        assert!(page.commands.len() > 4, "{name}: {:?}", page.commands);
        assert!(page.forgotten().is_empty(), "{name}: {:?} is not run", page.forgotten());
    }
}

/// Nix's settings of those who use its new commands.
fn with_flakes(project: &Project) {
    let settings = project.home().join(".config/nix");
    fs::create_dir_all(&settings).expect("make a directory");
    let features = "experimental-features = nix-command flakes\n";
    fs::write(settings.join("nix.conf"), features).expect("write Nix's settings");
}

#[test]
fn from_nix_bundle() {
    let printed = Page::read("from-nix-bundle.md").run(&Project::new());
    assert!(printed.lines().last().is_some_and(|line| line.starts_with("hello ")), "{printed}");
}

#[test]
fn from_nix_bundle_the_command() {
    let project = Project::new();
    with_flakes(&project);
    let printed = Page::read("from-nix-bundle-command.md").run(&project);
    for line in ["greet: ", "hello ", "other "] {
        assert!(printed.contains(&format!("\n{line}")), "{line}: {printed}");
    }
}

#[test]
fn from_appimage() {
    let printed = Page::read("from-appimage.md").run(&Project::new());
    assert!(printed.contains(" one two\n") && printed.contains("\nother "), "{printed}");
}

#[test]
fn from_docker_compose() {
    let project = Project::new();
    let page = Page::read("from-docker-compose.md");
    let composition = format!("with made; {{ {} }}", page.composition.join("\n"));
    fs::write(project.path().join("default.nix"), compose(&composition)).expect("write a file");
    // The function that makes bundles is a flake's here.
    with_flakes(&project);
    let printed = page.run(&project);
    for text in [
        "hello world.",
        "migration  ended: exit status 0",
        "\"name\":\"server\",\"state\":\"ready\"",
        "ready to accept connections",
    ] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    let unit = fs::read_to_string(project.path().join("markov.service")).expect("read the unit");
    assert!(unit.contains("\nType=notify\n") && unit.contains("/there/markov\""), "{unit}");
    assert!(!project.path().join("redis").exists());
}
