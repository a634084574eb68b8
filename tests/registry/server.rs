//! A server that answers as a test tells it: no real registry lies or breaks off.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the body after which the connection breaks.
    cut: Option<usize>,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self
    }

    /// Breaks the connection after some bytes of the body.
    pub(crate) fn cut(mut self, at: usize) -> Answer {
        self.cut = Some(at);
        self
    }

    /// Breaks the connection without an answer.
    pub(crate) fn none() -> Answer {
        Answer::new(0)
    }
}

/// A server on a port of its own. Its threads end with the tests.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server; `answer` is also given the number of requests of the same method and path before.
    pub(crate) fn start(
        answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (answer, seen) = (answer.clone(), seen.clone());
                thread::spawn(move || serve(&connection, &seen, &*answer));
            }
        });
        Server { port, requests }
    }

    /// The name of something in it.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread panics").clone()
    }
}

fn serve(
    connection: &TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request, usize) -> Answer,
) -> Option<()> {
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader) {
        let before = {
            let mut seen = seen.lock().expect("no thread panics");
            let is_same =
                |old: &&Request| (&old.method, &old.path) == (&request.method, &request.path);
            let before = seen.iter().filter(is_same).count();
            seen.push(request.clone());
            before
        };
        let Answer { status, headers, body, cut } = answer(&request, before);
        if status == 0 {
            break;
        }
        let mut text = format!("HTTP/1.1 {status} Test\r\n");
        if !headers.iter().any(|(name, _)| name == "Content-Length") {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        let body = if request.method == "HEAD" { &[] } else { &body[..cut.unwrap_or(body.len())] };
        let mut connection = connection;
        connection.write_all(format!("{text}\r\n").as_bytes()).ok()?;
        connection.write_all(body).ok()?;
        if cut.is_some() {
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
