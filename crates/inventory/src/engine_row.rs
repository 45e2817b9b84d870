//! `engine.changed`: a setting of the engine is another one than before, or the engine was reloaded, shut down, or given a plugin.

use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::fact::{EngineEvent, EngineSpec, Fact};
use event::{DerivedBuilder, Event, SmolStr};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Hosts whose reload is remembered.
const HOSTS_MAX: usize = 1024;

/// What the last reload of each host said, to tell what the next one changes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    reloads: IndexMap<SmolStr, Vec<(SmolStr, SmolStr)>>,
}

/// Settings as the dictionary names them, as a reload event names them, and where the engine's description has them.
type Setting = (&'static str, &'static str, fn(&EngineSpec) -> Option<SmolStr>);
static SETTINGS: &[Setting] = &[
    ("log_driver", "log-driver", |engine| engine.log_driver.clone()),
    ("security_options", "", |engine| engine.security_options.as_deref().map(joined)),
    ("default_runtime", "default-runtime", |engine| engine.default_runtime.clone()),
    ("authorization_plugins", "authorization-plugins", |engine| engine.authorization_plugins.as_deref().map(joined)),
    ("version", "", |engine| engine.version.clone()),
];

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        if !out.wants(d::ENGINE_CHANGED) {
            return;
        }
        let Some(host) = world.host(&cause.host) else { return };
        match (step, cause.fact()) {
            (Step::EngineSeen { before: Some(before) }, _) => {
                let Some(now) = &host.engine else { return };
                for (property, _, of) in SETTINGS {
                    if let (Some(was), Some(is)) = (of(before), of(now))
                        && was != is
                    {
                        out.emit(changed(cause, "changed", property, &was, &is));
                    }
                }
            }
            (Step::EngineEvent, Some(Fact::EngineEvent(said))) if tells(&said.action) => {
                self.happened(said, host.engine.as_ref(), cause, out)
            }
            _ => {}
        }
    }
}

impl State {
    fn happened(&mut self, said: &EngineEvent, engine: Option<&EngineSpec>, cause: &Event, out: &mut RowOut<'_>) {
        let name = said.attributes.iter().find(|(key, _)| key == "name").map(|(_, value)| value.clone());
        let builder =
            start(cause).with(d::ENGINE_ACTION, &said.action).maybe(d::ENGINE_AFTER, name.filter(|_| said.action.starts_with("plugin")));
        out.emit(builder.with(d::ACTOR, "unknown").build());
        if said.action != "reload" {
            return;
        }
        // A reload tells all settings that it could change; against the last one, or against the engine's description, one sees which it did.
        let last = self.reloads.get(&cause.host);
        for (property, key, of) in SETTINGS.iter().filter(|(_, key, _)| !key.is_empty()) {
            let value = |list: &[(SmolStr, SmolStr)]| list.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
            let before = last.and_then(|last| value(last)).or_else(|| engine.and_then(of));
            if let (Some(was), Some(is)) = (before, value(&said.attributes))
                && plain(&was) != plain(&is)
            {
                out.emit(changed(cause, "reload", property, &was, &is));
            }
        }
        if self.reloads.len() >= HOSTS_MAX {
            self.reloads.shift_remove_index(0);
        }
        let kept = said.attributes.iter().filter(|(key, _)| SETTINGS.iter().any(|(_, name, _)| name == key)).cloned().collect();
        self.reloads.insert(cause.host.clone(), kept);
    }
}

/// Whether an action of the engine concerns its settings; prunes and builds do not.
fn tells(action: &str) -> bool {
    matches!(action, "reload" | "shutdown" | "start") || action.starts_with("plugin ")
}

/// Lists are written with brackets and quotes in one place and without in another.
fn plain(value: &str) -> String {
    value.chars().filter(|c| !matches!(c, '[' | ']' | '"' | ' ')).collect()
}

fn joined(list: &[SmolStr]) -> SmolStr {
    let mut list: Vec<&str> = list.iter().map(SmolStr::as_str).collect();
    list.sort_unstable();
    SmolStr::from(list.join(" "))
}

fn start(cause: &Event) -> DerivedBuilder {
    DerivedBuilder::caused_by(d::ENGINE_CHANGED, "engine", cause).about(&cause.host)
}

fn changed(cause: &Event, action: &str, property: &str, was: &SmolStr, is: &SmolStr) -> Event {
    start(cause)
        .with(d::ENGINE_PROPERTY, property)
        .with(d::ENGINE_ACTION, action)
        .with(d::ENGINE_BEFORE, was)
        .with(d::ENGINE_AFTER, is)
        .with(d::ACTOR, "unknown")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;

    fn info(driver: &str, options: &[&str]) -> Option<Fact> {
        Some(Fact::Engine(Box::new(EngineSpec {
            log_driver: Some(driver.into()),
            security_options: Some(options.iter().map(|o| (*o).into()).collect()),
            default_runtime: Some("runc".into()),
            ..EngineSpec::default()
        })))
    }

    fn happened(action: &str, attributes: &[(&str, &str)]) -> Option<Fact> {
        let attributes = attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Some(Fact::EngineEvent(EngineEvent { action: action.into(), attributes }))
    }

    fn draw(play: &Play) -> String {
        play.draw(d::ENGINE_CHANGED, &["engine.action", "engine.property", "engine.before", "engine.after"])
    }

    #[test]
    fn a_changed_default_is_said_once_for_the_host() {
        let mut play = Play::new();
        play.tell(d::DOCKER_INFO, info("json-file", &["name=seccomp", "name=apparmor"]));
        play.tell(d::DOCKER_INFO, info("json-file", &["name=apparmor", "name=seccomp"]));
        play.tell(d::DOCKER_INFO, info("none", &["name=apparmor"]));
        assert_eq!(
            draw(&play),
            "changed | log_driver | json-file | none\nchanged | security_options | name=apparmor name=seccomp | name=apparmor"
        );
    }

    #[test]
    fn reloads_plugins_and_shutdowns_are_said_and_prunes_are_not() {
        let mut play = Play::new();
        play.tell(d::DOCKER_INFO, info("json-file", &[]));
        play.tell(d::DOCKER_EVENT, happened("reload", &[("default-runtime", "runc"), ("authorization-plugins", "[\"opa\"]")]));
        play.tell(d::DOCKER_EVENT, happened("reload", &[("default-runtime", "evil"), ("authorization-plugins", "[]")]));
        play.tell(d::DOCKER_EVENT, happened("plugin enable", &[("name", "x/y")]));
        play.tell(d::DOCKER_EVENT, happened("container prune", &[])).tell(d::DOCKER_EVENT, happened("shutdown", &[]));
        assert_eq!(
            draw(&play),
            "reload | - | - | -\nreload | - | - | -\nreload | default_runtime | runc | evil\nreload | authorization_plugins | [\"opa\"] | []\n\
             plugin enable | - | - | x/y\nshutdown | - | - | -"
        );
    }
}
