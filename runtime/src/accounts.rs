//! Whether the program can look up users that the host keeps in a directory service.

use core::ffi::CStr;
use core::fmt;

use rustix::fs::{Access, CWD};

use crate::system::file;

/// Where the host says who knows its users.
const NSSWITCH: &CStr = c"/etc/nsswitch.conf";

/// Bytes of it that are read.
const LIMIT: usize = 64 * 1024;

/// Services that need a module, `libnss_<service>.so.2`, which a closure does not have.
const SERVICES: [&str; 2] = ["sss", "ldap"];

/// Sockets of daemons that answer for every service: nscd(8), and sssd for itself.
const SOCKETS: [&str; 2] = ["/run/nscd/socket", "/var/lib/sss/pipes/nss"];

/// Users of this service cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownUsers(&'static str);

impl UnknownUsers {
    /// Looks whether the host has such users, and nobody who answers for them.
    pub fn find() -> Option<UnknownUsers> {
        let text = file::read(CWD, NSSWITCH, LIMIT).ok()?;
        let service = service(&text)?;
        let answers = |socket| rustix::fs::access(socket, Access::EXISTS).is_ok();
        if SOCKETS.into_iter().any(answers) { None } else { Some(UnknownUsers(service)) }
    }

    /// What the user can do.
    pub fn hint(self) -> impl fmt::Display {
        struct Hint(&'static str);
        impl fmt::Display for Hint {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Hint(service) = self;
                write!(
                    f,
                    "start nscd or nsncd on the host, or set LD_PRELOAD to its libnss_{service}.so.2"
                )
            }
        }
        Hint(self.0)
    }
}

impl fmt::Display for UnknownUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [nscd, sssd] = SOCKETS;
        let service = self.0;
        write!(
            f,
            "/etc/nsswitch.conf has users of {service}, and neither {nscd} nor {sssd} answers for them"
        )
    }
}

/// The service of [`SERVICES`] that `passwd` names in the text of nsswitch.conf(5).
fn service(text: &[u8]) -> Option<&'static str> {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let mut values = lines.filter_map(|line| line.strip_prefix(b"passwd:"));
    let value = values.next()?.split(|byte| *byte == b'#').next()?;
    let words = || value.split(u8::is_ascii_whitespace);
    SERVICES.into_iter().find(|service| words().any(|word| word == service.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_of_passwd_is_found() {
        for (text, expected) in [
            ("passwd: files systemd\nshadow: sss", None),
            ("# passwd: sss\npasswd:\tfiles sss [NOTFOUND=return]\n", Some("sss")),
            ("group: ldap\n  passwd: compat ldap", Some("ldap")),
            ("passwd: files # sss", None),
            ("passwd: files sssd", None),
            ("", None),
        ] {
            assert_eq!(service(text.as_bytes()), expected, "{text}");
        }
    }
}
