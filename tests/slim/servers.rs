//! Larger programs, which are downloaded: git, PostgreSQL and perl.

use tests::{Bundle, Change, Closure, Host, Nix, User};

use crate::Pair;

/// What git does in a new directory; `git` is the bundle.
const SCRIPT: &str = r#"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_AUTHOR_DATE='2020-01-01T00:00:00Z'
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
git --version
git init -q -b main one && cd one
echo hello > file && git add file && git commit -qm first
git log --stat
cd .. && git clone -q one two && cd two
echo more >> file && git commit -qam second && git log --oneline && git blame file && git fsck
git status && git stash list && git grep hello && git -c alias.x=log x -1 --format=%H
git rebase --root 2>&1; git bisect log 2>&1; git help -a | head -n 40; git submodule status
"#;

#[test]
#[ignore = "downloads and packs git"]
fn git_does_the_same() {
    let closure = Closure::example("package.git");
    let pair = Pair::of(|| {
        let builder = Bundle::of(&closure).entry("/bin/git");
        builder.option("--env", format!("GIT_EXEC_PATH={}/lib/git-core", closure.path.display()))
    });
    let output = |bundle: &Bundle| {
        let host = Host::ordinary();
        let program = host.install_as(&bundle.path, "/srv/bin/git");
        let shell = host.start("/bin/sh").args(["-c", SCRIPT]).env("PACKED_MODE", "namespace");
        let bin = program.parent().expect("it is in a directory").display().to_string();
        shell.env("PATH", format!("{bin}:/usr/bin:/bin")).run()
    };
    let [whole, slim] = [output(&pair.whole), output(&pair.slim)];
    assert!(whole.text().contains("second"), "{whole:?}");
    assert_eq!(slim.text(), whole.text());
    let [whole, slim] = pair.bytes();
    assert!(slim < whole);
}

#[test]
#[ignore = "downloads and packs postgresql: 85 MB"]
fn postgresql_does_the_same() {
    let closure = Closure::example("package.postgresql-15");
    let programs = ["postgres", "initdb"].map(|name| format!("/lib/postgresql/15/bin/{name}"));
    let pair = Pair::of(|| Bundle::of(&closure).entries(&programs.each_ref().map(String::as_str)));
    let answer = |bundle: &Bundle| {
        let directory = tempfile::tempdir().expect("make a directory");
        let user = User::ordinary();
        let accounts = directory.path().join("passwd");
        let account = format!("alice:x:{}:{}::/home/alice:/bin/sh\n", user.uid, user.gid);
        std::fs::write(&accounts, account).expect("write a file");
        let accounts = Change::Bind { source: accounts, at: "/etc/passwd".into() };
        let host = Host::changed(user, Nix::Absent, &[accounts]);
        let _ = host.install_as(&bundle.path, "/srv/initdb");
        let _ = host.install_as(&bundle.path, "/srv/postgres");
        let arguments = ["-D", "/tmp/data", "-A", "trust", "--no-sync", "--locale=C"];
        host.start("/srv/initdb").args(arguments).run().expect_code(0);
        let single = ["--single", "-D", "/tmp/data", "postgres"];
        // A query, a language, an extension and a dictionary for text search.
        let queries = b"select 6 * 7 as answer;\ncreate extension pgcrypto;\n\
            select to_tsvector('english', 'the cats ran');\ndo 'begin raise notice $$x$$; end';\n";
        let ended = host.start("/srv/postgres").args(single).stdin(queries).run();
        assert!(ended.text().contains("\"42\""), "{ended:?}");
        ended.text()
    };
    assert_eq!(answer(&pair.slim), answer(&pair.whole));
}

#[test]
#[ignore = "downloads and packs perl"]
fn perl_loads_the_same_modules() {
    let closure = Closure::example("package.perl");
    let pair = Pair::of(|| Bundle::of(&closure).entry("/bin/perl"));
    let find = r#"
use File::Find; my %seen;
find({ no_chdir => 1, wanted => sub {
    return unless /\.pm$/; my $file = $_;
    for my $in (@INC) { if (index($file, "$in/") == 0) { $seen{substr($file, length($in) + 1)} = 1 } }
} }, grep { -d } @INC);
for my $file (sort keys %seen) {
    next if $file =~ /Win32|VMS|OS2|perl5db|CORE|unicore|Test2|TAP/;
    my $pid = fork();
    if (!$pid) { open STDERR, '>', '/dev/null'; my $ok = eval { require $file; 1 }; syswrite STDOUT, "$file " . ($ok ? 'ok' : 'failed') . "\n"; require POSIX; POSIX::_exit(0) }
    waitpid $pid, 0;
}
use diagnostics; print "done\n";
"#;
    let all = pair.same(|start| start.args(["-e", find]));
    assert!(all.iter().all(|text| text.matches(".pm ok\n").count() > 200), "{all:?}");
}
