//! Describes the machine on which the benchmarks ran.

use std::fs;
use std::process::Command;

use tests::{run, target};

/// Describes the machine in one line: processor, cores, memory, kernel, file system.
pub(crate) fn describe() -> String {
    let processor =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kib: f64 = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut command = Command::new("findmnt");
    let file_system = run(command.args(["-no", "FSTYPE", "-T"]).arg(target())).stdout();
    format!(
        "{processor}, {cores} cores, {:.0} GiB of memory, Linux {}, {}",
        kib / 1024.0 / 1024.0,
        kernel.trim(),
        file_system.trim()
    )
}

/// Returns the value of the first line `name : value` in a file.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
