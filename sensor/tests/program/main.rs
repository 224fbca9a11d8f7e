//! The program as it is called: exit status, texts, files.

mod craft;
mod native;
mod suricata;
