//! Real servers of binary caches: nginx, and what comes with python.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::http::free_port;
use crate::program::run;
use crate::start::until;

/// A server that serves a directory.
pub struct Served {
    directory: TempDir,
    process: Child,
    host: String,
    scheme: &'static str,
}

/// A request in nginx's log.
#[derive(Debug)]
pub struct Logged {
    /// The connection's number.
    pub connection: String,
    /// Method and path.
    pub request: String,
    /// The header `Range`.
    pub range: String,
    /// Bytes of the answer, without its headers.
    pub sent: u64,
}

impl Served {
    /// nginx, with more lines in its configuration.
    #[must_use]
    pub fn nginx(cache: &Path, more: &str) -> Served {
        Served::start_nginx(cache, "http", more)
    }

    /// nginx with TLS, and an authority of its own.
    #[must_use]
    pub fn nginx_with_tls(cache: &Path) -> Served {
        Served::nginx_with_tls_and(cache, "")
    }

    /// The same with more lines in its configuration.
    #[must_use]
    pub fn nginx_with_tls_and(cache: &Path, more: &str) -> Served {
        let more = format!("ssl_certificate DIR/certificate; ssl_certificate_key DIR/key; {more}");
        Served::start_nginx(cache, "https", &more)
    }

    fn start_nginx(cache: &Path, scheme: &'static str, more: &str) -> Served {
        let directory = directory();
        let path = directory.path();
        if scheme == "https" {
            certificates(path);
        }
        let (port, ssl) = (free_port(), if scheme == "https" { "ssl" } else { "" });
        let text = format!(
            "daemon off; worker_processes 1; user root; pid DIR/pid; error_log DIR/errors;
             events {{ worker_connections 100; }}
             http {{
                 log_format test '$connection|$request_method $request_uri|$http_range|$body_bytes_sent';
                 access_log DIR/log test;
                 client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
                 uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
                 default_type application/octet-stream;
                 server {{ listen 127.0.0.1:{port} {ssl}; root {}; {more} }}
             }}",
            cache.display()
        );
        let text = text.replace("DIR", path.to_str().expect("a path is text"));
        fs::write(path.join("nginx.conf"), text).expect("write the configuration");
        let mut nginx = Command::new("/usr/sbin/nginx");
        nginx.arg("-p").arg(path).arg("-c").arg(path.join("nginx.conf"));
        nginx.arg("-e").arg(path.join("errors"));
        Served::start(directory, &mut nginx, port, scheme)
    }

    /// `python3 -m http.server`: it knows neither ranges nor connections that stay.
    #[must_use]
    pub fn python(cache: &Path) -> Served {
        let (directory, port) = (directory(), free_port());
        let mut python = Command::new("python3");
        python.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]);
        python.arg(cache).arg(port.to_string());
        Served::start(directory, &mut python, port, "http")
    }

    fn start(directory: TempDir, command: &mut Command, port: u16, scheme: &'static str) -> Served {
        let log = File::create(directory.path().join("output")).expect("make a log");
        let error = log.try_clone().expect("copy a descriptor");
        command.stdin(Stdio::null()).stdout(log).stderr(error);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let host = format!("127.0.0.1:{port}");
        let served = Served { directory, process, host, scheme };
        until("the server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(())
        });
        served
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    /// The certificate of its authority.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("authority")
    }

    /// The requests so far; a marker ends them, since the log is written later.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        let marker = format!("/marker-{}", free_port());
        let url = format!("{}{marker}", self.url());
        run(Command::new("curl").args(["--silent", "--insecure", "--noproxy", "*", &url]))
            .expect_code(0);
        let text = until("the server logs the requests", || {
            let log = fs::read_to_string(self.directory.path().join("log")).expect("read the log");
            log.contains(&marker).then_some(log)
        });
        let logged = |line: &str| {
            let mut parts = line.split('|').map(str::to_owned);
            let mut part = || parts.next().expect("four parts");
            let (connection, request, range) = (part(), part(), part());
            Logged { connection, request, range, sent: part().parse().expect("a number") }
        };
        text.lines().filter(|line| !line.contains("/marker-")).map(logged).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // SIGTERM has nginx end its worker, too; it may have ended by itself.
        let _ = run(Command::new("kill").arg(self.process.id().to_string()));
        let _ = self.process.wait();
    }
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("served-").tempdir().expect("make a directory")
}

/// Makes an authority, and a certificate for 127.0.0.1 that it signs.
fn certificates(directory: &Path) {
    let script = "
        new='req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl $new -x509 -days 2 -subj /CN=authority -keyout authority.key -out authority
        openssl $new -subj /CN=cache -keyout key -out request
        echo subjectAltName=IP:127.0.0.1 > names
        openssl x509 -req -days 2 -in request -CA authority -CAkey authority.key -CAcreateserial -extfile names \
            -out certificate";
    run(Command::new("sh").current_dir(directory).args(["-euc", script])).expect_code(0);
}
