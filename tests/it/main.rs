//! Whole-program tests against an origin on loopback; no test touches the network.

#[cfg(test)]
mod support;
#[cfg(test)]
mod support_itself;
