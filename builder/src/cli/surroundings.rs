//! What every command that looks at images is told about where things are.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::OsStringValueParser;
use domain::image::Repository;
use domain::request::Repositories;
use home::Home;

use super::user_folders::HomeArguments;
use super::{Given, folder, or_unset, text};

#[derive(Debug, Args)]
pub(super) struct SurroundingArguments {
    /// A folder with packaged definitions (agents/NAME/…); the user's own win
    #[arg(long, value_name = "DIR", env = "AICAGE_DEFINITIONS", hide_env_values = true, value_parser = OsStringValueParser::new())]
    definitions: Option<OsString>,

    #[command(flatten)]
    home: HomeArguments,

    /// The repository that built images are named by
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_LOCAL_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_LOCAL, value_parser = or_unset::<Repository>)]
    local_repository: Given<Repository>,

    /// The repository that --base names are tags of
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_BASE_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_BASE, value_parser = or_unset::<Repository>)]
    base_repository: Given<Repository>,

    /// The repository of published images, which are pulled and never built
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_PUBLISHED_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_PUBLISHED, value_parser = or_unset::<Repository>)]
    published_repository: Given<Repository>,

    /// The repository that extended images are named by
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_EXTENDED_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_EXTENDED, value_parser = or_unset::<Repository>)]
    extended_repository: Given<Repository>,

    /// The repository that custom bases are named by
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_CUSTOM_BASE_REPOSITORY", hide_env_values = true, default_value = Repositories::DEFAULT_CUSTOM_BASE, value_parser = or_unset::<Repository>)]
    custom_base_repository: Given<Repository>,

    /// The second repository that custom bases are named by, where the host tool looks for them
    #[arg(long, value_name = "REPOSITORY", env = "AICAGE_CUSTOM_BASE_ALIAS", hide_env_values = true, default_value = Repositories::DEFAULT_CUSTOM_BASE_ALIAS, value_parser = or_unset::<Repository>)]
    custom_base_alias: Given<Repository>,
}

/// What a look at images depends on besides the images.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) repositories: Repositories,
    pub(crate) ca_cert: Option<String>,
    pub(crate) definitions: Option<PathBuf>,
    pub(crate) home: Home,
    pub(crate) docker_host: Option<String>,
    pub(crate) docker_config: Option<PathBuf>,
    pub(crate) system_certificates: Option<PathBuf>,
}

impl SurroundingArguments {
    pub(super) fn interpret(
        self,
        ca_cert: Option<String>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Surroundings, String> {
        let docker_config = variable("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker")));
        let default = Repositories::default();
        Ok(Surroundings {
            repositories: Repositories {
                local: self.local_repository.unwrap_or(default.local),
                base: self.base_repository.unwrap_or(default.base),
                published: self.published_repository.unwrap_or(default.published),
                extended: self.extended_repository.unwrap_or(default.extended),
                custom_base: self.custom_base_repository.unwrap_or(default.custom_base),
                custom_base_alias: self.custom_base_alias.unwrap_or(default.custom_base_alias),
            },
            ca_cert: ca_cert.filter(|value| !value.is_empty()),
            definitions: folder(self.definitions),
            home: self.home.interpret(variable)?,
            docker_host: text(variable, "DOCKER_HOST")?,
            docker_config,
            system_certificates: variable("SSL_CERT_FILE").map(PathBuf::from),
        })
    }
}
