//! Lines over time as SVG.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const HEIGHT: f64 = 110.0;
const HEAD: f64 = 34.0;
const COLOURS: [&str; 3] = ["#0b7285", "#e8590c", "#868e96"];

/// Some lines with one axis.
pub struct Panel {
    pub title: &'static str,
    /// Each with its name.
    pub lines: Vec<(&'static str, Vec<f64>)>,
}

/// All panels, one below the other.
pub fn panels(panels: &[Panel]) -> String {
    let height = panels.len() as f64 * (HEIGHT + HEAD) + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\" \
         aria-label=\"The soak over time\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        svg += &panel.drawn(index as f64 * (HEIGHT + HEAD) + HEAD);
    }
    svg + "</svg>\n"
}

impl Panel {
    fn drawn(&self, top: f64) -> String {
        let values = self.lines.iter().flat_map(|(_, values)| values);
        let largest = values.copied().fold(f64::MIN_POSITIVE, f64::max) * 1.1;
        let (bottom, right) = (top + HEIGHT, WIDTH - RIGHT);
        let mut svg = format!(
            "<text x=\"{LEFT}\" y=\"{title_y}\" font-weight=\"bold\">{title}</text>\n\
             <path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#adb5bd\"/>\n\
             <text x=\"{label_x}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
             <text x=\"{label_x}\" y=\"{label_y}\" text-anchor=\"end\">{largest:.0}</text>\n",
            title_y = top - 8.0,
            title = self.title,
            label_x = LEFT - 6.0,
            label_y = top + 10.0,
        );
        for ((name, values), colour) in self.lines.iter().zip(COLOURS) {
            let step = (right - LEFT) / values.len().saturating_sub(1).max(1) as f64;
            let height = |value: f64| bottom - HEIGHT * value / largest;
            let point = |(index, &value): (usize, &f64)| {
                format!("{:.1},{:.1}", LEFT + step * index as f64, height(value))
            };
            let points: Vec<String> = values.iter().enumerate().map(point).collect();
            let end = values.last().copied().unwrap_or_default();
            // Writing into a string cannot fail.
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{name} {end:.0}</text>",
                points.join(" "),
                right + 6.0,
                height(end) + 4.0,
            );
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_edge_to_edge_and_never_above_its_panel() {
        let svg = panels(&[Panel { title: "t", lines: vec![("n", vec![0.0, 10.0])] }]);

        assert!(svg.contains("points=\"70.0,144.0 630.0,44.0\""), "{svg}");
    }
}
