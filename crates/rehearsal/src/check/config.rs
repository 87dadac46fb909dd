//! `rehearsal.toml`: what holds for every check of a project.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use schema_rules::findings::{Rule, rule};
use serde::Deserialize;

/// The name that is looked for in the working directory.
pub(crate) const DEFAULT_FILE: &str = "rehearsal.toml";

/// The file's `[check]` table. Others belong to other commands.
#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    check: Config,
}

/// Settings of the check. What the command line says goes before.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// The server's major version.
    pub(crate) pg: Option<u32>,
    /// The runner.
    pub(crate) runner: Option<String>,
    /// From which severity on the check fails.
    pub(crate) fail_on: Option<String>,
    /// How much work under a lock is tolerated.
    pub(crate) tolerate_ms: Option<u64>,
    /// Rules that are allowed everywhere.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// Rules that are allowed in some files.
    #[serde(default)]
    pub(crate) allow_in: Vec<AllowIn>,
    /// Rows of tables.
    #[serde(default)]
    pub(crate) rows: BTreeMap<String, u64>,
    /// Rates of the cost model, in nanoseconds.
    #[serde(default)]
    pub(crate) rates: BTreeMap<String, f64>,
}

/// Rules that are allowed in files whose path starts with a prefix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowIn {
    /// The start of the path.
    path: String,
    /// The rules.
    rules: Vec<String>,
}

/// A rule that is allowed, perhaps in some files only.
#[derive(Debug)]
pub(crate) struct Allowed {
    rule: &'static Rule,
    prefix: Option<String>,
}

impl Allowed {
    pub(crate) fn new(name: &str, prefix: Option<String>) -> anyhow::Result<Self> {
        match rule(name) {
            Some(rule) => Ok(Self { rule, prefix }),
            None => bail!("there is no rule \"{name}\"; `rehearsal check --explain` lists them"),
        }
    }

    pub(crate) fn covers(&self, path: &str, rule: &Rule) -> bool {
        self.rule == rule && self.prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str()))
    }
}

impl Config {
    /// Reads the file that was named, or the default one if there is one.
    pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = match named {
            Some(path) => path,
            None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
            None => return Ok(Self::default()),
        };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: File =
            toml::from_str(&text).with_context(|| format!("{} cannot be used", path.display()))?;
        Ok(file.check)
    }

    /// Everything that it allows.
    pub(crate) fn allowed(&self) -> anyhow::Result<Vec<Allowed>> {
        let everywhere = self.allow.iter().map(|name| Allowed::new(name, None));
        let somewhere = self
            .allow_in
            .iter()
            .flat_map(|a| a.rules.iter().map(|name| Allowed::new(name, Some(a.path.clone()))));
        everywhere.chain(somewhere).collect()
    }
}
