//! The tester's rules for what recordings show seldom or never, on a server that does as its
//! statements say.

use conformance::isolation::{Connection, End, Message, Outcome, Server, Table, parse, run};
use sim_clock::Nanos;

fn transcript(spec: &str) -> (String, End) {
    let run = run(&parse(spec).expect("a spec"), 18, &mut Obedient::default(), &mut ());
    (run.transcript, run.end)
}

/// The transcript after its first two lines.
fn steps(spec: &str) -> String {
    let (transcript, end) = transcript(spec);
    assert_eq!(end, End::Complete, "{transcript}");
    transcript.splitn(4, '\n').nth(3).expect("steps").to_owned()
}

#[test]
fn a_slow_statement_is_awaited_without_a_word() {
    let spec = "session a step x { sleep 5000 } session b step y { done } permutation x y";
    assert_eq!(steps(spec), "step x: sleep 5000\nstep y: done\n");
}

#[test]
fn steps_freed_together_are_reported_in_the_order_in_which_they_were_started() {
    let spec =
        "session a step x { block } session b step y { block } session c step z { free } permutation y x z";
    let expected = "step y: block <waiting ...>\nstep x: block <waiting ...>\nstep z: free\n\
                    step y: <... completed>\nstep x: <... completed>\n";
    assert_eq!(steps(spec), expected);
}

#[test]
fn the_running_step_of_the_next_steps_session_is_awaited_and_reported_first() {
    let spec =
        "session a step x { block 900 } session b step y { block 900 } step w { done } permutation x y w";
    let expected = "step x: block 900 <waiting ...>\nstep y: block 900 <waiting ...>\n\
                    step y: <... completed>\nstep x: <... completed>\nstep w: done\n";
    assert_eq!(steps(spec), expected);
}

#[test]
fn a_step_that_lasts_six_minutes_is_cancelled() {
    let expected = "step x: block <waiting ...>\nisolationtester: canceling step x after 360 seconds\n\
                    step x: <... completed>\nERROR:  canceling statement due to user request\n";
    assert_eq!(steps("session a step x { block } permutation x"), expected);
}

#[test]
fn before_version_16_five_minutes_are_enough() {
    let spec = parse("session a step x { block } permutation x").expect("a spec");
    let run = run(&spec, 15, &mut Obedient::default(), &mut ());
    assert!(run.transcript.contains("\nisolationtester: canceling step x after 300 seconds\n"));
}

#[test]
fn a_statement_that_ignores_its_cancellation_ends_the_run() {
    let (transcript, end) = transcript("session a step x { stuck } permutation x x");
    assert_eq!(end, End::GaveUp);
    let expected =
        "isolationtester: canceling step x after 360 seconds\nstep x timed out after 720 seconds\n";
    assert!(transcript.ends_with(expected), "{transcript}");
}

#[test]
fn a_step_held_back_at_the_end_ends_the_run() {
    let spec = "session a step x { done } session b step y { done } permutation x(y notices 1) y";
    let (transcript, end) = transcript(spec);
    assert_eq!(end, End::GaveUp);
    let expected = "step x: done <waiting ...>\nstep y: done\nfailed to complete permutation due to mutually-blocking steps\n";
    assert!(transcript.ends_with(expected), "{transcript}");
}

#[test]
fn a_session_held_back_for_ever_is_given_up_after_twelve_minutes() {
    let spec =
        "session a step x { done } step w { done } session b step y { done } permutation x(y notices 1) w y";
    let (transcript, end) = transcript(spec);
    assert_eq!(end, End::GaveUp);
    assert!(
        transcript.ends_with("step x timed out after 720 seconds\nactive steps are: x\n"),
        "{transcript}"
    );
}

#[test]
fn a_failed_setup_ends_the_run_and_a_failed_teardown_does_not() {
    let (out, end) = transcript("setup { fail no }\nsession a step x { done }");
    assert_eq!(end, End::GaveUp);
    assert!(out.ends_with("starting permutation: x\nsetup failed: ERROR:  no\n"), "{out}");
    let (out, end) = transcript("teardown { fail no }\nsession a step x { done } teardown { fail nor }");
    assert_eq!(end, End::Complete);
    assert!(
        out.ends_with("teardown of session a failed: ERROR:  nor\nteardown failed: ERROR:  no\n"),
        "{out}"
    );
}

#[test]
fn of_several_results_a_setup_prints_the_last_and_a_step_all() {
    let spec = "setup { rows; done } setup { done; rows } session a step x { rows; rows } permutation x";
    let rows = "n\n-\n1\n(1 row)\n\n";
    assert_eq!(steps(spec), format!("{rows}step x: rows; rows\n{rows}{rows}"));
}

#[test]
fn notices_are_printed_before_the_step_and_those_of_the_setup_are_hidden() {
    let spec = "setup { notice s } session a setup { notice t } step x { notice u; done } permutation x";
    assert_eq!(steps(spec), "a: NOTICE:  t\na: NOTICE:  u\nstep x: notice u; done\n");
}

#[test]
fn a_lost_connection_is_reported_and_the_next_step_on_it_ends_the_run() {
    let (transcript, end) = transcript("session a step x { die } permutation x x");
    assert_eq!(end, End::GaveUp);
    let expected = "step x: die\nFATAL:  terminating connection\nserver closed the connection unexpectedly\n\
                    \tThis probably means the server terminated abnormally\n\tbefore or while processing the request.\n\n\
                    failed to send query for step x: no connection to the server\n\n";
    assert!(transcript.ends_with(expected), "{transcript}");
}

#[test]
fn unused_steps_are_named_first() {
    let (transcript, _) =
        transcript("session a step z { done } step x { done } step y { done } permutation x");
    assert!(
        transcript
            .starts_with("unused step name: y\nunused step name: z\nParsed test spec with 1 sessions\n")
    );
}

#[test]
fn what_is_not_modelled_ends_the_run_by_name() {
    let (_, end) = transcript("session a step x { unknown windows } permutation x");
    assert_eq!(end, End::NotSupported { place: "step x".to_owned(), reason: "windows".to_owned() });
}

/// Does what the statements say: `done`, `rows`, `fail TEXT`, `notice TEXT`, `sleep MS`, `block`
/// (until somebody says `free`) or `block MS`, `stuck`, `die`, `unknown TEXT`.
#[derive(Default)]
struct Obedient {
    connections: Vec<Line>,
    now: Nanos,
}

#[derive(Default)]
struct Line {
    state: State,
    outcomes: Vec<Outcome>,
    notices: Vec<Message>,
    is_lost: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Blocked,
    BlockedUntil(Nanos),
    Stuck,
    Asleep(Nanos),
}

fn message(severity: &'static str, text: &str) -> Message {
    Message { severity, text: text.to_owned(), detail: None, hint: None, after: 0 }
}

impl Obedient {
    fn statement(&mut self, connection: Connection, word: &str, rest: &str) {
        let span = || Nanos::from_millis(rest.parse().expect("milliseconds"));
        if word == "free" {
            self.connections
                .iter_mut()
                .filter(|line| line.state == State::Blocked)
                .for_each(|line| line.state = State::Idle);
        }
        let until = self.now
            + if matches!(word, "sleep") || !rest.is_empty() && word == "block" {
                span()
            } else {
                Nanos::ZERO
            };
        let line = &mut self.connections[connection.0];
        match word {
            "rows" => {
                let table = Table { columns: vec!["n".to_owned()], rows: vec![vec![Some("1".to_owned())]] };
                line.outcomes.push(Outcome::Rows(table));
            }
            "fail" => line.outcomes.push(Outcome::Failed(message("ERROR", rest))),
            "notice" => line.notices.push(message("NOTICE", rest)),
            "sleep" => line.state = State::Asleep(until),
            "block" if rest.is_empty() => line.state = State::Blocked,
            "block" => line.state = State::BlockedUntil(until),
            "stuck" => line.state = State::Stuck,
            "die" => {
                line.outcomes.push(Outcome::Failed(message("FATAL", "terminating connection")));
                line.outcomes.push(Outcome::ConnectionLost);
                line.is_lost = true;
            }
            "unknown" => line.outcomes.push(Outcome::NotModelled(rest.to_owned())),
            _ => line.outcomes.push(Outcome::Command),
        }
    }
}

impl Server for Obedient {
    fn connect(&mut self, _name: &str) -> Connection {
        self.connections.push(Line::default());
        Connection(self.connections.len() - 1)
    }

    fn send(&mut self, connection: Connection, sql: &str) {
        for statement in sql.split(';') {
            let statement = statement.trim();
            let (word, rest) = statement.split_once(' ').unwrap_or((statement, ""));
            self.statement(connection, word, rest);
        }
    }

    fn is_busy(&self, connection: Connection) -> bool {
        self.connections[connection.0].state != State::Idle
    }

    fn is_blocked(&self, connection: Connection, _by: &[Connection]) -> bool {
        matches!(self.connections[connection.0].state, State::Blocked | State::BlockedUntil(_) | State::Stuck)
    }

    fn take_outcomes(&mut self, connection: Connection) -> Vec<Outcome> {
        let outcomes = std::mem::take(&mut self.connections[connection.0].outcomes);
        if outcomes.is_empty() { vec![Outcome::Command] } else { outcomes }
    }

    fn take_notices(&mut self, connection: Connection) -> Vec<Message> {
        std::mem::take(&mut self.connections[connection.0].notices)
    }

    fn is_lost(&self, connection: Connection) -> bool {
        self.connections[connection.0].is_lost
    }

    fn cancel(&mut self, connection: Connection) {
        let line = &mut self.connections[connection.0];
        if line.state != State::Stuck {
            line.state = State::Idle;
            line.outcomes.push(Outcome::Failed(message("ERROR", "canceling statement due to user request")));
        }
    }

    fn now(&self) -> Nanos {
        self.now
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let deadlines = self.connections.iter().filter_map(|line| match line.state {
            State::BlockedUntil(at) | State::Asleep(at) => Some(at),
            State::Idle | State::Blocked | State::Stuck => None,
        });
        deadlines.min()
    }

    fn advance(&mut self, to: Nanos) {
        self.now = to;
        for line in &mut self.connections {
            if matches!(line.state, State::BlockedUntil(at) | State::Asleep(at) if at <= to) {
                line.state = State::Idle;
            }
        }
    }
}
