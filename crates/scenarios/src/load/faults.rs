//! What is wrong with a scenario file: each fault with its place, an excerpt and the remedy.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Lines of the file that an excerpt has at most.
const EXCERPT_LINES: usize = 3;

/// A fault of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The bytes of the file that it is about.
    pub(super) range: Range<usize>,
    /// What is wrong.
    pub(super) what: String,
    /// What to do about it.
    pub(super) remedy: String,
}

/// Every fault of a scenario file, in the order of the file. Shown with excerpts.
#[derive(Clone, Debug)]
pub struct Faults {
    path: PathBuf,
    shown: Vec<String>,
}

impl Faults {
    pub(super) fn new(path: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|a, b| {
            (a.range.start, a.range.end, &a.what).cmp(&(b.range.start, b.range.end, &b.what))
        });
        faults.dedup();
        let shown = faults.iter().map(|fault| shown(path, text, fault)).collect();
        Self { path: path.to_owned(), shown }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.shown.len();
        let faults = if count == 1 { "1 fault" } else { &format!("{count} faults") };
        write!(f, "{}: not a scenario: {faults}", self.path.display())?;
        self.shown.iter().try_for_each(|fault| write!(f, "\n\n{fault}"))
    }
}

fn shown(path: &Path, text: &str, fault: &Fault) -> String {
    let start = boundary(text, fault.range.start);
    let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let lines = text[from..].split_inclusive('\n').take(EXCERPT_LINES).map(str::len).sum::<usize>();
    let marked = boundary(text, fault.range.end.max(start));
    let whole_lines = |end: usize| text[end..].find('\n').map_or(text.len(), |at| end + at);
    let to = whole_lines(marked).min(from + lines).max(start);
    let excerpt = text[from..to].trim_end_matches('\n');
    let within = |at: usize| at.saturating_sub(from).min(excerpt.len());
    let path = path.display().to_string();
    let snippet = Snippet::source(excerpt)
        .path(path.as_str())
        .line_start(text[..from].matches('\n').count() + 1)
        .annotation(AnnotationKind::Primary.span(within(start)..within(marked)));
    let report = Level::ERROR
        .primary_title(fault.what.as_str())
        .element(snippet)
        .element(Level::HELP.message(fault.remedy.as_str()));
    Renderer::plain().render(&[report]).trim_end().to_owned()
}

/// The place itself or the last one before it that is not within a character.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The name out of several that was probably meant.
pub(crate) fn probably<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |one: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &one.to_lowercase());
    let near = |one: &&str| distance(one) <= (name.chars().count() / 3).max(1);
    known.into_iter().filter(near).min_by_key(|one| distance(one))
}

/// A remedy for a name that is unknown: the one that was probably meant, or the list.
pub(crate) fn one_of(name: &str, known: &[&str]) -> String {
    match probably(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "there is none to choose from".to_owned(),
        None => format!("known are {}", listed(known)),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
