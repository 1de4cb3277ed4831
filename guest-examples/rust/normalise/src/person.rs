//! The payload of the random-user API, and the fields that a flow reads.

use serde::Serialize;
use serde_json::Value;

/// What a flow reads as `transformed_data`. The order of the fields is the order of the JSON.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// First and last name.
    pub full_name: String,
    /// In lower case, so that flows can compare it.
    pub email: String,
    /// The country's name, as the API spells it.
    pub country: String,
    /// Two upper-case letters.
    pub nationality: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: String,
    /// In years.
    pub age: u64,
    /// As the API spells it; left out where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// What an answer holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// `results` is empty.
    Nobody,
    /// The first of `results`.
    Person(Person),
}

/// Reads an answer. The error names the place that is not as expected, never what stands there.
pub fn read(body: &[u8]) -> Result<Found, String> {
    let payload: Value = serde_json::from_slice(body)
        .map_err(|error| format!("the body is no JSON (line {}, column {})", error.line(), error.column()))?;
    let results = payload
        .get("results")
        .and_then(Value::as_array)
        .ok_or("the payload does not look like a random-user answer: it has no list `results`")?;
    match results.first() {
        None => Ok(Found::Nobody),
        Some(person) => normalise(person).map(Found::Person),
    }
}

fn normalise(person: &Value) -> Result<Person, String> {
    Ok(Person {
        full_name: format!("{} {}", text(person, "/name/first")?, text(person, "/name/last")?),
        email: text(person, "/email")?.to_lowercase(),
        country: text(person, "/location/country")?.to_owned(),
        nationality: text(person, "/nat")?.to_uppercase(),
        date_of_birth: date(text(person, "/dob/date")?)?.to_owned(),
        age: person.pointer("/dob/age").and_then(Value::as_u64).ok_or_else(|| unlike("/dob/age", "a whole number"))?,
        phone: text(person, "/phone").ok().map(str::to_owned),
    })
}

/// The text at a place, without the white space around it.
fn text<'a>(person: &'a Value, place: &str) -> Result<&'a str, String> {
    let found = person.pointer(place).and_then(Value::as_str).map(str::trim);
    found.filter(|text| !text.is_empty()).ok_or_else(|| unlike(place, "a text that is not empty"))
}

/// The date of a timestamp such as `1990-12-10T09:44:18.674Z`.
fn date(timestamp: &str) -> Result<&str, String> {
    let date = timestamp.get(..10).filter(|date| {
        let is_date =
            |(index, byte): (usize, u8)| if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
        date.bytes().enumerate().all(is_date)
    });
    let ends_there = matches!(timestamp.as_bytes().get(10), None | Some(b'T' | b' '));
    date.filter(|_| ends_there).ok_or_else(|| unlike("/dob/date", "a timestamp that begins with YYYY-MM-DD"))
}

fn unlike(place: &str, expected: &str) -> String {
    format!("the payload does not look like a random-user answer: `/results/0{place}` is not {expected}")
}

/// An answer as the API gives it, shortened.
#[cfg(test)]
pub const EXAMPLE: &str = r#"{
  "results": [{
    "gender": "female",
    "name": { "title": "Ms", "first": "Ada", "last": "Lovelace" },
    "location": { "city": "Bern", "country": "Switzerland" },
    "email": " Ada.Lovelace@Example.COM",
    "dob": { "date": "1990-12-10T09:44:18.674Z", "age": 35 },
    "phone": "079 000 00 00",
    "nat": "ch"
  }],
  "info": { "seed": "weir", "results": 1, "page": 1, "version": "1.4" }
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Value {
        serde_json::from_str(EXAMPLE).unwrap()
    }

    #[test]
    fn an_answer_becomes_plain_fields() {
        let expected = Person {
            full_name: "Ada Lovelace".to_owned(),
            email: "ada.lovelace@example.com".to_owned(),
            country: "Switzerland".to_owned(),
            nationality: "CH".to_owned(),
            date_of_birth: "1990-12-10".to_owned(),
            age: 35,
            phone: Some("079 000 00 00".to_owned()),
        };
        assert_eq!(read(EXAMPLE.as_bytes()).unwrap(), Found::Person(expected));
    }

    #[test]
    fn the_fault_names_the_place_and_not_the_value() {
        let places = [
            ("/name/first", Value::Null),
            ("/email", 7.into()),
            ("/location/country", "  ".into()),
            ("/nat", Value::Array(Vec::new())),
            ("/dob/date", "10.12.1990 secret".into()),
            ("/dob/date", "1990-12-10secret".into()),
            ("/dob/date", "1990-1é-10secret".into()),
            ("/dob/age", "35".into()),
            ("/dob/age", (-1).into()),
        ];
        for (place, value) in places {
            let mut payload = example();
            *payload.pointer_mut(&format!("/results/0{place}")).unwrap() = value;
            let fault = read(payload.to_string().as_bytes()).unwrap_err();
            assert!(fault.contains(&format!("`/results/0{place}`")), "{fault}");
            assert!(!fault.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn a_phone_is_no_condition() {
        let mut payload = example();
        payload.pointer_mut("/results/0").and_then(Value::as_object_mut).unwrap().remove("phone");
        let Found::Person(person) = read(payload.to_string().as_bytes()).unwrap() else { panic!("a person") };
        assert_eq!(person.phone, None);
        assert!(!serde_json::to_string(&person).unwrap().contains("phone"));
    }

    #[test]
    fn nobody_is_no_fault_and_other_payloads_are() {
        assert_eq!(read(br#"{"results": []}"#).unwrap(), Found::Nobody);
        for body in [r#"{"error": "Uh oh"}"#, "[]", "null", r#"{"results": {}}"#] {
            assert!(read(body.as_bytes()).unwrap_err().contains("no list `results`"), "{body}");
        }
    }
}
