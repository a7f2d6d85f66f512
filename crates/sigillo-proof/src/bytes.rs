//! What JSON spells that is not read as it comes: bytes in base64, lists that may be too long.

use std::{borrow::Cow, fmt, marker::PhantomData};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de};

/// Bytes, spelt in padded standard base64, which has one spelling for them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Base64Bytes(pub Vec<u8>);

impl Serialize for Base64Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes());
        bytes.map(Self).map_err(|_| de::Error::custom("not padded standard base64"))
    }
}

/// Reads a list of at most `MAX` items and one more: who counts them says what is too much, and
/// nothing longer is kept in memory until then.
pub(crate) fn up_to<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct UpTo<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for UpTo<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() > MAX {
                    return Err(de::Error::custom(format_args!("a list of more than {MAX}")));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(UpTo::<T, MAX>(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Listed {
        #[serde(deserialize_with = "up_to::<_, _, 3>")]
        list: Vec<u64>,
    }

    #[test]
    fn a_list_ends_where_whoever_counts_sees_that_it_is_too_long() {
        let read = |count: u64| {
            let list: Vec<u64> = (0..count).collect();
            serde_json::from_value::<Listed>(serde_json::json!({ "list": list }))
        };
        for count in 0..=4 {
            assert_eq!(read(count).unwrap().list.len() as u64, count);
        }
        for count in [5, 100_000] {
            let error = read(count).unwrap_err().to_string();
            assert!(error.contains("a list of more than 3"), "{error}");
        }
    }
}
