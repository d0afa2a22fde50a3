//! Which registries the engine talks to without TLS, or with TLS that nobody vouches for.

use std::net::IpAddr;

use bollard::models::RegistryServiceConfig;

use crate::client::{Engine, LOOK_LIMIT};
use crate::error::EngineError;

impl Engine {
    /// Asks whether the engine was told not to insist on TLS with `registry`, a host with its port if it has one
    /// (`insecure-registries` in its `daemon.json`).
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot be asked.
    pub async fn allows_cleartext(&self, registry: &str) -> Result<bool, EngineError> {
        let info = self.call("info", LOOK_LIMIT, self.client()?.info()).await?;
        Ok(info.registry_config.is_some_and(|config| allows(&config, registry)))
    }
}

/// Decides as engines do (moby, `registry/config.go`, `isSecureIndex`): what is named counts, else a range of addresses.
/// Only an address is held against ranges; what a name stands for may differ from what it does for the engine.
fn allows(config: &RegistryServiceConfig, registry: &str) -> bool {
    if let Some(index) = config.index_configs.as_ref().and_then(|indexes| indexes.get(registry)) {
        return index.secure == Some(false);
    }
    let Some(address) = address(registry) else { return false };
    config.insecure_registry_cidrs.iter().flatten().any(|range| is_within(address, range))
}

/// Returns the address by which a registry is named, without a port.
fn address(registry: &str) -> Option<IpAddr> {
    let bare = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => registry.split(':').next()?,
    };
    bare.parse().ok()
}

/// Says whether `address` lies in a range such as `10.0.0.0/8`.
fn is_within(address: IpAddr, range: &str) -> bool {
    let Some((start, length)) = range.split_once('/') else { return false };
    let (Ok(start), Ok(length)) = (start.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    // Both as numbers whose highest bits are the address.
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let differing = bits(address) ^ bits(start);
    let longest = if start.is_ipv4() { 32 } else { 128 };
    address.is_ipv4() == start.is_ipv4() && length <= longest && differing.leading_zeros() >= length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_is_told_is_read_as_it_reads_it() {
        // 28.5 with `insecure-registries: ["box:5000", "10.1.0.0/16"]`.
        let told = r#"{"InsecureRegistryCIDRs":["10.1.0.0/16","::1/128","127.0.0.0/8"],"Mirrors":null,"IndexConfigs":{
            "box:5000":{"Name":"box:5000","Mirrors":[],"Secure":false,"Official":false},
            "docker.io":{"Name":"docker.io","Mirrors":[],"Secure":true,"Official":true}}}"#;
        let config: RegistryServiceConfig = serde_json::from_str(told).unwrap();
        for registry in ["box:5000", "10.1.2.3", "10.1.2.3:5000", "[::1]:5000", "127.9.9.9:1"] {
            assert!(allows(&config, registry), "{registry}");
        }
        for registry in ["box", "box:5001", "docker.io", "ghcr.io", "10.2.0.1:5000", "[::2]:5000", "a01:1::"] {
            assert!(!allows(&config, registry), "{registry}");
        }
        assert!(!allows(&RegistryServiceConfig::default(), "127.0.0.1:5000"));
    }

    #[test]
    fn a_range_that_makes_no_sense_holds_nobody() {
        let address = "10.1.2.3".parse().unwrap();
        assert!(is_within(address, "0.0.0.0/0") && is_within(address, "10.1.2.3/32"));
        for range in ["", "10.1.2.3", "10.1.2.3/33", "10.1.2.3/-1", "10.1.2.3/x", "::/0"] {
            assert!(!is_within(address, range), "{range}");
        }
    }
}
