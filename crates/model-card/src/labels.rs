//! A classifier's labels.

/// The labels of a classifier's classes, in the order of the classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<String>);

/// A label file that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// The file has no line.
    #[error("the label file is empty, expected one label per line")]
    Empty,
    /// A blank line between two labels: every later label would name the wrong class.
    #[error("line {line} of the label file is blank, expected one label per line")]
    Blank {
        /// The line's number, from 1.
        line: usize,
    },
}

impl Labels {
    /// Parse one label per line; line `i` (from 0) names class `i`. Blank lines at the end and white space
    /// around a label are ignored.
    ///
    /// # Errors
    /// When there is no label, or a blank line between two labels.
    pub fn parse(text: &str) -> Result<Self, LabelsError> {
        let labels: Vec<String> = text
            .trim_end()
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        if labels.is_empty() {
            return Err(LabelsError::Empty);
        }
        match labels.iter().position(String::is_empty) {
            Some(index) => Err(LabelsError::Blank { line: index + 1 }),
            None => Ok(Self(labels)),
        }
    }

    /// The label of class `index`; `None` where the file names fewer classes.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(String::as_str)
    }

    /// The labels, in the order of the classes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no labels, as in a card without a label file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_lines() {
        let labels = Labels::parse("cat\r\n tabby cat \ndog\n\n").unwrap();
        assert_eq!(labels.len(), 3);
        assert_eq!(labels.get(1), Some("tabby cat"));
        assert_eq!(labels.get(3), None);
        assert_eq!(Labels::parse(" \n"), Err(LabelsError::Empty));
        assert_eq!(Labels::parse("a\n\nb"), Err(LabelsError::Blank { line: 2 }));
    }
}
