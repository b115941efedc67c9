//! The configuration in force, written as its file is: what an operator compares with his own.
//!
//! Made from what was checked, not from a file's text: every key with the value that counts, defaults among them. It
//! takes each type apart by naming its fields, so that a new one must be thought of here. Whatever lets one in, or may
//! (headers, bodies, queries, a program's arguments), is `<secret>`, whatever it is: not its length, nor a part of it.
//! With something put in the place of each secret it is a configuration, and the same one.

mod sheet;

mod whole;

mod channel;
mod probe;
mod proxy;
mod target;
