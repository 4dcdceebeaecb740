//! `#[data]`: rkyv's derives and `Schema` on a struct or an enum, also on one that contains itself.
//!
//! rkyv bounds every field in the impls it derives. For a field that holds its own type such a bound is a circle, so
//! it is left out there, and what containers ask for is required once for the whole impl. Read `schema.rs` next.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Field, GenericParam, Ident, Path, PathArguments, Result,
    Type, parse_quote,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::{options, schema};

pub(crate) fn expand(tokens: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut root = options::default_root();
    options::read(tokens, &["crate"], |_, input| {
        root = options::root(input)?;
        Ok(())
    })?;
    archived(parse(item, "#[data]")?, &root)
}

/// Reads the item an attribute stands on; refuses what no attribute of this crate can do anything with.
pub(crate) fn parse(item: TokenStream, attribute: &str) -> Result<DeriveInput> {
    let span = item.span();
    let wrong = |span| {
        Error::new(span, format!("{attribute} stands on a struct or an enum: move it to one"))
    };
    let item: DeriveInput = syn::parse2(item).map_err(|_| wrong(span))?;
    match &item.data {
        Data::Union(union) => Err(wrong(union.union_token.span())),
        Data::Enum(it) if it.variants.is_empty() => Err(Error::new(
            item.ident.span(),
            "an enum without variants has no value that could be sent: add a variant",
        )),
        _ => Ok(item),
    }
}

/// The item with rkyv's derives, and its `Schema`.
pub(crate) fn archived(mut item: DeriveInput, root: &Path) -> Result<TokenStream> {
    if let Some(lifetime) = item.generics.lifetimes().next() {
        return Err(Error::new(
            lifetime.span(),
            "what crosses nodes owns its parts: remove the lifetime, and hold a String, a Vec or a Box",
        ));
    }
    let recursive = close_circles(&mut item);
    let bounds = recursive.then(|| recursive_bounds(&item, root));
    let schema = schema::implement(&item, root);
    wrap(&mut item)?;
    Ok(quote! {
        #schema
        #[derive(#root::rkyv::Archive, #root::rkyv::Serialize, #root::rkyv::Deserialize)]
        #[rkyv(crate = #root::rkyv)]
        #bounds
        #item
    })
}

/// Says `#[with(…)]` on fields as rkyv does. `schema.rs` has read it before: there it says more than rkyv's.
fn wrap(item: &mut DeriveInput) -> Result<()> {
    for field in fields_mut(&mut item.data) {
        for attr in field.attrs.iter_mut().filter(|it| it.path().is_ident("with")) {
            let wrapper: Type = attr.parse_args().map_err(|error| {
                let remedy = "name one type that archives the field: #[with(odeon::AsSerde)]";
                Error::new(error.span(), remedy)
            })?;
            *attr = parse_quote!(#[rkyv(with = #wrapper)]);
        }
    }
    Ok(())
}

/// Names the type in its fields where they say `Self`, because rkyv writes the fields into types of its own, and
/// leaves bounds out where a field holds its own type. Says whether there is such a field.
fn close_circles(item: &mut DeriveInput) -> bool {
    let ident = item.ident.clone();
    let arguments = item.generics.split_for_impl().1.into_token_stream();
    let mut recursive = false;
    for field in fields_mut(&mut item.data) {
        let mut own = OwnName { ident: &ident, arguments: &arguments, found: false };
        own.visit_type_mut(&mut field.ty);
        let given = has_option(&field.attrs, "omit_bounds");
        if own.found && !given {
            field.attrs.push(parse_quote!(#[rkyv(omit_bounds)]));
        }
        recursive |= own.found || given;
    }
    recursive
}

fn fields_mut(data: &mut Data) -> Vec<&mut Field> {
    match data {
        Data::Struct(it) => it.fields.iter_mut().collect(),
        Data::Enum(it) => it.variants.iter_mut().flat_map(|it| it.fields.iter_mut()).collect(),
        Data::Union(_) => Vec::new(),
    }
}

struct OwnName<'a> {
    ident: &'a Ident,
    arguments: &'a TokenStream,
    found: bool,
}

impl VisitMut for OwnName<'_> {
    fn visit_path_mut(&mut self, path: &mut Path) {
        if path.is_ident("Self") {
            let Self { ident, arguments, .. } = self;
            let mut ident = (*ident).clone();
            ident.set_span(ident.span().located_at(path.span()));
            *path = parse_quote!(#ident #arguments);
        }
        self.found |= path.segments.last().is_some_and(|last| {
            last.ident == *self.ident && !matches!(last.arguments, PathArguments::Parenthesized(_))
        });
        visit_mut::visit_path_mut(self, path);
    }
}

/// Whether a `#[rkyv(…)]` among `attrs` names `option`.
pub(crate) fn has_option(attrs: &[Attribute], option: &str) -> bool {
    attrs.iter().filter(|attr| attr.path().is_ident("rkyv")).any(|attr| {
        let syn::Meta::List(list) = &attr.meta else { return false };
        list.tokens
            .clone()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Ident(ident) if ident == option))
    })
}

/// What all containers of rkyv together ask of a serializer, a deserializer and a check; a user's own bounds win.
fn recursive_bounds(item: &DeriveInput, root: &Path) -> TokenStream {
    let rkyv = quote!(#root::rkyv);
    let params: Vec<&Ident> = item
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(it) => Some(&it.ident),
            _ => None,
        })
        .collect();
    let archived: Vec<Type> =
        params.iter().map(|it| parse_quote!(<#it as #rkyv::Archive>::Archived)).collect();
    let options = [
        ("archive_bounds", quote!(archive_bounds(#(#params: #rkyv::Archive,)*))),
        (
            "serialize_bounds",
            quote!(serialize_bounds(
                __S: #rkyv::ser::Writer + #rkyv::ser::Allocator,
                <__S as #rkyv::rancor::Fallible>::Error: #rkyv::rancor::Source,
                #(#params: #rkyv::Serialize<__S>,)*
            )),
        ),
        (
            "deserialize_bounds",
            quote!(deserialize_bounds(
                <__D as #rkyv::rancor::Fallible>::Error: #rkyv::rancor::Source,
                #(#archived: #rkyv::Deserialize<#params, __D>,)*
            )),
        ),
        (
            "bytecheck",
            quote!(bytecheck(bounds(
                __C: #rkyv::validation::ArchiveContext,
                <__C as #rkyv::rancor::Fallible>::Error: #rkyv::rancor::Source,
                #(#archived: #rkyv::bytecheck::CheckBytes<__C>,)*
            ))),
        ),
    ];
    options
        .into_iter()
        .filter(|(name, _)| !has_option(&item.attrs, name))
        .map(|(_, option)| quote!(#[rkyv(#option)]))
        .collect()
}
