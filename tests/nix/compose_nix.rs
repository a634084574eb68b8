//! `nix/compose.nix`: compositions as derivations.

use std::fs;

use tests::{Bundle, compose, nix_command, references, run};

/// Builds a composition; the builders of the Debian-made set use the machine's programs.
fn build(arguments: &str) -> tests::Ended {
    let mut command = nix_command("nix-build");
    command.args(["--no-out-link", "--option", "sandbox", "false", "-E", &compose(arguments)]);
    run(&mut command)
}

fn refusal(arguments: &str) -> String {
    let ended = build(arguments);
    assert!(!ended.status.success(), "{arguments}");
    ended.stderr()
}

#[test]
fn a_composition_is_one_executable_with_its_commands() {
    let ended = build(
        r#"{ name = "two"; services.a.argv = [ "${made.pkgs.coreutils}/bin/true" ]; mode = "namespace"; }"#,
    );
    let path = ended.text().trim().to_owned();
    assert_eq!(references(path.as_ref()), "");
    let info = Bundle { path: path.into() }.inspect();
    let entries = info["entries"].as_array().expect("a list").iter();
    let names: Vec<&str> = entries.filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, ["two", "two-status", "two-logs", "two-restart", "two-stop"]);
    // What is not a key of a composition is the bundle's.
    assert_eq!(info["modes"], serde_json::json!(["namespace"]), "{info}");
}

#[test]
fn a_wrong_composition_is_not_built() {
    for (services, what) in [
        (r#"a.argv = [ "x" ]; a.afer = [ ];"#, "services.a.afer: unknown key; did you mean after?"),
        (r#"a.argv = [ "x" "%HOEM%" ];"#, "a: %HOEM% stands for nothing"),
        (
            r#"a = { argv = [ "x" ]; after = [ "b" ]; }; b = { argv = [ "x" ]; after = [ "a" ]; };"#,
            "services wait for each other: a after b after a",
        ),
        (
            r#"a = { argv = [ "x" ]; ready.tcp = ":80"; }; b = { argv = [ "x" ]; ready.http = "http://localhost/"; };"#,
            "a and b have the same port: 127.0.0.1:80",
        ),
        (r#"a = { argv = [ "x" ]; script = "x"; };"#, "services.a has argv and script"),
        // One name twice is Nix's to refuse.
        (r#"a.argv = [ "x" ]; a.argv = [ "y" ];"#, "attribute 'a.argv' already defined"),
    ] {
        let error = refusal(&format!(r#"{{ name = "wrong"; services = {{ {services} }}; }}"#));
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn an_unknown_key_of_a_composition_names_the_nearest() {
    for (key, near) in [
        (r#"servics.a.argv = [ "x" ];"#, "servics: unknown key; did you mean services?"),
        ("stateVarible = \"X\";", "stateVarible: unknown key; did you mean stateVariable?"),
        // Not the composition's to choose.
        ("entry = \"/bin/x\";", "entry: unknown key; it is one of name, main, "),
    ] {
        let error = refusal(&format!(r#"{{ name = "wrong"; {key} }}"#));
        assert!(error.contains(near), "{error}");
    }
}

#[test]
fn a_secret_is_not_in_a_composition() {
    let directory = tempfile::tempdir().expect("make a directory");
    let password = directory.path().join("password");
    fs::write(&password, "correct horse\n").expect("write a file");
    let password = password.display();
    let composition = |secret: &str, text: &str| {
        format!(
            r#"{{ name = "secret"; secrets.password = {secret};
                services.a = {{ argv = [ "${{made.pkgs.coreutils}}/bin/cat" "%PASSWORD_FILE%" ]; configs.a = "{text}"; }}; }}"#
        )
    };
    let named = format!(r#"{{ variable = "PASSWORD_FILE"; file = {password}; }}"#);
    let packed = r#"it is ${builtins.readFile "@"}."#.replace('@', &password.to_string());
    let error = refusal(&composition(&named, &packed));
    let what = format!("the content of the secret {password} is in /nix/store/");
    assert!(error.contains(&what) && error.contains("share/composition.json"), "{error}");
    let ended = build(&composition(&named, "it is in a file"));
    ended.expect_code(0);

    for wrong in ["./password".to_owned(), format!(r#""{password}""#), "{ file = ./x; }".into()] {
        let error = refusal(&composition(&wrong, ""));
        assert!(
            error.contains("is the name of a variable") || error.contains("'variable'"),
            "{error}"
        );
    }
}
