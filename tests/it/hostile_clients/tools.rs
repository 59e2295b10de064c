//! `slowhttptest`, where there is one.

use std::process::{Command, Stdio};

use crate::support::rounds::rounds;

use super::{Victim, may_open, withstands};

/// Slow heads, slow bodies, slow readers.
#[test]
fn slowhttptest() {
    if Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("not tried: slowhttptest is not installed");
        return;
    }
    let (connections, seconds) = if rounds(1) > 1 { ("2000", "60") } else { ("400", "8") };
    if !may_open(8_000) {
        return;
    }
    let victim = Victim::new();
    let (pid, address) = (victim.server.child.id(), victim.address());
    for (name, mode, path) in [
        ("-H", &["-H", "-i", "2"][..], &victim.small),
        ("-B", &["-B", "-i", "2"], &victim.small),
        ("-X", &["-X", "-w", "10", "-y", "20"], &victim.large),
    ] {
        withstands(&format!("slowhttptest {name}"), pid, address, &victim.small, || {
            let url = format!("http://{address}{path}");
            let tool = Command::new("slowhttptest")
                .args(mode)
                .args(["-c", connections, "-r", "500", "-l", seconds, "-p", "3", "-u", &url])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .current_dir(victim.server.test.root())
                .status()
                .unwrap();
            assert!(tool.success(), "{tool:?}");
        });
    }
}
