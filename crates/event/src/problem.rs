//! What is wrong with a text that a person wrote: with its place, a stable code and a remedy.

use serde::Serialize;
use std::fmt;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Worth knowing; nothing is refused.
    Warning,
    /// The text cannot be used as it is.
    Error,
}

/// One thing wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File as it was given.
    pub file: String,
    /// Line from 1; 0 when the problem has no line.
    pub line: usize,
    /// Column from 1; 0 when unknown.
    pub column: usize,
    /// How much it matters.
    pub gravity: Gravity,
    /// Stable, kebab-case: `unknown-field`, `revoked-technique`.
    pub code: &'static str,
    /// What is wrong: a lower-case fragment that fits after "could not use this: ".
    pub message: String,
    /// What to do about it; empty when the message says it already.
    pub remedy: String,
}

impl Problem {
    /// An error at a line.
    pub fn error(file: &str, line: usize, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { file: file.to_owned(), line, column: 0, gravity: Gravity::Error, code, message: message.into(), remedy: String::new() }
    }

    /// A warning at a line.
    pub fn warning(file: &str, line: usize, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { gravity: Gravity::Warning, ..Problem::error(file, line, code, message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Problem {
        self.remedy = remedy.into();
        self
    }

    /// Adds the column.
    #[must_use]
    pub fn column(mut self, column: usize) -> Problem {
        self.column = column;
        self
    }
}

/// `strategies/x.md:41: error[unknown-field]: names the unknown field "contaner.id" (did you mean "container.id"?)`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        let gravity = match self.gravity {
            Gravity::Warning => "warning",
            Gravity::Error => "error",
        };
        write!(f, ": {gravity}[{}]: {}", self.code, self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}

/// The candidate nearest to `word` by edits, when it is near enough to be a slip.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // Nobody mistypes a name of this length; and comparing costs the product of both lengths.
    if length > 64 {
        return None;
    }
    let limit = (length / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Number of single-character insertions, deletions, replacements and swaps of neighbours between two words
/// (optimal string alignment distance).
pub fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut rows = vec![vec![0usize; width]; a.len() + 1];
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..width {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word() {
        let names = ["container.id", "container.name", "host.name"];
        assert_eq!(nearest("contaner.id", names), Some("container.id"));
        assert_eq!(nearest("container.nmae", names), Some("container.name"));
        assert_eq!(nearest("whatever", names), None);
    }
}
