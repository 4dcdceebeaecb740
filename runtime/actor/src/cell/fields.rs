//! Structs that are written field by field where they stay, instead of being made elsewhere and moved there.
//!
//! What is moved right after it was made is read with wider loads than it was written with, and waits for the processor to
//! put it together; a cell has some thirty fields. What it is NOT: a way to leave one out, which does not compile.

/// Writes all fields of the struct that `place`, a raw pointer, leads to. To be called in an unsafe block: the place is
/// one for such a struct, and what is there is not dropped. A panic while a value is computed leaves those before in place.
macro_rules! write_fields {
    ($place:expr, $kind:ident { $($field:ident: $value:expr),+ $(,)? }) => {{
        let place = $place;
        // A field that is not named here is missing in this pattern, too.
        if false {
            let $kind { $($field: _),+ } = &*place;
        }
        $((&raw mut (*place).$field).write($value);)+
    }};
}

pub(crate) use write_fields;
