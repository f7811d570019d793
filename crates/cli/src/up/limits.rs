//! The host's limits as command-line flags.

use std::time::Duration;

use clap::Args;
use infer_host::{Limits, limits};

/// Resource limits of requests and connections.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Time limit of a request; then 504
    #[arg(long, value_name = "MS", default_value_t = ms(limits::DEFAULT_REQUEST_TIMEOUT),
          value_parser = clap::value_parser!(u64).range(1..=MAX_MS))]
    request_timeout_ms: u64,
    /// Memory limit of an instance
    #[arg(long, value_name = "MIB", default_value_t = default_memory_mib(),
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    instance_memory_mib: u32,
    /// Concurrent instances
    #[arg(long, value_name = "N", default_value_t = limits::DEFAULT_MAX_INSTANCES as u16,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_instances: u16,
    /// Queued requests; further ones get 503
    #[arg(long, value_name = "N", default_value_t = limits::DEFAULT_MAX_WAITING as u32,
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    max_waiting: u32,
    /// Open connections; further ones get 503 and are closed
    #[arg(long, value_name = "N", default_value_t = limits::DEFAULT_MAX_CONNECTIONS as u32,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// Size of the request line and headers; larger ones get 431
    #[arg(long, value_name = "BYTES", default_value_t = limits::DEFAULT_MAX_HEADER_BYTES as u32,
          value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    max_header_bytes: u32,
    /// Time to receive a request's headers; then the connection is closed
    #[arg(long, value_name = "MS", default_value_t = ms(limits::DEFAULT_HEADER_TIMEOUT),
          value_parser = clap::value_parser!(u64).range(1..=MAX_MS))]
    header_timeout_ms: u64,
    /// Idle timeout of a connection between requests
    #[arg(long, value_name = "MS", default_value_t = ms(limits::DEFAULT_KEEP_ALIVE_TIMEOUT),
          value_parser = clap::value_parser!(u64).range(1..=MAX_MS))]
    keep_alive_timeout_ms: u64,
    /// Idle timeout while receiving a request body; then 408
    #[arg(long, value_name = "MS", default_value_t = ms(limits::DEFAULT_BODY_TIMEOUT),
          value_parser = clap::value_parser!(u64).range(1..=MAX_MS))]
    body_timeout_ms: u64,
    /// Idle timeout while sending a response; then the connection is closed
    #[arg(long, value_name = "MS", default_value_t = ms(limits::DEFAULT_WRITE_TIMEOUT),
          value_parser = clap::value_parser!(u64).range(1..=MAX_MS))]
    write_timeout_ms: u64,
    /// Minimum transfer rate per second, beyond the idle timeout; 0 disables it
    #[arg(long, value_name = "BYTES", default_value_t = limits::DEFAULT_MIN_BYTES_PER_SECOND)]
    min_bytes_per_second: u64,
    /// Size limit of a response; a longer one is truncated
    #[arg(long, value_name = "BYTES", default_value_t = limits::DEFAULT_MAX_ANSWER_BYTES)]
    max_answer_bytes: u64,
    /// Time to keep serving after a signal while readiness returns 503
    #[arg(long, value_name = "MS", default_value_t = ms(limits::DEFAULT_DRAIN_DELAY),
          value_parser = clap::value_parser!(u64).range(0..=MAX_MS))]
    drain_delay_ms: u64,
}

/// One day: longer timeouts are mistakes, and much longer ones overflow the clock.
const MAX_MS: u64 = 24 * 60 * 60 * 1000;

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(MAX_MS)
}

fn default_memory_mib() -> u32 {
    u32::try_from(limits::DEFAULT_INSTANCE_MEMORY_BYTES >> 20).unwrap_or(u32::MAX)
}

impl LimitFlags {
    /// The limits for the host.
    pub fn limits(&self) -> Limits {
        let request_timeout = Duration::from_millis(self.request_timeout_ms);
        Limits {
            request_timeout,
            instance_memory_bytes: (self.instance_memory_mib as usize) << 20,
            max_instances: self.max_instances.into(),
            max_waiting: self.max_waiting as usize,
            // No running request takes longer.
            drain_timeout: request_timeout,
            drain_delay: Duration::from_millis(self.drain_delay_ms),
            max_header_bytes: self.max_header_bytes as usize,
            header_timeout: Duration::from_millis(self.header_timeout_ms),
            keep_alive_timeout: Duration::from_millis(self.keep_alive_timeout_ms),
            body_timeout: Duration::from_millis(self.body_timeout_ms),
            write_timeout: Duration::from_millis(self.write_timeout_ms),
            min_bytes_per_second: self.min_bytes_per_second,
            max_answer_bytes: self.max_answer_bytes,
            max_connections: self.max_connections as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: LimitFlags,
    }

    fn parse(flags: &str) -> Limits {
        let arguments = std::iter::once("up").chain(flags.split_whitespace());
        Flags::try_parse_from(arguments).unwrap().limits.limits()
    }

    #[test]
    fn the_default_flags_are_the_hosts_defaults() {
        assert_eq!(
            format!("{:?}", parse("")),
            format!("{:?}", Limits::default())
        );
    }

    #[test]
    fn every_flag_sets_its_limit() {
        let limits = parse(
            "--request-timeout-ms 1 --instance-memory-mib 2 --max-instances 3 --max-waiting 4 \
             --max-connections 5 --max-header-bytes 600 --header-timeout-ms 7 --keep-alive-timeout-ms 8 \
             --body-timeout-ms 9 --write-timeout-ms 10 --min-bytes-per-second 11 --max-answer-bytes 12 \
             --drain-delay-ms 13",
        );
        let expected = Limits {
            request_timeout: Duration::from_millis(1),
            instance_memory_bytes: 2 << 20,
            max_instances: 3,
            max_waiting: 4,
            drain_timeout: Duration::from_millis(1),
            drain_delay: Duration::from_millis(13),
            max_header_bytes: 600,
            header_timeout: Duration::from_millis(7),
            keep_alive_timeout: Duration::from_millis(8),
            body_timeout: Duration::from_millis(9),
            write_timeout: Duration::from_millis(10),
            min_bytes_per_second: 11,
            max_answer_bytes: 12,
            max_connections: 5,
        };
        assert_eq!(format!("{limits:?}"), format!("{expected:?}"));
    }
}
