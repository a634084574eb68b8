//! Tests of stripping, on files that the machine's compiler makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

/// Compiles a program with debug information.
fn compiled(options: &[&str]) -> Vec<u8> {
    made(options, |_| ())
}

/// Compiles a program and changes its file.
fn made(options: &[&str], change: impl FnOnce(&Path)) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("x.c"), directory.path().join("x"));
    fs::write(&source, "int f(int x) { return x + 1; }\nint main(void) { return f(41) - 42; }\n")
        .unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-g", "-O0"]).args(options).arg(&source).arg("-o").arg(&program);
    assert!(compiler.status().expect("there is a C compiler: apt install gcc").success());
    change(&program);
    fs::read(program).unwrap()
}

fn section_names(file: &[u8]) -> Vec<String> {
    let header = FileHeader64::<LE>::parse(file).unwrap();
    let table = header.sections(LE, file).unwrap();
    let name =
        |section| String::from_utf8_lossy(table.section_name(LE, section).unwrap()).into_owned();
    table.iter().map(name).collect()
}

#[test]
fn debug_sections_go_and_others_stay() {
    for options in [&[][..], &["-static"], &["-shared", "-fPIC"], &["-gz"], &["-no-pie"]] {
        let file = compiled(options);
        assert!(has_debug(&file[..]), "{options:?}");
        let stripped = strip(&file).unwrap_or_default();
        assert!(!stripped.is_empty() && stripped.len() < file.len(), "{options:?}");
        let names = section_names(&stripped);
        let expected: Vec<String> =
            section_names(&file).into_iter().filter(|name| !name.contains(".debug_")).collect();
        assert_eq!(names, expected, "{options:?}");
        assert!(names.iter().any(|name| name == ".symtab"));
        assert!(!has_debug(&stripped[..]));
        assert!(strip(&stripped).is_none());
        assert!(strip(&file) == Some(stripped));
    }
}

#[test]
fn what_is_not_sure_stays() {
    let file = compiled(&[]);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = file.clone();
        change(&mut file);
        strip(&file)
    };
    // A payload behind the sections, or between them.
    assert!(with(&|file| file.extend_from_slice(b"PK")).is_none());
    assert!(with(&|file| file.truncate(file.len() - 1)).is_none());
    // No section table, a wrong one, other kinds of files.
    assert!(with(&|file| file[0x28..0x30].fill(0)).is_none());
    assert!(with(&|file| file[0x28..0x30].fill(0xff)).is_none());
    assert!(with(&|file| file[0x10] = 1).is_none());
    assert!(with(&|file| file[4] = 1).is_none());
    assert!(with(&|file| file[5] = 2).is_none());
    // Relocations by numbers of symbols, which would change.
    assert!(strip(&compiled(&["-Wl,--emit-relocs"])).is_none());
    // What a debugger alone reads.
    let of_debugger = made(&[], |program| {
        let mut objcopy = Command::new("objcopy");
        assert!(objcopy.arg("--only-keep-debug").arg(program).status().unwrap().success());
    });
    assert!(has_debug(&of_debugger[..]) && strip(&of_debugger).is_none());
    assert!(strip(b"").is_none());
    assert!(strip(b"\x7fELF").is_none());
}

#[test]
fn no_damage_makes_it_panic_or_change_the_program() {
    let file = compiled(&[]);
    let header = FileHeader64::<LE>::parse(&file[..]).unwrap();
    let table = usize::try_from(header.e_shoff.get(LE)).unwrap();
    let places = (0..64).chain((64..800).step_by(7)).chain((table..file.len()).step_by(3));
    for at in places {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = file.clone();
            damaged[at] = value;
            if let Some(stripped) = strip(&damaged) {
                assert!(is_same_program(&damaged, &stripped), "{at} {value}");
            }
        }
    }
}
