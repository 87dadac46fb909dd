//! How a step that failed for a lock is tried again.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Share, Span};

/// How a step that failed for a lock is tried again: a preset's name, as in `{ preset = "pgroll" }`, or a policy of its
/// own.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RetrySpec {
    /// As a known tool does it.
    Preset(PresetName),
    /// By a policy of its own.
    Policy(RetryPolicy),
}

/// A preset by its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetName {
    /// The tool or project whose policy it is.
    #[schemars(schema_with = "super::schema::preset")]
    pub preset: String,
}

/// How often, with which pauses, after which failures.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often a step is tried in all; default until it succeeds.
    #[schemars(range(min = 1))]
    pub attempts: Option<u32>,
    /// The pause before the next attempt.
    pub backoff: Backoff,
    /// SQLSTATEs after which it is tried again; default `55P03`, `40P01` and `40001`: the lock timed out, a deadlock, a
    /// serialization failure.
    #[serde(default = "default_on")]
    pub on: Vec<String>,
}

fn default_on() -> Vec<String> {
    ["55P03", "40P01", "40001"].map(str::to_owned).to_vec()
}

/// The pause before the next attempt: a span, always the same; or one that grows, as in
/// `{ base = "1 s", factor = 2, cap = "60 s" }`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Backoff {
    /// Always the same.
    Fixed(Span),
    /// Grows from attempt to attempt.
    Exponential {
        /// The first pause.
        base: Span,
        /// By what each pause is longer than the one before; default 2.
        #[serde(default = "default_factor")]
        #[schemars(range(min = 1, max = 1000))]
        factor: f64,
        /// The longest pause, before `jitter`; default none.
        cap: Option<Span>,
        /// Between which shares of the pause its length is drawn, evenly; default all of it.
        #[serde(default)]
        jitter: Jitter,
    },
}

fn default_factor() -> f64 {
    2.0
}

impl Default for Backoff {
    fn default() -> Self {
        Self::Fixed(Span::default())
    }
}

/// Between which shares of a pause its length is drawn, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// The least; default 100 %.
    #[serde(default = "whole")]
    pub from: Share,
    /// The greatest; default 100 %.
    #[serde(default = "whole")]
    pub to: Share,
}

const fn whole() -> Share {
    Share::percent(100)
}

impl Default for Jitter {
    fn default() -> Self {
        Self { from: whole(), to: whole() }
    }
}

/// How a known tool or project retries: the numbers that it publishes.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// `lock_timeout` of each attempt, if all have the same.
    pub lock_timeout: Option<Span>,
    /// `statement_timeout` of each attempt.
    pub statement_timeout: Option<Span>,
    /// Which attempts there are.
    pub tries: Tries,
    /// SQLSTATEs after which it tries again.
    pub on: &'static [&'static str],
    /// Where the numbers come from.
    pub source: &'static str,
}

/// Which attempts a preset makes.
#[derive(Clone, Copy, Debug)]
pub enum Tries {
    /// So many in all (as many as it takes, if none is given) with pauses of a rule.
    Rule {
        /// How many in all.
        attempts: Option<u32>,
        /// The pauses.
        backoff: Backoff,
    },
    /// One row for each: `lock_timeout` and the pause after it, in milliseconds.
    Listed {
        /// The rows.
        rows: &'static [(u64, u64)],
        /// Whether a last attempt without `lock_timeout` follows.
        then_without_timeout: bool,
    },
}

const fn ms(milliseconds: u64) -> Span {
    Span::from_millis(milliseconds)
}

const fn fixed(attempts: u32, pause_ms: u64) -> Tries {
    Tries::Rule { attempts: Some(attempts), backoff: Backoff::Fixed(ms(pause_ms)) }
}

const fn growing(
    attempts: Option<u32>,
    base_ms: u64,
    factor: f64,
    cap_ms: Option<u64>,
    jitter: (u64, u64),
) -> Tries {
    let cap = match cap_ms {
        Some(cap) => Some(ms(cap)),
        None => None,
    };
    let jitter = Jitter { from: Share::percent(jitter.0), to: Share::percent(jitter.1) };
    Tries::Rule { attempts, backoff: Backoff::Exponential { base: ms(base_ms), factor, cap, jitter } }
}

const LOCK_TIMEOUT: &[&str] = &["55P03"];
const LOCK_RACES: &[&str] = &["55P03", "40P01"];

/// Short tries in quick succession, and between such series ever longer ones.
const GITLAB: &[(u64, u64)] = &[
    (100, 50),
    (100, 50),
    (200, 50),
    (300, 100),
    (400, 150),
    (500, 2_000),
    (500, 2_000),
    (500, 2_000),
    (500, 2_000),
    (1_000, 5_000),
    (1_000, 60_000),
    (100, 50),
    (100, 50),
    (200, 50),
    (300, 100),
    (400, 150),
    (500, 2_000),
    (500, 2_000),
    (500, 2_000),
    (3_000, 180_000),
    (100, 50),
    (100, 50),
    (500, 2_000),
    (500, 2_000),
    (5_000, 120_000),
    (500, 500),
    (500, 500),
    (7_000, 300_000),
    (500, 500),
    (500, 500),
    (7_000, 300_000),
    (500, 500),
    (500, 500),
    (7_000, 300_000),
    (100, 50),
    (100, 50),
    (500, 2_000),
    (10_000, 600_000),
    (100, 50),
    (500, 2_000),
    (10_000, 600_000),
];

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "gitlab",
        lock_timeout: None,
        statement_timeout: None,
        tries: Tries::Listed { rows: GITLAB, then_without_timeout: true },
        on: LOCK_TIMEOUT,
        source: "GitLab, lib/gitlab/database/with_lock_retries.rb",
    },
    Preset {
        name: "pgroll",
        lock_timeout: Some(ms(500)),
        statement_timeout: None,
        tries: growing(None, 1_000, 2.0, Some(60_000), (0, 100)),
        on: LOCK_TIMEOUT,
        source: "pgroll 0.16, pkg/db/db.go: cloudflare/backoff with its full jitter",
    },
    Preset {
        name: "reshape",
        lock_timeout: Some(ms(1_000)),
        statement_timeout: None,
        tries: growing(Some(10), 100, 2.0, Some(3_200), (100, 150)),
        on: LOCK_TIMEOUT,
        source: "reshape 0.9, src/db.rs",
    },
    Preset {
        name: "safer_migrations",
        lock_timeout: Some(ms(750)),
        statement_timeout: Some(ms(1_500)),
        tries: fixed(1, 0),
        on: LOCK_TIMEOUT,
        source: "activerecord-safer_migrations 4.0, README",
    },
    Preset {
        name: "strong_migrations",
        lock_timeout: Some(ms(10_000)),
        statement_timeout: None,
        tries: fixed(3, 10_000),
        on: LOCK_TIMEOUT,
        source: "strong_migrations 2.8, README: the recommended lock_timeout, lock_timeout_retries and its delay",
    },
    Preset {
        name: "pg-osc",
        lock_timeout: Some(ms(10_000)),
        statement_timeout: None,
        tries: fixed(3, 0),
        on: LOCK_TIMEOUT,
        source: "pg-osc 0.9, README: --wait-time-for-lock, without --kill-backends",
    },
    Preset {
        name: "posthog",
        lock_timeout: Some(ms(2_000)),
        statement_timeout: None,
        tries: growing(Some(10), 3_000, 2.0, None, (100, 100)),
        on: LOCK_TIMEOUT,
        source: "PostHog/posthog#42361: the formula as stated there, without a cap",
    },
    Preset {
        name: "treg",
        lock_timeout: Some(ms(5_000)),
        statement_timeout: None,
        tries: growing(Some(12), 5_000, 1.0, None, (50, 100)),
        on: LOCK_TIMEOUT,
        source: "superdesigndev/treg#497",
    },
    Preset {
        name: "boardsesh",
        lock_timeout: Some(ms(3_000)),
        statement_timeout: None,
        tries: fixed(40, 1_000),
        on: LOCK_RACES,
        source: "boardsesh#3496",
    },
    Preset {
        name: "superset-sh",
        lock_timeout: Some(ms(5_000)),
        statement_timeout: Some(ms(60_000)),
        tries: fixed(8, 0),
        on: LOCK_RACES,
        source: "superset-sh#7676; the pauses are not stated there",
    },
    Preset {
        name: "squawk",
        lock_timeout: Some(ms(1_000)),
        statement_timeout: Some(ms(5_000)),
        tries: Tries::Rule { attempts: None, backoff: Backoff::Fixed(ms(1_000)) },
        on: LOCK_TIMEOUT,
        source: "squawk, docs/docs/safe_migrations.md: until it succeeds; the pause is not stated there",
    },
    Preset {
        name: "safe-pg-migrations",
        lock_timeout: Some(ms(4_950)),
        statement_timeout: Some(ms(5_000)),
        tries: fixed(5, 60_000),
        on: LOCK_TIMEOUT,
        source: "doctolib/safe-pg-migrations#99: lock_timeout is 99 % of statement_timeout so that it fires first; \
                 5 s, 5 tries and 60 s are the gem's defaults",
    },
];

/// A policy with its preset looked up: what is done attempt by attempt.
#[derive(Clone, Debug)]
pub struct RetryPlan {
    /// `statement_timeout` of each attempt, if the policy has one.
    pub statement_timeout: Option<Span>,
    /// SQLSTATEs after which another attempt is made.
    pub on: Vec<String>,
    lock_timeout: Option<Span>,
    tries: Tries,
}

/// An attempt of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its `lock_timeout`; `None` is none at all. What the migration or the step sets goes before.
    pub lock_timeout: Option<Span>,
    /// The pause after its failure: drawn evenly between these two.
    pub pause: (Span, Span),
}

impl RetrySpec {
    /// The policy, attempt by attempt. An unknown preset, which no checked scenario has, is one attempt.
    #[must_use]
    pub fn plan(&self) -> RetryPlan {
        match self {
            Self::Preset(name) => {
                let known = preset(&name.preset);
                RetryPlan {
                    statement_timeout: known.and_then(|preset| preset.statement_timeout),
                    on: known
                        .map_or(&[][..], |preset| preset.on)
                        .iter()
                        .map(|&state| state.to_owned())
                        .collect(),
                    lock_timeout: known.and_then(|preset| preset.lock_timeout),
                    tries: known.map_or(fixed(1, 0), |preset| preset.tries),
                }
            }
            Self::Policy(policy) => RetryPlan {
                statement_timeout: None,
                on: policy.on.clone(),
                lock_timeout: None,
                tries: Tries::Rule { attempts: policy.attempts, backoff: policy.backoff },
            },
        }
    }
}

impl RetryPlan {
    /// The attempt of that number, counted from 1; `None` when there is none left.
    #[must_use]
    pub fn attempt(&self, number: u32) -> Option<Attempt> {
        match self.tries {
            Tries::Rule { attempts, backoff } => attempts
                .is_none_or(|most| number <= most)
                .then(|| Attempt { lock_timeout: self.lock_timeout, pause: backoff.pause(number) }),
            Tries::Listed { rows, then_without_timeout } => {
                let at = number.checked_sub(1)? as usize;
                match rows.get(at) {
                    Some((timeout, pause)) => {
                        // The last row's pause would be slept in vain.
                        let pause = if at + 1 < rows.len() { ms(*pause) } else { ms(0) };
                        Some(Attempt { lock_timeout: Some(ms(*timeout)), pause: (pause, pause) })
                    }
                    None if at == rows.len() && then_without_timeout => {
                        Some(Attempt { lock_timeout: None, pause: (ms(0), ms(0)) })
                    }
                    None => None,
                }
            }
        }
    }
}

impl Backoff {
    /// The pause after that many failures (one or more): the least and the greatest that it may be.
    #[must_use]
    pub fn pause(self, failures: u32) -> (Span, Span) {
        match self {
            Self::Fixed(span) => (span, span),
            Self::Exponential { base, factor, cap, jitter } => {
                let pause = grown(base, factor, failures.saturating_sub(1));
                let pause = cap.map_or(pause, |cap| pause.min(cap));
                (jitter.from.of(pause), jitter.to.of(pause))
            }
        }
    }
}

/// A span times a factor, again and again. Multiplied step by step: the same on every machine.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "`as` saturates"
)]
fn grown(base: Span, factor: f64, times: u32) -> Span {
    let mut nanos = base.0.0 as f64;
    for _ in 0..times.min(1_100) {
        nanos *= factor;
    }
    Span(sim_clock::Nanos(nanos as u64))
}

/// The preset of this name.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str) -> RetryPlan {
        RetrySpec::Preset(PresetName { preset: name.to_owned() }).plan()
    }

    fn seconds(spans: impl Iterator<Item = Span>) -> f64 {
        spans.map(|span| span.0.0).sum::<u64>() as f64 / 1e9
    }

    #[test]
    fn gitlabs_forty_one_tries_wait_a_minute_for_locks_and_half_an_hour_between_them() {
        let attempts: Vec<Attempt> = (1..).map_while(|number| plan("gitlab").attempt(number)).collect();
        assert_eq!(attempts.len(), 42);
        assert_eq!(seconds(attempts.iter().filter_map(|attempt| attempt.lock_timeout)), 62.2);
        assert_eq!(seconds(attempts.iter().map(|attempt| attempt.pause.0)), 1_891.05);
        assert_eq!(attempts[41], Attempt { lock_timeout: None, pause: (ms(0), ms(0)) });
    }

    #[test]
    fn pgrolls_pauses_double_up_to_a_minute_with_full_jitter_and_never_end() {
        let pauses: Vec<(Span, Span)> =
            [1, 2, 6, 7, 5_000].map(|number| plan("pgroll").attempt(number).unwrap().pause).to_vec();
        assert_eq!(
            pauses.iter().map(|pause| pause.1.0.0 / 1_000_000_000).collect::<Vec<_>>(),
            [1, 2, 32, 60, 60]
        );
        assert!(pauses.iter().all(|pause| pause.0 == ms(0)));
    }

    #[test]
    fn reshapes_jitter_adds_up_to_half_the_pause() {
        assert_eq!(plan("reshape").attempt(1).unwrap().pause, (ms(100), ms(150)));
        assert_eq!(plan("reshape").attempt(10).unwrap().pause, (ms(3_200), ms(4_800)));
        assert_eq!(plan("reshape").attempt(11), None);
    }

    #[test]
    fn posthogs_formula_waits_for_longer_than_its_text_says() {
        let waits = (1..10).map(|number| plan("posthog").attempt(number).unwrap().pause.0);
        assert_eq!(seconds(waits), 1_533.0);
    }
}
