//! The program's arguments are its own: every byte of them, and argv[0].

use tests::{Host, assert_same_start};

#[test]
fn arguments_arrive_byte_for_byte() {
    let long = vec![b'x'; 128 * 1024 - 1];
    let many: Vec<&[u8]> = std::iter::repeat_n(b"many".as_slice(), 10_000).collect();
    let cases: [&[&[u8]]; 8] = [
        &[b"probe"],
        &[b"probe", b"", b" ", b"two words", b""],
        &[b"probe", b"\xff\xfe", b"gr\xfcn", b"line\nbreak", b"\x01\x1b[31m"],
        &[b"probe", b"--help", b"--version", b"-h", b"--", b"-"],
        // Options that other packers take from the program.
        &[b"probe", b"--extract", b"--appimage-extract", b"--appimage-mount", b"--runtime-help"],
        &[b"probe", b"PACKED=info", b"--packed"],
        &[b"probe", &long],
        &many,
    ];
    for host in Host::every() {
        for argv in cases {
            let report = assert_same_start(&host, |start| start.argv(argv));
            assert_eq!(report.all("argument").count(), argv.len());
        }
    }
}

#[test]
fn argv0_is_what_the_caller_gave() {
    let names: [&[u8]; 7] =
        [b"", b"-probe", b"other", b"/no/such/path", b"./probe", b"\xff", b"a b\n"];
    for host in Host::every() {
        for name in names {
            assert_same_start(&host, |start| start.argv(&[name, b"argument"]));
        }
    }
}

#[test]
fn a_start_without_any_argument_works() {
    for host in Host::every() {
        // Since Linux 5.18 the kernel makes one empty argument of none.
        let report = assert_same_start(&host, |start| start.argv(&[]));
        assert!(report.all("argument").count() <= 1);
    }
}
