//! Data types.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, child, children, has, name, node, tokens};
use crate::ast::DataType;

/// A type.
pub(super) fn data_type(at: Place<'_>, ty: &ast::Type) -> Result<DataType> {
    let node = ty.syntax();
    let mut result = match ty {
        ast::Type::ArrayType(array) => {
            let mut element = data_type(at, &at.need::<ast::Type>(array.syntax(), "a type")?)?;
            let bounds = children::<ast::ArrayBound>(node).count().max(1);
            element.array_dimensions = u8::try_from(bounds).unwrap_or(u8::MAX);
            element
        }
        ast::Type::PathType(path) => path_type(at, path)?,
        ast::Type::VarcharType(_) => DataType::new("varchar"),
        ast::Type::CharacterType(_) => DataType::new("bpchar"),
        ast::Type::BitType(_) => DataType::new("bit"),
        ast::Type::BitVaryingType(_) => DataType::new("varbit"),
        ast::Type::DoubleType(_) => DataType::new("float8"),
        ast::Type::TimeType(_) => DataType::new(if with_time_zone(node) { "timetz" } else { "time" }),
        ast::Type::TimestampType(_) => {
            DataType::new(if with_time_zone(node) { "timestamptz" } else { "timestamp" })
        }
        ast::Type::IntervalType(_) => interval(node),
    };
    if !matches!(ty, ast::Type::ArrayType(_)) {
        result.modifiers = modifiers(at, ty);
    }
    let character = matches!(ty, ast::Type::CharacterType(_) | ast::Type::BitType(_));
    if character && result.modifiers.is_empty() {
        result.modifiers.push("1".to_owned());
    }
    choose_float(&mut result);
    result.setof |= has(node, SyntaxKind::SETOF_KW);
    result.range = at.of(node);
    Ok(result)
}

/// A type or, in a function's signature, `t.c%TYPE` (which is kept under that name).
pub(super) fn func_type(at: Place<'_>, ty: &ast::FuncType) -> Result<DataType> {
    match ty {
        ast::FuncType::Type(ty) => data_type(at, ty),
        ast::FuncType::PercentType(percent) => {
            let mut result = DataType::new(at.text_of(percent.syntax()));
            result.range = at.of(percent.syntax());
            Ok(result)
        }
    }
}

fn path_type(at: Place<'_>, path: &ast::PathType) -> Result<DataType> {
    let written = name::named::<ast::PathRef>(at, path.syntax(), "a type's name")?;
    let quoted = written.range.of(at.text).contains('"');
    let spelling = written.name.text.as_str();
    let catalog = if quoted { spelling } else { catalog_name(spelling) };
    let mut result = DataType::new(catalog);
    result.schema = written.schema.filter(|s| s != "pg_catalog");
    Ok(result)
}

/// SQL's spellings of catalog types (parser/gram.y, productions Numeric and Character).
fn catalog_name(spelling: &str) -> &str {
    match spelling {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "real" => "float4",
        "float" => "float8",
        "decimal" | "dec" => "numeric",
        "boolean" => "bool",
        "serial4" => "serial",
        "serial8" => "bigserial",
        "serial2" => "smallserial",
        other => other,
    }
}

fn modifiers(at: Place<'_>, ty: &ast::Type) -> Vec<String> {
    if let Some(list) = ty.arg_list() {
        return children::<ast::Arg>(list.syntax()).map(|a| at.text_of(a.syntax())).collect();
    }
    let precision = child::<ast::Literal>(ty.syntax()).map(|l| at.text_of(l.syntax()));
    let seconds = || {
        let qualifier = node(ty.syntax(), SyntaxKind::INTERVAL_SECOND)?;
        child::<ast::Literal>(&qualifier).map(|l| at.text_of(l.syntax()))
    };
    precision.or_else(seconds).into_iter().collect()
}

/// `float(24)` is a real, `float(25)` a double; neither keeps the number.
fn choose_float(ty: &mut DataType) {
    if ty.name == "float8" && !ty.modifiers.is_empty() {
        if ty.modifiers[0].parse::<u32>().is_ok_and(|bits| bits <= 24) {
            "float4".clone_into(&mut ty.name);
        }
        ty.modifiers.clear();
    }
}

fn with_time_zone(node: &SyntaxNode) -> bool {
    has(node, SyntaxKind::WITH_TIMEZONE)
}

fn interval(node: &SyntaxNode) -> DataType {
    let mut result = DataType::new("interval");
    let qualifier = child::<ast::IntervalQualifier>(node);
    let words = qualifier.map(|q| {
        let words = tokens(q.syntax()).filter(|t| t.kind().is_keyword());
        words.map(|t| t.text().to_ascii_lowercase()).collect::<Vec<_>>()
    });
    result.interval_fields = words.map(|words| words.join(" "));
    result
}
