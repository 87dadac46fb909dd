//! What is wrong with a spec file, and where.

/// A mistake in the text of a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub struct SpecError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub problem: String,
    /// The line itself.
    pub source_line: String,
}

impl SpecError {
    pub(crate) fn at(text: &str, offset: usize, problem: String) -> Self {
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: text[line_start..offset].chars().count() + 1,
            problem,
            source_line: text[line_start..].lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// The mistake with the file's name, the line and a mark under the column.
    #[must_use]
    pub fn excerpt(&self, file: &str) -> String {
        let gutter = " ".repeat(self.line.to_string().len());
        // Tabs stay tabs, so that the mark stands under the character wherever tab stops are.
        let indent: String =
            self.source_line.chars().take(self.column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
        format!(
            "{}\n{gutter}--> {file}:{}:{}\n{gutter} |\n{} | {}\n{gutter} | {indent}^",
            self.problem, self.line, self.column, self.line, self.source_line,
        )
    }
}
