//! A queue, and a worker that crashes: examples/worker.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use tests::{Host, http, until};

use crate::composed::Example;
use crate::{MANY, SOME, keeps_its_data, leaves_nothing};

/// Enough for several crashes: a job takes 20 ms.
pub(crate) const JOBS: usize = 100;

pub(crate) const WORKER: Example = Example {
    attribute: "worker",
    options: &[],
    name: "worker",
    services: &[("redis", "ready"), ("capitals", "ready"), ("server", "ready")],
    address: "WORKER_LISTEN_ADDR",
    variables: &[("WORKER_CRASH_SECONDS", "0.5")],
    path: "/",
    write: |url| {
        for number in 0..JOBS {
            let answer = http::post(url, &format!("job {number}")).expect("it listens");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    },
    read: |url| {
        let all_done = || Some(done(url)).filter(|done| done.len() >= JOBS);
        let done = until("all jobs are done", all_done);
        assert_eq!(done.len(), JOBS, "none is done twice: {done:?}");
        let expected = (0..JOBS).map(|number| format!("JOB {number}"));
        assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), expected.collect());
    },
    data: &["redis"],
};

fn done(url: &str) -> Vec<String> {
    let answer = http::get(url).expect("it listens");
    serde_json::from_str(&answer.body).expect("it answers with JSON")
}

#[test]
fn worker_loses_no_job_when_it_is_killed() {
    for mode in ["relocate", "namespace"] {
        keeps_its_data(&WORKER, &Host::ordinary(), mode);
    }
}

#[test]
fn slim_worker_loses_no_job() {
    keeps_its_data(&WORKER.slim(), &Host::ordinary(), "relocate");
}

#[test]
fn worker_is_started_again_and_again() {
    let host = Host::ordinary();
    let mut composed = WORKER.start(&host, "relocate");
    composed.until_ready();
    (WORKER.write)(&composed.url);
    (WORKER.read)(&composed.url);
    composed.until("three restarts", |it| (it.restarts("capitals")? >= 3).then_some(()));
    assert_eq!(composed.restarts("redis"), Some(0));
    assert_eq!(composed.restarts("server"), Some(0));
    let log = composed.stop(Signal::SIGTERM);
    for delay in ["0.1", "0.2", "0.4"] {
        let line = format!("capitals: exit status 1; started again in {delay} s");
        assert!(log.contains(&line), "no {line:?} in\n{log}");
    }
}

#[test]
fn worker_leaves_nothing() {
    leaves_nothing(&WORKER, &Host::ordinary(), SOME);
}

#[test]
#[ignore = "starts and stops the worker 200 times"]
fn worker_leaves_nothing_after_many_starts() {
    leaves_nothing(&WORKER, &Host::ordinary(), MANY);
}
