//! From a record to what its connection sends: texts, times, and the block around them.

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_actors::{Recorded, Replayed, SentText};
use sim_clock::{Nanos, Seed, Stream};
use sql_engine::Database;
use traces::record::End;
use traces::text::Control;
use traces::{Record, Statement};

use super::draw::{Draw, draws};
use super::stand_in::Runnable;
use super::survey::{Survey, only_controls};
use crate::model::Scenario;

/// A statement of the trace, planned.
struct Planned {
    runnable: Runnable,
    /// Its text where that is always the same: shared by all executions.
    text: Option<Rc<str>>,
    draws: Vec<Draw>,
    count: u64,
}

/// How every statement of a trace is run.
pub(super) struct Scripts {
    planned: BTreeMap<String, Planned>,
    /// What a statement is whose fingerprint came too late to be told apart.
    beyond: Runnable,
    class_of: BTreeMap<String, usize>,
    last_class: usize,
    first_class: u32,
    chance: Stream,
    made: u64,
}

impl Scripts {
    pub(super) fn plan(
        survey: &Survey,
        scenario: &Scenario,
        database: &mut Database,
        first_class: u32,
    ) -> Self {
        let catalog = database.catalog();
        let rows = |table: &str| {
            let known = scenario.tables.iter().find(|one| one.name.rsplit('.').next() == Some(table));
            known.map_or(0, |one| one.rows)
        };
        let mut planned = BTreeMap::new();
        for (fingerprint, seen) in &survey.seen {
            let one = match &seen.text {
                Ok(text) => Planned {
                    runnable: Runnable::of(text, database),
                    text: seen.repeats.then(|| text.as_str().into()),
                    draws: draws(text, &catalog, &rows),
                    count: seen.count,
                },
                Err(label) => Planned {
                    runnable: Runnable::nameless(label),
                    text: None,
                    draws: Vec::new(),
                    count: seen.count,
                },
            };
            planned.insert(fingerprint.clone(), one);
        }
        Self {
            planned,
            beyond: Runnable::nameless("a statement beyond those that are told apart"),
            class_of: survey.class_of.clone(),
            last_class: survey.classes.len().saturating_sub(1),
            first_class,
            chance: Seed(scenario.seed).stream("trace: parameters"),
            made: 0,
        }
    }

    /// Statements that are run otherwise than they were sent, by name and number.
    pub(super) fn not_modelled(&self, survey: &Survey) -> Vec<String> {
        let refused =
            |one: &Planned| Some((one.runnable.refused.clone()?, one.runnable.shown.clone(), one.count));
        let mut refused: Vec<_> = self.planned.values().filter_map(refused).collect();
        refused.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.1.cmp(&b.1)));
        let all: u64 = refused.iter().map(|one| one.2).sum();
        let of_all = survey.statements;
        let mut list = Vec::new();
        if all > 0 {
            list.push(format!("trace: {all} of its {of_all} statements are not run as they were sent"));
        }
        for (reason, shown, count) in refused.iter().take(NAMED) {
            let shown: String = shown.chars().take(100).collect();
            list.push(format!("trace: {count} × {shown}: {reason}"));
        }
        if refused.len() > NAMED {
            let rest: u64 = refused[NAMED..].iter().map(|one| one.2).sum();
            list.push(format!("trace: {rest} × {} other statements", refused.len() - NAMED));
        }
        if survey.beyond > 0 {
            list.push(format!("trace: {} statements of more than 20,000 different ones", survey.beyond));
        }
        if survey.skipped > 0 {
            list.push(format!("trace: {} transactions that the client did not start", survey.skipped));
        }
        list
    }

    /// Executions whose parameters are drawn because the trace does not hold any.
    pub(super) fn drawn(&self, survey: &Survey) -> u64 {
        let drawn = |one: &Planned| !one.draws.is_empty() && one.runnable.instead.is_none();
        let drawn = self.planned.iter().filter(|one| drawn(one.1));
        drawn.filter_map(|(fingerprint, _)| Some(survey.seen.get(fingerprint)?.without_params)).sum()
    }

    pub(super) fn into_replay(mut self) -> impl FnMut(Record) -> Option<Replayed> {
        move |record| self.replayed(&record)
    }

    fn replayed(&mut self, record: &Record) -> Option<Replayed> {
        if record.end == End::Skipped {
            return None;
        }
        let class = Survey::class(&self.class_of, record, self.last_class);
        let request = self.first_class + u32::try_from(class).unwrap_or(0);
        let texts = self.texts(record);
        if texts.is_empty() {
            return None;
        }
        Some(Replayed {
            at: Nanos::from_micros(record.at_us),
            request,
            keys: sim_actors::Keys::new(),
            recorded: Some(Recorded::Texts(Rc::new(texts))),
        })
    }

    /// What a transaction sends, from its BEGIN to its end.
    fn texts(&mut self, record: &Record) -> Vec<SentText> {
        let mut texts: Vec<SentText> = Vec::new();
        let (mut block, mut sets) = (false, false);
        // A statement that is all there is of a transaction needs no block around it, and some refuse one.
        let several = record.statements.len() > 1 || record.idle_at_end_us > 0;
        let implied = several && record.end != End::Autocommit && !opens_block(record.statements.first());
        if implied {
            texts.push(control("BEGIN"));
            block = true;
        }
        for statement in &record.statements {
            let service = Nanos::from_micros(statement.service_us.unwrap_or(0));
            if let Some(last) = texts.last_mut() {
                last.think += Nanos::from_micros(statement.think_us);
            }
            let Some(text) = statement.text.as_deref().filter(|text| only_controls(text)) else {
                let sent = self.sent(statement, &mut block, &mut sets);
                texts.push(sent);
                continue;
            };
            // BEGIN and COMMIT do no work of the model's; what they took is time in which locks are held.
            let sent = self.control(text, &mut block);
            match texts.last_mut() {
                Some(last) if !block => last.think += service,
                _ => {}
            }
            texts.push(sent);
        }
        if block && let Some(last) = texts.last_mut() {
            last.think += Nanos::from_micros(record.idle_at_end_us);
            let commits = matches!(record.end, End::Commit | End::Unlogged);
            texts.push(control(if commits { "COMMIT" } else { "ROLLBACK" }));
        }
        if sets {
            // A pool's next user must not meet what this one has set.
            texts.push(control("RESET ALL"));
        }
        texts
    }

    /// A text that begins or ends the block, as it is sent.
    fn control(&self, text: &str, block: &mut bool) -> SentText {
        let controls = traces::text::controls(text);
        let chained = matches!(
            controls.last(),
            Some(Control::Commit { chain: true } | Control::Rollback { chain: true } | Control::Prepare)
        );
        follow(&controls, block);
        // AND CHAIN and two-phase commit end the transaction as far as the model goes.
        let rolls_back = matches!(controls.last(), Some(Control::Rollback { .. }));
        match (chained, rolls_back) {
            (false, _) => control(text),
            (true, true) => control("ROLLBACK"),
            (true, false) => control("COMMIT"),
        }
    }

    fn sent(&mut self, statement: &Statement, block: &mut bool, sets: &mut bool) -> SentText {
        let planned = self.planned.get(&statement.fingerprint);
        let runnable = planned.map_or(&self.beyond, |one| &one.runnable);
        follow(&runnable.controls, block);
        *sets |= runnable.sets;
        let own = statement.prepared.as_ref().or(statement.text.as_ref());
        let shared = planned.and_then(|one| one.text.clone());
        let repeats = runnable.instead.is_some() || shared.is_some();
        let sql = runnable.instead.clone().or(shared).or_else(|| own.map(|text| text.as_str().into()));
        let params: Rc<[Option<Rc<str>>]> = match planned {
            Some(one) if one.runnable.instead.is_none() && statement.params.len() < one.draws.len() => {
                let (chance, made) = (&mut self.chance, &mut self.made);
                one.draws.iter().map(|draw| draw.value(chance, made)).collect()
            }
            Some(one) if one.runnable.instead.is_none() => {
                statement.params.iter().map(|param| param.as_deref().map(Into::into)).collect()
            }
            _ => Rc::from([]),
        };
        let statements = runnable.statements.max(1);
        let share = |us: u64| Nanos(Nanos::from_micros(us).0 / u64::from(statements));
        SentText {
            sql: sql.unwrap_or_else(|| "SELECT 1".into()),
            shown: Rc::clone(&runnable.shown),
            params,
            repeats,
            statements,
            work: statement.service_us.map(share),
            think: Nanos::ZERO,
        }
    }
}

/// How many refused statements are named.
const NAMED: usize = 12;

fn opens_block(first: Option<&Statement>) -> bool {
    let controls = first.and_then(|one| one.text.as_deref()).map(traces::text::controls).unwrap_or_default();
    controls.first() == Some(&Control::Begin)
}

/// Whether a block is open after these statements.
fn follow(controls: &[Control], block: &mut bool) {
    for one in controls {
        match one {
            Control::Begin => *block = true,
            Control::Commit { .. } | Control::Rollback { .. } | Control::Prepare => *block = false,
            Control::RollbackTo | Control::Other => {}
        }
    }
}

fn control(text: &str) -> SentText {
    SentText {
        sql: text.into(),
        shown: text.into(),
        params: Rc::from([]),
        repeats: true,
        statements: 0,
        work: Some(Nanos::ZERO),
        think: Nanos::ZERO,
    }
}
