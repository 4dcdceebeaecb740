//! Clusters in a world: how nodes find each other, what they know of each other, and what they do together.
//!
//! One program for all of these files: each program of tests holds the whole stack, and takes seconds to link.

mod advertise;
mod client_topics;
mod clients;
mod cluster;
mod hundred;
mod joining;
mod leaving;
mod mdns;
mod members;
mod multicast;
mod names;
mod network;
mod node_drain;
mod nodes;
mod other_versions;
mod registering;
mod resolver;
mod rolling;
mod roster;
mod spawning;
mod topic_versions;
mod topics;
mod twins;
