//! The configuration in force, written as its file is: what an operator compares with his own.
//!
//! Made from what was checked, not from a file's text: every key with the value that counts, defaults among them. It
//! takes each type apart by naming its fields, so that a new one must be thought of here. Whatever lets one in, or may
//! (headers, bodies and their templates, queries, a program's arguments), is `<secret>`, whatever it is: not its length,
//! nor a part of it. What people read anyway is shown: a text for them and its template, an alert's labels, and what an
//! answer must have, which a failure names. With something put in the place of each secret it is a configuration, and
//! the same one.

mod sheet;

mod whole;

mod channel;
mod probe;
mod proxy;
mod target;
