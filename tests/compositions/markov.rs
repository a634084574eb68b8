//! redis and a server: examples/markov.

use std::process::Command;

use tests::{Closure, Host, http, source};

use crate::composed::Example;
use crate::{MANY, SOME, keeps_its_data, leaves_nothing};

const MARKOV: Example = Example {
    attribute: "markov",
    options: &[],
    name: "markov",
    services: &[("redis", "ready"), ("server", "ready")],
    address: "MARKOV_LISTEN_ADDR",
    variables: &[],
    path: "/generate?numParts=1",
    write: |url| {
        let answer = http::post(&format!("{url}/build"), "hello world. foo bar.");
        assert_eq!(answer.expect("it listens").status, 200);
    },
    read: |url| {
        let answer = http::get(&format!("{url}/generate?numParts=9")).expect("it listens");
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello world. foo bar.\n"));
    },
    data: &["appendonlydir"],
};

#[test]
fn markov_keeps_its_data_when_it_is_killed() {
    for mode in ["relocate", "namespace"] {
        keeps_its_data(&MARKOV, &Host::ordinary(), mode);
    }
}

#[test]
fn slim_markov_keeps_its_data() {
    keeps_its_data(&MARKOV.slim(), &Host::ordinary(), "relocate");
}

#[test]
fn markov_leaves_nothing() {
    leaves_nothing(&MARKOV, &Host::ordinary(), SOME);
}

#[test]
#[ignore = "starts and stops markov 200 times"]
fn markov_leaves_nothing_after_many_starts() {
    leaves_nothing(&MARKOV, &Host::ordinary(), MANY);
}

/// The check that the other variants of the example pass.
#[test]
fn markov_passes_the_check_of_its_example() {
    let program = Closure::example(MARKOV.attribute).path.join("bin/markov");
    let check =
        Command::new("python3").arg(source().join("examples/markov/check")).arg(program).output();
    let ended = tests::Ended::from(check.unwrap());
    assert!(ended.status.success(), "{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr());
}
