//! What to change so that it does not come again: a remedy for each reason that a finding may rest on.
//!
//! Reasons are those of `container.posture.dangerous` and the names of changed properties. Each remedy says what to do with Docker, and with a pod where that
//! is spelled otherwise.

/// A remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The reason that it answers.
    pub reason: String,
    /// What to do.
    pub what: &'static str,
}

/// Beginnings of reasons, the more particular first, and what to do.
const REMEDIES: &[(&str, &str)] = &[
    ("privileged", "drop --privileged (securityContext.privileged); add only the capabilities and devices that the program fails without"),
    (
        "capability:NET_ADMIN",
        "give network set-up to the engine or the network plugin; drop NET_ADMIN (capabilities.drop: [ALL], then add what is needed)",
    ),
    ("capability:SYS_ADMIN", "SYS_ADMIN is nearly root: find the one call that needs it, and move that to a helper outside"),
    ("capability:", "drop it (--cap-drop ALL, then --cap-add what the program fails without; in a pod capabilities.drop: [ALL])"),
    ("namespace:pid", "drop --pid=host (hostPID): read processes through a metrics endpoint, or share the namespace of one container only"),
    (
        "namespace:net",
        "drop --network=host (hostNetwork) and publish the ports that are needed: only then policies and flow records see it",
    ),
    ("namespace:", "drop the shared host namespace (--ipc, --uts, --userns, --cgroupns; hostIPC, hostUsers)"),
    (
        "mount:engine_socket",
        "take the engine's socket out; read-only does not weaken it. Use a filtering proxy that allows the few calls that are needed",
    ),
    ("mount:root", "mount the one folder that is needed instead of /, read-only"),
    ("mount:logs", "mount log folders read-only, and write to a volume of its own"),
    ("mount:", "mount only the file or folder that is needed, read-only, or copy it into a volume or config map"),
    ("device:", "drop the device (--device, volumeDevices); give a volume made by the engine or the storage driver"),
    ("security:seccomp", "take seccomp=unconfined away (seccompProfile: RuntimeDefault); if a call is missing, add it to a profile"),
    ("security:apparmor", "take apparmor=unconfined away (appArmorProfile: RuntimeDefault)"),
    ("security:", "take the switched-off confinement away; write a profile for the one thing that it forbids"),
    ("log:", "use the engine's default log driver, with max-size of some megabytes and max-file of 3"),
    ("runtime:", "use the engine's default runtime, or watch inside the other one: what watches the host does not see into it"),
    (
        "limits.cpu",
        "put the processor limit back, and set a ceiling that nobody can raise alone (LimitRange, or limits in the compose file that is reviewed)",
    ),
    ("limits.memory", "put the memory limit back, and set a ceiling that nobody can raise alone (LimitRange, ResourceQuota)"),
    ("limits.pids", "put the process limit back (--pids-limit; podPidsLimit of the kubelet)"),
    ("limits.", "put the limit back, and find out who may change it"),
    ("policy.widened", "put the policy back from the repository, and let only the deployment tool write policies (RBAC)"),
    ("guard.changed", "put the guardrail back from the repository, then judge anew everything that was admitted since"),
    (
        "network.opened",
        "disconnect it from the network that it was joined to (docker network disconnect), and keep internal networks internal",
    ),
    (
        "inventory.discrepancy",
        "find who can reach the runtime's own socket or start programs as root on that host; a container that no engine knows was started past all of its checks",
    ),
    ("sensor.", "put the sensor back, and see that nobody but its owner can stop, limit or reschedule it"),
    ("image.masquerade", "remove the reference (docker rmi NAME), pull the true image by digest, and pin digests in what deploys it"),
    ("request.powers", "take the binding away; grant the verbs and names that are needed in one namespace"),
    ("exec", "allow exec to few people and for a time only (RBAC on pods/exec; an authorization plugin for the engine)"),
];

/// The remedies for some reasons, each once, in the order of the reasons.
pub fn remedies<'a>(reasons: impl IntoIterator<Item = &'a str>) -> Vec<Remedy> {
    let mut found: Vec<Remedy> = Vec::new();
    for reason in reasons {
        let Some((_, what)) = REMEDIES.iter().find(|(begin, _)| reason.starts_with(begin)) else { continue };
        if !found.iter().any(|known| known.what == *what) {
            found.push(Remedy { reason: reason.to_owned(), what });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_remedy_answers_and_each_is_said_once() {
        let found = remedies(["capability:SYS_ADMIN", "capability:BPF", "capability:SYS_MODULE", "mount:engine_socket", "unheard of"]);
        assert_eq!(found.len(), 3);
        assert!(found[0].what.contains("nearly root") && found[2].what.contains("socket"));
    }

    #[test]
    fn no_remedy_hides_behind_a_wider_one() {
        for (i, (begin, _)) in REMEDIES.iter().enumerate() {
            let first = REMEDIES.iter().position(|(other, _)| begin.starts_with(other));
            assert_eq!(first, Some(i), "{begin} is never reached");
        }
    }
}
