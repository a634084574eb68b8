//! Asks whether a service is ready.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::composition::Check;

/// Time for one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks once; the check must be one that takes a connection.
///
/// # Errors
///
/// What it saw, in words.
pub fn ask(check: &Check) -> Result<(), String> {
    match check {
        Check::Tcp(address) => {
            let addresses =
                address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
            let mut last = format!("{address}: no such address");
            for one in addresses {
                match TcpStream::connect_timeout(&one, PATIENCE) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = format!("{address}: {error}"),
                }
            }
            Err(last)
        }
        Check::Unix(path) => match UnixStream::connect(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{path}: {error}")),
        },
        Check::Http(url, status) => {
            // An address without a host, as servers take it.
            let url = &url.replacen("http://:", "http://localhost:", 1);
            let request = minreq::get(url).with_timeout(PATIENCE.as_secs()).with_max_redirects(0);
            let found = match request.send() {
                Ok(response) => u16::try_from(response.status_code).unwrap_or(0),
                // It would lead to another page: it answers.
                Err(minreq::Error::TooManyRedirections) => 302,
                Err(error) => return Err(format!("{url}: {error}")),
            };
            let is_expected = match status {
                Some(status) => found == *status,
                None => (200..400).contains(&found),
            };
            if is_expected { Ok(()) } else { Err(format!("{url}: status {found}")) }
        }
        Check::Exec(_) | Check::Log(_) | Check::Notify => Err("nothing".to_owned()),
    }
}
