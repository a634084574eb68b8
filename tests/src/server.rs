//! A server that answers as a test tells it: no real one lies or breaks off.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What was sent.
    pub body: Vec<u8>,
    /// The number of the connection.
    pub connection: usize,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

/// What happens to the body of an answer.
#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    Whole,
    /// The connection breaks after some bytes.
    Cut(usize),
    /// Nothing comes after some bytes, and the connection stays.
    Stalled(usize),
    /// It comes byte for byte, with a pause before each.
    Dripped(Duration),
    /// It comes again and again.
    Endless,
    /// Already the headers come byte for byte, with a pause before each.
    Hesitant(Duration),
}

impl Answer {
    /// An answer with a status.
    #[must_use]
    pub fn new(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Takes a header out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Answer {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// Gives a header another value.
    #[must_use]
    pub fn replace(self, name: &str, value: &str) -> Answer {
        self.without(name).header(name, value)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self
    }

    /// Breaks the connection after some bytes of the body, if it has more.
    #[must_use]
    pub fn cut(mut self, at: usize) -> Answer {
        self.end = End::Cut(at);
        self
    }

    /// Sends nothing more after some bytes of the body.
    #[must_use]
    pub fn stalled(mut self, at: usize) -> Answer {
        self.end = End::Stalled(at);
        self
    }

    /// Sends the body byte for byte, with a pause before each.
    #[must_use]
    pub fn dripped(mut self, pause: Duration) -> Answer {
        self.end = End::Dripped(pause);
        self
    }

    /// Sends the headers byte for byte, with a pause before each.
    #[must_use]
    pub fn hesitant(mut self, pause: Duration) -> Answer {
        self.end = End::Hesitant(pause);
        self
    }

    /// Sends the body again and again, without a length.
    #[must_use]
    pub fn endless(mut self) -> Answer {
        self.end = End::Endless;
        self
    }

    /// Breaks the connection without an answer.
    #[must_use]
    pub fn none() -> Answer {
        Answer::new(0)
    }

    /// Sends it, but for the body of an answer to HEAD; `None` if the connection has ended.
    fn send(self, mut connection: &TcpStream, method: &str) -> Option<()> {
        let Answer { status, headers, body, end } = self;
        let mut text = format!("HTTP/1.1 {status} Test\r\n");
        let has_len = headers.iter().any(|(name, _)| name == "Content-Length");
        if !has_len && !matches!(end, End::Endless) {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        let head = format!("{text}\r\n").into_bytes();
        match end {
            End::Hesitant(pause) => drip(connection, &head, pause)?,
            _ => connection.write_all(&head).ok()?,
        }
        if method == "HEAD" {
            return Some(());
        }
        match end {
            End::Whole | End::Hesitant(_) => connection.write_all(&body).ok(),
            End::Cut(at) => {
                connection.write_all(&body[..at.min(body.len())]).ok()?;
                None
            }
            End::Stalled(at) => {
                connection.write_all(&body[..at.min(body.len())]).ok()?;
                // Until the other side gives up.
                let _ = connection.read(&mut [0]);
                None
            }
            End::Dripped(pause) => drip(connection, &body, pause),
            End::Endless => {
                while connection.write_all(&body).is_ok() {}
                None
            }
        }
    }
}

/// Sends bytes one by one; `None` if the connection has ended.
fn drip(mut connection: &TcpStream, bytes: &[u8], pause: Duration) -> Option<()> {
    bytes.iter().try_for_each(|byte| {
        thread::sleep(pause);
        connection.write_all(&[*byte]).ok()
    })
}

/// A server on a port of its own. Its threads end with the tests.
pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server; `answer` is also given the number of requests of the same method and path before.
    #[must_use]
    pub fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for (number, connection) in listener.incoming().flatten().enumerate() {
                let (answer, seen) = (answer.clone(), seen.clone());
                thread::spawn(move || serve(&connection, number, &seen, &*answer));
            }
        });
        Server { port, requests }
    }

    /// The name of something in it.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread panics").clone()
    }

    /// The requests since the last call of this.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().expect("no thread panics"))
    }
}

fn serve(
    connection: &TcpStream,
    number: usize,
    seen: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request, usize) -> Answer,
) -> Option<()> {
    // A small answer is not kept back until the one before is confirmed.
    connection.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(connection);
    while let Some(mut request) = read(&mut reader) {
        request.connection = number;
        let before = {
            let mut seen = seen.lock().expect("no thread panics");
            let is_same =
                |old: &&Request| (&old.method, &old.path) == (&request.method, &request.path);
            let before = seen.iter().filter(is_same).count();
            seen.push(request.clone());
            before
        };
        let answer = answer(&request, before);
        if answer.status == 0 || answer.send(connection, &request.method).is_none() {
            break;
        }
    }
    connection.shutdown(Shutdown::Both).ok()
}

/// Reads a request; `None` at the end, and if it is none: packer tries TLS first.
fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.insert(name.to_lowercase(), value.to_owned());
    }
    let len = request.headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    reader.take(len).read_to_end(&mut request.body).ok()?;
    Some(request)
}
