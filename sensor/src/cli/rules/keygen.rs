//! `bateleur rules keygen`: a pair of keys in minisign's format.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use supply::sign;

use super::{print_json, print_line};

/// Arguments of `rules keygen`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct KeygenArguments {
    /// Where the secret key goes; only its owner may read it.
    #[arg(long, value_name = "FILE", default_value = "rules.key")]
    secret: PathBuf,
    /// Where the public key goes.
    #[arg(long, value_name = "FILE", default_value = "rules.pub")]
    public: PathBuf,
    /// Protect the secret key by the password in the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Say what was made as JSON.
    #[arg(long)]
    json: bool,
}

/// Makes the keys. Files that are there are left alone, and that is an error.
pub(in crate::cli) fn run(arguments: &KeygenArguments) -> Result<ExitCode> {
    for file in [&arguments.secret, &arguments.public] {
        if file.symlink_metadata().is_ok() {
            bail!(
                "{} is there already, and sensors may know its key: name other files with --secret \
                 and --public",
                file.display()
            );
        }
    }
    let password = arguments.password_file.as_deref().map(sign::password).transpose()?;
    let pair = sign::generate(password)?;
    pair.write(&arguments.secret, &arguments.public)?;
    let (secret, public) = (arguments.secret.display(), arguments.public.display());
    if arguments.json {
        let (secret, public) = (secret.to_string(), public.to_string());
        print_json(&json!({ "key": pair.id, "secret": secret, "public": public }));
    } else {
        print_line(&format!(
            "key {}: keep {secret} where bundles are made; give {public} to every sensor",
            pair.id
        ));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_there_are_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, public) = (folder.path().join("a.key"), folder.path().join("a.pub"));
        let make = || {
            let arguments = KeygenArguments {
                secret: secret.clone(),
                public: public.clone(),
                password_file: None,
                json: true,
            };
            run(&arguments).map(|_| ()).map_err(|error| error.to_string())
        };
        std::fs::write(&public, "old").unwrap();
        let said = make().unwrap_err();
        let begin = format!("{} is there already", public.display());
        assert!(said.starts_with(&begin) && said.contains("--public"), "{said}");
        assert!(!secret.exists());
        std::fs::remove_file(&public).unwrap();
        make().unwrap();
        assert!(secret.exists() && public.exists());
    }
}
