//! Whether a record's own time is believed: law 3 of order.
//!
//! A broken clock or a forged line must not drag a whole call into the far future or past, and a recording with long silences must not be doubted. Both are
//! told apart by the neighbours of the same source in the order of the files, wherever the files were cut:
//!
//! - Within ten minutes of the last believed time there is nothing to doubt.
//! - A jump forward counts when the next dated record is not back before it (ten minutes allowed).
//! - A jump backward counts when the next dated record stays there: close to it, or still more than ten minutes before the last believed time. (Two hosts'
//!   recordings in two files are a jump backward at the start of the second, and long silences in it must not undo that.)
//! - The first of all is doubted only when the next is more than ten minutes earlier.
//! - A jump that nothing follows cannot be confirmed. Forward by at most a day it is a silence before the last record, which is how half of all honest recordings
//!   of a quiet host end, and is believed; any other is not.

use event::{Span, Time};

/// A step longer than this is a jump.
pub(super) const JUMP: Span = Span::minutes(10);

/// The longest silence before the last record of a source that is believed although nothing confirms it.
pub(super) const LAST_SILENCE_MAX: Span = Span::minutes(24 * 60);

/// Whether a record at `time` is believed, between the last believed time of its source and what the next dated record of its source says.
pub(super) fn believed(time: Time, previous: Option<Time>, next: Option<Time>) -> bool {
    match (previous, next) {
        (None, Some(next)) => next >= time.minus(JUMP),
        (None, None) => true,
        (Some(previous), _) if is_near(time, previous) => true,
        (Some(previous), None) => time > previous && time - previous <= LAST_SILENCE_MAX,
        (Some(previous), Some(next)) if time > previous => next >= time.minus(JUMP),
        (Some(previous), Some(next)) => next <= time + JUMP || next < previous.minus(JUMP),
    }
}

/// Whether two times are no jump apart.
pub(super) fn is_near(a: Time, b: Time) -> bool {
    (a - b) <= JUMP && (b - a) <= JUMP
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges a sequence of hours as the reader does, `s` for suspect.
    fn check(hours: &[f64], expected: &str) {
        let times: Vec<Time> = hours.iter().map(|h| Time((h * 3.6e12) as i64)).collect();
        let mut previous = None;
        let mut shown = String::new();
        for (i, time) in times.iter().enumerate() {
            let believes = believed(*time, previous, times.get(i + 1).copied());
            shown.push(if believes { '.' } else { 's' });
            if believes {
                previous = Some(*time);
            }
        }
        assert_eq!(shown, expected, "{hours:?}");
    }

    #[test]
    fn long_silences_are_believed() {
        check(&[0.0, 1.0, 2.0, 9.0, 9.01], ".....");
        check(&[5.0], ".");
        check(&[0.0, 0.01, 24.0], "...");
    }

    #[test]
    fn a_single_stray_is_not() {
        check(&[0.0, 500.0, 0.01, 0.02], ".s..");
        check(&[10.0, 10.0, 0.0, 10.01, 10.02], "..s..");
        check(&[500.0, 0.0, 0.01], "s..");
        check(&[0.0, 500.0, 0.01, 500.0, 0.02, 0.03], ".s.s..");
        check(&[0.0, 0.01, 500.0], "..s");
        check(&[10.0, 10.01, 0.0], "..s");
    }

    #[test]
    fn a_step_that_stays_is_believed() {
        check(&[0.0, 5.0, 5.01, 5.02], "....");
        check(&[10.0, 10.0, 3.0, 3.01, 3.02], ".....");
        // Another host's recording behind the first, with long silences.
        check(&[0.0, 5.0, 10.0, 10.01, 0.0, 1.0, 2.0, 2.01], "........");
    }
}
