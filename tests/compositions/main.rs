//! The examples of compositions, as bundles on a host of an ordinary user without /nix.
//!
//! Each answers over HTTP, loses no data when its supervisor is killed, and leaves nothing but its data when it stops.

/// PostgreSQL, an application and nginx.
mod blog;
/// A composition that runs.
mod composed;
/// redis and a server.
mod markov;
/// Modular services of nixpkgs.
mod modular;
/// A queue, and a worker that crashes.
mod worker;

use composed::Example;
use nix::sys::signal::Signal;
use tests::Host;

/// Starts and stops in `make test`, and in `make test-long`.
const SOME: usize = 10;
const MANY: usize = 200;

/// From the first start to the end, twice, with a kill between the two.
fn keeps_its_data(example: &Example, host: &Host, mode: &str) {
    let mut first = example.start(host, mode);
    first.until_ready();
    assert!(!first.temporary().is_empty(), "what must be gone at the end is seen");
    (example.write)(&first.url);
    first.kill();
    // At once: it waits until the first one's services have ended.
    let mut second = example.start(host, mode);
    second.until_ready();
    (example.read)(&second.url);
    second.stop(Signal::SIGTERM);
    let mut third = example.start(host, mode);
    third.until_ready();
    (example.read)(&third.url);
    third.stop(Signal::SIGINT);
}

/// Starts and stops it: every second time it is stopped before it is ready.
fn leaves_nothing(example: &Example, host: &Host, times: usize) {
    for time in 0..times {
        let mut composed = example.start(host, "relocate");
        if time % 2 == 0 {
            composed.until_ready();
        } else {
            composed.until_asked();
        }
        composed.stop(Signal::SIGTERM);
    }
}
