//! Text tables and numbers for people.

/// A table whose columns are as wide as their widest cell.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    title: String,
    right: bool,
}

impl Table {
    /// A table with these column titles; a title that starts with `>` is of a column of numbers.
    pub(crate) fn new(titles: &[impl AsRef<str>]) -> Self {
        let columns = titles
            .iter()
            .map(|title| Column {
                title: title.as_ref().trim_start_matches('>').to_owned(),
                right: title.as_ref().starts_with('>'),
            })
            .collect();
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row with one cell per column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines of the table, titles first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.rows.iter().map(|row| width(&row[at]));
                cells
                    .chain([width(&self.columns[at].title)])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let titles: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.title.clone())
            .collect();
        std::iter::once(&titles)
            .chain(&self.rows)
            .map(|cells| self.line(cells, &widths))
            .collect()
    }

    /// The lines of the table in Markdown.
    pub(crate) fn markdown(&self) -> Vec<String> {
        let line = |cells: Vec<&str>| format!("| {} |", cells.join(" | "));
        let rules = self
            .columns
            .iter()
            .map(|column| if column.right { "---:" } else { "---" });
        let titles = self.columns.iter().map(|column| column.title.as_str());
        let rows = self
            .rows
            .iter()
            .map(|row| line(row.iter().map(String::as_str).collect()));
        [line(titles.collect()), line(rules.collect())]
            .into_iter()
            .chain(rows)
            .collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, &wide), column) in cells.iter().zip(widths).zip(&self.columns) {
            let padding = " ".repeat(wide - width(cell));
            let parts = if column.right {
                [&padding, cell]
            } else {
                [cell, &padding]
            };
            line.extend(parts.map(String::as_str));
            line.push_str("  ");
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A size as people read it: `1.4 GB`, powers of ten.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `1 dataset`, `2 datasets`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Extents as `6 × 2527 × 2463`.
pub(crate) fn extents(shape: &[impl ToString]) -> String {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if extents.is_empty() {
        "scalar".into()
    } else {
        extents.join(" × ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["name", ">ratio"]);
        table.row(["a".into(), "1.5".into()]);
        table.row(["längst".into(), "12.25".into()]);
        assert_eq!(
            table.lines(),
            ["name    ratio", "a         1.5", "längst  12.25"]
        );
    }

    #[test]
    fn sizes_have_three_digits() {
        let sizes = [0, 999, 1000, 149_400_000, 999_999, 5_000_000_000];
        assert_eq!(
            sizes.map(size),
            ["0 B", "999 B", "1.00 kB", "149 MB", "1.00 MB", "5.00 GB"]
        );
    }
}
