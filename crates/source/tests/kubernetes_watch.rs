//! List and watch against a stand-in that speaks the API server's own protocol: lists, watches, bookmarks, 410 in both its forms, and connections that break.

#[path = "support/cluster.rs"]
mod cluster;

use cluster::{Cluster, Gone};
use event::fact::{Fact, SensorNote, Sight};
use event::kubernetes::ObjectChange;
use event::{Body, Record};
use source::collect::{Live, Presence, Stopper, Surroundings, collector_named};
use std::time::{Duration, Instant};

/// A collector that follows the stand-in. Its records come one by one.
struct Follower {
    live: Live,
    stopper: Stopper,
}

impl Follower {
    fn of(cluster: &Cluster) -> Follower {
        let mut around = Surroundings::default();
        around.settings.insert("kubernetes.kubeconfig".into(), cluster.kubeconfig());
        around.settings.insert("kubernetes.resources".into(), "pods,namespaces,networkpolicies,cronjobs".into());
        let def = collector_named("kubernetes").unwrap();
        let Presence::Present(found) = (def.find)(&around) else { panic!("not present") };
        let live = Live::gather(vec![(def, found)]);
        assert!(live.started()[0].failure.is_none(), "{}", live.started()[0].failure.as_ref().unwrap());
        let stopper = live.stopper();
        Follower { live, stopper }
    }

    /// What the next record says, in a few words; ticks are left out.
    fn next(&mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(Instant::now() < deadline, "nothing more comes");
            let record = self.live.next().expect("a record");
            if matches!(record.body, Body::Data(_)) {
                return words(record);
            }
        }
    }

    /// Reads on until that comes; gives what came before it.
    fn until(&mut self, what: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.next() {
                said if said == what => return before,
                said => before.push(said),
            }
            assert!(before.len() < 100, "{what} does not come: {before:?}");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stopper.stop_in(Duration::ZERO);
    }
}

fn words(record: Record) -> String {
    match source::prepare(record).content.unwrap().unwrap().fact {
        Some(Fact::Object(event)) => {
            let change = match event.change {
                ObjectChange::Added => "+",
                ObjectChange::Modified => "~",
                ObjectChange::Deleted => "-",
            };
            format!("{change}{} {}", event.object.kind, event.object.name)
        }
        Some(Fact::Objects(list)) => {
            let names: Vec<&str> = list.items.iter().map(|object| object.name.as_str()).collect();
            format!("all {}: {}", list.kind, names.join(" "))
        }
        Some(Fact::Sensor(SensorNote { of, note })) => {
            assert_eq!(of, "kubernetes_objects");
            match note {
                Sight::Started => "started".into(),
                Sight::Lost { .. } => "lost".into(),
                Sight::Resumed { complete, .. } => format!("resumed {complete}"),
                other => format!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

/// A cluster with a pod, and a follower that has seen it.
fn begin() -> (Cluster, Follower) {
    let cluster = Cluster::start();
    cluster.put("pods", "a");
    cluster.put("namespaces", "shop");
    let mut follower = Follower::of(&cluster);
    assert_eq!(follower.next(), "started");
    let mut lists: Vec<String> = (0..3).map(|_| follower.next()).collect();
    lists.sort();
    // The stand-in has no group `batch`, as old servers have not; that hinders nothing.
    assert_eq!(lists, ["all Namespace: shop", "all NetworkPolicy: ", "all Pod: a"]);
    cluster.wait_for_watches(3);
    (cluster, follower)
}

#[test]
fn what_stands_is_listed_and_what_changes_is_told() {
    let (cluster, mut follower) = begin();
    cluster.put("pods", "b");
    assert_eq!(follower.next(), "+Pod b");
    cluster.put("pods", "b");
    assert_eq!(follower.next(), "~Pod b");
    cluster.remove("pods", "a");
    assert_eq!(follower.next(), "-Pod a");
    cluster.put("networkpolicies", "deny");
    assert_eq!(follower.next(), "+NetworkPolicy deny");
}

#[test]
fn a_watch_that_ends_in_good_order_is_no_gap() {
    let (cluster, mut follower) = begin();
    cluster.put("pods", "b");
    assert_eq!(follower.next(), "+Pod b");
    cluster.end_watches();
    cluster.put("pods", "c");
    // Taken up where it stood: nothing twice, nothing missed, nothing to be said.
    assert_eq!(follower.next(), "+Pod c");
}

#[test]
fn a_broken_connection_is_said_and_taken_up_without_a_gap() {
    let (cluster, mut follower) = begin();
    cluster.cut();
    assert_eq!(follower.next(), "lost");
    cluster.put("pods", "b");
    cluster.mend();
    let mut said = follower.until("resumed true");
    said.extend((said.is_empty()).then(|| follower.next()));
    assert_eq!(said, ["+Pod b"]);
}

#[test]
fn a_bookmark_carries_a_quiet_watch_past_what_is_forgotten() {
    let (cluster, mut follower) = begin();
    // Much happens to namespaces, nothing to pods.
    for number in 0..5 {
        cluster.put("namespaces", &format!("n{number}"));
        assert_eq!(follower.next(), format!("+Namespace n{number}"));
    }
    cluster.bookmark();
    // The bookmark itself is no record; that it has arrived shows in the next event of each watch.
    cluster.put("networkpolicies", "x");
    assert_eq!(follower.next(), "+NetworkPolicy x");
    cluster.put("pods", "y");
    assert_eq!(follower.next(), "+Pod y");
    cluster.bookmark();
    std::thread::sleep(Duration::from_millis(200));
    cluster.forget(Gone::Status);
    cluster.end_watches();
    cluster.wait_for_watches(3);
    cluster.put("pods", "z");
    assert_eq!(follower.next(), "+Pod z", "nobody had to list again");
}

#[test]
fn a_version_that_is_gone_makes_a_new_list_whichever_way_it_is_said() {
    for way in [Gone::Status, Gone::Event] {
        let (cluster, mut follower) = begin();
        cluster.cut();
        assert_eq!(follower.next(), "lost");
        cluster.remove("pods", "a");
        cluster.put("pods", "b");
        cluster.forget(way);
        cluster.mend();
        let said = follower.until("resumed false");
        assert!(said.contains(&"all Pod: b".to_owned()), "{way:?}: {said:?}");
        cluster.put("pods", "c");
        assert_eq!(follower.until("+Pod c").iter().filter(|said| said.starts_with('+')).count(), 0, "{way:?}");
    }
}

#[test]
fn a_cluster_that_refuses_or_is_not_there_says_what_to_do() {
    let cluster = Cluster::start();
    cluster.refuse();
    let start = |kubeconfig: String| {
        let mut around = Surroundings::default();
        around.settings.insert("kubernetes.kubeconfig".into(), kubeconfig);
        let def = collector_named("kubernetes").unwrap();
        match (def.find)(&around) {
            Presence::Present(found) => Live::gather(vec![(def, found)]).started()[0].failure.as_ref().map(ToString::to_string),
            Presence::Absent { reason, .. } | Presence::Denied { reason, .. } => Some(reason),
        }
    };
    let refused = start(cluster.kubeconfig()).unwrap();
    assert!(refused.contains("403") && refused.contains("grant list and watch"), "{refused}");
    assert!(start("/no/such/file".into()).unwrap().contains("no such file"));
    let kubeconfig = cluster.kubeconfig();
    std::fs::write(&kubeconfig, "{}").unwrap();
    assert!(start(kubeconfig).is_some());
}
