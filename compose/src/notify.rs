//! The protocol of sd_notify(3): services tell us, and we tell systemd.

use std::env;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// What systemd gave this process.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often it wants to hear that this process is alive.
    pub watchdog: Option<Duration>,
}

impl Systemd {
    /// Returns it; `None` if systemd wants no messages.
    #[must_use]
    pub fn find() -> Option<Systemd> {
        let path = env::var_os("NOTIFY_SOCKET")?;
        // An abstract one begins with @: unix(7).
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(&path),
        };
        let microseconds = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let is_ours =
            env::var("WATCHDOG_PID").ok().is_none_or(|text| text.parse() == Ok(std::process::id()));
        let socket = UnixDatagram::unbound().ok()?;
        // Services need this process more than who does not read.
        socket.set_write_timeout(Some(Duration::from_secs(1))).ok()?;
        Some(Systemd {
            socket,
            address: address.ok()?,
            watchdog: microseconds.filter(|_| is_ours).map(|all| Duration::from_micros(all) / 2),
        })
    }

    /// Sends a message, such as `READY=1`.
    pub fn say(&self, message: &str) {
        // systemd may have been restarted; the next message arrives.
        let _ = self.socket.send_to_addr(message.as_bytes(), &self.address);
    }
}
