//! Python: every module of the standard library that is no test can be imported from a slim bundle.

use std::fs;

use tests::{Bundle, Closure};

use crate::Pair;

/// Imports all modules, each in a fork of its own, and prints for each how that ended.
const IMPORT: &str = r#"
import importlib, os, pkgutil, sys, sysconfig
tests = ('test', 'tests', 'idle_test', '__phello__')
skip = ('antigravity', 'this', '__main__', 'idlelib.idle')
names = set(sys.stdlib_module_names)
library = sysconfig.get_path('stdlib')
for root, _, files in os.walk(library):
    for file in files:
        if file.endswith('.py'):
            parts = os.path.relpath(os.path.join(root, file), library)[:-3].split(os.sep)
            if parts[-1] == '__init__':
                parts.pop()
            names.add('.'.join(parts))
for name in sorted(names):
    parts = name.split('.')
    if not name or name in skip or any(part in tests or '-' in part for part in parts):
        continue
    if parts[-1].startswith(('_test', '_ctypes_test', '_xxtestfuzz')) or parts[-1] == '__main__':
        continue
    sys.stdout.flush()
    if os.fork() == 0:
        os.close(2)
        os.open('/dev/null', os.O_WRONLY)
        try:
            importlib.import_module(name)
            print(name, 'ok')
        except BaseException as error:
            print(name, type(error).__name__, str(error)[:60])
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"#;

fn python(closure: &Closure) -> String {
    let names = fs::read_dir(closure.path.join("bin")).expect("python has programs");
    let mut names =
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    names
        .find(|name| name.starts_with("python3.") && !name.contains('-'))
        .expect("a python3.N is there")
}

#[test]
fn every_module_but_tests_is_imported() {
    imports_the_same(&Closure::example("pkgs.python3"));
}

/// Debian's python has its tests in another package; this one is installed whole, as in nixpkgs.
#[test]
#[ignore = "builds python from source"]
fn every_module_of_a_whole_python_is_imported() {
    let of = Closure::example("source-python").requisites();
    let path = of.iter().find(|path| path.contains("-python3-3.")).expect("it refers to python");
    let pair = imports_the_same(&Closure { path: path.into() });
    let [whole, slim] = pair.bytes();
    assert!(slim * 3 < whole * 2, "{slim} of {whole}: a third is left out");
}

fn imports_the_same(closure: &Closure) -> Pair {
    let entry = format!("/bin/{}", python(closure));
    let pair = Pair::of(|| Bundle::of(closure).entry(&entry));
    let all = pair.same_in(&["relocate"], |start| start.args(["-IBc", IMPORT]));
    for text in &all {
        let imported = text.lines().filter(|line| line.ends_with(" ok")).count();
        assert!(imported > 200, "{imported} modules: {text}");
    }
    // What a test of another package imports.
    pair.same_in(&["namespace"], |start| {
        start.args(["-IBc", "import test.support.os_helper, test; print(test.support.HOST)"])
    });
    let [whole, slim] = pair.bytes();
    assert!(slim < whole, "{slim} of {whole}");
    pair
}
