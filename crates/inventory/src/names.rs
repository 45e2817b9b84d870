//! Names that an attacker would like to wear, and what looks like them.
//!
//! A name adds suspicion or protection and never removes any: whoever wears a known name is looked at more closely.

use event::problem::edits;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How near a name comes to a known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The known name itself, alone or as a whole word of the name.
    Exact,
    /// Another spelling: look-alike letters, invisible characters, other separators, or a slip.
    Similar,
}

/// A known name: its words, whether it is part of monitoring, and whether a slip of one letter counts (not for names that are near to ordinary words).
struct Known {
    name: &'static str,
    monitoring: bool,
    fuzzy: bool,
}

const fn sensor(name: &'static str, fuzzy: bool) -> Known {
    Known { name, monitoring: true, fuzzy }
}

const fn system(name: &'static str, fuzzy: bool) -> Known {
    Known { name, monitoring: false, fuzzy }
}

/// Longer names stand before those that they contain, so that the more telling one is found.
static KNOWN: &[Known] = &[
    sensor("falcosidekick", true),
    sensor("falcoctl", true),
    sensor("falcon-sensor", true),
    sensor("falco", true),
    sensor("tetragon", true),
    sensor("tracee", true),
    sensor("sysdig", true),
    sensor("wazuh", true),
    sensor("ossec", true),
    sensor("osqueryd", true),
    sensor("osquery", true),
    sensor("datadog-agent", true),
    sensor("dd-agent", false),
    sensor("crowdstrike", true),
    sensor("aquasec", true),
    sensor("kunai", false),
    sensor("kubearmor", true),
    sensor("node-agent", false),
    sensor("kubescape", true),
    sensor("fluent-bit", true),
    sensor("fluentd", true),
    sensor("filebeat", true),
    sensor("auditbeat", true),
    sensor("packetbeat", true),
    sensor("elastic-agent", true),
    sensor("promtail", true),
    sensor("suricata", true),
    sensor("zeek", false),
    sensor("auditd", false),
    sensor("twistlock", true),
    sensor("neuvector", true),
    sensor("landwaiter", true),
    system("kube-controller-manager", true),
    system("kube-apiserver", true),
    system("kube-scheduler", true),
    system("kube-proxy", true),
    system("kubelet", true),
    system("coredns", true),
    system("calico-node", true),
    system("cilium", true),
    system("containerd", true),
    system("dockerd", false),
    system("pause", false),
    system("etcd", false),
];

/// The bones of the known names, in their order, with the letters that they hold; they are plain ASCII.
static BONES: LazyLock<Vec<(String, u32)>> = LazyLock::new(|| {
    let bones = KNOWN.iter().map(|known| skeleton(known.name));
    bones.map(|bones| (bones.clone(), letters(&bones))).collect()
});

/// A name longer than this imitates nothing: it cannot be mistaken, and comparing it would cost.
const NAME_MAX: usize = 256;

/// Whether a name says that it is part of monitoring: the known name that it holds, exactly.
pub fn claims_monitoring(name: &str) -> Option<&'static str> {
    if name.len() > NAME_MAX {
        return None;
    }
    held(name).find(|known| known.monitoring).map(|known| known.name)
}

/// The known name that `name` takes or imitates, and how. Of several the exact one, then the first of the list.
pub fn resembles(name: &str) -> Option<(&'static str, Likeness)> {
    if name.len() > NAME_MAX {
        return None;
    }
    if let Some(hit) = held(name).next() {
        return Some((hit.name, Likeness::Exact));
    }
    let bones = skeleton(name);
    let core = skeleton(name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.')));
    let (length, held) = (core.chars().count(), letters(&core));
    for (known, (other, letters)) in KNOWN.iter().zip(BONES.iter()) {
        let slips = if other.len() >= 9 { 2 } else { 1 };
        // A slip counts only for the whole name, not for a part: parts of ordinary names are near to something too often. Each slip brings in one letter
        // at most, so most names are told apart without counting slips.
        let near = other.len().abs_diff(length) <= slips && (letters & !held).count_ones() as usize <= slips;
        let slip = known.fuzzy && near && edits(&core, other) <= slips;
        if bones == *other || core == *other || slip || hidden_word(name, other) {
            return Some((known.name, Likeness::Similar));
        }
    }
    None
}

/// The letters of a name, one bit each.
fn letters(bones: &str) -> u32 {
    bones.bytes().filter(u8::is_ascii_lowercase).fold(0, |held, letter| held | 1 << (letter - b'a'))
}

/// Whether one word of the name, foreign letters and all, has the bones of a known name. Plain ASCII words were compared as they are.
fn hidden_word(name: &str, bones: &str) -> bool {
    !name.is_ascii() && name.split(['-', '_', '.', '/', ' ']).any(|word| !word.is_ascii() && skeleton(word) == bones)
}

/// The known names by their first word, in the order of the list.
static FIRST: LazyLock<BTreeMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut first: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for (index, known) in KNOWN.iter().enumerate() {
        first.entry(known.name.split('-').next().unwrap_or_default()).or_default().push(index);
    }
    first
});

/// The known names whose words follow one another among the words of `name`, in the order of the list.
fn held(name: &str) -> impl Iterator<Item = &'static Known> {
    let words = || name.split(['-', '_', '.', '/']).filter(|word| !word.is_empty());
    let mut found: Vec<usize> = Vec::new();
    for (at, word) in words().enumerate() {
        for index in FIRST.get(word).into_iter().flatten() {
            let mut rest = words().skip(at);
            if KNOWN[*index].name.split('-').all(|wanted| rest.next() == Some(wanted)) {
                found.push(*index);
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(|index| &KNOWN[index])
}

/// The bones of a name: lower case, look-alike letters as one letter, invisible characters and separators gone. Two names with the same bones look the same.
pub fn skeleton(name: &str) -> String {
    if name.is_ascii() {
        return name.chars().filter_map(|c| bone(c.to_ascii_lowercase())).collect();
    }
    name.chars().flat_map(char::to_lowercase).filter_map(bone).collect()
}

fn bone(c: char) -> Option<char> {
    Some(match c {
        'a'..='h' | 'j' | 'k' | 'm'..='z' => c,
        '-' | '_' | '.' | ' ' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}' => return None,
        // Invisible: soft hyphen, combining marks, zero width, bidirectional controls, word joiners, variation selectors, byte order mark, tags.
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => return None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{180e}' => return None,
        c if c.is_control() => return None,
        '0' | 'о' | 'ο' | 'օ' | 'ó' | 'ò' | 'ö' | 'ô' | 'õ' | 'ø' => 'o',
        '1' | '|' | 'i' | 'ı' | 'і' | 'ι' | 'í' | 'ì' | 'ï' | 'î' | 'ӏ' | 'ł' | 'l' | 'ⅼ' | 'ⅰ' => 'l',
        'а' | 'α' | 'á' | 'à' | 'ä' | 'â' | 'ã' | 'å' | 'ɑ' | '@' => 'a',
        'в' | 'ь' => 'b',
        'с' | 'ϲ' | 'ç' | 'ć' | 'č' | 'ⅽ' => 'c',
        'ԁ' | 'ⅾ' => 'd',
        'е' | 'ε' | 'é' | 'è' | 'ë' | 'ê' | 'є' | 'ҽ' | '3' => 'e',
        'ƒ' => 'f',
        'ɡ' | 'ց' => 'g',
        'һ' | 'н' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'ⅿ' => 'm',
        'ո' | 'п' | 'η' | 'ñ' | 'ń' => 'n',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' | '5' | '$' | 'š' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' | 'ú' | 'ù' | 'ü' | 'û' => 'u',
        'ν' | 'ѵ' | 'ⅴ' => 'v',
        'ѡ' | 'ԝ' | 'ω' => 'w',
        'х' | 'χ' | 'ⅹ' => 'x',
        'у' | 'γ' | 'ý' | 'ÿ' => 'y',
        'ᴢ' | 'ż' | 'ž' => 'z',
        // Full-width forms are the ASCII letters, wide.
        '\u{ff10}'..='\u{ff5a}' => return char::from_u32(c as u32 - 0xfee0).and_then(|plain| bone(plain.to_ascii_lowercase())),
        c => c,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(name: &str) -> String {
        match resembles(name) {
            None => "none".to_owned(),
            Some((known, likeness)) => format!("{known} {likeness:?}"),
        }
    }

    #[test]
    fn known_names_are_found_alone_and_as_words() {
        assert_eq!(picture("falco"), "falco Exact");
        assert_eq!(picture("monitoring-falco-1"), "falco Exact");
        assert_eq!(picture("k8s_kube-proxy_kube-proxy-x_kube-system_1"), "kube-proxy Exact");
        assert_eq!(picture("crowdstrike-falcon-sensor"), "falcon-sensor Exact");
    }

    #[test]
    fn imitations_are_found() {
        assert_eq!(picture("falcо"), "falco Similar");
        assert_eq!(picture("fal\u{200b}co"), "falco Similar");
        assert_eq!(picture("FALCO"), "falco Similar");
        assert_eq!(picture("fa1co"), "falco Similar");
        assert_eq!(picture("flaco"), "falco Similar");
        assert_eq!(picture("kube_proxy"), "kube-proxy Exact");
        assert_eq!(picture("kubeproxy"), "kube-proxy Similar");
        assert_eq!(picture("kube-prxy-2"), "kube-proxy Similar");
        assert_eq!(picture("mon-fаlco-1"), "falco Similar");
        assert_eq!(picture("ｆａｌｃｏ"), "falco Similar");
    }

    #[test]
    fn ordinary_names_resemble_nothing() {
        for name in
            ["web", "db-1", "nginx", "paused", "cause", "hopeful_lovelace", "docker", "redis", "etc", "shop-api-1", "zen", "wait", ""]
        {
            assert_eq!(picture(name), "none", "{name}");
        }
    }
}
