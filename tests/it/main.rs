//! Whole-program tests against an origin on loopback; no test touches the network.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod api;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod base;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod front_door;
#[cfg(test)]
mod gallery;
#[cfg(test)]
mod gc;
#[cfg(test)]
mod hand_over;
#[cfg(test)]
mod hands;
#[cfg(test)]
mod hostile_clients;
#[cfg(test)]
mod hostile_images;
#[cfg(test)]
mod hostile_servers;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod manners;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod power;
#[cfg(test)]
mod properties_of_files;
#[cfg(test)]
mod recall;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scan;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod status;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
#[cfg(test)]
mod support_itself;
#[cfg(test)]
mod update;
#[cfg(test)]
mod web_face;
