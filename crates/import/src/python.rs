//! Python literals, as `str()` writes dictionaries, lists and texts: the metadata of Ultralytics' files.
//!
//! The crate `py_literal` reads more of Python, with a parser generator and big numbers; it has had no release since 2020.

use serde_json::{Map, Number, Value};

/// The deepest nesting of lists and dictionaries.
const MAX_DEPTH: usize = 16;

/// Read a literal as JSON. Keys of a dictionary that are numbers become texts; `None` becomes null.
pub(crate) fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader {
        rest: text.trim_start(),
    };
    let value = reader.value(0)?;
    reader.rest.trim_start().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Take a mark after white space, if it is next.
    fn take(&mut self, mark: char) -> bool {
        match self.rest.trim_start().strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '{' => self.dictionary(depth),
            '[' => self.list(depth, '[', ']'),
            '(' => self.list(depth, '(', ')'),
            quote @ ('\'' | '"') => self.text(quote).map(Value::String),
            _ => self.word(),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.take('{').then_some(())?;
        let mut members = Map::new();
        while !self.take('}') {
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                Value::Number(key) => key.to_string(),
                _ => return None,
            };
            self.take(':').then_some(())?;
            members.insert(key, self.value(depth + 1)?);
            if !self.take(',') {
                self.take('}').then_some(())?;
                break;
            }
        }
        Some(Value::Object(members))
    }

    fn list(&mut self, depth: usize, open: char, close: char) -> Option<Value> {
        self.take(open).then_some(())?;
        let mut values = Vec::new();
        while !self.take(close) {
            values.push(self.value(depth + 1)?);
            if !self.take(',') {
                self.take(close).then_some(())?;
                break;
            }
        }
        Some(Value::Array(values))
    }

    fn text(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.strip_prefix(quote)?.chars();
        loop {
            match chars.next()? {
                end if end == quote => break,
                '\\' => text.push(match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'x' => code(&mut chars, 2)?,
                    'u' => code(&mut chars, 4)?,
                    'U' => code(&mut chars, 8)?,
                    same @ ('\\' | '\'' | '"') => same,
                    _ => return None,
                }),
                other => text.push(other),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }

    fn word(&mut self) -> Option<Value> {
        let end = |c: char| c.is_whitespace() || ",:]})".contains(c);
        let length = self.rest.find(end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            _ => match word.parse::<i64>() {
                Ok(integer) => Value::Number(integer.into()),
                Err(_) => Value::Number(Number::from_f64(word.parse().ok()?)?),
            },
        })
    }
}

/// The character of an escape with that many hexadecimal digits.
fn code(chars: &mut std::str::Chars, digits: usize) -> Option<char> {
    let text = chars.as_str().get(..digits)?;
    *chars = chars.as_str().get(digits..)?.chars();
    char::from_u32(u32::from_str_radix(text, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_as_python_writes_them() {
        let nested = "[".repeat(100);
        let cases: [(&str, Option<Value>); 22] = [
            (
                r#"{0: 'person', 1: "it's", 2: 'a "b"'}"#,
                Some(json!({ "0": "person", "1": "it's", "2": "a \"b\"" })),
            ),
            ("[640, 640]", Some(json!([640, 640]))),
            ("(17, 3)", Some(json!([17, 3]))),
            ("(1,)", Some(json!([1]))),
            ("{}", Some(json!({}))),
            (
                "{'batch': 1, 'nms': True, 'half': False, 'x': None, 'y': -1.5e-3}",
                Some(json!({ "batch": 1, "nms": true, "half": false, "x": null, "y": -0.0015 })),
            ),
            (r"'a\\b\n\x41\u00e9\U0001f600'", Some(json!("a\\b\nAé😀"))),
            (
                "{0: ['nose', 'tail']}",
                Some(json!({ "0": ["nose", "tail"] })),
            ),
            ("True", Some(json!(true))),
            ("", None),
            ("{0: 'person'", None),
            ("{0 'person'}", None),
            ("{[1]: 2}", None),
            ("'open", None),
            (r"'\q'", None),
            (r"'\x4'", None),
            (r"'\ud800'", None),
            ("[1] 2", None),
            ("[1 2]", None),
            ("nan", None),
            ("word", None),
            (&nested, None),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(text, expected)| (text, expected, literal(text)))
            .filter(|(_, expected, actual)| actual != *expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
