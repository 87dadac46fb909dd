//! Stories: several sessions on one server, in virtual time.

mod long_updates;
mod migrations;
mod server;
mod virtual_tables;
