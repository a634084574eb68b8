//! `packer unit`: prints a unit file for a bundle, as docs/systemd.md has it.

use std::fmt::Write as _;
use std::path::Path;

use format::{Mode, Modes};
use runtime::error::Escaped;
use serde_json::Value;

use super::print;
use crate::cli;
use crate::error::{Error, Result};
use crate::source::bundle::Bundle;

/// Bytes of a name in /var/cache below which references can still be rewritten to the cache.
const CACHE_NAME_LEN: usize = 12;

/// What a bundle that can be relocated runs with.
const RESTRICTIONS: &str = "\
CapabilityBoundingSet=
LockPersonality=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
";

/// What any other bundle needs on top of them.
const NAMESPACES: &str = "\
# It cannot be relocated: it makes a namespace.
RestrictNamespaces=user mnt
SystemCallFilter=@mount
";

/// Prints a unit for the system's manager, or for a user's.
///
/// # Errors
///
/// If the file is not a bundle, or is damaged.
pub(crate) fn unit(options: &cli::Unit) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    let path = std::path::absolute(&options.bundle)
        .map_err(|error| Error::io("find", &options.bundle, error))?;
    let composition = bundle.read_file("share/composition.json")?;
    let composition = composition.and_then(|text| serde_json::from_slice(&text).ok());
    let descriptor = &bundle.header.descriptor;
    let name = Escaped(descriptor.entries[0].name(&descriptor.paths)).to_string();
    // A path in which a space or a % would be more than itself: systemd.unit(5).
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    print::text(&text(&name, &path, descriptor.modes, composition.as_ref(), options.user))
}

fn text(
    name: &str,
    path: &Path,
    modes: Modes,
    composition: Option<&Value>,
    is_users: bool,
) -> String {
    let mut unit = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(unit, "{text}");
    };
    line(format_args!("[Unit]\nDescription={name}\n\n[Service]"));
    match composition {
        // It says when all services are ready, and has a time of its own for each. It stops them in order.
        Some(composition) => line(format_args!(
            "Type=notify\nTimeoutStartSec=infinity\nTimeoutStopSec={}\nKillMode=mixed",
            stop_seconds(composition)
        )),
        None => line(format_args!("Type=exec")),
    }
    // A path with spaces is one word in quotes, and % is doubled: systemd.service(5).
    let program =
        path.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    line(format_args!("ExecStart=\"{program}\"\nRestart=on-failure"));
    line(format_args!(
        "# The launcher's own: it would fail again.\nRestartPreventExitStatus=125 126 127"
    ));
    if !is_users {
        let cache = name.get(..CACHE_NAME_LEN).unwrap_or(name);
        line(format_args!("CacheDirectory={cache}"));
    }
    line(format_args!("StateDirectory={name}\nWorkingDirectory=%S/{name}"));
    if let Some(composition) = composition {
        // For its sockets: root finds them there, but not in a private /tmp.
        line(format_args!("RuntimeDirectory={name}"));
        if takes_hangup(composition) {
            line(format_args!("ExecReload=/bin/kill -HUP $MAINPID"));
        }
        let secrets = composition["secrets"].as_object();
        for secret in secrets.into_iter().flat_map(|secrets| secrets.keys()) {
            // Where newer versions than 247 look without a path; %E is ~/.config for a user.
            let etc = if is_users { "%E" } else { "/etc" };
            line(format_args!("LoadCredential={secret}:{etc}/credstore/{secret}"));
        }
    }
    if is_users {
        line(format_args!("NoNewPrivileges=yes\n\n[Install]\nWantedBy=default.target"));
        return unit;
    }
    line(format_args!(
        "DynamicUser=yes\nProtectSystem=strict\nPrivateTmp=yes\nNoNewPrivileges=yes\nMemoryDenyWriteExecute=yes"
    ));
    line(format_args!("{}", RESTRICTIONS.trim_end()));
    if !modes.contains(Mode::Relocate) {
        line(format_args!("{}", NAMESPACES.trim_end()));
    }
    line(format_args!("\n[Install]\nWantedBy=multi-user.target"));
    unit
}

/// The seconds after which all services of a composition are killed, be it one after the other, and some more.
fn stop_seconds(composition: &Value) -> f64 {
    // The supervisor's default.
    let of_service = |service: &Value| service["stop"]["timeout"].as_f64().unwrap_or(10.0).ceil();
    let services = composition["services"].as_object();
    let all: f64 = services.into_iter().flatten().map(|(_, service)| of_service(service)).sum();
    10.0 + all
}

/// Whether a service of a composition asks for SIGHUP: it stops all otherwise.
fn takes_hangup(composition: &Value) -> bool {
    let services = composition["services"].as_object();
    let signals =
        services.into_iter().flatten().filter_map(|(_, service)| service["signals"].as_array());
    signals.flatten().any(|signal| matches!(signal.as_str(), Some("HUP" | "SIGHUP")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_for_what_is_in_the_bundle() {
        let unit = |modes: Modes, composition: Option<&Value>, is_users| {
            text(
                "a-long-name-of-it",
                Path::new("/srv/my \"100 %\"/markov"),
                modes,
                composition,
                is_users,
            )
        };
        let all = unit(Mode::ALL.into_iter().collect(), None, false);
        assert!(all.contains("Type=exec\nExecStart=\"/srv/my \\\"100 %%\\\"/markov\"\n"), "{all}");
        assert!(
            all.contains("CacheDirectory=a-long-name-\nStateDirectory=a-long-name-of-it\n"),
            "{all}"
        );
        assert!(!all.contains("RestrictNamespaces=user"), "{all}");
        let fixed = unit([Mode::Namespace].into_iter().collect(), None, false);
        assert!(
            fixed.contains("RestrictNamespaces=user mnt\nSystemCallFilter=@mount\n"),
            "{fixed}"
        );
        let composition = serde_json::json!({
            "secrets": { "password": "PASSWORD_FILE" },
            "services": { "server": { "signals": ["USR1", "SIGHUP"], "stop": { "timeout": 1.5 } }, "worker": {} },
        });
        let composed = unit(Mode::ALL.into_iter().collect(), Some(&composition), true);
        for lines in [
            "Type=notify\nTimeoutStartSec=infinity\nTimeoutStopSec=22\nKillMode=mixed\n",
            "RuntimeDirectory=a-long-name-of-it\nExecReload=/bin/kill -HUP $MAINPID\n",
            "LoadCredential=password:%E/credstore/password\n",
        ] {
            assert!(composed.contains(lines), "{composed}");
        }
        let still = serde_json::json!({ "services": { "server": { "signals": ["USR1"] } } });
        let still = unit(Mode::ALL.into_iter().collect(), Some(&still), false);
        assert!(!still.contains("ExecReload") && !still.contains("LoadCredential"), "{still}");
        assert!(!all.contains("RuntimeDirectory") && !all.contains("KillMode"), "{all}");
        assert!(composed.ends_with("WantedBy=default.target\n"), "{composed}");
        for setting in ["DynamicUser=", "CacheDirectory="] {
            assert!(all.contains(setting) && !composed.contains(setting), "{composed}");
        }
        let system = unit(Mode::ALL.into_iter().collect(), Some(&composition), false);
        assert!(system.contains("LoadCredential=password:/etc/credstore/password\n"), "{system}");
    }
}
