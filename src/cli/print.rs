//! What results look like.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Result;
use clap::Command;

/// A length in bytes, for people: binary units, three digits.
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        let mut unit = "B";
        for next in ["KiB", "MiB", "GiB", "TiB"] {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        let digits = usize::from(unit != "B" && value < 100.0);
        write!(f, "{value:.digits$} {unit}")
    }
}

/// A number and its noun, which gets an `s` where it needs one.
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// Whether colours are wanted there: on a terminal, unless `NO_COLOR` has a value (<https://no-color.org>).
pub(super) fn has_colours(out: &impl IsTerminal) -> bool {
    out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes diffs, with colours on a terminal.
pub(super) fn diffs(diffs: &[Vec<u8>], out: &mut (impl Write + IsTerminal)) -> io::Result<()> {
    let colour = has_colours(out);
    for diff in diffs {
        if !colour {
            out.write_all(diff)?;
            continue;
        }
        for line in diff.split_inclusive(|byte| *byte == b'\n') {
            let code: &[u8] = match line {
                [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => b"1",
                [b'-', ..] => b"31",
                [b'+', ..] => b"32",
                [b'@', ..] => b"36",
                _ => b"0",
            };
            let (text, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |text| (text, &b"\n"[..]));
            for part in [b"\x1b[", code, b"m", text, b"\x1b[0m", end] {
                out.write_all(part)?;
            }
        }
    }
    Ok(())
}

/// A path in quotes where the shell would need them.
pub(super) fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |char: char| char.is_alphanumeric() || "/._-+@%,:=".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// One value as a line of JSON.
pub(super) fn json(value: &impl serde::Serialize, out: &mut impl Write) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// The man page of the program, with a section for each command.
pub(super) fn man(program: &Command, out: &mut impl Write) -> io::Result<()> {
    let page = clap_mangen::Man::new(program.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(out, ".SH \"IMGKEEP {}\"\n{about}", command.get_name().to_uppercase())?;
        clap_mangen::Man::new(command.clone()).render_options_section(out)?;
        if let Some(help) = command.get_after_help() {
            writeln!(out, ".PP\n.nf\n{}\n.fi", help.to_string().replace('\\', "\\\\"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_500_000, "1.4 MiB"),
            (250 << 20, "250 MiB"),
            (3 << 40, "3.0 TiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), expected);
        }
    }

    #[test]
    fn paths_are_quoted_for_the_shell_only_where_needed() {
        assert_eq!(shell(Path::new("posts/图.md")), "posts/图.md");
        assert_eq!(shell(Path::new("my posts/it's")), r"'my posts/it'\''s'");
    }
}
