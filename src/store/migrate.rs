//! From older formats to this one.
//!
//! Each record carries its own version and is read in any version that ever was, so a new shape of one record needs
//! nothing here: old records are rewritten when they change. A step is needed only where keys or the meaning of
//! several records change together; it is then one function from format n to n + 1, run before anything is read.

use super::error::Error;
use super::keys;

/// The format that this program writes.
pub(super) const FORMAT: u32 = 1;

/// Brings a store's format up to ours.
///
/// # Errors
/// A newer format; a store that does not say which it has.
pub(super) fn migrate(tree: &sled::Tree, folder: &std::path::Path) -> Result<(), Error> {
    let stored = tree.get(keys::FORMAT).map_err(Error::sled("read its format"))?;
    let Some(stored) = stored else {
        return Err(Error::damaged(keys::describe(keys::FORMAT), "it is missing, although there are other records"));
    };
    let bytes = stored.as_ref().try_into();
    let found =
        bytes.map(u32::from_be_bytes).map_err(|_| Error::damaged(keys::describe(keys::FORMAT), "it has no number"))?;
    match found {
        FORMAT => Ok(()),
        0 => Err(Error::damaged(keys::describe(keys::FORMAT), "no store ever had format 0")),
        newer => Err(Error::NewerFormat { folder: folder.to_path_buf(), found: newer, known: FORMAT }),
    }
}
