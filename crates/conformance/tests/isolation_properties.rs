//! The spec parser on any text, and the tester on any spec: neither panics, neither hangs.

use conformance::isolation::{
    Connection, End, Marker, Message, Outcome, Permutation, PermutationStep, Server, Session, Spec, Step,
    StepId, parse, run,
};
use proptest::prelude::*;
use sim_clock::Nanos;

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_text_is_a_spec_or_a_mistake_with_a_place(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn any_sequence_of_tokens_is_a_spec_or_a_mistake_with_a_place(
        tokens in proptest::collection::vec(token(), 0..60),
    ) {
        check(&tokens.join(" "));
        check(&tokens.concat());
    }

    #[test]
    fn a_spec_written_down_is_read_back(spec in spec()) {
        prop_assert_eq!(parse(&written(&spec)), Ok(spec));
    }

    #[test]
    fn every_spec_comes_to_an_end_whatever_waits(spec in spec(), stuck in any::<u64>()) {
        let mut server = Whimsical { busy: Vec::new(), stuck, now: Nanos::ZERO };
        let run = run(&spec, 18, &mut server, &mut ());
        let is_not_modelled = matches!(run.end, End::NotSupported { .. });
        prop_assert!(!is_not_modelled);
    }
}

/// `PROPTEST_CASES` says how long to look.
fn cases(usually: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(usually))
}

fn check(text: &str) {
    match parse(text) {
        Ok(spec) => assert!(spec.all_permutations().take(50).all(|p| p.steps.len() <= text.len())),
        Err(error) => {
            assert!(error.line <= text.matches('\n').count() + 1);
            assert!(error.excerpt("any.spec").contains(&error.problem));
        }
    }
}

fn token() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "setup",
        "teardown",
        "session",
        "step",
        "permutation",
        "notices",
        "{ SELECT 1; }",
        "{",
        "}",
        "a",
        "b",
        "\"a\"",
        "\"",
        "(",
        ")",
        "*",
        ",",
        "2",
        "99999999999999999999",
        "#",
        "\n",
        "\r",
        "\t",
        "ä",
        "$",
        "a$1",
    ];
    proptest::sample::select(WORDS).prop_map(str::to_owned)
}

/// Up to three sessions with up to two steps, and up to two permutations.
fn spec() -> impl Strategy<Value = Spec> {
    let block = || proptest::option::of("[a-z;\n]{0,8}");
    let session = (block(), proptest::collection::vec("[a-z;]{0,8}", 1..3), block());
    let places = proptest::collection::vec((any::<u8>(), any::<u8>(), 0..4_u8), 1..6);
    let shape = (
        proptest::collection::vec("[a-z\n]{0,8}", 0..3),
        block(),
        proptest::collection::vec(session, 1..4),
        proptest::collection::vec(places, 0..3),
    );
    shape.prop_map(|(setups, teardown, sessions, permutations)| {
        let sessions: Vec<_> = sessions.into_iter().enumerate().map(named).collect();
        let mut spec = Spec { setups, teardown, sessions, permutations: Vec::new() };
        let ids: Vec<_> = spec.step_ids().collect();
        spec.permutations = permutations.iter().map(|places| permutation(&ids, places)).collect();
        spec
    })
}

/// Setup, steps, teardown.
type SessionBlocks = (Option<String>, Vec<String>, Option<String>);

fn named((index, (setup, steps, teardown)): (usize, SessionBlocks)) -> Session {
    let step = |(step, sql)| Step { name: format!("\"{index}\" {step}"), sql };
    Session {
        name: format!("s{index}"),
        setup,
        steps: steps.into_iter().enumerate().map(step).collect(),
        teardown,
    }
}

fn permutation(ids: &[StepId], places: &[(u8, u8, u8)]) -> Permutation {
    let chosen: Vec<_> = places.iter().map(|&(pick, _, _)| ids[usize::from(pick) % ids.len()]).collect();
    let steps = chosen.iter().zip(places).map(|(&id, &(_, other, kind))| {
        let other = chosen[usize::from(other) % chosen.len()];
        let marker = match kind {
            1 => Some(Marker::Once),
            2 if other.session != id.session => Some(Marker::WhileRunning(other)),
            3 if other.session != id.session => Some(Marker::Notices { of: other, count: 1 }),
            _ => None,
        };
        PermutationStep { id, markers: marker.into_iter().collect() }
    });
    Permutation { steps: steps.collect() }
}

fn written(spec: &Spec) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let block = |word: &str, sql: &Option<String>| {
        sql.as_ref().map_or(String::new(), |sql| format!("{word} {{{sql}}}\n"))
    };
    let mut text: String = spec.setups.iter().map(|sql| format!("setup {{ {sql}\t}}\n")).collect();
    text += &block("teardown", &spec.teardown);
    for session in &spec.sessions {
        text += &format!("session {} # {{\n{}", quoted(&session.name), block("setup", &session.setup));
        for step in &session.steps {
            text += &format!("step {} {{{}}}\n", quoted(&step.name), step.sql);
        }
        text += &block("teardown", &session.teardown);
    }
    let name = |id: StepId| quoted(&spec.step(id).name);
    for permutation in &spec.permutations {
        text += "permutation";
        for step in &permutation.steps {
            text += &format!("\n\t{}", name(step.id));
            for marker in &step.markers {
                text += &match *marker {
                    Marker::Once => "(*)".to_owned(),
                    Marker::WhileRunning(other) => format!("({})", name(other)),
                    Marker::Notices { of, count } => format!("({} notices {count})", name(of)),
                };
            }
        }
        text += "\n";
    }
    text
}

/// Some connections are done at once, some wait until they are cancelled, some for ever.
struct Whimsical {
    busy: Vec<bool>,
    stuck: u64,
    now: Nanos,
}

impl Whimsical {
    fn whim(&self, connection: Connection) -> u64 {
        self.stuck >> (2 * connection.0) & 3
    }
}

impl Server for Whimsical {
    fn connect(&mut self, _name: &str) -> Connection {
        self.busy.push(false);
        Connection(self.busy.len() - 1)
    }

    fn send(&mut self, connection: Connection, _sql: &str) {
        self.busy[connection.0] = self.whim(connection) > 1;
    }

    fn is_busy(&self, connection: Connection) -> bool {
        self.busy[connection.0]
    }

    fn is_blocked(&self, connection: Connection, _by: &[Connection]) -> bool {
        self.is_busy(connection)
    }

    fn take_outcomes(&mut self, _connection: Connection) -> Vec<Outcome> {
        vec![Outcome::Command]
    }

    fn take_notices(&mut self, _connection: Connection) -> Vec<Message> {
        Vec::new()
    }

    fn is_lost(&self, _connection: Connection) -> bool {
        false
    }

    fn cancel(&mut self, connection: Connection) {
        self.busy[connection.0] &= self.whim(connection) == 3;
    }

    fn now(&self) -> Nanos {
        self.now
    }

    fn next_deadline(&self) -> Option<Nanos> {
        None
    }

    fn advance(&mut self, to: Nanos) {
        self.now = to;
    }
}
