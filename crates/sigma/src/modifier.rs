//! Field modifiers: takes `field|modifier|…` with its values; gives the predicates that it means.

use crate::check::{Affix, Check, Compare, Number, TimePart, Values};
use crate::encode::{Encoding, encode};
use crate::text::{Budget, Part, SigmaText, TextSet, build_regex};
use crate::yaml::{Node, Yaml};
use event::problem::nearest;

/// Every modifier that is understood, for suggestions and the reference page.
pub const MODIFIERS: [&str; 34] = [
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "wide",
    "week",
    "windash",
    "year",
    "dotall",
    "ignorecase",
    "multiline",
];

/// What the key of a detection item says.
#[derive(Debug, Default)]
struct Modifiers {
    affix: Option<Affix>,
    all: bool,
    cased: bool,
    negate: bool,
    regex: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_newline: bool,
    cidr: bool,
    encode: Vec<Encoding>,
    windash: bool,
    compare: Option<Compare>,
    exists: bool,
    reference: bool,
    expand: bool,
    part: Option<TimePart>,
}

/// A detection item, understood.
#[derive(Debug)]
pub(crate) struct Item {
    /// Field's name; empty for keywords.
    pub field: String,
    /// The whole item is denied (`neq`).
    pub negate: bool,
    /// Every one of these must hold.
    pub all: bool,
    /// The questions, each with how it is shown.
    pub checks: Vec<(Check, String)>,
}

/// What is wrong with an item: line, code, message and remedy.
pub(crate) type Wrong = (usize, &'static str, String, String);

/// Understands one `key: value` of a selection.
pub(crate) fn item(key: &str, key_line: usize, node: &Node, budget: &mut Budget) -> Result<Item, Vec<Wrong>> {
    let mut words = key.split('|');
    let field = words.next().unwrap_or_default().to_owned();
    let modifiers = Modifiers::read(key, words, key_line)?;
    let values = node.each();
    if values.is_empty() {
        return Err(vec![(node.line, "empty-list", format!("has no values for `{key}`"), "add a value or remove the line".into())]);
    }
    let shown_key = if field.is_empty() { "any value" } else { key.strip_suffix("|all").unwrap_or(key) };
    let mut wrongs = Vec::new();
    let mut alternatives: Vec<(One, String)> = Vec::new();
    for value in values {
        match modifiers.value(key, value, field.is_empty(), budget) {
            Ok(one) => alternatives.push((one, show_value(value))),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    if !wrongs.is_empty() {
        return Err(wrongs);
    }
    let mut checks = Vec::new();
    if modifiers.all {
        for (one, shown) in alternatives {
            checks.push((modifiers.merge(vec![one], budget), format!("{shown_key}: {shown}")));
        }
    } else {
        // References cannot share one set of values; they stay alternatives of their own.
        let (whole, rest): (Vec<_>, Vec<_>) = alternatives.into_iter().partition(|(one, _)| matches!(one, One::Check(_)));
        for (one, shown) in whole {
            checks.push((modifiers.merge(vec![one], budget), format!("{shown_key}: {shown}")));
        }
        if !rest.is_empty() {
            let shown: Vec<String> = rest.iter().map(|(_, shown)| shown.clone()).collect();
            let shown = if shown.len() == 1 { shown.concat() } else { format!("[{}]", shown.join(", ")) };
            checks.push((modifiers.merge(rest.into_iter().map(|(one, _)| one).collect(), budget), format!("{shown_key}: {shown}")));
        }
    }
    // A list of patterns can be too large as a whole though each value is fine.
    let checks = checks.into_iter().map(|(check, shown)| check.map(|c| (c, shown))).collect::<Result<Vec<_>, String>>();
    match checks {
        Ok(checks) => Ok(Item { field, negate: modifiers.negate, all: modifiers.all, checks }),
        Err(why) => Err(vec![(node.line, "pattern", format!("has a value of `{key}` that {why}"), "shorten it".into())]),
    }
}

/// Numbers and words with a meaning stand bare, texts in quotes with their own quotes doubled, so that different values never look the same.
fn show_value(value: &Node) -> String {
    match &value.value {
        _ if value.is_null() => "null".to_owned(),
        Yaml::Scalar { text, plain: true } if value.bool().is_some() || Number::parse(text).or_else(|| hexadecimal(text)).is_some() => {
            text.clone()
        }
        Yaml::Scalar { text, .. } => format!("'{}'", text.replace('\'', "''")),
        _ => value.shape().to_owned(),
    }
}

/// One value, before the values of a list are joined.
enum One {
    Check(Check),
    Null,
    Bool(bool),
    /// The number and how it was written.
    Number(Number, String),
    Compare(Compare, Number),
    Texts(Vec<SigmaText>),
    Regex(regex::Regex),
    Network(ipnet::IpNet),
}

impl Modifiers {
    fn read<'a>(key: &str, words: impl Iterator<Item = &'a str>, line: usize) -> Result<Modifiers, Vec<Wrong>> {
        let mut m = Modifiers::default();
        let mut wrongs: Vec<Wrong> = Vec::new();
        for word in words {
            match word {
                "contains" => m.set_affix(Affix::Contains),
                "startswith" => m.set_affix(Affix::Starts),
                "endswith" => m.set_affix(Affix::Ends),
                "all" => m.all = true,
                "cased" => m.cased = true,
                "neq" => m.negate = true,
                "re" => m.regex = true,
                "i" | "ignorecase" => m.ignore_case = true,
                "m" | "multiline" => m.multi_line = true,
                "s" | "dotall" => m.dot_newline = true,
                "cidr" => m.cidr = true,
                "base64" => m.encode.push(Encoding::Base64),
                "base64offset" => m.encode.push(Encoding::Base64Offset),
                "utf16le" | "wide" => m.encode.push(Encoding::Utf16Le),
                "utf16be" => m.encode.push(Encoding::Utf16Be),
                "utf16" => m.encode.push(Encoding::Utf16),
                "windash" => m.windash = true,
                "lt" | "lte" | "gt" | "gte" => m.compare = Compare::named(word),
                "exists" => m.exists = true,
                "fieldref" => m.reference = true,
                "expand" => m.expand = true,
                "minute" => m.part = Some(TimePart::Minute),
                "hour" => m.part = Some(TimePart::Hour),
                "day" => m.part = Some(TimePart::Day),
                "week" => m.part = Some(TimePart::Week),
                "month" => m.part = Some(TimePart::Month),
                "year" => m.part = Some(TimePart::Year),
                other => {
                    let remedy = match nearest(other, MODIFIERS) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the modifiers are: {}", MODIFIERS.join(", ")),
                    };
                    wrongs.push((line, "unknown-modifier", format!("has the unknown modifier `{other}` in `{key}`"), remedy));
                }
            }
        }
        // Each of these changes what a value is; two of them together have no meaning.
        let natures = [
            (m.regex, "re"),
            (m.cidr, "cidr"),
            (m.compare.is_some(), "lt, lte, gt or gte"),
            (m.exists, "exists"),
            (m.affix.is_some() || !m.encode.is_empty() || m.windash || m.reference, "a text modifier"),
        ];
        let used: Vec<&str> = natures.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if used.len() > 1 {
            wrongs.push((line, "modifier-conflict", format!("joins {} in `{key}`", used.join(" and ")), "keep one of them".into()));
        }
        if (m.ignore_case || m.multi_line || m.dot_newline) && !m.regex {
            wrongs.push((line, "modifier-conflict", format!("has a flag of `re` in `{key}`, without `re`"), "write `|re|i`".into()));
        }
        if wrongs.is_empty() { Ok(m) } else { Err(wrongs) }
    }

    /// `startswith` together with `endswith` means anywhere, as each opens one side.
    fn set_affix(&mut self, affix: Affix) {
        self.affix = Some(match (self.affix, affix) {
            (Some(Affix::Starts), Affix::Ends) | (Some(Affix::Ends), Affix::Starts) => Affix::Contains,
            _ => affix,
        });
    }

    fn value(&self, key: &str, node: &Node, keyword: bool, budget: &mut Budget) -> Result<One, Wrong> {
        let wrong = |code, message: String, remedy: &str| Err((node.line, code, message, remedy.to_owned()));
        if self.exists {
            return match node.bool() {
                Some(is) => Ok(One::Check(Check::Exists(is))),
                None => {
                    wrong("value", format!("has a value of `{key}` that is neither true nor false"), "write true or false without quotes")
                }
            };
        }
        let Yaml::Scalar { text, plain } = &node.value else {
            return wrong(
                "value",
                format!("has {} as a value of `{key}`", node.shape()),
                "write a single value or a list of single values",
            );
        };
        let transforms = self.affix.is_some() || !self.encode.is_empty() || self.windash || self.reference || self.regex || self.cidr;
        if node.is_null() {
            if transforms || self.compare.is_some() || keyword || self.part.is_some() {
                return wrong("value", format!("has no value for `{key}`"), "write the value, or '' for an empty text");
            }
            return Ok(One::Null);
        }
        if let Some(compare) = self.compare.or(self.part.map(|_| Compare::Equal)) {
            return match Number::parse(text) {
                Some(n) => Ok(One::Compare(compare, n)),
                None => wrong("value", format!("compares `{key}` with `{text}`, which is not a number"), "write a number"),
            };
        }
        if self.regex {
            return match build_regex(text, self.ignore_case, self.multi_line, self.dot_newline, budget) {
                Ok(regex) => Ok(One::Regex(regex)),
                Err(why) => wrong(
                    "regex",
                    format!("has a regular expression for `{key}` that cannot be used: {why}"),
                    "expressions run in linear time, so look-around and back-references do not exist; say it with two selections",
                ),
            };
        }
        if self.cidr {
            let network = text.parse::<ipnet::IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from));
            return match network {
                Some(network) => Ok(One::Network(network)),
                None => wrong(
                    "value",
                    format!("has `{text}` for `{key}`, which is not a network"),
                    "write an address and a length, as 10.0.0.0/8",
                ),
            };
        }
        if self.reference {
            return Ok(One::Check(Check::Reference {
                field: text.as_str().into(),
                affix: self.affix.unwrap_or_default(),
                cased: self.cased,
            }));
        }
        if *plain && !transforms && !keyword {
            if let Some(is) = node.bool() {
                return Ok(One::Bool(is));
            }
            if let Some(number) = Number::parse(text).or_else(|| hexadecimal(text)) {
                return Ok(One::Number(number, text.clone()));
            }
        }
        if self.expand && text.split('%').count() > 2 {
            return wrong(
                "placeholder",
                format!("has the placeholder `{text}` for `{key}`, for which no values are given"),
                "replace it by the values that hold on your systems",
            );
        }
        self.texts(text, keyword).map(One::Texts).map_err(|why| {
            (
                node.line,
                "value",
                format!("has the value `{text}` for `{key}`, which {why}"),
                "write the text without wildcards, or escape them".into(),
            )
        })
    }

    /// Encodes a text and opens its sides.
    fn texts(&self, text: &str, keyword: bool) -> Result<Vec<SigmaText>, String> {
        let parsed = SigmaText::parse(text);
        let mut texts = if self.encode.is_empty() {
            vec![parsed]
        } else {
            let literal = parsed.literal().ok_or("has wildcards, which cannot be encoded")?;
            encode(literal, &self.encode)?.into_iter().map(SigmaText::of).collect()
        };
        if self.windash {
            texts = texts.into_iter().map(SigmaText::windash).collect();
        }
        // Base64 at an unknown offset can only be looked for inside a text.
        let affix = if keyword || self.encode.contains(&Encoding::Base64Offset) { Some(Affix::Contains) } else { self.affix };
        Ok(texts
            .into_iter()
            .map(|text| match affix {
                Some(Affix::Contains) => text.open_start().open_end(),
                Some(Affix::Starts) => text.open_end(),
                Some(Affix::Ends) => text.open_start(),
                Some(Affix::Whole) | None => text,
            })
            .collect())
    }

    /// Joins the values of a list into one question.
    fn merge(&self, ones: Vec<One>, budget: &mut Budget) -> Result<Check, String> {
        let mut values = Values { part: self.part, ..Values::default() };
        let mut texts: Vec<SigmaText> = Vec::new();
        for one in ones {
            match one {
                One::Check(check) => return Ok(check),
                One::Null => values.null = true,
                One::Bool(b) => values.bools.push(b),
                One::Number(n, written) => {
                    values.numbers.push(n);
                    // `0x1410` or `007` may also be what a text field holds.
                    texts.push(SigmaText(vec![Part::Text(written)]));
                }
                One::Compare(op, n) => values.compare.push((op, n)),
                One::Texts(more) => texts.extend(more),
                One::Regex(regex) => values.regexes.push(regex),
                One::Network(network) => values.networks.push(network),
            }
        }
        if !texts.is_empty() {
            values.texts = Some(TextSet::new(&texts, self.cased, budget)?);
        }
        Ok(Check::Values(Box::new(values)))
    }
}

fn hexadecimal(text: &str) -> Option<Number> {
    i64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(|n| Number::Int(n.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use event::ValueRef;

    /// Checks `key: value` against one JSON-like value.
    fn check(line: &str, value: ValueRef<'_>, expected: bool) {
        let node = yaml::parse(line, "f", 1).unwrap();
        let entry = &node.map().unwrap()[0];
        let item = item(&entry.key, entry.line, &entry.value, &mut Budget::new()).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        let holds = |check: &Check| match check {
            Check::Exists(is) => *is,
            Check::Values(values) => values.matches(value),
            Check::Reference { .. } => panic!("a reference needs two fields"),
        };
        let all = item.checks.iter().all(|(c, _)| holds(c));
        let any = item.checks.iter().any(|(c, _)| holds(c));
        assert_eq!((if item.all { all } else { any }) != item.negate, expected, "{line} on {value:?}");
    }

    #[test]
    fn each_modifier_by_example() {
        use ValueRef::{Bool, Composite, Float, Int, Null, Text, Uint};
        for (line, value, expected) in [
            ("f: abc", Text("ABC"), true),
            ("f: [a, b]", Text("B"), true),
            ("f|contains: b", Text("ABC"), true),
            ("f|contains: [x, c]", Text("abc"), true),
            ("f|contains|all: [a, c]", Text("abc"), true),
            ("f|contains|all: [a, x]", Text("abc"), false),
            ("f|all|contains: [a, c]", Text("abc"), true),
            ("f|startswith: a", Text("Abc"), true),
            ("f|startswith: b", Text("abc"), false),
            ("f|endswith: '\\sh.exe'", Text("C:\\sh.exe"), true),
            ("f|endswith: 'a*c'", Text("xxabc"), true),
            ("f|cased: Abc", Text("abc"), false),
            ("f|contains|cased: B", Text("aBc"), true),
            ("f|re: '^a.c$'", Text("abc"), true),
            ("f|re: '^a.c$'", Text("ABC"), false),
            ("f|re|i: '^a.c$'", Text("ABC"), true),
            ("f|re|m: '^b$'", Text("a\nb"), true),
            ("f|re: 'a.b'", Text("a\nb"), false),
            ("f|re|s: 'a.b'", Text("a\nb"), true),
            ("f|cidr: 10.0.0.0/8", Text("10.1.2.3"), true),
            ("f|cidr: 10.0.0.0/8", Text("11.1.2.3"), false),
            ("f|cidr: 10.0.0.0/8", Text("::ffff:10.1.2.3"), true),
            ("f|cidr: ['fd00::/8', 192.168.0.1]", Text("fd12::1"), true),
            ("f|cidr: 10.0.0.0/8", Text("ten"), false),
            ("f|base64: foobar", Text("Zm9vYmFy"), true),
            ("f|base64|contains: foobar", Text("x Zm9vYmFy y"), true),
            ("f|base64offset|contains: /bin/sh", Text("eCAvYmluL3No"), true), // "x /bin/sh"
            ("f|base64offset|contains: /bin/sh", Text("L2Jpbi9zaCAt"), true), // "/bin/sh -"
            ("f|base64offset|contains: /bin/sh", Text("eHggL2Jpbi9zaA=="), true), // "xx /bin/sh"
            ("f|base64offset|contains: /bin/sh", Text("L2Jpbi9iYXNo"), false), // "/bin/bash"
            ("f|wide|base64offset|contains: ping", Text("cABpAG4AZwAgAA=="), true),
            ("f|utf16be|base64: a", Text("AGE="), true),
            ("f|utf16|base64: a", Text("//5hAA=="), true),
            ("f|windash|contains: ' -enc '", Text("x /enc y"), true),
            ("f|lt: 5", Int(4), true),
            ("f|lt: 5", Int(5), false),
            ("f|lte: 5", Float(5.0), true),
            ("f|gt: 5", Text("5.5"), true),
            ("f|gte: 5", Text("five"), false),
            ("f|gt: 5", Uint(u64::MAX), true),
            ("f|exists: true", Text(""), true),
            ("f|neq: a", Text("b"), true),
            ("f|neq: [a, b]", Text("b"), false),
            ("f|hour: 13", Text("2026-11-24T13:41:18Z"), true),
            ("f|hour|gte: 22", Text("2026-11-24T13:41:18Z"), false),
            ("f|expand: 100 %", Text("100 %"), true),
            ("f: 5", Int(5), true),
            ("f: 5", Float(5.0), true),
            ("f: 5", Text("5"), true),
            ("f: 5", Text("5.0"), true),
            ("f: '5'", Int(5), true),
            ("f: 5*", Int(512), true),
            ("f: 0x1410", Int(0x1410), true),
            ("f: 0x1410", Text("0X1410"), true),
            ("f: 5", Bool(true), false),
            ("f: true", Bool(true), true),
            ("f: true", Text("True"), true),
            ("f: 'false'", Bool(false), true),
            ("f: true", Int(1), false),
            ("f: null", Null, true),
            ("f: null", Text(""), false),
            ("f: [null, x]", Text("x"), true),
            ("f: ''", Text(""), true),
            ("f: ''", Null, false),
            ("f: '*'", Composite, true),
            ("f: '*'", Null, false),
            ("f: 'x*'", Composite, false),
            ("f: ''", Composite, false),
        ] {
            check(line, value, expected);
        }
    }

    #[test]
    fn mistakes_are_told_all_at_once() {
        for (line, codes) in [
            ("f|contians: a", vec!["unknown-modifier"]),
            ("f|re|contains: a", vec!["modifier-conflict"]),
            ("f|i: a", vec!["modifier-conflict"]),
            ("f|re: ['(', '(?<!x)y']", vec!["regex", "regex"]),
            ("f|cidr: [10.0.0.0/40, x]", vec!["value", "value"]),
            ("f|lt: many", vec!["value"]),
            ("f|exists: 'yes'", vec!["value"]),
            ("f|contains:", vec!["value"]),
            ("f|base64: 'a*'", vec!["value"]),
            ("f|wide: ä", vec!["value"]),
            ("f|expand: '%admins%'", vec!["placeholder"]),
            ("f: []", vec!["empty-list"]),
            ("f: {a: 1}", vec!["value"]),
        ] {
            let node = yaml::parse(line, "f", 1).unwrap();
            let entry = &node.map().unwrap()[0];
            let wrongs = item(&entry.key, entry.line, &entry.value, &mut Budget::new()).unwrap_err();
            assert_eq!(wrongs.iter().map(|w| w.1).collect::<Vec<_>>(), codes, "{line}: {wrongs:?}");
        }
    }
}
