//! Asks whether a service is ready.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::composition::{Check, address, http};

/// Time for one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an answer's first line.
const LINE_LEN: u64 = 1024;

/// Asks once; the check must be one that takes a connection.
///
/// # Errors
///
/// What it saw, in words.
pub fn ask(check: &Check) -> Result<(), String> {
    match check {
        Check::Tcp(text) => connect(&address(text)?).map(drop),
        Check::Unix(path) => match UnixStream::connect(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{path}: {error}")),
        },
        Check::Http(url, status) => {
            let found = status_of(url)?;
            let is_expected = match status {
                Some(status) => found == *status,
                None => (200..400).contains(&found),
            };
            if is_expected { Ok(()) } else { Err(format!("{url}: status {found}")) }
        }
        Check::Exec(_) | Check::Log(_) | Check::Notify => Err("nothing".to_owned()),
    }
}

fn connect(address: &str) -> Result<TcpStream, String> {
    let addresses = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
    let mut last = format!("{address}: no such address");
    for one in addresses {
        match TcpStream::connect_timeout(&one, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

/// Returns the status of the answer to a request: RFC 9112. The rest of the answer, which may have no end, is not read.
fn status_of(url: &str) -> Result<u16, String> {
    let failed = |error: std::io::Error| format!("{url}: {error}");
    let (address, path) = http(url)?;
    let mut stream = connect(&address)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: compose\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_LEN)).read_until(b'\n', &mut line).map_err(failed)?;
    let line = String::from_utf8_lossy(&line);
    let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split_whitespace().nth(1));
    status.and_then(|status| status.parse().ok()).ok_or_else(|| format!("{url}: no answer of HTTP"))
}
