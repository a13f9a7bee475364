//! The probe uses up descriptors and counts them, so it has a process of its own: one test.

use std::fs::{self, File};
use std::io;
use std::time::{Duration, Instant};

use warren_core::probe;

fn open_descriptors() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

/// Opens files until the system gives no more.
fn use_up() -> io::Result<Vec<File>> {
    let null = File::open("/dev/null")?;
    let mut files = Vec::new();
    while let Ok(file) = null.try_clone() {
        files.push(file);
    }
    Ok(files)
}

#[test]
#[cfg(target_os = "linux")]
fn works_here_leaves_nothing_and_tells_a_shortage() -> io::Result<()> {
    let before = open_descriptors()?;
    for _ in 0..3 {
        let since = Instant::now();
        assert_eq!(probe(), Ok(()));
        assert!(
            since.elapsed() < Duration::from_millis(250),
            "took {:?}",
            since.elapsed()
        );
    }
    assert_eq!(open_descriptors()?, before);

    let mut files = use_up()?;
    let mut shortages = 0;
    // With each descriptor more it comes one step further, until it has enough.
    while let Err(reason) = probe() {
        assert!(reason.contains("file descriptors are short"), "{reason}");
        shortages += 1;
        assert!(shortages < 32, "{reason}");
        files.pop();
    }
    assert!(shortages > 0);
    drop(files);
    assert_eq!(probe(), Ok(()));
    assert_eq!(open_descriptors()?, before);
    Ok(())
}
