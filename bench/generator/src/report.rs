//! One JSON object a line on stdout, built field by field. Values are numbers, booleans and
//! plain words, so no serializer is needed.

use std::io::Write;

#[derive(Default)]
pub(crate) struct Report {
    fields: Vec<String>,
}

impl Report {
    fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push(format!("\"{name}\":{value}"));
        self
    }

    pub(crate) fn count(self, name: &str, value: u64) -> Self {
        self.field(name, &value.to_string())
    }

    /// A measured number; one that is not finite becomes `null`, as JSON has no other way.
    pub(crate) fn number(self, name: &str, value: f64) -> Self {
        let text = if value.is_finite() {
            value.to_string()
        } else {
            "null".to_owned()
        };
        self.field(name, &text)
    }

    pub(crate) fn flag(self, name: &str, value: bool) -> Self {
        self.field(name, if value { "true" } else { "false" })
    }

    /// A word without quotes, backslashes or control characters.
    pub(crate) fn word(self, name: &str, value: &str) -> Self {
        let plain: String = value
            .chars()
            .filter(|c| !c.is_control() && *c != '"' && *c != '\\')
            .collect();
        self.field(name, &format!("\"{plain}\""))
    }

    pub(crate) fn line(&self) -> String {
        format!("{{{}}}", self.fields.join(","))
    }

    /// Prints the line at once: the runner reads it through a pipe. A runner that has gone
    /// away is not this program's error.
    pub(crate) fn print(&self) {
        let mut stdout = std::io::stdout().lock();
        if writeln!(stdout, "{}", self.line())
            .and_then(|()| stdout.flush())
            .is_err()
        {
            eprintln!("warren-load: nobody reads the report");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_valid_json() {
        let report = Report::default()
            .count("bytes", 3)
            .number("gbit", 1.5)
            .number("none", f64::NAN)
            .flag("ok", true)
            .word("congestion", "cu\"bic\n");
        assert_eq!(
            report.line(),
            r#"{"bytes":3,"gbit":1.5,"none":null,"ok":true,"congestion":"cubic"}"#
        );
    }
}
