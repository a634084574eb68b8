//! The environment is the caller's, byte for byte and in its order.

use tests::{Host, assert_same_start};

#[test]
fn the_environment_arrives_byte_for_byte() {
    let long = [b"LONG=".as_slice(), &vec![b'x'; 100 * 1024]].concat();
    for host in Host::every() {
        let home = format!("HOME={}", host.user.home().display()).into_bytes();
        let cases: [&[&[u8]]; 7] = [
            &[&home],
            &[&home, b"A=1", b"A=2", b"A=1", b"B=", b"C"],
            &[b"no equals sign", b"", b"=", b"=value", b"a=b=c", &home],
            &[b"\xff=\xfe", b"NEWLINE=a\nb", &home, &home],
            &[&home, b"LD_LIBRARY_PATH=/nowhere", b"PATH=", b"ARGV0=x", b"APPDIR=y"],
            &[
                &home,
                b"PACKED=",
                b"PACKED_MODE=",
                b"PACKED_LOG=",
                b"PACKED_OTHER=x",
                b"PACKEDX=info",
            ],
            &[&home, &long],
        ];
        for environment in cases {
            let report = assert_same_start(&host, |start| start.environment(environment));
            assert_eq!(report.all("variable").count(), environment.len(), "{environment:?}");
        }
    }
}

#[test]
fn the_launchers_own_variables_stay_too() {
    for host in Host::every() {
        let cache = host.directory(host.home("elsewhere/packed"), 0o700);
        let report = assert_same_start(&host, |start| {
            start.env("PACKED_CACHE", &cache).env("PACKED_LOG", "other")
        });
        assert!(report.all("variable").any(|variable| variable.starts_with("PACKED_CACHE=")));
    }
}

#[test]
fn an_empty_environment_is_no_obstacle() {
    for host in Host::every() {
        let report = assert_same_start(&host, |start| start.environment(&[]));
        assert_eq!(report.all("variable").count(), 0);
    }
}
