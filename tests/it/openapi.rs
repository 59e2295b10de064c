//! The description of the API against a running daemon, by a generator of requests: schemathesis, where it is installed.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::client::Daemon;
use crate::support::origin::Origin;
use crate::support::{Test, picture};

const PROGRAM: &str = "schemathesis";
/// Requests that it makes up for each operation and phase.
const EXAMPLES: &str = "10";
/// It is done in a tenth of that.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn answers_are_as_they_are_described() {
    if !Command::new(PROGRAM)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("not tried: there is no {PROGRAM}");
        return;
    }
    let origin = Origin::start();
    let mut test = Test::new().origin(&origin).set("daemon.allow", "[\"posts\"]").set("fetch.retries", "0");
    for number in 0..3 {
        let url = format!("http://cdn.example/{number}.png");
        origin.image(&url, picture::jpeg(number));
        let text = format!("![]({url}) ![](http://gone.example/{number}.jpg)\n");
        test = test.document(&format!("posts/{number}.md"), text);
    }
    let daemon = Daemon::start(test);
    daemon.ended(&daemon.archive_posts());
    let url = format!("http://{}", daemon.address);
    let mut command = Command::new(PROGRAM);
    command
        .args(["run", &format!("{url}/api/v1/openapi.json"), "--url", &url])
        .args(["--header", &format!("Authorization: Bearer {}", daemon.token())])
        .args(["--checks", "all", "--max-examples", EXAMPLES, "--generation-deterministic"])
        .args(["--request-timeout", "30", "--no-color"])
        .current_dir(daemon.test.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let outcome = command.output().expect("it told its version");
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert!(outcome.status.success(), "{said}\n{}", String::from_utf8_lossy(&outcome.stderr));
    assert!(started.elapsed() < PATIENCE, "{said}");
    let summary = said.lines().skip_while(|line| !line.contains("SUMMARY")).collect::<Vec<_>>().join("\n");
    assert!(summary.contains("Stateful") && !summary.contains("Tested: 0"), "{said}");
    assert_eq!(daemon.ask("GET /healthz", &[], "").status, 200);
}
