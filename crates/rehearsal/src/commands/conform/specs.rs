//! `conform specs`: isolation specs against the transcripts of the real tester.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use conformance::isolation::{Case, REFERENCE_MAJOR, Simulated, Tally, Verdict, check};

/// Compare isolation specs with the transcripts that the real tester printed, byte for byte.
///
/// A transcript is NAME.out; where a major version prints something else, NAME.pgMAJOR.out. A spec is run by
/// the rules of each version that has a transcript of its own, and of version 15 for NAME.out.
#[derive(Debug, clap::Args)]
pub(crate) struct Specs {
    /// Spec files, or directories of them.
    #[arg(required = true, value_name = "SPEC-OR-DIR")]
    specs: Vec<PathBuf>,
    /// The directory with the transcripts.
    #[arg(long, value_name = "DIR")]
    expected: PathBuf,
    /// Compare with the transcripts of this major version only.
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u32).range(12..=18))]
    pg: Option<u32>,
    /// Succeed even if there are specs that the simulated server cannot run.
    #[arg(long)]
    allow_unsupported: bool,
}

impl Specs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let transcripts = transcripts(&self.expected)?;
        let mut out = std::io::stdout().lock();
        let mut tally = Tally::default();
        for path in spec_files(&self.specs)? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let by_major = transcripts.get(&name).with_context(|| {
                format!("{} has no transcript {name}.out for {}", self.expected.display(), path.display())
            })?;
            let case = Case { spec: read(&path)?, expected: self.expected_of(by_major)? };
            let verdict = check(&case, Simulated::new);
            tally.count(&verdict);
            report(&mut out, &path, &name, &verdict)?;
        }
        writeln!(out, "{tally}")?;
        Ok(if tally.is_good(self.allow_unsupported) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn expected_of(&self, by_major: &BTreeMap<Option<u32>, PathBuf>) -> anyhow::Result<Vec<(u32, String)>> {
        let Some(pg) = self.pg else {
            let all =
                by_major.iter().map(|(major, path)| Ok((major.unwrap_or(REFERENCE_MAJOR), read(path)?)));
            return all.collect();
        };
        let path = by_major.get(&Some(pg)).or_else(|| by_major.get(&None));
        path.map(|path| Ok((pg, read(path)?))).into_iter().collect()
    }
}

fn report(out: &mut impl Write, path: &Path, name: &str, verdict: &Verdict) -> std::io::Result<()> {
    match verdict {
        Verdict::Agrees => Ok(()),
        Verdict::Differs { major, diff } => {
            writeln!(out, "{name} differs from PostgreSQL {major} (-) in the simulation (+):\n{diff}")
        }
        Verdict::NotSupported { place, reason } => {
            writeln!(out, "{name} is not supported: {place}: {reason}\n")
        }
        Verdict::Malformed(error) => writeln!(out, "{}\n", error.excerpt(&path.display().to_string())),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn files_of(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(dir).with_context(|| format!("cannot read the directory {}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn spec_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut specs = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found =
                files_of(path)?.into_iter().filter(|file| file.extension().is_some_and(|e| e == "spec"));
            specs.extend(found);
        } else {
            specs.push(path.clone());
        }
    }
    anyhow::ensure!(!specs.is_empty(), "no file there ends in .spec");
    Ok(specs)
}

/// The transcripts by the names of their specs and the versions in their own names.
fn transcripts(dir: &Path) -> anyhow::Result<BTreeMap<String, BTreeMap<Option<u32>, PathBuf>>> {
    let mut found: BTreeMap<String, BTreeMap<Option<u32>, PathBuf>> = BTreeMap::new();
    for path in files_of(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".out") else { continue };
        let versioned = stem.rsplit_once(".pg").and_then(|(stem, major)| Some((stem, major.parse().ok()?)));
        let (stem, major) = versioned.map_or((stem, None), |(stem, major)| (stem, Some(major)));
        found.entry(stem.to_owned()).or_default().insert(major, path);
    }
    Ok(found)
}
