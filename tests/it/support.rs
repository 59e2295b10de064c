//! A `Test` that reads like a story: a folder of documents, an origin, a run of the real program and
//! what came of it.
//!
//! ```text
//! let origin = Origin::start();
//! origin.image("http://cdn.example/a.jpg", picture::jpeg(1));
//! let test = Test::new().origin(&origin).document("posts/a.md", "![](http://cdn.example/a.jpg)");
//! test.run("archive posts").expect_code(0);
//! assert_eq!(test.blobs().len(), 1);
//! ```

pub(crate) mod memory;
pub(crate) mod origin;
pub(crate) mod over;
pub(crate) mod picture;
pub(crate) mod rounds;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use imgkeep::digest::Digest;
use serde_json::Value;
use tempfile::TempDir;

use origin::Origin;

/// How old a document is: imgkeep waits for those younger than two seconds.
const AGE: Duration = Duration::from_secs(3600);
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A temporary folder with documents in it, and how imgkeep is called there.
pub(crate) struct Test {
    folder: TempDir,
    settings: Vec<String>,
    connect_to: BTreeMap<String, SocketAddr>,
}

/// What a run of imgkeep came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The most memory that was seen to be resident, in KiB.
    pub(crate) peak: u64,
}

impl Test {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// In memory, where syncing takes no time: a race is met more often. On the disk where there is no such folder.
    pub(crate) fn in_memory() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::at(folder.expect("a temporary folder can be made"))
    }

    fn at(folder: TempDir) -> Self {
        let test = Self { folder, settings: Vec::new(), connect_to: BTreeMap::new() };
        fs::create_dir(test.root()).expect("it is new");
        test
    }

    /// A folder of the data that may lie beside the checkout; says so where it does not.
    pub(crate) fn shared(name: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or(Path::new("/"))
            .join("shared")
            .join(name);
        if !path.exists() {
            println!("not tried: there is no {}", path.display());
        }
        path.exists().then_some(path)
    }

    /// Every name leads to this origin, and its certificates are trusted.
    pub(crate) fn origin(self, origin: &Origin) -> Self {
        let pem = self.folder.path().join("root.pem");
        fs::write(&pem, origin.root_certificate()).expect("the folder can be written");
        self.connect_to("*", origin.address())
            .set("fetch.root_certificates", &format!("[{:?}]", pem.to_str().expect("it is UTF-8")))
    }

    /// `host[:port]`, or `*` for all others, leads to this address.
    pub(crate) fn connect_to(mut self, host: &str, address: SocketAddr) -> Self {
        self.connect_to.insert(host.to_owned(), address);
        self
    }

    /// Gives `--set key=value` to every run; `value` is TOML.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push(format!("{key}={value}"));
        self
    }

    /// Writes a document an hour old, and the folders above it.
    pub(crate) fn document(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// As [`Self::document`], for a test that is already under way.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("the folder can be written");
        fs::write(&path, content).expect("the folder can be written");
        let file = File::options().write(true).open(&path).expect("it was written just now");
        file.set_modified(SystemTime::now() - AGE).expect("the owner may date a file");
    }

    /// The working directory of every run.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// `path` below the working directory.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let path = self.path(path);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs imgkeep with these words as its arguments.
    pub(crate) fn run(&self, words: &str) -> Outcome {
        self.run_with_input(words, b"")
    }

    /// As [`Self::run`], with something on stdin.
    pub(crate) fn run_with_input(&self, words: &str, input: &[u8]) -> Outcome {
        Outcome::of(self.command(words).stdin(Stdio::piped()), input)
    }

    /// The command that [`Self::run`] would run, for a test that kills it, or runs two at once.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgkeep"));
        command.current_dir(self.root()).env_clear().env("HOME", self.folder.path()).env("NO_COLOR", "1");
        if !self.connect_to.is_empty() {
            let pairs: Vec<_> =
                self.connect_to.iter().map(|(host, address)| format!(r#""{host}" = "{address}""#)).collect();
            command.args(["--set", &format!("fetch.connect_to={{ {} }}", pairs.join(", "))]);
        }
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.args(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Each file under `path`, and the digest of its bytes. Two trees are equal when nothing was changed.
    pub(crate) fn tree(&self, path: &str) -> BTreeMap<PathBuf, Digest> {
        let root = self.path(path);
        files_under(&root)
            .into_iter()
            .map(|file| {
                let digest = Digest::of(&fs::read(&file).expect("it was listed just now"));
                (file.strip_prefix(&root).expect("it is below").to_owned(), digest)
            })
            .collect()
    }

    /// The blobs of the default store, checked: each has its digest for its name, and lies in the folder of
    /// its first two digits.
    pub(crate) fn blobs(&self) -> BTreeMap<Digest, PathBuf> {
        let images = self.path("cache/images");
        files_under(&images)
            .into_iter()
            .map(|file| {
                let digest = Digest::of(&fs::read(&file).expect("it was listed just now"));
                let name = digest.to_string();
                assert_eq!(file.file_stem(), Some(name.as_ref()), "{} has other bytes", file.display());
                assert_eq!(
                    file.parent(),
                    Some(images.join(&name[..2]).as_path()),
                    "{} is misplaced",
                    file.display()
                );
                (digest, file)
            })
            .collect()
    }

    /// Panics when a temporary file of imgkeep's was left anywhere.
    pub(crate) fn assert_no_litter(&self) {
        let litter: Vec<_> = files_under(&self.root())
            .into_iter()
            .filter(|file| {
                file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".imgkeep-"))
            })
            .collect();
        assert!(litter.is_empty(), "left behind: {litter:?}");
    }
}

impl Outcome {
    /// What a command comes to that a test changed.
    pub(crate) fn of_command(mut command: Command) -> Self {
        Self::of(command.stdin(Stdio::piped()), b"")
    }

    pub(crate) fn of(command: &mut Command, input: &[u8]) -> Self {
        let mut child = command.spawn().expect("the program was built");
        let mut stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        thread::scope(|scope| {
            // a program that does not read its input closes the pipe
            scope.spawn(move || drop(stdin.write_all(input)));
            let stdout = scope.spawn(|| read_text(stdout));
            let stderr = scope.spawn(|| read_text(stderr));
            let (code, peak) = wait(&mut child);
            let text =
                |reader: thread::ScopedJoinHandle<'_, String>| reader.join().expect("readers do not panic");
            Self { code, stdout: text(stdout), stderr: text(stderr), peak }
        })
    }

    /// Panics with all that the program said unless it ended with `code`.
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// stdout, which is one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {}", self.stdout))
    }

    /// stdout, which is one JSON value a line.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// The exit code, `None` after a signal, and the most memory. Kills a program that hangs.
fn wait(child: &mut Child) -> (Option<i32>, u64) {
    let deadline = Instant::now() + PATIENCE;
    let mut peak = 0;
    loop {
        peak = memory::memory(child.id(), "VmHWM").unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().expect("it is our child") {
            return (status.code(), peak);
        }
        if Instant::now() > deadline {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            panic!("imgkeep was still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn read_text(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("a pipe can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every regular file under `folder`, sorted; none when it does not exist.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry.expect("a folder that opens can be read");
            let kind = entry.file_type().expect("it was listed just now");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}
