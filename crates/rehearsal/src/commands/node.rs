//! `rehearsal node`: JSON messages on stdin, rehearsed answers on stdout.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::Context;
use json_node::{Envelopes, Input, Node, NodeOptions};
use scenarios::Loaded;

/// Answer JSON messages on stdin, each rehearsed against simulated live traffic.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The scenario file; without it, the embedded default.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The folder of migration files, in place of the one that the scenario names.
    #[arg(long, value_name = "DIR")]
    migrations: Option<PathBuf>,
    /// The seed, in place of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Refuse messages that presuppose steps not yet taken.
    #[arg(long)]
    strict: bool,
    /// Put replies into Maelstrom's envelopes: after an init message, always or never.
    #[arg(long, value_enum, default_value_t = EnvelopeChoice::Auto)]
    envelope: EnvelopeChoice,
    /// Write the event log of the rehearsals there, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum EnvelopeChoice {
    Auto,
    Always,
    Never,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let envelopes = match self.envelope {
            EnvelopeChoice::Auto => Envelopes::Auto,
            EnvelopeChoice::Always => Envelopes::Always,
            EnvelopeChoice::Never => Envelopes::Never,
        };
        let mut node = Node::new(self.load()?, NodeOptions { strict: self.strict, envelopes })?;
        let events = self.events.map(EventFile::create).transpose()?.map(Rc::new);
        if let Some(events) = events.clone() {
            node.observe(Rc::new(move |at, actor, event| events.write(at, actor, event)));
        }
        let outcome = converse(&mut node, io::stdin().lock(), io::stdout().lock());
        drop(node);
        if let Some(events) = events {
            events.finish()?;
        }
        match outcome {
            // Whoever read the replies has gone: nobody is left to answer, and that is no error.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn load(&self) -> anyhow::Result<Loaded> {
        let mut loaded = match &self.scenario {
            Some(path) => Loaded::from_file(path)?,
            None => Loaded::embedded()?,
        };
        if let Some(folder) = &self.migrations {
            loaded = loaded.with_migrations(folder)?;
        }
        loaded.scenario.seed = self.seed.unwrap_or(loaded.scenario.seed);
        Ok(loaded)
    }
}

/// Reads to the end of the input; each reply is written and flushed before the next message is read.
fn converse(node: &mut Node, mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let (mut input, mut items) = (Input::default(), Vec::new());
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = match from.read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match read {
            0 => input.finish(&mut items),
            _ => input.push(&bytes[..read], &mut items),
        }
        for item in items.drain(..) {
            if let Some(reply) = node.answer(item) {
                writeln!(to, "{reply}")?;
                to.flush()?;
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// The event log as a file. An error is kept until the end: it must not disturb the conversation.
struct EventFile {
    path: PathBuf,
    state: RefCell<(BufWriter<File>, io::Result<()>)>,
}

impl EventFile {
    fn create(path: PathBuf) -> anyhow::Result<Self> {
        let file = File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(Self { path, state: RefCell::new((BufWriter::new(file), Ok(()))) })
    }

    fn write(&self, at: sim_clock::Nanos, actor: &str, event: &sim_actors::Event) {
        let mut state = self.state.borrow_mut();
        let (file, outcome) = &mut *state;
        if outcome.is_ok() {
            *outcome = writeln!(file, "{}", json_node::event_line(at, actor, event));
        }
    }

    fn finish(&self) -> anyhow::Result<()> {
        let mut state = self.state.borrow_mut();
        let (file, outcome) = &mut *state;
        let outcome = std::mem::replace(outcome, Ok(())).and_then(|()| file.flush());
        outcome.with_context(|| format!("{}: the event log is not complete", self.path.display()))
    }
}
