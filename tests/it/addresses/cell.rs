//! A network of one's own, in which every address of the world is this machine's.
//!
//! A test starts itself again under `unshare -n -m`. There it makes each address, public or private, one of the loopback
//! device (`ip route add local`), listens at all of them, answers as the name server of `/etc/resolv.conf`, and sees each
//! packet that goes out.

use std::env;
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::names::Names;
use super::wire::Wire;
use crate::support::origin::Origin;

/// Names the test that runs within.
const INSIDE: &str = "IMGKEEP_TEST_CELL";
/// Where the servers of all addresses listen; what else is asked is refused by the system, and seen all the same.
const PORTS: [u16; 5] = [80, 443, 3128, 8080, 8443];

pub(super) struct Cell {
    pub(super) names: Names,
    pub(super) wire: Wire,
    /// Every server of the world.
    pub(super) world: Origin,
    _etc: TempDir,
}

/// Runs `inner` in a network of its own, as the test named `test`. Says so where that cannot be had.
pub(super) fn within(test: &str, inner: impl FnOnce(&Cell)) {
    if env::var(INSIDE).is_ok_and(|name| name == test) {
        inner(&Cell::new());
        return;
    }
    if let Some(why) = lacking() {
        println!("not tried: no network of one's own: {why}");
        return;
    }
    let program = env::current_exe().expect("this program is there");
    let output = Command::new("unshare")
        .args(["-n", "-m", "--"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .expect("it was tried");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let is_told = |line: &&str| ["addresses: ", "not tried: "].iter().any(|start| line.starts_with(start));
    for line in said.lines().filter(is_told) {
        println!("{line}");
    }
}

/// What is not there, or not allowed.
fn lacking() -> Option<String> {
    let script = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo table local && \
                  ip -6 route add local ::/0 dev lo table local && mount --bind /etc/hosts /etc/hosts";
    let output = Command::new("unshare").args(["-n", "-m", "sh", "-c", script]).output();
    match output {
        Ok(Output { status, .. }) if status.success() => None,
        Ok(Output { stderr, .. }) => Some(String::from_utf8_lossy(&stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("it was tried");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Cell {
    fn new() -> Self {
        run("ip", &["link", "set", "lo", "up"]);
        run("ip", &["route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "local"]);
        run("ip", &["-6", "route", "add", "local", "::/0", "dev", "lo", "table", "local"]);
        let etc = tempfile::tempdir().expect("a temporary folder can be made");
        for (name, text) in [
            ("resolv.conf", "nameserver 127.0.0.53\noptions timeout:5 attempts:2\n"),
            ("nsswitch.conf", "hosts: files dns\n"),
            ("hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"),
        ] {
            let (mine, theirs) = (etc.path().join(name), Path::new("/etc").join(name));
            fs::write(&mine, text).expect("it is new");
            let path = |path: &Path| path.to_str().expect("it is UTF-8").to_owned();
            run("mount", &["--bind", &path(&mine), &path(&theirs)]);
        }
        let listen = PORTS.map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
        Self { names: Names::start(), wire: Wire::start(), world: Origin::listen(&listen), _etc: etc }
    }
}
