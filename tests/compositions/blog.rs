//! PostgreSQL, an application and nginx: examples/blog.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use tests::{Change, Host, Nix, User, http};

use crate::composed::Example;
use crate::{MANY, SOME, keeps_its_data, leaves_nothing};

const BLOG: Example = Example {
    attribute: "blog",
    options: &[],
    name: "blog",
    services: &[
        ("initdb", "ended: exit status 0"),
        ("postgres", "ready"),
        ("migration", "ended: exit status 0"),
        ("application", "ready"),
        ("nginx", "ready"),
    ],
    address: "BLOG_LISTEN_ADDR",
    variables: &[],
    path: "/",
    write: |url| {
        for text in ["first", "it's \"quoted\" :text"] {
            let answer = http::post(url, text).expect("it listens");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    },
    read: |url| {
        let answer = http::get(url).expect("it listens");
        let posts: Vec<String> = serde_json::from_str(&answer.body).expect("it answers with JSON");
        assert_eq!(posts, ["first", "it's \"quoted\" :text"]);
    },
    data: &["postgres"],
};

/// A host of an ordinary user with an account: initdb asks for the name.
fn host(directory: &Path) -> Host {
    let user = User::ordinary();
    let source = directory.join("passwd");
    let account = format!("alice:x:{}:{}::/home/alice:/bin/sh\n", user.uid, user.gid);
    fs::write(&source, account).expect("write a file");
    Host::changed(user, Nix::Absent, &[Change::Bind { source, at: "/etc/passwd".into() }])
}

#[test]
#[ignore = "downloads and packs postgresql and nginx"]
fn blog_keeps_its_data_when_it_is_killed() {
    for mode in ["relocate", "namespace"] {
        let directory = tempfile::tempdir().unwrap();
        keeps_its_data(&BLOG, &host(directory.path()), mode);
    }
}

#[test]
#[ignore = "downloads and packs postgresql and nginx"]
fn slim_blog_keeps_its_data() {
    let directory = tempfile::tempdir().unwrap();
    keeps_its_data(&BLOG.slim(), &host(directory.path()), "namespace");
}

#[test]
#[ignore = "downloads and packs postgresql and nginx"]
fn blog_begins_again_when_initdb_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let host = host(directory.path());
    let mut first = BLOG.start(&host, "relocate");
    let half = host.outside(host.home("data/postgres/cluster.new/PG_VERSION"));
    first.until("a part of the database", |_| half.exists().then_some(()));
    first.kill();
    let mut second = BLOG.start(&host, "relocate");
    second.until_ready();
    (BLOG.write)(&second.url);
    (BLOG.read)(&second.url);
    second.stop(Signal::SIGTERM);
}

#[test]
#[ignore = "downloads and packs postgresql and nginx"]
fn blog_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    leaves_nothing(&BLOG, &host(directory.path()), SOME);
}

#[test]
#[ignore = "starts and stops the blog 200 times"]
fn blog_leaves_nothing_after_many_starts() {
    let directory = tempfile::tempdir().unwrap();
    leaves_nothing(&BLOG, &host(directory.path()), MANY);
}
