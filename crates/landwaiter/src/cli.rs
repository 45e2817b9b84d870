//! Words of the command line that several commands share.

use event::Level;

/// Shown at the end of `landwaiter --help`.
pub const EXAMPLES: &str = "\
Examples:
  landwaiter replay examples/first-day           what happened in these recordings
  docker events --format '{{json .}}' | landwaiter replay -
  landwaiter watch                               live, on what this host offers
  landwaiter doctor                              what can be seen from here
  landwaiter strategy show container-spray       one strategy, with its claims

Exit status: 0 done, 1 when --fail-on is reached, 2 for wrong usage or when nothing could be read.";

/// Reads a severity, for clap.
pub fn level(text: &str) -> Result<Level, String> {
    Level::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Level::ALL.iter().map(|level| level.as_str()).collect();
        format!("no such severity; one of {}", names.join(", "))
    })
}

/// Reads a span such as `90s`, `10m`, `2h`, `30d`, for clap.
pub fn span(text: &str) -> Result<event::Span, String> {
    let unit = text.chars().last().unwrap_or(' ');
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err("write a number and a unit: 90s, 10m, 2h, 30d".to_owned()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| "write a number and a unit: 90s, 10m, 2h, 30d".to_owned())?;
    if number < 0 {
        return Err("a span is not negative".to_owned());
    }
    Ok(event::Span::seconds(number.saturating_mul(seconds)))
}
