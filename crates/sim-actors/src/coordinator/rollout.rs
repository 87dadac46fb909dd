//! Rolling deployments: instance by instance, each one healthy before the next is touched.

use super::database::Fleet;
use super::{Failure, FailureKind};

/// Moves every instance to a version, one by one.
///
/// # Errors
/// When instances cannot be moved: the failure names them all. Those that were moved are moved
/// back, so that the fleet is as it was.
pub async fn roll_out(fleet: &mut impl Fleet, version: &str) -> Result<(), Failure> {
    let all = fleet.instances().await.into_iter();
    let others = all.filter(|instance| instance.running && instance.version != version);
    let (mut moved, mut failed) = (Vec::new(), Vec::new());
    for instance in others {
        match fleet.deploy(&instance.name, version).await {
            Ok(()) => moved.push(instance),
            Err(reason) => failed.push((instance.name, reason)),
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    for instance in moved {
        // The old version ran there a moment ago. Should it fail now, the newer one goes on.
        let _ = fleet.deploy(&instance.name, &instance.version).await;
    }
    let reasons: Vec<String> = failed.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    let text = format!("not every instance runs {version}: {} could not be moved", reasons.join(", "));
    let mut failure = Failure::new(FailureKind::Precondition, text);
    failure.instances = failed.into_iter().map(|(name, _)| name).collect();
    failure.rolled_back = true;
    Err(failure)
}
