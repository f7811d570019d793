//! The tokenizer and the pooling of a folder: `tokenizer.json`, `tokenizer_config.json`, and from
//! `sentence-transformers` `sentence_bert_config.json`, `modules.json` and `1_Pooling/config.json`.

use std::path::Path;

use infer_model_card::{Pooling, Side, TensorSpec, TextSpec};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokenizers::{PostProcessor, Tokenizer};

use crate::guard::guarded;
use crate::labels::Config;
use crate::source::Source;

/// A folder whose tokenizer or pooling is not supported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file could not be read.
    #[error("cannot read `{file}`: {source}")]
    Read {
        /// The file's path.
        file: String,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file is not JSON, or not in the format of the Python packages.
    #[error("`{file}` cannot be read: {source}")]
    Json {
        /// The file.
        file: String,
        /// The reason.
        source: serde_json::Error,
    },
    /// The crate `tokenizers` does not support the tokenizer.
    #[error("`tokenizer.json` is not a supported tokenizer: {0}")]
    Tokenizer(String),
    /// The special tokens leave no room for a text.
    #[error(
        "the folder's files allow {max_tokens} tokens per text, but the tokenizer adds {special} special tokens"
    )]
    NoRoom {
        /// The limit in the files.
        max_tokens: u32,
        /// The number of special tokens.
        special: usize,
    },
    /// A file asks for preprocessing or postprocessing that is not supported.
    #[error("`{file}` {problem}")]
    Unsupported {
        /// The file.
        file: String,
        /// The unsupported step.
        problem: String,
    },
}

/// The tokenizer and the pooling of a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The section `[text]`; `None` if the folder has no tokenizer or the graph takes other inputs.
    pub text: Option<TextSpec>,
    /// The text of `tokenizer.json`.
    pub tokenizer: Option<String>,
    /// The pooling that the folder names.
    pub pooling: Option<Pooling>,
    /// Whether vectors are normalized, as `modules.json` says; `None` without that file.
    pub normalizes: Option<bool>,
    /// The token that stands for a missing word.
    pub mask_token: Option<String>,
    /// Whether `sentence-transformers` makes sparse vectors of the model.
    pub is_sparse: bool,
    /// The kind of model that `sentence-transformers` names; empty without its file.
    pub kind: String,
    /// The activation of a cross-encoder, by the name of its class in Python.
    pub cross_encoder: Option<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// The relevant members of `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    /// 10^30 if there is no limit.
    #[serde(default)]
    model_max_length: Option<f64>,
    #[serde(default)]
    pad_token: Option<Token>,
    #[serde(default)]
    mask_token: Option<Token>,
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

impl Token {
    fn content(&self) -> &str {
        match self {
            Self::Text(content) | Self::Added { content } => content,
        }
    }
}

/// The relevant members of `sentence_bert_config.json`.
#[derive(Default, Deserialize)]
struct SentenceConfig {
    #[serde(default)]
    max_seq_length: Option<u32>,
    #[serde(default)]
    do_lower_case: Option<bool>,
}

/// The relevant members of the file of the module `SpladePooling`.
#[derive(Default, Deserialize)]
struct SpladeConfig {
    #[serde(default)]
    pooling_strategy: Option<String>,
    #[serde(default)]
    activation_function: Option<String>,
}

/// An element of `modules.json`.
#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    /// Its folder.
    #[serde(default)]
    path: String,
}

impl Module {
    /// The last part of the type, such as `Pooling`.
    fn name(&self) -> &str {
        self.kind.rsplit('.').next().unwrap_or_default()
    }
}

/// Read the tokenizer and the pooling of a folder. All files are optional.
///
/// # Errors
/// When a file cannot be read or asks for an unsupported step. Nothing is guessed.
pub fn read(
    source: &Source,
    config: &Config,
    inputs: &[TensorSpec],
    image: Option<&str>,
) -> Result<Found, TextError> {
    let usual = TextSpec::default();
    if !inputs.iter().any(|spec| spec.name == usual.input_ids) {
        return Ok(Found::default());
    }
    let Some(path) = source.file("tokenizer.json") else {
        return Ok(Found {
            notes: vec![
                "there is no `tokenizer.json`, so the model takes token ids instead of texts; \
                 `AutoTokenizer.from_pretrained(…).save_pretrained(…)` of `transformers` writes one"
                    .to_owned(),
            ],
            ..Found::default()
        });
    };
    let is_other = |spec: &&TensorSpec| {
        usual.role(&spec.name).is_none() && image.is_none_or(|image| image != spec.name)
    };
    if let Some(other) = inputs.iter().find(is_other) {
        return Ok(Found {
            notes: vec![format!(
                "a text does not fill the graph's input `{}`, so the model takes tensors instead of texts",
                other.name
            )],
            ..Found::default()
        });
    }
    let json = read_text(&path)?;
    // Check for JSON first: the library panics on a file that is truncated within its decoder.
    serde_json::from_str::<IgnoredAny>(&json)
        .map_err(|error| TextError::Tokenizer(error.to_string()))?;
    let tokenizer = guarded(|| Tokenizer::from_bytes(json.as_bytes()))
        .map_err(TextError::Tokenizer)?
        .map_err(|error| TextError::Tokenizer(error.to_string()))?;
    let about: TokenizerConfig = members(source, "tokenizer_config.json")?;
    let sentences: SentenceConfig = members(source, "sentence_bert_config.json")?;
    if sentences.do_lower_case == Some(true) && !lowercases(&json) {
        return Err(TextError::Unsupported {
            file: "sentence_bert_config.json".to_owned(),
            problem: "sets `do_lower_case`, but the tokenizer keeps capitals, and lowercasing outside the \
                      tokenizer is not supported"
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
    let pad_token = about.pad_token.as_ref().map(Token::content);
    let pad_id = pad_token.and_then(|token| tokenizer.token_to_id(token));
    let mask_token = about.mask_token.as_ref().map(Token::content);
    let mask_token = match mask_token.filter(|token| tokenizer.token_to_id(token).is_some()) {
        Some(token) => Some(token.to_owned()),
        None => mask_of(&tokenizer),
    };
    let sentence_transformers: Value =
        parse(source, "config_sentence_transformers.json")?.unwrap_or_default();
    let member = |name: &str| sentence_transformers[name].as_str().map(str::to_owned);
    let in_file = tokenizer.get_padding().map(|padding| padding.pad_id);
    let modules: Option<Vec<Module>> = parse(source, "modules.json")?;
    let normalizes = modules
        .as_ref()
        .map(|modules| modules.iter().any(|module| module.name() == "Normalize"));
    let is_sparse = is_sparse(source, modules.as_deref().unwrap_or_default())?;
    Ok(Found {
        pooling: match is_sparse {
            true => None,
            false => pooling(source, modules.as_deref(), normalizes)?,
        },
        normalizes,
        is_sparse,
        mask_token,
        kind: member("model_type").unwrap_or_default(),
        cross_encoder: member("activation_fn"),
        text: Some(TextSpec {
            max_tokens,
            pad_id: pad_id.or(config.pad_token_id).or(in_file).unwrap_or(0),
            padding_side: about.padding_side.unwrap_or_default(),
            truncation_side: about.truncation_side.unwrap_or_default(),
            prompt: prompt(source)?,
            ..usual
        }),
        tokenizer: Some(json),
        notes: Vec::new(),
    })
}

/// The mask among the special tokens of a tokenizer, by the name that BERT or RoBERTa gives it.
fn mask_of(tokenizer: &Tokenizer) -> Option<String> {
    let names = ["[MASK]", "<mask>"].into_iter();
    let mut known = names.filter(|name| {
        let id = tokenizer.token_to_id(name);
        let added = tokenizer.get_added_tokens_decoder();
        id.and_then(|id| added.get(&id))
            .is_some_and(|token| token.special)
    });
    // Of two, none is known to be the mask.
    match (known.next(), known.next()) {
        (Some(name), None) => Some(name.to_owned()),
        _ => None,
    }
}

/// Whether the modules of `sentence-transformers` make sparse vectors of a masked language model, as SPLADE does.
fn is_sparse(source: &Source, modules: &[Module]) -> Result<bool, TextError> {
    let Some(pooling) = modules
        .iter()
        .find(|module| module.name() == "SpladePooling")
    else {
        return Ok(false);
    };
    let unsupported = |file: &str, problem| {
        Err(TextError::Unsupported {
            file: file.to_owned(),
            problem,
        })
    };
    let known = ["MLMTransformer", "Transformer", "SpladePooling"];
    let names = modules.iter().map(Module::name);
    if let Some(other) = names.into_iter().find(|name| !known.contains(name)) {
        return unsupported(
            "modules.json",
            format!(
                "has the module `{other}` beside `SpladePooling`, which is not supported; expected {}",
                known.join(", ")
            ),
        );
    }
    let folder = folder(pooling)?;
    let file = &format!("{folder}/config.json");
    let config: SpladeConfig = members(source, file)?;
    for (key, value, expected) in [
        ("pooling_strategy", config.pooling_strategy, "max"),
        ("activation_function", config.activation_function, "relu"),
    ] {
        if let Some(value) = value.filter(|value| value != expected) {
            return unsupported(
                file,
                format!("has the `{key}` `{value}`, which is not supported; expected `{expected}`"),
            );
        }
    }
    Ok(true)
}

/// The folder of a module. Only a folder of the source is read.
fn folder(module: &Module) -> Result<&str, TextError> {
    let folder = module.path.as_str();
    if folder.is_empty() || folder.contains(['/', '\\']) || folder.starts_with('.') {
        return Err(TextError::Unsupported {
            file: "modules.json".to_owned(),
            problem: format!("has the pooling in `{folder}`, expected the name of a folder"),
        });
    }
    Ok(folder)
}

/// Whether the tokenizer lowercases.
fn lowercases(json: &str) -> bool {
    fn any(value: &Value) -> bool {
        value["type"] == "Lowercase"
            || value["lowercase"] == true
            || value["normalizers"]
                .as_array()
                .is_some_and(|all| all.iter().any(any))
    }
    serde_json::from_str::<Value>(json).is_ok_and(|file| any(&file["normalizer"]))
}

/// The pooling in the folder that `modules.json` names, else in `1_Pooling`, if the source comes from
/// `sentence-transformers`.
fn pooling(
    source: &Source,
    modules: Option<&[Module]>,
    normalizes: Option<bool>,
) -> Result<Option<Pooling>, TextError> {
    let unsupported = |file: &str, problem| {
        Err(TextError::Unsupported {
            file: file.to_owned(),
            problem,
        })
    };
    let mut path = "1_Pooling";
    if let Some(modules) = modules {
        let known = ["Transformer", "Pooling", "Normalize"];
        let pooling = modules.iter().find(|module| module.name() == "Pooling");
        if let Some(other) = modules
            .iter()
            .map(Module::name)
            .find(|name| !known.contains(name))
        {
            return unsupported(
                "modules.json",
                format!(
                    "has the module `{other}`, which is neither in the graph nor supported; expected {}",
                    known.join(", ")
                ),
            );
        }
        if let Some(pooling) = pooling {
            path = folder(pooling)?;
        }
    }
    let file = &format!("{path}/config.json");
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
        // The package's default.
        modes.push("mean".to_owned());
    }
    let [mode] = modes.as_slice() else {
        return unsupported(
            file,
            format!(
                "concatenates the poolings {}, which is not supported",
                modes.join(" and ")
            ),
        );
    };
    match mode.as_str() {
        "mean_sqrt_len_tokens" if normalizes == Some(false) => unsupported(
            file,
            "has the pooling `mean_sqrt_len_tokens` without a normalization, which is not supported; expected mean, cls, \
             max or lasttoken"
                .to_owned(),
        ),
        // It differs only in the vector's length, which normalization sets to 1.
        "mean" | "mean_tokens" | "mean_sqrt_len_tokens" => Ok(Some(Pooling::Mean)),
        "cls" => Ok(Some(Pooling::Cls)),
        "max" | "max_tokens" => Ok(Some(Pooling::Max)),
        "lasttoken" => Ok(Some(Pooling::Last)),
        other => unsupported(
            file,
            format!(
                "has the pooling `{other}`, which is not supported; expected mean, cls, max or lasttoken"
            ),
        ),
    }
}

/// The default prompt, which `sentence-transformers` puts before every text; empty if there is none.
fn prompt(source: &Source) -> Result<String, TextError> {
    let file = "config_sentence_transformers.json";
    let config: Value = parse(source, file)?.unwrap_or_default();
    let Some(name) = config["default_prompt_name"].as_str() else {
        return Ok(String::new());
    };
    match &config["prompts"][name] {
        Value::String(prompt) => Ok(prompt.clone()),
        other => Err(TextError::Unsupported {
            file: file.to_owned(),
            problem: format!("has {other} as the prompt `{name}`, expected a text"),
        }),
    }
}

/// The relevant members of a file that is an object. Serde alone would accept a list as well.
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
