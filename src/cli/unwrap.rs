//! `imgkeep unwrap`: the image behind a proxied URL.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::{Context, Format, print, setup};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  imgkeep unwrap 'https://cors.zfour.workers.dev/?http://static.1sapp.com/a.jpg'"
)]
pub(super) struct Arguments {
    /// The URLs; `-` reads one a line from stdin.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let families = setup::families(&context.config)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut exit = Exit::Done;
    let mut one = |url: &str| -> Result<()> {
        let unwrapped = match families.unwrap(url) {
            Ok(unwrapped) => unwrapped,
            Err(error) => {
                exit = Exit::Incomplete;
                tracing::error!(url, "{error}");
                return Ok(());
            }
        };
        let origin = unwrapped.origin.as_str();
        match context.format {
            Format::Human => writeln!(out, "{origin}")?,
            Format::Json => {
                let proxies: Vec<String> =
                    unwrapped.layers.iter().map(|layer| layer.family.to_string()).collect();
                print::json(&json!({ "url": url, "origin": origin, "proxies": proxies }), &mut out)?;
            }
        }
        Ok(())
    };
    for url in &arguments.urls {
        if url == "-" {
            for line in io::stdin().lines() {
                one(line?.trim())?;
            }
        } else {
            one(url)?;
        }
    }
    out.flush()?;
    Ok(exit)
}
