//! When a declared workload may be created: days and a span of the day, in UTC.

use event::Time;

const DAY: i64 = 86_400;

/// Days of the week and a span of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Monday first.
    days: [bool; 7],
    /// Seconds of the day; `from` after `to` runs over midnight, and belongs to the day on which it begins.
    from: i64,
    to: i64,
}

impl Schedule {
    /// Reads `daily 02:00-03:00 UTC`, `weekdays 08:00-18:00`, `mon,wed,sat 23:00-01:00 UTC`.
    pub(crate) fn parse(text: &str) -> Option<Schedule> {
        let mut words = text.split_whitespace();
        let mut days = [false; 7];
        match words.next()?.to_ascii_lowercase().as_str() {
            "daily" => days = [true; 7],
            "weekdays" => days[..5].fill(true),
            "weekends" => days[5..].fill(true),
            list => {
                for name in list.split(',') {
                    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().position(|known| *known == name)?;
                    days[day] = true;
                }
            }
        }
        let (from, to) = words.next()?.split_once('-')?;
        if !matches!(words.next(), None | Some("UTC" | "utc" | "Z")) || words.next().is_some() {
            return None;
        }
        let (from, to) = (clock(from)?, clock(to)?);
        (from != to).then_some(Schedule { days, from, to })
    }

    /// Whether a moment lies within it.
    pub(crate) fn allows(&self, time: Time) -> bool {
        let seconds = time.0.div_euclid(1_000_000_000);
        let (day, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // The first of January 1970 was a Thursday.
        let open = |day: i64| self.days[(day + 3).rem_euclid(7) as usize];
        if self.from < self.to {
            open(day) && (self.from..self.to).contains(&of_day)
        } else {
            open(day) && of_day >= self.from || open(day - 1) && of_day < self.to
        }
    }
}

/// `02:00` in seconds of the day; `24:00` is its end.
fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, most: i64| {
        let digits = !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten().filter(|n| *n <= most)
    };
    let seconds = number(hours, 24)? * 3600 + number(minutes, 59)? * 60;
    (seconds <= DAY).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(schedule: &str, time: &str) -> bool {
        Schedule::parse(schedule).unwrap().allows(Time::parse(time).unwrap())
    }

    #[test]
    fn spans_of_the_day_and_days_of_the_week() {
        assert!(allows("daily 02:00-03:00 UTC", "2026-11-24T02:00:00Z"));
        assert!(!allows("daily 02:00-03:00 UTC", "2026-11-24T03:00:00Z"));
        // 24 November 2026 is a Tuesday.
        assert!(allows("tue 00:00-24:00", "2026-11-24T23:59:59Z"));
        assert!(!allows("mon,wed 00:00-24:00", "2026-11-24T12:00:00Z"));
        assert!(!allows("weekends 00:00-24:00", "2026-11-24T12:00:00Z"));
        assert!(allows("weekdays 00:00-24:00", "2026-11-24T12:00:00Z"));
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_on_which_it_begins() {
        assert!(allows("tue 23:00-01:00", "2026-11-24T23:30:00Z"));
        assert!(allows("tue 23:00-01:00", "2026-11-25T00:30:00Z"));
        assert!(!allows("tue 23:00-01:00", "2026-11-24T00:30:00Z"));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "daily",
            "daily 02:00",
            "daily 2-3",
            "daily 25:00-26:00",
            "noday 01:00-02:00",
            "daily 01:00-02:00 CET",
            "daily 01:00-01:00",
            "daily 24:01-02:00",
        ] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
