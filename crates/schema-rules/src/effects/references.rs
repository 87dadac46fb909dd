//! Which objects an expression needs.

use sql_syntax::ast::{Expr, ExprKind, FunctionCall, Literal, ObjectName};

use super::run::Run;
use crate::catalog::{ObjectAddress, ObjectClass, TypeId};
use crate::expression::walk;

impl Run<'_> {
    /// The functions, types and sequences that an expression needs.
    pub(super) fn expression_references(&self, expression: &Expr) -> Vec<ObjectAddress> {
        let mut found = Vec::new();
        walk(expression, &mut |part| match &part.kind {
            ExprKind::Function(call) => {
                if let Some(function) = self.catalog.find_functions(self.session, &call.name).first() {
                    found.push(ObjectAddress::new(ObjectClass::Function, function.oid));
                }
                if let Some(sequence) = sequence_argument(call)
                    && let Some(relation) = self.catalog.find(self.session, &sequence)
                {
                    found.push(ObjectAddress::relation(relation.id));
                }
            }
            ExprKind::Cast { to, .. } => {
                if let TypeId::User(oid) = self.catalog.resolve_type(self.session, to).id {
                    found.push(ObjectAddress::new(ObjectClass::Type, oid));
                }
            }
            _ => {}
        });
        found
    }
}

/// The relation that `nextval('app.s'::regclass)` and its relatives are about.
pub(super) fn sequence_argument(call: &FunctionCall) -> Option<ObjectName> {
    if !matches!(call.name.name.as_str(), "nextval" | "setval" | "currval") {
        return None;
    }
    let mut value = &call.args.first()?.value;
    while let ExprKind::Cast { operand, .. } = &value.kind {
        value = operand;
    }
    match &value.kind {
        ExprKind::Literal(Literal::String(text)) => Some(parse_name(text)),
        _ => None,
    }
}

/// The text form of a name, as `regclass` reads it.
fn parse_name(text: &str) -> ObjectName {
    let mut parts: Vec<String> = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c if quoted => parts.last_mut().into_iter().for_each(|p| p.push(c)),
            c => parts.last_mut().into_iter().for_each(|p| p.extend(c.to_lowercase())),
        }
    }
    let name = parts.pop().unwrap_or_default();
    match parts.pop() {
        Some(schema) => ObjectName::qualified(schema, name),
        None => ObjectName::new(name),
    }
}
