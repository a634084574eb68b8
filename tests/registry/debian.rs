//! Debian's registry.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tests::http::free_port;
use tests::{run, until};

/// The password of alice, who is the registry's only user.
pub(crate) const PASSWORD: &str = "open:sesame";

/// As `htpasswd -B` writes it; the registry knows no other kind.
const HTPASSWD: &str = "alice:$2y$05$rDhcvgWM8loc.LB3mmCxFusl8htp6yPy4.Vcd/eeILJ6PFKqk782O\n";

/// A registry on a port of its own, with nothing in it.
pub(crate) struct Registry {
    directory: TempDir,
    process: Child,
    host: String,
}

impl Registry {
    /// One without TLS, for everybody.
    pub(crate) fn plain() -> Registry {
        Registry::start("")
    }

    /// One with TLS, for alice.
    pub(crate) fn secure() -> Registry {
        Registry::start(
            "  tls: {certificate: DIR/certificate, key: DIR/key}\nauth:\n  htpasswd: {realm: test, path: DIR/users}\n",
        )
    }

    fn start(more: &str) -> Registry {
        let directory =
            tempfile::Builder::new().prefix("registry-").tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("users"), HTPASSWD).expect("write the users");
        if !more.is_empty() {
            let mut openssl = Command::new("openssl");
            openssl.args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ]);
            openssl.args([
                "-days",
                "2",
                "-subj",
                "/CN=registry",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ]);
            openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
            openssl.arg("-keyout").arg(path("key")).arg("-out").arg(path("certificate"));
            run(&mut openssl).expect_code(0);
        }
        let port = free_port();
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: DIR/data}}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}"
        );
        let text = text.replace("DIR", directory.path().to_str().expect("a path is text"));
        fs::write(path("configuration"), text).expect("write the configuration");
        let log = File::create(path("log")).expect("make a log");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(path("configuration"))
            .stdout(log.try_clone().expect("copy a descriptor"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("start docker-registry");
        let registry = Registry { directory, process, host: format!("127.0.0.1:{port}") };
        until("the registry listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(())
        });
        registry
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The name of something in it.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// The certificate of its authority.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate")
    }

    /// The requests since the last call, as methods and paths; a marker ends them, since the log is written later.
    pub(crate) fn requests(&self) -> Vec<String> {
        let marker = format!("/v2/marker/{}", free_port());
        let url = format!("http://{}{marker}", self.host);
        run(Command::new("curl").args(["--silent", "--noproxy", "*", &url])).expect_code(0);
        let lines = until("the registry logs the requests", || {
            let log = fs::read_to_string(self.directory.path().join("log")).expect("read the log");
            let lines = log
                .lines()
                .filter_map(|line| line.split('"').find(|part| part.ends_with("HTTP/1.1")));
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            lines.last().is_some_and(|line| line.contains(&marker)).then_some(lines)
        });
        let old = lines[..lines.len() - 1].iter().rposition(|line| line.contains("/v2/marker/"));
        let new = &lines[old.map_or(0, |old| old + 1)..lines.len() - 1];
        new.iter().map(|line| line.trim_end_matches(" HTTP/1.1").to_owned()).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
