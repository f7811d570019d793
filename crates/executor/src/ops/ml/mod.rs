//! The operators of `ai.onnx.ml`, ONNX's set of classical machine learning, as scikit-learn, LightGBM, XGBoost and
//! CatBoost export them. Where the specification is vague, they compute what ONNX Runtime does.

pub mod features;
pub mod kernel;
pub mod labels;
pub mod linear;
pub mod scaling;
pub mod scores;
pub mod svm;
pub mod tree;
pub mod tree_attributes;
pub mod tree_ensemble;
pub mod vocabulary;
