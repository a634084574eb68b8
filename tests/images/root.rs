//! What is around the store in an image, and what its configuration says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tests::{Bundle, Closure, Ended, Store, run};

use crate::image::Packing;

/// Everything in an unpacked image but the store paths: permissions, name, target.
fn around(root: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    find.current_dir(root).args([".", "-mindepth", "1", "-path", "./nix/store/*", "-prune", "-o"]);
    let listed = run(find.args(["-mindepth", "1", "-printf", "%y %m %U:%G %P %l\n"])).stdout();
    let mut lines: Vec<String> = listed.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort_by(|a, b| a.split(' ').nth(3).cmp(&b.split(' ').nth(3)));
    lines
}

#[test]
fn an_image_has_what_programs_look_for() {
    let closure = Closure::example("coreutils");
    let packing = Packing::of(&closure).entry("/bin/ls").entry("/bin/cat");
    let image = packing.option("--env", "COLOR?=red").option("--env", "LC_ALL=C").image();
    let root = image.unpack();
    let bin = closure.path.join("bin");
    let expected = [
        "d 755 0:0 bin".to_owned(),
        format!("l 777 0:0 bin/cat {}/cat", bin.display()),
        format!("l 777 0:0 bin/ls {}/ls", bin.display()),
        "d 755 0:0 etc".to_owned(),
        "f 644 0:0 etc/group".to_owned(),
        "f 644 0:0 etc/nsswitch.conf".to_owned(),
        "f 644 0:0 etc/passwd".to_owned(),
        "d 755 0:0 nix".to_owned(),
        "d 755 0:0 nix/store".to_owned(),
        "d 1777 0:0 tmp".to_owned(),
        "d 755 0:0 var".to_owned(),
        "d 1777 0:0 var/tmp".to_owned(),
        "d 1777 0:0 work".to_owned(),
    ];
    assert_eq!(around(root.path()), expected);
    let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    assert_eq!(
        read("etc/passwd"),
        "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/work:/bin/sh\n"
    );
    assert_eq!(read("etc/group"), "root:x:0:\nuser:x:1000:\n");

    let config = &image.config;
    assert_eq!(config["created"], "1970-01-01T00:00:01Z");
    assert_eq!(config["os"], "linux");
    let run = json!({
        "Entrypoint": [bin.join("ls")],
        "Env": ["PATH=/bin", "COLOR=red", "LC_ALL=C"],
        "User": "1000:1000",
        "WorkingDir": "/work",
        "Labels": { "org.opencontainers.image.title": "ls", "packer.entries": "ls cat" },
    });
    assert_eq!(config["config"], run);
    let annotations = &image.index["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "ls:latest");
}

#[test]
fn user_directory_and_name_can_be_chosen() {
    let packing = || Packing::of(&Closure::example("hello")).entry("/bin/hello");
    let image = packing()
        .option("--user", "70:80")
        .option("--workdir", "/var/lib/hello")
        .option("--name", "example.org/hello:1.2")
        .image();
    let root = image.unpack();
    let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    assert!(read("etc/passwd").ends_with("\nuser:x:70:80:user:/var/lib/hello:/bin/sh\n"));
    assert!(read("etc/group").ends_with("\nuser:x:80:\n"));
    let permissions = |name| fs::metadata(root.path().join(name)).unwrap().permissions().mode();
    assert_eq!(permissions("var/lib") & 0o7777, 0o755);
    assert_eq!(permissions("var/lib/hello") & 0o7777, 0o1777);
    let run = &image.config["config"];
    assert_eq!((&run["User"], &run["WorkingDir"]), (&json!("70:80"), &json!("/var/lib/hello")));
    let annotations = &image.index["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "example.org/hello:1.2");

    let image = packing().option("--user", "0").option("--workdir", "/").image();
    let root = image.unpack();
    assert_eq!(fs::read_to_string(root.path().join("etc/group")).unwrap(), "root:x:0:\n");
    let run = &image.config["config"];
    assert_eq!((&run["User"], &run["WorkingDir"]), (&json!("0"), &json!("/")));
}

#[test]
fn certificates_of_the_closure_are_where_programs_look() {
    let store = Store::new();
    let script = format!("#!/bin/sh\ncat /nix/store/{}/text\n", Store::OTHER);
    store.executable(format!("{}/bin/run", Store::PATH), script.as_bytes());
    store.file(format!("{}/etc/ssl/certs/ca-bundle.crt", Store::OTHER), b"certificates\n");
    let image = Packing::of_store(&store, Store::PATH).entry("/bin/run").image();
    let root = image.unpack();
    let link = fs::read_link(root.path().join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert_eq!(
        link,
        Path::new("/nix/store").join(Store::OTHER).join("etc/ssl/certs/ca-bundle.crt")
    );
    let target = root.path().join(link.strip_prefix("/").unwrap());
    assert_eq!(fs::read(target).unwrap(), b"certificates\n");
}

#[test]
fn drivers_are_where_programs_look() {
    let store = Store::new();
    store.executable(format!("{}/bin/run", Store::PATH), b"#!/bin/sh\n");
    store.file(format!("{}/share/vulkan/icd.d/x.json", Store::OTHER), b"{}");
    let drivers = Path::new("/nix/store").join(Store::OTHER);
    let builder = Bundle::of_store(&store, Store::PATH).entry("/bin/run");
    let bundle = builder.option("--graphics", &drivers).pack();
    let of_store = Packing::of_store(&store, Store::PATH).entry("/bin/run");
    for packing in [of_store.option("--graphics", &drivers), Packing::of_bundle(&bundle.path)] {
        let root = packing.image().unpack();
        assert_eq!(fs::read_link(root.path().join("run/opengl-driver")).unwrap(), drivers);
        assert!(root.path().join(drivers.strip_prefix("/").unwrap()).join("share").is_dir());
    }
}

#[test]
fn wrong_options_are_refused() {
    let hello = Closure::example("hello");
    for (option, value, expected) in [
        ("--user", "alice", "packer: invalid value 'alice' for '--user <UID[:GID]>'"),
        ("--user", "+5", "packer: invalid value '+5' for '--user <UID[:GID]>'"),
        ("--user", "1:2:3", "packer: invalid value '1:2:3' for '--user <UID[:GID]>'"),
        ("--workdir", "work", "packer: invalid value 'work' for '--workdir <DIR>'"),
        ("--workdir", "/a/../b", "packer: invalid value '/a/../b' for '--workdir <DIR>'"),
        ("--workdir", "/nix/work", "packer: invalid value '/nix/work' for '--workdir <DIR>'"),
        ("--workdir", "/a:b", "packer: invalid value '/a:b' for '--workdir <DIR>'"),
        ("--max-layers", "2", "packer: invalid value '2' for '--max-layers <N>'"),
        ("--compression", "xz", "packer: there is no compression xz"),
        ("--level", "10", "packer: there is no compression gzip at level 10"),
        ("--env", "HERE=%BUNDLE%", "packer: the value of HERE has %BUNDLE% in it"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let packing = Packing::of(&hello).entry("/bin/hello").option(option, value);
        let ended: Ended = run(&mut packing.command(&directory.path().join("image")));
        let code = ended.status.code().unwrap();
        let (what, _) = ended.expect_refusal(code);
        assert!(code != 0 && what.starts_with(expected), "{what}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
