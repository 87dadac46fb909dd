//! Functions and procedures that migrations create.

use std::rc::Rc;

use super::{Name, Oid};

/// A function or procedure.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its oid.
    pub oid: Oid,
    /// The schema that it is in.
    pub schema: Name,
    /// Its name.
    pub name: Name,
    /// As it was created: parameters, result, volatility, language and body.
    pub definition: Rc<sql_syntax::ast::CreateFunction>,
}
