//! `imgkeep status --placeholders`: what was taken for a placeholder, and how to say that it is none.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::print::{Count, When};
use crate::cli::{Context, Format, print};
use crate::ladder::placeholder::Options;
use crate::ops::Archive;
use crate::ops::placeholders::{Suspect, genuine_with, placeholders};

pub(super) fn run(context: &Context, archive: &Archive) -> Result<Exit> {
    let options = context.config.ladder_options().placeholders;
    let found = placeholders(archive, &options)?;
    let mut out = io::stdout();
    match context.format {
        Format::Json => {
            let found: Vec<Value> = found.iter().map(|suspect| value(suspect, &options)).collect();
            print::json(&json!({ "placeholders": found }), &mut out)?;
        }
        Format::Human => {
            found.iter().try_for_each(|suspect| human(suspect, &options, &mut out))?;
            writeln!(out, "{} found", Count(found.len() as u64, "placeholder"))?;
        }
    }
    Ok(Exit::Done)
}

fn value(suspect: &Suspect, options: &Options) -> Value {
    json!({
        "digest": suspect.digest.to_string(),
        "host": suspect.host,
        "since": suspect.since,
        "images": suspect.images,
        "example": suspect.example,
        "path": suspect.path.as_ref().map(|path| path.to_string_lossy()),
        "genuine": suspect.is_genuine,
        "listed": suspect.is_listed,
        "setting": format!("fetch.genuine = {}", genuine_with(options, suspect.digest)),
    })
}

fn human(suspect: &Suspect, options: &Options, out: &mut impl Write) -> io::Result<()> {
    let host = suspect.host.as_deref().unwrap_or("any host");
    writeln!(out, "{}", suspect.digest)?;
    writeln!(out, "  given by {host}, known since {}", When(suspect.since))?;
    writeln!(out, "  {} not had because of it", Count(suspect.images, "image"))?;
    match (&suspect.path, &suspect.example) {
        (Some(path), _) => writeln!(out, "  look at it: {}", path.display())?,
        (None, Some(url)) => writeln!(out, "  its bytes were not kept; it was at {url}")?,
        (None, None) => {}
    }
    if suspect.is_listed {
        writeln!(out, "  `fetch.placeholders` lists it")?;
    }
    if suspect.is_genuine {
        return writeln!(out, "  `fetch.genuine` lists it: the next run asks for its images again\n");
    }
    let genuine = genuine_with(options, suspect.digest);
    writeln!(out, "  if it is genuine, say so in the configuration, and archive again:")?;
    writeln!(out, "    [fetch]\n    genuine = {genuine}\n")
}
