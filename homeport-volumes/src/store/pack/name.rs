//! Owns how a pack gets its name, and the names of its two files. Never looks for one.

use sha2::{Digest as _, Sha256};

use super::record::{Form, Record};
use crate::store::identity::PackId;

/// Makes the name of a pack from its members. [spec: STO-7]
#[derive(Debug, Default)]
pub(crate) struct Naming(Sha256);

impl Naming {
    /// The next member; they come in the order of their ids, which is that of their names.
    pub(crate) fn member(&mut self, record: &Record) {
        self.0.update(record.object.hex().as_str());
        self.0.update(match record.form {
            Form::Raw => "\n",
            Form::Zstd => ".zst\n",
        });
    }

    /// The name.
    pub(crate) fn finish(self) -> PackId {
        PackId::new(self.0.finalize().into())
    }
}

/// The name of the pack with these members, which are in the order of their ids.
pub(crate) fn pack_id(records: &[Record]) -> PackId {
    let mut naming = Naming::default();
    for record in records {
        naming.member(record);
    }
    naming.finish()
}

/// The file with the objects.
pub(crate) fn pack_file(pack: &PackId) -> String {
    format!("{pack}.tar")
}

/// The file that says where they are.
pub(crate) fn index_file(pack: &PackId) -> String {
    format!("{pack}.index")
}

/// The pack whose objects the file `name` holds.
pub(crate) fn parse_pack_file(name: &str) -> Option<PackId> {
    PackId::read(name.strip_suffix(".tar")?.as_bytes())
}

/// The pack whose index the file `name` is.
pub(crate) fn parse_index_file(name: &str) -> Option<PackId> {
    PackId::read(name.strip_suffix(".index")?.as_bytes())
}
