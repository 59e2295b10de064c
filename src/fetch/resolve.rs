//! From a host name to addresses that may be connected to.
//!
//! What this resolver answers is what is connected to; there is no second look-up in between that could
//! differ.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::{Guard, Refusal, bare};

/// Asks for the addresses of a name.
pub(super) type Lookup = Arc<dyn Fn(String) -> Answers + Send + Sync>;

/// What a [`Lookup`] finds.
pub(super) type Answers = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The system's resolver: `/etc/hosts`, DNS and whatever else it is set up to ask.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
        })
    })
}

/// No address for a name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// One of the answers must not be connected to, so none is.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody knows the name.
    #[error("`{name}` has no address")]
    Unknown { name: String, source: Option<io::Error> },
}

/// A table of the operator's answers, then the look-up, both under the guard.
#[derive(Clone)]
pub(super) struct Resolver {
    pub(super) guard: Arc<Guard>,
    /// By lower-case name without trailing dot.
    pub(super) table: Arc<HashMap<String, Vec<IpAddr>>>,
    pub(super) lookup: Lookup,
}

impl Resolver {
    /// All addresses of `name`, if every one of them may be connected to. One private answer among public
    /// ones refuses the name: which of them a connection would take is nobody's promise.
    pub(super) async fn addresses(&self, name: String) -> Result<Vec<IpAddr>, Error> {
        if let Some(known) = self.known(&name) {
            return known;
        }
        match (self.lookup)(name.clone()).await {
            Ok(answers) => self.judged(&name, answers),
            Err(source) => Err(Error::Unknown { name, source: Some(source) }),
        }
    }

    /// What the operator's table says of `name`, judged like any answer; `None` if it says nothing.
    pub(super) fn known(&self, name: &str) -> Option<Result<Vec<IpAddr>, Error>> {
        self.table.get(bare(name)).map(|answers| self.judged(name, answers.clone()))
    }

    fn judged(&self, name: &str, answers: Vec<IpAddr>) -> Result<Vec<IpAddr>, Error> {
        if answers.is_empty() {
            return Err(Error::Unknown { name: name.to_owned(), source: None });
        }
        answers.iter().try_for_each(|answer| self.guard.check_address(*answer, None))?;
        Ok(answers)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str().to_owned()).await?;
            // port 0 stands for the URL's own
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Answers every name with one address and port, which the operator gave.
pub(super) struct Pinned(pub(super) SocketAddr);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let address: Addrs = Box::new(std::iter::once(self.0));
        Box::pin(std::future::ready(Ok(address)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A look-up whose answers change from one time to the next, as a rebinding name server's do.
    fn scripted(script: &[&[&str]]) -> Resolver {
        let parse = |answers: &&[&str]| answers.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let script = Mutex::new(script.iter().map(parse).collect::<Vec<_>>().into_iter());
        let lookup: Lookup = Arc::new(move |_| {
            let next = script.lock().unwrap().next().ok_or_else(|| io::Error::other("NXDOMAIN"));
            Box::pin(std::future::ready(next))
        });
        Resolver { guard: Arc::default(), table: Arc::default(), lookup }
    }

    #[tokio::test]
    async fn each_look_up_is_judged_for_itself() {
        let resolver = scripted(&[&["93.184.216.34"], &["127.0.0.1"], &["93.184.216.34", "10.0.0.1"], &[]]);
        let ask = || resolver.addresses("rebind.test".to_owned());
        assert_eq!(ask().await.unwrap(), ["93.184.216.34".parse::<IpAddr>().unwrap()]);
        assert!(matches!(ask().await, Err(Error::Refused(_))), "loopback");
        assert!(matches!(ask().await, Err(Error::Refused(_))), "one of two is private");
        assert!(matches!(ask().await, Err(Error::Unknown { .. })), "no address at all");
        assert!(matches!(ask().await, Err(Error::Unknown { .. })), "no such name");
    }

    #[tokio::test]
    async fn the_table_is_guarded_too() {
        let mut resolver = scripted(&[]);
        resolver.table = Arc::new(HashMap::from([("nas".to_owned(), vec!["10.0.0.5".parse().unwrap()])]));
        assert!(matches!(resolver.addresses("nas.".to_owned()).await, Err(Error::Refused(_))));
        resolver.guard = Arc::new(Guard { allow: vec!["10.0.0.0/8".parse().unwrap()], ..Guard::default() });
        assert!(resolver.addresses("nas".to_owned()).await.is_ok());
    }
}
