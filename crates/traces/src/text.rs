//! What the texts of a trace's statements tell: for those who replay them.

pub use crate::sql::{Control, ParamUse, controls, normalise, param_uses};
pub use crate::summary::{Touched, touched};
