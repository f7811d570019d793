//! The plot of a report: throughput and 99th percentile by number of connections, as small multiples.
//!
//! It is drawn by hand because plotting crates such as `plotters` write colors into every element. Here a style sheet
//! has the colors, so the plot is readable on light and dark pages.

use std::fmt::{self, Write};

use super::contestants::Kind;
use super::figures::{Measured, Series, Spread, figures};
use super::forms::Form;

const PANEL: (f64, f64) = (330.0, 170.0);
/// Margins of a panel: on the left for the ticks, above for the title, below for the numbers of connections.
const LEFT: f64 = 64.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 36.0;
const LEGEND: f64 = 66.0;
const WIDTH: f64 = 2.0 * (LEFT + PANEL.0) + 24.0;

/// The Okabe-Ito colors, which color-blind readers can tell apart; dark pages get lighter ones.
const STYLE: &str = "\
svg { --page: #ffffff; --text: #1f2328; --faint: #d8dee4; font: 12px system-ui, sans-serif }
.axum { --own: #57606a } .onnx { --own: #0072b2 } .openvino { --own: #009e73 }
.fastapi { --own: #d55e00 } .portable { --own: #8250df } .wasmtime { --own: #b8860b }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --text: #e6edf3; --faint: #30363d }
  .axum { --own: #9da7b3 } .onnx { --own: #56b4e9 } .openvino { --own: #2fd6a3 }
  .fastapi { --own: #ff9d5c } .portable { --own: #bc8cff } .wasmtime { --own: #e3b341 }
}
.page { fill: var(--page) } text { fill: var(--text) } .title { font-weight: 600 }
.grid { stroke: var(--faint) } .end { text-anchor: end } .middle { text-anchor: middle }
.line { fill: none; stroke: var(--own); stroke-width: 2 } .axum .line { stroke-dasharray: 6 4 }
.range { stroke: var(--own); stroke-width: 1 } .dot { fill: var(--own) }";

/// The quantity of a column of panels.
#[derive(Clone, Copy, PartialEq)]
enum Quantity {
    /// Responses per second, from 0.
    Throughput,
    /// Milliseconds, on a logarithmic scale.
    P99,
}

impl Quantity {
    fn of(self, series: &Series) -> Spread {
        match self {
            Self::Throughput => series.throughput(),
            Self::P99 => series.spread(|sample| sample.p99.as_secs_f64() * 1e3),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Throughput => "answers a second",
            Self::P99 => "99th percentile, ms",
        }
    }
}

/// The vertical axis of a panel.
struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    ticks: Vec<f64>,
}

impl Scale {
    /// A scale that holds all values.
    fn of(quantity: Quantity, values: &[f64]) -> Self {
        let greatest = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let least = values.iter().copied().fold(greatest, f64::min);
        match quantity {
            Quantity::Throughput => {
                let step = nice(greatest / 4.0);
                let count = (greatest / step).ceil().max(1.0);
                Self {
                    low: 0.0,
                    high: step * count,
                    is_log: false,
                    ticks: (0..=count as u32)
                        .map(|tick| f64::from(tick) * step)
                        .collect(),
                }
            }
            Quantity::P99 => {
                let (first, last) = (least.log10().floor() as i32, greatest.log10().ceil() as i32);
                let last = last.max(first + 1);
                Self {
                    low: f64::from(first),
                    high: f64::from(last),
                    is_log: true,
                    ticks: (first..=last).map(|power| 10_f64.powi(power)).collect(),
                }
            }
        }
    }

    /// The distance of a value from the upper edge of the panel.
    fn y(&self, value: f64) -> f64 {
        let value = if self.is_log { value.log10() } else { value };
        PANEL.1 * (1.0 - (value - self.low) / (self.high - self.low))
    }
}

/// The least of 1, 2, 5, 10, 20, … that is not below `step`.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let leads = [1.0, 2.0, 5.0, 10.0].map(|lead| lead * power);
    leads
        .into_iter()
        .find(|candidate| *candidate >= step)
        .unwrap_or(step)
}

/// The plot as SVG.
pub(super) fn svg(networks: &[Measured]) -> String {
    let mut svg = String::new();
    write(&mut svg, networks).unwrap_or_default();
    svg
}

fn write(svg: &mut String, networks: &[Measured]) -> fmt::Result {
    let rows: Vec<(&Measured, Form)> = networks
        .iter()
        .flat_map(|measured| {
            measured
                .forms()
                .into_iter()
                .map(move |form| (measured, form))
        })
        .collect();
    let height = LEGEND + rows.len() as f64 * (ABOVE + PANEL.1 + BELOW);
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title\">"
    )?;
    writeln!(
        svg,
        "<title id=\"title\">Throughput and 99th percentile of servers by number of connections; the figures \
         are in servers.md</title>"
    )?;
    writeln!(svg, "<style>\n{STYLE}\n</style>")?;
    writeln!(
        svg,
        "<rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>"
    )?;
    legend(svg, networks)?;
    for (index, (measured, form)) in rows.into_iter().enumerate() {
        let y = LEGEND + index as f64 * (ABOVE + PANEL.1 + BELOW) + ABOVE;
        for (column, quantity) in [Quantity::Throughput, Quantity::P99]
            .into_iter()
            .enumerate()
        {
            let x = LEFT + column as f64 * (PANEL.0 + LEFT);
            writeln!(svg, "<g transform=\"translate({x} {y})\">")?;
            panel(svg, measured, form, quantity)?;
            writeln!(svg, "</g>")?;
        }
    }
    writeln!(svg, "</svg>")
}

fn legend(svg: &mut String, networks: &[Measured]) -> fmt::Result {
    let mut kinds: Vec<Kind> = networks.iter().flat_map(Measured::kinds).collect();
    kinds.sort();
    kinds.dedup();
    for (index, kind) in kinds.into_iter().enumerate() {
        let x = LEFT + (index % 3) as f64 * 250.0;
        let y = 22.0 + (index / 3) as f64 * 22.0;
        let ceiling = if kind == Kind::Axum { " (ceiling)" } else { "" };
        writeln!(
            svg,
            "<g class=\"{}\" transform=\"translate({x} {y})\"><path class=\"line\" d=\"M0 0H28\"/>\
             <circle class=\"dot\" cx=\"14\" r=\"3.5\"/><text x=\"36\" y=\"4\">{}{ceiling}</text></g>",
            class(kind),
            kind.name()
        )?;
    }
    Ok(())
}

fn panel(svg: &mut String, measured: &Measured, form: Form, quantity: Quantity) -> fmt::Result {
    let connections = measured.connections();
    let lines: Vec<(Kind, Vec<(usize, Spread)>)> = measured
        .kinds()
        .into_iter()
        .map(|kind| {
            let points = connections.iter().enumerate().filter_map(|(index, count)| {
                let best = measured.best(kind, form, *count)?;
                Some((index, quantity.of(best)))
            });
            (kind, points.collect())
        })
        .collect();
    let spreads = lines.iter().flat_map(|(_, points)| points);
    let values: Vec<f64> = spreads
        .flat_map(|(_, spread)| [spread.low, spread.high])
        .collect();
    let scale = Scale::of(quantity, &values);
    writeln!(
        svg,
        "<text class=\"title\" y=\"-12\">{}, {}: {}</text>",
        measured.network,
        form.name(),
        quantity.title()
    )?;
    for tick in &scale.ticks {
        let y = scale.y(*tick);
        writeln!(
            svg,
            "<path class=\"grid\" d=\"M0 {y:.1}H{}\"/><text class=\"end\" x=\"-8\" y=\"{:.1}\">{tick}</text>",
            PANEL.0,
            y + 4.0
        )?;
    }
    // As far apart as they come, not as their numbers are: each is twice or four times the one before.
    let x = |index: usize| PANEL.0 * (index as f64 + 0.5) / connections.len() as f64;
    for (index, count) in connections.iter().enumerate() {
        let unit = match (index, *count) {
            (0, 1) => " connection",
            (0, _) => " connections",
            _ => "",
        };
        writeln!(
            svg,
            "<text class=\"middle\" x=\"{:.1}\" y=\"{}\">{count}{unit}</text>",
            x(index),
            PANEL.1 + 18.0
        )?;
    }
    for (kind, points) in &lines {
        writeln!(svg, "<g class=\"{}\">", class(*kind))?;
        let path: Vec<String> = points
            .iter()
            .map(|(index, spread)| format!("{:.1} {:.1}", x(*index), scale.y(spread.median)))
            .collect();
        writeln!(svg, "<path class=\"line\" d=\"M{}\"/>", path.join("L"))?;
        for (index, spread) in points {
            let (x, y) = (x(*index), scale.y(spread.median));
            writeln!(
                svg,
                "<path class=\"range\" d=\"M{x:.1} {:.1}V{:.1}\"/><circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" \
                 r=\"3.5\"><title>{}, {} connections: {}</title></circle>",
                scale.y(spread.low),
                scale.y(spread.high),
                kind.name(),
                connections[*index],
                figures(spread.median)
            )?;
        }
        writeln!(svg, "</g>")?;
    }
    Ok(())
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Axum => "axum",
        Kind::Onnx => "onnx",
        Kind::Openvino => "openvino",
        Kind::Fastapi => "fastapi",
        Kind::Portable => "portable",
        Kind::Wasmtime => "wasmtime",
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn scale_holds_all_values() {
        let scale = Scale::of(Quantity::Throughput, &[12.0, 173.0]);
        assert_eq!(scale.ticks, [0.0, 50.0, 100.0, 150.0, 200.0]);
        assert_eq!((scale.y(0.0), scale.y(200.0)), (PANEL.1, 0.0));
        let scale = Scale::of(Quantity::P99, &[7.0, 1500.0]);
        assert_eq!(scale.ticks, [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!((scale.y(1.0), scale.y(10_000.0)), (PANEL.1, 0.0));
        // A single value that is a tick.
        assert_eq!(Scale::of(Quantity::P99, &[10.0]).ticks, [10.0, 100.0]);
    }

    #[test]
    fn every_server_has_a_line_and_a_label() {
        let svg = svg(&report().networks);
        assert_eq!(svg.matches("(ceiling)").count(), 1);
        assert_eq!(svg.matches("<g class=\"onnx\"").count(), 3, "{svg}");
        assert!(
            svg.contains("infer, ONNX Runtime, 8 connections: 72.0"),
            "{svg}"
        );
        assert!(!svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    }
}
