//! The highest version among the tags of a repository, which come in pages.

use domain::source::Extraction;

use super::error::SourceError;
use super::order;
use super::request::Request;
use super::transport::plain;

/// Which tags count.
pub(super) struct Choice<'a> {
    /// How a version is cut out of a tag; what it does not fit is none.
    pub(super) extraction: &'a Extraction,
    /// Whether a pre-release may be the highest.
    pub(super) include_prereleases: bool,
}

/// Reads up to `pages` pages by `read`, which returns the names of one and the address of the next, and returns the
/// highest version among all.
pub(super) async fn highest(
    mut request: Request,
    pages: usize,
    choice: &Choice<'_>,
    mut read: impl AsyncFnMut(&mut Request) -> Result<(Vec<String>, Option<String>), SourceError>,
) -> Result<String, SourceError> {
    let mut names = Vec::new();
    for _ in 0..pages {
        let (more, next) = read(&mut request).await?;
        names.extend(more);
        let Some(next) = next else {
            let versions = names.iter().filter_map(|name| choice.extraction.apply(name));
            let highest = order::highest(versions, choice.include_prereleases).map(str::to_owned);
            return highest.ok_or_else(|| {
                let reason = format!("none of its {} tags looks like a version", names.len());
                SourceError::Nothing { address: plain(&request.address), reason }
            });
        };
        request.address = next;
    }
    // The highest one may stand on a page that was not read.
    Err(SourceError::Unsupported(format!("the repository has more than {pages} pages of tags")))
}
