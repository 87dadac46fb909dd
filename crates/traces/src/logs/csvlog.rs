//! csvlog: 23 columns on PostgreSQL 12, 24 on 13, 26 on 14 to 18 (`src/backend/utils/error/csvlog.c`;
//! counted in logs of every version). No header line; messages hold line ends and doubled quotes.

use std::io::{self, BufRead};

use super::{Broken, Entry, VirtualXid};
use crate::instant;
use crate::lines::{Line, Lines};

/// No message is this long; a quote that stays open over more is a broken line.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// The next entry; nothing at the end of the input.
pub(crate) fn next<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Result<Entry, Broken>>> {
    let (number, record) = match next_record(lines, starts_record)? {
        None => return Ok(None),
        Some(Err(broken)) => return Ok(Some(Err(broken))),
        Some(Ok(record)) => record,
    };
    let mut fields = Vec::with_capacity(26);
    split(&record, &mut fields);
    Ok(Some(entry(number, &record, fields)))
}

/// What the number of columns tells about the server.
pub(crate) fn versions_of(columns: usize) -> Option<&'static str> {
    match columns {
        23 => Some("23 columns: PostgreSQL 12 or older"),
        24 => Some("24 columns: PostgreSQL 13"),
        26 => Some("26 columns: PostgreSQL 14 to 18"),
        _ => None,
    }
}

/// How many columns a complete record has.
pub(crate) fn columns(record: &str) -> usize {
    let mut fields = Vec::new();
    split(record, &mut fields);
    fields.len()
}

/// Whether a record starts with this line: a time, then a user and database, a process id, and so on. Inside
/// a quoted message the quotes would be doubled, so a message that quotes a log is not mistaken.
pub(crate) fn starts_record(line: &str) -> bool {
    let mut fields = Vec::new();
    split(line, &mut fields);
    let field = |at: usize| fields.get(at).and_then(Option::as_deref).unwrap_or("");
    instant::parse(field(0)).is_some()
        && field(3).parse::<u32>().is_ok()
        && field(5).split_once('.').is_some_and(|(start, pid)| is_hex(start) && is_hex(pid))
        && field(6).parse::<u64>().is_ok()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A record's first line and its text.
pub(crate) type Record = Result<(u64, String), Broken>;

/// Joins lines until all quotes are closed. A line that starts a record of its own ends a broken one.
pub(crate) fn next_record<R: BufRead>(
    lines: &mut Lines<R>,
    starts_record: fn(&str) -> bool,
) -> io::Result<Option<Record>> {
    let Some((number, first)) = lines.next()? else { return Ok(None) };
    let Line::Text(mut record) = first else {
        return Ok(Some(Err(Broken::new(number, "a line of at most 16 MiB", ""))));
    };
    let mut quotes = count_quotes(&record);
    while quotes % 2 == 1 {
        let unclosed = |record: &str| Broken::new(number, "a closing quote", record);
        match lines.next()? {
            None => return Ok(Some(Err(unclosed(&record)))),
            Some((_, Line::TooLong)) => return Ok(Some(Err(unclosed(&record)))),
            Some((at, Line::Text(line))) => {
                if starts_record(&line) || record.len() + line.len() > MAX_RECORD_BYTES {
                    lines.put_back(at, Line::Text(line));
                    return Ok(Some(Err(unclosed(&record))));
                }
                quotes += count_quotes(&line);
                record.push('\n');
                record.push_str(&line);
            }
        }
    }
    Ok(Some(Ok((number, record))))
}

fn count_quotes(line: &str) -> usize {
    line.bytes().filter(|byte| *byte == b'"').count()
}

/// Splits a record; an empty field without quotes is NULL. Also used for snapshots, which `COPY` writes alike.
pub(crate) fn split(record: &str, fields: &mut Vec<Option<String>>) {
    let mut rest = record;
    loop {
        let (field, after) = if rest.starts_with('"') { quoted(rest) } else { plain(rest) };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return,
        }
    }
}

fn plain(text: &str) -> (Option<String>, &str) {
    let end = text.find(',').unwrap_or(text.len());
    ((end > 0).then(|| text[..end].to_owned()), &text[end..])
}

fn quoted(text: &str) -> (Option<String>, &str) {
    let mut field = String::new();
    let mut rest = &text[1..];
    loop {
        let Some(quote) = rest.find('"') else {
            field.push_str(rest);
            return (Some(field), "");
        };
        field.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        if !rest.starts_with('"') {
            // What stands between the closing quote and the comma cannot come from a server.
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            return (Some(field), &rest[end..]);
        }
        field.push('"');
        rest = &rest[1..];
    }
}

fn entry(line: u64, record: &str, mut fields: Vec<Option<String>>) -> Result<Entry, Broken> {
    if versions_of(fields.len()).is_none() {
        let expected =
            format!("23, 24 or 26 columns (PostgreSQL 12, 13, 14 to 18) instead of {}", fields.len());
        return Err(Broken::new(line, expected, record));
    }
    let broken = |expected: &str, found: Option<&String>| {
        Broken::new(line, expected, found.map_or("nothing", String::as_str))
    };
    let stamp = fields[0].as_deref().and_then(instant::parse);
    let stamp = stamp.ok_or_else(|| {
        broken("a time such as 2026-11-21 07:48:24.139 UTC in column 1", fields[0].as_ref())
    })?;
    let pid = fields[3].as_deref().and_then(|text| text.parse().ok());
    let pid = pid.ok_or_else(|| broken("a process id in column 4", fields[3].as_ref()))?;
    let severity = fields[11].take().ok_or_else(|| broken("a severity in column 12", None))?;
    let session_line = fields[6].as_deref().and_then(|text| text.parse().ok());
    let virtual_xid = fields[9].as_deref().and_then(VirtualXid::parse);
    let mut take = |at: usize| fields.get_mut(at).and_then(Option::take).filter(|text| !text.is_empty());
    Ok(Entry {
        at_us: stamp.us,
        zone_known: stamp.zone_known,
        user: take(1),
        database: take(2),
        application: take(22),
        pid: Some(pid),
        session: take(5),
        session_line,
        command_tag: take(7),
        virtual_xid,
        severity,
        sqlstate: take(12),
        message: take(13).unwrap_or_default(),
        detail: take(14),
        query: take(19),
        backend_type: take(23),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "2026-11-21 07:48:24.139 UTC,\"u\",\"d\",7,\"[local]\",6b014cc8.7,1,\"idle\",\
        2026-11-21 07:48:24 UTC,3/2,0,LOG,00000,\"statement: select \"\"a\"\",\n1\",,,,,,,,,\"psql\"";

    fn read(text: &str) -> Vec<Result<Entry, Broken>> {
        let mut lines = Lines::new(text.as_bytes());
        std::iter::from_fn(|| next(&mut lines).unwrap()).collect()
    }

    #[test]
    fn messages_keep_their_line_ends_and_quotes() {
        let entries = read(LINE);
        let entry = entries[0].as_ref().unwrap();
        assert_eq!(entry.message, "statement: select \"a\",\n1");
        assert_eq!(entry.virtual_xid, Some(VirtualXid { backend: 3, local: 2 }));
    }

    #[test]
    fn an_open_quote_costs_one_record() {
        let entries = read(&format!("2026-11-21 07:48:24.139 UTC,\"open,1\nmore\n{LINE}\n{LINE}\n"));
        assert_eq!(entries[0].as_ref().unwrap_err().line, 1);
        assert_eq!(entries.iter().filter(|entry| entry.is_ok()).count(), 2);
    }

    #[test]
    fn a_wrong_number_of_columns_names_the_right_ones() {
        let entries = read("1,2,3\n");
        assert_eq!(
            entries[0].as_ref().unwrap_err().expected,
            "23, 24 or 26 columns (PostgreSQL 12, 13, 14 to 18) instead of 3"
        );
    }
}
