//! Where a container's output goes, and whether anything of it stays.

use event::fact::{ContainerSpec, EngineSpec};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Less than this in all is not a log: it holds seconds of output.
pub const STARVED_BELOW: u64 = 64 * 1024;

/// What became of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogKind {
    /// As the engine does it for everyone.
    Default,
    /// The engine's default has not been seen.
    #[default]
    Unknown,
    /// May lose lines under load (`mode=non-blocking`).
    Lossy,
    /// Another driver than the engine's default.
    Diverted,
    /// Keeps under [`STARVED_BELOW`] bytes in all.
    Starved,
    /// Nothing is kept (`none`).
    Off,
}

impl LogKind {
    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            LogKind::Default => "default",
            LogKind::Unknown => "unknown",
            LogKind::Lossy => "lossy",
            LogKind::Diverted => "diverted",
            LogKind::Starved => "starved",
            LogKind::Off => "off",
        }
    }
}

/// Where the output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Log {
    /// The driver.
    pub driver: SmolStr,
    /// What became of the log.
    pub kind: LogKind,
    /// Bytes kept at most, where the driver has a bound that could be read.
    pub retained: Option<u64>,
    /// An option that holds no readable size or count, with its value: the engine and we may read it differently.
    pub unreadable: Option<(SmolStr, SmolStr)>,
}

/// Judges the log settings of a container against the engine's default.
pub fn judge(spec: &ContainerSpec, engine: Option<&EngineSpec>) -> Log {
    let driver = spec.log_driver.clone();
    let default = engine.and_then(|engine| engine.log_driver.as_deref()).filter(|name| !name.is_empty());
    let option = |name: &str| spec.log_options.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut log = Log { driver: driver.clone(), ..Log::default() };

    if matches!(driver.as_str(), "json-file" | "local" | "k8s-file") {
        let size = option("max-size").map(|text| (text, size(text)));
        let files = option("max-file").map(|text| (text, text.trim().parse::<u64>().ok()));
        for (name, text, bad) in [
            ("max-size", size.map(|s| s.0), size.is_some_and(|s| s.1.is_none())),
            ("max-file", files.map(|f| f.0), files.is_some_and(|f| f.1.is_none())),
        ] {
            if let (true, Some(text)) = (bad, text) {
                log.unreadable = Some((SmolStr::new_static(name), text.clone()));
            }
        }
        // The driver `local` rotates by itself: five files of 20 MB. The others keep everything until told otherwise.
        let size = match size {
            Some((_, Some(Size::Bytes(bytes)))) => Some(bytes),
            None if driver == "local" => Some(20_000_000),
            _ => None,
        };
        let files = match files {
            Some((_, Some(count))) => count.max(1),
            _ if driver == "local" => 5,
            _ => 1,
        };
        log.retained = size.map(|size| size.saturating_mul(files));
    }

    // An engine that keeps nothing for anyone is the host's matter, told once as a change of the engine, not of each container.
    let is_default = default.map(|default| default == driver);
    log.kind = if driver == "none" {
        if is_default == Some(true) { LogKind::Default } else { LogKind::Off }
    } else if log.retained.is_some_and(|bytes| bytes < STARVED_BELOW) {
        LogKind::Starved
    } else if is_default == Some(false) && !driver.is_empty() {
        LogKind::Diverted
    } else if option("mode").is_some_and(|mode| mode.trim().eq_ignore_ascii_case("non-blocking")) {
        LogKind::Lossy
    } else if log.unreadable.is_some() || driver.is_empty() || is_default.is_none() {
        LogKind::Unknown
    } else {
        LogKind::Default
    };
    log
}

/// A size as the engine reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many bytes.
    Bytes(u64),
    /// `-1`: no bound.
    Unlimited,
}

/// Reads a size as the engine does: a decimal number, an optional unit of powers of 1000, an optional `b`. `None` when it is none.
pub fn size(text: &str) -> Option<Size> {
    let text = text.trim();
    if text == "-1" {
        return Some(Size::Unlimited);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    let unit = text[end..].trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    let factor = match unit {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        "p" => 1e15,
        _ => return None,
    };
    // A float beyond the range of the integer becomes the largest one, which is as good as unbounded.
    Some(Size::Bytes((number * factor) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(driver: &str, options: &[(&str, &str)], default: Option<&str>) -> String {
        let spec = ContainerSpec {
            log_driver: driver.into(),
            log_options: options.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..ContainerSpec::default()
        };
        let engine = default.map(|d| EngineSpec { log_driver: Some(d.into()), ..EngineSpec::default() });
        let log = judge(&spec, engine.as_ref());
        format!(
            "{}{}{}",
            log.kind.as_str(),
            log.retained.map(|n| format!(" {n}")).unwrap_or_default(),
            log.unreadable.map(|(k, v)| format!(" {k}={v}?")).unwrap_or_default()
        )
    }

    #[test]
    fn every_spelling_of_a_tiny_log_is_starved() {
        for text in ["1k", "1K", "1024", "0.001m", "1kb", "1KiB", "1 k"] {
            assert!(picture("json-file", &[("max-size", text), ("max-file", "1")], Some("json-file")).starts_with("starved"), "{text}");
        }
        assert_eq!(picture("json-file", &[("max-size", "10m"), ("max-file", "3")], Some("json-file")), "default 30000000");
        assert_eq!(picture("json-file", &[("max-size", "1k"), ("max-file", "100")], Some("json-file")), "default 100000");
        assert_eq!(picture("json-file", &[("max-size", "1q")], Some("json-file")), "unknown max-size=1q?");
        assert_eq!(picture("json-file", &[("max-size", "-1")], Some("json-file")), "default");
    }

    #[test]
    fn drivers_are_judged_against_the_default() {
        assert_eq!(picture("none", &[], None), "off");
        assert_eq!(picture("none", &[], Some("json-file")), "off");
        assert_eq!(picture("none", &[], Some("none")), "default");
        assert_eq!(picture("json-file", &[], None), "unknown");
        assert_eq!(picture("syslog", &[], Some("json-file")), "diverted");
        assert_eq!(picture("journald", &[], Some("journald")), "default");
        assert_eq!(picture("json-file", &[("mode", "non-blocking")], Some("json-file")), "lossy");
        assert_eq!(picture("local", &[], Some("local")), "default 100000000");
    }

    #[test]
    fn odd_sizes_are_no_sizes() {
        for text in ["", "k", "-5", "1.2.3m", "1e3", "x", "1kk", "é"] {
            assert_eq!(size(text), None, "{text}");
        }
        assert_eq!(size("99999999999999999999p"), Some(Size::Bytes(u64::MAX)));
    }
}
