//! The tester against a server that answers what the recordings say: whatever differs then is the
//! tester's own mistake in parsing, scheduling or printing.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use conformance::isolation::{
    Connection, End, Message, Observer, Outcome, Permutation, Server, Spec, StepId, Table, parse, run,
};
use sim_clock::Nanos;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/isolation");

#[test]
fn every_recorded_transcript_is_reproduced_from_its_answers() {
    let specs = fs::read_dir(Path::new(DATA).join("specs")).expect("specs");
    let mut paths: Vec<_> = specs.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a spec");
        let spec = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = fs::read_to_string(Path::new(DATA).join(format!("expected/{name}.out")));
        let expected = expected.expect("a transcript");
        let run = run(&spec, 15, &mut RecordedServer::new(&spec, &expected), &mut SetUp);
        assert_eq!(run.end, End::Complete, "{name}");
        assert_eq!(run.transcript, expected, "{name}");
    }
}

/// What the recording says of one step in one permutation.
#[derive(Default)]
struct Answer {
    session: usize,
    waits: bool,
    /// Its completion is reported after so many steps have been sent...
    after: usize,
    /// ...and so many other completions since.
    rank: usize,
    notices: Vec<Message>,
    outcomes: Vec<Outcome>,
}

/// Answers each permutation's steps in the order in which they are sent.
struct RecordedServer {
    permutations: VecDeque<Vec<Answer>>,
    /// Setups and teardowns come before and after the steps; they succeed at once, without rows.
    is_set_up: bool,
    /// By connection: the place of the step that runs on it.
    running: Vec<Option<usize>>,
    sent: usize,
    now: Nanos,
    /// When the completions that follow the step sent last come.
    due: Option<Nanos>,
}

impl RecordedServer {
    fn new(spec: &Spec, transcript: &str) -> Self {
        let sections = transcript.split("\nstarting permutation:").skip(1);
        let recorded = spec.all_permutations().zip(sections);
        Self {
            permutations: recorded.map(|(permutation, text)| answers(spec, &permutation, text)).collect(),
            is_set_up: false,
            running: Vec::new(),
            sent: 0,
            now: Nanos::ZERO,
            due: None,
        }
    }

    fn answers(&self) -> &[Answer] {
        self.permutations.front().map_or(&[], Vec::as_slice)
    }

    /// The completions that follow a step come at once, unless the first of them is one that the
    /// tester has to wait for before the next step can be sent.
    fn completions_take_time(&self) -> bool {
        let mut completions = self.answers().iter().filter(|a| a.waits && a.after == self.sent);
        let first = completions.find(|answer| answer.rank == 0);
        first.zip(self.answers().get(self.sent)).is_some_and(|(first, next)| first.session == next.session)
    }
}

impl Server for RecordedServer {
    fn connect(&mut self, _name: &str) -> Connection {
        self.running.push(None);
        Connection(self.running.len() - 1)
    }

    fn send(&mut self, connection: Connection, _sql: &str) {
        if !self.is_set_up || self.sent == self.answers().len() {
            return;
        }
        assert_eq!(self.answers()[self.sent].session, connection.0 - 1, "the recorded order");
        self.running[connection.0] = Some(self.sent);
        self.sent += 1;
        self.due = self.completions_take_time().then_some(self.now + Nanos::from_secs(1));
    }

    fn is_busy(&self, connection: Connection) -> bool {
        let Some(place) = self.running[connection.0] else { return false };
        let answer = &self.answers()[place];
        answer.waits && (answer.after > self.sent || (answer.after == self.sent && self.due.is_some()))
    }

    fn is_blocked(&self, connection: Connection, _by: &[Connection]) -> bool {
        self.is_busy(connection)
    }

    fn take_outcomes(&mut self, connection: Connection) -> Vec<Outcome> {
        let Some(place) = self.running[connection.0].take() else { return vec![Outcome::Command] };
        let outcomes = std::mem::take(&mut self.permutations[0][place].outcomes);
        let is_done = self.sent == self.answers().len() && self.running.iter().all(Option::is_none);
        if is_done {
            self.permutations.pop_front();
            (self.sent, self.is_set_up) = (0, false);
        }
        outcomes
    }

    fn take_notices(&mut self, connection: Connection) -> Vec<Message> {
        match self.running[connection.0] {
            Some(place) if !self.is_busy(connection) => {
                std::mem::take(&mut self.permutations[0][place].notices)
            }
            _ => Vec::new(),
        }
    }

    fn is_lost(&self, _connection: Connection) -> bool {
        false
    }

    fn cancel(&mut self, _connection: Connection) {}

    fn now(&self) -> Nanos {
        self.now
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.due
    }

    fn advance(&mut self, to: Nanos) {
        self.due = self.due.filter(|&due| due > to);
        self.now = to;
    }
}

/// Tells the server where the setups end.
struct SetUp;

impl Observer<RecordedServer> for SetUp {
    fn permutation_begins(&mut self, server: &mut RecordedServer, _out: &mut String) {
        server.is_set_up = true;
    }
}

/// Reads the section of one permutation.
fn answers(spec: &Spec, permutation: &Permutation, text: &str) -> Vec<Answer> {
    let mut answers: Vec<Answer> =
        permutation.steps.iter().map(|s| Answer { session: s.id.session, ..Answer::default() }).collect();
    let name = |id: StepId| &spec.step(id).name;
    let mut rest = text.split_once('\n').expect("a line of names").1;
    let (mut sent, mut rank, mut current) = (0, 0, None);
    let mut notices = Vec::new();
    while !rest.is_empty() {
        let next =
            permutation.steps.get(sent).map(|s| format!("step {}: {}", name(s.id), spec.step(s.id).sql));
        let completed = (0..sent).rev().find(|&place| {
            rest.starts_with(&format!("step {}: <... completed>\n", name(permutation.steps[place].id)))
        });
        if let Some(place) = completed {
            let answer = &mut answers[place];
            (answer.after, answer.rank, answer.notices) = (sent, rank, std::mem::take(&mut notices));
            (rank, current) = (rank + 1, Some(place));
            rest = rest.split_once('\n').expect("a line").1;
        } else if let Some(tail) = next.and_then(|next| rest.strip_prefix(&next)) {
            let (mark, tail) = tail.split_once('\n').expect("a line");
            answers[sent].waits = mark == " <waiting ...>";
            answers[sent].notices = std::mem::take(&mut notices);
            current = Some(sent);
            (sent, rank, rest) = (sent + 1, 0, tail);
        } else if let Some((message, tail)) = notice(spec, rest) {
            notices.push(message);
            rest = tail;
        } else {
            let (outcome, tail) = outcome(rest);
            if let (Some(outcome), Some(place)) = (outcome, current) {
                answers[place].outcomes.push(outcome);
            }
            rest = tail;
        }
    }
    answers
}

fn notice<'a>(spec: &Spec, text: &'a str) -> Option<(Message, &'a str)> {
    let (line, tail) = text.split_once('\n')?;
    let line = spec.sessions.iter().find_map(|s| line.strip_prefix(&format!("{}: ", s.name)))?;
    ["NOTICE", "WARNING"].into_iter().find_map(|severity| {
        let text = line.strip_prefix(&format!("{severity}:  "))?.to_owned();
        Some((Message { severity, text, detail: None, hint: None, after: 0 }, tail))
    })
}

/// An error or a table; an empty line is neither.
fn outcome(text: &str) -> (Option<Outcome>, &str) {
    let (line, tail) = text.split_once('\n').unwrap_or((text, ""));
    if line.is_empty() {
        return (None, tail);
    }
    if let Some(text) = line.strip_prefix("ERROR:  ") {
        let message =
            Message { severity: "ERROR", text: text.to_owned(), detail: None, hint: None, after: 0 };
        return (Some(Outcome::Failed(message)), tail);
    }
    let fields =
        |line: &str| -> Vec<String> { line.split('|').map(|field| field.trim().to_owned()).collect() };
    let mut table = Table { columns: fields(line), rows: Vec::new() };
    let mut tail = tail.split_once('\n').expect("a border").1;
    loop {
        let (line, rest) = tail.split_once('\n').expect("a row");
        tail = rest;
        if line.starts_with('(') && (line.ends_with(" rows)") || line == "(1 row)") {
            return (Some(Outcome::Rows(table)), tail.strip_prefix('\n').expect("an empty line"));
        }
        table.rows.push(fields(line).into_iter().map(Some).collect());
    }
}
