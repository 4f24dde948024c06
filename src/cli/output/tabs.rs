//! Cells that end with tabs, aligned as Go's `text/tabwriter` aligns them: what kubectl and oc print pages with.
//!
//! A column is a run of lines that all have a cell there that ends with a tab; what stands after a line's last tab
//! belongs to no column. A form feed ends a line and every column.

/// How far apart columns stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// kubectl's: two spaces.
    #[default]
    Spaces,
    /// oc's: tabs, to the next multiple of eight.
    Tabs,
}

impl Style {
    /// The width of a column whose widest cell has that many letters.
    fn column(self, widest: usize) -> usize {
        match self {
            Style::Spaces => widest + 2,
            Style::Tabs => widest + 1,
        }
    }

    fn pad(self, width: usize, column: usize, text: &mut String) {
        match self {
            Style::Spaces => text.extend(std::iter::repeat_n(' ', column.saturating_sub(width))),
            Style::Tabs => {
                let missing = (column.div_ceil(8) * 8).saturating_sub(width);
                text.extend(std::iter::repeat_n('\t', missing.div_ceil(8)));
            }
        }
    }
}

/// The text with its cells in columns; no line ends with a space.
pub fn aligned(text: &str, style: Style) -> String {
    let mut result = String::with_capacity(text.len() * 2);
    for part in text.split_inclusive('\u{c}') {
        let lines: Vec<Vec<&str>> = part
            .split(['\n', '\u{c}'])
            .map(|line| line.split('\t').collect())
            .collect();
        // What follows the last line end is no line.
        let (_, lines) = lines
            .split_last()
            .map_or((None, &lines[..]), |(last, rest)| {
                if last.concat().is_empty() {
                    (Some(last), rest)
                } else {
                    (None, &lines[..])
                }
            });
        block(lines, &mut Vec::new(), style, &mut result);
    }
    result
}

/// Lines that share the columns so far: what has no cell in the next one is written, the rest forms runs.
fn block(lines: &[Vec<&str>], widths: &mut Vec<usize>, style: Style, text: &mut String) {
    let column = widths.len();
    let has_cell = |line: &Vec<&str>| line.len() > column + 1;
    let mut rest = lines;
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|line| !has_cell(line)).count();
        for line in &rest[..plain] {
            write(line, widths, style, text);
        }
        rest = &rest[plain..];
        let run = rest.iter().take_while(|line| has_cell(line)).count();
        if run > 0 {
            let widest = rest[..run].iter().map(|line| width(line[column]));
            widths.push(style.column(widest.max().unwrap_or(0)));
            block(&rest[..run], widths, style, text);
            widths.pop();
            rest = &rest[run..];
        }
    }
}

fn write(line: &[&str], widths: &[usize], style: Style, text: &mut String) {
    for (index, cell) in line.iter().enumerate() {
        text.push_str(cell);
        if index + 1 < line.len()
            && let Some(column) = widths.get(index)
        {
            style.pad(width(cell), *column, text);
        }
    }
    text.truncate(text.trim_end_matches([' ', '\t']).len());
    text.push('\n');
}

fn width(cell: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_runs_of_lines() {
        let text = "Name:\ta\nLabels:\tx=1\n\ty=2\nSteps:\n  STEP\tPHASE\n  Install\tDone\n";
        assert_eq!(
            aligned(text, Style::Spaces),
            "Name:    a\nLabels:  x=1\n         y=2\nSteps:\n  STEP     PHASE\n  Install  Done\n"
        );
    }

    #[test]
    fn tabs_lead_to_multiples_of_eight() {
        let text = "Name:\truby-ex\nLatest Version:\t1\n\nURL:\tx\n";
        assert_eq!(
            aligned(text, Style::Tabs),
            "Name:\t\truby-ex\nLatest Version:\t1\n\nURL:\tx\n"
        );
    }

    #[test]
    fn a_form_feed_ends_the_columns() {
        assert_eq!(
            aligned("a:\tb\u{c}long name:\tc\n", Style::Spaces),
            "a:  b\nlong name:  c\n"
        );
    }
}
