//! The header of a NumPy file: a Python dictionary of three keys.

use crate::tensor::MAX_RANK;

/// The contents of the dictionary.
pub(super) struct Header<'a> {
    pub(super) descr: &'a str,
    pub(super) is_fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

impl<'a> Header<'a> {
    /// Parse the dictionary of three keys that NumPy writes, in any order and spacing.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        let mut cursor = Cursor(text);
        let (mut descr, mut is_fortran_order, mut shape) = (None, None, None);
        cursor.expect('{', "a dictionary is missing")?;
        while !cursor.accept('}') {
            let key = cursor.text()?;
            cursor.expect(':', "a `:` is missing after a key")?;
            match key {
                "descr" => descr = Some(cursor.text()?),
                "fortran_order" => is_fortran_order = Some(cursor.truth()?),
                "shape" => shape = Some(cursor.sizes()?),
                _ => return Err("it has another key than `descr`, `fortran_order` and `shape`"),
            }
            if !cursor.accept(',') && !cursor.0.trim_start().starts_with('}') {
                return Err("a `,` is missing between entries");
            }
        }
        if !cursor.0.trim().is_empty() {
            return Err("text follows the dictionary");
        }
        Ok(Self {
            descr: descr.ok_or("`descr` is missing")?,
            is_fortran_order: is_fortran_order.ok_or("`fortran_order` is missing")?,
            shape: shape.ok_or("`shape` is missing")?,
        })
    }
}

/// The text that is left to parse.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn accept(&mut self, expected: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, expected: char, problem: &'static str) -> Result<(), &'static str> {
        self.accept(expected).then_some(()).ok_or(problem)
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        let problem = "a text in quotes is missing";
        let quote = if self.accept('\'') {
            '\''
        } else {
            self.expect('"', problem)?;
            '"'
        };
        let (text, rest) = self.0.split_once(quote).ok_or(problem)?;
        self.0 = rest;
        Ok(text)
    }

    fn word(&mut self) -> &'a str {
        let rest = self.0.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.0 = rest;
        word
    }

    fn truth(&mut self) -> Result<bool, &'static str> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            _ => Err("`fortran_order` is neither True nor False"),
        }
    }

    fn sizes(&mut self) -> Result<Vec<u64>, &'static str> {
        let problem = "`shape` is no tuple of sizes";
        let mut sizes = Vec::new();
        self.expect('(', problem)?;
        while !self.accept(')') {
            if sizes.len() == MAX_RANK {
                return Err("`shape` has more dimensions than any tensor");
            }
            sizes.push(self.word().parse().map_err(|_| problem)?);
            if !self.accept(',') && !self.0.trim_start().starts_with(')') {
                return Err(problem);
            }
        }
        Ok(sizes)
    }
}
