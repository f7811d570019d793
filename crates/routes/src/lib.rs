//! The HTTP routes, as one table.
//!
//! The component's router and its `/openapi.json` read [`ROUTES`], and the host labels logs and metrics with the
//! patterns. To add a route, add a row here and handle its [`Handler`] in `src/protocols/dispatch.rs`; the compiler
//! names both places that match on it.

pub mod cors;
mod error_form;

pub use error_form::ErrorForm;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The methods that the path allows.
    pub methods: Methods,
    /// The path. `{model}`, `{version}`, `{task}` and `{file}` each stand for one segment, or for what precedes `:` in it.
    pub pattern: &'static str,
    /// The protocol that the route belongs to.
    pub protocol: Protocol,
    /// What handles a request.
    pub handler: Handler,
    /// One line for `/openapi.json`, with the placeholders of the pattern; empty if the document omits the route.
    pub summary: &'static str,
}

/// The methods of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `GET`, and `HEAD` with it.
    Get,
    /// `POST`
    Post,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `/infer`, this project's own.
    Infer,
    /// The Open Inference Protocol, version 2.
    V2,
    /// TensorFlow Serving's and KServe's V1.
    V1,
    /// OpenAI's API.
    OpenAi,
    /// Hugging Face's inference API, by the task of the model.
    HuggingFace,
    /// Hugging Face's Text Embeddings Inference.
    Tei,
    /// Cohere's and Jina's reranking.
    Cohere,
    /// DeepStack's detection.
    DeepStack,
    /// The page and the OpenAPI document.
    Service,
}

/// What handles a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Infer with the default model, or with the model in the path.
    Infer,
    /// Return the model's input that a body becomes, without inference.
    Input,
    /// Return the OpenAPI document.
    OpenApi,
    /// Return a file of the page.
    Page,
    /// Embed texts.
    Embeddings,
    /// Predict by the task of the default model, or of the model in the path.
    HuggingFace,
    /// Embed texts, one vector each.
    TeiEmbed,
    /// Embed texts, one vector for each token.
    TeiEmbedAll,
    /// Embed texts, one sparse vector each.
    TeiEmbedSparse,
    /// Classify texts or pairs of texts.
    TeiPredict,
    /// Rank texts for a query, or documents as Cohere has it.
    TeiRerank,
    /// Compare a sentence with others.
    TeiSimilarity,
    /// Return the tokens of texts.
    TeiTokenize,
    /// Return the texts of tokens.
    TeiDecode,
    /// Return the facts of a model of texts.
    TeiInfo,
    /// Rank documents for a query.
    Rerank,
    /// Detect objects with the default detector, or with the model in the path.
    DeepStack,
    /// Recognize the speech of a sound.
    Transcriptions,
    /// List the models.
    V1Models,
    /// Return the status of a model's versions.
    V1Model,
    /// Infer with instances.
    V1Predict,
    /// Return the server's metadata.
    Server,
    /// Return whether the server is live.
    ServerLive,
    /// Return whether every model can compute.
    ServerReady,
    /// Return a model's metadata.
    Model,
    /// Return whether a model can compute.
    ModelReady,
    /// Return a model's configuration.
    ModelConfig,
    /// Infer with named tensors.
    ModelInfer,
    /// List the models with their state.
    RepositoryIndex,
}

use Handler::{
    DeepStack, Embeddings, HuggingFace, Infer, Input, Model, ModelConfig, ModelInfer, ModelReady,
    OpenApi, Page, RepositoryIndex, Rerank, Server, ServerLive, ServerReady, TeiDecode, TeiEmbed,
    TeiEmbedAll, TeiEmbedSparse, TeiInfo, TeiPredict, TeiRerank, TeiSimilarity, TeiTokenize,
    Transcriptions, V1Model, V1Models, V1Predict,
};
use Methods::{Get, Post};

/// Every route. A path matches at most one pattern, which has one row for each set of methods.
#[rustfmt::skip]
pub const ROUTES: [Route; 42] = [
    route(Post, "/infer", Protocol::Infer, Infer, "Ask model {model}"),
    route(Post, "/infer/{model}", Protocol::Infer, Infer, "Ask model {model}"),
    route(Post, "/infer/{model}/input", Protocol::Infer, Input, "What model {model} would be given"),
    route(Get, "/v2", Protocol::V2, Server, "The server's metadata"),
    // The protocol's own OpenAPI file has the slash.
    route(Get, "/v2/", Protocol::V2, Server, ""),
    route(Get, "/v2/health/live", Protocol::V2, ServerLive, "Whether the server lives"),
    route(Get, "/v2/health/ready", Protocol::V2, ServerReady, "Whether every model can compute"),
    route(Get, "/v2/models/{model}", Protocol::V2, Model, "A model's metadata"),
    route(Get, "/v2/models/{model}/versions/{version}", Protocol::V2, Model, "A model's metadata, in one version"),
    route(Get, "/v2/models/{model}/ready", Protocol::V2, ModelReady, "Whether a model can compute"),
    route(Get, "/v2/models/{model}/versions/{version}/ready", Protocol::V2, ModelReady, "Whether a model can compute, in one version"),
    route(Get, "/v2/models/{model}/config", Protocol::V2, ModelConfig, "A model's configuration, as Triton has it"),
    route(Get, "/v2/models/{model}/versions/{version}/config", Protocol::V2, ModelConfig, "A model's configuration, as Triton has it, in one version"),
    route(Post, "/v2/models/{model}/infer", Protocol::V2, ModelInfer, "Infer with {model}"),
    route(Post, "/v2/models/{model}/versions/{version}/infer", Protocol::V2, ModelInfer, "Infer with {model}"),
    route(Post, "/v2/repository/index", Protocol::V2, RepositoryIndex, "The models and whether they are ready"),
    route(Get, "/v1/models", Protocol::V1, V1Models, "The models"),
    route(Get, "/v1/models/{model}", Protocol::V1, V1Model, "The status of every version of a model"),
    route(Get, "/v1/models/{model}/versions/{version}", Protocol::V1, V1Model, "The status of one version of a model"),
    route(Post, "/v1/models/{model}:predict", Protocol::V1, V1Predict, "Predict with {model}"),
    route(Post, "/v1/models/{model}/versions/{version}:predict", Protocol::V1, V1Predict, "Predict with {model}"),
    route(Post, "/v1/embeddings", Protocol::OpenAi, Embeddings, "One vector a text, as OpenAI's API has it"),
    route(Post, "/models/{model}", Protocol::HuggingFace, HuggingFace, "Ask model {model}, as Hugging Face's API has it"),
    route(Post, "/models/{model}/pipeline/{task}", Protocol::HuggingFace, HuggingFace, ""),
    route(Post, "/embed", Protocol::Tei, TeiEmbed, "One vector a text"),
    route(Post, "/embed_all", Protocol::Tei, TeiEmbedAll, "One vector a token"),
    route(Post, "/embed_sparse", Protocol::Tei, TeiEmbedSparse, "One sparse vector a text"),
    route(Post, "/predict", Protocol::Tei, TeiPredict, "The classes of texts, or of pairs of texts"),
    route(Post, "/rerank", Protocol::Tei, TeiRerank, "The order of texts for a query"),
    route(Post, "/similarity", Protocol::Tei, TeiSimilarity, "How similar sentences are to one"),
    route(Post, "/tokenize", Protocol::Tei, TeiTokenize, "The tokens of texts"),
    route(Post, "/decode", Protocol::Tei, TeiDecode, "The texts of tokens"),
    route(Get, "/info", Protocol::Tei, TeiInfo, "The facts of a model of texts"),
    route(Post, "/v1/rerank", Protocol::Cohere, Rerank, "The order of documents for a query, as Cohere's and Jina's APIs have it"),
    route(Post, "/v2/rerank", Protocol::Cohere, Rerank, "The order of documents for a query, as Cohere's second API has it"),
    route(Post, "/v1/vision/detection", Protocol::DeepStack, DeepStack, "The objects in an image, as DeepStack has it"),
    route(Post, "/v1/vision/custom/{model}", Protocol::DeepStack, DeepStack, "The objects in an image, as DeepStack has it, by a model of choice"),
    route(Post, "/", Protocol::HuggingFace, HuggingFace, "Ask model {model}, as Hugging Face's API has it"),
    route(Post, "/v1/audio/transcriptions", Protocol::OpenAi, Transcriptions, "The text of a sound, as OpenAI's API has it"),
    route(Get, "/openapi.json", Protocol::Service, OpenApi, "This document"),
    route(Get, "/", Protocol::Service, Page, "A page to try a model in"),
    route(Get, "/playground/{file}", Protocol::Service, Page, ""),
];

const fn route(
    methods: Methods,
    pattern: &'static str,
    protocol: Protocol,
    handler: Handler,
    summary: &'static str,
) -> Route {
    Route {
        methods,
        pattern,
        protocol,
        handler,
        summary,
    }
}

impl Methods {
    /// The methods as the header `Allow` lists them.
    #[must_use]
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
        }
    }

    /// Whether `method`, in capitals, is one of them.
    #[must_use]
    pub fn contains(self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }
}

/// A path's route, and the values of its placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The row of [`ROUTES`].
    pub route: &'static Route,
    /// The value of `{model}`, if the pattern has it.
    pub model: Option<&'a str>,
    /// The value of `{version}`, if the pattern has it.
    pub version: Option<&'a str>,
    /// The value of `{task}`, if the pattern has it.
    pub task: Option<&'a str>,
}

/// Which values a placeholder that is a whole segment matches.
///
/// The last segment of a V1 path never has a colon, because the verb follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any value but the empty one, so that the table of models can say that it has no such model.
    Any,
    /// Values without a colon, which is in no model's name.
    WithoutColon,
}

/// Find a route of a path, which is given as its segments: `["infer", "digits"]` for `/infer/digits`.
#[must_use]
pub fn find<'a>(segments: &[&'a str], names: Names) -> Option<Match<'a>> {
    find_all(segments, names).next()
}

/// Find the routes of a path: one for each set of methods. All have the same pattern.
pub fn find_all<'a>(segments: &[&'a str], names: Names) -> impl Iterator<Item = Match<'a>> {
    ROUTES
        .iter()
        .filter_map(move |route| route.matches(segments, names))
}

/// The methods of a path's routes as the header `Allow` lists them.
#[must_use]
pub fn allow(routes: &[Match<'_>]) -> &'static str {
    let has = |methods| routes.iter().any(|found| found.route.methods == methods);
    match (has(Get), has(Post)) {
        (true, true) => "GET, HEAD, POST",
        (true, false) => Get.allow(),
        (false, _) => Post.allow(),
    }
}

impl Route {
    /// Match a path's segments against the pattern.
    fn matches<'a>(&'static self, segments: &[&'a str], names: Names) -> Option<Match<'a>> {
        let mut found = Match {
            route: self,
            model: None,
            version: None,
            task: None,
        };
        let mut rest = segments.iter();
        let mut parts = self.pattern.split('/').skip(1).peekable();
        while let Some(part) = parts.next() {
            let segment = *rest.next()?;
            let Some(placeholder) = part.strip_prefix('{') else {
                if part != segment {
                    return None;
                }
                continue;
            };
            let (name, suffix) = placeholder.split_once('}')?;
            let value = segment.strip_suffix(suffix)?;
            let before_verb = self.protocol == Protocol::V1 && parts.peek().is_none();
            let refuses_colon = names == Names::WithoutColon || before_verb;
            if value.is_empty() || suffix.is_empty() && refuses_colon && value.contains(':') {
                return None;
            }
            match name {
                "model" => found.model = Some(value),
                "version" => found.version = Some(value),
                "task" => found.task = Some(value),
                _ => {}
            }
        }
        rest.next().is_none().then_some(found)
    }

    /// The pattern with a model's name, and its version if the pattern has one.
    #[must_use]
    pub fn path(&self, model: &str, version: &str) -> String {
        fill(self.pattern, model, version)
    }

    /// The summary for a model.
    #[must_use]
    pub fn summary_for(&self, model: &str) -> String {
        fill(self.summary, model, "")
    }

    /// Whether the pattern has a version.
    #[must_use]
    pub fn has_version(&self) -> bool {
        self.pattern.contains("{version}")
    }
}

fn fill(text: &str, model: &str, version: &str) -> String {
    text.replace("{model}", model).replace("{version}", version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_matches_its_own_path_and_no_other_pattern() {
        let mut wrong = Vec::new();
        for route in &ROUTES {
            let path = route.path("m", "1").replace("{file}", "page.js");
            let path = path.replace("{task}", "t");
            let segments: Vec<&str> = path.split('/').skip(1).collect();
            for names in [Names::Any, Names::WithoutColon] {
                let rows: Vec<_> = find_all(&segments, names).collect();
                let expected = Match {
                    route,
                    model: route.pattern.contains("{model}").then_some("m"),
                    version: route.has_version().then_some("1"),
                    task: route.pattern.contains("{task}").then_some("t"),
                };
                let same = ROUTES.iter().filter(|row| row.pattern == route.pattern);
                let is_alone = same.filter(|row| row.methods == route.methods).count() == 1;
                let is_other = |row: &Match| row.route.pattern != route.pattern;
                if !is_alone || !rows.contains(&expected) || rows.iter().any(is_other) {
                    wrong.push(format!("{path}: {rows:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn colons_belong_to_verbs_or_to_names() {
        let cases = [
            ("infer/a:b", Some("/infer/{model}"), None),
            ("v2/models/a:b", Some("/v2/models/{model}"), None),
            ("v1/models/a:b", None, None),
            (
                "v1/models/a:b:predict",
                Some("/v1/models/{model}:predict"),
                Some("/v1/models/{model}:predict"),
            ),
            (
                "v1/models/a:b/versions/1:predict",
                Some("/v1/models/{model}/versions/{version}:predict"),
                None,
            ),
            ("v1/models/:predict", None, None),
            ("v1/models/m/versions/:predict", None, None),
        ];
        let mut wrong = Vec::new();
        for (path, any, without_colon) in cases {
            let segments: Vec<&str> = path.split('/').collect();
            for (names, expected) in [(Names::Any, any), (Names::WithoutColon, without_colon)] {
                let pattern = find(&segments, names).map(|found| found.route.pattern);
                if pattern != expected {
                    wrong.push((path, names, pattern));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn only_an_alias_and_assets_are_undocumented() {
        let undocumented: Vec<_> = ROUTES
            .iter()
            .filter(|route| route.summary.is_empty())
            .map(|route| route.pattern)
            .collect();
        let expected = [
            "/v2/",
            "/models/{model}/pipeline/{task}",
            "/playground/{file}",
        ];
        assert_eq!(undocumented, expected);
    }

    #[test]
    fn a_path_allows_the_methods_of_all_its_routes() {
        let cases = [
            (&[""][..], "GET, HEAD, POST"),
            (&["infer"], "POST"),
            (&["v2"], "GET, HEAD"),
        ];
        for (segments, expected) in cases {
            let routes: Vec<_> = find_all(segments, Names::Any).collect();
            assert_eq!(allow(&routes), expected, "{segments:?}");
        }
    }
}
