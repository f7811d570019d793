//! The access log: one line per request.

use std::time::Duration;

use opentelemetry::trace::TraceId;

use super::record::Finished;

/// The log target of access log lines, for `RUST_LOG`.
pub const TARGET: &str = "infer::request";

/// Write the line if the level is enabled. It contains nothing that a client wrote but request and trace ids, which
/// are limited to harmless characters.
pub(crate) fn write(request: &Finished<'_>, trace_id: Option<TraceId>) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    let phase = |name| {
        let phase = request.phases.iter().find(|phase| phase.name == name);
        phase.map(|phase| ms(phase.duration))
    };
    tracing::info!(
        target: TARGET,
        id = request.id,
        method = request.method,
        route = request.route,
        model = (!request.model.is_empty()).then_some(request.model),
        status = request.status,
        total_ms = ms(request.total),
        queue_ms = phase("queue"),
        instantiate_ms = phase("instantiate"),
        decode_ms = phase("decode"),
        load_ms = phase("load"),
        compute_ms = phase("compute"),
        encode_ms = phase("encode"),
        request_bytes = request.request_bytes,
        answer_bytes = request.answer_bytes,
        cut_off = request.is_cut_off.then_some(true),
        trace_id = trace_id.map(tracing::field::display),
    );
}

/// Milliseconds, to the microsecond.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
