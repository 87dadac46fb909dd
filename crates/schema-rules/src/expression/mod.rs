//! What can be known about an expression without evaluating it.

mod columns;
mod functions;
mod proof;
mod rename;
mod same;
mod volatility;
mod walk;

pub use columns::{bare_column, column_names, columns_of};
pub use functions::{BuiltinFunction, builtin_function};
pub use proof::{compare_constants, conjuncts, implies, implies_not_null, refutes};
pub use rename::rename_column;
pub use same::same;
pub use volatility::{Volatile, sql_body, volatility, volatility_over};
pub use walk::{children, walk, walk_query, walk_query_tables};
