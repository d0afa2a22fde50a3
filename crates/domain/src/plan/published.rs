//! The decision about an image that somebody publishes: it is pulled and never built.

use super::{Action, Evidence, Notice, PlanError, Reason, Step};
use crate::target::Target;
use crate::world::{BaseFacts, Remote};

/// How a failure calls the image.
const WHAT: &str = "published image";

/// Decides what must be done with the target's image `index`, of which `facts` were seen.
///
/// `--force` builds; an image that is not built has nothing to force.
pub(super) fn decide(target: &Target, index: usize, facts: &BaseFacts) -> Result<Step, PlanError> {
    let image = &target.images[index].image;
    let name = image.familiar();
    let step = |action, notices| Ok(Step { index, action, notices });
    let not_checked = |because: String| {
        let notice = Notice::ImageNotChecked { image: image.clone(), because };
        step(Action::Keep { evidence: Vec::new(), repair: None }, vec![notice])
    };
    match (&facts.remote, &facts.local) {
        (Remote::Known(digest), Some(local)) if local.pulled_as == Some(*digest) => {
            let evidence = vec![Evidence::Published { digest: *digest }];
            step(Action::Keep { evidence, repair: None }, Vec::new())
        }
        (Remote::Known(digest), Some(local)) => {
            let reasons = vec![Reason::PublishedChanged { from: local.pulled_as, to: *digest }];
            step(Action::Pull { reasons, digest: *digest }, Vec::new())
        }
        (Remote::Known(digest), None) => {
            step(Action::Pull { reasons: vec![Reason::ImageMissing], digest: *digest }, Vec::new())
        }
        (Remote::Denied(reason) | Remote::Unreachable { reason, .. }, Some(_)) => not_checked(reason.clone()),
        (Remote::Absent, Some(_)) => not_checked("its registry has no such image".to_owned()),
        (Remote::NotAsked, Some(_)) => not_checked("its registry was not asked".to_owned()),
        (Remote::Absent | Remote::NotAsked, None) => Err(PlanError::Absent { what: WHAT, image: name }),
        (Remote::Denied(reason), None) => Err(PlanError::Denied { what: WHAT, image: name, reason: reason.clone() }),
        (Remote::Unreachable { reason, temporary }, None) => {
            Err(PlanError::Unreachable { what: WHAT, image: name, reason: reason.clone(), temporary: *temporary })
        }
    }
}
