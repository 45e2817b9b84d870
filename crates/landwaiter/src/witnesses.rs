//! Which witnesses a live command listens to, and what became of each.

use crate::live::{self, EngineArgs};
use crate::ui::{Failure, Ui};
use source::collect::{COLLECTORS, CollectorDef, Found, Live, Presence, Started, Stats, Surroundings};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which witnesses to listen to.
#[derive(clap::Args, Clone, Debug)]
pub struct WitnessArgs {
    /// Listen to these witnesses only; otherwise to all that are there (`landwaiter doctor` lists them).
    #[arg(long, value_name = "WITNESS", value_delimiter = ',', value_parser = name, conflicts_with = "without")]
    only: Vec<&'static str>,
    /// Do not listen to these witnesses.
    #[arg(long, value_name = "WITNESS", value_delimiter = ',', value_parser = name)]
    without: Vec<&'static str>,
    /// Set something for a witness, such as where a webhook listens.
    #[arg(long, value_name = "WITNESS.KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// The audit webhook of a cluster.
    #[command(flatten)]
    webhook: WebhookArgs,
}

/// Where and for whom the audit webhook of a Kubernetes cluster listens.
#[derive(clap::Args, Clone, Debug)]
struct WebhookArgs {
    /// Take what a Kubernetes API server's audit webhook posts, at this address, such as 127.0.0.1:9443
    #[arg(long, value_name = "ADDRESS")]
    audit_webhook: Option<String>,
    /// Certificate that the audit webhook shows, in PEM
    #[arg(long, value_name = "FILE", requires = "audit_webhook")]
    audit_webhook_cert: Option<String>,
    /// Key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "audit_webhook_cert")]
    audit_webhook_key: Option<String>,
    /// File with the bearer token that the API server must show
    #[arg(long, value_name = "FILE", requires = "audit_webhook")]
    audit_webhook_token_file: Option<String>,
    /// Authority that must have signed the API server's client certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "audit_webhook_cert")]
    audit_webhook_client_ca: Option<String>,
}

impl WebhookArgs {
    /// The settings that these are another spelling of.
    fn settings(&self) -> impl Iterator<Item = (String, String)> {
        let given = [
            ("listen", &self.audit_webhook),
            ("cert", &self.audit_webhook_cert),
            ("key", &self.audit_webhook_key),
            ("token-file", &self.audit_webhook_token_file),
            ("client-ca", &self.audit_webhook_client_ca),
        ];
        given.into_iter().filter_map(|(key, value)| Some((format!("kubernetes_webhook.{key}"), value.clone()?)))
    }
}

fn name(text: &str) -> Result<&'static str, String> {
    let names = || COLLECTORS.iter().map(|def| def.name);
    names()
        .find(|name| *name == text)
        .ok_or_else(|| format!("no witness is called that; there are {}", names().collect::<Vec<_>>().join(", ")))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected WITNESS.KEY=VALUE")?;
    name(key.split('.').next().unwrap_or_default())?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Witnesses that are there.
type There = Vec<(&'static CollectorDef, Found)>;

impl WitnessArgs {
    /// Where to look for witnesses.
    pub fn around(&self) -> Surroundings {
        let mut around = self.engine.around();
        around.settings.extend(self.set.iter().cloned());
        around.settings.extend(self.webhook.settings());
        around
    }

    /// The witnesses that are wanted.
    pub fn wanted(&self) -> impl Iterator<Item = &'static CollectorDef> {
        COLLECTORS.iter().filter(|def| match self.only.is_empty() {
            true => !self.without.contains(&def.name),
            false => self.only.contains(&def.name),
        })
    }

    /// Whether somebody relies on that witness: an engine that was named must answer.
    fn must_be_there(&self, def: &CollectorDef, around: &Surroundings) -> bool {
        let is_asked_for = def.name == "kubernetes_webhook" && around.setting("kubernetes_webhook.listen").is_some();
        let named = around.host.as_ref().map(|host| if host.ends_with("podman.sock") { "podman" } else { "docker" });
        self.only.contains(&def.name) || is_asked_for || named == Some(def.name)
    }

    /// Starts to listen to all that are wanted and there. What may not be listened to, or fails, is said and stops no other, unless it was named.
    pub fn listen(&self, ui: &Ui) -> Result<Live, Failure> {
        let (live, notes) = self.start()?;
        notes.iter().for_each(|note| ui.note(note));
        Ok(live)
    }

    /// The same; what is not followed is for the caller to say.
    pub fn start(&self) -> Result<(Live, Vec<String>), Failure> {
        let mut notes = Vec::new();
        let around = self.around();
        let mut there: There = Vec::new();
        let mut absent = Vec::new();
        for def in self.wanted() {
            match (def.find)(&around) {
                Presence::Present(found) => there.push((def, found)),
                Presence::Absent { reason, remedy } | Presence::Denied { reason, remedy } if self.must_be_there(def, &around) => {
                    return Err(Failure::new(reason).remedy(remedy));
                }
                Presence::Denied { reason, remedy } => notes.push(not_followed(def, &reason, &remedy)),
                Presence::Absent { reason, remedy } => absent.push((def, reason, remedy)),
            }
        }
        let live = Live::gather(there);
        for started in live.started() {
            let Some(error) = &started.failure else { continue };
            if self.must_be_there(started.def, &around) {
                return Err(live::refused(error));
            }
            let text = error.to_string();
            let (reason, remedy) = text.split_once("; ").unwrap_or((&text, ""));
            notes.push(not_followed(started.def, reason, remedy));
        }
        if flowing(&live).next().is_none() {
            let (reason, remedy) = absent.into_iter().next().map(|(_, reason, remedy)| (reason, remedy)).unwrap_or_default();
            return Err(Failure::new(format!("no witness can be listened to here: {reason}")).remedy(remedy));
        }
        Ok((live, notes))
    }
}

fn not_followed(def: &CollectorDef, reason: &str, remedy: &str) -> String {
    let what = format!("not followed: {}: {reason}", def.name);
    if remedy.is_empty() { what } else { format!("{what}; {remedy}") }
}

/// What is counted while witnesses are listened to.
pub type Counters = Vec<(&'static CollectorDef, Arc<Stats>)>;

/// The witnesses from whom records flow.
pub fn flowing(live: &Live) -> impl Iterator<Item = &Started> {
    live.started().iter().filter(|started| started.failure.is_none())
}

/// The witnesses that are listened to, for a sentence.
pub fn sentence(live: &Live) -> String {
    let names: Vec<String> = flowing(live).map(|started| format!("{} ({})", started.def.name, started.address)).collect();
    names.join(", ")
}

/// What each witness has said, and what was lost of it, in one line.
pub fn account(counters: &Counters) -> String {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let one = |(def, stats): &(&'static CollectorDef, Arc<Stats>)| {
        let mut text = match def.name {
            "docker" => format!("{} events and {} answers of the engine", count(&stats.events), count(&stats.answers)),
            name => format!("{} {name}", count(&stats.events) + count(&stats.answers)),
        };
        let losses =
            [(&stats.missed, "gone before they could be asked about"), (&stats.dropped, "dropped"), (&stats.lost, "breaks of the stream")];
        for (counter, what) in losses {
            if count(counter) > 0 {
                text.push_str(&format!(", {} {what}", count(counter)));
            }
        }
        text
    };
    counters.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What is counted while witnesses are listened to, for [`account`].
pub fn counters(live: &Live) -> Counters {
    flowing(live).map(|started| (started.def, started.stats.clone())).collect()
}
