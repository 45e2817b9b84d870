//! Sigma's strings: `*` and `?` with their escapes, and sets of them that are tried on one text at once.
//!
//! Patterns compare without regard to case unless `cased`. ASCII patterns compare byte by byte; a set with other letters folds the text once.

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeSet;

/// Sizes that a compiled regular expression may have. Most fit the first; larger than the last is refused (`\\w{1,64}` of a public rule needs 4 MB, as letters of all
/// scripts count).
const REGEX_BYTES: [usize; 3] = [64 << 10, 1 << 20, 8 << 20];

/// Bytes that all expressions of one text may take together, so that many large ones cannot take the machine's memory.
const REGEX_BYTES_TOTAL_MAX: usize = 128 << 20;

/// What is left for the regular expressions of one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub fn new() -> Budget {
        Budget(REGEX_BYTES_TOTAL_MAX)
    }
}

/// From this many exact values on, a lookup is quicker than trying each.
const LINEAR_MAX: usize = 8;

/// The characters that Windows programs take for the dash of an option.
const DASHES: &str = r"[-/\x{2013}\x{2014}\x{2015}]";

/// A part of a Sigma string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    /// `?`: exactly one character.
    One,
    /// `*`: any number of characters.
    Many,
    /// A dash in any of its forms, by the modifier `windash`.
    Dash,
}

/// A Sigma string, with its wildcards told from its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SigmaText(pub Vec<Part>);

impl SigmaText {
    /// Reads wildcards and escapes. A backslash is itself unless it stands before `*`, `?` or another backslash.
    pub fn parse(text: &str) -> SigmaText {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let wildcard = match c {
                '\\' => {
                    match characters.peek() {
                        Some(&next @ ('*' | '?' | '\\')) => {
                            literal.push(next);
                            characters.next();
                        }
                        _ => literal.push('\\'),
                    }
                    continue;
                }
                '*' => Part::Many,
                '?' => Part::One,
                other => {
                    literal.push(other);
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            if !(wildcard == Part::Many && parts.last() == Some(&Part::Many)) {
                parts.push(wildcard);
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        SigmaText(parts)
    }

    /// The text, when there is no wildcard in it.
    pub fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// A text without wildcards.
    pub fn of(literal: String) -> SigmaText {
        SigmaText(if literal.is_empty() { Vec::new() } else { vec![Part::Text(literal)] })
    }

    /// The same with anything allowed before.
    pub fn open_start(mut self) -> SigmaText {
        if self.0.first() != Some(&Part::Many) {
            self.0.insert(0, Part::Many);
        }
        self
    }

    /// The same with anything allowed behind.
    pub fn open_end(mut self) -> SigmaText {
        if self.0.last() != Some(&Part::Many) {
            self.0.push(Part::Many);
        }
        self
    }

    /// Every dash or slash that starts an option stands for all forms of a dash.
    pub fn windash(self) -> SigmaText {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let mut parts = Vec::new();
        for part in self.0 {
            let Part::Text(text) = part else {
                parts.push(part);
                continue;
            };
            let mut literal = String::new();
            let mut before = None;
            let mut characters = text.chars().peekable();
            while let Some(c) = characters.next() {
                let starts = matches!(c, '-' | '/') && !before.is_some_and(word) && characters.peek().copied().is_some_and(word);
                if starts {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Dash);
                } else {
                    literal.push(c);
                }
                before = Some(c);
            }
            if !literal.is_empty() {
                parts.push(Part::Text(literal));
            }
        }
        SigmaText(parts)
    }

    /// A regular expression that matches the same whole texts.
    fn regex(&self) -> String {
        let mut out = String::from("^");
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(&regex::escape(text)),
                Part::One => out.push('.'),
                Part::Many => out.push_str(".*"),
                Part::Dash => out.push_str(DASHES),
            }
        }
        out.push('$');
        out
    }
}

/// Texts of which any one may match.
#[derive(Clone, Debug)]
pub(crate) struct TextSet {
    cased: bool,
    /// Every pattern is ASCII, so the text need not be folded.
    ascii: bool,
    /// `*` alone: any value at all.
    any: bool,
    exact: Vec<String>,
    exact_many: Option<BTreeSet<String>>,
    starts: Vec<String>,
    ends: Vec<String>,
    contains: Option<AhoCorasick>,
    /// What `contains` looks for.
    needles: Vec<String>,
    globs: Vec<Regex>,
}

impl TextSet {
    /// Builds a set.
    ///
    /// # Errors
    /// When a pattern becomes too large; the text says which.
    pub fn new(patterns: &[SigmaText], cased: bool, budget: &mut Budget) -> Result<TextSet, String> {
        let ascii = cased || patterns.iter().flat_map(|p| &p.0).all(|part| !matches!(part, Part::Text(t) if !t.is_ascii()));
        let mut set = TextSet {
            cased,
            ascii,
            any: false,
            exact: Vec::new(),
            exact_many: None,
            starts: Vec::new(),
            ends: Vec::new(),
            contains: None,
            needles: Vec::new(),
            globs: Vec::new(),
        };
        let fold = |text: &String| if cased { text.clone() } else { text.to_lowercase() };
        for pattern in patterns {
            match pattern.0.as_slice() {
                [] => set.exact.push(String::new()),
                [Part::Text(text)] => set.exact.push(fold(text)),
                [Part::Many] => set.any = true,
                [Part::Text(text), Part::Many] => set.starts.push(fold(text)),
                [Part::Many, Part::Text(text)] => set.ends.push(fold(text)),
                [Part::Many, Part::Text(text), Part::Many] => set.needles.push(fold(text)),
                _ => set.globs.push(build_regex(&pattern.regex(), !cased, false, true, budget)?),
            }
        }
        if set.exact.len() > LINEAR_MAX {
            set.exact_many = Some(set.exact.iter().cloned().collect());
        }
        if !set.needles.is_empty() {
            let built = AhoCorasick::builder().ascii_case_insensitive(!cased).build(&set.needles);
            set.contains = Some(built.map_err(|e| format!("has too many values in one list: {e}"))?);
        }
        Ok(set)
    }

    /// Whether any pattern is the whole of, or fits, this text.
    pub fn matches(&self, text: &str) -> bool {
        if self.any || self.globs.iter().any(|glob| glob.is_match(text)) {
            return true;
        }
        if self.ascii { self.matches_folded(text) } else { self.matches_folded(&text.to_lowercase()) }
    }

    fn matches_folded(&self, text: &str) -> bool {
        let same = |a: &[u8], b: &[u8]| if self.cased { a == b } else { a.eq_ignore_ascii_case(b) };
        let bytes = text.as_bytes();
        let exact = match &self.exact_many {
            Some(set) if self.cased => set.contains(text),
            Some(set) => set.contains(text.to_ascii_lowercase().as_str()),
            None => self.exact.iter().any(|value| same(value.as_bytes(), bytes)),
        };
        exact
            || self.starts.iter().any(|start| bytes.get(..start.len()).is_some_and(|head| same(head, start.as_bytes())))
            || self.ends.iter().any(|end| bytes.len() >= end.len() && same(&bytes[bytes.len() - end.len()..], end.as_bytes()))
            || self.contains.as_ref().is_some_and(|needles| needles.is_match(text))
    }

    /// Whether `*` alone is among the patterns: then any value does.
    pub fn takes_anything(&self) -> bool {
        self.any
    }

    /// Whole values, and pieces of text, of which one must be found for the set to match; `None` when something else in it can match too.
    pub fn atoms(&self) -> Option<(&[String], impl Iterator<Item = &String>)> {
        let pieces = || self.starts.iter().chain(&self.ends).chain(&self.needles);
        // With other letters in the set the text is folded first, and a piece may then be found where the bare text has none.
        let plain = self.ascii || pieces().next().is_none();
        let usable = !self.any && self.globs.is_empty() && plain && pieces().all(|piece| !piece.is_empty() && piece.is_ascii());
        usable.then(|| (self.exact.as_slice(), pieces()))
    }

    /// The folded values, when the set consists of whole values only: at least one of them must then be the field's value.
    pub fn required(&self) -> Option<&[String]> {
        let whole = !self.any && self.starts.is_empty() && self.ends.is_empty() && self.needles.is_empty() && self.globs.is_empty();
        (whole && !self.exact.is_empty()).then_some(self.exact.as_slice())
    }
}

/// Builds a regular expression within the bounds. The crate's matcher takes linear time whatever the expression.
pub(crate) fn build_regex(
    pattern: &str,
    insensitive: bool,
    multi_line: bool,
    dot_newline: bool,
    budget: &mut Budget,
) -> Result<Regex, String> {
    for size in REGEX_BYTES {
        if size > budget.0 {
            return Err("is one of too many large ones".to_owned());
        }
        let built = RegexBuilder::new(pattern)
            .case_insensitive(insensitive)
            .multi_line(multi_line)
            .dot_matches_new_line(dot_newline)
            .size_limit(size)
            .dfa_size_limit(size.max(1 << 20))
            .nest_limit(64)
            .build();
        match built {
            Ok(regex) => {
                budget.0 -= size;
                return Ok(regex);
            }
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(other) => {
                return Err(other.to_string().lines().last().unwrap_or("is not one").trim().trim_start_matches("error: ").to_owned());
            }
        }
    }
    Err("becomes too large when compiled".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let set = TextSet::new(&[SigmaText::parse(pattern)], false, &mut Budget::new()).unwrap();
        assert_eq!(set.matches(text), expected, "{pattern:?} on {text:?}");
    }

    #[test]
    fn wildcards_and_escapes() {
        for (pattern, text, expected) in [
            ("abc", "ABC", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\?c", "a?c", true),
            (r"C:\Windows\*", r"c:\windows*", true),
            (r"C:\Windows\\*", r"C:\Windows\System32", true),
            (r"C:\Windows\System32", r"C:\Windows\System32", true),
            (r"C:\\Windows", r"C:\Windows", true),
            (r"\\\\server\\x", r"\\server\x", true),
            (r"\\\*", r"\*", true),
            (r"end\", r"end\", true),
            ("a.c", "abc", false),
            ("ä*", "ÄRGER", true),
            ("*ß?x", "aSßyx", true),
            ("line?two", "line\ntwo", true),
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn ascii_patterns_do_not_meet_their_lookalikes() {
        // U+212A KELVIN SIGN lower-cases to k; a file of that name is another file.
        check("kill", "\u{212a}ill", false);
    }

    #[test]
    fn dashes_stand_for_each_other_at_the_start_of_an_option() {
        let set = TextSet::new(&[SigmaText::parse("* -f *").windash()], false, &mut Budget::new()).unwrap();
        for (text, expected) in [("x -f y", true), ("x /F y", true), ("x \u{2013}f y", true), ("x +f y", false)] {
            assert_eq!(set.matches(text), expected, "{text}");
        }
        assert_eq!(SigmaText::parse("a-b").windash(), SigmaText::parse("a-b"));
    }

    #[test]
    fn many_values_are_found_as_few_are() {
        let values: Vec<SigmaText> = (0..50).map(|n| SigmaText::parse(&format!("Value{n}"))).collect();
        let set = TextSet::new(&values, false, &mut Budget::new()).unwrap();
        assert!(set.matches("VALUE49") && !set.matches("value50"));
        assert_eq!(set.required().map(<[String]>::len), Some(50));
        let cased = TextSet::new(&values, true, &mut Budget::new()).unwrap();
        assert!(cased.matches("Value49") && !cased.matches("value49"));
    }

    #[test]
    fn hostile_patterns_stay_small() {
        assert!(TextSet::new(&[SigmaText::parse(&"a*?".repeat(200_000))], false, &mut Budget::new()).is_err());
        assert!(build_regex("(a{1000}){1000}", false, false, false, &mut Budget::new()).is_err());
        let mut budget = Budget::new();
        let built = (0..1000).filter(|_| build_regex(r"\w{64}", false, false, false, &mut budget).is_ok()).count();
        assert!((10..100).contains(&built), "{built} large expressions fit");
        assert!(build_regex(&"(".repeat(10_000), false, false, false, &mut Budget::new()).is_err());
    }
}
