//! An HTTP/1.1 server of our own that plays every host of a test, and lies when told to.
//!
//! It is written on threads and sockets, without an HTTP library, because a library would not let it send
//! a wrong length, stop in the middle, or speak noise. A route is a whole URL, so `http://a.example/x` and
//! `https://a.example/x` are two; what speaks TLS is told from the first byte of a connection.
//! imgkeep finds it through `fetch.connect_to` and trusts it through `fetch.root_certificates`.

mod answer;
mod connection;
mod request;
mod tls;

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

pub(crate) use answer::Answer;
pub(crate) use request::Request;
pub(crate) use tls::Certificate;

use request::canonical;
use tls::Authority;

/// Wrappers in wrappers in wrappers: real chains reach five, a rule that names itself would never end.
const MOST_LAYERS: usize = 16;

type Responder = Arc<dyn Fn(&Request, usize) -> Answer + Send + Sync>;
type Unwrapper = Arc<dyn Fn(&Request) -> Option<String> + Send + Sync>;

/// The server; it stops listening when dropped.
pub(crate) struct Origin {
    addresses: Vec<SocketAddr>,
    world: Arc<World>,
}

/// What the threads of all connections share.
struct World {
    state: Mutex<State>,
    authority: Authority,
    stopping: AtomicBool,
}

#[derive(Default)]
struct State {
    routes: HashMap<String, Responder>,
    hosts: HashMap<String, Rule>,
    down: HashSet<String>,
    requests: Vec<Request>,
    counts: HashMap<String, usize>,
    loads: HashMap<String, Load>,
    opened: usize,
    open: usize,
}

#[derive(Clone)]
enum Rule {
    Answer(Responder),
    Proxy(Unwrapper),
}

#[derive(Default)]
struct Load {
    now: usize,
    peak: usize,
}

impl Origin {
    /// Listens on a free port of 127.0.0.1, with a certificate authority of its own.
    pub(crate) fn start() -> Self {
        Self::listen(&[(Ipv4Addr::LOCALHOST, 0).into()])
    }

    /// Listens at these.
    pub(crate) fn listen(addresses: &[SocketAddr]) -> Self {
        let world = Arc::new(World {
            state: Mutex::default(),
            authority: Authority::new(),
            stopping: AtomicBool::new(false),
        });
        let listen = |address: &SocketAddr| {
            let listener = TcpListener::bind(address).expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            let accepting = Arc::clone(&world);
            thread::spawn(move || connection::accept(&listener, &accepting));
            address
        };
        Self { addresses: addresses.iter().map(listen).collect(), world }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The authority that signed every certificate shown, save those of [`Certificate::UnknownAuthority`].
    pub(crate) fn root_certificate(&self) -> &str {
        self.world.authority.root_pem()
    }

    /// `url` answers 200 with these bytes and the type they show.
    pub(crate) fn image(&self, url: &str, bytes: impl Into<Vec<u8>>) {
        self.answer(url, Answer::image(bytes));
    }

    /// `url` always answers this.
    pub(crate) fn answer(&self, url: &str, answer: Answer) {
        self.answer_by(url, move |_, _| answer.clone());
    }

    /// The first request for `url` gets the first of `answers`, and so on; the last one stays.
    pub(crate) fn answers(&self, url: &str, answers: impl Into<Vec<Answer>>) {
        let answers = answers.into();
        assert!(!answers.is_empty(), "`{url}` needs an answer");
        self.answer_by(url, move |_, nth| answers[nth.min(answers.len() - 1)].clone());
    }

    /// `url` answers what `respond` says to the request, given how many came before it.
    pub(crate) fn answer_by(
        &self,
        url: &str,
        respond: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) {
        self.state().routes.insert(canonical(url), Arc::new(respond));
    }

    /// Every URL of `host` that has no answer of its own answers what `respond` says.
    pub(crate) fn host(
        &self,
        host: &str,
        respond: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) {
        self.state().hosts.insert(host.into(), Rule::Answer(Arc::new(respond)));
    }

    /// `host` answers what the URL that `unwrap` takes out of a request would answer, and 400 when there is
    /// none. It reaches that URL from elsewhere: a host that is down for us is up for the proxy, and the
    /// count of the inner URL does not grow.
    pub(crate) fn proxy(
        &self,
        host: &str,
        unwrap: impl Fn(&Request) -> Option<String> + Send + Sync + 'static,
    ) {
        self.state().hosts.insert(host.into(), Rule::Proxy(Arc::new(unwrap)));
    }

    /// `host` is a CORS worker: its whole query is the URL.
    pub(crate) fn worker(&self, host: &str) {
        self.proxy(host, |request| request.target.split_once('?').map(|(_, url)| url.to_owned()));
    }

    /// From now on `host` closes each connection without an answer. Its requests are logged and counted all
    /// the same.
    pub(crate) fn host_down(&self, host: &str) {
        self.state().down.insert(host.into());
    }

    /// Takes [`Self::host_down`] back.
    pub(crate) fn host_up(&self, host: &str) {
        self.state().down.remove(host);
    }

    /// `host` shows this certificate instead of a good one.
    pub(crate) fn certificate(&self, host: &str, certificate: Certificate) {
        self.world.authority.show(host, certificate);
    }

    /// Every request so far, in the order of their arrival.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// How often `url` was asked for.
    pub(crate) fn count(&self, url: &str) -> usize {
        self.state().counts.get(&canonical(url)).copied().unwrap_or(0)
    }

    /// The most requests to `host` that waited for the end of their answer at one time.
    pub(crate) fn peak(&self, host: &str) -> usize {
        self.state().loads.get(host).map_or(0, |load| load.peak)
    }

    /// Connections that are open now.
    pub(crate) fn open_connections(&self) -> usize {
        self.state().open
    }

    /// Connections that were ever opened: fewer than requests when the client keeps them alive.
    pub(crate) fn opened_connections(&self) -> usize {
        self.state().opened
    }

    /// Forgets the requests, counts and peaks; the answers stay, and their sequences start anew.
    pub(crate) fn forget_requests(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.counts.clear();
        state.loads.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.world.state()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.world.stopping.store(true, Ordering::Relaxed);
        // wakes the threads that wait in `accept`
        for address in &self.addresses {
            drop(TcpStream::connect(address));
        }
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }

    /// Logs the request and finds its answer: `None` when its host is down.
    fn respond(&self, request: &Request) -> Option<Answer> {
        let nth = {
            let mut state = self.state();
            let count = state.counts.entry(request.url.clone()).or_default();
            let nth = *count;
            *count += 1;
            state.requests.push(request.clone());
            if state.down.contains(&request.host) {
                return None;
            }
            nth
        };
        let mut asked = request.clone();
        for _ in 0..MOST_LAYERS {
            let rule = {
                let state = self.state();
                let exact = state.routes.get(&asked.url).cloned().map(Rule::Answer);
                exact.or_else(|| state.hosts.get(&asked.host).cloned())
            };
            match rule {
                Some(Rule::Answer(respond)) => return Some(respond(&asked, nth)),
                Some(Rule::Proxy(unwrap)) => match unwrap(&asked).and_then(|url| asked.for_url(&url)) {
                    Some(inner) => asked = inner,
                    None => return Some(Answer::status(400)),
                },
                None => return Some(Answer::status(404)),
            }
        }
        Some(Answer::status(508))
    }
}
