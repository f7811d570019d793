//! The form of an error, by the protocol whose route was requested.

/// The JSON form of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// `{"error": "sentence"}`
    Sentence,
    /// OpenAI's: `{"error": {"message", "type", "param", "code"}}`
    OpenAi,
    /// That of Text Embeddings Inference: `{"error": "sentence", "error_type"}`
    Tei,
    /// Cohere's: `{"message": "sentence"}`
    Cohere,
    /// DeepStack's: `{"success": false, "error": "sentence"}`
    DeepStack,
}

/// The paths of Text Embeddings Inference.
const TEI: [&str; 9] = [
    "/decode",
    "/embed",
    "/embed_all",
    "/embed_sparse",
    "/info",
    "/predict",
    "/rerank",
    "/similarity",
    "/tokenize",
];

impl ErrorForm {
    /// Every form.
    pub const ALL: [Self; 5] = [
        Self::Sentence,
        Self::OpenAi,
        Self::Tei,
        Self::Cohere,
        Self::DeepStack,
    ];

    /// The form for a path as sent, with or without a query.
    ///
    /// Every other path under `/v1/` that is not V1's has OpenAI's form, also one that matches no route: OpenAI's clients show no
    /// other error. `/v1/models` and `/v1/models/{model}` belong to both protocols. They have OpenAI's form, because clients of
    /// V1 show the body as it is.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        if TEI.contains(&path) {
            return Self::Tei;
        }
        if matches!(path, "/v1/rerank" | "/v2/rerank") {
            return Self::Cohere;
        }
        let Some(rest) = path.strip_prefix("/v1/") else {
            return Self::Sentence;
        };
        if rest.starts_with("vision/") {
            return Self::DeepStack;
        }
        let is_v1 = rest
            .strip_prefix("models/")
            .is_some_and(|model| model.contains('/') || has_verb(model));
        if is_v1 { Self::Sentence } else { Self::OpenAi }
    }

    /// OpenAI's type of an error with that status.
    #[must_use]
    pub const fn openai_type(status: u16) -> &'static str {
        if status < 500 {
            "invalid_request_error"
        } else {
            "server_error"
        }
    }

    /// The type of an error with that status in Text Embeddings Inference.
    #[must_use]
    pub const fn tei_type(status: u16) -> &'static str {
        match status {
            424 | 500 | 501 | 504 | 507 => "Backend",
            429 => "Overloaded",
            503 => "Unhealthy",
            _ => "Validation",
        }
    }
}

/// Whether the last segment of a path ends with a verb of V1, such as `digits:predict`.
fn has_verb(model: &str) -> bool {
    let model = model.to_ascii_lowercase().replace("%3a", ":");
    let verb = model.rsplit_once(':').map(|(_, verb)| verb);
    matches!(verb, Some("predict" | "explain" | "classify" | "regress"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_form_of_its_protocol() {
        use ErrorForm::{Cohere, DeepStack, OpenAi, Sentence, Tei};
        let cases = [
            ("/v1/embeddings", OpenAi),
            ("/v1/embeddings?x=/v2/", OpenAi),
            ("/v1/models", OpenAi),
            ("/v1/models?limit=2", OpenAi),
            ("/v1/models/digits", OpenAi),
            ("/v1/models/llama3:8b", OpenAi),
            ("/v1/models/", OpenAi),
            ("/v1/chat/completions", OpenAi),
            ("/v1/", OpenAi),
            ("/v1/models/digits:predict", Sentence),
            ("/v1/models/digits%3Apredict", Sentence),
            ("/v1/models/a:b:predict?x", Sentence),
            ("/v1/models/digits:explain", Sentence),
            ("/v1/models/digits/versions/1", Sentence),
            ("/v1/models/digits/versions/1:predict", Sentence),
            ("/v1/models/digits/metadata", Sentence),
            ("/embed", Tei),
            ("/rerank?x", Tei),
            ("/info", Tei),
            ("/embed/", Sentence),
            ("/embeds", Sentence),
            ("/v1/rerank", Cohere),
            ("/v2/rerank?x", Cohere),
            ("/v1/rerank/", OpenAi),
            ("/v2/rerank/", Sentence),
            ("/v1/vision/detection", DeepStack),
            ("/v1/vision/custom/m", DeepStack),
            ("/v1/vision/face", DeepStack),
            ("/v1/vision", OpenAi),
            ("/", Sentence),
            ("/models/m", Sentence),
            ("/v1", Sentence),
            ("/v1x/embeddings", Sentence),
            ("/v2/models/digits", Sentence),
            ("/infer", Sentence),
            ("/infer?/v1/embeddings", Sentence),
            ("//v1/embeddings", Sentence),
            ("", Sentence),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(path, expected)| (path, expected, ErrorForm::of(path)))
            .filter(|(_, expected, actual)| *expected != actual)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
