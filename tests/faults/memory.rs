//! Workers get no memory, now and then.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    plan::Plan,
    scene::{Allowed, Lost, Stage},
};

/// One in so many allocations fails.
const ONE_IN: [u64; 4] = [1000, 200, 50, 20];

#[test]
fn nothing_is_wrong_when_workers_get_no_memory() {
    let allocations = Allocations::new();
    let plan = allocations.plan();
    let mut scene = plan.start();
    let allowed = Allowed { statuses: &[500, 502], lost: Lost::AnyNumber, ..Allowed::default() };

    let course = scene.run(&allowed, |stage| {
        let many_failed = |_: &Stage<'_>| allocations.failed() > 100;
        stage.repeat_until(100, many_failed, |_, time| {
            allocations.fail(ONE_IN[time as usize % ONE_IN.len()]);
        });
        allocations.fail(0);
    });

    let failed = allocations.failed();
    let how = format!("a preloaded library fails {failed} allocations, one in 20 to 1000");
    scene.conclude("memory cannot be allocated", &how, &allowed, &course);
}

/// The preloaded library, and the file that tells it what to do.
struct Allocations {
    _folder: TempDir,
    library: PathBuf,
    path: PathBuf,
    control: File,
}

impl Allocations {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let library = folder.path().join("allocation.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/allocation.c");
        let built = Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-fno-builtin", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .status();
        assert!(built.expect("a C compiler").success());
        let path = folder.path().join("control");
        fs::write(&path, [0; 16]).unwrap();
        let control = File::options().read(true).write(true).open(&path).unwrap();
        Self { _folder: folder, library, path, control }
    }

    fn plan(&self) -> Plan {
        let (library, path) = (self.library.clone(), self.path.clone());
        Plan {
            main: "env LD_PRELOAD; env ALLOCATION_CONTROL;".to_owned(),
            tolerated: vec!["Cannot allocate memory"],
            launch: Box::new(move |nginx| {
                nginx.environment("LD_PRELOAD", library).environment("ALLOCATION_CONTROL", path)
            }),
            ..Plan::default()
        }
    }

    /// Lets one in so many allocations fail, or none if this is 0.
    fn fail(&self, one_in: u64) {
        self.control.write_all_at(&one_in.to_le_bytes(), 0).unwrap();
    }

    fn failed(&self) -> u64 {
        let mut count = [0; 8];
        self.control.read_exact_at(&mut count, 8).unwrap();
        u64::from_le_bytes(count)
    }
}
