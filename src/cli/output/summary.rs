//! Plain columns for what is no object: contexts, API resources, custom columns.

/// Rows with cells padded to the widest of their column, three spaces between; the last column stays open.
pub fn aligned(rows: &[Vec<String>], least: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| unicode_width::UnicodeWidthStr::width(cell.as_str()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| (width(column) + 3).max(least))
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let used = unicode_width::UnicodeWidthStr::width(cell.as_str());
                text.extend(std::iter::repeat_n(' ', widths[column] - used));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_column_is_open() {
        let rows = [
            vec!["A".to_owned(), "B".to_owned()],
            vec!["longer name".to_owned(), "x".to_owned()],
        ];
        assert_eq!(aligned(&rows, 6), "A             B\nlonger name   x\n");
    }
}
