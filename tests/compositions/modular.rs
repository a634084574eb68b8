//! Modular services of nixpkgs: nix/modular-service.nix, with the modules in the folder `modular`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::{Ended, Host, nix_command, source, tree};

use crate::composed::Example;
use crate::keeps_its_data;
use crate::worker::{JOBS, WORKER};

const MODULAR: Example = Example {
    attribute: "modular",
    options: &[],
    name: "modular",
    services: &[("redis", "ready"), ("server", "ready"), ("server-worker", "ready")],
    address: "MODULAR_LISTEN_ADDR",
    variables: &[],
    ..WORKER
};

#[test]
fn modular_keeps_its_data_when_it_is_killed() {
    keeps_its_data(&MODULAR, &Host::ordinary(), "relocate");
}

#[test]
fn modular_runs_redis_with_the_settings_of_its_module() {
    let host = Host::ordinary();
    let mut composed = MODULAR.start(&host, "namespace");
    composed.until_ready();
    (MODULAR.write)(&composed.url);
    (MODULAR.read)(&composed.url);
    let files = tree::list(&host.outside("/tmp")).expect("list a directory");
    let socket = files.keys().find(|path| path.ends_with("/redis.sock")).expect("a socket");
    let mut redis = UnixStream::connect(host.outside(format!("/tmp{socket}"))).unwrap();
    redis.write_all(b"LLEN done\r\nCONFIG GET supervised\r\nQUIT\r\n").unwrap();
    let mut answers = String::new();
    redis.read_to_string(&mut answers).unwrap();
    let expected = format!(":{JOBS}\r\n*2\r\n$10\r\nsupervised\r\n$7\r\nsystemd\r\n+OK\r\n");
    assert_eq!(answers, expected);
    composed.stop(Signal::SIGTERM);
}

/// The services that a composition gets, for `services` and the attributes of a package set.
fn evaluate(pkgs: &str, services: &str) -> Ended {
    let top = source().display();
    let expression = format!(
        "let lib = import {top}/tests/compositions/modular/lib.nix;
             # A module with an option and no more.
             small = {{ config, lib, ... }}: {{
               _class = \"service\";
               options.small.word = lib.mkOption {{ type = lib.types.str; default = \"none\"; }};
               config.process.argv = [ \"/bin/small\" config.small.word ];
             }};
         in import {top}/nix/modular-service.nix {{ pkgs = {{ {pkgs} }}; }} {{ {services} }}"
    );
    let mut command = nix_command("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "-E", &expression]);
    Ended::from(command.output().expect("run nix-instantiate"))
}

const LIB: &str = "inherit lib; writeText = builtins.toFile;";

/// A service `a`, and those in it.
fn services(services: &str) -> Value {
    let ended = evaluate(LIB, services);
    assert!(ended.status.success(), "{}", ended.stderr());
    serde_json::from_slice(&ended.stdout).expect("Nix prints JSON")
}

fn imported(definitions: &str) -> Value {
    services(&format!("a = {{ imports = [ small ]; {definitions} }};"))
}

#[test]
fn options_of_a_module_become_keys() {
    let argv = json!(["/bin/small", "none"]);
    for (definitions, expected) in [
        ("", json!({"a": {"argv": argv, "configs": {}}})),
        // Keys of ours, also from the module.
        (
            "small.word = \"b\"; after = [ \"c\" ]; restart = lib.mkForce \"always\";",
            json!({"a": {"argv": ["/bin/small", "b"], "configs": {}, "after": ["c"], "restart": "always"}}),
        ),
        (
            "process.flags = [ { \"-n\" = 1; } { \"-v\" = true; } ]; process.flagFormat =
               name: { option = name; sep = \"=\"; explicitBool = false; };",
            json!({"a": {"argv": ["/bin/small", "none", "-n=1", "-v"], "configs": {}}}),
        ),
        // What the service says of itself gives way to what the user says.
        (
            "notificationProtocol.systemd = true; process.reloadSignal = \"HUP\";",
            json!({"a": {"argv": argv, "configs": {}, "ready": {"notify": true}, "signals": ["HUP"]}}),
        ),
        (
            "notificationProtocol = [ \"systemd\" ]; ready.unix = \"s\";",
            json!({"a": {"argv": argv, "configs": {}, "ready": {"unix": "s"}}}),
        ),
        ("notificationProtocol.s6 = true;", json!({"a": {"argv": argv, "configs": {}}})),
        (
            "process.reloadCommand = \"/bin/kill -HUP $MAINPID\"; meta.maintainers = [ ];",
            json!({"a": {"argv": argv, "configs": {}}}),
        ),
        // Services in services.
        (
            "services.b = { imports = [ small ]; after = [ \"a\" ]; services.c.process.argv = [ \"/c\" ]; };",
            json!({
                "a": {"argv": argv, "configs": {}},
                "a-b": {"argv": argv, "configs": {}, "after": ["a"]},
                "a-b-c": {"argv": ["/c"], "configs": {}},
            }),
        ),
    ] {
        assert_eq!(imported(definitions), expected, "{definitions}");
    }
    // Nothing of ours replaces a default of the module's.
    let found = services("a.imports = [ { process.argv = lib.mkDefault [ \"/b\" ]; } ];");
    assert_eq!(found, json!({"a": {"argv": ["/b"], "configs": {}}}));
}

#[test]
fn files_of_a_module_are_written_or_in_the_closure() {
    for (files, path, configs) in [
        ("f.text = \"x %RUN%\";", "%RUN%/a/f", json!({"a/f": "x %RUN%"})),
        ("f = { text = \"x\"; name = \"d/g\"; };", "%RUN%/a/d/g", json!({"a/d/g": "x"})),
        ("f = { enable = false; };", "%RUN%/a/f", json!({})),
        ("f.source = \"/etc/f\";", "/etc/f", json!({})),
        // A file that replaces a text, and the other way round.
        ("f = { text = \"x\"; source = lib.mkForce \"/etc/f\"; };", "/etc/f", json!({})),
        (
            "f = { text = lib.mkForce \"x\"; source = \"/etc/f\"; };",
            "%RUN%/a/f",
            json!({"a/f": "x"}),
        ),
    ] {
        let found = services(&format!(
            "a.imports = [ small ({{ config, ... }}: {{
               configData = {{ {files} }}; small.word = config.configData.f.path; }}) ];"
        ));
        assert_eq!(found["a"]["argv"][1], path, "{files}");
        assert_eq!(found["a"]["configs"], configs, "{files}");
    }
    // Beside files of the user's.
    let found = imported("configData.f.text = \"x\"; configs.g = \"y\";");
    assert_eq!(found["a"]["configs"], json!({"a/f": "x", "g": "y"}));
}

#[test]
fn every_key_of_a_service_can_be_set_beside_a_module() {
    let text = fs::read_to_string(source().join("docs/compose.md")).unwrap();
    let (_, table) = text.split_once("\n## Keys of a service\n").expect("the section");
    let rows = table.lines().take_while(|line| !line.starts_with("## "));
    let keys = rows.filter_map(|line| line.strip_prefix("| `")?.split(['`', '.']).next());
    let mut keys: BTreeSet<&str> = keys.collect();
    assert!(keys.remove("script") && keys.remove("argv"), "{keys:?}");
    let definitions: String = keys.iter().map(|key| format!("{key} = {{ }};")).collect();
    let found = imported(&definitions);
    let mut found: BTreeSet<_> =
        found["a"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(found.remove("argv"));
    assert_eq!(found, keys);
}

#[test]
fn only_imports_need_a_lib() {
    let plain = "a = { argv = [ \"/a\" ]; ready.tcp = \"b:1\"; unknown = 1; };";
    let expected = r#"{"a":{"argv":["/a"],"ready":{"tcp":"b:1"},"unknown":1}}"#;
    assert_eq!(evaluate("", plain).text().trim(), expected);
    let message = refusal("", &format!("{plain} b.imports = [ small ];"));
    let expected =
        "services.b has imports, which need the lib of nixpkgs: this package set has none\n";
    assert!(message.contains(expected), "{message}");
}

fn refusal(pkgs: &str, services: &str) -> String {
    let ended = evaluate(pkgs, services);
    assert!(!ended.status.success(), "{services}");
    // Nix indents what it is told to say.
    ended.stderr().replace("\n       ", "\n")
}

#[test]
fn options_that_are_not_there_are_refused() {
    for (definition, option) in [
        ("afer = [ ];", "afer"),
        ("argv = [ \"/b\" ];", "argv"),
        ("small.wort = \"b\";", "small.wort"),
        ("services.b.afer = [ ];", "services.b.afer"),
        ("systemd.service = { };", "systemd"),
    ] {
        let message = refusal(LIB, &format!("a = {{ imports = [ small ]; {definition} }};"));
        let expected = format!(
            "error: The option `services.a.{option}' does not exist. Definition values:\n- In `the composition'"
        );
        assert!(message.contains(&expected), "{definition}\n{message}");
    }
}

#[test]
fn mistakes_are_refused_with_their_place() {
    for (services, expected) in [
        ("a.imports = [ { } ];", "`services.a.process.argv' was accessed but has no value defined."),
        (
            "a = { imports = [ small ]; small.word = 1; };",
            "A definition for option `services.a.small.word' is not of type `string'.",
        ),
        (
            "a = { imports = [ small ]; configData.f = { }; };",
            "`services.a.configData.f.source' was accessed but has no value defined.",
        ),
        (
            "a.imports = [ { _class = \"nixos\"; } ];",
            "cannot be imported into a module evaluation that expects class \"service\"",
        ),
        (
            "a = {
               imports = [ small ];
               assertions = [ { assertion = false; message = \"one\"; } ];
               services.b = {
                 imports = [ small ];
                 assertions = map (assertion: { inherit assertion; message = \"two\"; }) [ true false ];
               };
             };",
            "error: services.a: one\nservices.a-b: two\n",
        ),
        (
            "a-b.argv = [ \"/b\" ]; a = { imports = [ small ]; services.b.imports = [ small ]; };",
            "there are two services a-b: one of them is a service in a service",
        ),
    ] {
        let message = refusal(LIB, services);
        assert!(message.contains(expected), "{services}\n{message}");
    }
}

#[test]
fn warnings_are_shown() {
    let ended = evaluate(LIB, "a = { imports = [ small ]; warnings = [ \"it is old\" ]; };");
    assert!(ended.status.success(), "{}", ended.stderr());
    assert!(ended.stderr().contains("warning: services.a: it is old\n"), "{}", ended.stderr());
}
