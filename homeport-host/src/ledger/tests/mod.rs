//! Tests of the ledger on real files: rules, a model, processes that are killed, a full disk, damaged files.

mod crash;
mod files;
mod full;
mod kept;
mod model;
mod rules;
mod sample;
