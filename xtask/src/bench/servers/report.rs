//! The report as Markdown.

use std::fmt::Write;

use super::contestants::Kind;
use super::figures::{Measured, Series, Spread, figures};
use super::forms::Form;

/// The results of a run, and its settings.
pub(super) struct Report {
    pub(super) date: String,
    pub(super) machine: String,
    pub(super) versions: String,
    pub(super) command: String,
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    /// A sentence about each server that is left out.
    pub(super) left_out: Vec<String>,
    pub(super) networks: Vec<Measured>,
}

const EXPLANATION: &str = "\
Quote the ratios: absolute times depend on the machine, whose cores the client and the servers share. All servers run
at the same time and take turns. Each round covers all points, so a slow minute of the machine affects every server.
A figure is the median of the rounds, with the least and the greatest in brackets. A ratio is computed within each
round; the figure is the median of these ratios.

- *ceiling* is `bench/axum-ort`, a minimal server around ONNX Runtime. It and FastAPI have several settings; the best
  setting counts at each point, and the last table has all of them. FastAPI's server reads JSON with orjson and NumPy,
  the minimal one with sonic-rs.
- *p50* and *p99* are latencies of single requests. With fewer than a hundred responses in a round, the 99th percentile
  is the slowest response.
- *CPU* is the CPU time of the server's processes per response. *client* is the number of cores that the load generator
  used. While it is far below the servers' number, the client is not the bottleneck.
- Before the load, the responses of every server were compared with ONNX Runtime's outputs (`bench/networks.py`). Under
  load, the status and the number of values of each response were checked.";

impl Report {
    /// The report as a page.
    pub(super) fn markdown(&self) -> String {
        let mut page = String::new();
        self.write(&mut page).unwrap_or_default();
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "# Servers, side by side\n")?;
        writeln!(page, "    {}\n", self.command)?;
        writeln!(
            page,
            "Written by that command on {}; {}; {}. Rounds: {}, of {} s a point after a warm-up.\n",
            self.date,
            self.machine,
            self.versions,
            self.rounds,
            figures(self.seconds)
        )?;
        writeln!(page, "![throughput and latency](servers.svg)\n")?;
        writeln!(page, "{EXPLANATION}")?;
        for reason in &self.left_out {
            writeln!(page, "- Left out: {reason}")?;
        }
        self.summary(page)?;
        for measured in &self.networks {
            for form in measured.forms() {
                points(page, measured, form)?;
            }
        }
        self.starts(page)?;
        self.settings(page)
    }

    /// The ratios of throughput, with a row per server.
    fn summary(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Throughput as a part of the ceiling's\n")?;
        let mut connections: Vec<usize> = self
            .networks
            .iter()
            .flat_map(|one| one.connections())
            .collect();
        connections.sort_unstable();
        connections.dedup();
        let heads = connections.iter().map(|count| match count {
            1 => "1 connection".to_owned(),
            count => format!("{count}"),
        });
        row(
            page,
            ["network", "form", "server"]
                .map(str::to_owned)
                .into_iter()
                .chain(heads),
        )?;
        row(page, vec!["---".to_owned(); 3 + connections.len()])?;
        for measured in &self.networks {
            for form in measured.forms() {
                for kind in measured.kinds() {
                    if kind == Kind::Axum {
                        continue;
                    }
                    let ratios = connections.iter().map(|count| {
                        ratio(measured, kind, form, *count)
                            .map_or_else(|| "-".to_owned(), |ratio| ratio.to_string())
                    });
                    let names = [measured.network.as_str(), form.name(), kind.name()];
                    row(page, names.map(str::to_owned).into_iter().chain(ratios))?;
                }
            }
        }
        Ok(())
    }

    fn starts(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Start and memory\n")?;
        writeln!(
            page,
            "From the process's start to its first complete answer, everything built, compiled and cached before \
             (`infer up` looks each time whether that is so, which is part of it). Memory counts pages that several \
             processes share once (PSS), in MiB: after the first answers, and the most under load.\n"
        )?;
        row(
            page,
            [
                "network",
                "server",
                "settings",
                "first answer, s",
                "idle",
                "under load",
            ],
        )?;
        row(page, ["---"; 6])?;
        for measured in &self.networks {
            for start in &measured.starts {
                let seconds = Spread::of(start.times.iter().map(|time| time.as_secs_f64()));
                row(
                    page,
                    [
                        measured.network.as_str(),
                        start.kind.name(),
                        &start.setting,
                        &seconds.to_string(),
                        &mebibytes(start.idle_memory),
                        &mebibytes(start.load_memory),
                    ],
                )?;
            }
        }
        Ok(())
    }

    /// The throughput of every setting of the servers that have several.
    fn settings(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Settings\n")?;
        writeln!(
            page,
            "Answers a second of each setting, where a server has several.\n"
        )?;
        row(
            page,
            [
                "network",
                "form",
                "connections",
                "server",
                "settings",
                "answers/s",
            ],
        )?;
        row(page, ["---"; 6])?;
        for measured in &self.networks {
            let is_one_of_several = |series: &&Series| {
                let starts = measured.starts.iter();
                starts.filter(|start| start.kind == series.kind).count() > 1
            };
            for series in measured.series.iter().filter(is_one_of_several) {
                row(
                    page,
                    [
                        measured.network.as_str(),
                        series.form.name(),
                        &series.connections.to_string(),
                        series.kind.name(),
                        &series.setting,
                        &series.throughput().to_string(),
                    ],
                )?;
            }
        }
        Ok(())
    }
}

/// The table of a network in one format.
fn points(page: &mut String, measured: &Measured, form: Form) -> std::fmt::Result {
    writeln!(page, "\n## {}, {}\n", measured.network, form.name())?;
    row(
        page,
        [
            "connections",
            "server",
            "answers/s",
            "of the ceiling",
            "p50, ms",
            "p99, ms",
            "CPU, ms",
            "server, cores",
            "client, cores",
        ],
    )?;
    row(page, ["---"; 9])?;
    for connections in measured.connections() {
        for kind in measured.kinds() {
            let Some(series) = measured.best(kind, form, connections) else {
                continue;
            };
            let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
            row(
                page,
                [
                    connections.to_string(),
                    kind.name().to_owned(),
                    series.throughput().to_string(),
                    ratio(measured, kind, form, connections)
                        .map_or_else(|| "-".to_owned(), |ratio| ratio.to_string()),
                    series.spread(|sample| ms(sample.p50)).to_string(),
                    series.spread(|sample| ms(sample.p99)).to_string(),
                    figures(series.spread(|sample| sample.cpu_ms()).median),
                    figures(series.spread(|sample| sample.server_cores).median),
                    figures(series.spread(|sample| sample.client_cores).median),
                ],
            )?;
        }
    }
    Ok(())
}

fn ratio(measured: &Measured, kind: Kind, form: Form, connections: usize) -> Option<Spread> {
    let ceiling = measured.best(Kind::Axum, form, connections)?;
    Some(measured.best(kind, form, connections)?.ratio(ceiling))
}

fn row<T: AsRef<str>>(page: &mut String, cells: impl IntoIterator<Item = T>) -> std::fmt::Result {
    for cell in cells {
        write!(page, "| {} ", cell.as_ref())?;
    }
    writeln!(page, "|")
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::figures::Start;
    use super::super::figures::tests::series;
    use super::*;

    /// A report on a ceiling with two settings and a server.
    pub(in crate::bench::servers) fn report() -> Report {
        let start = |kind, setting: &str| Start {
            kind,
            setting: setting.to_owned(),
            times: vec![Duration::from_millis(1500)],
            idle_memory: 64 << 20,
            load_memory: 100 << 20,
        };
        Report {
            date: "2026-11-25".to_owned(),
            machine: "2 cores, some".to_owned(),
            versions: "axum 1".to_owned(),
            command: "cargo xtask bench servers".to_owned(),
            seconds: 2.0,
            rounds: 2,
            left_out: vec!["`wasmtime serve`, since it is not installed".to_owned()],
            networks: vec![Measured {
                network: "net".to_owned(),
                starts: vec![
                    start(Kind::Axum, "one"),
                    start(Kind::Axum, "two"),
                    start(Kind::Onnx, "own"),
                ],
                series: vec![
                    series(Kind::Axum, "one", &[90.0, 110.0]),
                    series(Kind::Axum, "two", &[10.0, 11.0]),
                    series(Kind::Onnx, "own", &[45.0, 99.0]),
                ],
            }],
        }
    }

    #[test]
    fn tables_have_the_measurements() {
        let page = report().markdown();
        for line in [
            "    cargo xtask bench servers",
            "- Left out: `wasmtime serve`, since it is not installed",
            "| network | form | server | 8 |",
            "| net | raw tensor | infer, ONNX Runtime | 0.70 [0.50 to 0.90] |",
            "## net, raw tensor",
            "| 8 | axum + ort | 100 [90.0 to 110] | 1.00 [1.00 to 1.00] | 12.3 [12.3 to 12.3] | \
             250 [250 to 250] | 15.2 | 1.50 | 0.05 |",
            "| net | infer, ONNX Runtime | own | 1.50 [1.50 to 1.50] | 64 | 100 |",
            "| net | raw tensor | 8 | axum + ort | two | 10.5 [10.0 to 11.0] |",
        ] {
            assert!(page.lines().any(|one| one == line), "no {line} in\n{page}");
        }
        // A server with one setting is not in the last table.
        assert!(!page.contains("infer, ONNX Runtime | own | 72"), "{page}");
    }
}
