//! Everything that is tested from outside: one file a capability, one binary, since each links the whole program.

mod alertmanager;
mod alerts;
mod backend;
mod bad_input;
mod callers;
mod channels;
mod command_line;
mod given_when_then;
mod guard;
mod heartbeats;
mod http_examples;
mod http_surface;
mod node;
mod outage;
mod outbox;
mod proxy;
mod proxy_fallback;
mod proxy_guard;
mod proxy_slow;
mod proxy_smuggling;
mod proxy_wire;
mod reload;
mod rules;
mod verdict;
