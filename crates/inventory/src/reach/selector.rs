//! Label selectors, as Kubernetes defines them: all of `matchLabels` and all of `matchExpressions` must hold; an empty one selects everything.

use event::SmolStr;
use event::kubernetes::Selector;

/// Labels as objects have them.
pub type Labels = [(SmolStr, SmolStr)];

/// Whether the selector selects an object with these labels. An operator that Kubernetes does not know holds for nothing, as its API refuses it.
pub fn selects(selector: &Selector, labels: &Labels) -> bool {
    let value = |key: &str| labels.iter().find(|(name, _)| name == key).map(|(_, value)| value);
    selector.labels.iter().all(|(key, wanted)| value(key) == Some(wanted))
        && selector.expressions.iter().all(|expression| {
            let found = value(&expression.key);
            match expression.operator.as_str() {
                "In" => found.is_some_and(|value| expression.values.contains(value)),
                "NotIn" => found.is_none_or(|value| !expression.values.contains(value)),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}
