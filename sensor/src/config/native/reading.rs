//! From the file and the environment to a configuration.

use std::path::Path;

use crate::config::face;

use super::document::Document;
use super::environment::{self, Variable};
use super::faults::{self, Fault};
use super::inspect::Place;
use super::{NativeError, Sensor};

impl Sensor {
    /// Reads the file, if one is given, and the environment.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub(crate) fn of(path: Option<&Path>) -> Result<Self, NativeError> {
        Self::with(path, &environment::variables())
    }

    /// Reads the file, if one is given, and variables with their values.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub(crate) fn with(
        path: Option<&Path>,
        variables: &[(String, String)],
    ) -> Result<Self, NativeError> {
        let (file, text) = file(path)?;
        let mut sensor = Self::parse(&text, &file).map_err(NativeError::Faulty)?;
        if !variables.is_empty() {
            let mut document = sensor.document;
            for (name, value) in variables {
                Variable::read(name, value)
                    .and_then(|variable| variable.apply(&mut document))
                    .map_err(NativeError::Faulty)?;
            }
            sensor = Self::built(document).map_err(|wrong| {
                let (place, fault) = *wrong;
                NativeError::Faulty(format!("{place}: {}", fault.what))
            })?;
        }
        sensor.find_files(path.and_then(Path::parent).unwrap_or(Path::new("")))?;
        Ok(sensor)
    }

    /// Files that are named lie beside the configuration.
    pub(super) fn find_files(&mut self, base: &Path) -> Result<(), NativeError> {
        for name in &mut self.rules.files {
            *name = base.join(&*name).display().to_string();
        }
        self.place_rules(base)?;
        for place in [
            &mut self.rules.classification,
            &mut self.rules.reference,
            &mut self.rules.thresholds,
            &mut self.rules.data_directory,
        ] {
            *place = place.take().map(|name| base.join(name));
        }
        if let Some(directory) = &self.rules.data_directory
            && !directory.is_dir()
        {
            let said = format!("there is no folder {}", directory.display());
            return Err(self.wrong("rules.data-directory", &said));
        }
        Ok(())
    }

    /// From text; an empty one says nothing.
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, String> {
        let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(blank) {
            let document = Document { file: file.to_owned(), root: None };
            return Ok(Self { document, ..Self::default() });
        }
        let sensor: Self =
            serde_saphyr::from_str(text).map_err(|error| faults::render(&error, text, file))?;
        let document = Document::of(text, file).map_err(|why| format!("{file}:{why}"))?;
        Ok(Self { document, ..sensor })
    }

    /// From a tree.
    ///
    /// # Errors
    /// With the path of what is wrong, if that can be told, and why.
    pub(super) fn built(document: Document) -> Result<Self, Box<(Place, Fault)>> {
        let (text, lines) = document.text();
        match serde_saphyr::from_str::<Self>(&text) {
            _ if document.root.is_none() => Ok(Self { document, ..Self::default() }),
            Ok(sensor) => Ok(Self { document, ..sensor }),
            Err(error) => {
                let fault = faults::fault(&error, &text);
                Err(Box::new((Place::of(&document, &lines, &fault), fault)))
            }
        }
    }
}

/// The name and text of a file; nothing if none is given.
pub(super) fn file(path: Option<&Path>) -> Result<(String, String), NativeError> {
    let Some(path) = path else { return Ok(Default::default()) };
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Err(NativeError::Unreadable(file, error)),
    };
    match face::suricata(&text, &file) {
        Some(what) => Err(NativeError::Wrong { file, what, key: None }),
        None => Ok((file, text)),
    }
}
