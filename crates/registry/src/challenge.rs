//! What a registry wants to see before it answers (`WWW-Authenticate`).

use http_auth::{ChallengeRef, parse_challenges};

/// A way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token from a token service.
    Bearer {
        /// The token service's address.
        realm: String,
        /// The name by which the token service knows the registry.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
    /// User and password.
    Basic,
}

impl Challenge {
    /// Picks the way to authenticate from the header's values: a token where one is offered, else a password.
    pub(crate) fn pick<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offered: Vec<Self> = headers
            .filter_map(|header| parse_challenges(header).ok())
            .flatten()
            .filter_map(|one| Self::read(&one))
            .collect();
        let bearer = offered.iter().find(|one| matches!(one, Self::Bearer { .. })).cloned();
        bearer.or_else(|| offered.into_iter().next())
    }

    fn read(challenge: &ChallengeRef<'_>) -> Option<Self> {
        let parameter = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(found.1.to_unescaped()).filter(|value| !value.is_empty())
        };
        if challenge.scheme.eq_ignore_ascii_case("Bearer") {
            Some(Self::Bearer { realm: parameter("realm")?, service: parameter("service"), scope: parameter("scope") })
        } else if challenge.scheme.eq_ignore_ascii_case("Basic") {
            Some(Self::Basic)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull""#;
        let picked = Challenge::pick([r#"Basic realm="x""#, hub].into_iter()).unwrap();
        assert_eq!(
            picked,
            Challenge::Bearer {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
                scope: Some("repository:library/debian:pull".to_owned()),
            }
        );
    }

    #[test]
    fn one_header_may_offer_several_ways() {
        let both = r#"Negotiate, Basic realm="x", bearer Realm="https://a/token""#;
        assert!(matches!(
            Challenge::pick([both].into_iter()),
            Some(Challenge::Bearer { service: None, scope: None, .. })
        ));
        assert_eq!(Challenge::pick([r#"basic realm="Registry Realm""#].into_iter()), Some(Challenge::Basic));
    }

    #[test]
    fn what_is_not_known_is_no_challenge() {
        assert_eq!(Challenge::pick(["Negotiate", "", "Bearer service=\"x\"", "\u{7f}="].into_iter()), None);
    }
}
