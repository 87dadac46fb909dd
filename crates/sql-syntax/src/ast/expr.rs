//! Expressions.

use super::{DataType, Ident, ObjectName, OrderBy, Query};
use crate::TextRange;

/// An expression with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub range: TextRange,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// `a`, `t.a`, `s.t.a`: a column, or (unqualified, in some places) a table.
    Column {
        /// Table, or schema and table.
        qualifier: Vec<Ident>,
        /// The last part.
        name: Ident,
    },
    /// `*` or `t.*`, where a target list or `count(*)` may have it.
    Wildcard {
        /// The table, or schema and table; empty for a bare star.
        qualifier: Vec<Ident>,
    },
    /// `$1`, counted from 1.
    Param(u32),
    /// `DEFAULT` as a value in INSERT and UPDATE.
    Default,
    /// A prefix operator.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// What it is applied to.
        operand: Box<Expr>,
    },
    /// An infix operator.
    Binary {
        /// Left side.
        left: Box<Expr>,
        /// The operator.
        op: BinaryOp,
        /// Right side.
        right: Box<Expr>,
    },
    /// `IS [NOT] NULL`.
    IsNull {
        /// What is tested.
        operand: Box<Expr>,
        /// NOT.
        negated: bool,
    },
    /// `IS [NOT] TRUE | FALSE | UNKNOWN`.
    IsBool {
        /// What is tested.
        operand: Box<Expr>,
        /// Nothing for UNKNOWN.
        value: Option<bool>,
        /// NOT.
        negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`.
    IsDistinctFrom {
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
        /// NOT: equality in which NULLs are equal.
        negated: bool,
    },
    /// `[NOT] BETWEEN`.
    Between {
        /// What is tested.
        operand: Box<Expr>,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
        /// NOT.
        negated: bool,
        /// SYMMETRIC.
        symmetric: bool,
    },
    /// `[NOT] IN (a, b, ...)`.
    InList {
        /// What is looked for.
        operand: Box<Expr>,
        /// Where.
        list: Vec<Expr>,
        /// NOT.
        negated: bool,
    },
    /// `[NOT] IN (SELECT ...)`.
    InSubquery {
        /// What is looked for.
        operand: Box<Expr>,
        /// Where.
        query: Box<Query>,
        /// NOT.
        negated: bool,
    },
    /// `[NOT] LIKE`, `ILIKE`, `SIMILAR TO`.
    Like {
        /// What is matched.
        operand: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
        /// The escape character, if given.
        escape: Option<Box<Expr>>,
        /// Which of the three.
        kind: LikeKind,
        /// NOT.
        negated: bool,
    },
    /// `a op ANY (...)`, `a op ALL (...)`.
    Quantified {
        /// Left side.
        left: Box<Expr>,
        /// The operator.
        op: BinaryOp,
        /// ALL rather than ANY or SOME.
        all: bool,
        /// An array, or a [`ExprKind::Subquery`].
        right: Box<Expr>,
    },
    /// `CASE`.
    Case {
        /// `CASE operand WHEN value`.
        operand: Option<Box<Expr>>,
        /// WHEN, THEN.
        branches: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(a AS t)`, `a::t`, `t 'text'`.
    Cast {
        /// What is cast.
        operand: Box<Expr>,
        /// To what.
        to: DataType,
    },
    /// `a COLLATE "C"`.
    Collate {
        /// What is compared by it.
        operand: Box<Expr>,
        /// The collation.
        collation: ObjectName,
    },
    /// `a AT TIME ZONE z`.
    AtTimeZone {
        /// The time.
        operand: Box<Expr>,
        /// The zone.
        zone: Box<Expr>,
    },
    /// A function, aggregate or window function; also what SQL writes in a way of its own:
    /// `CURRENT_TIMESTAMP`, `EXTRACT(f FROM x)` (as `extract('f', x)`), `SUBSTRING(s FROM n)`.
    Function(FunctionCall),
    /// `ARRAY[...]`.
    Array(Vec<Expr>),
    /// `ARRAY(SELECT ...)`.
    ArraySubquery(Box<Query>),
    /// `ROW(...)` or `(a, b)`.
    Row(Vec<Expr>),
    /// `(SELECT ...)`.
    Subquery(Box<Query>),
    /// `EXISTS (SELECT ...)`.
    Exists(Box<Query>),
    /// `a[i]`.
    Subscript {
        /// The array.
        operand: Box<Expr>,
        /// The place in it.
        index: Box<Expr>,
    },
    /// `(a).f`.
    Field {
        /// The row.
        operand: Box<Expr>,
        /// Its field.
        field: Ident,
    },
    /// Sound SQL that has no type here: its name (`JSON_TABLE`, `IS JSON`).
    NotModelled(String),
}

/// A constant as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// NULL.
    Null,
    /// TRUE, FALSE.
    Bool(bool),
    /// A whole number; one that does not fit 64 bits is a [`Literal::Numeric`], as in PostgreSQL.
    Integer(i64),
    /// Any other number, as written.
    Numeric(String),
    /// A string of any kind, decoded.
    String(String),
    /// `B'101'` or `X'1F'`.
    Bits(String),
}

/// Prefix operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// NOT.
    Not,
    /// `-`.
    Minus,
    /// `+`.
    Plus,
    /// Any other, as written.
    Custom(String),
}

/// Infix operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// AND.
    And,
    /// OR.
    Or,
    /// `=`.
    Eq,
    /// `<>`, `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `*`.
    Mul,
    /// `/`.
    Div,
    /// `%`.
    Mod,
    /// `^`.
    Pow,
    /// `||`.
    Concat,
    /// OVERLAPS.
    Overlaps,
    /// Any other (`->>`, `&&`, `~*`), as written.
    Custom(String),
}

impl BinaryOp {
    /// The operator as SQL writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Concat => "||",
            Self::Overlaps => "OVERLAPS",
            Self::Custom(op) => op,
        }
    }
}

/// The pattern languages of LIKE and its relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    /// LIKE.
    Like,
    /// ILIKE.
    Ilike,
    /// SIMILAR TO.
    SimilarTo,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionCall {
    /// Its name.
    pub name: ObjectName,
    /// The arguments; `count(*)` has none and `star`.
    pub args: Vec<FunctionArg>,
    /// `f(*)`.
    pub star: bool,
    /// `f(DISTINCT ...)`.
    pub distinct: bool,
    /// `f(a ORDER BY b)`, also `WITHIN GROUP (ORDER BY ...)`.
    pub order_by: Vec<OrderBy>,
    /// `FILTER (WHERE ...)`.
    pub filter: Option<Box<Expr>>,
    /// `OVER ...`: a window function.
    pub over: Option<Window>,
}

impl FunctionCall {
    /// A call with these arguments and nothing else.
    #[must_use]
    pub fn plain(name: impl Into<String>, args: Vec<Expr>) -> Self {
        let args = args.into_iter().map(|value| FunctionArg { name: None, variadic: false, value }).collect();
        Self {
            name: ObjectName::new(name),
            args,
            star: false,
            distinct: false,
            order_by: Vec::new(),
            filter: None,
            over: None,
        }
    }
}

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionArg {
    /// `name => value`.
    pub name: Option<Ident>,
    /// VARIADIC.
    pub variadic: bool,
    /// The value.
    pub value: Expr,
}

/// The window of a window function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// `OVER w`, or the window that the definition starts from.
    pub base: Option<Ident>,
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<OrderBy>,
    /// Whether it has a frame clause.
    pub frame: bool,
}
