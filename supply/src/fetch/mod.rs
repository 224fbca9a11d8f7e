//! Downloads: kept in the store, asked for again only when they changed, compared with sums and
//! signatures before anything is made of them.

pub(crate) mod address;
mod agent;
mod proof;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::layout::read_some;
use crate::manifest::hexadecimal;
use crate::settings::{Checksum, SourceSettings, WhenUnreachable};

use self::address::Address;
use self::agent::{Answer, Known, Trouble};

pub use self::address::RULES_FOR;

/// The folder in the store.
pub(crate) const DOWNLOADS: &str = "downloads";
/// What a download is at most, in bytes.
const MOST: u64 = 256 << 20;
/// What a sum or a signature is at most, and what is known of a download.
const MOST_BESIDE: u64 = 64 << 10;
/// How often it is tried.
const TRIES: u32 = 3;

/// How downloads are made.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Where they are kept.
    pub folder: PathBuf,
    /// What one request may take.
    pub timeout: Duration,
    /// What becomes of it while a server can't be reached.
    pub when_unreachable: WhenUnreachable,
    /// Ask for everything anew.
    pub force: bool,
    /// Who asks.
    pub program: String,
    /// What is waited for before the second try; twice as long before the third.
    pub pause: Duration,
    /// What a download may be at most, in bytes.
    pub most: u64,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where.
    pub file: PathBuf,
    /// SHA-256 as hexadecimal digits.
    pub sha256: String,
    /// Its address, without what is secret.
    pub from: String,
    /// Why it is an earlier one.
    pub stale: Option<String>,
}

/// What is known of a download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The address without what is secret.
    pub from: String,
    /// SHA-256 of the whole address: another one is another download.
    address: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// When it came: seconds since 1970.
    pub fetched: u64,
    /// When the server last said that it is the same: seconds since 1970.
    pub checked: u64,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    modified: Option<String>,
}

impl Fetcher {
    /// With the usual limits, below a store.
    pub fn new(store: &Path, program: &str) -> Self {
        Self {
            folder: store.join(DOWNLOADS),
            timeout: Duration::from_secs(300),
            when_unreachable: WhenUnreachable::Keep,
            force: false,
            program: program.to_owned(),
            pause: Duration::from_secs(1),
            most: MOST,
        }
    }

    /// Gets what a source's address names.
    ///
    /// # Errors
    /// Says what is wrong without naming the source, and without secrets.
    pub fn fetch(&self, source: &SourceSettings) -> Result<Fetched, String> {
        let address = Address::of(source)?;
        fs::create_dir_all(&self.folder)
            .map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let one = Download { fetcher: self, source, address: &address };
        let fetched = match one.ask() {
            Ok(fetched) => fetched,
            Err(trouble) => {
                let why = format!("{}: {}", address.shown, address.masked(&trouble.why));
                let earlier = one.earlier().filter(|_| trouble.unreachable);
                match (earlier, self.when_unreachable) {
                    (Some(earlier), WhenUnreachable::Keep) => {
                        Fetched { stale: Some(why), ..earlier }
                    }
                    (Some(_), WhenUnreachable::Fail) => {
                        return Err(format!("{why} (rules.update.when-unreachable: fail)"));
                    }
                    (None, _) => return Err(why),
                }
            }
        };
        // What an earlier run kept is compared with today's key as well.
        one.proved(&fetched).map_err(|why| format!("{}: {why}", address.shown))?;
        Ok(fetched)
    }

    /// A source's address, without what is secret.
    pub fn shown(source: &SourceSettings) -> String {
        address::shown(source)
    }

    /// What is known of a source's download; none if there is none.
    pub fn remembered(store: &Path, name: &str) -> Option<Remembered> {
        let file = store.join(DOWNLOADS).join(format!("{name}.json"));
        serde_json::from_slice(&read_some(&file, MOST_BESIDE).ok()?).ok()
    }
}

/// One download.
struct Download<'a> {
    fetcher: &'a Fetcher,
    source: &'a SourceSettings,
    address: &'a Address,
}

impl Download<'_> {
    fn path(&self, ending: &str) -> PathBuf {
        self.fetcher.folder.join(format!("{}.{ending}", self.source.name))
    }

    fn hash_of_address(&self) -> String {
        hexadecimal(&Sha256::digest(self.address.url.as_bytes()))
    }

    /// The last download, if it is whole and from the same address.
    fn earlier(&self) -> Option<Fetched> {
        let known = self.known()?;
        let file = self.path("data");
        let sha256 = sum::<Sha256>(&file).ok()?;
        let from = self.address.shown.clone();
        (sha256 == known.sha256).then_some(Fetched { file, sha256, from, stale: None })
    }

    fn known(&self) -> Option<Remembered> {
        let bytes = read_some(&self.path("json"), MOST_BESIDE).ok()?;
        let known: Remembered = serde_json::from_slice(&bytes).ok()?;
        (known.address == self.hash_of_address()).then_some(known)
    }

    /// Asks the server, again when it is of use.
    fn ask(&self) -> Result<Fetched, Trouble> {
        let mut wait = self.fetcher.pause;
        let mut tried = 1;
        loop {
            match self.once() {
                Err(trouble) if trouble.passes && tried < TRIES => {
                    let why = self.address.masked(&trouble.why);
                    let seconds = wait.as_secs();
                    tracing::info!("{}: {why}; once more in {seconds} s", self.source.name);
                    std::thread::sleep(wait);
                    wait = wait.saturating_mul(2);
                    tried += 1;
                }
                Err(trouble) if tried > 1 => {
                    let why = format!("{} (tried {tried} times)", trouble.why);
                    return Err(Trouble { why, ..trouble });
                }
                answer => return answer,
            }
        }
    }

    fn once(&self) -> Result<Fetched, Trouble> {
        let fetcher = self.fetcher;
        let ours = |why: String| Trouble { why, passes: false, unreachable: false };
        let agent = agent::agent(self.address, fetcher.timeout, &fetcher.program).map_err(ours)?;
        // Only what is whole is worth asking whether it is the same.
        let earlier = self.earlier().filter(|_| !fetcher.force);
        let remembered = self.known().filter(|_| earlier.is_some());
        let known = Known {
            etag: remembered.as_ref().and_then(|known| known.etag.as_deref()),
            modified: remembered.as_ref().and_then(|known| known.modified.as_deref()),
        };
        let part = self.path("part");
        let kept = |error: io::Error| ours(format!("{}: {error}", part.display()));
        let mut file = BufWriter::new(File::create(&part).map_err(kept)?);
        let answer = agent::get(&agent, self.address, known, fetcher.most, &mut file);
        let written = file.flush().and_then(|()| file.get_ref().sync_all());
        let came = match (answer, earlier, remembered) {
            (Ok(Answer::NotModified), Some(earlier), Some(mut known)) => {
                known.checked = now();
                self.remember(&known).map_err(ours)?;
                Ok(earlier)
            }
            (Ok(Answer::NotModified), ..) => {
                Err(ours("the server says 304 without having been asked".to_owned()))
            }
            (Ok(Answer::Body { etag, modified }), ..) => {
                written.map_err(kept)?;
                self.keep(&agent, &part, etag, modified)
            }
            (Err(trouble), ..) => Err(trouble),
        };
        let _ = fs::remove_file(&part);
        came
    }

    /// Compares a download with its sum and signature, and puts it in the place of the last one.
    fn keep(
        &self,
        agent: &ureq::Agent,
        part: &Path,
        etag: Option<String>,
        modified: Option<String>,
    ) -> Result<Fetched, Trouble> {
        let ours = |why: String| Trouble { why, passes: false, unreachable: false };
        let read = |error: io::Error| ours(format!("{}: {error}", part.display()));
        let sha256 = sum::<Sha256>(part).map_err(read)?;
        if let Some(ending) = self.source.checksum.ending() {
            let text = self.beside(agent, ending)?;
            let beside = |why| ours(format!("{}: {why}", self.address.beside(ending).shown));
            let wanted = proof::sum_in(&text, self.source.checksum).map_err(beside)?;
            let is = match self.source.checksum {
                Checksum::Md5 => sum::<Md5>(part).map_err(read)?,
                _ => sha256.clone(),
            };
            if is != wanted {
                let why = format!("its sum is {is}, {ending} says {wanted}");
                // The server may have been given a new file in between.
                return Err(Trouble { why, passes: true, unreachable: false });
            }
        }
        if let Some(key) = &self.source.key {
            let signature = self.beside(agent, ".minisig")?;
            proof::signed(key, part, &signature).map_err(ours)?;
            fs::write(self.path("minisig"), &signature)
                .map_err(|error| ours(format!("{}: {error}", self.path("minisig").display())))?;
        }
        let bytes = fs::metadata(part).map_err(read)?.len();
        // Without what is known of it, a download between the two renames is asked for anew.
        let file = self.path("data");
        fs::rename(part, &file).map_err(read)?;
        let now = now();
        self.remember(&Remembered {
            from: self.address.shown.clone(),
            address: self.hash_of_address(),
            sha256: sha256.clone(),
            bytes,
            fetched: now,
            checked: now,
            etag,
            modified,
        })
        .map_err(ours)?;
        Ok(Fetched { file, sha256, from: self.address.shown.clone(), stale: None })
    }

    /// A small file beside the download.
    fn beside(&self, agent: &ureq::Agent, ending: &str) -> Result<Vec<u8>, Trouble> {
        let mut text = Vec::new();
        let address = self.address.beside(ending);
        agent::get(agent, &address, Known::default(), MOST_BESIDE, &mut text)
            .map_err(|trouble| Trouble { why: format!("{ending}: {}", trouble.why), ..trouble })?;
        Ok(text)
    }

    /// Whether a download that is kept has a signature by the key of today. A signature that is not
    /// kept, or does not fit as the program was ended between the two, is fetched.
    fn proved(&self, fetched: &Fetched) -> Result<(), String> {
        let Some(key) = &self.source.key else { return Ok(()) };
        let path = self.path("minisig");
        let kept = read_some(&path, MOST_BESIDE).map_err(|error| error.to_string());
        let proved = kept.and_then(|signature| proof::signed(key, &fetched.file, &signature));
        if proved.is_ok() || (fetched.stale.is_some() && path.exists()) {
            return proved;
        }
        let agent = agent::agent(self.address, self.fetcher.timeout, &self.fetcher.program)?;
        let signature =
            self.beside(&agent, ".minisig").map_err(|trouble| self.address.masked(&trouble.why))?;
        proof::signed(key, &fetched.file, &signature)?;
        fs::write(&path, signature).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn remember(&self, known: &Remembered) -> Result<(), String> {
        let path = self.path("json");
        let next = self.path("json.new");
        let bytes = serde_json::to_vec_pretty(known).unwrap_or_default();
        fs::write(&next, bytes)
            .and_then(|()| fs::rename(&next, &path))
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn sum<D: sha2::Digest + Write>(path: &Path) -> io::Result<String> {
    let mut digest = D::new();
    io::copy(&mut File::open(path)?, &mut digest)?;
    Ok(hexadecimal(&digest.finalize()))
}
