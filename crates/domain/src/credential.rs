//! What a registry may be shown: found by whoever reads the user's config, shown by whoever asks or pulls.

use std::fmt;

/// A credential for one registry. Its text for debugging holds no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password.
    Password {
        /// The user's name.
        username: String,
        /// The password, or an access token that is used as one.
        password: String,
    },
    /// A token that the registry's token service trades for one that opens the registry.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => {
                f.debug_struct("Password").field("username", username).finish_non_exhaustive()
            }
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugging_shows_no_secret() {
        let password = Credential::Password { username: "me".to_owned(), password: "s3cret".to_owned() };
        let shown = format!("{password:?} {:?}", Credential::IdentityToken("s3cret".to_owned()));
        insta::assert_snapshot!(shown, @r#"Password { username: "me", .. } IdentityToken(…)"#);
    }
}
