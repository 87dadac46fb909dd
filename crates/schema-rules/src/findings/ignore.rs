//! Comments that switch findings off, ours and those of other tools.
//!
//! `-- rehearsal: allow RULE, RULE`, `-- squawk-ignore RULE`, `-- squawk-ignore-file RULE`, `-- eugene: ignore E1`,
//! `-- eugene-ignore: E1`. Without a rule all are meant.

use super::Rule;

/// What a comment allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allow {
    /// The names as written; empty for all.
    pub(super) names: Vec<String>,
    /// For the whole file rather than for the next statement.
    pub(super) file: bool,
    /// Whether it is our own: only then is it worth a word that it allows nothing.
    pub(super) own: bool,
}

impl Allow {
    pub(super) fn covers(&self, rule: &Rule) -> bool {
        self.names.is_empty()
            || self.names.iter().any(|name| name == rule.name || rule.aliases.contains(&name.as_str()))
    }
}

/// What a comment says, if it is such a comment.
pub(super) fn read(comment: &str) -> Option<Allow> {
    const MARKS: [(&str, bool, bool); 7] = [
        ("rehearsal: allow-file", true, true),
        ("rehearsal: allow", false, true),
        ("squawk-ignore-file", true, false),
        ("squawk-ignore", false, false),
        ("eugene: ignore", false, false),
        ("eugene-ignore:", false, false),
        ("eugene-ignore", false, false),
    ];
    let inner = comment.trim_start_matches("--").trim_start_matches("/*").trim_end_matches("*/").trim();
    let (mark, file, own) = MARKS.into_iter().find(|(mark, _, _)| inner.starts_with(mark))?;
    let rest = &inner[mark.len()..];
    let names = rest
        .split([',', ' ', '\t', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Allow { names, file, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tools_spelling_is_understood() {
        let names = |text: &str| read(text).map(|a| (a.names, a.file));
        assert_eq!(
            names("-- rehearsal: allow fails, drops-table"),
            Some((vec!["fails".into(), "drops-table".into()], false))
        );
        assert_eq!(names("-- squawk-ignore ban-drop-column"), Some((vec!["ban-drop-column".into()], false)));
        assert_eq!(names("-- squawk-ignore-file"), Some((vec![], true)));
        assert_eq!(names("-- eugene: ignore E1, E2"), Some((vec!["E1".into(), "E2".into()], false)));
        assert_eq!(names("-- eugene-ignore: E4"), Some((vec!["E4".into()], false)));
        assert_eq!(names("-- a plain remark"), None);
    }
}
