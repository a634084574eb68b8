//! Runs the services: starts each when what it waits for is ready, watches them, and stops all of them in the end.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};

use crate::composition::{Check, Composition, Ready};
use crate::control::{Answer, Question, Report};
use crate::directories::{CONTROL, Run, State as StateDirectory};
use crate::error::{Error, Result};
use crate::guard::Guard;
use crate::notify::Systemd;
use crate::output::{self, Output, Stream};
use crate::placeholders::Placeholders;
use crate::probe;
use crate::signals::Signals;
use crate::unit::{Ended, State, Unit};

/// Lines that are shown of a service that has failed.
const SHOWN: usize = 10;

/// How often the rest of a pipe is read: more than it holds, by pipe(7).
const REST: usize = 16;

/// Messages that a socket holds: `net.unix.max_dgram_qlen` of unix(7) is 10 or 512.
const QUEUE: usize = 512;

/// The services that run.
pub struct Supervisor {
    name: String,
    main: Option<usize>,
    /// In the order in which they start.
    units: Vec<Unit>,
    output: Output,
    signals: Signals,
    guard: Guard,
    listener: UnixListener,
    systemd: Option<Systemd>,
    /// What systemd was told last of all services.
    status: String,
    /// When its watchdog was fed last.
    fed: Instant,
    /// What threads have found out: the unit, its process at that time, and the answer.
    answers: (Sender<Asked>, Receiver<Asked>),
    wake: (UnixStream, UnixStream),
    stopping: Option<Stopping>,
    said_ready: bool,
    started: Instant,
}

/// What the supervisor waits for.
#[derive(Clone, Copy)]
enum Source {
    Log(Stream),
    Pipe(usize, Stream),
    Notify(usize),
    Answers,
    Control,
    Signals,
}

type Asked = (usize, Pid, std::result::Result<(), String>);

/// Why all services stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stopping {
    /// The exit status.
    code: u8,
    /// Whether nobody waits any longer.
    now: bool,
}

impl Supervisor {
    /// Prepares the services.
    ///
    /// # Errors
    ///
    /// If a file, a directory or a socket cannot be made.
    pub fn prepare(
        composition: &Composition,
        placeholders: &Placeholders,
        state: &StateDirectory,
        run: &Run,
        output: Output,
        signals: Signals,
    ) -> Result<Supervisor> {
        let failed = |what| move |errno| Error::System(what, errno);
        let order = composition.order().unwrap_or_default();
        let prepare = |name: &&str| {
            Unit::prepare(name, &composition.services[*name], placeholders, &state.path, run)
        };
        let units = order.iter().map(prepare).collect::<Result<Vec<_>>>()?;
        // Daemons whose parent ends become ours: prctl(2).
        match nix::sys::prctl::set_child_subreaper(true) {
            // An emulator of another processor type: such daemons are then the machine's, and the guard ends them.
            Err(Errno::EINVAL) => {}
            adopted => adopted.map_err(failed("adopt processes"))?,
        }
        let control = run.socket(CONTROL)?;
        let listener = UnixListener::bind(&control).map_err(Error::file("make", &control))?;
        listener.set_nonblocking(true).map_err(Error::file("use", &control))?;
        let wake = UnixStream::pair().map_err(Error::file("make", "a pair of sockets"))?;
        wake.0.set_nonblocking(true).map_err(Error::file("use", "a pair of sockets"))?;
        let main = composition.main.as_ref();
        Ok(Supervisor {
            name: composition.name.clone(),
            main: main.and_then(|main| units.iter().position(|unit| unit.name == *main)),
            units,
            output,
            signals,
            guard: Guard::start(&composition.name, state, run)?,
            listener,
            systemd: Systemd::find(),
            status: String::new(),
            fed: Instant::now(),
            answers: channel(),
            wake,
            stopping: None,
            said_ready: false,
            started: Instant::now(),
        })
    }

    /// Runs the services until all have ended; returns the exit status.
    pub fn run(&mut self) -> u8 {
        loop {
            self.advance();
            if let Some(code) = self.end() {
                self.kill_the_rest();
                self.output.finish();
                return code;
            }
            self.wait();
        }
    }

    /// Writes a line of this program's own.
    fn say(&mut self, line: &str) {
        let name = self.name.clone();
        self.output.line(&name, Stream::Err, line);
    }

    /// Does all that is due.
    fn advance(&mut self) {
        let now = Instant::now();
        // What one does can be what another waits for.
        loop {
            let states = |all: &Supervisor| -> Vec<State> {
                all.units.iter().map(|unit| unit.state.clone()).collect()
            };
            let before = states(self);
            let needed = self.needed();
            (0..before.len()).for_each(|number| self.advance_unit(number, needed[number], now));
            if states(self) == before {
                break;
            }
        }
        self.tell_status();
        if !self.said_ready && self.stopping.is_none() && self.units.iter().all(Unit::is_ready) {
            self.said_ready = true;
            let took = self.started.elapsed().as_secs_f64();
            self.say(&format!("all services are ready after {took:.2} s"));
            self.tell_systemd("READY=1");
        }
    }

    /// Does what is due for one service; `is_needed` if one runs that waits for it.
    fn advance_unit(&mut self, number: usize, is_needed: bool, now: Instant) {
        match self.units[number].state {
            State::Waiting | State::Delayed(_) if self.stopping.is_some() => {
                self.units[number].enter(State::Ended(Ended::Never));
            }
            State::Waiting if self.may_start(number) => self.start(number),
            State::Delayed(until) if until <= now && self.may_start(number) => self.start(number),
            State::Starting { .. } | State::Ready if self.stopping.is_some() && !is_needed => {
                self.units[number].stop();
            }
            State::Starting { until: Some(until) } if until <= now => self.is_late(number),
            State::Starting { .. } => self.ask(number, now),
            State::Stopping(until) => {
                let unit = &mut self.units[number];
                if until <= now {
                    unit.signal(Signal::SIGKILL);
                    unit.state = State::Stopping(now + Duration::from_secs(1));
                }
                if until <= now || !unit.has_group() {
                    // Its process has ended before.
                    if let Some(ended) = unit.ended.take() {
                        self.has_ended(number, ended);
                    }
                }
            }
            _ => {}
        }
    }

    fn may_start(&self, number: usize) -> bool {
        let is_ready =
            |name: &String| self.units.iter().any(|unit| unit.name == *name && unit.is_ready());
        self.units[number].service.after.iter().all(is_ready)
    }

    /// For each service, whether one runs that waits for it, be it through others that have ended.
    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.units.len()];
        if self.stopping.is_some() {
            // Those that wait for it are behind it.
            for number in (0..needed.len()).rev() {
                let name = &self.units[number].name;
                needed[number] = (number + 1..needed.len()).any(|other| {
                    let unit = &self.units[other];
                    (unit.is_running() || needed[other]) && unit.service.after.contains(name)
                });
            }
        }
        needed
    }

    fn start(&mut self, number: usize) {
        let unit = &mut self.units[number];
        match unit.start() {
            Ok(process) => {
                self.guard.add(process);
                let line = format!("{} is started as process {process}", unit.name);
                self.say(&line);
            }
            Err(error) => {
                let (name, program, directory) = unit.place();
                let line = format!("{name} cannot be started: {program} in {directory}: {error}");
                self.say(&line);
                // As env(1) has it.
                let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                self.has_ended(number, Ended::Status(status));
            }
        }
    }

    /// Asks a service whether it is ready, if it is time.
    fn ask(&mut self, number: usize, now: Instant) {
        let unit = &mut self.units[number];
        let (Some(ready), Some(process)) = (&unit.service.ready, unit.process) else { return };
        let is_time = unit.ask_at.is_some_and(|at| at <= now);
        if !is_time || unit.is_asked || unit.asking.is_some() {
            return;
        }
        // Most are ready soon. Part of the time so far, so that what is behind it waits only a little longer; a program
        // that asks takes the processor from the one that starts.
        let part = if matches!(ready.check, Check::Exec(_)) { 2 } else { 8 };
        let pause = unit.since.elapsed() / part + Duration::from_millis(1);
        unit.ask_at = now.checked_add(ready.interval.min(pause));
        match ready.check.clone() {
            Check::Log(_) | Check::Notify => unit.ask_at = None,
            Check::Exec(argv) => {
                if let Err(error) = unit.ask_by(&argv) {
                    unit.seen = format!("{}: {error}", argv[0]);
                }
            }
            check => {
                let sender = self.answers.0.clone();
                let wake = self.wake.1.try_clone();
                let asked = thread::Builder::new().spawn(move || {
                    let answer = probe::ask(&check);
                    // The receiver lives as long as the process.
                    let _ = sender.send((number, process, answer));
                    let _ = wake.and_then(|mut wake| wake.write(&[0]));
                });
                match asked {
                    Ok(_) => unit.is_asked = true,
                    Err(error) => unit.seen = format!("it could not be asked: {error}"),
                }
            }
        }
    }

    fn is_ready(&mut self, number: usize) {
        let unit = &mut self.units[number];
        if matches!(unit.state, State::Starting { .. }) {
            let took = unit.since.elapsed().as_secs_f64();
            unit.enter(State::Ready);
            let line = format!("{} is ready after {took:.2} s", unit.name);
            self.say(&line);
        }
    }

    fn is_late(&mut self, number: usize) {
        let unit = &self.units[number];
        let ready = unit.service.ready.as_ref().map_or(0.0, |ready| ready.timeout.as_secs_f64());
        let line = format!("{} is not ready after {ready} s; last seen: {}", unit.name, unit.seen);
        self.say(&line);
        self.units[number].again = false;
        self.units[number].is_late = true;
        self.units[number].stop();
    }

    /// A service's process has ended.
    fn process_has_ended(&mut self, number: usize, ended: Ended) {
        let unit = &mut self.units[number];
        if matches!(unit.state, State::Stopping(_)) && unit.has_group() {
            // The others have their time.
            unit.ended = Some(ended);
        } else {
            self.has_ended(number, ended);
        }
    }

    /// A service has ended; what is left in its group is killed.
    fn has_ended(&mut self, number: usize, ended: Ended) {
        let unit = &mut self.units[number];
        unit.signal(Signal::SIGKILL);
        self.read_rest(number);
        let unit = &mut self.units[number];
        if let Some(asking) = unit.asking.take() {
            // It may have ended.
            let _ = killpg(asking, Signal::SIGKILL);
        }
        if let Some(process) = unit.process.take() {
            self.guard.remove(process);
        }
        unit.is_asked = false;
        // What it said is not said of the next one.
        while unit.heard().is_some() {}
        if self.stopping.is_some() {
            unit.enter(State::Ended(ended));
            return;
        }
        if std::mem::take(&mut unit.again) {
            unit.restarts += 1;
            unit.enter(State::Delayed(Instant::now()));
            return;
        }
        let is_early = !unit.service.oneshot && matches!(unit.state, State::Starting { .. });
        let ended = match ended {
            _ if unit.is_late => Ended::Late,
            Ended::Status(0) if is_early => Ended::Early,
            ended => ended,
        };
        let name = unit.name.clone();
        if let Some(delay) = unit.next(ended) {
            unit.enter(State::Delayed(Instant::now() + delay));
            let after = delay.as_secs_f64();
            self.say(&format!("{name}: {ended}; started again in {after:.1} s"));
            return;
        }
        unit.enter(State::Ended(ended));
        let has_failed = ended != Ended::Status(0);
        if has_failed {
            let first = unit.lines.len().saturating_sub(SHOWN);
            let last: Vec<String> = unit.lines.range(first..).cloned().collect();
            self.say(&format!("{name} has failed: {ended}; its last lines:"));
            for line in last {
                self.say(&format!("    {line}"));
            }
        }
        if has_failed || self.main == Some(number) {
            self.stop_all(ended.code());
        }
    }

    /// Stops all services; `code` is the exit status.
    fn stop_all(&mut self, code: u8) {
        if self.stopping.is_none() {
            self.stopping = Some(Stopping { code, now: false });
            self.tell_systemd("STOPPING=1");
        }
    }

    /// Returns the exit status if nothing runs and nothing will.
    fn end(&self) -> Option<u8> {
        let has_ended = |unit: &Unit| matches!(unit.state, State::Ended(_)) && !unit.is_running();
        self.units.iter().all(has_ended).then(|| self.stopping.map_or(0, |stopping| stopping.code))
    }

    /// Kills what has left its service's group, and waits for its end.
    fn kill_the_rest(&mut self) {
        loop {
            for child in children() {
                // It may have ended.
                let _ = kill(child, Signal::SIGKILL);
            }
            match wait(WaitOptions::NOHANG) {
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) => {}
                // None is left.
                Err(_) => return,
            }
        }
    }

    /// Waits until something happens, and takes note of it.
    fn wait(&mut self) {
        let waiting = self.output.waiting().into_iter();
        let mut sources: Vec<_> =
            waiting.map(|(stream, file)| (Source::Log(stream), file, PollFlags::POLLOUT)).collect();
        let mut add = |source, file| sources.push((source, file, PollFlags::POLLIN));
        // One that waits for its reader could not end.
        let is_read = self.stopping.is_some() || !self.output.is_full();
        for (number, unit) in self.units.iter().enumerate() {
            for stream in [Stream::Out, Stream::Err] {
                if let Some(pipe) = unit.pipes[stream as usize].as_ref().filter(|_| is_read) {
                    add(Source::Pipe(number, stream), pipe.file.as_fd());
                }
            }
            if let Some(notify) = &unit.notify {
                add(Source::Notify(number), notify.as_fd());
            }
        }
        add(Source::Answers, self.wake.0.as_fd());
        add(Source::Control, self.listener.as_fd());
        // Last: what a service wrote comes before its end.
        add(Source::Signals, self.signals.file());
        let mut files: Vec<_> =
            sources.iter().map(|(_, file, events)| PollFd::new(*file, *events)).collect();
        // If it is interrupted, the loop tries again.
        let count = poll(&mut files, self.timeout()).unwrap_or(0);
        let has_happened = |file: &PollFd<'_>| {
            count > 0 && file.revents().is_some_and(|events| !events.is_empty())
        };
        let happened: Vec<Source> = sources
            .iter()
            .zip(&files)
            .filter(|(_, file)| has_happened(file))
            .map(|((source, ..), _)| *source)
            .collect();
        for source in happened {
            match source {
                Source::Log(stream) => self.output.write(stream),
                Source::Pipe(number, stream) => drop(self.read(number, stream)),
                Source::Notify(number) => self.hear(number),
                Source::Answers => self.take_answers(),
                Source::Control => self.answer(),
                Source::Signals => self.take_signals(),
            }
        }
        self.feed_watchdog();
    }

    /// Returns how long nothing is due.
    fn timeout(&self) -> PollTimeout {
        let of_unit = |(number, unit): (usize, &Unit)| match unit.state {
            // Until then, what it waits for wakes this up.
            State::Delayed(until) if self.may_start(number) => Some(until),
            State::Stopping(until) => Some(until),
            State::Starting { until } => {
                let ask_at = unit.ask_at.filter(|_| !unit.is_asked && unit.asking.is_none());
                until.into_iter().chain(ask_at).min()
            }
            _ => None,
        };
        let watchdog = self.systemd.as_ref().and_then(|systemd| systemd.watchdog);
        let watchdog = watchdog.and_then(|interval| self.fed.checked_add(interval));
        match self.units.iter().enumerate().filter_map(of_unit).chain(watchdog).min() {
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        }
    }

    /// Reads some of a stream, and returns whether there was something.
    fn read(&mut self, number: usize, stream: Stream) -> bool {
        let unit = &mut self.units[number];
        let name = unit.name.clone();
        let pattern = match unit.service.ready.as_ref().map(|ready| &ready.check) {
            Some(Check::Log(text)) if matches!(unit.state, State::Starting { .. }) => {
                Some(text.clone())
            }
            _ => None,
        };
        let Some(lines) = unit.read(stream) else { return false };
        let has_pattern = |line: &String| pattern.as_ref().is_some_and(|text| line.contains(text));
        let is_ready = lines.iter().any(has_pattern);
        self.log(&name, stream, &lines);
        if is_ready {
            self.is_ready(number);
        }
        true
    }

    fn log(&mut self, name: &str, stream: Stream, lines: &[String]) {
        for line in lines {
            self.output.line(name, stream, line);
        }
    }

    /// Reads what a service wrote before its end. Who has left its group may write without an end.
    fn read_rest(&mut self, number: usize) {
        for stream in [Stream::Out, Stream::Err] {
            for _ in 0..REST {
                if !self.read(number, stream) {
                    break;
                }
            }
            let name = self.units[number].name.clone();
            let last = self.units[number].flush(stream);
            self.log(&name, stream, &last);
        }
    }

    /// Reads what a service says of itself: sd_notify(3).
    fn hear(&mut self, number: usize) {
        // All of it before its end, which is heard of last; not more than a queue holds.
        for text in (0..QUEUE).map_while(|_| self.units[number].heard()).collect::<Vec<_>>() {
            for line in text.lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => self.is_ready(number),
                    Some(("STATUS", status)) => self.units[number].seen = status.to_owned(),
                    _ => {}
                }
            }
        }
    }

    fn take_answers(&mut self) {
        let mut buffer = [0; 64];
        while matches!(self.wake.0.read(&mut buffer), Ok(1..)) {}
        while let Ok((number, process, answer)) = self.answers.1.try_recv() {
            let unit = &mut self.units[number];
            // It may be that of a process before.
            if unit.process != Some(process) {
                continue;
            }
            unit.is_asked = false;
            match answer {
                Ok(()) => self.is_ready(number),
                Err(seen) => unit.seen = seen,
            }
        }
    }

    fn take_signals(&mut self) {
        for signal in self.signals.pending() {
            // A closed terminal tells by SIGHUP that nobody is there any more.
            let is_ours = signal == Signal::SIGHUP && self.output.has_lost_terminal();
            match signal {
                Signal::SIGCHLD => self.reap(),
                signal if !is_ours && self.pass_on(signal) => {}
                Signal::SIGUSR1 | Signal::SIGUSR2 => {}
                signal => self.is_told_to_stop(signal),
            }
        }
    }

    /// Passes a signal on to the services that ask for it; returns whether there are any.
    fn pass_on(&mut self, signal: Signal) -> bool {
        let mut any = false;
        for unit in &self.units {
            if unit.service.signals.iter().any(|name| name.0 == signal) {
                any = true;
                if let Some(process) = unit.process {
                    // To the program alone, as systemctl reload does.
                    let _ = kill(process, signal);
                }
            }
        }
        any
    }

    fn is_told_to_stop(&mut self, signal: Signal) {
        match &mut self.stopping {
            None => {
                self.say(&format!("{signal}: stopping"));
                self.stop_all(0);
            }
            Some(stopping) if signal == Signal::SIGINT && !stopping.now => {
                stopping.now = true;
                self.say("killing");
                self.units.iter().for_each(|unit| unit.signal(Signal::SIGKILL));
            }
            Some(_) => {}
        }
    }

    /// Takes note of all processes that have ended.
    fn reap(&mut self) {
        loop {
            let (process, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some((process, status))) => {
                    (Pid::from_raw(process.as_raw_nonzero().get()), status)
                }
                Err(rustix::io::Errno::INTR) => continue,
                _ => return,
            };
            let ended = match (status.exit_status(), status.terminating_signal()) {
                (Some(status), _) => Ended::Status(status),
                (_, Some(signal)) => Ended::Signal(signal),
                _ => continue,
            };
            if self.guard.is(process) {
                self.guard_has_ended();
            }
            if let Some(number) = self.units.iter().position(|unit| unit.asking == Some(process)) {
                self.units[number].asking = None;
                match (ended, &self.units[number].service.ready) {
                    (Ended::Status(0), _) => self.is_ready(number),
                    (_, Some(Ready { check: Check::Exec(argv), .. })) => {
                        self.units[number].seen = format!("{}: {ended}", argv[0]);
                    }
                    _ => {}
                }
            }
            if let Some(number) = self.units.iter().position(|unit| unit.process == Some(process)) {
                self.process_has_ended(number, ended);
            }
        }
    }

    /// Somebody has killed the guard: services get another one.
    fn guard_has_ended(&mut self) {
        self.say("the guard has ended; another one is started");
        let groups: Vec<_> = self.units.iter().filter_map(|unit| unit.process).collect();
        if let Err(error) = self.guard.start_again(groups.into_iter()) {
            self.say(&format!("the guard cannot be started: {error}"));
        }
    }

    fn tell_systemd(&self, message: &str) {
        if let Some(systemd) = &self.systemd {
            systemd.say(message);
        }
    }

    /// Tells systemd what all services do, if that has changed.
    fn tell_status(&mut self) {
        let list = |is_one: fn(&Unit) -> bool| {
            let names = self.units.iter().filter(|unit| is_one(unit));
            names.map(|unit| &*unit.name).collect::<Vec<_>>().join(", ")
        };
        let late = list(|unit| !unit.is_ready());
        let status = match self.stopping {
            Some(_) => format!("stopping {}", list(Unit::is_running)).trim_end().to_owned(),
            None if late.is_empty() => "all services are ready".to_owned(),
            None if self.said_ready => format!("starting {late} again"),
            None => format!("waiting for {late}"),
        };
        if status != self.status {
            self.tell_systemd(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    fn feed_watchdog(&mut self) {
        let Some(systemd) = &self.systemd else { return };
        if systemd.watchdog.is_some_and(|interval| self.fed.elapsed() >= interval) {
            systemd.say("WATCHDOG=1");
            self.fed = Instant::now();
        }
    }

    /// Answers a question at the socket.
    fn answer(&mut self) {
        let Ok((mut stream, _)) = self.listener.accept() else { return };
        // Who asks is this program itself, and asks at once.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let Some(question) = Question::receive(&mut stream) else { return };
        let number = |name: &str| self.units.iter().position(|unit| unit.name == name);
        let answer = match question {
            Question::Status => Answer::Status(self.report()),
            Question::Stop => {
                self.is_told_to_stop(Signal::SIGTERM);
                Answer::Done
            }
            Question::Logs(name) | Question::Restart(name) if number(&name).is_none() => {
                let services = self.units.iter().map(|unit| unit.name.clone()).collect();
                Answer::Unknown { name, services }
            }
            Question::Logs(name) => {
                let lines = number(&name).map(|number| &self.units[number].lines);
                Answer::Lines(lines.into_iter().flatten().cloned().collect())
            }
            Question::Restart(name) => {
                let is_done = number(&name).is_some_and(|number| self.restart(number));
                let state = || self.report().into_iter().find(|report| report.name == name);
                match is_done {
                    true => Answer::Done,
                    false => {
                        let state = state().map(|report| report.state).unwrap_or_default();
                        Answer::Refused { name, state }
                    }
                }
            }
        };
        answer.send(&mut stream);
    }

    /// Starts a service again, if nothing else is done with it.
    fn restart(&mut self, number: usize) -> bool {
        let unit = &mut self.units[number];
        match unit.state {
            _ if self.stopping.is_some() => return false,
            State::Starting { .. } | State::Ready => {
                unit.again = true;
                unit.stop();
            }
            State::Delayed(_) | State::Ended(_) => unit.enter(State::Delayed(Instant::now())),
            State::Waiting | State::Stopping(_) => return false,
        }
        true
    }

    fn report(&self) -> Vec<Report> {
        let report = |unit: &Unit| Report {
            name: unit.name.clone(),
            state: match unit.state {
                State::Waiting => "waiting".to_owned(),
                State::Starting { .. } if unit.service.oneshot => "running".to_owned(),
                State::Starting { .. } => "starting".to_owned(),
                State::Ready => "ready".to_owned(),
                State::Delayed(_) => "delayed".to_owned(),
                State::Stopping(_) => "stopping".to_owned(),
                State::Ended(ended) => format!("ended: {ended}"),
            },
            pid: unit.process.map(Pid::as_raw),
            since: output::now() - unit.since.elapsed().as_secs_f64(),
            restarts: unit.restarts,
            memory: unit.process.map_or(0, memory),
        };
        self.units.iter().map(report).collect()
    }
}

/// Returns the memory of a process in bytes: `VmRSS` of proc(5).
fn memory(process: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Returns the children of this process.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let parent = |id: &str| {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in parentheses, can hold anything: proc(5).
        text.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned)
    };
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| {
            name.bytes().all(|byte| byte.is_ascii_digit()) && parent(name).as_ref() == Some(&own)
        })
        .filter_map(|name| name.parse().ok().map(Pid::from_raw))
        .collect()
}

/// Returns the environment's variables by name, with what stands for those that are not set.
#[must_use]
pub fn variables(composition: &Composition) -> BTreeMap<String, String> {
    let value = |(name, default): (&String, &String)| {
        let found = std::env::var(name).ok().filter(|value| !value.is_empty());
        (name.clone(), found.unwrap_or_else(|| default.clone()))
    };
    composition.variables.iter().map(value).collect()
}
