//! The configuration as a user meets it: layers, values, and refusals.

#[cfg(test)]
mod layered;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod support;
