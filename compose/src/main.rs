//! The program of a composition: starts its services, or asks the instance that runs.
//!
//! `COMPOSED` is the question, or it is called by a name with the question in it: `NAME-status`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use compose::check::check;
use compose::composition::Composition;
use compose::control::{Answer, Question, Report};
use compose::directories::{CONTROL, Run, State, holder, state_path, user};
use compose::error::{Error, Result};
use compose::guard::{GUARD, guard};
use compose::output::{Format, Output, now};
use compose::placeholders::Placeholders;
use compose::signals::Signals;
use compose::supervisor::{Supervisor, variables};

/// The composition's place, relative to the program's directory.
const COMPOSITION: &str = "../share/composition.json";

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // There is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "{}: {error}", program_name());
            ExitCode::FAILURE
        }
    }
}

fn program_name() -> String {
    let program = env::current_exe().unwrap_or_default();
    program.file_name().map_or_else(|| "compose".into(), |name| name.to_string_lossy().into_owned())
}

fn run() -> Result<u8> {
    let command = env::var_os("COMPOSED").filter(|command| !command.is_empty());
    let command = command.map(|command| command.to_string_lossy().into_owned());
    let command = command.or_else(named_command).unwrap_or_default();
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    if let (GUARD, Some(run), Some(lock)) = (&*command, arguments.next(), arguments.next()) {
        guard(&run, &lock);
        return Ok(0);
    }
    let program = env::current_exe().map_err(Error::file("find", "this program"))?;
    let directory = program.parent().map(PathBuf::from).unwrap_or_default();
    let composition = Composition::read(&directory.join(COMPOSITION))?;
    let (command, service) =
        command.split_once('=').map_or((&*command, None), |(command, name)| (command, Some(name)));
    check(&composition)?;
    let options = Options::read(&composition, !command.is_empty() && service.is_none())?;
    match (command, service.or(options.service.as_deref())) {
        ("", None) => start(&composition, &options),
        ("check", None) => Ok(0),
        (command, service) => ask(&composition, &Question::parse(command, service)?, &options),
    }
}

/// The command that the name has by which this was called: `status` of `markov-status`.
fn named_command() -> Option<String> {
    let called = PathBuf::from(env::args_os().next()?);
    let name = called.file_name()?.to_str()?.strip_prefix(&program_name())?.strip_prefix('-')?;
    // A program that was only renamed is none.
    ["status", "logs", "restart", "stop"].contains(&name).then(|| name.to_owned())
}

/// What the arguments say.
struct Options {
    format: Format,
    json: bool,
    /// The service that a command is about.
    service: Option<String>,
}

impl Options {
    fn read(composition: &Composition, takes_service: bool) -> Result<Options> {
        let unknown = |argument| {
            let variables =
                composition.variables.keys().chain(composition.secrets.values()).cloned().collect();
            Err(Error::Argument { argument, variables })
        };
        let mut options = Options { format: Format::Text, json: false, service: None };
        let mut arguments = env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned());
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument.clone(), None),
            };
            match &*name {
                "--json" => options.json = true,
                "--log-format" => match value.or_else(|| arguments.next()).as_deref() {
                    Some("json") => options.format = Format::Json,
                    Some("text") => options.format = Format::Text,
                    _ => return unknown(argument),
                },
                _ if takes_service && options.service.is_none() && !argument.starts_with('-') => {
                    options.service = Some(argument);
                }
                _ => return unknown(argument),
            }
        }
        Ok(options)
    }
}

fn start(composition: &Composition, options: &Options) -> Result<u8> {
    // First, so that nothing is left if one comes now.
    let mut signals = Signals::take()?;
    let user = user(composition)?;
    let Some(mut state) = State::take(composition, user.as_ref(), &mut signals)? else {
        return Ok(0);
    };
    let run = Run::make(composition, user)?;
    state.announce(&run.path)?;
    let mut placeholders = Placeholders::default();
    for (name, value) in variables(composition) {
        placeholders.set(&name, value);
    }
    let cwd = env::current_dir().map_err(Error::file("find", "the current directory"))?;
    for (name, path) in [("CWD", &cwd), ("RUN", &run.path), ("DATA", &state.path)] {
        placeholders.set(name, path.to_str().ok_or_else(|| Error::NoText(path.clone()))?);
    }
    for (name, variable) in &composition.secrets {
        placeholders.set(variable, secret(name, variable)?);
    }
    let names = [composition.name.clone()].into_iter().chain(composition.services.keys().cloned());
    let output = Output::new(options.format, names.collect())?;
    let code = Supervisor::prepare(composition, &placeholders, &state, &run, output, signals)
        .map(|mut all| all.run());
    // Before the lock, since who waits for that expects nothing more.
    drop(run);
    code
}

/// Returns the path of a secret's file: a credential of systemd's, else what the variable names.
fn secret(name: &str, variable: &str) -> Result<String> {
    let credential =
        env::var_os("CREDENTIALS_DIRECTORY").map(|directory| PathBuf::from(directory).join(name));
    let named = env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = credential.filter(|path| path.is_file()).or(named);
    let path =
        path.ok_or_else(|| Error::Secret { name: name.to_owned(), variable: variable.to_owned() })?;
    let failed = || Error::file("read the secret", &path);
    let file = fs::canonicalize(&path).map_err(failed())?;
    if file.is_dir() {
        return Err(failed()(io::ErrorKind::IsADirectory.into()));
    }
    file.into_os_string().into_string().map_err(|path| Error::NoText(path.into()))
}

fn ask(composition: &Composition, question: &Question, options: &Options) -> Result<u8> {
    let state = state_path(composition);
    let state = fs::canonicalize(&state).unwrap_or(state);
    let running = || holder(composition, &state);
    let found = running()?.ok_or_else(|| Error::NotRunning(state.clone()))?;
    let text = match question.ask(&found.run.join(CONTROL))? {
        Answer::Status(reports) if options.json => {
            format!("{}\n", serde_json::to_string(&reports).unwrap_or_default())
        }
        Answer::Status(reports) => table(&reports),
        Answer::Lines(lines) if options.json => {
            format!("{}\n", serde_json::to_string(&lines).unwrap_or_default())
        }
        Answer::Lines(lines) => lines.iter().map(|line| format!("{line}\n")).collect(),
        Answer::Unknown { name, services } => return Err(Error::Service { name, services }),
        Answer::Refused { name, state } => return Err(Error::Refused { name, state }),
        Answer::Done => String::new(),
    };
    // A reader that closed the pipe is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if *question == Question::Stop {
        while running()?.is_some_and(|now| now.process == found.process) {
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(0)
}

/// A time that has passed, in one number.
fn ago(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")];
    let (len, unit) = UNITS.into_iter().find(|(len, _)| seconds >= 2.0 * len).unwrap_or(UNITS[3]);
    format!("{:.0} {unit} ago", (seconds / len).floor())
}

fn table(reports: &[Report]) -> String {
    let mut text = String::new();
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0).max(7);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:width$}  {:<24} {:>8} {:>10} {:>8} {:>9}",
        "service", "state", "pid", "since", "restarts", "memory"
    );
    for Report { name, state, pid, since, restarts, memory } in reports {
        let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let since = ago(now() - since);
        let memory = format!("{} MiB", memory >> 20);
        let _ = writeln!(
            text,
            "{name:width$}  {state:<24} {pid:>8} {since:>10} {restarts:>8} {memory:>9}"
        );
    }
    text
}
