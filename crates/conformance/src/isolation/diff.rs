//! Differences between two texts, line by line, for people.

use std::fmt::Write as _;

const CONTEXT: usize = 3;
/// Beyond this many pairs of lines the texts are compared only up to their first difference.
const MAX_PAIRS: usize = 4_000_000;

/// Where the second text differs from the first: lines of the first with `-`, of the second with
/// `+`, a few common ones around. `None` if they are the same to the byte.
#[must_use]
pub fn diff(expected: &str, actual: &str) -> Option<String> {
    if expected == actual {
        return None;
    }
    let old: Vec<&str> = expected.split_inclusive('\n').collect();
    let new: Vec<&str> = actual.split_inclusive('\n').collect();
    let common = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[common..], &new[common..]);
    let mut edits: Vec<Edit<'_>> = old[..common].iter().map(|line| Edit::Keep(line)).collect();
    if old_rest.len().saturating_mul(new_rest.len()) <= MAX_PAIRS {
        edits.extend(shortest_edit(old_rest, new_rest));
    } else {
        edits.extend(old_rest.iter().take(CONTEXT).map(|line| Edit::Remove(line)));
        edits.extend(new_rest.iter().take(CONTEXT).map(|line| Edit::Add(line)));
    }
    Some(render(&edits))
}

#[derive(Clone, Copy)]
enum Edit<'a> {
    Keep(&'a str),
    Remove(&'a str),
    Add(&'a str),
}

/// By the longest common subsequence, whose lengths are tabulated from the back.
fn shortest_edit<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut edits = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            edits.push(Edit::Keep(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            edits.push(Edit::Remove(old[i]));
            i += 1;
        } else {
            edits.push(Edit::Add(new[j]));
            j += 1;
        }
    }
    edits
}

fn render(edits: &[Edit<'_>]) -> String {
    let is_change = |edit: &Edit<'_>| !matches!(edit, Edit::Keep(_));
    let is_near = |index: usize| {
        let around = index.saturating_sub(CONTEXT)..(index + CONTEXT + 1).min(edits.len());
        edits[around].iter().any(is_change)
    };
    let mut out = String::new();
    let (mut line, mut shown) = (0, None);
    for (index, edit) in edits.iter().enumerate() {
        line += usize::from(!matches!(edit, Edit::Add(_)));
        if !is_near(index) {
            continue;
        }
        if shown != index.checked_sub(1) || index == 0 {
            let _ = writeln!(out, "@@ line {} @@", line.max(1));
        }
        shown = Some(index);
        let (mark, text) = match edit {
            Edit::Keep(text) => (' ', text),
            Edit::Remove(text) => ('-', text),
            Edit::Add(text) => ('+', text),
        };
        let _ = write!(out, "{mark}{text}");
        if !text.ends_with('\n') {
            out.push_str("\n\\ no newline at the end\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(diff("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn a_change_is_shown_with_the_lines_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let expected = "@@ line 2 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert_eq!(diff(old, new).as_deref(), Some(expected));
    }

    #[test]
    fn a_missing_newline_is_a_difference() {
        assert_eq!(diff("a\n", "a").as_deref(), Some("@@ line 1 @@\n-a\n+a\n\\ no newline at the end\n"));
    }
}
