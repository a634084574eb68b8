//! Tests of the rules: what each leaves out, and what looks like it and stays.

use super::*;
use crate::source::exclude::Exclude;
use crate::source::store::tests::{BASH, GLIBC, MARKOV, TestStore};

const THREADS: NonZeroUsize = NonZeroUsize::MIN;

/// What there is besides the store.
#[derive(Default)]
struct Case<'a> {
    languages: Option<&'a [&'a str]>,
    env: &'a [&'a str],
    drivers: Option<&'a str>,
    entries: &'a [&'a str],
}

/// Applies the rules; returns what stays and which rules left out something.
fn slimmed(store: &TestStore, case: &Case<'_>) -> (Vec<String>, Vec<LeftOut>) {
    let store = store.open();
    let tree = Tree::read(&store, &store.paths().unwrap(), &Exclude::default()).unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().into()).collect();
    let path = |name: &str| StorePath::parse(name.as_bytes()).unwrap();
    let languages: Option<Vec<String>> =
        case.languages.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    let (entries, env): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (texts(case.entries), texts(case.env));
    let drivers = case.drivers.map(path);
    let given =
        Given { entries: &entries, env: &env, drivers: drivers.as_ref(), roots: &[path(BASH)] };
    let asked = Asked::Slim { languages: languages.as_deref() };
    let (tree, left_out) = slim(&store, tree, asked, &given, THREADS).unwrap();
    let kept = tree.iter().map(|(number, _)| String::from_utf8(tree.location(number)).unwrap());
    (kept.collect(), left_out)
}

/// Whether a file at this path below a store path stays, with these other files in the closure.
fn stays(path: &str, others: &[&str]) -> bool {
    let store = TestStore::new();
    store.file(&format!("{GLIBC}/{path}"), "some text");
    for other in others {
        store.file(&format!("{GLIBC}/{other}"), "x");
    }
    slimmed(&store, &Case::default()).0.contains(&format!("{GLIBC}/{path}"))
}

/// For each rule: a path that it leaves out, and paths that look like it.
const RULES: [(&str, &[&str], &[&str]); 21] = [
    (
        "documentation",
        &["share/doc/git/README", "share/gtk-doc/html/a.html", "share/help/C/gimp/x.page"],
        &[
            "share/doc/git/copyright",
            "share/doc/git/COPYING.LIB",
            "share/vim/vim90/doc/help.txt",
            "lib/python3/dist-packages/jinja2/docs/x.html",
            "share/docutils/x",
            "docs/template.html",
            "doc/x",
        ],
    ),
    ("man-pages", &["share/man/man1/ls.1.gz", "man/man3/x.3"], &["share/manager/x", "man/index"]),
    ("info-pages", &["share/info/dir"], &["share/information/x", "info/x"]),
    (
        "perl-pods",
        &["share/perl/5.36.0/pod/perlfunc.pod", "lib/perl5/5.38.2/pods/perlop.pod"],
        &["share/perl/5.36.0/pod/perldiag.pod", "share/perl5/Foo/Bar.pod"],
    ),
    ("ruby-docs", &["share/ri/3.1.0/system/x.ri"], &["share/river/x"]),
    (
        "headers",
        &["include/zlib.h", "include/python3.11/Python.h", "include/c++/12/vector"],
        &[
            "share/php/include/config.h",
            "include/settings.php",
            "lib/clang/14/include/stddef.h",
            "share/pocl/include/_kernel.h",
            "libexec/include/x.sh",
        ],
    ),
    (
        "static-libraries",
        &[
            "lib/libz.a",
            "lib/x86_64-linux-gnu/libz.a",
            "lib/python3.11/config-3.11-x/libpython3.11.a",
        ],
        &["lib/libz.so", "share/game/lib/level.a", "lib/game/libx.a", "lib/plan.a"],
    ),
    (
        "build-files",
        &["lib/pkgconfig/zlib.pc", "share/pkgconfig/x.pc", "lib/cmake/x/x.cmake"],
        &["share/x/y.pc", "share/cmake-3.25/Modules/x.cmake", "lib/python3/cmake/x"],
    ),
    (
        "libtool-files",
        &["lib/libz.la"],
        &["lib/ImageMagick-6/modules/coders/png.la", "lib/graphviz/libx.la"],
    ),
    (
        "locale-sources",
        &["share/i18n/charmaps/UTF-8.gz", "share/i18n/locales/de_DE"],
        &["share/i18n/messages.json"],
    ),
    (
        "python-tests",
        &[
            "lib/python3.11/test/test_os.py",
            "lib/python3.11/test/data/x.txt",
            "lib/python3.11/unittest/test/test_case.py",
            "lib/python3.11/idlelib/idle_test/x.py",
            "lib/python3.11/lib-dynload/_testcapi.cpython-311-x86_64-linux-gnu.so",
        ],
        &[
            "lib/python3.11/test/__init__.py",
            "lib/python3.11/test/support/os_helper.py",
            "lib/python3.11/site-packages/test/x.py",
            "lib/python3/dist-packages/numpy/tests/x.py",
            "lib/python3.11/unittest/mock.py",
            "lib/python3.11/doctest.py",
            "lib/python3.11/lib-dynload/_ctypes.so",
        ],
    ),
    (
        "perl-tests",
        &["lib/perl5/5.38.2/Test/t/x.t", "lib/5.36.0/x.t"],
        &["lib/perl5/5.38.2/Test/More.pm", "lib/perl5/site_perl/5.38.2/x.t"],
    ),
    (
        "tcl-tests",
        &["lib/tcl8.6/tests/all.test"],
        &["lib/tcl8.6/tcltest/tcltest.tcl", "lib/tcl8/8.5/tcltest-2.5.5.tm"],
    ),
    (
        "ruby-tests",
        &["lib/ruby/gems/3.1.0/gems/rake-13.0.6/test/x.rb"],
        &[
            "lib/ruby/gems/3.1.0/gems/test-unit-3.5.3/lib/test/unit.rb",
            "lib/ruby/gems/3.1.0/gems/sinatra-3.0/test/x.rb",
            "lib/ruby/3.1.0/rbs/test.rb",
        ],
    ),
    (
        "node-tests",
        &["lib/node_modules/npm/node_modules/promzard/test/x.js"],
        &["lib/node_modules/app/node_modules/x/test/index.js", "lib/node_modules/test/index.js"],
    ),
    (
        "debug-files",
        &["lib/debug/usr/x", "lib/libz.so.1.debug", "lib/.build-id/ab/cdef.debug", "bin/x.dwo"],
        &["share/x/config.debug", "lib/debugger/x", "lib/node/debug/index.js"],
    ),
    (
        "python-levels",
        &["lib/__pycache__/b.cpython-311.opt-2.pyc"],
        &["lib/__pycache__/a.cpython-311.opt-1.pyc", "lib/__pycache__/b.cpython-311.pyc"],
    ),
    (
        "python-wheels",
        &["lib/python3.11/ensurepip/_bundled/pip-23-py3-none-any.whl"],
        &["lib/python3.11/ensurepip/__init__.py", "share/app/plugins/x.whl"],
    ),
    (
        "translations",
        &[
            "share/locale/de/LC_MESSAGES/git.mo",
            "share/qt5/translations/qt_help_de.qm",
            "lib/chromium/locales/de.pak",
        ],
        &[
            "share/locale/en_GB/LC_MESSAGES/git.mo",
            "share/locale/locale.alias",
            "share/locale/C/x",
            "lib/locale/de_DE.utf8/LC_MESSAGES/SYS_LC_MESSAGES",
            "lib/locale/C.utf8/LC_CTYPE",
            "lib/locale/locale-archive",
            "share/icu/72.1/icudt72l.dat",
            "share/x/translations/qt_help.qm",
            "lib/chromium/locales/en-US.pak",
            "lib/python3.11/site-packages/x/locale/pt_BR/LC_MESSAGES/x.mo",
            "lib/python3/dist-packages/django/conf/locale/de/formats.py",
        ],
    ),
    // Only --locales: see below.
    ("python-translations", &[], &["lib/python3/dist-packages/x/locale/pt_BR/LC_MESSAGES/x.mo"]),
    ("babel-data", &[], &["lib/python3/dist-packages/babel/locale-data/de.dat"]),
];

#[test]
fn each_rule_leaves_out_its_own_and_no_more() {
    let rules = Rules::read().unwrap();
    for rule in &rules.rules {
        assert!(RULES.iter().any(|(name, ..)| *name == rule.name), "{}", rule.name);
    }
    for (name, gone, look_alikes) in RULES {
        for path in gone {
            let store = TestStore::new();
            store.file(&format!("{GLIBC}/{path}"), "some text").file(&format!("{GLIBC}/x"), "");
            // What must be beside it.
            let plain = path.replace(".opt-2", "");
            store.file(&format!("{GLIBC}/{plain}"), "");
            store.file(&format!("{GLIBC}/{path}"), "some text");
            let (kept, left_out) = slimmed(&store, &Case::default());
            assert!(!kept.contains(&format!("{GLIBC}/{path}")), "{name}: {path} stays");
            assert_eq!(left_out.len(), 1, "{name}: {left_out:?}");
            assert_eq!((left_out[0].rule.as_str(), left_out[0].bytes), (name, 9), "{path}");
        }
        for path in look_alikes {
            assert!(stays(path, &[]), "{name}: {path} is left out");
        }
    }
}

#[test]
fn who_opens_it_keeps_it() {
    for (path, opener) in [
        ("share/man/man1/ls.1", "bin/man"),
        ("share/info/dir", "bin/info"),
        ("share/doc/x/index.html", "bin/yelp"),
        ("include/zlib.h", "bin/gcc"),
        ("include/zlib.h", "bin/x86_64-linux-gnu-gcc-12"),
        ("include/zlib.h", "lib/gcc/x86_64-linux-gnu/12/cc1"),
        ("include/zlib.h", "bin/clang-14"),
        ("include/zlib.h", "bin/tcc"),
        ("include/zlib.h", "bin/go"),
        ("include/zlib.h", "bin/rustc"),
        ("include/zlib.h", "bin/ghc-9.4"),
        ("include/zlib.h", "lib/libclang-14.so.1"),
        ("lib/libz.a", "bin/ld"),
        ("lib/libz.a", "lib/libgccjit.so.0"),
        ("lib/pkgconfig/z.pc", "bin/pkg-config"),
        ("lib/libz.la", "lib/libltdl.so.7"),
        ("share/i18n/charmaps/UTF-8.gz", "bin/localedef"),
        ("lib/debug/x", "bin/gdb"),
    ] {
        assert!(!stays(path, &[]), "{path}");
        assert!(stays(path, &[opener]), "{path} with {opener}");
    }
    // A word in it is not enough.
    assert!(!stays("include/zlib.h", &["bin/gcc-config.txt", "share/go/x", "bin/ghci"]));
    let store = TestStore::new();
    store.file(&format!("{BASH}/share/perl/5.36.0/pod/perlfunc.pod"), "");
    store.program(&format!("{BASH}/bin/perldoc"), "");
    let entry = format!("/nix/store/{BASH}/bin/perldoc");
    assert_eq!(slimmed(&store, &Case::default()).1.len(), 1);
    let case = Case { entries: &[&entry], ..Case::default() };
    assert_eq!(slimmed(&store, &case).1, []);
}

#[test]
fn what_is_named_stays() {
    // What a file in bin/ says, and whether share/doc/a/x stays, and share/doc/b/y.
    let named = |text: &str| format!("cat /nix/store/{GLIBC}{text}\n");
    for (text, a, b) in [
        (named(""), false, false),
        (named("/share"), false, false),
        (named("/share/doc"), true, true),
        (named("/share/doc/"), true, true),
        (named("/share/doc/%s/x"), true, true),
        (named("/share/doc/a"), true, false),
        (named("/share/doc/b/y'"), false, true),
        (named("/lib/../share//./doc/a"), true, false),
        // Through a link, which stays then: so does all that it leads to.
        (named("/share/man/link/a:"), true, true),
        ("/usr/share/doc/a share/doc/a".to_owned(), false, false),
        // It names another file that stays then, which names this one.
        (format!("/nix/store/{GLIBC}/share/info/x"), true, false),
    ] {
        let store = TestStore::new();
        store.file(&format!("{BASH}/bin/show"), &text).file(&format!("{GLIBC}/lib/x"), "");
        store.file(&format!("{GLIBC}/share/doc/a/x"), "a");
        store.file(&format!("{GLIBC}/share/doc/b/y"), "b");
        store.file(&format!("{GLIBC}/share/info/x"), named("/share/doc/a"));
        store.link(&format!("{GLIBC}/share/man/link"), "../doc");
        let (kept, _) = slimmed(&store, &Case::default());
        let has = |path: &str| kept.contains(&format!("{GLIBC}/share/doc/{path}"));
        assert_eq!((has("a/x"), has("b/y")), (a, b), "{text}");
    }
}

#[test]
fn long_files_are_searched_to_their_ends() {
    let name = format!("/nix/store/{GLIBC}/share/doc/a");
    for before in [0, 262_100, 262_144 - 30, 300_000, 600_000] {
        for after in [0, 10, 5_000, 300_000] {
            let store = TestStore::new();
            store.file(&format!("{GLIBC}/share/doc/a/x"), "a");
            let text = [" ".repeat(before), name.clone(), "\n".repeat(after)].concat();
            store.file(&format!("{BASH}/bin/show"), text);
            assert_eq!(slimmed(&store, &Case::default()).1, [], "{before} {after}");
        }
    }
}

#[test]
fn hearsay_keeps_nothing() {
    for (file, expected) in [
        ("lib/python3.11/_sysconfigdata__linux_x.py", 1),
        ("bin/x-config", 1),
        ("lib/python3.11/sysconfig.py", 0),
    ] {
        let store = TestStore::new();
        let name = format!("/nix/store/{GLIBC}/include/python3.11");
        store.file(&format!("{GLIBC}/include/python3.11/Python.h"), "");
        store.file(&format!("{GLIBC}/{file}"), name);
        assert_eq!(slimmed(&store, &Case::default()).1.len(), expected, "{file}");
    }
}

#[test]
fn links_never_lose_what_they_lead_to() {
    let store = TestStore::new();
    store.file(&format!("{GLIBC}/share/doc/a/x"), "a").file(&format!("{GLIBC}/share/doc/b/y"), "b");
    store.link(&format!("{BASH}/readme"), &format!("/nix/store/{GLIBC}/share/doc/a/x"));
    store.link(&format!("{GLIBC}/share/text"), "doc/b");
    // Links that go with what they lead to, and one that led nowhere before.
    store.link(&format!("{BASH}/share/man"), &format!("/nix/store/{GLIBC}/share/man"));
    store.file(&format!("{GLIBC}/share/man/man1/ls.1"), "");
    store.link(&format!("{BASH}/gone"), "share/doc/nothing");
    // Through a link that a rule would leave out.
    store.link(&format!("{MARKOV}/share/info"), "../data");
    store.file(&format!("{MARKOV}/data/z"), "");
    store.link(&format!("{MARKOV}/z"), "share/info/z");
    // Through a directory, and up again.
    store.file(&format!("{MARKOV}/share/doc/c/d"), "");
    store.link(&format!("{MARKOV}/up"), "share/doc/c/../../../data/z");
    let (kept, left_out) = slimmed(&store, &Case::default());
    let has = |path: &str| kept.iter().any(|kept| kept.ends_with(path));
    for path in ["doc/a/x", "doc/b/y", "gone", "share/info", "data/z", "share/doc/c"] {
        assert!(has(path), "{path} of {kept:?}");
    }
    for path in ["share/man", "ls.1", "doc/c/d"] {
        assert!(!has(path), "{path} of {kept:?}");
    }
    let rules: Vec<(&str, u64)> =
        left_out.iter().map(|rule| (rule.rule.as_str(), rule.files)).collect();
    assert_eq!(rules, [("documentation", 1), ("man-pages", 2)]);
}

#[test]
fn entries_and_store_paths_stay() {
    let store = TestStore::new();
    store
        .program(&format!("{BASH}/share/doc/bash/run"), "")
        .file(&format!("{BASH}/share/doc/x"), "");
    store.file(&format!("{GLIBC}/share/man/man1/x.1"), "");
    let entry = format!("/nix/store/{BASH}/share/doc/bash/run");
    let (kept, _) = slimmed(&store, &Case { entries: &[&entry], ..Case::default() });
    let expected = [
        GLIBC.to_owned(),
        format!("{GLIBC}/share"),
        BASH.to_owned(),
        format!("{BASH}/share"),
        format!("{BASH}/share/doc"),
        format!("{BASH}/share/doc/bash"),
        format!("{BASH}/share/doc/bash/run"),
    ];
    assert_eq!(kept, expected);
}

#[test]
fn what_is_given_on_purpose_stays() {
    let store = TestStore::new();
    for path in [GLIBC, BASH, MARKOV] {
        store.file(&format!("{path}/share/doc/x"), "x").file(&format!("{path}/include/x.h"), "x");
    }
    store.file(&format!("{MARKOV}/lib"), format!("/nix/store/{GLIBC}/lib"));
    let count =
        |case: &Case<'_>| slimmed(&store, case).1.iter().map(|rule| rule.files).sum::<u64>();
    assert_eq!(count(&Case::default()), 6);
    let [path, share] = ["", "/share"].map(|end| format!("HELP=/nix/store/{GLIBC}{end}"));
    assert_eq!(count(&Case { env: &[&path], ..Case::default() }), 4);
    assert_eq!(count(&Case { env: &[&share], ..Case::default() }), 5);
    // The drivers, and glibc, which only they need.
    assert_eq!(count(&Case { drivers: Some(MARKOV), ..Case::default() }), 2);
    store.file(&format!("{BASH}/bin/sh"), format!("/nix/store/{GLIBC}/lib"));
    assert_eq!(count(&Case { drivers: Some(MARKOV), ..Case::default() }), 4);
}

#[test]
fn languages_are_those_that_are_asked_for() {
    let files = [
        "share/locale/de/LC_MESSAGES/x.mo",
        "share/locale/pt_BR/LC_MESSAGES/x.mo",
        "share/locale/en_GB/LC_MESSAGES/x.mo",
        "lib/python3/dist-packages/babel/locale-data/de_AT.dat",
        "lib/python3/dist-packages/babel/locale-data/root.dat",
        "lib/python3/dist-packages/django/conf/locale/de/LC_MESSAGES/django.mo",
        "lib/python3/dist-packages/django/conf/locale/en/LC_MESSAGES/django.mo",
        "lib/chromium/locales/en-US.pak",
    ];
    let store = TestStore::new();
    for file in files {
        store.file(&format!("{GLIBC}/{file}"), "");
    }
    for (languages, expected) in [
        (None, [false, false, true, true, true, true, true, true]),
        (Some(&["de"][..]), [true, false, false, true, true, true, true, true]),
        (Some(&["pt_BR", "en"]), [false, true, true, false, true, false, true, true]),
        (Some(&["all"]), [true; 8]),
        (Some(&["none"]), [false, false, false, false, true, false, true, true]),
    ] {
        let (kept, _) = slimmed(&store, &Case { languages, ..Case::default() });
        let stay = files.map(|file| kept.contains(&format!("{GLIBC}/{file}")));
        assert_eq!(stay, expected, "{languages:?}");
    }
}
