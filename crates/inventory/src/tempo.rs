//! `activity.off_tempo`: something acted outside the hours that its owner has kept so far.
//!
//! Whose hours they are is the identity that asked, in a cluster, else the workload. Hours mean something once the owner has acted on a week of days; an hour is
//! kept with the one before and the one after it. What is strange is told once a day, and becomes usual only when it comes back on another day: one night does
//! not teach the next.

use crate::fields::{about_container, requester};
use crate::host::Host;
use crate::id::Id;
use crate::owner;
use crate::row::{Row, RowOut};
use crate::step::{SeenBy, Step};
use crate::who::WhoKind;
use crate::world::{World, was_done};
use event::dictionary as d;
use event::fact::{ContainerAction, Fact};
use event::kubernetes::ApiRequest;
use event::{DerivedBuilder, Event, SmolStr};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

/// Days on which an owner must have acted before its hours mean anything.
pub const DAYS: u32 = 7;

/// Owners that are remembered.
const OWNERS_MAX: usize = if cfg!(test) { 256 } else { 16_384 };

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// What owners have kept to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    owners: IndexMap<(SmolStr, SmolStr), Habit>,
}

/// One owner's hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Habit {
    /// Hours of the day in which it has acted, one bit each.
    hours: u32,
    /// It has acted on a Saturday or Sunday.
    weekends: bool,
    /// Days on which it has acted, this one included.
    days: u32,
    /// The last of them, counted from the epoch.
    last: i64,
    /// Strange hours, each seen on one day so far, and the last such day.
    strange: u32,
    strange_day: i64,
    /// A weekend on which it was strange that it acted.
    strange_weekend: Option<i64>,
    /// The day on which it was last told.
    told: Option<i64>,
}

/// What is strange about an act.
struct Strange {
    hour: i64,
    weekend: bool,
    usual: SmolStr,
    days: u32,
}

impl Row for State {
    fn step(&mut self, step: &Step, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let (id, activity) = match step {
            Step::Created { id, by: SeenBy::Event, .. } => (id, "created"),
            Step::Updated { id } => (id, "changed"),
            Step::Other { id } => match cause.fact() {
                Some(Fact::Container(said)) if matches!(said.action, ContainerAction::ExecCreate { .. }) => (id, "exec"),
                _ => return,
            },
            Step::Cluster => {
                if let Some(Fact::Request(request)) = cause.fact() {
                    self.requested(request, world, cause, out);
                }
                return;
            }
            _ => return,
        };
        let Some(host) = world.host(&cause.host) else { return };
        // What a cluster makes is told by the request, which names who asked.
        let Some(container) = host.container(id).filter(|container| container.teller() != "kubernetes") else { return };
        if activity == "exec" && is_health_check(host, id, cause) {
            return;
        }
        let Some(owner) = owner::workload(container) else { return };
        let Some(strange) = self.act(&owner, cause, out) else { return };
        if out.wants(d::OFF_TEMPO) {
            let builder = about_container(d::OFF_TEMPO, "tempo", cause, world, host, container);
            out.emit(strange.fields(builder, &owner, activity).build());
        }
    }
}

impl State {
    fn requested(&mut self, request: &ApiRequest, world: &World, cause: &Event, out: &mut RowOut<'_>) {
        let exec = matches!(request.subresource.as_str(), "exec" | "attach" | "portforward" | "ephemeralcontainers");
        let writes = matches!(request.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        if !(exec || writes && !request.resource.ends_with("reviews")) || !was_done(request) {
            return;
        }
        let who = requester(request, world.host(&cause.host));
        // The control plane never sleeps.
        if who.name.is_empty() || who.is_machinery() || who.kind() == WhoKind::Anonymous {
            return;
        }
        let owner = who.shown();
        let Some(strange) = self.act(&owner, cause, out) else { return };
        if out.wants(d::OFF_TEMPO) {
            let mut builder = DerivedBuilder::caused_by(d::OFF_TEMPO, "tempo", cause).about(&owner).read_by(world.reading.as_deref());
            who.fields(&mut builder);
            if !request.namespace.is_empty() {
                builder.push(d::K8S_NAMESPACE, &request.namespace);
            }
            out.emit(strange.fields(builder, &owner, if exec { "exec" } else { "request" }).build());
        }
    }

    /// An owner acts. Says what is strange about it, at most once a day.
    fn act(&mut self, owner: &SmolStr, cause: &Event, out: &mut RowOut<'_>) -> Option<Strange> {
        if cause.time_suspect {
            return None;
        }
        let key = (cause.host.clone(), owner.clone());
        if !self.owners.contains_key(&key) && self.owners.len() >= OWNERS_MAX {
            self.owners.drain(..OWNERS_MAX / 16);
            out.forgot("inventory.tempo", OWNERS_MAX as u64 / 16);
        }
        self.owners.entry(key).or_default().act(cause.time.0.div_euclid(DAY), cause.time.0.rem_euclid(DAY) / HOUR)
    }
}

impl Habit {
    fn act(&mut self, day: i64, hour: i64) -> Option<Strange> {
        // The first of January 1970 was a Thursday.
        let weekend = (day + 3).rem_euclid(7) >= 5;
        let bit = 1u32 << hour;
        let before = self.days - u32::from(self.days > 0 && self.last == day);
        if self.days == 0 || self.last != day {
            self.days = self.days.saturating_add(1);
            self.last = day;
        }
        if before < DAYS {
            self.hours |= bit;
            self.weekends |= weekend;
            return None;
        }
        let near = |shift: i64| self.hours & (1u32 << (hour + shift).rem_euclid(24)) != 0;
        let outside = !(near(-1) || near(0) || near(1));
        let weekend = weekend && !self.weekends;
        if !outside {
            self.hours |= bit;
        }
        if !outside && !weekend {
            return None;
        }
        let usual = hours(self.hours);
        if outside {
            if self.strange & bit != 0 && self.strange_day != day {
                self.hours |= bit;
                self.strange &= !bit;
            } else {
                self.strange |= bit;
                self.strange_day = day;
            }
        }
        if weekend {
            // A Sunday does not bear out the Saturday before it.
            self.weekends = self.strange_weekend.is_some_and(|first| day - first > 2);
            self.strange_weekend.get_or_insert(day);
        }
        if self.told == Some(day) {
            return None;
        }
        self.told = Some(day);
        Some(Strange { hour, weekend, usual, days: before })
    }
}

impl Strange {
    fn fields(&self, builder: DerivedBuilder, owner: &SmolStr, activity: &str) -> DerivedBuilder {
        builder
            .with(d::TEMPO_OWNER, owner)
            .with(d::TEMPO_HOUR, self.hour)
            .with(d::TEMPO_USUAL, &self.usual)
            .with(d::TEMPO_DAYS, self.days)
            .with(d::TEMPO_WEEKEND, self.weekend)
            .with(d::TEMPO_ACTIVITY, activity)
    }
}

/// Hours as spans, such as `07-18`, `22`.
fn hours(mask: u32) -> SmolStr {
    let mut spans: Vec<SmolStr> = Vec::new();
    let mut hour = 0;
    while hour < 24 {
        let from = hour;
        while hour < 24 && mask & (1 << hour) != 0 {
            hour += 1;
        }
        if hour == from {
            hour += 1;
        } else if hour == from + 1 {
            spans.push(format_smolstr!("{from:02}"));
        } else {
            spans.push(format_smolstr!("{from:02}-{:02}", hour - 1));
        }
    }
    SmolStr::from(spans.join(", "))
}

fn is_health_check(host: &Host, id: &Id, cause: &Event) -> bool {
    let Some(Fact::Container(said)) = cause.fact() else { return false };
    let ContainerAction::ExecCreate { command, .. } = &said.action else { return false };
    let check = host.container(id).and_then(|container| container.shape()).map_or(&[][..], |shape| &shape.healthcheck);
    !check.is_empty() && command.ends_with(check.join(" ").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Play;
    use event::Time;

    const FIELDS: &[&str] = &["tempo.owner", "tempo.hour", "tempo.usual_hours", "tempo.days", "tempo.weekend", "tempo.activity"];

    /// A play that begins at midnight of a Monday.
    fn monday() -> Play {
        let mut play = Play::new();
        play.freezing = false;
        play.now = Time(4 * DAY + 1000 * 7 * DAY);
        play
    }

    fn at(play: &mut Play, day: i64, hour: i64) {
        let until = 4 * DAY + 1000 * 7 * DAY + day * DAY + hour * HOUR + HOUR / 2;
        play.wait((until - play.now.0) as f64 / 1e9);
        play.container(&format!("{day}{hour}"), "nightly", "backup:1", ContainerAction::Create);
    }

    fn told(play: &Play) -> String {
        play.draw(d::OFF_TEMPO, FIELDS)
    }

    /// Acts at nine and at eleven on weekdays, for two weeks.
    fn settled() -> Play {
        let mut play = monday();
        for day in [0, 1, 2, 3, 4, 7, 8, 9, 10, 11] {
            at(&mut play, day, 9);
            at(&mut play, day, 11);
        }
        play
    }

    #[test]
    fn an_act_at_night_is_told_once_a_day_and_an_hour_early_is_not() {
        let mut play = settled();
        at(&mut play, 14, 2);
        at(&mut play, 14, 3);
        at(&mut play, 14, 8);
        at(&mut play, 14, 12);
        assert_eq!(told(&play), "name:nightly | 2 | 09, 11 | 10 | false | created");
        // The same hour on another day is told again, and is usual from then on.
        at(&mut play, 15, 2);
        at(&mut play, 16, 2);
        assert_eq!(told(&play).lines().count(), 2);
    }

    #[test]
    fn a_first_weekend_is_strange() {
        let mut play = settled();
        at(&mut play, 12, 9);
        assert_eq!(told(&play), "name:nightly | 9 | 09, 11 | 10 | true | created");
        at(&mut play, 13, 9);
        assert_eq!(told(&play).lines().count(), 2);
    }

    #[test]
    fn six_days_are_no_habit() {
        let mut play = monday();
        for day in 0..6 {
            at(&mut play, day, 9);
        }
        at(&mut play, 6, 2);
        assert_eq!(told(&play), "");
    }

    #[test]
    fn owners_are_bounded_and_hours_read_well() {
        let mut play = monday();
        for n in 0..1000 {
            play.container(&format!("{n}"), &format!("n{n}"), "app:1", ContainerAction::Create);
        }
        assert!(play.draw(d::SENSOR_PRESSURE, &["sensor.reason"]).contains("inventory.tempo"));
        assert_eq!(hours(0b1000_0000_0000_0000_0000_1111), "00-03, 23");
        assert_eq!(hours(0), "");
    }
}
