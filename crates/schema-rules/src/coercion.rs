//! Whether a change of type has to touch the rows.
//!
//! `ATColumnChangeRequiresRewrite` (`src/backend/commands/tablecmds.c`) looks at the expression that converts the old
//! value: a plain column, a relabelling between binary compatible types, a domain without constraints, and a change
//! between `timestamp` and `timestamptz` in UTC leave the stored bytes as they are; everything else rewrites. Before
//! that the planner's support functions have turned a length coercion that cannot shorten anything into a
//! relabelling (`varchar_support`, `numeric_support`, `varbit_support`, `TemporalSimplify`, `interval_support`).

use crate::catalog::{Catalog, ColumnType, Session, TypeId};

/// Pairs of types whose values are the same bytes: casts WITHOUT FUNCTION (`castmethod` 'b' in
/// `src/include/catalog/pg_cast.dat`) that an assignment may use.
static BINARY_COERCIBLE: &[(&str, &str)] = &[
    ("text", "varchar"),
    ("varchar", "text"),
    ("text", "bpchar"),
    ("varchar", "bpchar"),
    ("cidr", "inet"),
    ("bit", "varbit"),
    ("varbit", "bit"),
    ("xml", "text"),
    ("xml", "varchar"),
    ("xml", "bpchar"),
    ("int4", "oid"),
    ("oid", "int4"),
    ("oid", "regclass"),
    ("regclass", "oid"),
    ("int4", "regclass"),
    ("regclass", "int4"),
    ("oid", "regtype"),
    ("regtype", "oid"),
    ("oid", "regproc"),
    ("regproc", "oid"),
];

/// Groups of types between which an assignment finds a cast with a function (`pg_cast`, contexts 'a' and 'i').
static ASSIGNABLE: &[&[&str]] = &[
    &["int2", "int4", "int8", "float4", "float8", "numeric"],
    &["text", "varchar", "bpchar", "name", "char"],
    &["date", "timestamp", "timestamptz"],
    &["time", "timetz", "interval"],
    &["inet", "cidr"],
    &["bit", "varbit"],
    &["json", "jsonb"],
    &["macaddr", "macaddr8"],
    &["oid", "regclass", "regtype", "regproc", "int4", "int8"],
];

/// Single casts that belong to no group: from, to.
static ASSIGNABLE_PAIRS: &[(&str, &str)] = &[
    ("timestamp", "time"),
    ("timestamptz", "time"),
    ("timestamptz", "timetz"),
    ("numeric", "money"),
    ("int4", "money"),
    ("int8", "money"),
    ("money", "numeric"),
];

/// What a conversion does to the stored values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The bytes stay as they are.
    Relabel,
    /// Every value is computed anew.
    Compute,
    /// There is no conversion that an assignment may use.
    Impossible,
}

/// The conversion of a column's values to another type, without USING.
pub fn conversion(catalog: &Catalog, session: &Session, from: &ColumnType, to: &ColumnType) -> Conversion {
    let from_base = catalog.base_type(from);
    let to_base = catalog.base_type(to);
    let below = base_conversion(catalog, session, from_base, to_base);
    // Going to a domain wraps the value in CoerceToDomain, which is free only without constraints; a value that is
    // of that domain already is not wrapped.
    let same_domain = from.id == to.id && from.array == to.array;
    if below == Conversion::Relabel && !same_domain && catalog.has_domain_constraints(to) {
        return Conversion::Compute;
    }
    below
}

fn base_conversion(catalog: &Catalog, session: &Session, from: &ColumnType, to: &ColumnType) -> Conversion {
    if from.array || to.array {
        return array_conversion(catalog, session, from, to);
    }
    if from.id == to.id {
        return match from.builtin_name() {
            Some(name) => length_conversion(name, from, to),
            None => Conversion::Relabel,
        };
    }
    let (Some(a), Some(b)) = (from.builtin_name(), to.builtin_name()) else {
        return user_conversion(from, to);
    };
    if BINARY_COERCIBLE.contains(&(a, b)) {
        // The value becomes one of the new type without a length, and is then fitted to the length asked for: the
        // old type's length counts for nothing.
        return length_conversion(b, &ColumnType::builtin(b), to);
    }
    if session.timezone_is_utc
        && matches!((a, b), ("timestamp", "timestamptz") | ("timestamptz", "timestamp"))
    {
        let unlimited = ColumnType { modifiers: from.modifiers.clone(), ..ColumnType::builtin(b) };
        return length_conversion(b, &unlimited, to);
    }
    let together = |group: &&[&str]| group.contains(&a) && group.contains(&b);
    let to_string = matches!(b, "text" | "varchar" | "bpchar");
    if ASSIGNABLE.iter().any(together) || ASSIGNABLE_PAIRS.contains(&(a, b)) || to_string {
        return Conversion::Compute;
    }
    Conversion::Impossible
}

/// Between types of which at least one is the user's. Anything converts to text by its output function.
fn user_conversion(from: &ColumnType, to: &ColumnType) -> Conversion {
    match (from.id, to.id) {
        (TypeId::Unknown, _) | (_, TypeId::Unknown) => Conversion::Compute,
        (TypeId::User(_), _) if matches!(to.builtin_name(), Some("text" | "varchar" | "bpchar")) => {
            Conversion::Compute
        }
        _ => Conversion::Impossible,
    }
}

/// Arrays are converted element by element, even if the elements are only relabelled; nothing happens to the array where
/// nothing happens to an element at all.
fn array_conversion(catalog: &Catalog, session: &Session, from: &ColumnType, to: &ColumnType) -> Conversion {
    let element = |t: &ColumnType| ColumnType { array: false, ..t.clone() };
    match (from.array, to.array) {
        (true, true) if from.id == to.id && (from.modifiers == to.modifiers || to.modifiers.is_empty()) => {
            Conversion::Relabel
        }
        (true, true) => match conversion(catalog, session, &element(from), &element(to)) {
            Conversion::Impossible => Conversion::Impossible,
            Conversion::Relabel | Conversion::Compute => Conversion::Compute,
        },
        (true, false) if matches!(to.builtin_name(), Some("text" | "varchar" | "bpchar")) => {
            Conversion::Compute
        }
        _ => Conversion::Impossible,
    }
}

/// Whether a length coercion to `to` can change a value that has gone through the one of `from`.
fn length_conversion(name: &str, from: &ColumnType, to: &ColumnType) -> Conversion {
    let (old, new) = (&*from.modifiers, &*to.modifiers);
    let same = old == new && from.interval_field == to.interval_field;
    let harmless = same
        || match name {
            "varchar" | "varbit" => new.is_empty() || matches!((old, new), ([o], [n]) if n >= o),
            "numeric" => new.is_empty() || matches!((old, new), ([p, s], [q, t]) if s == t && q >= p),
            "timestamp" | "timestamptz" | "time" | "timetz" => match (old, new) {
                (_, []) => true,
                (_, [n]) if *n >= 6 => true,
                ([o], [n]) => n >= o,
                _ => false,
            },
            "interval" => interval_is_harmless(from, to),
            // `char(n)` pads and `bit(n)` refuses: neither has a support function. Without a length `bpchar` keeps
            // what there is.
            "bpchar" | "bit" => new.is_empty(),
            _ => true,
        };
    if harmless { Conversion::Relabel } else { Conversion::Compute }
}

/// The finest field that is kept, from 1 for seconds up; an interval without fields keeps everything.
fn interval_is_harmless(from: &ColumnType, to: &ColumnType) -> bool {
    let least = |t: &ColumnType| match t.interval_field.as_deref().and_then(|f| f.split_whitespace().last()) {
        Some("year") => 6,
        Some("month") => 5,
        Some("day") => 4,
        Some("hour") => 3,
        Some("minute") => 2,
        _ => 1,
    };
    let (old, new) = (least(from), least(to));
    let precise = match (&*from.modifiers, &*to.modifiers) {
        (_, []) => true,
        (_, [n]) if *n >= 6 => true,
        ([o], [n]) => n >= o,
        _ => false,
    };
    new <= old && (old > 1 || precise)
}

/// Whether an index over the old type's values serves the new type's: both must be ordered by one operator class
/// (`CheckIndexCompatible` in `src/backend/commands/indexcmds.c`).
pub fn same_operator_class(catalog: &Catalog, from: &ColumnType, to: &ColumnType) -> bool {
    let (a, b) = (catalog.base_type(from), catalog.base_type(to));
    if a.array || b.array {
        return a.id == b.id && a.array == b.array;
    }
    match (a.id, b.id) {
        (TypeId::Builtin(x), TypeId::Builtin(y)) => {
            x.btree.is_some() && x.btree == y.btree && !polymorphic(x.btree) || x.name == y.name
        }
        (a, b) => a == b,
    }
}

/// `range_ops` serves every range type, but an index is bound to the one it was built for.
fn polymorphic(class: Option<&str>) -> bool {
    matches!(class, Some("range_ops" | "multirange_ops" | "record_ops"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::builtin_type;

    fn parse(text: &str) -> ColumnType {
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let modifiers: Vec<i32> =
            rest.trim_end_matches(')').split(',').filter_map(|m| m.trim().parse().ok()).collect();
        let builtin = builtin_type(name.trim()).expect("a built-in type");
        ColumnType { modifiers: modifiers.into(), ..ColumnType::builtin(builtin.name) }
    }

    fn between(from: &str, to: &str, utc: bool) -> Conversion {
        let session = Session { timezone_is_utc: utc, ..Session::default() };
        conversion(&Catalog::new(), &session, &parse(from), &parse(to))
    }

    #[test]
    fn widening_a_length_touches_no_row() {
        for (from, to) in [
            ("varchar(10)", "varchar(20)"),
            ("varchar(10)", "varchar"),
            ("varchar(10)", "text"),
            ("text", "varchar"),
            ("numeric(8,2)", "numeric(10,2)"),
            ("numeric(8,2)", "numeric"),
            ("timestamp(3)", "timestamp(6)"),
            ("timestamptz(3)", "timestamptz"),
            ("varbit(8)", "varbit(16)"),
            ("cidr", "inet"),
            ("interval(3)", "interval"),
            ("int4", "int4"),
        ] {
            assert_eq!(between(from, to, false), Conversion::Relabel, "{from} to {to}");
        }
    }

    #[test]
    fn everything_that_may_change_a_value_rewrites() {
        for (from, to) in [
            ("varchar(20)", "varchar(10)"),
            ("text", "varchar(10)"),
            ("bpchar(10)", "bpchar(20)"),
            ("bpchar(10)", "text"),
            ("numeric(8,2)", "numeric(10,4)"),
            ("numeric", "numeric(10,2)"),
            ("timestamp", "timestamp(3)"),
            ("int4", "int8"),
            ("int8", "int4"),
            ("json", "jsonb"),
            ("inet", "cidr"),
            ("timestamp", "timestamptz"),
        ] {
            assert_eq!(between(from, to, false), Conversion::Compute, "{from} to {to}");
        }
    }

    #[test]
    fn timestamps_keep_their_bytes_in_utc() {
        assert_eq!(between("timestamp", "timestamptz", true), Conversion::Relabel);
        assert_eq!(between("timestamptz", "timestamp", true), Conversion::Relabel);
    }

    #[test]
    fn what_has_no_assignment_cast_is_refused() {
        assert_eq!(between("text", "int4", true), Conversion::Impossible);
        assert_eq!(between("int4", "bool", true), Conversion::Impossible);
        assert_eq!(between("int4", "timestamp", true), Conversion::Impossible);
    }
}
