//! The command line.

use std::path::PathBuf;

/// The text of `--help`.
pub const USAGE: &str = "\
usage: phantom-token-bench --folder DIR [options]

  --folder DIR        an empty folder for files of this run
  --report DIR        write README.md and the plots there; without it, print the tables
  --budget FILE       only count instructions and system calls, and compare them with FILE
  --write             with --budget: write FILE anew
  --quick             few rounds of few requests: a look, not a result
  --full              1,000,000 tokens, too
  --only PART[,PART]  only these: counts, throughput, burst, start, cache, faults
  --also NAME=MODULE.so:CONF
                      measure another module beside ours; may be repeated";

/// A module of somebody else's to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Also {
    /// Its name in the report.
    pub name: String,
    /// The module; empty for what is compiled into NGINX.
    pub module: PathBuf,
    /// The configuration, for the `http` block.
    pub config: PathBuf,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// See `--folder`, as the others.
    pub folder: PathBuf,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// The file with the budget.
    pub budget: Option<PathBuf>,
    /// Whether to write the budget.
    pub write: bool,
    /// Whether a look is enough.
    pub quick: bool,
    /// Whether to take the time for the largest number of tokens.
    pub full: bool,
    /// The parts to measure; all if empty.
    pub only: Vec<String>,
    /// Other modules.
    pub also: Vec<Also>,
}

impl Options {
    /// Understands the arguments.
    ///
    /// # Errors
    ///
    /// A text for the user.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--folder" => options.folder = value()?.into(),
                "--report" => options.report = Some(value()?.into()),
                "--budget" => options.budget = Some(value()?.into()),
                "--write" => options.write = true,
                "--quick" => options.quick = true,
                "--full" => options.full = true,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--also" => options.also.push(also(&value()?)?),
                _ => return Err(format!("unknown argument '{argument}'")),
            }
        }
        if options.folder.as_os_str().is_empty() {
            return Err("--folder is missing".to_owned());
        }
        Ok(options)
    }

    /// Whether this part is to be measured.
    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == part)
    }
}

fn also(text: &str) -> Result<Also, String> {
    let parts = text.split_once('=').and_then(|(name, rest)| Some((name, rest.split_once(':')?)));
    let (name, (module, config)) = parts.ok_or("--also is NAME=MODULE.so:CONF")?;
    Ok(Also { name: name.to_owned(), module: module.into(), config: config.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_module_has_a_name_a_file_and_a_configuration() {
        let expected = Also { name: "c".into(), module: "/c.so".into(), config: "/c.conf".into() };

        assert_eq!(also("c=/c.so:/c.conf"), Ok(expected));
        assert!(also("c=/c.so").is_err());
    }
}
