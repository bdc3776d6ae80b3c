//! Bar charts as SVG.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LABELS: f64 = 270.0;
const VALUES: f64 = 90.0;
const ROW: f64 = 26.0;
const HEAD: f64 = 44.0;

/// One bar.
pub struct Bar {
    /// What stands before it.
    pub label: String,
    /// Its length.
    pub value: f64,
    /// What stands behind it.
    pub text: String,
}

/// A chart with a bar in each row; those whose label begins with `phantom_token` stand out.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let largest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = HEAD + ROW * bars.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\" \
         aria-label=\"{title}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"26\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n",
        title = escaped(title),
    );
    for (index, bar) in bars.iter().enumerate() {
        let top = HEAD + ROW * index as f64;
        let length = (WIDTH - LABELS - VALUES) * bar.value / largest;
        let fill = if bar.label.starts_with("phantom_token") { "#0b7285" } else { "#adb5bd" };
        // Writing into a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{label_end}\" y=\"{baseline}\" text-anchor=\"end\">{label}</text>\n\
             <rect x=\"{LABELS}\" y=\"{top}\" width=\"{length:.1}\" height=\"{bar_height}\" \
             fill=\"{fill}\"/>\n<text x=\"{value_start:.1}\" y=\"{baseline}\">{text}</text>",
            label_end = LABELS - 8.0,
            baseline = top + 15.0,
            bar_height = ROW - 6.0,
            value_start = LABELS + length + 6.0,
            label = escaped(&bar.label),
            text = escaped(&bar.text),
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_the_others_are_in_proportion() {
        let bar = |label: &str, value| Bar { label: label.into(), value, text: String::new() };

        let svg = bars("a < b", &[bar("one", 1.0), bar("four", 4.0)]);

        assert!(svg.contains("width=\"400.0\""), "{svg}");
        assert!(svg.contains("width=\"100.0\""), "{svg}");
        assert!(svg.contains("a &lt; b"), "{svg}");
    }
}
