//! Names of files: of the one at work, and of those that are finished.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sinks::folder::{self, is_stamp, stamp};

use super::settings::{Compression, Rotate};

/// What the names of a file are made of: `eve.json`, `eve-20261122T053000Z.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    folder: PathBuf,
    stem: String,
    /// With its full stop.
    extension: String,
    is_compressed: bool,
}

/// A finished file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finished {
    /// `20261122T053000Z`
    time: String,
    /// Those of one second are counted.
    number: u32,
    path: PathBuf,
    bytes: u64,
}

impl Name {
    pub(super) fn new(path: &str, compression: Compression) -> Self {
        let ending = match compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        };
        let path = Path::new(path);
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let name = name.strip_suffix(ending).filter(|name| !name.is_empty()).unwrap_or(&name);
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        Self {
            folder: folder::of(path).to_owned(),
            stem: stem.to_owned(),
            extension: extension + ending,
            is_compressed: compression != Compression::None,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file at work. A compressed one is not called by its name before it is whole.
    pub(super) fn current(&self) -> PathBuf {
        let part = if self.is_compressed { ".part" } else { "" };
        self.folder.join(format!("{}{}{part}", self.stem, self.extension))
    }

    /// A name for what is finished at a time, that no file has. Of one second the last has the
    /// highest number, also when others are removed already.
    pub(super) fn free(&self, seconds: u64) -> PathBuf {
        let time = stamp(seconds);
        let others = self.finished().unwrap_or_default();
        let last = others.iter().filter(|file| file.time == time).map(|file| file.number).max();
        let mut number = last.map_or(1, |last| last.saturating_add(1));
        loop {
            let count = if number == 1 { String::new() } else { format!("-{number}") };
            let name = format!("{}-{time}{count}{}", self.stem, self.extension);
            let path = self.folder.join(name);
            if number == u32::MAX || fs::symlink_metadata(&path).is_err() {
                return path;
            }
            number += 1;
        }
    }

    /// A name for a file that holds something that is not ours.
    pub(super) fn damaged(&self, seconds: u64) -> PathBuf {
        let mut path = self.free(seconds).into_os_string();
        path.push(".damaged");
        path.into()
    }

    /// Removes finished files beyond what is kept, oldest first; returns how many.
    pub(super) fn prune(&self, rotate: &Rotate) -> io::Result<u64> {
        if rotate.keep.is_none() && rotate.keep_bytes.is_none() {
            return Ok(0);
        }
        let mut files = self.finished()?;
        files.sort();
        let most = rotate.keep.unwrap_or(usize::MAX);
        let most_bytes = rotate.keep_bytes.map_or(u64::MAX, |size| size.0);
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let mut removed = 0;
        for (at, file) in files.iter().enumerate() {
            if files.len() - at <= most && bytes <= most_bytes {
                break;
            }
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => removed += 1,
            }
            bytes -= file.bytes;
        }
        Ok(removed)
    }

    fn finished(&self) -> io::Result<Vec<Finished>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some((time, number)) = entry.file_name().to_str().and_then(|name| self.parse(name))
            else {
                continue;
            };
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                files.push(Finished { time, number, path: entry.path(), bytes: metadata.len() });
            }
        }
        Ok(files)
    }

    /// Time and number in the name of a finished file; none if the name is not of this making.
    fn parse(&self, name: &str) -> Option<(String, u32)> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let rest = rest.strip_suffix(&self.extension)?;
        let (time, number) = rest.split_once('-').unwrap_or((rest, "1"));
        let is_number = !number.starts_with(['0', '+']);
        let number = number.parse().ok().filter(|_| is_number)?;
        is_stamp(time).then(|| (time.to_owned(), number))
    }
}

#[cfg(test)]
mod tests {
    use crate::duration::Size;

    use super::*;

    #[test]
    fn names_carry_the_time() {
        let check = |path: &str, compression, current: &str, finished: &str| {
            let name = Name::new(path, compression);
            assert_eq!(name.current(), Path::new(current));
            assert_eq!(name.free(1_795_325_400), Path::new(finished));
            let file = Path::new(finished).file_name().unwrap().to_str().unwrap();
            assert_eq!(name.parse(file), Some(("20261122T053000Z".to_owned(), 1)), "{file}");
        };
        use Compression::{Gzip, None, Zstd};
        check("/nowhere/eve.json", None, "/nowhere/eve.json", "/nowhere/eve-20261122T053000Z.json");
        check("eve.json", None, "./eve.json", "./eve-20261122T053000Z.json");
        check("/n/eve", Zstd, "/n/eve.zst.part", "/n/eve-20261122T053000Z.zst");
        check("/n/e.json", Gzip, "/n/e.json.gz.part", "/n/e-20261122T053000Z.json.gz");
        check("/n/e.json.gz", Gzip, "/n/e.json.gz.part", "/n/e-20261122T053000Z.json.gz");
        check("/n/.eve", None, "/n/.eve", "/n/.eve-20261122T053000Z");
        check("/n/a-2026.11.json", None, "/n/a-2026.11.json", "/n/a-2026.11-20261122T053000Z.json");
    }

    #[test]
    fn only_files_of_its_own_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let own = [
            "eve-20261122T053000Z.json",
            "eve-20261122T053000Z-2.json",
            "eve-20261122T053000Z-10.json",
            "eve-20261122T060000Z.json",
        ];
        let others = [
            "eve.json",
            "eve-20261122T053000Z.json.gz",
            "eve-2026112T0530000Z.json",
            "eve-20261122T053000Z-x.json",
            "eve-20261122T053000Z-02.json",
            "eve-old-20261122T053000Z.json",
            "my-eve-20261122T053000Z.json",
            "eve-20261122T053000Z.json.part",
        ];
        let check = |rotate: Rotate, left: &[&str]| {
            for name in own.iter().chain(&others) {
                fs::write(folder.path().join(name), "12345").unwrap();
            }
            let path = folder.path().join("eve.json");
            let name = Name::new(path.to_str().unwrap(), Compression::None);
            assert_eq!(name.prune(&rotate).unwrap() as usize, own.len() - left.len());
            let mut found: Vec<String> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            let mut want: Vec<&str> = left.iter().chain(&others).copied().collect();
            found.sort();
            want.sort();
            assert_eq!(found, want);
        };
        let rotate = Rotate::default();
        check(rotate, &own);
        check(Rotate { keep: Some(2), ..rotate }, &own[2..]);
        check(Rotate { keep: Some(0), ..rotate }, &[]);
        check(Rotate { keep: Some(9), keep_bytes: Some(Size(15)), ..rotate }, &own[1..]);
        check(Rotate { keep: Some(1), keep_bytes: Some(Size(15)), ..rotate }, &own[3..]);
    }

    #[test]
    fn two_of_a_second_have_two_names() {
        let folder = tempfile::tempdir().unwrap();
        let name = Name::new(folder.path().join("e.json").to_str().unwrap(), Compression::None);
        let mut last = None;
        for want in ["e-19700101T000007Z.json", "e-19700101T000007Z-2.json"] {
            let path = name.free(7);
            assert_eq!(path.file_name().unwrap(), want);
            fs::write(&path, "").unwrap();
            if let Some(before) = last.replace(path) {
                fs::remove_file(before).unwrap();
            }
        }
        assert_eq!(name.free(7).file_name().unwrap(), "e-19700101T000007Z-3.json");
    }
}
