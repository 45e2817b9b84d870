//! Images, and which of them a reference names.

use super::Hands;
use crate::host::{Host, Image, reference_key};
use crate::step::Step;
use event::fact::{ImageAction, ImageEvent, ImageSpec};
use event::{Event, SmolStr};

/// References remembered of one image, those taken away since included.
const REFERENCES_MAX: usize = 32;

/// Applies an image's event.
pub(super) fn happened(host: &mut Host, event: &Event, said: &ImageEvent, hands: &mut Hands<'_>) {
    let is_id = said.id.starts_with("sha256:");
    let mut moved_from = None;
    let id = match &said.action {
        ImageAction::Tag | ImageAction::Import | ImageAction::Load | ImageAction::Create if is_id => {
            upsert(host, event, &said.id, false, hands);
            if !said.name.is_empty() && !said.name.starts_with("sha256:") {
                moved_from = host.image_id(&said.name).filter(|old| **old != said.id).cloned();
                name(host, &said.id, &said.name, hands);
            }
            Some(said.id.clone())
        }
        ImageAction::Pull => {
            // The event names no id, and the reference may name another image now than before: unknown until something says it.
            let reference = if is_id { &said.name } else { &said.id };
            moved_from = host.references.shift_remove(&reference_key(reference));
            None
        }
        ImageAction::Untag => {
            if !said.name.is_empty() && host.image_id(&said.name) == Some(&said.id) {
                host.references.shift_remove(&reference_key(&said.name));
            }
            is_id.then(|| said.id.clone())
        }
        ImageAction::Delete => {
            if is_id {
                host.images.shift_remove(&said.id);
                host.references.retain(|_, id| *id != said.id);
            }
            is_id.then(|| said.id.clone())
        }
        _ if is_id => Some(said.id.clone()),
        _ => host.image_id(&said.id).or_else(|| host.image_id(&said.name)).cloned(),
    };
    hands.say(Step::Image { id, moved_from });
}

/// Takes an image's description.
pub(super) fn inspected(host: &mut Host, event: &Event, spec: &ImageSpec, hands: &mut Hands<'_>) {
    let first = host.images.get(&spec.id).is_none_or(|image| !image.described);
    describe(host, event, spec, false, hands);
    hands.say(Step::ImageInspected { id: spec.id.clone(), first });
}

/// Remembers what an inspect or a list says of an image.
pub(super) fn describe(host: &mut Host, event: &Event, spec: &ImageSpec, at_start: bool, hands: &mut Hands<'_>) {
    if spec.id.is_empty() {
        return;
    }
    upsert(host, event, &spec.id, at_start, hands);
    if let Some(image) = host.images.get_mut(&spec.id) {
        image.described = true;
        // A list says less than an inspect: it does not take away what was known.
        let mut spec = spec.clone();
        if spec.layers.is_empty() {
            spec.layers = std::mem::take(&mut image.spec.layers);
        }
        if spec.command.is_empty() {
            spec.command = std::mem::take(&mut image.spec.command);
        }
        if spec.parent_container.is_empty() {
            spec.parent_container = std::mem::take(&mut image.spec.parent_container);
        }
        if spec.comment.is_empty() {
            spec.comment = std::mem::take(&mut image.spec.comment);
        }
        if !spec.digests_known {
            spec.digests_known = image.spec.digests_known;
            spec.repo_digests = std::mem::take(&mut image.spec.repo_digests);
        }
        image.spec = spec;
    }
    for reference in spec.tags.iter().chain(&spec.repo_digests) {
        name(host, &spec.id, reference, hands);
    }
}

/// The images on a complete list; those that are not on it are gone.
pub(super) fn listed(host: &mut Host, event: &Event, list: &[ImageSpec], at_start: bool, hands: &mut Hands<'_>) {
    let ids: std::collections::BTreeSet<&SmolStr> = list.iter().map(|image| &image.id).collect();
    host.images.retain(|id, image| ids.contains(id) || image.seen > event.time);
    host.references.retain(|_, id| ids.contains(id));
    for image in list {
        describe(host, event, image, at_start, hands);
    }
}

fn upsert(host: &mut Host, event: &Event, id: &SmolStr, at_start: bool, hands: &mut Hands<'_>) {
    if !host.images.contains_key(id) {
        host.bound_images(hands.pressure);
        let spec = ImageSpec { id: id.clone(), ..ImageSpec::default() };
        host.images.insert(id.clone(), Image { spec, at_start, described: false, seen: event.time, references: Vec::new() });
    }
}

fn name(host: &mut Host, id: &SmolStr, reference: &SmolStr, hands: &mut Hands<'_>) {
    host.learn_reference(reference, id, hands.pressure);
    if let Some(image) = host.images.get_mut(id)
        && !image.references.contains(reference)
    {
        if image.references.len() >= REFERENCES_MAX {
            image.references.remove(0);
            hands.pressure.add("inventory.references", 1);
        }
        image.references.push(reference.clone());
    }
}
