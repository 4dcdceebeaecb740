//! Fingerprints: equal where archives can be read as they are, different wherever a layout is not the same.

use std::collections::{BTreeMap, HashMap};

use odeon_message::{Codec, Fingerprint, Message, Schema, data, message};

fn of<T: Schema>() -> Fingerprint {
    Fingerprint::of::<T>()
}

/// Declares types under one name, each in a module of its own.
macro_rules! versions {
    ($($module:ident { $($item:item)* })*) => { $(
        mod $module {
            #![allow(dead_code, reason = "only the layout is looked at")]
            use odeon_message::data;
            $( #[data(crate = odeon_message)] $item )*
        }
    )* };
}

versions! {
    base { pub(crate) struct Part { cents: u64, memo: String } }
    same { pub(crate) struct Part { cents: u64, memo: String } }
    renamed_type { pub(crate) struct Other { cents: u64, memo: String } }
    renamed_field { pub(crate) struct Part { euros: u64, memo: String } }
    other_type { pub(crate) struct Part { cents: i64, memo: String } }
    other_order { pub(crate) struct Part { memo: String, cents: u64 } }
    one_more { pub(crate) struct Part { cents: u64, memo: String, at: u64 } }
    one_less { pub(crate) struct Part { cents: u64 } }
    tuple { pub(crate) struct Part(u64, String); }
    variant_alone { pub(crate) enum Part { Part { cents: u64, memo: String } } }
    unit { pub(crate) struct Part; }
    choice { pub(crate) enum Part { Open(u64), Closed } }
    choice_order { pub(crate) enum Part { Closed, Open(u64) } }
    choice_name { pub(crate) enum Part { Opened(u64), Closed } }
    choice_type { pub(crate) enum Part { Open(u32), Closed } }
    choice_form { pub(crate) enum Part { Open { amount: u64 }, Closed } }
    choice_more { pub(crate) enum Part { Open(u64), Closed, Lost } }
    wrapped { pub(crate) struct Part { cents: u64, #[rkyv(with = odeon_message::rkyv::with::Skip)] memo: String } }
}

#[test]
fn names_of_types_do_not_matter() {
    assert_eq!(of::<base::Part>(), of::<same::Part>());
    assert_eq!(of::<base::Part>(), of::<renamed_type::Other>());
}

#[test]
fn every_other_difference_matters() {
    let all = [
        of::<base::Part>(),
        of::<renamed_field::Part>(),
        of::<other_type::Part>(),
        of::<other_order::Part>(),
        of::<one_more::Part>(),
        of::<one_less::Part>(),
        of::<tuple::Part>(),
        of::<variant_alone::Part>(),
        of::<unit::Part>(),
        of::<choice::Part>(),
        of::<choice_order::Part>(),
        of::<choice_name::Part>(),
        of::<choice_type::Part>(),
        of::<choice_form::Part>(),
        of::<choice_more::Part>(),
        of::<wrapped::Part>(),
        of::<Vec<base::Part>>(),
        of::<Option<base::Part>>(),
        of::<[base::Part; 2]>(),
        of::<[base::Part; 3]>(),
        of::<(base::Part, u8)>(),
        of::<(u8, base::Part)>(),
        of::<BTreeMap<u8, base::Part>>(),
        of::<HashMap<u8, base::Part>>(),
    ];
    for (at, one) in all.iter().enumerate() {
        for (offset, other) in all[at + 1..].iter().enumerate() {
            assert_ne!(one, other, "numbers {at} and {}", at + 1 + offset);
        }
    }
}

#[data(crate = odeon_message)]
enum Tree {
    Leaf(u64),
    Fork { kids: Vec<Self>, up: Option<Box<Tree>> },
}

#[data(crate = odeon_message)]
struct There {
    #[rkyv(omit_bounds)]
    back: Vec<Back>,
}

#[data(crate = odeon_message)]
struct Back {
    there: Option<Box<There>>,
}

#[test]
fn recursion_ends() {
    assert_ne!(of::<Tree>(), of::<There>());
    assert_ne!(of::<There>(), of::<Back>());
}

macro_rules! diamonds {
    ($last:ident) => {
        #[data(crate = odeon_message)]
        struct $last { value: u8 }
    };
    ($first:ident $next:ident $($more:ident)*) => {
        #[data(crate = odeon_message)]
        struct $first { left: Box<$next>, right: Option<Box<$next>> }
        diamonds!($next $($more)*);
    };
}

diamonds! {
    D0 D1 D2 D3 D4 D5 D6 D7 D8 D9 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19 D20 D21 D22 D23 D24 D25 D26 D27 D28 D29
    D30 D31 D32 D33 D34 D35 D36 D37 D38 D39
}

#[test]
fn a_type_is_walked_once() {
    // Forty levels of two fields: a walk that went everywhere would take 2^39 steps.
    assert_ne!(of::<D0>(), of::<D1>());
}

#[message(id = "test/First", reply = u64, crate = odeon_message)]
struct First(u64);

#[message(id = "test/Second", reply = u64, crate = odeon_message)]
struct Second(u64);

#[message(id = "test/OtherReply", reply = u32, crate = odeon_message)]
struct OtherReply(u64);

#[message(id = "test/WithError", reply = u64, error = Tree, crate = odeon_message)]
struct WithError(u64);

fn exchange<M: Message>() -> Option<Fingerprint> {
    M::CODEC.as_ref().map(Codec::fingerprint)
}

#[test]
fn an_exchange_is_the_message_and_its_answer() {
    assert_eq!(exchange::<First>(), exchange::<Second>());
    assert_ne!(exchange::<First>(), exchange::<OtherReply>());
    assert_ne!(exchange::<First>(), exchange::<WithError>());
}

/// Nodes of other releases compare these numbers: a change here makes them refuse each other.
#[test]
fn fingerprints_are_stable_across_releases() {
    let all = [
        ("u64", of::<u64>()),
        ("struct", of::<base::Part>()),
        ("wrapped field", of::<wrapped::Part>()),
        ("tuple", of::<tuple::Part>()),
        ("unit", of::<unit::Part>()),
        ("enum", of::<choice::Part>()),
        ("recursive enum", of::<Tree>()),
        ("containers", of::<HashMap<String, [Option<(u8, f32)>; 4]>>()),
        ("exchange", exchange::<WithError>().expect("it is a remote message")),
    ];
    let golden = [
        ("u64", 0x90b5_6c24_3331_93d4),
        ("struct", 0xa615_d438_b8b4_1d1f),
        ("wrapped field", 0xc26b_771a_4822_5f81),
        ("tuple", 0xa998_4c24_5869_c728),
        ("unit", 0x4fcc_43ee_63c4_5d6a),
        ("enum", 0x1ef8_4502_2173_acf9),
        ("recursive enum", 0xbad9_401e_39df_d8e9),
        ("containers", 0x2289_a3b2_307e_6d94),
        ("exchange", 0x198a_9daa_7dd4_65a9),
    ];
    assert_eq!(all.map(|(name, fingerprint)| (name, fingerprint.0)), golden);
}
