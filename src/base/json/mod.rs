//! JSON from other programs: values are parsed, compared and serialised.

mod read;
mod write;

pub(crate) use read::JsonError;

/// A value. Two are equal if they have the same meaning: the order of keys and the notation of
/// numbers do not matter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// Always finite.
    Number(f64),
    Text(String),
    List(Vec<Json>),
    /// Sorted by name. If a text has two members of one name, the later one is kept.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a text that holds one value, with nothing but white space around it.
    ///
    /// Fails if the text is not such JSON, or if a number is too large for an f64. Also fails at
    /// 128 nested lists and objects, and above [`read::VALUES`] values. Reading or writing 127
    /// levels takes 80 KiB of stack.
    pub(crate) fn parse(text: &str) -> Result<Json, JsonError> {
        read::read(text, true)
    }

    /// Like [`Json::parse`], but text after the value is ignored.
    pub(crate) fn parse_first(text: &str) -> Result<Json, JsonError> {
        read::read(text, false)
    }

    /// An object with these members, in any order.
    fn object(mut members: Vec<(String, Json)>) -> Json {
        members.sort_by(|one, other| one.0.cmp(&other.0));
        members.dedup_by(|later, kept| {
            let is_again = later.0 == kept.0;
            if is_again {
                std::mem::swap(later, kept);
            }
            is_again
        });
        members.shrink_to_fit();
        Json::Object(members)
    }

    /// The member `name` of an object. If there is none of exactly this name, ASCII case is
    /// ignored. `None` if there is no such member, if it is null, or if this is not an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        let find = |is_it: &dyn Fn(&str) -> bool| members.iter().find(|(known, _)| is_it(known));
        let found = find(&|known| known == name)
            .or_else(|| find(&|known| known.eq_ignore_ascii_case(name)));
        found
            .map(|(_, value)| value)
            .filter(|value| **value != Json::Null)
    }

    /// The member `name` if it is a text, else an empty text.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.member(name) {
            Some(Json::Text(text)) => text,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_if_they_mean_the_same() {
        // (why this row exists, one, other, whether they are)
        let table = [
            (
                "another format",
                r#"{"a":[1,{"b":2}]}"#,
                "{ \"a\": [ 1.0, {\"b\": 2e0} ] }",
                true,
            ),
            (
                "another order of keys",
                r#"{"a":1,"b":2}"#,
                r#"{"b":2,"a":1}"#,
                true,
            ),
            ("another order of values", "[1,2]", "[2,1]", false),
            ("empty of two kinds", "[]", "{}", false),
            ("nothing and null", "{}", r#"{"a":null}"#, false),
            ("a number and its text", "1", "\"1\"", false),
            (
                "beyond what is exact",
                "9007199254740993",
                "9007199254740992",
                true,
            ),
        ];
        for (why, one, other, are) in table {
            let equal = Json::parse(one).unwrap() == Json::parse(other).unwrap();
            assert_eq!(equal, are, "{why}");
        }
    }

    #[test]
    fn text_that_is_not_json_is_rejected() {
        for text in [
            "",
            " ",
            "foobar",
            r#"{"example": metadata"}"#,
            "{} {}",
            "1e400",
            "{'a':1}",
            "[1,]",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn text_after_the_first_value_can_be_ignored() {
        assert_eq!(
            Json::parse_first("[1] rest").unwrap(),
            Json::List(vec![Json::Number(1.0)])
        );
        assert!(Json::parse_first("rest").is_err());
    }

    #[test]
    fn member_is_found_regardless_of_case() {
        let object = Json::parse(r#"{"LABEL":1,"label":2,"Unit":3,"none":null}"#).unwrap();
        let table = [
            ("label", Some(2.0)),
            ("unit", Some(3.0)),
            ("none", None),
            ("other", None),
        ];
        for (name, number) in table {
            assert_eq!(
                object.member(name),
                number.map(Json::Number).as_ref(),
                "{name}"
            );
        }
        assert_eq!(Json::Null.member("a"), None);
    }

    #[test]
    fn never_panics() {
        let good = r#"{"a":[1,-2.5e-7,true,null,"\u00e9\ud83d\ude00"],"b":{"c":1e21}}"#;
        for end in 0..=good.len() {
            drop(Json::parse(&good[..end]));
            for bad in ["\0", "\"", "[", "}", "-", "9", "e", "\\u"] {
                let text = format!("{}{bad}{}", &good[..end], &good[end..]);
                if let Ok(value) = Json::parse_first(&text) {
                    assert_eq!(Json::parse(&value.to_string()).unwrap(), value);
                }
            }
        }
    }
}
