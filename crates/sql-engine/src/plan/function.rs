//! Functions in SQL: one that is a SELECT of an expression is replaced by it, as `inline_function` in clauses.c does.

use std::rc::Rc;

use schema_rules::catalog::Function;
use schema_rules::expression::sql_body;
use sql_syntax::ast::ObjectName;

use super::Planner;
use crate::error::{Result, not_modelled};
use crate::expr::{Binder, Node, Scope, ScopeColumn, ScopeItem, Typed, coerce};
use crate::value::Type;

/// Functions may call one another, and themselves.
const FUNCTION_DEPTH: usize = 32;

impl Planner<'_> {
    /// The type of an argument of the function whose body is being bound, if one is.
    pub(crate) fn argument(&self, at: usize) -> Option<Type> {
        self.arguments.last()?.get(at).cloned()
    }

    /// A call of a function that somebody has created.
    pub(crate) fn call_in_sql(&mut self, name: &ObjectName, args: Vec<Typed>) -> Result<Typed> {
        let Some((function, types)) = self.created_function(name, &args)? else {
            return Err(Self::unknown_function(name));
        };
        let definition = &function.definition;
        let (Some(body), Some(returns)) = (sql_body(&function), &definition.returns) else {
            return Err(not_modelled(format!("calls of the function {}", name.name.text)));
        };
        if self.arguments.len() >= FUNCTION_DEPTH {
            return Err(not_modelled("functions that call one another so deeply"));
        }
        let returns = self.data_type(returns)?;
        let args = args.into_iter().zip(&types).map(|(arg, ty)| coerce(arg, ty)).collect::<Result<_>>()?;
        let columns = definition.params.iter().zip(&types).enumerate();
        let columns = columns.map(|(slot, ((name, _), ty))| ScopeColumn {
            name: name.as_ref().map_or("", |name| name.text.as_str()).into(),
            ty: ty.clone(),
            slot,
            hidden: false,
        });
        let item = ScopeItem { alias: (&*function.name).into(), relation: None, columns: columns.collect() };
        let scope = Scope { items: &[item], parent: None };
        self.arguments.push(types);
        let body = Binder::new(self, scope).compile(&body);
        self.arguments.pop();
        let body = coerce(body?, &returns)?;
        Ok(Typed::new(Node::Inlined(args, Rc::new(body)), returns))
    }

    /// The function of that name that takes so many arguments, and their types. Of several the one is meant whose types
    /// are the arguments' own.
    fn created_function(
        &self,
        name: &ObjectName,
        args: &[Typed],
    ) -> Result<Option<(Rc<Function>, Vec<Type>)>> {
        let mut found = Vec::new();
        for function in self.catalog.find_functions(self.session, name) {
            let params = &function.definition.params;
            if params.len() == args.len() && !function.definition.procedure {
                let types =
                    params.iter().map(|param| self.data_type(&param.1)).collect::<Result<Vec<_>>>()?;
                found.push((Rc::clone(function), types));
            }
        }
        if found.len() > 1 {
            found.retain(|(_, types)| types.iter().zip(args).all(|(ty, arg)| *ty == arg.ty));
        }
        Ok(if found.len() == 1 { found.pop() } else { None })
    }
}
