//! Files that are on no disk.

use std::{error::Error, fs, path::PathBuf};

use crate::nginx::Config;

/// A folder in memory, gone when this is dropped.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Makes it; there is one at a time.
    pub fn create() -> Result<Self, Box<dyn Error>> {
        let folder = PathBuf::from(format!("/dev/shm/phantom-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Writes its name in place of `{tmpfs}`.
    pub fn put_into(&self, config: &mut Config) {
        config.http = config.http.replace("{tmpfs}", &self.0.display().to_string());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
