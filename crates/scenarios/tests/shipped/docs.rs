//! The tables of `docs/lessons.md` and `docs/incidents.md` say what the scenarios come to, and leave none out.

use std::fs;

use reports::Report;
use reports::units::{duration, share};

use crate::rehearsed::{failures, folder, migration_ms, rehearse};

/// A row's figures: the longest stall of a class, the share of requests that failed, the migration.
fn figures(report: &Report) -> String {
    let stall = report.classes.iter().map(|class| class.longest_stall_ms).fold(0.0, f64::max);
    #[allow(clippy::cast_precision_loss, reason = "no scenario has 2^53 requests")]
    let failed = failures(&report.overall) as f64 / report.overall.arrived as f64;
    let failed = if failed > 0.0 { share(failed) } else { "none".to_owned() };
    let took = duration(migration_ms(report));
    let migration =
        if report.migration.succeeded == Some(true) { took } else { format!("failed after {took}") };
    format!("| {} | {failed} | {migration} |", duration(stall))
}

fn document_tells_the_truth(document: &str, directory: &str) {
    let text = fs::read_to_string(folder().join("../docs").join(document)).unwrap();
    let mut names: Vec<String> = fs::read_dir(folder().join(directory))
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .map(|name| format!("{directory}/{name}"))
        .collect();
    if directory == "lessons" {
        names.push("alter-behind-long-select".to_owned());
    }
    names.sort();
    let mut wrong = Vec::new();
    for name in names {
        let link = format!("(../sim-scenarios/{name}.toml)");
        let line = text.lines().find(|line| line.starts_with("| [") && line.contains(&link));
        let report = rehearse(&name);
        let left_out = report.not_modelled.iter().find(|what| what.contains("not simulated"));
        assert_eq!(left_out, None, "{name} has something that does not take part");
        let figures = figures(&report);
        if !line.is_some_and(|line| line.ends_with(&figures)) {
            wrong.push(format!("{name} {figures}"));
        }
    }
    assert!(wrong.is_empty(), "docs/{document} should say:\n{}", wrong.join("\n"));
}

#[test]
fn each_lessons_figures_in_the_document_are_those_of_its_run() {
    document_tells_the_truth("lessons.md", "lessons");
}

#[test]
fn each_incidents_figures_in_the_document_are_those_of_its_run() {
    document_tells_the_truth("incidents.md", "incidents");
}
