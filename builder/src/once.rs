//! What is looked at once, however many ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// OncePer for what is looked at, each by its key.
pub(crate) struct OncePer<K, V>(Mutex<BTreeMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for OncePer<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, V> OncePer<K, V> {
    /// Returns the place of what belongs to `key`. Whoever fills it while another one does waits for that one.
    pub(crate) fn of(&self, key: &K) -> Arc<OnceCell<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone()
    }
}
