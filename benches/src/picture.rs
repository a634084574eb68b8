//! Draws charts as an SVG file.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::spread::Spread;

/// A chart that compares values, one below the other.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) axis: Axis,
    pub(crate) marks: Vec<Mark>,
}

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Axis {
    /// Starts at 0.
    Linear,
    /// Starts at the power of ten below the smallest value.
    Logarithmic,
}

/// One value of a chart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) label: String,
    pub(crate) value: Spread,
    pub(crate) whose: Whose,
}

/// Who a value belongs to; it decides the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Whose {
    /// A bundle.
    Ours,
    /// Another tool.
    Peer,
    /// A minimal program; nothing can be faster.
    Floor,
}

// Sizes in pixels.
const WIDTH: f64 = 860.0;
const LABELS: f64 = 300.0;
const VALUES: f64 = 90.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 44.0;

/// Draws the charts, one below the other.
pub(crate) fn draw(charts: &[&Chart]) -> String {
    let height = |chart: &Chart| HEAD + ROW * chart.marks.len() as f64 + 16.0;
    let total: f64 = charts.iter().map(|chart| height(chart)).sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {total}\" width=\"{WIDTH}\" \
        font-family=\"sans-serif\" font-size=\"12\">\n\
        <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut top = 0.0;
    for chart in charts {
        one(&mut svg, chart, top);
        top += height(chart);
    }
    svg.push_str("</svg>\n");
    svg
}

fn one(svg: &mut String, chart: &Chart, top: f64) {
    let values = || chart.marks.iter().map(|mark| mark.value);
    let largest = values().map(|value| value.high).fold(f64::MIN_POSITIVE, f64::max);
    let smallest = values().map(|value| value.median).fold(largest, f64::min).max(largest / 1e6);
    let start = 10f64.powf(smallest.log10().floor());
    let span = WIDTH - LABELS - VALUES;
    let x = |value: f64| {
        let part = match chart.axis {
            Axis::Linear => value / largest,
            Axis::Logarithmic => (value.max(start) / start).log10() / (largest / start).log10(),
        };
        LABELS + span * part
    };
    text(svg, 12.0, top + 22.0, "start", "font-weight=\"bold\"", &chart.title);
    let scale = if chart.axis == Axis::Logarithmic { ", logarithmic" } else { "" };
    text(svg, LABELS, top + 38.0, "start", "fill=\"#666\"", &format!("{}{scale}", chart.unit));
    let bottom = top + HEAD + ROW * chart.marks.len() as f64;
    if chart.axis == Axis::Logarithmic {
        let mut decade = start;
        while decade <= largest {
            line(svg, [x(decade), top + HEAD, x(decade), bottom], "#ddd", 1.0);
            decade *= 10.0;
        }
    }
    for (number, Mark { label, value, whose }) in chart.marks.iter().enumerate() {
        let y = top + HEAD + ROW * (number as f64 + 0.5);
        let colour = match whose {
            Whose::Ours => "#0b6e4f",
            Whose::Peer => "#b0413e",
            Whose::Floor => "#888",
        };
        text(svg, LABELS - 8.0, y + 4.0, "end", "", label);
        line(svg, [LABELS, y, x(value.median), y], colour, 7.0);
        line(svg, [x(value.low), y, x(value.high), y], "black", 1.5);
        let shown = format!("{} {}", digits(value.median), chart.unit);
        text(svg, x(value.median).max(x(value.high)) + 6.0, y + 4.0, "start", "", &shown);
    }
}

/// Formats a value with three significant digits.
pub(crate) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn line(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], colour: &str, width: f64) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
        stroke-width=\"{width}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{content}</text>"
    );
}
