//! Finds the files of a call and opens them: folders are walked, and what is compressed is unpacked, by its first bytes rather than by its name.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// In a folder, files whose names end so are documents beside the recordings. Named by themselves they are read.
const DOCUMENTS: &[&str] = &["md", "toml", "yml", "yaml", "sh", "html", "svg", "png"];

/// Deeper folders are not walked: a link may lead in a circle.
const FOLDERS_MAX: usize = 32;

/// One file of a call.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// As it was given, or found in a folder.
    pub(super) path: PathBuf,
    /// Its size on disk; `None` when it is not a regular file.
    pub(super) size: Option<u64>,
    /// Its bytes, when they are in memory already.
    pub(super) bytes: Option<Arc<[u8]>>,
}

impl Input {
    /// Whether it can be opened again and gives the same bytes.
    pub(super) fn reopens(&self) -> bool {
        self.size.is_some()
    }

    /// Opens it; bytes read from disk are added to `count`.
    pub(super) fn open(&self, count: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let raw: Box<dyn Read + Send> = match &self.bytes {
            Some(bytes) => Box::new(Cursor::new(bytes.clone())),
            None if self.path.as_os_str() == "-" => Box::new(io::stdin()),
            None => Box::new(fs::File::open(&self.path)?),
        };
        let mut counted = Counted { inner: raw, count };
        let mut magic = Vec::with_capacity(4);
        (&mut counted).take(4).read_to_end(&mut magic)?;
        let kind: [u8; 4] = std::array::from_fn(|i| magic.get(i).copied().unwrap_or(0));
        let whole = Cursor::new(magic).chain(counted);
        Ok(match kind {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(whole)?),
            _ => Box::new(whole),
        })
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// What the walk found.
#[derive(Default)]
pub(super) struct Found {
    /// Files to read, sorted by path.
    pub(super) inputs: Vec<Input>,
    /// Files in folders that were passed over as documents.
    pub(super) passed_over: u64,
    /// Files in folders that could not be looked at, with the reason.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// Walks `paths`.
///
/// # Errors
/// With the path and the reason, when one that was named cannot be read.
pub(super) fn find(paths: &[PathBuf]) -> Result<Found, (PathBuf, io::Error)> {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            found.inputs.push(Input { path: path.clone(), size: None, bytes: None });
            continue;
        }
        let about = fs::metadata(path).map_err(|error| (path.clone(), error))?;
        if about.is_dir() {
            let names = fs::read_dir(path).map_err(|error| (path.clone(), error))?;
            walk(names, FOLDERS_MAX, &mut found);
        } else {
            // Opening is tried now, so that a mistake in the command is an error and not a line in a report.
            if about.is_file() {
                fs::File::open(path).map_err(|error| (path.clone(), error))?;
            }
            found.inputs.push(Input { path: path.clone(), size: about.is_file().then_some(about.len()), bytes: None });
        }
    }
    found.inputs.sort_by(|a, b| a.path.cmp(&b.path));
    found.unreadable.sort();
    Ok(found)
}

fn walk(names: fs::ReadDir, depth: usize, found: &mut Found) {
    for name in names.flatten() {
        let path = name.path();
        if name.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => match fs::read_dir(&path) {
                Ok(inner) if depth > 0 => walk(inner, depth - 1, found),
                Ok(_) => found.unreadable.push((path, format!("more than {FOLDERS_MAX} folders deep"))),
                Err(error) => found.unreadable.push((path, error.to_string())),
            },
            Ok(about) if about.is_file() && is_document(&path) => found.passed_over += u64::from(about.is_file()),
            Ok(about) if about.is_file() => found.inputs.push(Input { path, size: Some(about.len()), bytes: None }),
            Ok(_) => {}
            Err(error) => found.unreadable.push((path, error.to_string())),
        }
    }
}

fn is_document(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| DOCUMENTS.contains(&end.to_ascii_lowercase().as_str()))
}
