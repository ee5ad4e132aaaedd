//! Real directories, real disks in loop devices, real mounts and real kills. Root only; nothing is ever skipped.

mod crash;
mod disks;
mod lifecycle;
mod mounts;
mod stand;
