//! A socket between a collector and a real engine that can be cut and mended.

use source::collect::Address;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A socket between collector and engine that can be cut.
pub struct Cable {
    path: PathBuf,
    cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<UnixStream>>>,
}

static CABLES: AtomicU64 = AtomicU64::new(0);

impl Cable {
    /// `None`, and a word about it, where the engine is not on a socket of this host.
    pub fn lay(engine: &Address) -> Option<Cable> {
        let Address::Unix(engine) = engine.clone() else {
            eprintln!("skipped: the engine is not on a socket of this host");
            return None;
        };
        let number = CABLES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("landwaiter-cable-{}-{number}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("a socket");
        let cable = Cable { path, cut: Arc::default(), ends: Arc::default() };
        let (cut, ends) = (cable.cut.clone(), cable.ends.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !cut.load(Ordering::SeqCst) {
                    join(near, &engine, &ends);
                }
            }
        });
        Some(cable)
    }

    /// Where a collector finds it.
    pub fn address(&self) -> Address {
        Address::Unix(self.path.clone())
    }

    /// Breaks every connection, and each new one, until it is mended.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for end in self.ends.lock().expect("a lock").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn join(near: UnixStream, engine: &Path, ends: &Mutex<Vec<UnixStream>>) {
    let Ok(far) = UnixStream::connect(engine) else { return };
    let (Ok(near_again), Ok(far_again), Ok(near_end), Ok(far_end)) = (near.try_clone(), far.try_clone(), near.try_clone(), far.try_clone())
    else {
        return;
    };
    ends.lock().expect("a lock").extend([near_end, far_end]);
    std::thread::spawn(move || pour(near, far));
    std::thread::spawn(move || pour(far_again, near_again));
}

fn pour(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 65536];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
