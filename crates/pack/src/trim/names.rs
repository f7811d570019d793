//! Readable names of functions and statics, and the module that a function belongs to.

/// The module of symbols without one: the kernels that `codegen/` writes, C functions and exports.
pub(super) const NO_MODULE: &str = "(no module)";

/// A symbol as a person writes it, without hashes.
pub(super) fn demangled(symbol: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(symbol))
}

/// The module of a function, such as `alloc::vec` of `<alloc::vec::Vec<u8>>::push`.
///
/// A method belongs to the module of its type, a closure to that of its function, and code that drops a value to the
/// module of the value's type. A method of a primitive type belongs to the module of the trait.
pub(super) fn module(function: &str) -> String {
    let dropped = function.strip_prefix("core::ptr::drop_in_place::<");
    let dropped = dropped.or_else(|| function.strip_prefix("core::ptr::drop_in_place<"));
    let (subject, is_type) = match (dropped, function.strip_prefix('<')) {
        (Some(subject), _) | (None, Some(subject)) => (subject, true),
        (None, None) => (function, false),
    };
    let implementor = path(subject);
    let found = if implementor.contains("::") {
        parent(implementor, is_type)
    } else if let Some((_, implemented)) = subject.split_once(" as ") {
        parent(path(implemented), true)
    } else {
        None
    };
    found.unwrap_or(NO_MODULE).to_owned()
}

/// The path that a type or a function begins with, without references, slices and generic arguments.
fn path(text: &str) -> &str {
    const MARKS: [&str; 7] = ["&", "mut ", "*const ", "*mut ", "dyn ", "[", "("];
    let mut text = text;
    while let Some(rest) = MARKS.iter().find_map(|mark| text.strip_prefix(mark)) {
        text = rest;
    }
    let end = text.find(['<', '>', ' ', ',', ')', ']', ';']);
    text[..end.unwrap_or(text.len())].trim_end_matches("::")
}

/// The modules in front of a type, of a function, or of what is in one.
fn parent(path: &str, is_type: bool) -> Option<&str> {
    let is_module =
        |part: &str| part.starts_with(|first: char| first.is_lowercase() || first == '_');
    let mut end = 0;
    let mut parts = path.split("::").peekable();
    while let Some(part) = parts.next_if(|part| is_module(part)) {
        end += part.len() + "::".len();
    }
    let modules = path[..end.min(path.len())].trim_end_matches("::");
    // A type's name stopped the search. Without one, the last part is the function.
    let stop = parts.next();
    let ends_with_function = !is_type && stop.is_none_or(|part| part.starts_with('{'));
    match ends_with_function {
        true => modules.rsplit_once("::").map(|(modules, _)| modules),
        false => Some(modules).filter(|modules| !modules.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_a_module() {
        let rows = [
            ("image_webp::decoder::read_chunk", "image_webp::decoder"),
            ("<alloc::vec::Vec<u8>>::push", "alloc::vec"),
            ("alloc::raw_vec::RawVec<T,A>::grow_one", "alloc::raw_vec"),
            (
                "<infer_executor::ops::conv::Conv as infer_executor::operator::Operator>::run",
                "infer_executor::ops::conv",
            ),
            (
                "<&mut serde_json::de::Deserializer<R> as serde_core::de::Deserializer>::deserialize_map",
                "serde_json::de",
            ),
            ("<u8 as core::fmt::LowerHex>::fmt", "core::fmt"),
            ("<[T] as core::fmt::Debug>::fmt", "core::fmt"),
            ("<dyn core::any::Any>::type_id", "core::any"),
            ("infer::image::decode::{{closure}}", "infer::image"),
            ("infer::image::decode::{closure#0}", "infer::image"),
            (
                "core::ptr::drop_in_place<tokenizers::tokenizer::Encoding>",
                "tokenizers::tokenizer",
            ),
            ("core::ptr::drop_in_place::<[png::Info]>", "png"),
            ("core::ptr::write", "core::ptr"),
            (
                "core::ops::function::FnOnce::call_once{{vtable.shim}}",
                "core::ops::function",
            ),
            ("__rustc::__rdl_alloc", "__rustc"),
            ("infer_gemm_4x8", NO_MODULE),
            ("infer:component/setup#add-model", NO_MODULE),
            ("", NO_MODULE),
        ];
        let mut wrong = Vec::new();
        for (function, expected) in rows {
            let found = module(function);
            if found != expected {
                wrong.push(format!("`{function}`: `{found}`, expected `{expected}`"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn hashes_are_no_part_of_a_name() {
        let legacy = "_ZN4core9panicking13assert_failed17h0726171db08a24a9E";
        assert_eq!(demangled(legacy), "core::panicking::assert_failed");
        let v0 = "_RNvNtCs9pv848UzQwQ_4core6option13expect_failed";
        assert_eq!(demangled(v0), "core::option::expect_failed");
        assert_eq!(demangled("infer_gemm_4x8"), "infer_gemm_4x8");
    }
}
