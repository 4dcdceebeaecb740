//! The impl of `Schema`: fields and variants by name, type and order.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, Path, Type, WherePredicate, ext::IdentExt,
    parse_quote,
};

use crate::{data, options};

pub(crate) fn implement(item: &DeriveInput, root: &Path) -> TokenStream {
    let ident = &item.ident;
    let mut generics = item.generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(parse_quote!(#root::Schema));
    }
    let clause = generics.make_where_clause();
    if !item.generics.params.is_empty() {
        // What an instance must be to be archived is up to rkyv.
        clause.predicates.push(parse_quote!(Self: #root::rkyv::Archive));
    }
    clause.predicates.extend(bounds(item, root));
    let (impl_generics, arguments, where_clause) = generics.split_for_impl();
    let own = options_of(&item.attrs);
    let (kind, parts) = match &item.data {
        Data::Struct(it) => ("struct", fields(&it.fields, root)),
        Data::Enum(it) => ("enum", it.variants.iter().map(|it| variant(it, root)).collect()),
        Data::Union(_) => ("union", TokenStream::new()),
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics #root::Schema for #ident #arguments #where_clause {
            fn describe(walk: &mut #root::SchemaWalk) {
                // A list trusts that what has a size has one in its archive, too.
                const {
                    ::core::assert!(
                        ::core::mem::size_of::<Self>() == 0
                            || ::core::mem::size_of::<#root::rkyv::Archived<Self>>() != 0,
                        "nothing of this type is archived: archive one of its fields, or remove them all"
                    )
                };
                walk.composite::<Self>(#kind, |walk| {
                    let _ = &walk;
                    #own
                    #parts
                });
            }
        }
    }
}

/// One bound a field, so that a field without a schema is the compiler's first error. Not where a field closes a
/// circle, nor where attributes would have to stand on the bound.
fn bounds(item: &DeriveInput, root: &Path) -> Vec<WherePredicate> {
    let fields: Vec<&Field> = match &item.data {
        Data::Struct(it) => it.fields.iter().collect(),
        Data::Enum(it) => {
            it.variants.iter().filter(|it| !has_cfg(&it.attrs)).flat_map(|it| &it.fields).collect()
        }
        Data::Union(_) => Vec::new(),
    };
    let plain = |field: &&Field| {
        let skipped = ["with", "omit_bounds"];
        !has_cfg(&field.attrs)
            && wrapper(field).is_none()
            && !skipped.iter().any(|it| data::has_option(&field.attrs, it))
    };
    let bound = |field: &Field| {
        let ty = &field.ty;
        let bound = quote_spanned!(options::written_for(ty) => #ty: #root::Schema);
        parse_quote!(#bound)
    };
    fields.into_iter().filter(plain).map(bound).collect()
}

/// The wrapper in a field's `#[with(…)]`, which was read before.
fn wrapper(field: &Field) -> Option<Type> {
    field.attrs.iter().find(|it| it.path().is_ident("with"))?.parse_args().ok()
}

fn has_cfg(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("cfg"))
}

fn variant(variant: &syn::Variant, root: &Path) -> TokenStream {
    let cfgs = variant.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    let name = variant.ident.unraw().to_string();
    let fields = fields(&variant.fields, root);
    quote! {
        #(#cfgs)*
        {
            walk.variant(#name);
            #fields
        }
    }
}

fn fields(fields: &Fields, root: &Path) -> TokenStream {
    fields.iter().enumerate().map(|(index, it)| field(index, it, root)).collect()
}

fn field(index: usize, field: &Field, root: &Path) -> TokenStream {
    // An attribute macro sees fields that `cfg` will remove.
    let cfgs = field.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    let name = field.ident.as_ref().map_or_else(|| index.to_string(), |it| it.unraw().to_string());
    let ty = &field.ty;
    let part = if let Some(wrapper) = wrapper(field) {
        let text = text(ty);
        let call = quote_spanned! {options::written_for(&wrapper) =>
            <#wrapper as #root::SchemaWith<#ty>>::describe_with(walk, #text);
        };
        quote!({
            walk.variant(#name);
            #call
        })
    } else if data::has_option(&field.attrs, "with") {
        // The wrapper decides what is written, and the type itself may have no schema.
        let (options, ty) = (options_of(&field.attrs), text(ty));
        quote!({
            walk.variant(#name);
            walk.leaf(#ty);
            #options
        })
    } else {
        let call = quote_spanned!(options::written_for(ty) => walk.field::<#ty>(#name););
        let options = options_of(&field.attrs);
        quote!({ #options #call })
    };
    quote!(#(#cfgs)* #part)
}

/// What `#[rkyv(…)]` says may change the layout, so it is part of the description; bounds change nothing.
fn options_of(attrs: &[Attribute]) -> TokenStream {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("rkyv"))
        .filter(|attr| ["with", "niche", "as"].iter().any(|it| names(attr, it)))
        .map(|attr| {
            let text = text(&attr.meta);
            quote!(walk.leaf(#text);)
        })
        .collect()
}

fn names(attr: &Attribute, option: &str) -> bool {
    data::has_option(std::slice::from_ref(attr), option)
}

/// Tokens as text, without the spaces that compilers are free to put between them.
fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().split_whitespace().collect()
}
