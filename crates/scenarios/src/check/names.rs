//! Names that nothing bears, and names that several bear.

use std::collections::BTreeSet;

use super::{Problems, applications, below, way};
use crate::load::{Step, one_of};
use crate::model::{ApplicationSpec, Scenario};

pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    twice(problems, &way!["tables"], scenario.tables.iter().map(|table| table.name.as_str()));
    let names: Vec<&str> = scenario.all_applications().map(|one| one.name.as_str()).collect();
    for (at, name) in names.iter().enumerate().skip(1) {
        let what = format!("another application is called {name:?} too");
        problems.add_if(
            names[..at].contains(name),
            way!["applications", at - 1, "name"],
            what,
            "give each a name of its own",
        );
    }
    let (traced, nobody) = (scenario.traffic_trace.is_some(), scenario.application.is_of_trace());
    problems.add_if(
        nobody && !(traced && scenario.traffic.is_empty()),
        way![],
        "there is no `application`",
        "add [application] with its versions and requests, or a [traffic_trace] and no [[traffic]]",
    );
    for (way, one) in applications(scenario) {
        application(one, &way, problems);
    }
    for (at, traffic) in scenario.traffic.iter().enumerate() {
        let way = way!["traffic", at];
        let Some(serving) = application_named(scenario, traffic.application.as_deref(), &way, problems)
        else {
            continue;
        };
        let Some(first) = serving.version_named(&serving.version) else { continue };
        let requests: Vec<&str> = first.requests.iter().map(|request| request.name.as_str()).collect();
        if !requests.contains(&traffic.request.as_str()) {
            let what = format!(
                "version {:?} of {:?} has no request {:?}",
                first.name, serving.name, traffic.request
            );
            problems.add(below(&way, way!["request"]), what, one_of(&traffic.request, &requests));
        }
    }
    if let Some(trace) = &scenario.traffic_trace {
        application_named(scenario, trace.application.as_deref(), &way!["traffic_trace"], problems);
    }
    for (at, deployment) in scenario.deployments.iter().enumerate() {
        let way = way!["deployments", at];
        let deployed = application_named(scenario, deployment.application.as_deref(), &way, problems);
        if let Some(deployed) = deployed.filter(|one| one.version_named(&deployment.to).is_none()) {
            let what = format!("{:?} has no version {:?}", deployed.name, deployment.to);
            problems.add(below(&way, way!["to"]), what, one_of(&deployment.to, &versions(deployed)));
        }
    }
}

fn application(application: &ApplicationSpec, way: &[Step], problems: &mut Problems) {
    let versions = versions(application);
    twice(problems, &below(way, way!["versions"]), versions.iter().copied());
    if !versions.contains(&application.version.as_str()) {
        let what = format!("{:?} has no version {:?}", application.name, application.version);
        problems.add(below(way, way!["version"]), what, one_of(&application.version, &versions));
    }
    for (at, version) in application.versions.iter().enumerate() {
        let requests = version.requests.iter().map(|request| request.name.as_str());
        twice(problems, &below(way, way!["versions", at, "requests"]), requests);
    }
    let instances: Vec<String> = application.instance_names().take(1_000).collect();
    let instances: Vec<&str> = instances.iter().map(String::as_str).collect();
    for (instance, failing) in &application.fails_health_check {
        let way = below(way, way!["fails_health_check", instance.as_str()]);
        if !instances.contains(&instance.as_str()) {
            let what = format!("{:?} has no instance {instance:?}", application.name);
            problems.add(way.clone(), what, one_of(instance, &instances));
        }
        for (at, version) in failing.iter().enumerate() {
            if !versions.contains(&version.as_str()) {
                let what = format!("{:?} has no version {version:?}", application.name);
                problems.add(below(&way, way![at]), what, one_of(version, &versions));
            }
        }
    }
}

fn versions(application: &ApplicationSpec) -> Vec<&str> {
    application.versions.iter().map(|version| version.name.as_str()).collect()
}

fn application_named<'s>(
    scenario: &'s Scenario,
    name: Option<&str>,
    way: &[Step],
    problems: &mut Problems,
) -> Option<&'s ApplicationSpec> {
    let found = scenario.application_named(name);
    if let (None, Some(name)) = (found, name) {
        let names: Vec<&str> = scenario.all_applications().map(|one| one.name.as_str()).collect();
        problems.add(
            below(way, way!["application"]),
            format!("there is no application {name:?}"),
            one_of(name, &names),
        );
    }
    found
}

/// Names in a list that an earlier entry bears.
fn twice<'n>(problems: &mut Problems, way: &[Step], names: impl Iterator<Item = &'n str>) {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (at, name) in names.enumerate() {
        if !known.insert(name) {
            let what = format!("{name:?} stands here twice");
            problems.add(below(way, way![at, "name"]), what, "give each a name of its own");
        }
    }
}
