//! What the commands say of a bundle of which files were left out.

use std::process::Command;

use serde_json::Value;
use tests::{Bundle, Closure, packer, run};

fn slim() -> Bundle {
    let builder = Bundle::of(&Closure::example("python-example")).entry("/bin/python-example");
    builder.option("--level", "1").flag("--slim").pack()
}

/// The names of the rules, with what each saved.
fn rules(report: &Value) -> Vec<(String, u64, u64)> {
    let number = |rule: &Value, name: &str| rule[name].as_u64().expect("a number");
    let rules = report["left_out"].as_array().expect("rules are listed").iter();
    let name = |rule: &Value| rule["rule"].as_str().expect("a name").to_owned();
    rules.map(|rule| (name(rule), number(rule, "files"), number(rule, "bytes"))).collect()
}

#[test]
fn inspect_lists_what_each_rule_saved() {
    let bundle = slim();
    let report = bundle.inspect();
    let rules = rules(&report);
    assert!(!rules.is_empty() && rules.is_sorted(), "{rules:?}");
    assert!(
        rules.iter().all(|(_, files, _)| *files > 0),
        "a rule that saves nothing is not listed"
    );
    let text = run(Command::new(packer()).arg("inspect").arg(&bundle.path)).stdout();
    let listed: Vec<&str> =
        text.lines().skip_while(|line| !line.starts_with("left out ")).collect();
    for ((rule, files, _), line) in rules.iter().zip(&listed) {
        assert!(
            line.contains(&format!(" {rule}: ")) && line.contains(&format!(" in {files} files")),
            "{line}"
        );
    }
    // Whole bundles say nothing.
    let whole = Bundle::of(&Closure::example("python-example"))
        .entry("/bin/python-example")
        .option("--level", "1");
    assert_eq!(whole.pack().inspect()["left_out"], serde_json::json!([]));
}

#[test]
fn the_summary_says_what_was_saved() {
    let directory = tempfile::tempdir().expect("make a directory");
    let builder = Bundle::of(&Closure::example("python-example"))
        .entry("/bin/python-example")
        .option("--level", "1");
    let output = directory.path().join("markov");
    let build =
        |options: &[&str]| run(builder.command().args(options).arg("-o").arg(&output)).stdout();
    let text = build(&["--slim"]);
    assert!(text.contains(", left out ") && text.contains(" files, relocatable"), "{text}");
    assert!(!build(&[]).contains("left out"));
    let json: Value = serde_json::from_str(&build(&["--slim", "--json"])).expect("JSON");
    assert_eq!(rules(&json), rules(&slim().inspect()));
    // As for an image.
    let mut image = Command::new(packer());
    image.args(["image", "--slim", "--compression", "none", "--json", "--no-cache", "--closure"]);
    image.arg(Closure::example("python-example").path).args([
        "--entry",
        "/bin/python-example",
        "-o",
    ]);
    let image = run(image.arg(directory.path().join("layout"))).stdout();
    let image: Value = serde_json::from_str(&image).expect("JSON");
    assert_eq!(rules(&image), rules(&json));
}

#[test]
fn verify_takes_partial_store_paths() {
    let bundle = slim();
    run(Command::new(packer()).arg("verify").arg(&bundle.path)).expect_code(0);
    let report = bundle.inspect();
    let paths = report["store_paths"].as_array().expect("store paths are listed");
    assert!(paths.iter().any(|path| path["partial"] == true));
    assert!(
        paths.iter().any(|path| path["partial"] == false),
        "what has nothing to leave out is whole"
    );
}

#[test]
fn the_same_closure_gives_the_same_bytes() {
    let directory = tempfile::tempdir().expect("make a directory");
    let builder = Bundle::of(&Closure::example("python-example"))
        .entry("/bin/python-example")
        .option("--level", "1");
    let [one, two] = ["1", "4"].map(|threads| {
        let output = directory.path().join(threads);
        let options = ["--slim", "--strip", "--threads", threads, "-o"];
        run(builder.command().args(options).arg(&output)).expect_code(0);
        std::fs::read(output).expect("read a bundle")
    });
    assert!(one == two);
}

#[test]
fn unknown_languages_are_named() {
    let builder = Bundle::of(&Closure::example("hello")).entry("/bin/hello");
    let ended = run(builder.command().args(["--locales", "en,deutsch", "-o", "/dev/null"]));
    ended.expect_code(1);
    let hint = "deutsch is not the name of a language\nhint: --locales takes names";
    assert!(ended.stderr().contains(hint), "{}", ended.stderr());
}
