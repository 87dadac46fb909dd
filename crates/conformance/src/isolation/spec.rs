//! A spec as it was written: what `src/test/isolation/README` in PostgreSQL's tree describes.

/// A whole spec file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// Blocks run on the control connection before each permutation, each sent by itself.
    pub setups: Vec<String>,
    /// Block run on the control connection after each permutation.
    pub teardown: Option<String>,
    /// The sessions in the order of the file, at least one.
    pub sessions: Vec<Session>,
    /// The permutations to run; without any, all interleavings are run.
    pub permutations: Vec<Permutation>,
}

/// One connection and what it can be told to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its name, without quotes.
    pub name: String,
    /// Block run on it before each permutation.
    pub setup: Option<String>,
    /// Its steps in the order of the file, at least one.
    pub steps: Vec<Step>,
    /// Block run on it after each permutation.
    pub teardown: Option<String>,
}

/// A block of SQL with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, without quotes; no other step of the spec has it.
    pub name: String,
    /// What is sent, without the blanks next to the braces.
    pub sql: String,
}

/// Which step is meant: the session's and the step's place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId {
    /// Index into [`Spec::sessions`].
    pub session: usize,
    /// Index into [`Session::steps`].
    pub step: usize,
}

/// An order in which steps are started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permutation {
    /// The steps; one step may occur several times.
    pub steps: Vec<PermutationStep>,
}

/// A step's place in a permutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermutationStep {
    /// The step.
    pub id: StepId,
    /// The conditions on the report of its completion.
    pub markers: Vec<Marker>,
}

/// Holds back the report that a step has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `(*)`: the step is reported as waiting at first, whether it waits or not.
    Once,
    /// `(other)`: not while the other step is running.
    WhileRunning(StepId),
    /// `(other notices n)`: not before the other step's session has sent so many notices since
    /// this step was started.
    Notices {
        /// A step of the session whose notices count.
        of: StepId,
        /// How many.
        count: u64,
    },
}

impl Spec {
    /// The step that an id stands for.
    #[must_use]
    pub fn step(&self, id: StepId) -> &Step {
        &self.sessions[id.session].steps[id.step]
    }

    /// All steps, session by session.
    pub fn step_ids(&self) -> impl Iterator<Item = StepId> + '_ {
        self.sessions
            .iter()
            .enumerate()
            .flat_map(|(session, s)| (0..s.steps.len()).map(move |step| StepId { session, step }))
    }

    /// Names of the steps that no permutation uses, in the order of their names.
    #[must_use]
    pub fn unused_steps(&self) -> Vec<&str> {
        if self.permutations.is_empty() {
            return Vec::new();
        }
        let is_used = |id| self.permutations.iter().any(|p| p.steps.iter().any(|step| step.id == id));
        let mut unused: Vec<_> =
            self.step_ids().filter(|&id| !is_used(id)).map(|id| self.step(id).name.as_str()).collect();
        unused.sort_unstable();
        unused
    }
}
