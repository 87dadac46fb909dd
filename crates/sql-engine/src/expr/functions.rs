//! Functions: those that compute, those that a statement stops for, and aggregates.

use std::rc::Rc;

use sql_syntax::ast::Volatility;

use super::Typed;
use super::md5::md5;
use super::operators::{Arithmetic, wider};
use crate::error::{Result, error, not_modelled};
use crate::exec::{Exec, Moment};
use crate::value::{Decimal, MICROS_PER_DAY, MICROS_PER_SECOND, Type, Value, cast, date_parts};

/// What a function does with its arguments' values.
type Body = fn(&mut Exec<'_, '_>, &[Typed], &[Value]) -> Result<Value>;

/// How a function's type follows from its arguments'.
#[derive(Clone, Copy)]
enum Returns {
    Is(fn() -> Type),
    /// The type of the first argument.
    First,
    /// The widest of all arguments.
    Common,
}

/// What the arguments are brought to.
#[derive(Clone, Copy)]
enum Takes {
    /// As they are, but strings of unknown type are text.
    Any,
    Text,
    /// Text, then integers.
    TextInts,
    Float,
    /// One type for all.
    Common,
}

/// A function that computes its result from its arguments, and maybe from the time, chance or a sequence.
#[derive(Clone, Copy)]
pub(crate) struct Function(&'static Definition);

struct Definition {
    name: &'static str,
    args: (usize, usize),
    takes: Takes,
    returns: Returns,
    strict: bool,
    volatility: Volatility,
    body: Body,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Function {
    /// The function of this name for so many arguments.
    pub(crate) fn find(name: &str, args: usize) -> Option<Self> {
        let fits = |d: &&Definition| d.name == name && (d.args.0..=d.args.1).contains(&args);
        FUNCTIONS.iter().find(fits).map(Self)
    }

    pub(crate) fn is_volatile(self) -> bool {
        self.0.volatility == Volatility::Volatile
    }

    pub(crate) const fn name(self) -> &'static str {
        self.0.name
    }

    /// What an argument has to be brought to, if anything.
    pub(crate) fn argument(self, n: usize, types: &[Type]) -> Option<Type> {
        match (self.0.takes, types.get(n)?) {
            (Takes::Text, _) | (Takes::Any, Type::Unknown) => Some(Type::Text),
            (Takes::TextInts, _) => Some(if n == 0 { Type::Text } else { Type::Int4 }),
            (Takes::Float, _) => Some(Type::Float8),
            (Takes::Common, _) => Some(common_type(types)),
            (Takes::Any, _) => None,
        }
    }

    /// The result's type.
    pub(crate) fn result(self, types: &[Type]) -> Type {
        match self.0.returns {
            Returns::Is(ty) => ty(),
            Returns::First => types.first().cloned().unwrap_or(Type::Text),
            Returns::Common => common_type(types),
        }
    }

    pub(crate) fn call(self, ex: &mut Exec<'_, '_>, args: &[Typed], values: Vec<Value>) -> Result<Value> {
        if self.0.strict && values.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        (self.0.body)(ex, args, &values)
    }
}

/// The type that several values are brought to (manual, section 10.5).
pub(crate) fn common_type(types: &[Type]) -> Type {
    let mut known = types.iter().filter(|ty| **ty != Type::Unknown);
    let Some(first) = known.next() else { return Type::Text };
    known.fold(first.clone(), |a, b| match (&a, b) {
        (a, b) if a == b => b.clone(),
        (a, b) if a.is_number() && b.is_number() => wider(a, b),
        (a, b) if a.is_string() && b.is_string() => Type::Text,
        (Type::Date, Type::Timestamp(_) | Type::TimestampTz(_))
        | (Type::Timestamp(_), Type::TimestampTz(_)) => b.clone(),
        _ => a,
    })
}

const fn define(
    name: &'static str,
    args: (usize, usize),
    takes: Takes,
    returns: Returns,
    body: Body,
) -> Definition {
    Definition { name, args, takes, returns, strict: true, volatility: Volatility::Immutable, body }
}

const fn stable(mut d: Definition) -> Definition {
    d.volatility = Volatility::Stable;
    d
}

const fn volatile(mut d: Definition) -> Definition {
    d.volatility = Volatility::Volatile;
    d
}

const fn lax(mut d: Definition) -> Definition {
    d.strict = false;
    d
}

const TEXT: Returns = Returns::Is(|| Type::Text);
const INT4: Returns = Returns::Is(|| Type::Int4);
const INT8: Returns = Returns::Is(|| Type::Int8);
const BOOL: Returns = Returns::Is(|| Type::Bool);
const FLOAT: Returns = Returns::Is(|| Type::Float8);
const TIMESTAMPTZ: Returns = Returns::Is(|| Type::TimestampTz(None));
const MANY: usize = 100;

/// All functions that are known, by name and number of arguments.
static FUNCTIONS: &[Definition] = &[
    define("lower", (1, 1), Takes::Text, TEXT, |_, _, v| Ok(Value::text(str(&v[0]).to_lowercase()))),
    define("upper", (1, 1), Takes::Text, TEXT, |_, _, v| Ok(Value::text(str(&v[0]).to_uppercase()))),
    define("initcap", (1, 1), Takes::Text, TEXT, |_, _, v| Ok(Value::text(initcap(str(&v[0]))))),
    define("length", (1, 1), Takes::Text, INT4, |_, _, v| Ok(count(str(&v[0]).chars().count()))),
    define("char_length", (1, 1), Takes::Text, INT4, |_, _, v| Ok(count(str(&v[0]).chars().count()))),
    define("character_length", (1, 1), Takes::Text, INT4, |_, _, v| Ok(count(str(&v[0]).chars().count()))),
    define("octet_length", (1, 1), Takes::Text, INT4, |_, _, v| Ok(count(str(&v[0]).len()))),
    define("btrim", (1, 2), Takes::Text, TEXT, |_, _, v| {
        let set = trim_set(v);
        Ok(Value::text(str(&v[0]).trim_matches(|c: char| set.contains(&c))))
    }),
    define("trim", (1, 2), Takes::Text, TEXT, |_, _, v| {
        let set = trim_set(v);
        Ok(Value::text(str(&v[0]).trim_matches(|c: char| set.contains(&c))))
    }),
    define("ltrim", (1, 2), Takes::Text, TEXT, |_, _, v| {
        let set = trim_set(v);
        Ok(Value::text(str(&v[0]).trim_start_matches(|c: char| set.contains(&c))))
    }),
    define("rtrim", (1, 2), Takes::Text, TEXT, |_, _, v| {
        let set = trim_set(v);
        Ok(Value::text(str(&v[0]).trim_end_matches(|c: char| set.contains(&c))))
    }),
    define("substring", (2, 3), Takes::TextInts, TEXT, |_, _, v| substring(v)),
    define("substr", (2, 3), Takes::TextInts, TEXT, |_, _, v| substring(v)),
    define("left", (2, 2), Takes::TextInts, TEXT, |_, _, v| {
        let (text, n) = (str(&v[0]), int(&v[1]));
        let keep = if n < 0 { chars(text) + n } else { n };
        Ok(Value::text(text.chars().take(keep.max(0) as usize).collect::<String>()))
    }),
    define("right", (2, 2), Takes::TextInts, TEXT, |_, _, v| {
        let (text, n) = (str(&v[0]), int(&v[1]));
        let skip = if n < 0 { -n } else { chars(text) - n };
        Ok(Value::text(text.chars().skip(skip.max(0) as usize).collect::<String>()))
    }),
    define("repeat", (2, 2), Takes::TextInts, TEXT, |_, _, v| {
        let times = int(&v[1]).max(0) as usize;
        if str(&v[0]).len().saturating_mul(times) > 1 << 28 {
            return Err(error("54000", "requested length too large"));
        }
        Ok(Value::text(str(&v[0]).repeat(times)))
    }),
    define("reverse", (1, 1), Takes::Text, TEXT, |_, _, v| {
        Ok(Value::text(str(&v[0]).chars().rev().collect::<String>()))
    }),
    define("replace", (3, 3), Takes::Text, TEXT, |_, _, v| {
        let (text, from) = (str(&v[0]), str(&v[1]));
        Ok(Value::text(if from.is_empty() { text.to_owned() } else { text.replace(from, str(&v[2])) }))
    }),
    define("position", (2, 2), Takes::Text, INT4, |_, _, v| Ok(position(str(&v[0]), str(&v[1])))),
    define("strpos", (2, 2), Takes::Text, INT4, |_, _, v| Ok(position(str(&v[0]), str(&v[1])))),
    define("starts_with", (2, 2), Takes::Text, BOOL, |_, _, v| {
        Ok(Value::Bool(str(&v[0]).starts_with(str(&v[1]))))
    }),
    define("lpad", (2, 3), Takes::Any, TEXT, |_, _, v| Ok(pad(v, true))),
    define("rpad", (2, 3), Takes::Any, TEXT, |_, _, v| Ok(pad(v, false))),
    define("split_part", (3, 3), Takes::Any, TEXT, |_, _, v| split_part(v)),
    define("md5", (1, 1), Takes::Text, TEXT, |_, _, v| Ok(Value::text(md5(str(&v[0]).as_bytes())))),
    define("ascii", (1, 1), Takes::Text, INT4, |_, _, v| {
        Ok(Value::Int(str(&v[0]).chars().next().map_or(0, |c| i64::from(u32::from(c)))))
    }),
    define("chr", (1, 1), Takes::Any, TEXT, |_, _, v| {
        let c = u32::try_from(int(&v[0])).ok().filter(|n| *n > 0).and_then(char::from_u32);
        c.map(|c| Value::text(c.to_string())).ok_or_else(|| error("54000", "requested character not valid"))
    }),
    lax(define("concat", (0, MANY), Takes::Any, TEXT, |_, args, v| {
        Ok(Value::text(v.iter().zip(args).map(|(v, a)| shown(&a.ty, v)).collect::<String>()))
    })),
    lax(define("concat_ws", (1, MANY), Takes::Any, TEXT, |_, args, v| {
        let Value::Text(separator) = &v[0] else { return Ok(Value::Null) };
        let parts: Vec<String> = v[1..]
            .iter()
            .zip(&args[1..])
            .filter(|(v, _)| !v.is_null())
            .map(|(v, a)| shown(&a.ty, v))
            .collect();
        Ok(Value::text(parts.join(separator)))
    })),
    define("to_char", (2, 2), Takes::Any, TEXT, |_, _, _| Err(not_modelled("to_char"))),
    define("abs", (1, 1), Takes::Any, Returns::First, |_, args, v| match &v[0] {
        Value::Int(n) if *n < 0 => super::operators::negate(v[0].clone(), &args[0].ty),
        Value::Float(n) => Ok(Value::Float(n.abs())),
        Value::Numeric(n) if n.signum() < 0 => Ok(Value::Numeric(n.negated())),
        other => Ok(other.clone()),
    }),
    define("sign", (1, 1), Takes::Float, FLOAT, |_, _, v| {
        let n = float(&v[0]);
        Ok(Value::Float(if n == 0.0 { 0.0 } else { n.signum() }))
    }),
    define("mod", (2, 2), Takes::Common, Returns::Common, |_, args, v| {
        Arithmetic::Mod.apply(v[0].clone(), v[1].clone(), &args[0].ty)
    }),
    define("div", (2, 2), Takes::Common, Returns::Common, |_, args, v| {
        let quotient = Arithmetic::Div.apply(v[0].clone(), v[1].clone(), &args[0].ty)?;
        Ok(match quotient {
            Value::Numeric(n) => n.truncate(0).map_or(Value::Null, Value::Numeric),
            other => other,
        })
    }),
    define("power", (2, 2), Takes::Float, FLOAT, |_, _, v| {
        Ok(Value::Float(libm::pow(float(&v[0]), float(&v[1]))))
    }),
    define("sqrt", (1, 1), Takes::Float, FLOAT, |_, _, v| {
        if float(&v[0]) < 0.0 {
            return Err(error("2201F", "cannot take square root of a negative number"));
        }
        Ok(Value::Float(libm::sqrt(float(&v[0]))))
    }),
    define("round", (1, 2), Takes::Any, Returns::First, |_, _, v| rounded(v, Decimal::round)),
    define("trunc", (1, 2), Takes::Any, Returns::First, |_, _, v| rounded(v, Decimal::truncate)),
    define("floor", (1, 1), Takes::Any, Returns::First, |_, _, v| Ok(towards(&v[0], -1))),
    define("ceil", (1, 1), Takes::Any, Returns::First, |_, _, v| Ok(towards(&v[0], 1))),
    define("ceiling", (1, 1), Takes::Any, Returns::First, |_, _, v| Ok(towards(&v[0], 1))),
    lax(define("greatest", (1, MANY), Takes::Common, Returns::Common, |_, _, v| {
        Ok(v.iter().filter(|v| !v.is_null()).max().cloned().unwrap_or_default())
    })),
    lax(define("least", (1, MANY), Takes::Common, Returns::Common, |_, _, v| {
        Ok(v.iter().filter(|v| !v.is_null()).min().cloned().unwrap_or_default())
    })),
    stable(define("now", (0, 0), Takes::Any, TIMESTAMPTZ, |ex, _, _| Ok(ex.time(Moment::Transaction)))),
    stable(define("transaction_timestamp", (0, 0), Takes::Any, TIMESTAMPTZ, |ex, _, _| {
        Ok(ex.time(Moment::Transaction))
    })),
    stable(define("current_timestamp", (0, 1), Takes::Any, TIMESTAMPTZ, |ex, _, _| {
        Ok(ex.time(Moment::Transaction))
    })),
    stable(define("statement_timestamp", (0, 0), Takes::Any, TIMESTAMPTZ, |ex, _, _| {
        Ok(ex.time(Moment::Statement))
    })),
    volatile(define("clock_timestamp", (0, 0), Takes::Any, TIMESTAMPTZ, |ex, _, _| {
        Ok(ex.time(Moment::Clock))
    })),
    stable(define(
        "localtimestamp",
        (0, 1),
        Takes::Any,
        Returns::Is(|| Type::Timestamp(None)),
        |ex, _, _| Ok(ex.time(Moment::Transaction)),
    )),
    stable(define("current_date", (0, 0), Takes::Any, Returns::Is(|| Type::Date), |ex, _, _| {
        cast(ex.time(Moment::Transaction), &Type::TimestampTz(None), &Type::Date)
    })),
    define("extract", (2, 2), Takes::Any, Returns::Is(|| Type::Numeric(None)), |_, _, v| {
        extract(str(&v[0]), &v[1]).map(|n| Decimal::from_f64(n).map_or(Value::Null, Value::Numeric))
    }),
    define("date_part", (2, 2), Takes::Any, FLOAT, |_, _, v| extract(str(&v[0]), &v[1]).map(Value::Float)),
    define("date_trunc", (2, 2), Takes::Any, Returns::Is(|| Type::Timestamp(None)), |_, _, v| {
        date_trunc(str(&v[0]), &v[1])
    }),
    define("age", (2, 2), Takes::Any, Returns::Is(|| Type::Interval), |_, _, _| Err(not_modelled("age"))),
    volatile(define("random", (0, 0), Takes::Any, FLOAT, |ex, _, _| Ok(Value::Float(ex.random())))),
    volatile(define("gen_random_uuid", (0, 0), Takes::Any, Returns::Is(|| Type::Uuid), |ex, _, _| {
        Ok(Value::Uuid(ex.random_uuid()))
    })),
    volatile(define("uuid_generate_v4", (0, 0), Takes::Any, Returns::Is(|| Type::Uuid), |ex, _, _| {
        Ok(Value::Uuid(ex.random_uuid()))
    })),
    volatile(define("nextval", (1, 1), Takes::Text, INT8, |ex, _, v| ex.nextval(str(&v[0])))),
    volatile(define("currval", (1, 1), Takes::Text, INT8, |ex, _, v| ex.currval(str(&v[0])))),
    volatile(define("lastval", (0, 0), Takes::Any, INT8, |ex, _, _| ex.lastval())),
    volatile(define("setval", (2, 3), Takes::Any, INT8, |ex, _, v| {
        let called = !matches!(v.get(2), Some(Value::Bool(false)));
        ex.setval(&text_of(&v[0]), int(&v[1]), called)
    })),
    stable(define("pg_get_serial_sequence", (2, 2), Takes::Text, TEXT, |ex, _, v| {
        ex.serial_sequence(str(&v[0]), str(&v[1]))
    })),
    stable(define("pg_backend_pid", (0, 0), Takes::Any, INT4, |ex, _, _| Ok(Value::Int(ex.backend_pid())))),
    stable(define("current_setting", (1, 2), Takes::Any, TEXT, |ex, _, v| {
        ex.setting(str(&v[0]), matches!(v.get(1), Some(Value::Bool(true))))
    })),
    stable(define("current_user", (0, 0), Takes::Any, TEXT, |_, _, _| Ok(Value::from("postgres")))),
    stable(define("session_user", (0, 0), Takes::Any, TEXT, |_, _, _| Ok(Value::from("postgres")))),
    stable(define("user", (0, 0), Takes::Any, TEXT, |_, _, _| Ok(Value::from("postgres")))),
    stable(define("current_role", (0, 0), Takes::Any, TEXT, |_, _, _| Ok(Value::from("postgres")))),
    stable(define("current_schema", (0, 0), Takes::Any, TEXT, |ex, _, _| Ok(ex.current_schema()))),
    stable(define("current_database", (0, 0), Takes::Any, TEXT, |_, _, _| Ok(Value::from("postgres")))),
    stable(define("current_catalog", (0, 0), Takes::Any, TEXT, |_, _, _| Ok(Value::from("postgres")))),
    stable(define("version", (0, 0), Takes::Any, TEXT, |ex, _, _| {
        Ok(Value::text(format!("PostgreSQL {}", ex.server_version())))
    })),
    define("array_length", (2, 2), Takes::Any, INT4, |_, _, v| match &v[0] {
        Value::Array(items) if !items.is_empty() && int(&v[1]) == 1 => Ok(count(items.len())),
        _ => Ok(Value::Null),
    }),
    define("cardinality", (1, 1), Takes::Any, INT4, |_, _, v| match &v[0] {
        Value::Array(items) => Ok(count(items.len())),
        _ => Ok(Value::Null),
    }),
    define("hashtext", (1, 1), Takes::Text, INT4, |_, _, v| Ok(hash_text(str(&v[0])))),
];

fn str(value: &Value) -> &str {
    value.as_text().unwrap_or("")
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        other => other.as_f64().map_or(0, |n| n as i64),
    }
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn chars(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn shown(ty: &Type, value: &Value) -> String {
    ty.show(value).unwrap_or_default()
}

/// A value as text, whatever its type.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Bool(b) => b.to_string(),
        other => Type::Text.show(other).unwrap_or_default(),
    }
}

fn trim_set(v: &[Value]) -> Vec<char> {
    v.get(1).map_or_else(|| vec![' '], |set| str(set).chars().collect())
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    let fold = |c: char| {
        let out = if inside { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
        inside = c.is_alphanumeric();
        out
    };
    text.chars().map(fold).collect()
}

/// Positions before the start count against the length (manual, section 9.4).
fn substring(v: &[Value]) -> Result<Value> {
    let start = int(&v[1]);
    let end = match v.get(2).map(int) {
        Some(length) if length < 0 => return Err(error("22011", "negative substring length not allowed")),
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let first = start.max(1);
    let taken = (end - first).max(0) as usize;
    Ok(Value::text(str(&v[0]).chars().skip((first - 1) as usize).take(taken).collect::<String>()))
}

fn position(text: &str, part: &str) -> Value {
    text.find(part).map_or(Value::Int(0), |at| Value::Int(chars(&text[..at]) + 1))
}

fn pad(v: &[Value], on_the_left: bool) -> Value {
    let text = text_of(&v[0]);
    let fill = v.get(2).map_or_else(|| " ".to_owned(), text_of);
    let width = int(&v[1]).clamp(0, 1 << 26) as usize;
    let length = text.chars().count();
    if length >= width || fill.is_empty() {
        return Value::text(text.chars().take(width).collect::<String>());
    }
    let padding: String = fill.chars().cycle().take(width - length).collect();
    Value::text(if on_the_left { padding + &text } else { text + &padding })
}

fn split_part(v: &[Value]) -> Result<Value> {
    let (text, separator, n) = (str(&v[0]), str(&v[1]), int(&v[2]));
    let parts: Vec<&str> = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    let at = match n {
        0 => return Err(error("22023", "field position must not be zero")),
        n if n > 0 => usize::try_from(n - 1).ok(),
        n => usize::try_from(-n).ok().and_then(|n| parts.len().checked_sub(n)),
    };
    Ok(Value::text(at.and_then(|at| parts.get(at)).copied().unwrap_or("")))
}

fn rounded(v: &[Value], how: fn(Decimal, u32) -> Option<Decimal>) -> Result<Value> {
    let digits = v.get(1).map_or(0, int);
    Ok(match &v[0] {
        Value::Float(n) if v.len() == 1 => {
            let is_round =
                how(Decimal::parse("0.9").unwrap_or(Decimal::ZERO), 0).is_some_and(|n| !n.is_zero());
            Value::Float(if is_round { n.round_ties_even() } else { n.trunc() })
        }
        Value::Numeric(n) => {
            let scale = u32::try_from(digits).map_err(|_| not_modelled("rounding to tens"))?;
            how(*n, scale).map_or(Value::Null, Value::Numeric)
        }
        other => other.clone(),
    })
}

fn towards(value: &Value, direction: i64) -> Value {
    match value {
        Value::Float(n) => Value::Float(if direction < 0 { n.floor() } else { n.ceil() }),
        Value::Numeric(n) => {
            let cut = n.truncate(0).unwrap_or(*n);
            let exact = cut.compare(*n).is_eq();
            if exact || n.signum() != direction {
                return Value::Numeric(cut);
            }
            cut.checked_add(Decimal::from(direction)).map_or(Value::Null, Value::Numeric)
        }
        other => other.clone(),
    }
}

/// A hash for `pg_advisory_lock(hashtext(...))`; the server's own function gives other numbers.
fn hash_text(text: &str) -> Value {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    Value::Int(i64::from(hash.cast_signed()))
}

fn micros_of(value: &Value) -> Result<i64> {
    match value {
        Value::Timestamp(micros) => Ok(*micros),
        Value::Date(days) => Ok(i64::from(*days) * MICROS_PER_DAY),
        _ => Err(not_modelled("extract from this type")),
    }
}

fn extract(field: &str, from: &Value) -> Result<f64> {
    if let Value::Interval(interval) = from
        && field == "epoch"
    {
        return Ok(interval.span() as f64 / MICROS_PER_SECOND as f64);
    }
    let micros = micros_of(from)?;
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
    let clock = micros.rem_euclid(MICROS_PER_DAY);
    let (year, month, day) = date_parts(days);
    Ok(match field {
        "year" => year as f64,
        "month" => f64::from(month),
        "day" => f64::from(day),
        "hour" => (clock / (3600 * MICROS_PER_SECOND)) as f64,
        "minute" => (clock / (60 * MICROS_PER_SECOND) % 60) as f64,
        "second" => (clock % (60 * MICROS_PER_SECOND)) as f64 / MICROS_PER_SECOND as f64,
        "dow" => f64::from((days + 6).rem_euclid(7)),
        "epoch" => micros as f64 / MICROS_PER_SECOND as f64 + 946_684_800.0,
        _ => return Err(not_modelled(format!("extract({field})"))),
    })
}

fn date_trunc(field: &str, from: &Value) -> Result<Value> {
    let micros = micros_of(from)?;
    let unit = match field {
        "day" => MICROS_PER_DAY,
        "hour" => 3600 * MICROS_PER_SECOND,
        "minute" => 60 * MICROS_PER_SECOND,
        "second" => MICROS_PER_SECOND,
        _ => return Err(not_modelled(format!("date_trunc('{field}')"))),
    };
    Ok(Value::Timestamp(micros.div_euclid(unit) * unit))
}

/// A function that the statement stops for: it waits for a lock, or lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepFunction {
    /// `pg_sleep(seconds)`.
    Sleep,
    /// `pg_advisory_lock` and its relatives.
    AdvisoryLock {
        /// Weaker: shared.
        shared: bool,
        /// To the end of the transaction rather than of the session.
        in_transaction: bool,
        /// Without waiting.
        attempt: bool,
    },
    /// `pg_advisory_unlock` and `..._shared`.
    AdvisoryUnlock {
        /// Which of the two.
        shared: bool,
    },
    /// `pg_advisory_unlock_all`.
    AdvisoryUnlockAll,
    /// `pg_cancel_backend` and `pg_terminate_backend`.
    Signal {
        /// The session ends.
        terminate: bool,
    },
}

/// The step function of this name.
pub(crate) fn step_function(name: &str) -> Option<(StepFunction, Type)> {
    let lock = |shared, in_transaction, attempt| {
        let returns = if attempt { Type::Bool } else { Type::Void };
        Some((StepFunction::AdvisoryLock { shared, in_transaction, attempt }, returns))
    };
    match name {
        "pg_sleep" => Some((StepFunction::Sleep, Type::Void)),
        "pg_advisory_lock" => lock(false, false, false),
        "pg_advisory_lock_shared" => lock(true, false, false),
        "pg_advisory_xact_lock" => lock(false, true, false),
        "pg_advisory_xact_lock_shared" => lock(true, true, false),
        "pg_try_advisory_lock" => lock(false, false, true),
        "pg_try_advisory_lock_shared" => lock(true, false, true),
        "pg_try_advisory_xact_lock" => lock(false, true, true),
        "pg_try_advisory_xact_lock_shared" => lock(true, true, true),
        "pg_advisory_unlock" => Some((StepFunction::AdvisoryUnlock { shared: false }, Type::Bool)),
        "pg_advisory_unlock_shared" => Some((StepFunction::AdvisoryUnlock { shared: true }, Type::Bool)),
        "pg_advisory_unlock_all" => Some((StepFunction::AdvisoryUnlockAll, Type::Void)),
        "pg_cancel_backend" => Some((StepFunction::Signal { terminate: false }, Type::Bool)),
        "pg_terminate_backend" => Some((StepFunction::Signal { terminate: true }, Type::Bool)),
        _ => None,
    }
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    CountRows,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    BoolAnd,
    BoolOr,
    ArrayAgg,
    StringAgg,
}

/// The aggregate of this name.
pub(crate) fn aggregate(name: &str, star: bool) -> Option<Aggregate> {
    Some(match name {
        "count" if star => Aggregate::CountRows,
        "count" => Aggregate::Count,
        "sum" => Aggregate::Sum,
        "avg" => Aggregate::Avg,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "bool_and" | "every" => Aggregate::BoolAnd,
        "bool_or" => Aggregate::BoolOr,
        "array_agg" => Aggregate::ArrayAgg,
        "string_agg" => Aggregate::StringAgg,
        _ => return None,
    })
}

impl Aggregate {
    pub(crate) fn result(self, argument: Option<&Type>) -> Result<Type> {
        let ty = argument.cloned().unwrap_or(Type::Int8);
        let no_such = |name: &str| error("42883", format!("function {name}({ty}) does not exist"));
        Ok(match self {
            Self::CountRows | Self::Count => Type::Int8,
            Self::Sum => match ty {
                Type::Int2 | Type::Int4 => Type::Int8,
                Type::Int8 | Type::Numeric(_) => Type::Numeric(None),
                Type::Float4 | Type::Float8 | Type::Interval => ty,
                _ => return Err(no_such("sum")),
            },
            Self::Avg => match ty {
                ref ty if ty.is_integer() || matches!(ty, Type::Numeric(_)) => Type::Numeric(None),
                Type::Float4 | Type::Float8 => Type::Float8,
                _ => return Err(no_such("avg")),
            },
            Self::Min | Self::Max => {
                if ty == Type::Unknown {
                    Type::Text
                } else {
                    ty
                }
            }
            Self::BoolAnd | Self::BoolOr => Type::Bool,
            Self::ArrayAgg => Type::Array(Rc::new(ty)),
            Self::StringAgg => Type::Text,
        })
    }
}

/// The result over the values of a group, given in order; NULLs are in it for `array_agg` only.
pub(crate) fn finish(
    aggregate: Aggregate,
    rows: usize,
    mut values: Vec<Value>,
    separators: &[Value],
    argument: &Type,
    ty: &Type,
) -> Result<Value> {
    if aggregate == Aggregate::ArrayAgg {
        return Ok(if rows == 0 { Value::Null } else { Value::Array(values.into()) });
    }
    let all = values.len();
    let mut kept = Vec::with_capacity(all);
    for (at, value) in values.drain(..).enumerate() {
        if !value.is_null() {
            kept.push((at, value));
        }
    }
    let mut plain = kept.iter().map(|(_, v)| v);
    Ok(match aggregate {
        Aggregate::CountRows => count(rows),
        Aggregate::Count => count(kept.len()),
        Aggregate::Min => plain.min().cloned().unwrap_or_default(),
        Aggregate::Max => plain.max().cloned().unwrap_or_default(),
        _ if kept.is_empty() => Value::Null,
        Aggregate::Sum => sum(plain, argument, ty)?,
        Aggregate::Avg => {
            let n = kept.len() as i64;
            let total = sum(plain, argument, ty)?;
            let by = cast(Value::Int(n), &Type::Int8, ty)?;
            Arithmetic::Div.apply(total, by, ty)?
        }
        Aggregate::BoolAnd => Value::Bool(plain.all(|v| *v == Value::Bool(true))),
        Aggregate::BoolOr => Value::Bool(plain.any(|v| *v == Value::Bool(true))),
        Aggregate::StringAgg => {
            let mut text = String::new();
            for (n, (at, value)) in kept.iter().enumerate() {
                if n > 0 {
                    text.push_str(separators.get(*at).and_then(Value::as_text).unwrap_or(""));
                }
                text.push_str(&text_of(value));
            }
            Value::text(text)
        }
        Aggregate::ArrayAgg => Value::Null,
    })
}

fn sum<'v>(values: impl Iterator<Item = &'v Value>, argument: &Type, ty: &Type) -> Result<Value> {
    let mut total: Option<Value> = None;
    for value in values {
        let value = cast(value.clone(), argument, ty)?;
        total = Some(match total {
            None => value,
            Some(total) => Arithmetic::Add.apply(total, value, ty)?,
        });
    }
    Ok(total.unwrap_or_default())
}
