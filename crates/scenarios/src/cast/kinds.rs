//! The kinds of requests that arrive, over all applications: what the log and the report count by.

use crate::model::{ApplicationSpec, Scenario, TrafficSpec};

/// A kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestKind {
    /// The application that serves it, by its place: the migrated one, then the others.
    pub(crate) application: usize,
    /// Its name.
    pub(crate) request: String,
    /// The keys that it needs, in any version.
    pub(super) keys: Vec<String>,
}

impl RequestKind {
    /// Whether a traffic entry is about it.
    pub(super) fn is_meant_by(&self, scenario: &Scenario, traffic: &TrafficSpec) -> bool {
        self.request == traffic.request && Some(self.application) == application_of(scenario, traffic)
    }

    /// What reports call it.
    pub(crate) fn title(&self, scenario: &Scenario) -> String {
        let application = scenario.all_applications().nth(self.application);
        format!("{}/{}", application.map_or("", |one| one.name.as_str()), self.request)
    }
}

/// The place of the application that a traffic entry names.
fn application_of(scenario: &Scenario, traffic: &TrafficSpec) -> Option<usize> {
    match &traffic.application {
        None => Some(0),
        Some(name) => scenario.all_applications().position(|one| one.name == *name),
    }
}

/// Every kind of request, in the order of the traffic; several entries of one request are one kind.
pub(crate) fn request_kinds(scenario: &Scenario) -> Vec<RequestKind> {
    let mut kinds: Vec<RequestKind> = Vec::new();
    for traffic in &scenario.traffic {
        let Some(application) = application_of(scenario, traffic) else { continue };
        if !kinds.iter().any(|kind| kind.is_meant_by(scenario, traffic)) {
            let request = traffic.request.clone();
            let spec = scenario.all_applications().nth(application);
            let keys = spec.map_or_else(Vec::new, |spec| keys_of(spec, &request));
            kinds.push(RequestKind { application, request, keys });
        }
    }
    kinds
}

fn keys_of(application: &ApplicationSpec, request: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let requests = application.versions.iter().flat_map(|version| &version.requests);
    for statement in requests.filter(|one| one.name == request).flat_map(|one| &one.statements) {
        for name in &statement.params {
            if !keys.contains(name) {
                keys.push(name.clone());
            }
        }
    }
    keys
}
