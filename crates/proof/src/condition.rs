//! A rule's condition with one term taken away.

/// A condition as a tree, as far as terms can be taken from it.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// A selection's name, or `1 of them`.
    Term(String),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// Each condition that lacks one term of a conjunction or disjunction, with the term. Empty when there is only one, or the text is not understood.
pub fn drops(condition: &str) -> Vec<(String, String)> {
    let bare = condition.trim().trim_matches(['\'', '"']);
    let spaced = bare.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    let Some(tree) = parser.or() else { return Vec::new() };
    if parser.at != words.len() {
        return Vec::new();
    }
    let mut out = Vec::new();
    lesser(&tree, &mut |tree, dropped| out.push((write(&tree), write(dropped))));
    out
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn next_is(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Option<Node> {
        let mut nodes = vec![self.and()?];
        while self.next_is("or") {
            nodes.push(self.and()?);
        }
        if nodes.len() == 1 { nodes.pop() } else { Some(Node::Or(nodes)) }
    }

    fn and(&mut self) -> Option<Node> {
        let mut nodes = vec![self.not()?];
        while self.next_is("and") {
            nodes.push(self.not()?);
        }
        if nodes.len() == 1 { nodes.pop() } else { Some(Node::And(nodes)) }
    }

    fn not(&mut self) -> Option<Node> {
        if self.next_is("not") {
            return Some(Node::Not(Box::new(self.not()?)));
        }
        if self.next_is("(") {
            let inner = self.or()?;
            return self.next_is(")").then_some(inner);
        }
        let word = *self.words.get(self.at).filter(|word| !["and", "or", ")", "|"].contains(word))?;
        self.at += 1;
        if self.next_is("of") {
            let what = self.words.get(self.at)?;
            self.at += 1;
            return Some(Node::Term(format!("{word} of {what}")));
        }
        Some(Node::Term(word.to_owned()))
    }
}

/// Calls `each` with every tree that lacks one term, and the term.
fn lesser(node: &Node, each: &mut dyn FnMut(Node, &Node)) {
    match node {
        Node::Term(_) => {}
        Node::Not(inner) => lesser(inner, &mut |tree, dropped| each(Node::Not(Box::new(tree)), dropped)),
        Node::And(nodes) | Node::Or(nodes) => {
            let again = |nodes: Vec<Node>| match (node, nodes.len()) {
                (_, 1) => nodes.into_iter().next().unwrap_or(Node::Term(String::new())),
                (Node::And(_), _) => Node::And(nodes),
                _ => Node::Or(nodes),
            };
            for at in 0..nodes.len() {
                let mut rest = nodes.clone();
                let dropped = rest.remove(at);
                each(again(rest), &dropped);
                lesser(&nodes[at], &mut |tree, dropped| {
                    let mut changed = nodes.clone();
                    changed[at] = tree;
                    each(again(changed), dropped);
                });
            }
        }
    }
}

fn write(node: &Node) -> String {
    let inner = |node: &Node| match node {
        Node::And(_) | Node::Or(_) => format!("({})", write(node)),
        _ => write(node),
    };
    match node {
        Node::Term(text) => text.clone(),
        Node::Not(of) => format!("not {}", inner(of)),
        Node::And(nodes) => nodes.iter().map(inner).collect::<Vec<_>>().join(" and "),
        Node::Or(nodes) => nodes.iter().map(inner).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(condition: &str) -> Vec<String> {
        drops(condition).into_iter().map(|(rest, _)| rest).collect()
    }

    #[test]
    fn each_term_is_taken_away_once() {
        assert_eq!(dropped("selection"), Vec::<String>::new());
        assert_eq!(dropped("a and not b"), ["not b", "a"]);
        assert_eq!(dropped("a and (b or 1 of c*)"), ["b or 1 of c*", "a", "a and 1 of c*", "a and b"]);
        assert_eq!(dropped("not (a and b)"), ["not b", "not a"]);
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        for odd in ["", "a and", "(a", "a | count() > 5", "and", "a b"] {
            assert_eq!(dropped(odd), Vec::<String>::new(), "{odd}");
        }
    }
}
