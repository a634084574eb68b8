//! Passwords on a terminal, which does not show them.

use tests::{Bundle, Host, Start, Terminal, packer};

const PASSWORD: &str = "open sesame";

#[test]
fn a_password_is_asked_for() {
    let host = Host::ordinary();
    let (packer, bundle) = (host.install(packer()), host.home("probe"));
    let [key, public] = ["me.key", "me.pub"].map(|name| host.home(name));
    std::fs::copy(Bundle::probe().path, host.outside(&bundle)).expect("copy a bundle");
    host.user.own(&host.outside(&bundle)).expect("give it to the user");
    let start =
        |command: &str| -> Start { host.start(&packer).arg(command).arg("--key").arg(&key) };

    let mut other = Terminal::start(start("keygen"));
    other.expect("Password: ");
    other.send("one\n");
    other.expect("Password, once more: ");
    other.send("two\n");
    other.expect("packer: the passwords differ");
    assert_eq!(other.wait().code(), Some(1));
    assert!(!host.outside(&key).exists() && !host.outside(&public).exists());

    let mut same = Terminal::start(start("keygen"));
    same.expect("Password: ");
    same.send(&format!("{PASSWORD}\n"));
    same.expect("Password, once more: ");
    same.send(&format!("{PASSWORD}\n"));
    same.expect("is the public one");
    assert_eq!(same.wait().code(), Some(0));

    let mut sign = Terminal::start(start("sign").arg(&bundle));
    sign.expect("Password: ");
    sign.send(&format!("{PASSWORD}\n"));
    sign.expect("probe.minisig: timestamp:");
    assert_eq!(sign.wait().code(), Some(0));
    for terminal in [same, sign] {
        assert!(!terminal.text().contains(PASSWORD), "{}", terminal.text());
    }
    let verify = host.start(&packer).arg("verify").arg(&bundle).arg("--public-key").arg(&public);
    verify.run().expect_code(0);
}
