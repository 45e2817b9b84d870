//! A patch: which keys it touches, and the part of the object that it says itself.
//!
//! The record does not say which sort of patch it is. An array is a JSON patch (RFC 6902); an object is a merge patch, a strategic one, or the whole object of a
//! server-side apply, and these read the same: what stands there is asked for, and `null` takes away.

use event::SmolStr;
use serde_json::{Map, Value as Json};
use sonic_rs::{JsonContainerTrait, JsonValueTrait, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Paths of one patch that are kept.
const PATHS_MAX: usize = 256;

/// Steps of one path that are followed; longer ones lead nowhere that is read.
const STEPS_MAX: usize = 64;

/// The dotted paths that a patch touches, sorted.
pub(super) fn paths(patch: &Value) -> Vec<SmolStr> {
    let mut paths = BTreeSet::new();
    if let Some(operations) = patch.as_array() {
        for operation in operations.iter() {
            let touches: &[&str] = match operation.get("op").and_then(|op| op.as_str()) {
                Some("move") => &["from", "path"],
                Some("test") | None => &[],
                Some(_) => &["path"],
            };
            for key in touches {
                let Some(path) = operation.get(*key).and_then(|path| path.as_str()) else { continue };
                let steps = steps(path);
                let place: Vec<&str> = steps.iter().map(String::as_str).filter(|step| !is_index(step)).collect();
                match operation.get("value").filter(|_| *key == "path") {
                    Some(value) => leaves(value, &place.join("."), &mut paths),
                    None => add(place.join("."), &mut paths),
                }
            }
        }
    } else {
        leaves(patch, "", &mut paths);
    }
    paths.into_iter().collect()
}

/// What a JSON patch asks for, as JSON: the values that it adds or replaces, each at its place. `None` when it is no array.
pub(super) fn asked(patch: &Value) -> Option<String> {
    let mut root = Json::Object(Map::new());
    // Positions in the patched lists say nothing here; elements are laid side by side in the order in which they come.
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for operation in patch.as_array()?.iter().take(PATHS_MAX) {
        let text = |key| operation.get(key).and_then(|value: &Value| value.as_str());
        let (Some("add" | "replace"), Some(path)) = (text("op"), text("path")) else { continue };
        let Some(value) = operation.get("value").and_then(plain) else { continue };
        put(&mut root, &steps(path), value, &mut positions);
    }
    Some(root.to_string())
}

fn add(path: String, paths: &mut BTreeSet<SmolStr>) {
    if paths.len() < PATHS_MAX && !path.is_empty() {
        paths.insert(SmolStr::new(path));
    }
}

/// Adds the paths of everything in a value that is no object; the objects of a list share its path.
fn leaves(value: &Value, path: &str, paths: &mut BTreeSet<SmolStr>) {
    let children = |object: &Value, paths: &mut BTreeSet<SmolStr>| {
        let Some(object) = object.as_object() else { return };
        // Directives of strategic merge patches are no keys of the object.
        for (key, child) in object.iter().filter(|(key, _)| !key.starts_with('$')) {
            let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            leaves(child, &below, paths);
        }
    };
    if paths.len() >= PATHS_MAX {
        return;
    }
    if value.as_object().is_some_and(|object| !object.is_empty()) {
        children(value, paths);
    } else if value.as_array().is_some_and(|array| array.iter().any(|element| element.is_object())) {
        value.as_array().into_iter().flat_map(|array| array.iter()).for_each(|element| children(element, paths));
    } else {
        add(path.to_owned(), paths);
    }
}

/// The steps of a JSON pointer.
fn steps(pointer: &str) -> Vec<String> {
    pointer
        .strip_prefix('/')
        .map_or_else(Vec::new, |rest| rest.split('/').take(STEPS_MAX).map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn is_index(step: &str) -> bool {
    step == "-" || (!step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Puts a value at its place; what stands in the way of it gives way.
fn put(root: &mut Json, steps: &[String], value: Json, positions: &mut BTreeMap<String, usize>) {
    let mut node = root;
    let mut place = String::new();
    for step in steps {
        place.push('/');
        place.push_str(step);
        node = if is_index(step) {
            if !node.is_array() {
                *node = Json::Array(Vec::new());
            }
            let Json::Array(list) = node else { return };
            let known = if step == "-" { None } else { positions.get(&place).copied() };
            let at = known.filter(|at| *at < list.len()).unwrap_or_else(|| {
                list.push(Json::Null);
                positions.insert(place.clone(), list.len() - 1);
                list.len() - 1
            });
            &mut list[at]
        } else {
            if !node.is_object() {
                *node = Json::Object(Map::new());
            }
            let Json::Object(map) = node else { return };
            map.entry(step.clone()).or_insert(Json::Null)
        };
    }
    *node = value;
}

/// The value with the first of equal keys, as everywhere.
fn plain(value: &Value) -> Option<Json> {
    if let Some(object) = value.as_object() {
        let mut map = Map::new();
        for (key, child) in object.iter() {
            if !map.contains_key(key) {
                map.insert(key.to_owned(), plain(child)?);
            }
        }
        return Some(Json::Object(map));
    }
    if let Some(array) = value.as_array() {
        return array.iter().map(plain).collect::<Option<Vec<_>>>().map(Json::Array);
    }
    serde_json::from_str(&sonic_rs::to_string(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Document;
    use proptest::prelude::*;

    fn read(json: &str) -> (Vec<SmolStr>, Option<String>) {
        let document = Document::parse(json.as_bytes()).unwrap();
        (paths(document.root()), asked(document.root()))
    }

    #[test]
    fn a_json_patch_says_what_it_touches_and_asks_for() {
        let (paths, asked) = read(
            r#"[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"remove","path":"/spec/template/spec/containers/0/resources/limits"},
               {"op":"replace","path":"/spec/replicas","value":3},{"op":"add","path":"/metadata/labels/a~1b","value":"c"},
               {"op":"add","path":"/spec/ephemeralContainers/-","value":{"name":"x","image":"i"}},
               {"op":"add","path":"/spec/ephemeralContainers/-","value":{"name":"y","image":"j"}},
               {"op":"move","from":"/spec/a","path":"/spec/b"}]"#,
        );
        assert_eq!(
            paths,
            [
                "metadata.labels.a/b",
                "spec.a",
                "spec.b",
                "spec.ephemeralContainers.image",
                "spec.ephemeralContainers.name",
                "spec.replicas",
                "spec.template.spec.containers.resources.limits"
            ]
        );
        let expected = r#"{"metadata":{"labels":{"a/b":"c"}},"spec":{"ephemeralContainers":[{"image":"i","name":"x"},{"image":"j","name":"y"}],"replicas":3}}"#;
        let value: Json = serde_json::from_str(&asked.unwrap()).unwrap();
        assert_eq!(value, serde_json::from_str::<Json>(expected).unwrap());
    }

    #[test]
    fn a_merge_patch_says_what_it_touches() {
        let (paths, asked) = read(
            r#"{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","resources":{"limits":null}}],"replicas":0},"metadata":{"labels":{}}}"#,
        );
        assert_eq!(paths, ["metadata.labels", "spec.containers.name", "spec.containers.resources.limits", "spec.replicas"]);
        assert_eq!(asked, None);
    }

    #[test]
    fn both_parts_of_one_element_meet_in_it() {
        let (_, asked) = read(
            r#"[{"op":"add","path":"/c/7/a","value":1},{"op":"add","path":"/c/7/b","value":2},{"op":"add","path":"/c/900000000000/b","value":3}]"#,
        );
        assert_eq!(asked.unwrap(), r#"{"c":[{"a":1,"b":2},{"b":3}]}"#);
    }

    proptest! {
        #[test]
        fn any_pointer_is_survived(pointers in prop::collection::vec("(/[a-z0-9~-]{0,3}){0,6}|.{0,8}", 0..12)) {
            let operations: Vec<Json> = pointers.iter().map(|path| serde_json::json!({"op": "add", "path": path, "value": {"x": [1]}})).collect();
            let (paths, asked) = read(&serde_json::to_string(&operations).unwrap());
            prop_assert!(paths.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(serde_json::from_str::<Json>(&asked.unwrap()).is_ok());
        }
    }
}
