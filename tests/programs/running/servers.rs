//! Servers that a supervisor starts, or that put themselves into the background.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use tests::{Closure, Host, Nix, User, until};

use super::{Case, SERVER, end, has_ended, leases, number, python, with_python};
use crate::MODES;

/// Sends bytes to a socket in the home directory and returns the first bytes of the answer.
fn ask(case: &Case, question: &str) -> Option<String> {
    let mut client = UnixStream::connect(case.host.outside(case.host.home("socket"))).ok()?;
    client.write_all(question.as_bytes()).ok()?;
    let mut answer = [0; 4096];
    let len = client.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..len]).into_owned())
}

/// A launcher starts a server without its descriptors, and ends; the server ends here, too.
fn a_launched_server_is_kept(case: &Case) {
    case.start("python3").arg("--version").run().expect_code(0);
    let server = case.launch(&case.path("bin/python3"), &["-Bc", SERVER]);
    case.answers("wave");
    case.has_no_lease(server);
    case.is_kept(&format!("in use by process {server} (python3)"));
    case.answers("colorsys");
    end(server);
}

#[test]
fn a_server_of_subprocess_is_found() {
    let bundle = python();
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        a_launched_server_is_kept(&case);
        assert!(!case.cache(&["list"]).contains("running)"));
        case.is_cleared_by("clear");
    }
}

/// The host's store then stays visible below the bundle's, by an overlay where the kernel allows that.
#[test]
fn a_server_is_found_beside_other_store_paths() {
    let bundle = python();
    for mode in MODES {
        for user in [User::ordinary(), User::root()] {
            let case = Case::new(Host::new(user, Nix::OtherPaths), &bundle, mode);
            a_launched_server_is_kept(&case);
            case.is_cleared_by("clear");
        }
    }
}

#[test]
fn redis_is_found() {
    let bundle = with_python("pkgs.redis", &["/bin/redis-server"], &[]);
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        case.start("python3").arg("--version").run().expect_code(0);
        let options = "--daemonize yes --port 0 --unixsocket socket --pidfile pid --save";
        let mut arguments: Vec<&str> = options.split(' ').collect();
        arguments.push("");
        case.launch_daemon(&case.path("bin/redis-server"), &arguments);
        let answers = || {
            until("redis answers", || {
                ask(&case, "PING\r\n").filter(|answer| answer == "+PONG\r\n")
            });
        };
        answers();
        let server = number(&case.host.outside(case.host.home("pid")));
        case.has_no_lease(server);
        case.is_kept(&format!("in use by process {server} (redis-server)"));
        answers();
        assert_eq!(ask(&case, "SHUTDOWN\r\n").as_deref(), Some(""));
        until("redis has ended", || has_ended(server).then_some(()));
        case.is_cleared_by("clear");
    }
}

#[test]
#[ignore = "downloads and packs nginx"]
fn nginx_is_found() {
    let bundle = with_python("package.nginx", &["/bin/nginx"], &[]);
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        case.start("python3").arg("--version").run().expect_code(0);
        let types = case.path("etc/nginx/mime.types");
        let home = case.host.user.home().display();
        let configuration = format!(
            "pid {home}/pid; events {{}} http {{ access_log off; client_body_temp_path {home}/a;
            proxy_temp_path {home}/b; fastcgi_temp_path {home}/c; uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
            server {{ listen unix:{home}/socket; location /types {{ alias {}; }} }} }}\n",
            types.display()
        );
        let file = case.host.home("conf");
        std::fs::write(case.host.outside(&file), configuration).unwrap();
        let log = format!("{home}/log");
        let file = file.to_str().unwrap();
        case.launch_daemon(&case.path("bin/nginx"), &["-e", &log, "-c", file]);
        let answers = || {
            let question = "GET /types HTTP/1.0\r\n\r\n";
            let answer = until("nginx answers", || ask(&case, question));
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        };
        answers();
        // It writes its number before it forks its worker.
        let server = number(&case.host.outside(case.host.home("pid")));
        case.has_no_lease(server);
        case.is_kept(&format!("in use by process {server} (nginx)"));
        answers();
        case.start("nginx").args(["-e", &log, "-c", file, "-s", "quit"]).run().expect_code(0);
        until("nginx has ended", || has_ended(server).then_some(()));
        until("its worker has ended", || {
            (!case.cache(&["list"]).contains("running)")).then_some(())
        });
        case.is_cleared_by("clear");
    }
}

/// The server of tmux keeps its lease, but gives none to its shells.
#[test]
#[ignore = "downloads and packs tmux"]
fn a_detached_session_is_found() {
    let bash = Closure::example("package.bash").path;
    let bundle = with_python("package.tmux", &["/bin/tmux", "/bin/bash"], &[bash]);
    for mode in MODES {
        let case = Case::ordinary(&bundle, mode);
        let tmux =
            |arguments: &[&str]| case.start("tmux").args(["-S", "socket"]).args(arguments).run();
        tmux(&["-V"]).expect_code(0);
        let bash = case.path("bin/bash");
        let session = ["new-session", "-d", "-s", "here", bash.to_str().unwrap()];
        tmux(&session).expect_code(0);
        let list = ["list-panes", "-a", "-F", "#{pid} #{pane_pid}"];
        let processes = || -> Vec<i32> {
            let said = tmux(&list).stdout();
            said.split_whitespace().map(|number| number.parse().unwrap()).collect()
        };
        assert_eq!(processes().into_iter().map(leases).collect::<Vec<_>>(), [1, 0]);
        case.is_kept("in use");
        let ended = processes();
        tmux(&["kill-server"]).expect_code(0);
        until("tmux has ended", || ended.iter().all(|process| has_ended(*process)).then_some(()));

        case.launch_daemon(&case.path("bin/tmux"), &[&["-S", "socket"][..], &session].concat());
        let server = until("the session is there", || {
            tmux(&["has-session"]).status.success().then(processes)
        });
        case.has_no_lease(server[0]);
        case.has_no_lease(server[1]);
        // The server calls itself "tmux: server".
        case.is_kept(&format!("in use by process {} (tmux: server)", server[0]));
        assert!(tmux(&["ls"]).stdout().starts_with("here: 1 windows"));
        tmux(&["kill-server"]).expect_code(0);
        until("they have ended", || server.iter().all(|process| has_ended(*process)).then_some(()));
        case.is_cleared_by("clear");
    }
}
