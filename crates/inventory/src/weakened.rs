//! `workload.weakened`: the same workload came back, or was changed, with less confinement than before; one event for each property.
//!
//! Pairing goes by `workload.id`, a claim: whoever takes over a name is compared with who had it, which can only add suspicion.

use crate::fields::{about_container, posture_fields};
use crate::host::Host;
use crate::id::Id;
use crate::limits::{Direction, PropertyChange};
use crate::log::LogKind;
use crate::owner;
use crate::posture::Posture;
use crate::row::{Row, RowOut};
use crate::step::Step;
use crate::world::World;
use event::dictionary as d;
use event::{Event, SmolStr, Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;
use std::sync::Arc;

/// Workloads remembered, with the posture that each had last.
const WORKLOADS_MAX: usize = 8192;
/// How long a workload of which nothing stands any more is remembered.
const KEEP: Span = Span::minutes(24 * 60);

/// The last posture of each workload.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    last: IndexMap<(SmolStr, SmolStr), Last>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Last {
    container: Id,
    posture: Arc<Posture>,
    /// When that container was removed.
    gone: Option<Time>,
    /// The engine's defaults changed since, and it was gone by then: what was judged against them cannot be compared.
    stale: bool,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let Some(host) = world.host(&cause.host) else { return };
        match step {
            Step::Inspected { id, .. } => self.inspected(id, world, host, cause, out),
            Step::Removed { id, .. } => {
                if let Some(last) = key(host, id).and_then(|key| self.last.get_mut(&key)).filter(|last| last.container == *id) {
                    last.gone = Some(cause.at);
                }
            }
            Step::EngineSeen { before } if before.as_deref() != host.engine.as_ref() => {
                // All postures were judged anew, so what is compared with them must be the new judgement too.
                for ((_, _), last) in self.last.iter_mut().filter(|((on, _), _)| *on == cause.host) {
                    match host.container(&last.container).and_then(|container| container.posture.clone()) {
                        Some(posture) => last.posture = posture,
                        None => last.stale = true,
                    }
                }
            }
            _ => {}
        }
    }
}

impl State {
    fn inspected(&mut self, id: &Id, world: &World, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        let Some(key) = key(host, id) else { return };
        let Some(container) = host.container(id) else { return };
        let Some(posture) = &container.posture else { return };
        let by_image = owner::workload(container).is_some_and(|workload| workload.starts_with("image:"));
        let now = Last { container: id.clone(), posture: posture.clone(), gone: None, stale: false };
        let before = match self.last.get_mut(&key) {
            Some(last) if Arc::ptr_eq(&last.posture, posture) || last.posture == *posture => {
                *last = now;
                return;
            }
            Some(last) => std::mem::replace(last, now),
            None => {
                if self.last.len() >= WORKLOADS_MAX {
                    self.last.drain(..WORKLOADS_MAX / 16);
                    out.forgot("inventory.workloads", WORKLOADS_MAX as u64 / 16);
                }
                self.last.insert(key, now);
                return;
            }
        };
        if before.gone.is_some_and(|gone| gone + KEEP < cause.at) || !out.wants(d::WORKLOAD_WEAKENED) {
            return;
        }
        // Beside one that is there still, a nameless one of the same image and command is another container, not the same one come back.
        if by_image && before.container != *id && before.gone.is_none() {
            return;
        }
        for change in weaker(&before.posture, posture, before.stale) {
            let mut builder = about_container(d::WORKLOAD_WEAKENED, "weakened", cause, world, host, container);
            posture_fields(&mut builder, container);
            change.fields(&mut |field, value| builder.push(field, value));
            out.emit(builder.build());
        }
    }
}

/// What pairs a container with the one before it. An image's name alone would pair strangers, so there the command has to be the same too.
fn key(host: &Host, id: &Id) -> Option<(SmolStr, SmolStr)> {
    let container = host.container(id)?;
    let workload = owner::workload(container)?;
    let workload = if workload.starts_with("image:") {
        let command = container.kept.as_ref().map_or(&[][..], |kept| &kept.command);
        let parts: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
        format_smolstr!("{workload} {:032x}", event::event::identity_of(&parts))
    } else {
        workload
    };
    Some((host.name.clone(), workload))
}

/// Every property in which `now` is less confined than `before`. `stale`: leave out what is judged against the engine's defaults.
pub fn weaker(before: &Posture, now: &Posture, stale: bool) -> Vec<PropertyChange> {
    let mut changes = Vec::new();
    let mut weakened = |property: &'static str, was: String, is: String| {
        changes.push(PropertyChange::plain(property, was, is, Direction::Weakened));
    };
    if now.privileged && !before.privileged {
        weakened("privileged", "false".to_owned(), "true".to_owned());
    }
    // Privileged implies capabilities, devices and the absence of profiles: that is said once.
    if !now.privileged && !before.privileged {
        let gained = |cap: &&SmolStr| !before.cap_added.contains(cap) && !DEFAULT_CAPABILITIES.contains(&cap.as_str());
        let kept = |cap: &&SmolStr| !now.cap_dropped.contains(cap) && !now.cap_dropped.iter().any(|dropped| dropped == "ALL");
        if now.cap_added.iter().any(|cap| gained(&cap)) || before.cap_dropped.iter().any(|cap| kept(&cap)) {
            weakened("capabilities", capabilities(before), capabilities(now));
        }
        if grew(&before.devices_dangerous, &now.devices_dangerous) {
            weakened("devices", list(&before.devices_dangerous), list(&now.devices_dangerous));
        }
        if !stale {
            let all = |posture: &Posture| {
                let mut off = posture.security_disabled.clone();
                if !posture.no_new_privileges && before.no_new_privileges {
                    off.push(SmolStr::new_static("no_new_privileges"));
                }
                off
            };
            if grew(&before.security_disabled, &all(now)) {
                weakened("security", switched(&before.security_disabled), switched(&all(now)));
            }
        }
    }
    let host = |posture: &Posture| {
        let mut all: Vec<SmolStr> = posture.ns_host.iter().chain(&posture.ns_joined_host).cloned().collect();
        all.sort();
        all.dedup();
        all
    };
    if !stale && grew(&host(before), &host(now)) {
        weakened("namespaces", list(&host(before)), list(&host(now)));
    }
    let mounts = |posture: &Posture| -> Vec<SmolStr> {
        let all = posture
            .mounts
            .sensitive
            .iter()
            .map(|mount| format!("{}{}", mount.path, if mount.writable { " (writable)" } else { "" }).into());
        all.chain(posture.mounts.shared.iter().map(|path| format!("{path} (shared)").into())).collect()
    };
    // A mount that is read-only now and was writable before is no gain.
    let opened = now.mounts.sensitive.iter().any(|mount| {
        !before.mounts.sensitive.iter().any(|old| old.path == mount.path && old.kind == mount.kind && (old.writable || !mount.writable))
    });
    if opened || grew(&before.mounts.shared, &now.mounts.shared) {
        weakened("mounts", list(&mounts(before)), list(&mounts(now)));
    }
    let log = |posture: &Posture| if posture.log.kind == LogKind::Unknown { LogKind::Default } else { posture.log.kind };
    if !stale && log(now) > log(before) {
        let text = |posture: &Posture| format!("{} ({})", posture.log.driver, posture.log.kind.as_str());
        weakened("log", text(before), text(now));
    }
    if is_root(&now.user) && !is_root(&before.user) {
        weakened("user", before.user.to_string(), if now.user.is_empty() { "root".to_owned() } else { now.user.to_string() });
    }
    if before.readonly_rootfs && !now.readonly_rootfs {
        weakened("readonly_rootfs", "true".to_owned(), "false".to_owned());
    }
    changes
}

/// What the engine gives everyone; adding one of these changes nothing.
const DEFAULT_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn grew(before: &[SmolStr], now: &[SmolStr]) -> bool {
    now.iter().any(|item| !before.contains(item))
}

fn list(items: &[SmolStr]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// What is off is said to be off: as a bare list it would read as what is there.
fn switched(off: &[SmolStr]) -> String {
    if off.is_empty() { "nothing off".to_owned() } else { format!("{} off", off.join(", ")) }
}

fn capabilities(posture: &Posture) -> String {
    let dropped = if posture.cap_dropped.is_empty() { String::new() } else { format!(" without {}", posture.cap_dropped.join(", ")) };
    let added = if posture.cap_added.is_empty() { "default".to_owned() } else { posture.cap_added.join(", ") };
    added + &dropped
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next().unwrap_or_default(), "" | "0" | "root")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;
    use event::fact::{ContainerAction, ContainerSpec, EngineSpec, Fact, Mount};

    fn compose() -> ContainerSpec {
        ContainerSpec {
            name: "shop-api-1".into(),
            image: "api:1".into(),
            user: "1000".into(),
            readonly_rootfs: true,
            cap_drop: vec!["ALL".into()],
            security_opt: vec!["no-new-privileges".into()],
            labels: vec![("com.docker.compose.project".into(), "shop".into()), ("com.docker.compose.service".into(), "api".into())],
            log_driver: "json-file".into(),
            ..ContainerSpec::default()
        }
    }

    fn end(play: &mut Play, word: &str) {
        play.container(word, "shop-api-1", "api:1", ContainerAction::Die { exit_code: Some(0) });
        play.container(word, "shop-api-1", "api:1", ContainerAction::Destroy);
    }

    fn draw(play: &Play) -> String {
        play.draw(d::WORKLOAD_WEAKENED, &["workload.id", "change.property", "change.before", "change.after", "change.direction"])
    }

    #[test]
    fn a_service_that_comes_back_with_less_confinement_is_told_for_each_property() {
        let mut play = Play::new();
        play.run("c1", compose());
        end(&mut play, "c1");
        let mounts = vec![Mount { kind: "bind".into(), source: "/etc".into(), target: "/h".into(), ..Mount::default() }];
        play.run(
            "c2",
            ContainerSpec {
                user: "".into(),
                readonly_rootfs: false,
                cap_drop: vec![],
                cap_add: vec!["SYS_ADMIN".into()],
                security_opt: vec!["seccomp=unconfined".into()],
                pid_mode: "host".into(),
                log_driver: "none".into(),
                mounts,
                ..compose()
            },
        );
        assert_eq!(
            draw(&play),
            "compose:shop/api | capabilities | default without ALL | SYS_ADMIN | weakened\n\
             compose:shop/api | security | nothing off | seccomp, no_new_privileges off | weakened\n\
             compose:shop/api | namespaces | none | pid | weakened\n\
             compose:shop/api | mounts | none | /etc | weakened\n\
             compose:shop/api | log | json-file (unknown) | none (off) | weakened\n\
             compose:shop/api | user | 1000 | root | weakened\n\
             compose:shop/api | readonly_rootfs | true | false | weakened"
        );
    }

    #[test]
    fn privileged_says_what_it_implies_once() {
        let mut play = Play::new();
        play.run("c1", compose());
        end(&mut play, "c1");
        play.run("c2", ContainerSpec { privileged: true, cap_add: vec!["ALL".into()], security_opt: vec![], ..compose() });
        assert_eq!(draw(&play), "compose:shop/api | privileged | false | true | weakened");
    }

    #[test]
    fn the_same_again_or_more_confined_is_silent() {
        let mut play = Play::new();
        play.run("c1", ContainerSpec { privileged: true, log_driver: "none".into(), ..compose() });
        end(&mut play, "c1");
        play.run("c2", compose());
        end(&mut play, "c2");
        play.run("c3", ContainerSpec { cap_add: vec!["NET_BIND_SERVICE".into()], image: "api:2".into(), ..compose() });
        assert_eq!(draw(&play), "");
    }

    #[test]
    fn strangers_of_the_same_image_are_not_paired() {
        let mut play = Play::new();
        let of = |name: &str, privileged| ContainerSpec {
            name: name.into(),
            image: "alpine:3.20".into(),
            command: vec!["sleep".into(), if privileged { "1" } else { "2" }.into()],
            privileged,
            ..ContainerSpec::default()
        };
        play.run("c1", of("hopeful_lovelace", false))
            .run("c2", of("wise_turing", true))
            .run("c3", of("job", false))
            .run("c4", of("job2", true));
        assert_eq!(draw(&play), "");
    }

    #[test]
    fn nameless_containers_of_one_image_side_by_side_are_not_paired() {
        let mut play = Play::new();
        let of = |name: &str, privileged| ContainerSpec { name: name.into(), image: "alpine:3.20".into(), privileged, ..ContainerSpec::default() };
        play.run("c1", of("hopeful_lovelace", false)).run("c2", of("wise_turing", true));
        assert_eq!(draw(&play), "");
        // Where the one before is gone, the next has taken its place.
        play.run("c3", of("keen_hopper", false)).container("c3", "keen_hopper", "alpine:3.20", ContainerAction::Destroy);
        play.run("c4", of("calm_curie", true));
        assert_eq!(draw(&play).lines().count(), 1);
    }

    #[test]
    fn a_workload_is_forgotten_a_day_after_it_went() {
        let mut play = Play::new();
        play.run("c1", compose());
        end(&mut play, "c1");
        play.wait(25.0 * 3600.0).run("c2", ContainerSpec { privileged: true, ..compose() });
        assert_eq!(draw(&play), "");
    }

    #[test]
    fn learning_the_engines_defaults_weakens_nobody() {
        let mut play = Play::new();
        let diverted = ContainerSpec { log_driver: "syslog".into(), security_opt: vec!["apparmor=unconfined".into()], ..compose() };
        play.run("c1", diverted.clone());
        let engine = EngineSpec {
            log_driver: Some("json-file".into()),
            security_options: Some(vec!["name=apparmor".into()]),
            ..EngineSpec::default()
        };
        play.tell(d::DOCKER_INFO, Some(Fact::Engine(Box::new(engine))));
        end(&mut play, "c1");
        play.run("c2", diverted);
        assert_eq!(draw(&play), "");
    }
}
