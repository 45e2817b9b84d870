//! What the API server says: requests and objects of a cluster.

use super::Hands;
use crate::host::Host;
use crate::step::Step;
use event::Event;
use event::fact::Fact;

/// Applies what such a witness says.
pub(super) fn applied(_host: &mut Host, _event: &Event, _fact: &Fact, hands: &mut Hands<'_>) {
    hands.say(Step::Cluster);
}
