//! From the text of a spec to a [`Spec`]: the grammar of `src/test/isolation/specparse.y` in
//! PostgreSQL's tree, and the checks that `isolationtester` makes before it runs anything.
//!
//! ```text
//! spec         = { setup } [ teardown ] session { session } { permutation }
//! session      = "session" name [ setup ] step { step } [ teardown ]
//! setup        = "setup" sql            teardown = "teardown" sql
//! step         = "step" name sql
//! permutation  = "permutation" place { place }
//! place        = name [ "(" marker { "," marker } ")" ]
//! marker       = "*" | name | name "notices" number
//! ```

use std::collections::BTreeMap;

use super::error::SpecError;
use super::scan::{Keyword, Scanner, Token};
use super::spec::{Marker, Permutation, PermutationStep, Session, Spec, Step, StepId};

/// Reads a spec.
///
/// # Errors
/// If the text is not a spec; the error says where and what was expected there.
pub fn parse(text: &str) -> Result<Spec, SpecError> {
    let mut parser = Parser::new(text)?;
    let mut spec = Spec::default();
    while let Some(sql) = parser.optional_block(Keyword::Setup)? {
        spec.setups.push(sql);
    }
    spec.teardown = parser.optional_block(Keyword::Teardown)?;
    let expected = match (spec.setups.is_empty(), &spec.teardown) {
        (_, Some(_)) => "`session`",
        (true, None) => "`setup`, `teardown` or `session`",
        (false, None) => "another `setup`, `teardown` or `session`",
    };
    if !parser.is_at(Keyword::Session) {
        return Err(parser.expected(expected));
    }
    while parser.takes(Keyword::Session)? {
        let session = parser.session(spec.sessions.len())?;
        spec.sessions.push(session);
    }
    while parser.takes(Keyword::Permutation)? {
        let permutation = parser.permutation()?;
        spec.permutations.push(permutation);
    }
    if parser.token != Token::End {
        let expected = match spec.permutations.last() {
            Some(_) => "a step's name, `(`, `permutation` or the end of the file",
            None => "`step`, `teardown`, `session`, `permutation` or the end of the file",
        };
        return Err(parser.expected(expected));
    }
    Ok(spec)
}

struct Parser<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    /// The token to be read next, and where it begins.
    token: Token,
    start: usize,
    steps: BTreeMap<String, StepId>,
}

/// A place in a permutation as written: its markers may name steps that come later.
struct Place {
    id: StepId,
    name: String,
    markers: Vec<(usize, WrittenMarker)>,
}

enum WrittenMarker {
    Once,
    Step(String),
    Notices(String, u64),
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, SpecError> {
        let mut scanner = Scanner::new(text);
        let (start, token) = scanner.next()?;
        Ok(Self { text, scanner, token, start, steps: BTreeMap::new() })
    }

    fn advance(&mut self) -> Result<(), SpecError> {
        (self.start, self.token) = self.scanner.next()?;
        Ok(())
    }

    fn expected(&self, what: &str) -> SpecError {
        self.error_at(self.start, format!("expected {what}, found {}", self.token))
    }

    fn error_at(&self, offset: usize, problem: String) -> SpecError {
        SpecError::at(self.text, offset, problem)
    }

    fn is_at(&self, keyword: Keyword) -> bool {
        self.token == Token::Keyword(keyword)
    }

    fn takes(&mut self, keyword: Keyword) -> Result<bool, SpecError> {
        let found = self.is_at(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn name(&mut self, what: &str) -> Result<String, SpecError> {
        let name = match &self.token {
            Token::Name(name) => name.clone(),
            Token::Keyword(_) => {
                return Err(self.expected(&format!("{what} (a keyword is a name only in quotes)")));
            }
            _ => return Err(self.expected(what)),
        };
        self.advance()?;
        Ok(name)
    }

    fn block(&mut self, of: &str) -> Result<String, SpecError> {
        let Token::Sql(sql) = &self.token else {
            return Err(self.expected(&format!("a block of SQL in braces for {of}")));
        };
        let sql = sql.clone();
        self.advance()?;
        Ok(sql)
    }

    fn optional_block(&mut self, keyword: Keyword) -> Result<Option<String>, SpecError> {
        if self.takes(keyword)? { self.block(&keyword.to_string()).map(Some) } else { Ok(None) }
    }

    fn session(&mut self, index: usize) -> Result<Session, SpecError> {
        let name = self.name("a session's name")?;
        let setup = self.optional_block(Keyword::Setup)?;
        let mut steps = Vec::new();
        if !self.is_at(Keyword::Step) {
            let setup = if setup.is_none() { "`setup` or " } else { "" };
            return Err(self.expected(&format!("{setup}`step`: session \"{name}\" needs at least one")));
        }
        while self.takes(Keyword::Step)? {
            steps.push(self.step(StepId { session: index, step: steps.len() })?);
        }
        let teardown = self.optional_block(Keyword::Teardown)?;
        Ok(Session { name, setup, steps, teardown })
    }

    fn step(&mut self, id: StepId) -> Result<Step, SpecError> {
        let start = self.start;
        let name = self.name("a step's name")?;
        if self.steps.insert(name.clone(), id).is_some() {
            return Err(self.error_at(start, format!("there is a step named \"{name}\" already")));
        }
        let sql = self.block(&format!("step \"{name}\""))?;
        Ok(Step { name, sql })
    }

    fn permutation(&mut self) -> Result<Permutation, SpecError> {
        let mut places = Vec::new();
        loop {
            places.push(self.place()?);
            if !matches!(self.token, Token::Name(_)) {
                break;
            }
        }
        // Markers look only at the steps of their own permutation: others cannot be running.
        let here: BTreeMap<&str, StepId> =
            places.iter().map(|place| (place.name.as_str(), place.id)).collect();
        let steps = places.iter().map(|place| {
            let markers = place.markers.iter().map(|marker| self.marker(place, marker, &here));
            Ok(PermutationStep { id: place.id, markers: markers.collect::<Result<_, SpecError>>()? })
        });
        Ok(Permutation { steps: steps.collect::<Result<_, SpecError>>()? })
    }

    fn place(&mut self) -> Result<Place, SpecError> {
        let start = self.start;
        let name = self.name("a step's name")?;
        let Some(&id) = self.steps.get(&name) else {
            return Err(self.error_at(start, format!("no session has a step named \"{name}\"")));
        };
        let mut markers = Vec::new();
        if self.token == Token::OpenParen {
            self.advance()?;
            loop {
                markers.push((self.start, self.written_marker()?));
                match self.token {
                    Token::Comma => self.advance()?,
                    Token::CloseParen => break,
                    _ => return Err(self.expected("`,` or `)` after a marker")),
                };
            }
            self.advance()?;
        }
        Ok(Place { id, name, markers })
    }

    fn written_marker(&mut self) -> Result<WrittenMarker, SpecError> {
        if self.token == Token::Star {
            self.advance()?;
            return Ok(WrittenMarker::Once);
        }
        let name = self.name("a marker: `*` or a step's name")?;
        if !self.takes(Keyword::Notices)? {
            return Ok(WrittenMarker::Step(name));
        }
        let Token::Integer(count) = self.token else {
            return Err(self.expected("a number of notices"));
        };
        self.advance()?;
        Ok(WrittenMarker::Notices(name, count))
    }

    fn marker(
        &self,
        place: &Place,
        (start, written): &(usize, WrittenMarker),
        here: &BTreeMap<&str, StepId>,
    ) -> Result<Marker, SpecError> {
        let other = |name: &str| match here.get(name) {
            None => Err(self.error_at(*start, format!("no step named \"{name}\" is in this permutation"))),
            Some(other) if other.session == place.id.session => {
                let problem = format!("step \"{}\" cannot wait for a step of its own session", place.name);
                Err(self.error_at(*start, problem))
            }
            Some(&other) => Ok(other),
        };
        Ok(match written {
            WrittenMarker::Once => Marker::Once,
            WrittenMarker::Step(name) => Marker::WhileRunning(other(name)?),
            WrittenMarker::Notices(name, count) => Marker::Notices { of: other(name)?, count: *count },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "session a step a1 { A1 } step a2 { A2 } session b setup { S } step b1 { B1 } teardown { T }";

    fn problem(text: &str) -> String {
        parse(text).expect_err("a mistake").to_string()
    }

    #[test]
    fn every_part_of_a_spec_is_read() {
        let text = format!(
            "setup {{ 1 }} setup {{ 2 }} teardown {{ 3 }} {TWO} permutation a1 b1(a1, *, a1 notices 2) a1"
        );
        let spec = parse(&text).expect("a spec");
        assert_eq!(spec.setups, ["1", "2"]);
        assert_eq!(spec.teardown.as_deref(), Some("3"));
        assert_eq!(spec.sessions[1].setup.as_deref(), Some("S"));
        assert_eq!(spec.sessions[1].teardown.as_deref(), Some("T"));
        let a1 = StepId { session: 0, step: 0 };
        let [first, second, third] = &spec.permutations[0].steps[..] else { panic!("three steps") };
        assert_eq!((first.id, third.id), (a1, a1));
        assert_eq!(
            second.markers,
            [Marker::WhileRunning(a1), Marker::Once, Marker::Notices { of: a1, count: 2 }]
        );
        assert_eq!(spec.unused_steps(), ["a2"]);
    }

    #[test]
    fn a_mistake_is_reported_with_its_place_and_what_was_expected() {
        let cases = [
            ("", "1:1: expected `setup`, `teardown` or `session`, found the end of the file"),
            ("setup session", "1:7: expected a block of SQL in braces for `setup`, found `session`"),
            (
                "setup {}\npermutation a",
                "2:1: expected another `setup`, `teardown` or `session`, found `permutation`",
            ),
            (
                "session step",
                "1:9: expected a session's name (a keyword is a name only in quotes), found `step`",
            ),
            (
                "session a\n\tpermutation",
                "2:2: expected `setup` or `step`: session \"a\" needs at least one, found `permutation`",
            ),
            ("session a step x { } step x { }", "1:27: there is a step named \"x\" already"),
            (
                "session a step x { } setup { }",
                "1:22: expected `step`, `teardown`, `session`, `permutation` or the end of the file, found `setup`",
            ),
            ("session a step x { } permutation y", "1:34: no session has a step named \"y\""),
            (
                "session a step x { } permutation x(",
                "1:36: expected a marker: `*` or a step's name, found the end of the file",
            ),
            (
                "session a step x { } permutation x(* x)",
                "1:38: expected `,` or `)` after a marker, found the name \"x\"",
            ),
            (
                "session a step x { } permutation x(x)",
                "1:36: step \"x\" cannot wait for a step of its own session",
            ),
            (
                "session a step x { } permutation x(z notices)",
                "1:45: expected a number of notices, found `)`",
            ),
            ("session a step x { } permutation x(z)", "1:36: no step named \"z\" is in this permutation"),
            ("session a step x { } %", "1:22: unexpected character `%`"),
            (
                "session a step x { } permutation x session b",
                "1:36: expected a step's name, `(`, `permutation` or the end of the file, found `session`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(problem(text), expected, "{text}");
        }
    }

    #[test]
    fn the_excerpt_marks_the_column() {
        let error = parse("session a\n\tpermutation").expect_err("a mistake");
        let expected = "expected `setup` or `step`: session \"a\" needs at least one, found `permutation`\n --> x.spec:2:2\n  |\n2 | \tpermutation\n  | \t^";
        assert_eq!(error.excerpt("x.spec"), expected);
    }
}
