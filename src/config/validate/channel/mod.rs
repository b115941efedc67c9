//! `[[channel]]`: the ways to tell people, each kind in a file of its own or with those like it.

mod all;

mod kind;

mod webhook;

mod alertmanager;

mod services;

mod email;

mod exec;

mod keys;

mod grouping;

pub(crate) use all::{Channels, channels};
