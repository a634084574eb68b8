//! What breaks connections to a real server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Passes connections on to a server. Its threads end with the tests.
pub struct Cutter {
    port: u16,
}

impl Cutter {
    /// Begins to pass on to a host and port. `cuts` are bytes in one direction; each breaks one connection.
    #[must_use]
    pub fn before(host: &str, cuts: &'static [usize]) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let (host, next) = (host.to_owned(), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&host).expect("reach the server");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) =
                        (from.try_clone().expect("copy"), to.try_clone().expect("copy"));
                    let next = next.clone();
                    thread::spawn(move || pass(&from, &to, &next, cuts));
                }
            }
        });
        Cutter { port }
    }

    /// The name of something in the server.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, next: &AtomicUsize, cuts: &[usize]) {
    let (mut buffer, mut count) = ([0; 1 << 16], 0);
    loop {
        let len = from.read(&mut buffer).unwrap_or(0);
        count += len;
        let number = next.load(Ordering::SeqCst);
        let is_cut = cuts.get(number).is_some_and(|cut| count > *cut);
        if len == 0 || is_cut || to.write_all(&buffer[..len]).is_err() {
            if is_cut {
                next.fetch_add(1, Ordering::SeqCst);
            }
            // The other side may be closed before.
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
    }
}
