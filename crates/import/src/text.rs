//! How a folder's texts become token ids, and its model's outputs one vector a text: `tokenizer.json`,
//! `tokenizer_config.json` and, of `sentence-transformers`, `sentence_bert_config.json`, `modules.json`
//! and `1_Pooling/config.json`.

use std::path::Path;

use infer_model_card::{Pooling, Side, TensorSpec, TextSpec};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokenizers::{PostProcessor, Tokenizer};

use crate::guard::guarded;
use crate::labels::Config;
use crate::source::Source;

/// Why a folder's texts cannot be prepared as it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file that could not be read.
    #[error("cannot read `{file}`: {source}")]
    Read {
        /// Its name.
        file: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// No JSON, or not of the form that the Python packages write.
    #[error("`{file}` cannot be read: {source}")]
    Json {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The tokenizer's library does not know it.
    #[error("`tokenizer.json` is no tokenizer that is known: {0}")]
    Tokenizer(String),
    /// Nothing is left of a text.
    #[error(
        "the folder's files allow {max_tokens} tokens, of which {special} are added to every text; expected \
         more"
    )]
    NoRoom {
        /// What the files say.
        max_tokens: u32,
        /// How many the tokenizer adds.
        special: usize,
    },
    /// Something else is done to a text, or to what the graph gives, than is done here.
    #[error("`{file}` {problem}")]
    Unknown {
        /// The file.
        file: &'static str,
        /// What it asks for.
        problem: String,
    },
}

/// How texts are prepared, with what was seen on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// `[text]`; none where the folder has no tokenizer, or the graph takes something else.
    pub text: Option<TextSpec>,
    /// The text of `tokenizer.json`.
    pub tokenizer: Option<String>,
    /// How one vector is made of all tokens', if the folder says so.
    pub pooling: Option<Pooling>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Those of `tokenizer_config.json` that matter here.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    /// 10^30 where there is no limit.
    #[serde(default)]
    model_max_length: Option<f64>,
    #[serde(default)]
    pad_token: Option<Token>,
    #[serde(default)]
    padding_side: Option<Side>,
    #[serde(default)]
    truncation_side: Option<Side>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
}

/// `sentence_bert_config.json`
#[derive(Default, Deserialize)]
struct SentenceConfig {
    #[serde(default)]
    max_seq_length: Option<u32>,
    #[serde(default)]
    do_lower_case: Option<bool>,
}

/// One of `modules.json`.
#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
}

/// Read what a folder says; none of its files need be there.
///
/// # Errors
/// When a file cannot be read, or asks for something that is not done here: it is refused, not guessed.
pub fn read(source: &Source, config: &Config, inputs: &[TensorSpec]) -> Result<Found, TextError> {
    let usual = TextSpec::default();
    if !inputs.iter().any(|spec| spec.name == usual.input_ids) {
        return Ok(Found::default());
    }
    let Some(path) = source.file("tokenizer.json") else {
        return Ok(Found {
            notes: vec![
                "there is no `tokenizer.json`, so the model takes token numbers and no texts; \
                 `AutoTokenizer.from_pretrained(…).save_pretrained(…)` of `transformers` writes one"
                    .to_owned(),
            ],
            ..Found::default()
        });
    };
    if let Some(other) = inputs.iter().find(|spec| usual.role(&spec.name).is_none()) {
        return Ok(Found {
            notes: vec![format!(
                "the graph's input `{}` is none that a text gives, so the model takes tensors and no texts",
                other.name
            )],
            ..Found::default()
        });
    }
    let json = read_text(&path)?;
    // What is no JSON at all is told better here: the library panics where a file breaks off within its decoder.
    serde_json::from_str::<IgnoredAny>(&json)
        .map_err(|error| TextError::Tokenizer(error.to_string()))?;
    let tokenizer = guarded(|| Tokenizer::from_bytes(json.as_bytes()))
        .map_err(TextError::Tokenizer)?
        .map_err(|error| TextError::Tokenizer(error.to_string()))?;
    let about: TokenizerConfig = members(source, "tokenizer_config.json")?;
    let sentences: SentenceConfig = members(source, "sentence_bert_config.json")?;
    if sentences.do_lower_case == Some(true) && !lowers(&json) {
        return Err(TextError::Unknown {
            file: "sentence_bert_config.json",
            problem: "has `do_lower_case`, but the tokenizer keeps capitals, and texts come to it as they \
                      are here"
                .to_owned(),
        });
    }
    let limits = [
        sentences.max_seq_length,
        about.model_max_length.map(|length| length as u32),
        config.max_tokens,
    ];
    let max_tokens = limits
        .into_iter()
        .flatten()
        .filter(|limit| *limit > 0)
        .min();
    let max_tokens = max_tokens
        .unwrap_or(usual.max_tokens)
        .min(TextSpec::MAX_TOKENS);
    let special = tokenizer
        .get_post_processor()
        .map_or(0, |processor| processor.added_tokens(true));
    if max_tokens as usize <= special {
        return Err(TextError::NoRoom {
            max_tokens,
            special,
        });
    }
    let pad_id = match &about.pad_token {
        Some(Token::Text(token) | Token::Added { content: token }) => tokenizer.token_to_id(token),
        None => None,
    };
    let in_file = tokenizer.get_padding().map(|padding| padding.pad_id);
    Ok(Found {
        pooling: pooling(source)?,
        text: Some(TextSpec {
            max_tokens,
            pad_id: pad_id.or(config.pad_token_id).or(in_file).unwrap_or(0),
            padding_side: about.padding_side.unwrap_or_default(),
            truncation_side: about.truncation_side.unwrap_or_default(),
            ..usual
        }),
        tokenizer: Some(json),
        notes: prompt(source)?.into_iter().collect(),
    })
}

/// Whether the tokenizer makes small letters of capitals itself.
fn lowers(json: &str) -> bool {
    fn any(value: &Value) -> bool {
        value["type"] == "Lowercase"
            || value["lowercase"] == true
            || value["normalizers"]
                .as_array()
                .is_some_and(|all| all.iter().any(any))
    }
    serde_json::from_str::<Value>(json).is_ok_and(|file| any(&file["normalizer"]))
}

/// What `1_Pooling/config.json` says, if the folder is one of `sentence-transformers`.
fn pooling(source: &Source) -> Result<Option<Pooling>, TextError> {
    let unknown = |file, problem| Err(TextError::Unknown { file, problem });
    if let Some(modules) = parse::<Vec<Module>>(source, "modules.json")? {
        let name = |module: &Module| {
            let name = module.kind.rsplit('.').next().unwrap_or_default();
            name.to_owned()
        };
        let known = ["Transformer", "Pooling", "Normalize"];
        if let Some(other) = modules
            .iter()
            .map(name)
            .find(|name| !known.contains(&name.as_str()))
        {
            return unknown(
                "modules.json",
                format!(
                    "has the module `{other}`, which is not in the graph and not known here; expected {}",
                    known.join(", ")
                ),
            );
        }
    }
    let file = "1_Pooling/config.json";
    let Some(config) = parse::<serde_json::Map<String, Value>>(source, file)? else {
        return Ok(None);
    };
    let mut modes: Vec<String> = match config.get("pooling_mode") {
        Some(Value::String(mode)) => vec![mode.clone()],
        Some(Value::Array(modes)) => modes
            .iter()
            .map(|mode| mode.as_str().unwrap_or_default().to_owned())
            .collect(),
        _ => config
            .iter()
            .filter(|(_, value)| **value == true)
            .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
            .map(|mode| mode.trim_end_matches("_token").to_owned())
            .collect(),
    };
    if modes.is_empty() {
        // The package's own default.
        modes.push("mean".to_owned());
    }
    let [mode] = modes.as_slice() else {
        return unknown(
            file,
            format!(
                "makes a vector of {} one after the other, which is not done here",
                modes.join(" and ")
            ),
        );
    };
    match mode.as_str() {
        // The other is the same but for its length, and vectors are brought to length 1.
        "mean" | "mean_tokens" | "mean_sqrt_len_tokens" => Ok(Some(Pooling::Mean)),
        "cls" => Ok(Some(Pooling::Cls)),
        "max" | "max_tokens" => Ok(Some(Pooling::Max)),
        "lasttoken" => Ok(Some(Pooling::Last)),
        other => unknown(
            file,
            format!(
                "pools by `{other}`, which is not known here; expected mean, cls, max or lasttoken"
            ),
        ),
    }
}

/// What is put before every text, which is left to the client here.
fn prompt(source: &Source) -> Result<Option<String>, TextError> {
    let file = "config_sentence_transformers.json";
    let config: Value = parse(source, file)?.unwrap_or_default();
    let Some(name) = config["default_prompt_name"].as_str() else {
        return Ok(None);
    };
    let prompt = &config["prompts"][name];
    Ok((prompt.as_str() != Some("")).then(|| {
        format!("`{file}` puts {prompt} before every text; here that is left to the client")
    }))
}

/// Of a file that is an object, the members that matter; serde would take a list for one as well.
fn members<T: Default + DeserializeOwned>(source: &Source, file: &str) -> Result<T, TextError> {
    let Some(object) = parse::<serde_json::Map<String, Value>>(source, file)? else {
        return Ok(T::default());
    };
    serde_json::from_value(Value::Object(object)).map_err(|source| TextError::Json {
        file: file.to_owned(),
        source,
    })
}

fn parse<T: DeserializeOwned>(source: &Source, file: &str) -> Result<Option<T>, TextError> {
    let Some(path) = source.file(file) else {
        return Ok(None);
    };
    serde_json::from_str(&read_text(&path)?)
        .map(Some)
        .map_err(|source| TextError::Json {
            file: file.to_owned(),
            source,
        })
}

fn read_text(path: &Path) -> Result<String, TextError> {
    std::fs::read_to_string(path).map_err(|source| TextError::Read {
        file: path.display().to_string(),
        source,
    })
}
