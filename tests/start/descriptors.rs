//! Descriptors are inherited: which are open, at which number, with which flags and position.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, pipe};

use nix::sys::resource::Resource;
use tests::{Bundle, Host, assert_same_start};

#[test]
fn inherited_descriptors_arrive() {
    for host in Host::every() {
        let path = host.outside(host.home("file"));
        fs::write(&path, "content").unwrap();
        let report = assert_same_start(&host, |start| {
            let mut reader = File::open(&path).unwrap();
            reader.seek(SeekFrom::Start(3)).unwrap();
            let appender = OpenOptions::new().append(true).open(&path).unwrap();
            let directory = File::open(path.parent().unwrap()).unwrap();
            start
                .open(3, reader)
                .open(9, appender)
                .open(60, directory)
                .open(99, File::open("/dev/zero").unwrap())
        });
        let reader = report.get("descriptor 3").unwrap();
        assert!(reader.contains("pos: 3"), "{reader}");
        for number in [9, 60, 99] {
            assert!(report.get(&format!("descriptor {number}")).is_some(), "{number} on {host}");
        }
    }
}

#[test]
fn high_descriptors_arrive_too() {
    // Where the launcher would have its own.
    for host in Host::every() {
        assert_same_start(&host, |start| {
            (95..140)
                .fold(start, |start, number| start.open(number, File::open("/dev/null").unwrap()))
        });
    }
}

#[test]
fn closed_standard_streams_stay_closed() {
    for host in Host::every() {
        let report_file = host.home("report");
        for closed in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
            let report = assert_same_start(&host, |start| {
                let start = start.arg("report-to").arg(&report_file);
                closed.iter().fold(start, |start, number| start.close(*number))
            });
            for number in closed {
                assert_eq!(
                    report.get(&format!("descriptor {number}")),
                    None,
                    "{closed:?} on {host}"
                );
            }
        }
    }
}

#[test]
fn few_descriptors_are_enough() {
    for host in Host::every() {
        for limit in [32, 64, 128] {
            assert_same_start(&host, |start| start.limit(Resource::RLIMIT_NOFILE, limit, limit));
        }
    }
}

#[test]
fn the_program_writes_to_what_it_inherited() {
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        let (mut reader, writer) = pipe().unwrap();
        let start = host.start(program).args(["write", "7", "hello"]).open(7, writer);
        assert_eq!(start.run().stdout(), "");
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello", "on {host}");
    }
}

#[test]
fn standard_input_and_output_pass_through() {
    let text: Vec<u8> = (0..200_000u32).map(|n| b"abcdefg\n"[n as usize % 8]).collect();
    for host in Host::every() {
        let program = host.install(&Bundle::probe().path);
        let ended = host.start(program).arg("echo").stdin(&text).run();
        assert_eq!(ended.stdout().as_bytes(), text, "on {host}");
    }
}
