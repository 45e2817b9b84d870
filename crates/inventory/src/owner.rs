//! What stays when a container is made anew, and what its labels say made it. For pairing only: anyone may write a label or choose a name.

use crate::container::Container;
use crate::image_ref::ImageRef;
use event::SmolStr;

/// What the labels say made it: `compose:project/service`, `swarm:service`, `k8s:namespace/pod`.
pub fn owner(labels: &[(SmolStr, SmolStr)]) -> Option<SmolStr> {
    let label = |key: &str| labels.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    if let (Some(namespace), Some(pod)) = (label("io.kubernetes.pod.namespace"), label("io.kubernetes.pod.name")) {
        return Some(format!("k8s:{namespace}/{pod}").into());
    }
    if let Some(service) = label("com.docker.swarm.service.name") {
        return Some(format!("swarm:{service}").into());
    }
    if let (Some(project), Some(service)) = (label("com.docker.compose.project"), label("com.docker.compose.service")) {
        return Some(format!("compose:{project}/{service}").into());
    }
    None
}

/// What stays when it is made anew: owner, else chosen name, else image repository.
pub fn workload(container: &Container) -> Option<SmolStr> {
    if let Some(part) = &container.pod {
        return Some(part.workload());
    }
    if let Some(pod) = container.label("io.kubernetes.pod.name") {
        let namespace = container.label("io.kubernetes.pod.namespace").map_or("", SmolStr::as_str);
        let part = container.label("io.kubernetes.container.name").map_or("", SmolStr::as_str);
        return Some(format!("k8s:{namespace}/{}/{part}", pod_stem(pod)).into());
    }
    if let Some(owner) = owner(&container.labels) {
        return Some(owner);
    }
    if !container.name.is_empty() && !looks_generated(&container.name) {
        return Some(format!("name:{}", container.name).into());
    }
    ImageRef::parse(&container.image).map(|reference| format!("image:{}", reference.repository()).into())
}

/// A pod's name without the random endings that a controller gives it.
pub(crate) fn pod_stem(pod: &str) -> &str {
    let random = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_digit())
    };
    let cut = |name: &'_ str, least, most| name.rsplit_once('-').filter(|(_, tail)| random(tail, least, most)).map(|(stem, _)| stem.len());
    let stem = cut(pod, 5, 5).map_or(pod, |end| &pod[..end]);
    cut(stem, 8, 10).map_or(stem, |end| &stem[..end])
}

/// The engine's own names are an adjective and a surname with an underscore between, and a digit behind when taken. A chosen name that looks so is not
/// used for pairing; then the image is.
fn looks_generated(name: &str) -> bool {
    let Some((left, right)) = name.split_once('_') else { return false };
    let word = |w: &str| w.len() >= 3 && w.bytes().all(|b| b.is_ascii_lowercase());
    let right = right.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(right);
    word(left) && word(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Origin;
    use crate::id::Id;

    fn container(name: &str, image: &str, labels: &[(&str, &str)]) -> Container {
        Container {
            name: name.into(),
            image: image.into(),
            labels: labels.iter().map(|(k, v)| (SmolStr::new(k), SmolStr::new(v))).collect(),
            ..Container::new(Id::new("x"), Origin::Created)
        }
    }

    #[test]
    fn a_workload_keeps_its_id_when_it_is_made_anew() {
        let picture = |name, image, labels: &[(&str, &str)]| workload(&container(name, image, labels)).unwrap_or_default().to_string();
        let compose = [("com.docker.compose.project", "shop"), ("com.docker.compose.service", "api")];
        assert_eq!(picture("3f2a_shop-api-1", "app:1", &compose), "compose:shop/api");
        let pod = |pod| [("io.kubernetes.pod.namespace", "shop"), ("io.kubernetes.pod.name", pod), ("io.kubernetes.container.name", "api")];
        assert_eq!(picture("k8s_x", "app:1", &pod("api-7d4b9c6f58-x2v9k")), "k8s:shop/api/api");
        assert_eq!(picture("k8s_x", "app:1", &pod("api-gateway")), "k8s:shop/api-gateway/api");
        assert_eq!(picture("db", "postgres:16", &[]), "name:db");
        assert_eq!(picture("hopeful_lovelace7", "registry.example:5000/app:1", &[]), "image:registry.example:5000/app");
        assert_eq!(picture("", "", &[]), "");
    }
}
