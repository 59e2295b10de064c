//! A name server whose answers change as a test says.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use super::wire::NAME_SERVER;

const ADDRESS: u16 = 1;
const ADDRESS_6: u16 = 28;

/// What one name has for answers.
#[derive(Clone, Debug)]
struct Script {
    /// One list for each look-up; the last stays, or they begin again.
    answers: Vec<Vec<IpAddr>>,
    again: bool,
    /// Look-ups so far, of IPv4 and of IPv6 addresses.
    asked: [usize; 2],
}

#[derive(Default)]
struct State {
    known: HashMap<String, Script>,
    /// For what is not among them.
    others: Option<Vec<IpAddr>>,
    asked: Vec<String>,
    is_broken: bool,
}

/// The server, at 127.0.0.53. All answers have a lifetime of nothing.
pub(super) struct Names(Arc<Mutex<State>>);

impl Names {
    pub(super) fn start() -> Self {
        let socket = UdpSocket::bind(NAME_SERVER).expect("root may have the port");
        let state: Arc<Mutex<State>> = Arc::default();
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = answer(&question[..length], &mut serving.lock().expect("nobody panics with it"));
                if let Some(answer) = answer {
                    // Who asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self(state)
    }

    /// From now on `name` has these addresses.
    pub(super) fn set(&self, name: &str, answers: &[IpAddr]) {
        self.script(name, &[answers.to_vec()], false);
    }

    /// The first look-up gets the first of `answers`, and so on; the last stays, or, with `again`, they begin anew.
    pub(super) fn script(&self, name: &str, answers: &[Vec<IpAddr>], again: bool) {
        let script = Script { answers: answers.to_vec(), again, asked: [0, 0] };
        self.state().known.insert(name.to_lowercase(), script);
    }

    /// From now on every name has these addresses, whatever was said of it.
    pub(super) fn all(&self, answers: &[IpAddr]) {
        let mut state = self.state();
        state.known.clear();
        state.others = Some(answers.to_vec());
        state.is_broken = false;
    }

    /// From now on it says that something is wrong with it.
    pub(super) fn break_down(&self) {
        self.state().is_broken = true;
    }

    /// The names that were asked for since the last call.
    pub(super) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }
}

/// The answer to a question (RFC 1035, section 4.1).
fn answer(question: &[u8], state: &mut State) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while let length @ 1.. = usize::from(*question.get(at)?) {
        labels.push(String::from_utf8_lossy(question.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes(question.get(at + 1..at + 3)?.try_into().ok()?);
    let end = at + 5;
    let family = usize::from(kind == ADDRESS_6);
    state.asked.push(name.clone());
    let answers = match state.known.get_mut(&name).filter(|_| !state.is_broken) {
        Some(script) => {
            let nth = script.asked[family];
            script.asked[family] += 1;
            let count = script.answers.len();
            let nth = if script.again { nth % count } else { nth.min(count - 1) };
            Some(script.answers[nth].clone())
        }
        None => state.others.clone(),
    };
    let data = |address: &IpAddr| match (kind, address) {
        (ADDRESS, IpAddr::V4(address)) => Some(address.octets().to_vec()),
        (ADDRESS_6, IpAddr::V6(address)) => Some(address.octets().to_vec()),
        _ => None,
    };
    let found: Vec<Vec<u8>> = answers.iter().flatten().filter_map(data).collect();
    // An answer, recursion is there; SERVFAIL, or NXDOMAIN for a name that is not.
    let code = match &answers {
        _ if state.is_broken => 2,
        Some(_) => 0,
        None => 3,
    };
    let mut reply = question.get(..2)?.to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(found.len()).ok()?, 0, 0, 0, 0]);
    reply.extend(question.get(12..end)?);
    for data in found {
        // The name of the question, its kind, Internet, no lifetime.
        reply.extend([
            0xc0,
            12,
            0,
            u8::try_from(kind).ok()?,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            u8::try_from(data.len()).ok()?,
        ]);
        reply.extend(data);
    }
    Some(reply)
}
