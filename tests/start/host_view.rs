//! What a person in the program's place sees is the host: its tools, files, users, terminal.

use std::collections::BTreeSet;

use nix::unistd::User as Account;
use tests::{Bundle, Closure, Host, Nix, Terminal, User};

/// A bundle of env(1), which runs programs of the host.
fn env() -> Bundle {
    Bundle::of(&Closure::example("coreutils")).entry("/bin/env").pack()
}

/// What a shell of the host says, started by the bundle in a mode or directly.
fn shell(host: &Host, mode: Option<&str>, script: &str) -> String {
    let start = match mode {
        Some(mode) => host.start(host.install(env().path)).env("PACKED_MODE", mode),
        None => host.start("/usr/bin/env"),
    };
    start.args(["sh", "-c", script]).run().stdout()
}

#[test]
fn tools_files_and_users_are_the_hosts() {
    let script = "cat /etc/resolv.conf /etc/passwd /etc/group /etc/hosts 2>&1; hostname; id -u; id -g; \
        command -v sh ls tar; echo $PATH; pwd; cat /proc/self/cgroup; ls -di /etc /usr /home /tmp /dev";
    for host in Host::every() {
        let direct = shell(&host, None, script);
        for mode in env().modes() {
            assert_eq!(shell(&host, Some(&mode), script), direct, "{mode} on {host}");
        }
    }
}

#[test]
fn the_top_level_has_the_same_names() {
    for host in Host::every() {
        let names = |mode: Option<&str>| -> BTreeSet<String> {
            shell(&host, mode, "ls -A /").lines().map(str::to_owned).collect()
        };
        let direct = names(None);
        for mode in env().modes() {
            let mut expected = direct.clone();
            // Nowhere else can a closure be that was not relocated.
            if mode != "relocate" {
                expected.insert("nix".into());
            }
            assert_eq!(names(Some(&mode)), expected, "{mode} on {host}");
        }
    }
}

#[test]
fn the_terminal_is_the_callers() {
    for host in Host::every() {
        for mode in env().modes() {
            let start = host.start(host.install(env().path)).env("PACKED_MODE", &mode);
            let script = "tty; echo ok >/dev/tty";
            let mut terminal = Terminal::start(start.args(["sh", "-c", script]));
            terminal.expect("/dev/pts/");
            terminal.expect("\r\nok\r\n");
            assert!(terminal.wait().success(), "{mode} on {host}: {}", terminal.text());
        }
    }
}

/// sudo(8) runs a program as root, and ssh(1) takes a configuration that root owns: neither works in a user
/// namespace, which is why relocating comes first.
#[test]
fn sudo_and_ssh_work_in_a_relocated_bundle() {
    let nobody = Account::from_name("nobody").expect("read /etc/passwd").expect("nobody is a user");
    let (uid, gid) = (nobody.uid, nobody.gid);
    let root = Host::new(User::root(), Nix::Absent);
    let bundle = root.install(env().path);
    let home = root.directory("/srv/nobody", 0o755);
    std::os::unix::fs::chown(root.outside(&home), Some(uid.as_raw()), Some(gid.as_raw()))
        .expect("give it to nobody");
    let as_nobody = |mode: &str, command: &str| {
        // In a mount namespace of its own: nobody's right is gone with it.
        let script = format!(
            "mount -t tmpfs -o mode=0755 none /etc/sudoers.d && umask 0337 && \
             echo 'nobody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/nobody && umask 022 && \
             exec setpriv --reuid={uid} --regid={gid} --clear-groups \
             env HOME={} PACKED_MODE={mode} {} {command}",
            home.display(),
            bundle.display(),
        );
        root.start("/usr/bin/unshare").args(["--mount", "sh", "-c", &script]).run()
    };
    assert_eq!(as_nobody("relocate", "sudo -n id -u").stdout(), "0\n");
    let ssh = as_nobody("relocate", "ssh -T -G host.example").stdout();
    assert!(ssh.contains("hostname host.example"), "{ssh}");
}
