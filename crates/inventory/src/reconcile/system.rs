//! What the kernel's witnesses show: processes in containers, or in namespaces of their own.

use super::claim::{Claim, Process, Sort};
use super::{State, key};
use crate::host::Host;
use crate::id::Id;
use crate::kernel::Where;
use crate::row::RowOut;
use event::cgroup::container_of;
use event::system::{ProcessAction, ProcessEvent};
use event::{Event, SmolStr};

/// Namespaces that are remembered as a container's.
const NAMESPACES_MAX: usize = if cfg!(test) { 1_024 } else { 65_536 };

impl State {
    /// A process was seen.
    pub(super) fn process(&mut self, said: &ProcessEvent, host: &Host, cause: &Event, out: &mut RowOut<'_>) {
        if matches!(said.action, ProcessAction::Exit | ProcessAction::Fork) || said.container_id == "host" {
            return;
        }
        // Where the world found the process to run in a container that it knows, nothing is to be asked.
        let placed = host.kernel.now.as_ref().map(|placed| &placed.place);
        if let Some(Where::Container(id)) = placed
            && host.container(id).is_some()
        {
            if said.namespaces.mnt != 0 && said.namespaces.mnt != said.host_namespaces.mnt {
                self.learn(cause, said.namespaces.mnt, &id.text(), out);
            }
            return;
        }
        let (mine, theirs) = (said.namespaces, said.host_namespaces);
        let foreign =
            mine.mnt != 0 && mine.pid != 0 && theirs.mnt != 0 && theirs.pid != 0 && mine.mnt != theirs.mnt && mine.pid != theirs.pid;
        let group = container_of(&said.cgroup);
        let sure = !said.container_id.is_empty() || group.as_ref().is_some_and(|group| group.certain);
        let id = if said.container_id.is_empty() { group.as_ref().map(|group| group.id.clone()) } else { Some(said.container_id.clone()) };
        let id = id.filter(|_| sure || foreign);
        if let Some(id) = id {
            if foreign {
                self.learn(cause, mine.mnt, &id, out);
            }
            if is_known(host, &id) {
                return;
            }
            let mut claim = Claim::new(Sort::SystemWithoutRuntime, id.clone(), cause);
            if let Some(group) = group {
                claim.build = group.build;
                claim.runtime = SmolStr::new_static(group.runtime);
            }
            claim.cgroup = said.cgroup.clone();
            claim.image = said.container_image.clone();
            claim.process = Some(Box::new(described(said)));
            claim.awaited = true;
            self.claim(key('c', &id), claim, cause, out);
        } else if foreign && !is_runtimes_own(said) {
            // A shell that entered a container's namespaces from outside is in no control group of it, and no container of its own.
            if self.namespaces.get(&(cause.host.clone(), mine.mnt)).is_some() {
                return;
            }
            let what = SmolStr::from(format!("mount namespace {}", mine.mnt));
            let mut claim = Claim::new(Sort::SystemWithoutRuntime, what, cause);
            claim.cgroup = said.cgroup.clone();
            claim.mnt = mine.mnt;
            claim.process = Some(Box::new(described(said)));
            claim.awaited = true;
            self.claim(SmolStr::from(format!("n:{}", mine.mnt)), claim, cause, out);
        }
    }

    /// Remembers whose a mount namespace is, and settles what was claimed of it while that was not known.
    fn learn(&mut self, cause: &Event, mnt: u64, id: &SmolStr, out: &mut RowOut<'_>) {
        let place = (cause.host.clone(), mnt);
        if self.namespaces.get(&place).is_some_and(|known| known == id) {
            return;
        }
        if self.namespaces.len() >= NAMESPACES_MAX {
            self.namespaces.drain(..NAMESPACES_MAX / 16);
            out.forgot("inventory.namespaces", NAMESPACES_MAX as u64 / 16);
        }
        self.namespaces.insert(place, id.clone());
        let nameless = (cause.host.clone(), SmolStr::from(format!("n:{mnt}")));
        if let Some(claim) = self.claims.remove(&nameless) {
            self.no_longer_waits(&nameless.0, claim.waits);
        }
    }
}

/// Whether a runtime of the host has told of a container of that id, which may be cut off.
pub(super) fn is_known(host: &Host, id: &str) -> bool {
    let exact = Id::new(id);
    if host.container(&exact).is_some() || host.cluster.as_ref().is_some_and(|cluster| cluster.container_of(&exact).is_some()) {
        return true;
    }
    // Only the beginning of an id is to be looked for among all; a whole one would have been found.
    (12..64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit()) && host.find(id).is_some()
}

/// The runtime's own first step inside: it has the new namespaces before the container's control group and before the runtime's word.
fn is_runtimes_own(said: &ProcessEvent) -> bool {
    let init = said.command.get(1).is_some_and(|word| word == "init");
    let first = said.command.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
    init && matches!(first, "runc" | "crun" | "exe" | "runc:[2:INIT]")
}

fn described(said: &ProcessEvent) -> Process {
    Process {
        pid: said.pid,
        parent_pid: said.parent_pid,
        executable: said.executable.clone(),
        command_line: SmolStr::from(said.command.join(" ")),
        parent: said.parent_command.clone(),
    }
}
