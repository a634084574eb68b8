//! The same closure and options give the same bytes.

use std::fs;
use std::process::Command;

use tests::{Bundle, Closure, packer, run};

#[test]
fn threads_umask_directory_and_locale_change_nothing() {
    let closure = Closure::example("coreutils");
    let build = |name: &str, threads: &str, before: &str| {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().join(name);
        let script = format!(r#"{before}; exec "$@""#);
        let mut command = Command::new("sh");
        command.args(["-ec", &script, "sh"]).arg(packer()).args(["build", "--entry", "/bin/ls"]);
        command.args(["--level", "3", "--threads", threads, "--closure"]).arg(&closure.path);
        run(command.arg("--output").arg(&output).current_dir(directory.path())).expect_code(0);
        fs::read(output).unwrap()
    };
    let first = build("ls", "1", "umask 022; cd /; export LC_ALL=C TZ=UTC");
    assert!(first.len() > 100_000);
    for (threads, before) in [
        ("2", "umask 077; cd /tmp; export LC_ALL=C.UTF-8 TZ=Asia/Tokyo"),
        ("3", "umask 000; cd /usr; export LC_ALL=de_DE.UTF-8 HOME=/nowhere"),
        ("8", "umask 027; unset LC_ALL HOME PATH"),
    ] {
        assert!(build("other", threads, before) == first, "{threads} threads, {before}");
    }
}

#[test]
fn the_way_to_the_closure_changes_nothing() {
    let closure = Closure::probe();
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("result");
    std::os::unix::fs::symlink(&closure.path, &link).unwrap();
    let expected = fs::read(Bundle::probe().path).unwrap();
    for (number, way) in
        [closure.path.join("bin/probe"), link.clone(), link.join("bin")].into_iter().enumerate()
    {
        let output = directory.path().join(number.to_string());
        let mut command = Command::new(packer());
        command
            .args(["build", "--mode", "namespace", "--entry", "/bin/probe", "--closure"])
            .arg(&way);
        run(command.arg("-o").arg(&output)).expect_code(0);
        assert!(fs::read(output).unwrap() == expected, "{}", way.display());
    }
}

#[test]
fn times_and_owners_of_the_files_are_not_packed() {
    let store = tests::Store::new();
    let build = || {
        let builder = Bundle::of_store(&store, tests::Store::PATH).entry("/bin/probe");
        fs::read(builder.pack_into(store.root()).path).unwrap()
    };
    let program = store.program(format!("{}/bin/probe", tests::Store::PATH), &tests::probe());
    let first = build();
    let file = fs::File::options().append(true).open(&program).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    std::os::unix::fs::chown(&program, Some(12345), Some(54321)).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert!(build() == first);
}
