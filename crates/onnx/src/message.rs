//! Protobuf messages as lists of fields, which can be changed and written again.
//!
//! Only messages that change are taken apart; everything else stays a slice of the file. Fields that this project does not
//! know are kept (protobuf's encoding).

use std::borrow::Cow;

use crate::wire::{push_varint, take, varint};

/// The content of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Eight(&'a [u8]),
    Four(&'a [u8]),
    Bytes(Cow<'a, [u8]>),
}

/// The fields of a message in the file's order, with their numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message<'a> {
    pub fields: Vec<(u64, Value<'a>)>,
}

impl<'a> Message<'a> {
    /// Take a message apart.
    ///
    /// # Errors
    /// The problem, in words.
    pub fn parse(mut bytes: &'a [u8]) -> Result<Self, String> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let value = match tag & 7 {
                0 => Value::Number(varint(&mut bytes)?),
                1 => Value::Eight(take(&mut bytes, 8)?),
                5 => Value::Four(take(&mut bytes, 4)?),
                2 => {
                    let length = varint(&mut bytes)?;
                    Value::Bytes(Cow::Borrowed(take(&mut bytes, length)?))
                }
                other => return Err(format!("it has a field of the unknown kind {other}")),
            };
            fields.push((tag >> 3, value));
        }
        Ok(Self { fields })
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let size = |value: &Value| match value {
            Value::Bytes(bytes) => bytes.len() + 20,
            _ => 20,
        };
        let mut bytes = Vec::with_capacity(self.fields.iter().map(|(_, value)| size(value)).sum());
        for (number, value) in &self.fields {
            let tag = number << 3;
            match value {
                Value::Number(value) => {
                    push_varint(&mut bytes, tag);
                    push_varint(&mut bytes, *value);
                }
                Value::Eight(value) => {
                    push_varint(&mut bytes, tag | 1);
                    bytes.extend(*value);
                }
                Value::Four(value) => {
                    push_varint(&mut bytes, tag | 5);
                    bytes.extend(*value);
                }
                Value::Bytes(value) => {
                    push_varint(&mut bytes, tag | 2);
                    push_varint(&mut bytes, value.len() as u64);
                    bytes.extend(&**value);
                }
            }
        }
        bytes
    }

    /// The contents of all fields of that number that are strings, bytes, messages or packed numbers.
    pub fn all(&self, number: u64) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .filter_map(move |(found, value)| match value {
                Value::Bytes(bytes) if *found == number => Some(&**bytes),
                _ => None,
            })
    }

    /// The content of the last field of that number: of several, the last counts.
    pub fn bytes(&self, number: u64) -> Option<&[u8]> {
        self.all(number).last()
    }

    /// A text; empty if there is none or it is not UTF-8.
    pub fn text(&self, number: u64) -> &str {
        let bytes = self.bytes(number).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// All texts of that number; one that is not UTF-8 is empty.
    pub fn texts(&self, number: u64) -> impl Iterator<Item = &str> {
        self.all(number)
            .map(|bytes| std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// A number; 0 if there is none, as protobuf omits it.
    pub fn number(&self, number: u64) -> u64 {
        let numbers = self.fields.iter().filter_map(|(found, value)| match value {
            Value::Number(value) if *found == number => Some(*value),
            _ => None,
        });
        numbers.fold(0, |_, number| number)
    }

    /// Repeated numbers, each in a field of its own or packed.
    ///
    /// # Errors
    /// The problem of packed numbers, in words.
    pub fn numbers(&self, number: u64) -> Result<Vec<u64>, String> {
        let mut numbers = Vec::new();
        for (found, value) in &self.fields {
            match value {
                Value::Number(value) if *found == number => numbers.push(*value),
                Value::Bytes(packed) if *found == number => {
                    let mut packed = &**packed;
                    while !packed.is_empty() {
                        numbers.push(varint(&mut packed)?);
                    }
                }
                _ => {}
            }
        }
        Ok(numbers)
    }

    /// Whether the message has a field of that number.
    pub fn has(&self, number: u64) -> bool {
        self.fields.iter().any(|(found, _)| *found == number)
    }

    /// Remove all fields of that number.
    pub fn remove(&mut self, number: u64) {
        self.fields.retain(|(found, _)| *found != number);
    }

    /// Add a field with bytes.
    pub fn push(&mut self, number: u64, bytes: impl Into<Cow<'a, [u8]>>) {
        self.fields.push((number, Value::Bytes(bytes.into())));
    }

    /// Add a field with a number.
    pub fn push_number(&mut self, number: u64, value: u64) {
        self.fields.push((number, Value::Number(value)));
    }

    /// Add a field with a text.
    pub fn push_text(&mut self, number: u64, text: &str) {
        self.push(number, text.as_bytes().to_vec());
    }
}
