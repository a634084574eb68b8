//! Compositions that are wrong, and placeholders.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};

use crate::harness::{Place, sh};

fn refused(services: &Value) -> String {
    let place = Place::new(services);
    let output = place.ask("check", &[]);
    assert_eq!(output.status.code(), Some(1), "{services}");
    place.assert_nothing_left();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_compositions_are_refused_with_the_place() {
    let a = |more: Value| {
        let mut service = json!({"argv": ["true"]});
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"redis": service})
    };
    let both = |address: &str, other: &str| {
        json!({
            "a": {"argv": ["true"], "ready": {"tcp": address}},
            "b": {"argv": ["true"], "ready": {"tcp": other}},
        })
    };
    for (services, expected) in [
        (a(json!({"redy": {}})), "services.redis.redy: unknown key; did you mean ready?"),
        (
            a(json!({"qqqqqqqq": {}})),
            "services.redis.qqqqqqqq: unknown key; it is one of argv, env, after,",
        ),
        (
            a(json!({"ready": {"htp": "x"}})),
            "services.redis.ready.htp: unknown key; did you mean http?",
        ),
        (
            a(json!({"restart": {"limits": 3}})),
            "services.redis.restart.limits: unknown key; did you mean limit?",
        ),
        (
            a(json!({"stop": {"timeuot": 3}})),
            "services.redis.stop.timeuot: unknown key; did you mean timeout?",
        ),
        (
            a(json!({"restart": {"when": "allways"}})),
            "services.redis.restart.when: unknown value allways; did you mean always?",
        ),
        (
            a(json!({"argv": "redis-server"})),
            "services.redis.argv: invalid type: string \"redis-server\", expected a sequence",
        ),
        (json!({}), "it has no services"),
        (json!({"redis": {}}), "redis has no program"),
        (a(json!({"argv": []})), "redis has no program"),
        (a(json!({"after": ["rediss"]})), "there is no service rediss"),
        (a(json!({"after": ["redis"]})), "services wait for each other: redis after redis"),
        (
            json!({"a": {"argv": ["x"], "after": ["b"]}, "b": {"argv": ["x"], "after": ["c"]}, "c": {"argv": ["x"], "after": ["a"]}}),
            "services wait for each other: a after b after c after a",
        ),
        (
            a(json!({"ready": {"tcp": "a:1", "log": "x"}})),
            "services.redis.ready: name one of tcp, unix, http, exec, log and notify",
        ),
        (
            a(json!({"ready": {"tcp": "a:1", "status": 200}})),
            "services.redis.ready: a status is for http",
        ),
        (a(json!({"ready": {"exec": []}})), "services.redis.ready: exec has no program"),
        (a(json!({"ready": {"tcp": "a:1", "timeout": -1}})), "services.redis.ready.timeout: "),
        (
            a(json!({"stop": {"signal": "TREM"}})),
            "services.redis.stop.signal: there is no signal TREM",
        ),
        (a(json!({"signals": ["HPU"]})), "services.redis.signals[0]: there is no signal HPU"),
        (a(json!({"signals": ["TERM"]})), "redis: signals may be HUP, USR1 and USR2"),
        (
            a(json!({"oneshot": true, "ready": {"tcp": "a:1"}})),
            "redis: a oneshot is ready when it has ended",
        ),
        (json!({"a/b": {"argv": ["true"]}}), "\"a/b\" is no name"),
        (json!({"a b": {"argv": ["true"]}}), "\"a b\" is no name: it has letters, digits,"),
        (json!({"-a": {"argv": ["true"]}}), "\"-a\" is no name"),
        (a(json!({"state": "."})), "redis: . is no path below a directory"),
        (a(json!({"configs": {"a//b": ""}})), "redis: a//b is no path below a directory"),
        (a(json!({"configs": {"a/": ""}})), "redis: a/ is no path below a directory"),
        (a(json!({"configs": {"control": ""}})), "redis: control is the name of a socket"),
        (
            a(json!({"configs": {"redis.notify": ""}})),
            "redis: redis.notify is the name of a socket",
        ),
        (
            json!({"a": {"argv": ["true"], "configs": {"a": ""}}, "b": {"argv": ["true"], "configs": {"a/b": ""}}}),
            "a and b have the same file: a/b",
        ),
        (a(json!({"ready": {"tcp": "localhost"}})), "redis: \"localhost\" is no address, such as"),
        (a(json!({"ready": {"tcp": "a:99999"}})), "redis: \"a:99999\" is no address"),
        (a(json!({"ready": {"http": "https://a/"}})), "redis: \"https://a/\" is no http: URL"),
        (a(json!({"ready": {"http": "127.0.0.1:80/"}})), "is no http: URL, such as"),
        (a(json!({"stop": {"timeout": 1e19}})), "services.redis.stop.timeout: more than a billion"),
        (json!({"": {"argv": ["true"]}}), "\"\" is no name"),
        (both("localhost:80", "127.0.0.1:80"), "a and b have the same port: 127.0.0.1:80"),
        (
            json!({
                "a": {"argv": ["true"], "ready": {"tcp": "localhost:8000"}},
                "b": {"argv": ["true"], "ready": {"http": "http://:8000/"}},
            }),
            "a and b have the same port: 127.0.0.1:8000",
        ),
    ] {
        let error = refused(&services);
        assert!(error.starts_with("demo: the composition is wrong: "), "{error}");
        assert!(error.contains(expected), "expected {expected}\n{error}");
        assert!(error.contains("\nhint: "), "{error}");
    }
    for services in [both("localhost:80", "localhost:81"), both("127.0.0.1:80", "127.0.0.2:80")] {
        assert!(Place::new(&services).ask("check", &[]).status.success(), "{services}");
    }
}

#[test]
fn a_key_of_the_composition_itself_is_refused() {
    let place = Place::with(&json!({"name": "demo", "servics": {}, "services": {}}));
    let output = place.ask("check", &[]);
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("wrong: servics: unknown key; did you mean services?")
    );
}

#[test]
fn names_of_a_composition_are_checked() {
    for (key, value, expected) in [
        ("variables", json!({"addr": "1"}), "\"addr\" is no variable: it has A to Z,"),
        ("variables", json!({"RUN": "1"}), "%RUN% stands for something else"),
        ("secrets", json!({"a/b": "A"}), "\"a/b\" is no name"),
        ("name", json!("x".repeat(51)), "its name has more than 50 bytes"),
    ] {
        let mut composition = json!({"name": "demo", "services": {"a": {"argv": ["true"]}}});
        composition[key] = value;
        let error = String::from_utf8(Place::with(&composition).ask("check", &[]).stderr).unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn arguments_that_are_no_text_are_refused() {
    let place = Place::new(&json!({"a": {"argv": ["true"]}}));
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    for command in [place.command().arg(odd), place.command().env("COMPOSED", odd)] {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains("unknown argument: \u{fffd}\n")
                || error.contains("\u{fffd} is not a command\n"),
            "{error}"
        );
    }
}

#[test]
fn a_composition_that_is_not_there_is_named() {
    let place = Place::new(&json!({}));
    fs::remove_file(place.path.join("share/composition.json")).unwrap();
    let error = String::from_utf8(place.ask("check", &[]).stderr).unwrap();
    assert!(
        error.starts_with("demo: cannot read ") && error.contains("composition.json: No such file"),
        "{error}"
    );
}

#[test]
fn two_defaults_that_are_one_port_are_refused() {
    let with_defaults = |one: &str, other: &str| {
        Place::with(&json!({
            "name": "demo",
            "variables": {"ONE": one, "OTHER": other},
            "services": {
                "a": {"argv": ["true"], "ready": {"tcp": "%ONE%"}},
                "b": {"argv": ["true"], "ready": {"http": "http://%OTHER%/x"}},
            },
        }))
    };
    let output = with_defaults("localhost:8000", "127.0.0.1:8000").ask("check", &[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("a and b have the same port: 127.0.0.1:8000\n"), "{error}");
    assert!(with_defaults("localhost:8000", "localhost:8001").ask("check", &[]).status.success());
}

fn with_secret(script: &str) -> Place {
    Place::with(&json!({
        "name": "demo",
        "variables": {"DEMO_ADDRESS": "localhost:1"},
        "secrets": {"db-password": "DB_PASSWORD_FILE"},
        "services": {"a": {
            "argv": sh(script),
            "oneshot": true,
            "env": {"ADDRESS": "at %DEMO_ADDRESS%, 100 %%"},
            "configs": {"etc/a.conf": "address %DEMO_ADDRESS%\nsecret %DB_PASSWORD_FILE%\n"},
        }},
    }))
}

#[test]
fn placeholders_stand_for_the_callers_values() {
    let place = with_secret(
        "cat %RUN%/etc/a.conf; stat -c 'mode %%a' %RUN%/etc/a.conf; echo \"$ADDRESS\"; cat %DB_PASSWORD_FILE%",
    );
    let named = place.data("named");
    fs::write(&named, "from a file\n").unwrap();
    fs::create_dir(place.data("credentials")).unwrap();
    fs::write(place.data("credentials/db-password"), "from systemd\n").unwrap();

    let (code, log) = place.start_by(place.command().env("DB_PASSWORD_FILE", "named")).end();
    assert_eq!(code, 0, "{log}");
    for line in ["address localhost:1", "at localhost:1, 100 %", "from a file"] {
        assert!(log.contains(&format!("a    | {line}\n")), "{log}");
    }
    assert!(log.contains(&format!("secret {}\n", named.display())), "{log}");

    let mut command = place.command();
    command.env("DB_PASSWORD_FILE", "named").env("DEMO_ADDRESS", "[::1]:2");
    let (code, log) =
        place.start_by(command.env("CREDENTIALS_DIRECTORY", place.data("credentials"))).end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("a    | from systemd\n") && log.contains("address [::1]:2\n"), "{log}");
}

#[test]
fn a_secret_that_nobody_names_is_named() {
    let place = with_secret("true");
    let (code, log) = place.run();
    assert_eq!(code, 1);
    assert_eq!(
        log,
        "demo: the secret db-password is missing\nhint: set DB_PASSWORD_FILE to the path of a file, or pass the credential db-password"
    );
    for (path, why) in [("nothing", "No such file"), ("/etc", "is a directory")] {
        let (_, log) = place.start_by(place.command().env("DB_PASSWORD_FILE", path)).end();
        let expected = format!("demo: cannot read the secret {path}: {why}");
        assert!(log.starts_with(&expected) && log.contains("hint: name a file"), "{log}");
    }
}

#[test]
fn a_placeholder_that_stands_for_nothing_is_named() {
    for service in [
        json!({"argv": ["echo", "%NOTHING%"]}),
        json!({"argv": ["true"], "env": {"A": "%NOTHING%"}}),
        json!({"argv": ["true"], "configs": {"a": "%NOTHING%"}}),
        json!({"argv": ["true"], "ready": {"exec": ["true", "%NOTHING%"]}}),
        json!({"argv": ["true"], "ready": {"unix": "%NOTHING%"}}),
    ] {
        assert_eq!(
            refused(&json!({"a": service})),
            "demo: a: %NOTHING% stands for nothing\nhint: give it a default with variables.NOTHING, or write %% for %\n"
        );
    }
}

#[test]
fn arguments_are_refused() {
    let place = with_secret("true");
    for argument in ["--port=1", "status"] {
        let (code, log) = place.start_by(place.command().arg(argument)).end();
        assert_eq!(code, 1);
        let expected = format!(
            "demo: unknown argument: {argument}\n\
             hint: it takes --json and --log-format; set up the services by DEMO_ADDRESS, DB_PASSWORD_FILE"
        );
        assert_eq!(log, expected);
    }
}
