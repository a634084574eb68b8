//! The time to pack: at a low level, where reading and scanning the files is most of it.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::closures::Subject;
use crate::fixture::{directory, extracted};
use crate::part::Part;
use crate::table::Table;
use crate::turns::{Case, Turns};

const ROUNDS: usize = 9;
const LEVEL: &str = "3";

/// The variable that names another packer to compare with, such as one that was built before a change.
const BEFORE: &str = "PACKER_BEFORE";

const TAR: &str = "tar | zstd -3 -T0";
const PACKER: &str = "packer build --level 3";
const OTHER: &str = "the packer before";

/// Measures packing the markov-circus closure.
pub(crate) fn measure() -> Part {
    let mut part = Part::new("Packing");
    let output = directory().join("packed");
    let closure = extracted(&Subject::of("markov-circus", 1).bundle);
    let packed = output.clone();
    let mut cases: Vec<Case<'_>> = vec![
        (TAR, Box::new(move || tar(&closure, &packed))),
        (
            PACKER,
            Box::new({
                let output = output.clone();
                move || packer(None, &output)
            }),
        ),
    ];
    if let Some(other) = env::var_os(BEFORE) {
        let output = output.clone();
        cases.push((OTHER, Box::new(move || packer(Some(PathBuf::from(&other)), &output))));
    }
    let turns = Turns::of(&cases, ROUNDS, |_| ());
    let mut table =
        Table::new("The markov-circus closure", &["case", "of tar and zstd", "median s"]);
    for (case, (name, _)) in cases.iter().enumerate() {
        let [share, median] = turns.cells(case);
        table.row([(*name).to_owned(), share, median]);
    }
    part.tables.push(table);
    if cases.len() > 2 {
        part.limit(format!("{PACKER} / {OTHER}"), turns.ratio(1, 2).median, 1.05);
    }
    part.note(format!("Without the frame cache, on all processors. Set {BEFORE} to another packer to compare with it \
        in the same run."));
    fs::remove_file(output).expect("remove a bundle");
    part
}

fn packer(program: Option<PathBuf>, output: &PathBuf) -> Command {
    let (builder, _) = Subject::describe("markov-circus", 1);
    let mut command = builder.option("--level", LEVEL).command();
    if let Some(program) = program {
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new(program);
        command.args(arguments);
    }
    command.arg("--no-cache").arg("--output").arg(output);
    command
}

fn tar(closure: &PathBuf, output: &PathBuf) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", "tar -C \"$1\" -c . | zstd -3 -T0 -q -f -o \"$2\"", "sh"]);
    command.arg(closure).arg(output);
    command
}
