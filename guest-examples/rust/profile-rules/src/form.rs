//! What a value must look like.

use serde::Deserialize;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// An international phone number (E.164).
    Phone,
    /// A country's two letters (ISO 3166-1 alpha-2).
    Country,
    /// A day (RFC 3339 `full-date`) that is not to come.
    Date,
}

impl Form {
    /// Whether a value has this form. `today` is counted in days since 1970-01-01.
    pub fn takes(self, value: &str, today: i64) -> bool {
        match self {
            Self::Phone => is_phone(value),
            Self::Country => value.len() == 2 && value.bytes().all(|letter| letter.is_ascii_uppercase()),
            Self::Date => day(value).is_some_and(|day| day <= today),
        }
    }

    /// How to write it, for an end user. Plain letters and marks only: some callers take no others.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Phone => "must begin with a plus sign and the code of its country.",
            Self::Country => "must be one of the two-letter codes that we know.",
            Self::Date => "must be a day in the past; write it as YYYY-MM-DD.",
        }
    }
}

fn is_phone(value: &str) -> bool {
    let Some(digits) = value.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// A day as `YYYY-MM-DD`, in days since 1970-01-01; nothing where there is no such day.
fn day(value: &str) -> Option<i64> {
    let is_shaped = value.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !is_shaped || value.len() != 10 {
        return None;
    }
    let number = |range: std::ops::Range<usize>| value.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=days).contains(&day).then(|| days_since_1970(year, month, day))
}

/// Years begin in March here, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22.
    const TODAY: i64 = 20_779;

    #[track_caller]
    fn check(form: Form, good: &[&str], bad: &[&str]) {
        for value in good {
            assert!(form.takes(value, TODAY), "{value}");
        }
        for value in bad {
            assert!(!form.takes(value, TODAY), "{value}");
        }
    }

    #[test]
    fn phones_are_international() {
        let bad = [
            "",
            "+",
            "0790000000",
            "41790000000",
            "+0790000000",
            "+123456",
            "+1234567890123456",
            "+41 79 000",
            "+4179000000x",
            "+٤١٧٩٠٠٠٠",
        ];
        check(Form::Phone, &["+41790000000", "+1234567", "+123456789012345"], &bad);
    }

    #[test]
    fn countries_have_two_capital_letters() {
        check(Form::Country, &["CH", "SE"], &["", "C", "ch", "CHE", "C1", "É"]);
    }

    #[test]
    fn days_exist_and_are_not_to_come() {
        let bad = [
            "",
            "2026-11-23",
            "2025-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-00-01",
            "2026-13-01",
            "2026-01-00",
            "26-01-01",
            "2026-1-1",
            "2026-01-01T00:00:00Z",
            "2026/01/01",
            "२०२६",
        ];
        check(Form::Date, &["1990-12-10", "2024-02-29", "2000-02-29", "2026-11-22", "0001-01-01"], &bad);
    }

    #[test]
    fn days_are_counted_from_1970() {
        for (value, expected) in [("1970-01-01", 0), ("1969-12-31", -1), ("2000-03-01", 11_017), ("2026-11-22", TODAY)]
        {
            assert_eq!(day(value), Some(expected), "{value}");
        }
    }
}
