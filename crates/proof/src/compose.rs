//! Variants of one recording: stretched, moved, changed, copied with ids of their own, laid over another. All of it is a function of the lines and the settings.

use crate::tape::Line;
use event::SmolStr;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use strategy::{Patch, Play, Step};

/// Sources that tell of single containers: only their lines are copied by `repeat`. Lists and engine answers hold for all copies.
const COPIED: &[&str] = &["docker_events", "docker_container", "docker_exec"];

/// Whether a line is of a source that is left out, or a collector's note about one: a source that is not there has no collector either.
fn is_left_out(line: &Line, play: &Play) -> bool {
    let about = || {
        let says = line.json.as_ref()?;
        says.get("data").unwrap_or(says).get("of")?.as_str()
    };
    play.without.contains(&line.source)
        || line.source == "sensor" && about().is_some_and(|of| play.without.iter().any(|source| source == of))
}

/// Plays `lines` by the settings; each background is a recording already read.
pub fn compose(mut lines: Vec<Line>, play: &Play, backgrounds: Vec<Vec<Line>>) -> Vec<Line> {
    lines.retain(|line| !is_left_out(line, play));
    for step in play.steps.iter().filter(|step| step.only.is_empty()) {
        apply(step, &mut lines);
    }
    let start = lines.iter().map(|line| line.arrived).min().unwrap_or(0);
    if play.stretch != 1.0 || play.shift.0 != 0 {
        let moved = |at: i64| {
            let since = at.saturating_sub(start) as f64 * play.stretch;
            start.saturating_add(since as i64).saturating_add(play.shift.0)
        };
        lines.iter_mut().for_each(|line| shift(line, &moved));
    }
    if play.repeat > 1 {
        let own = Own::find(&lines);
        let base = lines.clone();
        for copy in 1..play.repeat {
            let later = i64::from(copy).saturating_mul(play.every.0);
            lines.extend(base.iter().filter(|line| own.concerns(line)).map(|line| own.copy(line, copy, later)));
        }
    }
    let start = lines.iter().map(|line| line.arrived).min().unwrap_or(0);
    for mut background in backgrounds {
        background.retain(|line| !is_left_out(line, play));
        let begins = background.iter().map(|line| line.arrived).min().unwrap_or(0);
        let by = start.saturating_sub(begins);
        background.iter_mut().for_each(|line| shift(line, &|at| at.saturating_add(by)));
        lines.append(&mut background);
    }
    // Stable: of lines that arrived together, the recording's own stand first, in their order.
    lines.sort_by_key(|line| line.arrived);
    for step in play.steps.iter().filter(|step| !step.only.is_empty()) {
        apply(step, &mut lines);
    }
    lines
}

fn apply(step: &Step, lines: &mut [Line]) {
    let mut touched = 0;
    for line in lines {
        let wants = |patch: &Patch| patch.source.as_ref().is_none_or(|source| *source == line.source);
        let Some(json) = &line.json else { continue };
        let mut changed = json.clone();
        let mut reaches = false;
        for patch in step.patch.iter().filter(|patch| wants(patch)) {
            reaches |= set(&mut changed, &patch.path, Some(&patch.value), patch.source.is_some());
        }
        for patch in step.remove.iter().filter(|patch| wants(patch)) {
            reaches |= set(&mut changed, &patch.path, None, false);
        }
        if !reaches {
            continue;
        }
        touched += 1;
        if step.only.is_empty() || step.only.contains(&touched) {
            line.json = Some(changed);
            line.rewrite();
        }
    }
}

/// Sets or takes out a value where its parent is there; of a one-step path the key itself must be there, unless the source was named.
/// At each object the longest key is tried first, as keys may have dots. An object set upon an object is merged into it.
fn set(json: &mut Json, path: &[SmolStr], value: Option<&Json>, sure: bool) -> bool {
    match json {
        Json::Array(list) => {
            let Some(item) = path.first().and_then(|at| at.parse::<usize>().ok()).and_then(|at| list.get_mut(at)) else { return false };
            match (path.len(), value) {
                (1, Some(value)) => merge(item, value),
                (1, None) => *item = Json::Null,
                _ => return set(item, &path[1..], value, true),
            }
            true
        }
        Json::Object(object) => {
            for length in (1..=path.len()).rev() {
                let key = path[..length].join(".");
                if let Some(inner) = object.get_mut(&key) {
                    if length < path.len() {
                        return set(inner, &path[length..], value, true);
                    }
                    match value {
                        Some(value) => merge(inner, value),
                        None => drop(object.shift_remove(&key)),
                    }
                    return true;
                }
            }
            match (path, value) {
                ([last], Some(value)) if sure => {
                    object.insert(last.to_string(), value.clone());
                    true
                }
                _ => false,
            }
        }
        _ => false,
    }
}

fn merge(into: &mut Json, value: &Json) {
    match (into, value) {
        (Json::Object(into), Json::Object(value)) => {
            for (key, value) in value {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}

/// Moves a line and every time that it says.
fn shift(line: &mut Line, moved: &impl Fn(i64) -> i64) {
    line.arrived = moved(line.arrived);
    // When an image was built is no event of the recording.
    if let Some(json) = &mut line.json
        && !line.source.starts_with("docker_image")
    {
        shift_json(json, moved);
    }
    if line.json.is_none() && line.source == "conntrack" {
        shift_stamp(line, moved);
    }
    line.rewrite();
}

/// Moves the time by which a line of connection tracking begins.
fn shift_stamp(line: &mut Line, moved: &impl Fn(i64) -> i64) {
    let later = |text: &str| {
        let (stamp, rest) = text.strip_prefix('[')?.split_once(']')?;
        let (seconds, fraction) = stamp.split_once('.')?;
        let nanos = format!("{fraction:0<9}").get(..9)?.parse::<i64>().ok()?;
        let at = moved(seconds.parse::<i64>().ok()?.saturating_mul(1_000_000_000).saturating_add(nanos));
        Some(format!("[{}.{:06}]{rest}", at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000) / 1000))
    };
    match &mut line.record {
        Some(record) => {
            let event::Body::Data(bytes) = &record.body else { return };
            if let Some(text) = std::str::from_utf8(bytes).ok().and_then(later) {
                record.body = event::Body::Data(text.into_bytes().into());
            }
        }
        None => {
            if let Some(text) = later(&line.text) {
                line.text = text;
            }
        }
    }
}

fn shift_json(json: &mut Json, moved: &impl Fn(i64) -> i64) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(|item| shift_json(item, moved)),
        Json::Object(object) => {
            for (key, value) in object.iter_mut() {
                match value {
                    Json::Number(number) => {
                        if let Some(later) = number.as_i64().and_then(|n| shifted_number(key, n, moved)) {
                            *value = Json::from(later);
                        }
                    }
                    Json::String(text) => {
                        if let Some(later) = shifted_text(text, moved) {
                            *text = later;
                        }
                    }
                    other => shift_json(other, moved),
                }
            }
        }
        _ => {}
    }
}

/// Numbers that are times, by their key: nanoseconds or seconds, by their size.
fn shifted_number(key: &str, n: i64, moved: &impl Fn(i64) -> i64) -> Option<i64> {
    let is_time = ["time", "timeNano", "arrived", "Created", "since", "until"].contains(&key);
    match n {
        _ if !is_time => None,
        1_000_000_000_000_000.. => Some(moved(n)),
        1_000_000_000..=100_000_000_000 => Some(moved(n.saturating_mul(1_000_000_000)).div_euclid(1_000_000_000)),
        _ => None,
    }
}

/// RFC 3339; year 1 is the engine's word for never.
fn shifted_text(text: &str, moved: &impl Fn(i64) -> i64) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes.len() > 40 || bytes[4] != b'-' || bytes[10] != b'T' || text.starts_with("0001") {
        return None;
    }
    let time = event::Time::parse(text)?;
    Some(event::Time(moved(time.0)).to_string())
}

/// What is a recording's own and must differ in a copy: ids of containers and execs, names of containers.
struct Own {
    ids: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Own {
    fn find(lines: &[Line]) -> Own {
        let mut own = Own { ids: BTreeSet::new(), names: BTreeSet::new() };
        for line in lines {
            let Some(json) = &line.json else { continue };
            let text = |json: &Json| json.as_str().map(str::to_owned);
            match line.source.as_str() {
                "docker_events" if json["Type"] == "container" => {
                    own.ids.extend(text(&json["Actor"]["ID"]));
                    own.ids.extend(text(&json["Actor"]["Attributes"]["execID"]));
                    own.names.extend(text(&json["Actor"]["Attributes"]["name"]));
                    own.names.extend(text(&json["Actor"]["Attributes"]["oldName"]).map(|name| name.trim_start_matches('/').to_owned()));
                }
                "docker_container" => {
                    own.ids.extend(text(&json["Id"]));
                    own.names.extend(text(&json["Name"]).map(|name| name.trim_start_matches('/').to_owned()));
                }
                "docker_exec" => own.ids.extend(text(&json["ID"])),
                _ => {}
            }
        }
        own.ids.retain(|id| id.len() == 64);
        own
    }

    fn concerns(&self, line: &Line) -> bool {
        COPIED.contains(&line.source.as_str()) && self.ids.iter().any(|id| line.text.contains(id.as_str()))
    }

    fn copy(&self, line: &Line, copy: u32, later: i64) -> Line {
        let mut line = line.clone();
        if let Some(json) = &mut line.json {
            self.rename(json, copy, &line.source);
        }
        shift(&mut line, &|at| at.saturating_add(later));
        line
    }

    fn rename(&self, json: &mut Json, copy: u32, source: &str) {
        let name_of = |object: &mut Map<String, Json>, key: &str| {
            if let Some(Json::String(name)) = object.get_mut(key)
                && self.names.contains(name.trim_start_matches('/'))
            {
                *name = format!("{name}-{copy}");
            }
        };
        if let Json::Object(object) = json {
            if source == "docker_container" {
                name_of(object, "Name");
            } else if object.get("Type").is_some_and(|kind| kind == "container")
                && let Some(Json::Object(attributes)) = object.get_mut("Actor").and_then(|actor| actor.get_mut("Attributes"))
            {
                name_of(attributes, "name");
                name_of(attributes, "oldName");
            }
        }
        let fresh: BTreeMap<&str, String> = self.ids.iter().map(|id| (id.as_str(), fresh(id, copy))).collect();
        replace(json, &fresh);
    }
}

/// Another id of the same shape, the same in every run.
fn fresh(id: &str, copy: u32) -> String {
    let half = |which: &[u8]| event::event::identity_of(&[id.as_bytes(), &copy.to_le_bytes(), which]);
    format!("{:032x}{:032x}", half(b"first"), half(b"second"))
}

/// Ids wherever they stand, as the whole text or in it, and their short forms as the whole text (a container's host name is one).
fn replace(json: &mut Json, fresh: &BTreeMap<&str, String>) {
    match json {
        Json::String(text) => {
            for (id, new) in fresh {
                if text.len() == 12 && id.starts_with(text.as_str()) {
                    *text = new[..12].to_owned();
                } else if text.len() >= id.len() && text.contains(id) {
                    *text = text.replace(id, new);
                }
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|item| replace(item, fresh)),
        Json::Object(object) => object.iter_mut().for_each(|(_, item)| replace(item, fresh)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_connection_tracking_are_moved_with_the_rest() {
        let line = r#"{"landwaiter":1,"source":"conntrack","host":"h","arrived":1795544079450000000,"text":"[1795544079.448080]\t    [NEW] tcp      6 120 SYN_SENT src=172.22.0.3 dst=172.22.0.2 sport=42714 dport=8000 [UNREPLIED] src=172.22.0.2 dst=172.22.0.3 sport=8000 dport=42714"}"#;
        let play = Play { shift: event::Span::seconds(100), ..Play::default() };
        let moved = compose(crate::tape::lines(line), &play, Vec::new());
        assert!(moved[0].text.contains(r#""text":"[1795544179.448080]\t    [NEW] tcp"#), "{}", moved[0].text);
    }
    use crate::tape::lines;
    use event::Span;

    const ID: &str = "8a5eca281e92d259f3f2789ba3bc9873d8a5c4c4951b883549486e61d76c0483";

    fn create() -> String {
        format!(
            r#"{{"Type":"container","Action":"create","Actor":{{"ID":"{ID}","Attributes":{{"image":"alpine:3.20","name":"lab1","a.b":"c"}}}},"scope":"local","time":1795527678,"timeNano":1795527678072015498}}"#
        )
    }

    fn step(path: &str, value: Json) -> Step {
        Step { patch: vec![Patch::at(path, value)], ..Step::default() }
    }

    #[test]
    fn what_is_played_as_it_was_taken_is_byte_for_byte() {
        let text = create();
        let out = compose(lines(&text), &Play::default(), Vec::new());
        assert_eq!(out[0].text, text);
    }

    #[test]
    fn copies_have_ids_names_and_times_of_their_own() {
        let play = Play { repeat: 3, every: Span::seconds(2), ..Play::default() };
        let out = compose(lines(&create()), &play, Vec::new());
        let part = |line: &Line, path: &[&str]| path.iter().fold(line.json.clone().unwrap(), |json, key| json[*key].clone());
        let ids: BTreeSet<String> = out.iter().map(|line| part(line, &["Actor", "ID"]).to_string()).collect();
        assert_eq!(ids.len(), 3);
        let names: Vec<Json> = out.iter().map(|line| part(line, &["Actor", "Attributes", "name"])).collect();
        assert_eq!(names, ["lab1", "lab1-1", "lab1-2"]);
        let times: Vec<i64> = out.iter().map(|line| part(line, &["timeNano"]).as_i64().unwrap()).collect();
        assert_eq!(times[2] - times[0], 4_000_000_000);
        assert_eq!(part(&out[2], &["time"]), 1795527682);
    }

    #[test]
    fn patches_reach_what_they_name() {
        let mut all = lines(&create());
        apply(&step("Actor.Attributes.a.b", Json::from("d")), &mut all);
        assert_eq!(all[0].json.as_ref().unwrap()["Actor"]["Attributes"]["a.b"], "d");
        apply(&step("Actor.Attributes", serde_json::json!({"exitCode": "0"})), &mut all);
        assert_eq!(all[0].json.as_ref().unwrap()["Actor"]["Attributes"]["exitCode"], "0");
        assert_eq!(all[0].json.as_ref().unwrap()["Actor"]["Attributes"]["name"], "lab1");
        let before = all[0].text.clone();
        apply(&step("HostConfig.Privileged", Json::from(true)), &mut all);
        assert_eq!(all[0].text, before, "an event has no HostConfig");
    }

    #[test]
    fn only_counts_over_the_composed_whole() {
        let mut only = step("Actor.Attributes.image", Json::from("other"));
        only.only = vec![2];
        let play = Play { repeat: 3, steps: vec![only], ..Play::default() };
        let out = compose(lines(&create()), &play, Vec::new());
        let images: Vec<Json> = out.iter().map(|line| line.json.as_ref().unwrap()["Actor"]["Attributes"]["image"].clone()).collect();
        assert_eq!(images, ["alpine:3.20", "other", "alpine:3.20"]);
    }
}
