//! Conditions: takes the text of `condition`; gives a tree over selections. `not` binds closest, then `and`, then `or`.

use event::problem::nearest;

/// Parentheses and `not` nest no deeper: every walk over a condition recurses.
const DEPTH_MAX: usize = 32;

/// Selections that one condition may name, patterns written out: each `1 of them` names every one again.
const TERMS_MAX: usize = 20_000;

/// Names that are looked through for a suggestion.
const SUGGESTIONS_MAX: usize = 200;

/// A condition over the selections of a rule, by their index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Selection(usize),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    /// At least so many of them.
    AtLeast(usize, Vec<Condition>),
    Not(Box<Condition>),
}

/// What is wrong with a condition, and what to do about it.
#[derive(Debug, PartialEq)]
pub(crate) struct Wrong {
    pub code: &'static str,
    pub message: String,
    pub remedy: String,
}

impl Wrong {
    fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        Wrong { code, message: message.into(), remedy: remedy.into() }
    }
}

/// Parses `text` over selections of these names.
pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Condition, Wrong> {
    let mut parser = Parser { tokens: tokens(text), at: 0, names, depth: 0, terms: 0 };
    if parser.tokens.is_empty() {
        return Err(Wrong::new("condition", "has an empty condition", format!("name a selection: {}", listed(names))));
    }
    let condition = parser.or()?;
    match parser.peek() {
        None => Ok(condition),
        Some("|") => Err(Wrong::new(
            "aggregation",
            "has an aggregation behind `|`, which Sigma has replaced by correlations",
            "write a second document with `correlation:` that counts this rule",
        )),
        Some(")") => Err(Wrong::new("condition", "has a `)` that nothing opened in its condition", "remove it or add the `(`")),
        Some(word) => Err(Wrong::new(
            "condition",
            format!("does not say how `{word}` joins what stands before it"),
            format!("write `and {word}` or `or {word}`"),
        )),
    }
}

/// Whether `pattern`, in which `*` stands for anything, matches a selection's name.
pub(crate) fn name_matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(previous) = last.replace(part) {
            match rest.find(previous) {
                Some(at) => rest = &rest[at + previous.len()..],
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(part) => rest.ends_with(part),
    }
}

/// The first few names.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown}, …") } else { shown }
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')', '|']) {
            if at > 0 {
                tokens.push(&rest[..at]);
            }
            tokens.push(&rest[at..at + 1]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            tokens.push(rest);
        }
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    names: &'a [&'a str],
    depth: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    /// Whether the next token is this word, in any case; a selection may not be called so.
    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Condition, Wrong> {
        let mut terms = vec![self.and()?];
        while self.eat("or") {
            terms.push(self.and()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Condition::Any(terms) })
    }

    fn and(&mut self) -> Result<Condition, Wrong> {
        let mut terms = vec![self.unary()?];
        while self.eat("and") {
            terms.push(self.unary()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Condition::All(terms) })
    }

    fn unary(&mut self) -> Result<Condition, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Wrong::new("condition", format!("has a condition nested deeper than {DEPTH_MAX} levels"), "simplify it"));
        }
        let condition = if self.eat("not") {
            Condition::Not(Box::new(self.unary()?))
        } else if self.eat("(") {
            let inner = self.or()?;
            if !self.eat(")") {
                return Err(Wrong::new("condition", "has a `(` that nothing closes in its condition", "add the `)`"));
            }
            inner
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn primary(&mut self) -> Result<Condition, Wrong> {
        let Some(word) = self.peek() else {
            return Err(Wrong::new("condition", "has a condition that ends too early", "name a selection after the last word"));
        };
        let quantifier = match word.to_ascii_lowercase().as_str() {
            "all" => Some(None),
            "any" | "one" => Some(Some(1)),
            number => number.parse::<usize>().ok().map(Some),
        };
        if let Some(least) = quantifier
            && self.tokens.get(self.at + 1).is_some_and(|token| token.eq_ignore_ascii_case("of"))
        {
            self.at += 2;
            return self.some_of(word, least);
        }
        self.at += 1;
        match self.names.iter().position(|name| *name == word) {
            Some(index) => self.count(1).map(|()| Condition::Selection(index)),
            None => Err(self.unknown(word)),
        }
    }

    fn count(&mut self, terms: usize) -> Result<(), Wrong> {
        self.terms += terms;
        if self.terms > TERMS_MAX {
            return Err(Wrong::new("condition", format!("names more than {TERMS_MAX} selections in its condition"), "simplify it"));
        }
        Ok(())
    }

    fn unknown(&self, word: &str) -> Wrong {
        let remedy = match nearest(word, self.names.iter().copied().take(SUGGESTIONS_MAX)) {
            _ if word.contains('*') => format!("write `1 of {word}` or `all of {word}`"),
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the selections are: {}", listed(self.names)),
        };
        Wrong::new("unknown-selection", format!("names the selection `{word}` in its condition, which does not exist"), remedy)
    }

    fn some_of(&mut self, quantifier: &str, least: Option<usize>) -> Result<Condition, Wrong> {
        // A list in parentheses is not in the specification, but plain: `1 of (a, b)` is refused with what to write.
        let Some(pattern) = self.peek() else {
            return Err(Wrong::new(
                "condition",
                format!("has `{quantifier} of` without what it counts"),
                "add `them` or a pattern such as `selection_*`",
            ));
        };
        self.at += 1;
        let of_all = pattern.eq_ignore_ascii_case("them");
        let chosen: Vec<Condition> = self
            .names
            .iter()
            .enumerate()
            .filter(|(_, name)| if of_all { !name.starts_with('_') } else { name_matches(pattern, name) })
            .map(|(index, _)| Condition::Selection(index))
            .collect();
        if chosen.is_empty() {
            return Err(if pattern.contains('*') || of_all {
                Wrong::new(
                    "unknown-selection",
                    format!("has `{quantifier} of {pattern}`, but no selection has such a name"),
                    format!("the selections are: {}", listed(self.names)),
                )
            } else {
                self.unknown(pattern)
            });
        }
        self.count(chosen.len())?;
        match least {
            None => {
                Ok(if chosen.len() == 1 { chosen.into_iter().next().unwrap_or(Condition::All(Vec::new())) } else { Condition::All(chosen) })
            }
            Some(0) => Err(Wrong::new("condition", "counts `0 of`, which always holds", format!("write `not 1 of {pattern}`"))),
            Some(least) if least > chosen.len() => Err(Wrong::new(
                "condition",
                format!("has `{least} of {pattern}`, but only {} such selections exist", chosen.len()),
                "lower the number",
            )),
            Some(1) if chosen.len() == 1 => Ok(chosen.into_iter().next().unwrap_or(Condition::Any(Vec::new()))),
            Some(1) => Ok(Condition::Any(chosen)),
            Some(least) => Ok(Condition::AtLeast(least, chosen)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["selection", "filter_main_a", "filter_main_b", "filter_optional_x", "_hidden"];

    fn show(condition: &Condition) -> String {
        let join = |list: &[Condition], word: &str| format!("({})", list.iter().map(show).collect::<Vec<_>>().join(word));
        match condition {
            Condition::Selection(index) => NAMES[*index].to_owned(),
            Condition::All(list) => join(list, " & "),
            Condition::Any(list) => join(list, " | "),
            Condition::AtLeast(n, list) => format!("{n}{}", join(list, ", ")),
            Condition::Not(inner) => format!("!{}", show(inner)),
        }
    }

    #[test]
    fn conditions_read_as_sigma_means_them() {
        for (text, expected) in [
            ("selection", "selection"),
            ("selection and not 1 of filter_main_*", "(selection & !(filter_main_a | filter_main_b))"),
            ("selection or filter_main_a and filter_main_b", "(selection | (filter_main_a & filter_main_b))"),
            ("(selection or filter_main_a) and filter_main_b", "((selection | filter_main_a) & filter_main_b)"),
            ("not selection or filter_main_a", "(!selection | filter_main_a)"),
            ("not (selection or filter_main_a)", "!(selection | filter_main_a)"),
            ("not not selection", "!!selection"),
            ("all of filter_*", "(filter_main_a & filter_main_b & filter_optional_x)"),
            ("1 of them", "(selection | filter_main_a | filter_main_b | filter_optional_x)"),
            ("any of filter_main*", "(filter_main_a | filter_main_b)"),
            ("2 of filter_*", "2(filter_main_a, filter_main_b, filter_optional_x)"),
            ("all of *_x", "filter_optional_x"),
            ("1 of filter_*_b", "filter_main_b"),
            ("selection AND NOT filter_main_a", "(selection & !filter_main_a)"),
            ("1 of _hidden", "_hidden"),
        ] {
            assert_eq!(parse(text, &NAMES).map(|c| show(&c)), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn mistakes_name_their_remedy() {
        for (text, code, remedy) in [
            ("", "condition", "name a selection"),
            ("selektion", "unknown-selection", "did you mean `selection`?"),
            ("selection filter_main_a", "condition", "write `and filter_main_a`"),
            ("selection and", "condition", "name a selection after the last word"),
            ("(selection", "condition", "add the `)`"),
            ("selection)", "condition", "remove it"),
            ("selection | count() > 5", "aggregation", "correlation"),
            ("1 of other_*", "unknown-selection", "the selections are"),
            ("filter_main_*", "unknown-selection", "write `1 of filter_main_*`"),
            ("9 of filter_*", "condition", "lower the number"),
            ("0 of filter_*", "condition", "write `not 1 of"),
            ("1 of", "condition", "add `them`"),
        ] {
            let wrong = parse(text, &NAMES).unwrap_err();
            assert_eq!(wrong.code, code, "{text}");
            assert!(wrong.remedy.contains(remedy), "{text}: {}", wrong.remedy);
        }
        assert!(parse(&"(".repeat(100_000), &NAMES).is_err());
        assert!(parse(&"not ".repeat(100_000), &NAMES).is_err());
    }
}
