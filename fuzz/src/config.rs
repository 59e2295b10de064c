//! A configuration is taken or refused with a line that says why.

use std::cell::RefCell;
use std::fs;

use imgkeep::config::Config;
use imgkeep::config::sources::Sources;
use imgkeep::origin::proxy::Families;
use tempfile::TempDir;

use super::dice::Dice;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(tempfile::tempdir_in(memory()).expect("a folder"));
}

const VARIABLES: [&str; 8] = [
    "IMGKEEP_FETCH__PER_HOST",
    "IMGKEEP_FETCH__RESOLVE",
    "IMGKEEP_REFERENCES__HTML_ATTRIBUTES",
    "IMGKEEP_FETCH_PER_HOST",
    "IMGKEEP_X__Y",
    "IMGKEEP_STORE__PATH",
    "STATE_DIRECTORY",
    "INVOCATION_ID",
];

/// Settings of flags and variables, then the file, or a table of families.
pub fn holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let choice = dice.byte();
    if choice & 0x80 != 0 {
        return families(&String::from_utf8_lossy(dice.rest()));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sets = (0..choice & 3).map(|_| text(dice.bytes(60))).collect();
    let environment =
        (0..choice >> 2 & 3).map(|_| (dice.pick(&VARIABLES).to_owned(), text(dice.bytes(40)))).collect();
    FOLDER.with_borrow(|folder| {
        let file = folder.path().join("imgkeep.toml");
        fs::write(&file, dice.rest()).expect("the folder can be written to");
        let working_dir = folder.path().to_owned();
        let sources = Sources { file: Some(file), working_dir, environment, sets };
        match Config::load(&sources) {
            Ok(config) => is_usable(&config),
            Err(error) => is_one_line(&error.to_string()),
        }
    });
}

/// What the program makes of it. Files that it names need not be there.
fn is_usable(config: &Config) {
    let families = Families::builtin();
    let ladder = config.ladder_options();
    let _ = (ladder, config.media_limits(), config.replace_options(), config.fingerprint());
    if config.fetch.root_certificates.is_empty() {
        config.fetch_options().expect("nothing is read for it");
    }
    if let Err(error) = config.reader(families) {
        is_one_line(&error.to_string());
    }
    assert!(config.fetch.concurrency >= 1 && config.fetch.per_host >= 1 && config.fetch.max_bytes >= 1);
    assert!(!config.fetch.timeout.is_zero() && !config.fetch.sources.is_empty());
}

/// A user's own table of families.
fn families(table: &str) {
    match Families::with(table) {
        Ok(families) => {
            for url in
                ["https://a.example/x?url=http%3A%2F%2Fb.example%2Fc.png", "http://a/http/b.example/c.png?u"]
            {
                if let Ok(unwrapped) = families.unwrap(url) {
                    assert!(matches!(unwrapped.origin.url().scheme(), "http" | "https"));
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn is_one_line(message: &str) {
    assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
}

/// A folder that is no disk, if there is one.
fn memory() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
