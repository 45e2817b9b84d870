//! Values of derived fields, and a borrowed view that native and derived fields share.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

/// The value of one derived field. Lists are flat: each element answers a rule on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(SmolStr),
    /// Several values; a rule matches if any element does.
    List(Vec<Value>),
}

/// One scalar as a rule sees it. JSON objects and arrays are reached through their leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// JSON `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// An object or a nested array: it exists, but has no scalar value.
    Composite,
}

impl Value {
    /// Calls `f` with every scalar.
    pub fn each<'a>(&'a self, f: &mut dyn FnMut(ValueRef<'a>)) {
        match self {
            Value::Bool(b) => f(ValueRef::Bool(*b)),
            Value::Int(n) => f(ValueRef::Int(*n)),
            Value::Float(n) => f(ValueRef::Float(*n)),
            Value::Text(s) => f(ValueRef::Text(s)),
            Value::List(list) => list.iter().for_each(|v| v.each(f)),
        }
    }

    /// The text, when it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }
}

impl ValueRef<'_> {
    /// An owned copy; `null` and composites become an empty text.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Bool(b) => Value::Bool(b),
            ValueRef::Int(n) => Value::Int(n),
            ValueRef::Uint(n) => i64::try_from(n).map_or(Value::Float(n as f64), Value::Int),
            ValueRef::Float(n) => Value::Float(n),
            ValueRef::Text(s) => Value::Text(s.into()),
            ValueRef::Null | ValueRef::Composite => Value::Text(SmolStr::default()),
        }
    }
}

/// As a person reads it: numbers without a needless fraction, lists joined by commas.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(n) if n.fract() == 0.0 && n.abs() < 1e15 => write!(f, "{n:.0}"),
            Value::Float(n) => {
                let text = format!("{n:.2}");
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
            Value::Text(s) => f.write_str(s),
            Value::List(list) => {
                for (i, value) in list.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                Ok(())
            }
        }
    }
}

macro_rules! value_from {
    ($($t:ty => $e:expr),+ $(,)?) => {
        $(impl From<$t> for Value {
            fn from(v: $t) -> Value {
                #[allow(clippy::redundant_closure_call)]
                ($e)(v)
            }
        })+
    };
}

value_from! {
    bool => Value::Bool,
    i64 => Value::Int,
    u32 => |v| Value::Int(i64::from(v)),
    usize => |v| Value::Int(i64::try_from(v).unwrap_or(i64::MAX)),
    u64 => |v| i64::try_from(v).map_or(Value::Float(v as f64), Value::Int),
    f64 => Value::Float,
    SmolStr => Value::Text,
    &SmolStr => |v: &SmolStr| Value::Text(v.clone()),
    &str => |v: &str| Value::Text(v.into()),
    String => |v: String| Value::Text(v.into()),
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Value {
        Value::List(list.into_iter().map(Into::into).collect())
    }
}
