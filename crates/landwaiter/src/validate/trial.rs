//! One scenario on the live engine: collectors and an engine of its own, the script beside them.

use super::leftovers::Leftovers;
use super::script::Script;
use crate::concerning;
use crate::live::Interrupted;
use crate::ui::{Failure, Ui};
use crate::witnesses::WitnessArgs;
use engine::{Engine, Rules};
use event::{Body, Place, Record, Time};
use finding::{Change, Finding, Status};
use inventory::{Context, Inventory};
use serde::Serialize;
use source::collect::Client;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use strategy::{Scenario, Strategy};

/// How long a scenario may still fire after its commands have ended: the order wait, a container's two seconds before it counts as never inspected, and some.
const AFTERGLOW: Duration = Duration::from_secs(4);
/// A scenario that is made of copies is run as often, up to this.
const COPIES_MAX: u32 = 40;

/// What all trials share.
pub struct Stage<'a> {
    /// For looking and cleaning up.
    pub client: &'a Client,
    /// What is listened to.
    pub witnesses: &'a WitnessArgs,
    /// The rules.
    pub rules: &'a Rules,
    /// What is known and accepted.
    pub context: &'a Context,
    /// `$IMAGE`.
    pub image: &'a str,
    /// Longest time of one scenario.
    pub timeout: Duration,
    /// Somebody wants an end.
    pub interrupted: Interrupted,
}

/// One scenario to be tried.
pub struct Trial<'a> {
    /// What all trials share.
    pub stage: &'a Stage<'a>,
    /// Its page.
    pub page: &'a Strategy,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// `$RUN`.
    pub run: String,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "detail")]
pub enum Outcome {
    /// The strategy's own finding opened, about something that the commands made.
    Fired(Fired),
    /// It did not.
    Silent(Silent),
    /// It could not be tried.
    Skipped(String),
}

/// A finding that opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fired {
    severity: String,
    strategy: String,
    message: String,
    /// Containers that the commands had created by then, in event time.
    containers: usize,
    /// From the first event of the commands to the one that opened the finding.
    seconds: f64,
    /// From that event to the moment when the finding was said.
    said_after: f64,
    /// The level that the page says, when it was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

/// A trial without a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Silent {
    containers: usize,
    seconds: f64,
    /// What the script complained of.
    complaint: Option<String>,
    /// Findings of other strategies about the same things.
    others: Vec<String>,
}

fn containers(count: usize) -> String {
    if count == 1 { "1 container".to_owned() } else { format!("{count} containers") }
}

impl Fired {
    /// For a person.
    pub fn sentence(&self) -> String {
        let short = self.expected.as_ref().map(|level| format!(" (the page says {level})")).unwrap_or_default();
        format!(
            "{}{short} after {} and {:.1} s, said {:.1} s later: {}",
            self.severity,
            containers(self.containers),
            self.seconds,
            self.said_after,
            self.message
        )
    }
}

impl Silent {
    /// For a person.
    pub fn sentence(&self) -> String {
        let mut text = format!("nothing after {} and {:.1} s", containers(self.containers), self.seconds);
        if let Some(complaint) = &self.complaint {
            text.push_str(&format!("; the commands did not end well: {complaint}"));
        }
        if !self.others.is_empty() {
            text.push_str(&format!("; found instead: {}", self.others.join(", ")));
        }
        text
    }
}

impl Trial<'_> {
    /// Tries it and cleans up.
    pub fn run(&self, ui: &Ui) -> Result<Outcome, Failure> {
        if !self.scenario.play.steps.is_empty() {
            return Ok(Outcome::Skipped(format!("its recording is changed after it was made ({})", self.scenario.play.composed())));
        }
        let stage = self.stage;
        let leftovers = Leftovers::of(stage.client, &self.run);
        let (live, _) = stage.witnesses.start()?;
        let stopper = live.stopper();
        let mut engine = Engine::new(stage.rules.clone(), Inventory::new(stage.context.clone()));
        let mut watch = Watch { records: Vec::new(), changes: Vec::new() };
        let mut script: Option<Script> = None;
        let mut ended_at: Option<Instant> = None;
        let started = Instant::now();
        let mut outcome: Option<Fired> = None;
        for record in live {
            if script.is_none() && (record.source == "docker_volumes" || started.elapsed() > Duration::from_secs(5)) {
                // The lists of the start have come: what follows is the commands' doing.
                script = Some(self.start(stage)?);
            }
            let arrived = record.arrived;
            if record.body != Body::Tick {
                watch.records.push(record.clone());
            }
            engine.push(source::prepare(record), &mut watch);
            if let Some(fired) = watch.fired(self, arrived) {
                outcome = Some(fired);
            }
            let script_ended = script.as_mut().and_then(Script::ended);
            if script_ended.is_some() && ended_at.is_none() {
                ended_at = Some(Instant::now());
            }
            let over = ended_at.is_some_and(|at| at.elapsed() > AFTERGLOW) || started.elapsed() > stage.timeout;
            let enough = outcome.as_ref().is_some_and(|fired| fired.expected.is_none());
            if enough || over || stage.interrupted.yes() {
                stopper.stop_in(Duration::ZERO);
                break;
            }
            ui.progress(&format!("{}: {} records", self.scenario.name, watch.records.len()));
        }
        let complaint = match script.as_mut() {
            Some(script) => match script.ended() {
                Some(true) => None,
                Some(false) => Some(script.complaint()),
                None => Some(format!("they took longer than {} s", stage.timeout.as_secs())),
            },
            None => Some("the engine sent nothing".to_owned()),
        };
        drop(script);
        drop(leftovers);
        Ok(match (outcome, complaint) {
            (Some(fired), _) => Outcome::Fired(fired),
            (None, Some(complaint)) if complaint.contains("Error response from daemon") => {
                Outcome::Skipped(format!("the engine refuses: {complaint}"))
            }
            (None, Some(complaint)) if complaint.contains("not found") => Outcome::Skipped(complaint),
            (None, complaint) => Outcome::Silent(watch.silent(self, complaint)),
        })
    }

    fn start(&self, stage: &Stage<'_>) -> Result<Script, Failure> {
        let once: Vec<&str> = self.scenario.console.iter().map(|command| command.text.as_str()).collect();
        let copies = self.scenario.play.repeat.clamp(1, COPIES_MAX);
        let text = vec![once.join("\n"); copies as usize].join("\n");
        let address = stage.client.address().to_string();
        let environment = [("RUN", self.run.as_str()), ("IMAGE", stage.image), ("DOCKER_HOST", &address)];
        Script::start(&text, &environment).map_err(|e| Failure::new(format!("run a shell: {e}")))
    }
}

/// What belongs to a run.
struct Ours {
    places: BTreeSet<Place>,
    ids: BTreeSet<String>,
    run: String,
}

/// What came, and what was found.
struct Watch {
    records: Vec<Record>,
    changes: Vec<Finding>,
}

impl engine::Out for Watch {
    fn finding(&mut self, change: Change) {
        if let Change::Opened(finding) | Change::Rose(finding) = change {
            self.changes.push(finding);
        }
    }
}

impl Watch {
    /// What the newest change says of the trial's page and of something of its run; `None` when it says nothing new.
    fn fired(&mut self, trial: &Trial<'_>, arrived: Time) -> Option<Fired> {
        let of_page = |finding: &Finding| trial.page.speaks_for(&finding.strategy) && finding.status != Status::Explained;
        // What is the run's own is worked out anew each time, so only when there is something to compare it with.
        self.changes.iter().find(|finding| of_page(finding))?;
        let ours = self.ours(trial);
        let at = self.changes.iter().position(|finding| of_page(finding) && self.is_about(finding, &ours))?;
        let finding = self.changes.remove(at);
        let first = self.first(trial).unwrap_or(finding.first_seen);
        let wanted = trial.scenario.finding.as_ref().map(|expected| expected.level).filter(|level| finding.severity < *level);
        Some(Fired {
            severity: finding.severity.as_str().to_owned(),
            strategy: finding.strategy.to_string(),
            containers: self.creations(trial).iter().filter(|time| **time <= finding.last_seen).count(),
            seconds: (finding.last_seen - first).as_seconds().max(0.0),
            said_after: (arrived - finding.last_seen).as_seconds().max(0.0),
            message: finding.message,
            expected: wanted.map(|level| level.as_str().to_owned()),
        })
    }

    fn silent(&self, trial: &Trial<'_>, complaint: Option<String>) -> Silent {
        let ours = self.ours(trial);
        let others = self.changes.iter().filter(|finding| self.is_about(finding, &ours));
        let mut others: Vec<String> = others.map(|finding| format!("{} ({})", finding.strategy, finding.severity.as_str())).collect();
        others.dedup();
        let last = self.records.last().map(|record| record.arrived);
        let seconds = match (self.first(trial), last) {
            (Some(first), Some(last)) => (last - first).as_seconds(),
            _ => 0.0,
        };
        Silent { containers: self.creations(trial).len(), seconds, complaint, others }
    }

    /// What concerns the run.
    fn ours(&self, trial: &Trial<'_>) -> Ours {
        let records = concerning::only_run(self.records.clone(), &trial.run);
        let places = records.into_iter().filter(|record| !concerning::is_of_the_engine(record)).map(|record| record.place).collect();
        Ours { places, ids: concerning::ids(&self.records, &trial.run), run: trial.run.clone() }
    }

    /// A finding is the run's when one of its records is, or when it names something of the run: what the kernel says of a container bears no label.
    fn is_about(&self, finding: &Finding, ours: &Ours) -> bool {
        let names = |value: &str| value.contains(&ours.run) || (value.len() >= 12 && ours.ids.iter().any(|id| id.starts_with(value)));
        finding.evidence.iter().any(|evidence| ours.places.contains(&evidence.place))
            || finding.entity.iter().any(|(_, value)| names(&value.to_string()))
    }

    /// When the run's containers were created.
    fn creations(&self, trial: &Trial<'_>) -> Vec<Time> {
        let label = concerning::label(&trial.run);
        let of_run = self.records.iter().filter(|record| record.source == "docker_events");
        of_run
            .filter_map(|record| {
                concerning::text(record).filter(|text| text.contains(r#""Action":"create""#) && text.contains(&label)).and_then(time_nano)
            })
            .collect()
    }

    fn first(&self, trial: &Trial<'_>) -> Option<Time> {
        let label = concerning::label(&trial.run);
        self.records.iter().filter_map(concerning::text).filter(|text| text.contains(&label)).find_map(time_nano)
    }
}

/// An event's own time.
fn time_nano(text: &str) -> Option<Time> {
    #[derive(serde::Deserialize)]
    struct Timed {
        #[serde(rename = "timeNano")]
        nanos: i64,
    }
    serde_json::from_str::<Timed>(text).ok().map(|timed| Time(timed.nanos))
}
