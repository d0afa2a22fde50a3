//! The folders that belong to the user.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::OsStringValueParser;
use home::Home;

use super::folder;

#[derive(Debug, Args)]
pub(super) struct HomeArguments {
    /// The folder of records and logs [default: ~/.aicage]
    #[arg(long, value_name = "DIR", env = "AICAGE_HOME", hide_env_values = true, value_parser = OsStringValueParser::new())]
    home: Option<OsString>,

    /// The folder of the user's own definitions [default: ~/.aicage-custom]
    #[arg(long, value_name = "DIR", env = "AICAGE_CUSTOM_HOME", hide_env_values = true, value_parser = OsStringValueParser::new())]
    custom: Option<OsString>,
}

impl HomeArguments {
    pub(super) fn interpret(self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Home, String> {
        let below_home = |given, name, flag| {
            folder(given)
                .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(name)))
                .ok_or_else(|| format!("HOME is not set, so {flag} is needed"))
        };
        let root = below_home(self.home, ".aicage", "--home")?;
        Ok(Home::new(root, below_home(self.custom, ".aicage-custom", "--custom")?))
    }
}
