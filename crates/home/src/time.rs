//! Moments as they are written into records and file names. The clock itself is read by the caller.

use jiff::Timestamp;

/// Writes a moment as records have it: RFC 3339 in UTC with microseconds, `2026-11-21T07:00:00.000000+00:00`.
pub fn built_at(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// Writes a moment as file names have it, in whole seconds of UTC: `20261121T070000Z`.
pub(crate) fn file_stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc_with_a_fixed_width() {
        let at: Timestamp = "2026-11-21T09:00:00.0123+02:00".parse().unwrap();
        assert_eq!(built_at(at), "2026-11-21T07:00:00.012300+00:00");
        assert_eq!(built_at(at).parse::<Timestamp>().unwrap(), at);
        assert_eq!(file_stamp(at), "20261121T070000Z");
    }
}
