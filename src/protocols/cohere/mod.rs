//! `POST /v1/rerank` and `/v2/rerank`: documents in the order of their relevance for a query, as Cohere's and Jina's APIs
//! have it. `/rerank` takes the same body.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::common::Service;
use super::common::members::{Members, wrong};
use super::common::rank::rank;
use crate::catalog::Model;
use crate::catalog::ability::Ability;
use crate::http::error::ApiError;
use crate::http::json::response_within;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::timing::{Phase, Timing};
use crate::input::body;
use crate::input::content::Query;
use crate::input::text;
use crate::tensor::json;

/// A request, as far as its head says; the body names the model.
#[derive(Clone, Debug)]
pub struct Rerank {
    request_id: Option<String>,
}

impl Rerank {
    /// Read the head.
    ///
    /// # Errors
    /// 415 and 406 for the media types.
    pub fn new(head: &Head) -> Result<Self, ApiError> {
        body::expect_json(head)?;
        response_type(head, &[ResponseType::Json])?;
        Ok(Self {
            request_id: head.request_id().map(str::to_owned),
        })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a body that is not such a request, 404 for an unknown model, and errors of the backend.
    pub fn respond(
        &self,
        body: &[u8],
        service: Service,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let source = json::source(body, service.limits())?;
        let members = Members::of_body(&source)?;
        rerank(&members, self.request_id.as_deref(), service, timing)
    }
}

#[derive(Serialize)]
struct Reranked<'a> {
    id: &'a str,
    model: &'a str,
    results: Vec<RankedDocument<'a>>,
    usage: Usage,
    meta: Meta,
}

#[derive(Serialize)]
struct RankedDocument<'a> {
    index: usize,
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

#[derive(Serialize)]
struct Meta {
    billed_units: BilledUnits,
}

#[derive(Serialize)]
struct BilledUnits {
    search_units: u32,
}

/// Rank the documents of a body.
///
/// # Errors
/// Those of [`Rerank::respond`].
pub fn rerank(
    members: &Members,
    request_id: Option<&str>,
    service: Service,
    timing: &mut Timing,
) -> Result<Response, ApiError> {
    let name = members.text("model", "the name of a model")?;
    let unnamed = "the JSON body has no `model`";
    let model =
        service
            .models
            .with_ability(name.as_deref(), Ability::RANKS, unnamed, service.settings)?;
    let (query, tokens) = timing.measure(Phase::Decode, || {
        let query = read(members)?;
        let tokens = tokens(&query, model, service)?;
        Ok::<_, ApiError>((query, tokens))
    })?;
    let top_n = members.count("top_n")?.unwrap_or(usize::MAX);
    let has_documents = members.flag("return_documents")?.unwrap_or(false);
    let ranked = rank(model, &query, false, service, timing)?;
    let results = ranked.iter().take(top_n).map(|ranked| RankedDocument {
        index: ranked.index,
        relevance_score: ranked.score,
        document: (query.documents.get(ranked.index))
            .filter(|_| has_documents)
            .map(|text| Document { text }),
    });
    let reranked = Reranked {
        id: request_id.unwrap_or("rerank"),
        model: model.name.as_str(),
        results: results.collect(),
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
        meta: Meta {
            billed_units: BilledUnits { search_units: 1 },
        },
    };
    timing.measure(Phase::Encode, || {
        response_within(&reranked, service.limits())
    })
}

/// The query and the documents, each a text or an object with the member `text`.
fn read(members: &Members) -> Result<Query, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Item {
        Text(String),
        Object { text: String },
    }
    let expected = "a list of texts, or of objects with the member `text`";
    members.required("query", "a text")?;
    let query = members.text("query", "a text")?.unwrap_or_default();
    let documents = members.required("documents", expected)?;
    let items: Vec<Item> = serde_json::from_str(documents.get())
        .map_err(|_| wrong("documents", documents, expected))?;
    if items.is_empty() {
        return Err(
            ApiError::invalid("`documents` is empty, expected one text or more")
                .of_param("documents"),
        );
    }
    check_fields(members)?;
    Ok(Query {
        query: query.into_owned(),
        documents: items
            .into_iter()
            .map(|item| match item {
                Item::Text(text) | Item::Object { text } => text,
            })
            .collect(),
    })
}

/// Documents are ranked by their member `text` only.
fn check_fields(members: &Members) -> Result<(), ApiError> {
    let Some(value) = members.get("rank_fields") else {
        return Ok(());
    };
    match serde_json::from_str::<Vec<Cow<str>>>(value.get()) {
        Ok(fields) if fields == ["text"] => Ok(()),
        _ => Err(wrong("rank_fields", value as &RawValue, "`[\"text\"]`")),
    }
}

/// The number of tokens of all pairs.
fn tokens(query: &Query, model: &Model, service: Service) -> Result<usize, ApiError> {
    let documents = query.documents.iter();
    let documents: Vec<Cow<str>> = documents.map(|text| text.as_str().into()).collect();
    let queries = vec![Cow::from(query.query.as_str()); documents.len()];
    let limits = service.limits();
    let pairs = text::encode(model.accepts(), &queries, Some(&documents), limits)?;
    Ok(pairs.tokens())
}
