//! JSON with one spelling (RFC 8785) for what is hashed, and a strict reader for what comes back.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Deepest nesting a reader follows.
pub const JSON_DEPTH_MAX: usize = 32;

/// Largest integer written or read: 2⁵³−1, which every JSON reader keeps exact.
pub const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Writes `value` in the canonical form of RFC 8785: no white space, keys by UTF-16 unit.
///
/// Only integers from 0 to [`JSON_INTEGER_MAX`] are spelt as numbers; the types of this crate hold
/// no others.
pub fn to_canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("our types have text keys and no floats");
    let mut out = Vec::with_capacity(512);
    write_value(&value, &mut out);
    out
}

/// Does the same for a type whose members are declared in canonical order, in one pass: a long list
/// takes no memory but that of its text.
pub fn to_canonical_in_order<T: Serialize>(value: &T) -> Vec<u8> {
    let bytes = serde_json::to_vec(value).expect("our types have text keys and no floats");
    debug_assert!(bytes == to_canonical(value), "the members are declared in canonical order");
    bytes
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_scalar(&Value::String(key.clone()), out);
                out.push(b':');
                write_value(item, out);
            }
            out.push(b'}');
        }
        scalar => write_scalar(scalar, out),
    }
}

/// Text, numbers, true, false, null: `serde_json` escapes text exactly as RFC 8785 §3.2.2.2 asks.
fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("writing to memory cannot fail");
}

/// Reads one JSON text into `T`.
///
/// # Errors
///
/// [`JsonError`] for bad UTF-8, duplicate keys, numbers that are not integers from 0 to
/// [`JSON_INTEGER_MAX`], nesting deeper than [`JSON_DEPTH_MAX`], trailing bytes, or a text that is
/// no `T`. The caller bounds the length.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let value = parse_value(bytes)?;
    serde_json::from_value(value).map_err(|error| JsonError::Shape { reason: error.to_string() })
}

/// Reads one JSON text that must be in canonical form.
///
/// # Errors
///
/// As [`parse_json`], and [`JsonError::NotCanonical`].
pub fn parse_canonical<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let value = parse_value(bytes)?;
    if to_canonical(&value) != bytes {
        return Err(JsonError::NotCanonical);
    }
    serde_json::from_value(value).map_err(|error| JsonError::Shape { reason: error.to_string() })
}

fn parse_value(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    Strict { depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| JsonError::Syntax { reason: error.to_string() })
}

/// Builds a [`Value`] while refusing what the format does not allow.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH_MAX} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, an integer from 0 to 2^53-1, true, false, null, a list or an object")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > JSON_INTEGER_MAX {
            return Err(E::custom(format_args!("{value} is larger than 2^53-1")));
        }
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let item = members.next_value_seed(inner)?;
            if map.insert(key.clone(), item).is_some() {
                let key: String = key.chars().take(80).collect();
                return Err(de::Error::custom(format_args!("the key {key:?} stands twice")));
            }
        }
        Ok(Value::Object(map))
    }
}

/// Why a JSON text was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is JSON, but not in its one canonical spelling.
    #[error("the text is not in canonical form (RFC 8785)")]
    NotCanonical,
    /// The bytes are not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// The text is JSON, but does not say what it should.
    #[error("the text does not have the expected members: {reason}")]
    Shape {
        /// Where and why.
        reason: String,
    },
    /// The text is not the JSON we accept.
    #[error("the text is not acceptable JSON: {reason}")]
    Syntax {
        /// Where and why.
        reason: String,
    },
}

/// An instant of our own clock, in whole seconds, written `YYYY-MM-DDThh:mm:ssZ`.
///
/// What a time-stamping authority attests is another type.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LogTime(jiff::Timestamp);

impl LogTime {
    /// Cuts `at` down to whole seconds.
    pub fn new(at: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_second(at.as_second()).expect("a timestamp's own second"))
    }

    /// Returns the instant.
    pub fn timestamp(self) -> jiff::Timestamp {
        self.0
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for LogTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogTime {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        match text.parse().map(Self::new) {
            Ok(time) if time.to_string() == text => Ok(time),
            _ => Err(de::Error::custom(format_args!("{text:?} is not YYYY-MM-DDThh:mm:ssZ"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_refused(text: &str, part: &str) {
        let error = parse_json::<Value>(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }

    #[test]
    fn keys_are_sorted_by_utf16_unit() {
        // U+1F600 is D83D DE00 in UTF-16, before U+FB33; by UTF-8 bytes it comes after.
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "€": 3, "\r": 4, "1": 5, "ö": 6});
        let text = String::from_utf8(to_canonical(&value)).unwrap();
        assert_eq!(text, "{\"\\r\":4,\"1\":5,\"ö\":6,\"€\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn text_is_escaped_as_rfc_8785_asks() {
        let value = json!("€$\u{f}\nA'B\"\\\\\"/\u{7f}");
        assert_eq!(
            String::from_utf8(to_canonical(&value)).unwrap(),
            "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\""
        );
    }

    #[test]
    fn what_the_format_does_not_allow_is_refused() {
        check_refused(r#"{"a":1,"a":1}"#, "twice");
        check_refused(r#"{"b":{"a":1,"\u0061":2}}"#, "twice");
        check_refused("1.5", "floating point");
        check_refused("-1", "integer `-1`");
        check_refused("9007199254740992", "2^53");
        check_refused("1 2", "trailing");
        check_refused(&"[".repeat(40), "deeper");
        assert_eq!(parse_json::<Value>(b"\"\xff\""), Err(JsonError::NotUtf8));
    }

    #[test]
    fn a_canonical_reader_accepts_one_spelling() {
        assert!(parse_canonical::<Value>(br#"{"a":1,"b":[]}"#).is_ok());
        for other in [&br#"{"b":[],"a":1}"#[..], br#"{"a": 1,"b":[]}"#, br#"{"a":1,"b":[]} "#] {
            assert_eq!(parse_canonical::<Value>(other), Err(JsonError::NotCanonical));
        }
        assert_eq!(parse_canonical::<Value>(br#""\u0041""#), Err(JsonError::NotCanonical));
    }

    #[test]
    fn a_time_has_whole_seconds_and_one_spelling() {
        let time = LogTime::new("2026-11-24T10:11:12.987Z".parse().unwrap());
        assert_eq!(time.to_string(), "2026-11-24T10:11:12Z");
        assert_eq!(parse_json::<LogTime>(b"\"2026-11-24T10:11:12Z\""), Ok(time));
        for other in ["2026-11-24T10:11:12.5Z", "2026-11-24 10:11:12Z", "2026-11-24T11:11:12+01:00"]
        {
            assert!(parse_json::<LogTime>(format!("{other:?}").as_bytes()).is_err(), "{other}");
        }
    }
}
