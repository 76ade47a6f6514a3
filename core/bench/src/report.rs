//! What a bench found, as one JSON object a line. It judges a value against
//! its goal and nothing else; what to measure and how often is the bench's own affair.

use std::io::Write;

/// One figure of a bench.
#[derive(Clone, Debug)]
pub(crate) struct Line<'t> {
    /// The bench's name.
    pub(crate) bench: &'t str,
    /// Whose figure it is.
    pub(crate) stack: &'t str,
    /// Under which circumstances it was measured.
    pub(crate) case: &'t str,
    /// The figure, in `unit`.
    pub(crate) value: f64,
    /// What `value` counts.
    pub(crate) unit: &'t str,
    /// The most that `value` may be; `None` where the figure is there to be compared with.
    pub(crate) goal: Option<f64>,
}

impl Line<'_> {
    /// Whether the goal is met. A value that is not a number never meets one.
    pub(crate) fn ok(&self) -> bool {
        self.goal.is_none_or(|goal| self.value <= goal)
    }

    fn json(&self) -> String {
        let number = |value: f64| match value.is_finite() {
            true => format!("{:.3}", value),
            false => "null".to_owned(),
        };
        format!(
            r#"{{"bench":"{}","stack":"{}","case":"{}","value":{},"unit":"{}","goal":{},"ok":{}}}"#,
            self.bench,
            self.stack,
            self.case,
            number(self.value),
            self.unit,
            self.goal.map_or("null".to_owned(), number),
            self.ok(),
        )
    }
}

/// Writes lines as they come and remembers whether all of them were ok.
pub(crate) struct Report {
    out: Box<dyn Write>,
    all_ok: bool,
}

impl Report {
    /// A report to `out` without a line, which is ok so far.
    pub(crate) fn new(out: impl Write + 'static) -> Self {
        Self { out: Box::new(out), all_ok: true }
    }

    /// Writes `line`. A reader that has gone away (`… | head -1`) is no reason to stop.
    pub(crate) fn add(&mut self, line: &Line<'_>) {
        self.all_ok &= line.ok();
        let _ = writeln!(self.out, "{}", line.json());
    }

    /// Whether every line so far met its goal.
    pub(crate) const fn all_ok(&self) -> bool {
        self.all_ok
    }
}

/// The middle of `values` (the upper one of two); not a number where there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line<'_> = Line {
        bench: "idle",
        stack: "hikyaku",
        case: "100 idle, active first",
        value: 1.5,
        unit: "ratio",
        goal: Some(2.0),
    };

    #[test]
    fn a_line_is_one_json_object() {
        assert_eq!(
            LINE.json(),
            "{\"bench\":\"idle\",\"stack\":\"hikyaku\",\"case\":\"100 idle, active first\",\
             \"value\":1.500,\"unit\":\"ratio\",\"goal\":2.000,\"ok\":true}"
        );
    }

    #[test]
    fn a_goal_is_met_up_to_its_edge_and_never_by_what_is_not_a_number() {
        for (value, goal, ok) in [
            (2.0, Some(2.0), true),
            (2.001, Some(2.0), false),
            (f64::NAN, Some(2.0), false),
            (1e9, None, true),
        ] {
            let line = Line { value, goal, ..LINE };
            assert_eq!(line.ok(), ok, "{value} against {goal:?}");
            let mut report = Report::new(std::io::sink());
            report.add(&line);
            report.add(&LINE);
            assert_eq!(report.all_ok(), ok);
        }
    }

    #[test]
    fn the_median_is_the_middle_of_any_order() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[4.0, 1.0]), 4.0);
        assert!(median(&[]).is_nan());
    }
}
