//! References in sums, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::print::Count;
use crate::ops::scan::summary::{Row, Summary};

/// Hosts shown where nobody asked for all of them.
pub(super) const HOSTS: usize = 20;

/// Totals, and a table each for kinds, wrappers and hosts; at most `most` hosts.
pub(super) fn human(summary: &Summary, most: usize, out: &mut impl Write) -> io::Result<()> {
    let total = summary.total();
    let (references, documents) = (Count(total.references, "reference"), Count(total.documents, "document"));
    writeln!(out, "{references} to {} in {documents}", Count(total.origins, "origin"))?;
    if total.references == 0 {
        return Ok(());
    }
    table("kind", &summary.kinds(), out)?;
    let mut families = summary.families();
    let direct = summary.direct();
    if direct.references > 0 {
        families.push(Row { name: "(no proxy)".to_owned(), ..direct });
    }
    table("proxy family", &families, out)?;
    let hosts = summary.hosts();
    let (shown, rest) = hosts.split_at(most.min(hosts.len()));
    table("host", shown, out)?;
    let others = rest_of(rest, summary);
    if others.references > 0 {
        let more = match summary.other_hosts().references {
            0 => Count(rest.len() as u64, "more host").to_string(),
            _ => format!("more than {}", Count(rest.len() as u64, "more host")),
        };
        let origins = about(&others);
        writeln!(out, "{:>10} {origins:>10} {:>10}  {more}", others.references, "")?;
    }
    if !total.is_exact {
        writeln!(out, "\n~ about: there are too many to remember them all")?;
    }
    Ok(())
}

fn table(heading: &str, rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{:>10} {:>10} {:>10}  {heading}", "references", "origins", "documents")?;
    for row in rows {
        let origins = about(row);
        writeln!(out, "{:>10} {origins:>10} {:>10}  {}", row.references, row.documents, row.name)?;
    }
    Ok(())
}

/// The number of origins, marked if it is an estimate.
fn about(row: &Row) -> String {
    format!("{}{}", if row.is_exact { "" } else { "~" }, row.origins)
}

/// The hosts that are not shown, as one.
fn rest_of(rest: &[Row], summary: &Summary) -> Row {
    let others = summary.other_hosts();
    Row::sum("", &[Row::sum("", rest), others])
}

/// The same as one object.
pub(super) fn json(summary: &Summary, most: usize) -> Value {
    let total = summary.total();
    let direct = summary.direct();
    let hosts = summary.hosts();
    let (shown, rest) = hosts.split_at(most.min(hosts.len()));
    let others = rest_of(rest, summary);
    json!({
        "references": total.references,
        "origins": total.origins,
        "documents": total.documents,
        "kinds": rows(&summary.kinds()),
        "proxies": rows(&summary.families()),
        "direct": {
            "references": direct.references,
            "origins": direct.origins,
            "documents": direct.documents,
        },
        "hosts": rows(shown),
        "other_hosts": {
            "hosts": rest.len(),
            "references": others.references,
            "origins": others.origins,
        },
        "origins_are_exact": total.is_exact,
    })
}

fn rows(rows: &[Row]) -> Vec<Value> {
    let row = |row: &Row| {
        json!({
            "name": row.name,
            "references": row.references,
            "origins": row.origins,
            "documents": row.documents,
        })
    };
    rows.iter().map(row).collect()
}
