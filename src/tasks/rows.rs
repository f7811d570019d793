//! The outputs of one text of a batch.

use infer_model_card::{ModelCard, Side};

use super::pipeline::output;
use crate::http::error::ApiError;
use crate::tensor::Tensor;

/// The end at which a model's texts are padded.
pub(super) fn padding_side(card: &ModelCard) -> Side {
    let side = card.text.as_ref().map(|text| text.padding_side);
    side.unwrap_or_default()
}

/// The outputs of one text of a batch.
pub(super) struct Row<'a> {
    /// The outputs of the batch.
    pub outputs: &'a [(String, Tensor)],
    /// The number of texts in the batch.
    pub rows: usize,
    /// The place of the text in the batch.
    pub row: usize,
    /// The number of its tokens, without padding.
    pub tokens: usize,
    /// The end at which it is padded.
    pub side: Side,
}

impl<'a> Row<'a> {
    /// The values of an output with dimensions `[batch, …]`.
    ///
    /// # Errors
    /// 500 if the output has another shape.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, ApiError> {
        let tensor = output(self.outputs, name)?;
        let size = tensor.shape.iter().skip(1).product::<u32>() as usize;
        if tensor.shape.first().map(|rows| *rows as usize) != Some(self.rows) {
            return Err(self.unfit(name, tensor));
        }
        floats(tensor, self.row * size, size)
    }

    /// The values of the tokens in an output with dimensions `[batch, tokens]` or `[batch, tokens, values]`.
    ///
    /// # Errors
    /// 500 if the output has another shape.
    pub fn of_tokens(&self, name: &str) -> Result<TokenValues<'a>, ApiError> {
        let tensor = output(self.outputs, name)?;
        let (rows, width, size) = match *tensor.shape.as_slice() {
            [rows, width] => (rows as usize, width as usize, 1),
            [rows, width, size] => (rows as usize, width as usize, size as usize),
            _ => return Err(self.unfit(name, tensor)),
        };
        if rows != self.rows || self.tokens > width || size == 0 {
            return Err(self.unfit(name, tensor));
        }
        let first = match self.side {
            Side::Right => 0,
            Side::Left => width - self.tokens,
        };
        Ok(TokenValues {
            tensor,
            first: (self.row * width + first) * size,
            tokens: self.tokens,
            size,
        })
    }

    fn unfit(&self, name: &str, tensor: &Tensor) -> ApiError {
        ApiError::internal(format!(
            "output `{name}` has shape {:?}, which does not fit {} texts with up to {} tokens",
            tensor.shape, self.rows, self.tokens
        ))
    }
}

/// The values of the tokens of one text.
pub(super) struct TokenValues<'a> {
    tensor: &'a Tensor,
    /// The place of the first value.
    first: usize,
    tokens: usize,
    /// The number of values of a token, which is not 0.
    pub size: usize,
}

impl TokenValues<'_> {
    /// The values of all tokens, in a row.
    ///
    /// # Errors
    /// 500 for a tensor that does not have the bytes of its shape.
    pub fn all(&self) -> Result<Vec<f32>, ApiError> {
        floats(self.tensor, self.first, self.tokens * self.size)
    }

    /// The values of one token.
    ///
    /// # Errors
    /// 500 if the text has no such token.
    pub fn token(&self, token: usize) -> Result<Vec<f32>, ApiError> {
        if token >= self.tokens {
            return Err(ApiError::internal(format!(
                "token {token} of {}",
                self.tokens
            )));
        }
        floats(self.tensor, self.first + token * self.size, self.size)
    }
}

/// Some elements of an FP32 or FP16 tensor. Only they are copied: a tensor with a value for each entry of a vocabulary is
/// large.
fn floats(tensor: &Tensor, first: usize, count: usize) -> Result<Vec<f32>, ApiError> {
    let size = tensor.datatype.element_bytes().unwrap_or(1);
    let bytes = tensor.data.get(first * size..(first + count) * size);
    let bytes = bytes.ok_or_else(|| {
        ApiError::internal(format!(
            "a tensor of shape {:?} has {} bytes",
            tensor.shape,
            tensor.data.len()
        ))
    })?;
    let part = Tensor {
        datatype: tensor.datatype,
        shape: vec![u32::try_from(count).unwrap_or(u32::MAX)],
        data: bytes.to_vec(),
    };
    Ok(part.floats()?)
}
