//! `#[actor]`: the id of an actor type, and the table of what other nodes may send to it.
//!
//! On `impl Actor for …` it adds to what is written there. On an actor's own `impl` it writes everything else from
//! the methods; that is in `calls.rs`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, ImplItem, ItemImpl, LitStr, Path, Result, Type, parse_quote, spanned::Spanned};

use crate::{calls, options};

/// What stands in the brackets.
pub(crate) struct Options {
    pub(crate) id: Option<LitStr>,
    pub(crate) handles: Vec<Type>,
    pub(crate) views: Vec<Type>,
    pub(crate) root: Path,
}

fn read(tokens: TokenStream) -> Result<Options> {
    let mut options =
        Options { id: None, handles: Vec::new(), views: Vec::new(), root: options::default_root() };
    options::read(tokens, &["id", "handles", "views", "crate"], |name, input| {
        if name == "id" {
            options.id = Some(options::id(input)?);
        } else if name == "crate" {
            options.root = options::root(input)?;
        } else if name == "views" {
            options.views = options::types(input)?;
        } else {
            options.handles = options::types(input)?;
        }
        Ok(())
    })?;
    options::refuse_both(&options.handles, &options.views)?;
    Ok(options)
}

fn no_id() -> Error {
    Error::new(
        Span::call_site(),
        "an actor that other nodes reach needs an id that they know it by: write \
         #[actor(id = \"area/Name\", handles(…))], or remove #[actor] if the actor stays on its node",
    )
}

pub(crate) fn expand(tokens: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let item = parse(item)?;
    let options = read(tokens)?;
    if item.trait_.is_none() {
        return calls::expand(item, options);
    }
    extend(item, options)
}

/// Adds id and table to an impl of `Actor`.
fn extend(mut item: ItemImpl, options: Options) -> Result<TokenStream> {
    let Options { id, handles, views, root } = options;
    let id = id.ok_or_else(no_id)?;
    let remote: TokenStream =
        handles.iter().chain(&views).map(|ty| assert_remote(ty, &root)).collect();
    let actor = &item.self_ty;
    // A constant outside of the impl cannot name its parameters.
    let named = item.generics.params.is_empty();
    let checked = handles.iter().filter(|_| named);
    let values: TokenStream = checked.map(|ty| assert_value(actor, ty, &root)).collect();
    let handles = handles
        .iter()
        .map(|ty| quote_spanned!(options::written_for(ty) => table.handles::<#ty>();));
    let checked = views.iter().filter(|_| named);
    let alone: TokenStream = checked.map(|ty| assert_alone(actor, ty, &root)).collect();
    let in_place = list_views(&views);
    let table = match handles.len() + views.len() {
        0 => quote!(_table),
        _ => quote!(table),
    };
    item.items.insert(
        0,
        parse_quote! {
            const ID: ::core::option::Option<&'static str> = ::core::option::Option::Some(#id);
        },
    );
    item.items.push(parse_quote! {
        #[doc(hidden)]
        fn accept(#table: &mut #root::Accepts<Self>) {
            #(#handles)*
            #in_place
        }
    });
    Ok(quote!(#item #remote #values #alone))
}

/// The lines of the table for messages that are read in place.
pub(crate) fn list_views(views: &[Type]) -> TokenStream {
    let lines =
        views.iter().map(|ty| quote_spanned!(options::written_for(ty) => table.views::<#ty>();));
    quote!(#(#lines)*)
}

/// A message with a view handler is not listed as one that becomes a value: that handler would never run.
pub(crate) fn assert_value(actor: &impl ToTokens, ty: &Type, root: &Path) -> TokenStream {
    let text = format!(
        "there is a `ViewHandler<{0}>`, which `handles(…)` would never call: move `{0}` to `views(…)`",
        ty.to_token_stream()
    );
    quote_spanned! {options::written_for(ty) =>
        const _: () = {
            #[allow(unused_imports, reason = "it is the fallback where nothing is read in place")]
            use #root::NoView as _;
            ::core::assert!(!<#root::Views<#actor, #ty>>::READ, #text);
        };
    }
}

/// A view handler has its actor to itself, and so has the handler of values beside it.
pub(crate) fn assert_alone(actor: &impl ToTokens, ty: &Type, root: &Path) -> TokenStream {
    let text = format!(
        "`{0}` is a read, which runs beside others, and a view handler runs alone: list `{0}` in `handles(…)`",
        ty.to_token_stream()
    );
    quote_spanned! {options::written_for(ty) =>
        const _: () = ::core::assert!(!<#actor as #root::Handler<#ty>>::READS, #text);
    }
}

/// Only an item is checked on every build: a constant inside a function would wait until the function is used.
pub(crate) fn assert_remote(ty: &Type, root: &Path) -> TokenStream {
    let text = format!(
        "`{}` is declared local, so no other node can send it: take it out of the list, or give the message an id",
        ty.to_token_stream()
    );
    quote_spanned! {options::written_for(ty) =>
        const _: () = ::core::assert!(<#ty as #root::Message>::CODEC.is_some(), #text);
    }
}

/// Reads an actor's own impl, or `impl Actor for …` without what the attribute writes into it.
fn parse(item: TokenStream) -> Result<ItemImpl> {
    let span = item.span();
    let wrong = |span, what: &str| {
        Error::new(
            span,
            format!(
                "{what}: put #[actor] on `impl Actor for …`, or on the actor's own impl with #[handler] methods"
            ),
        )
    };
    let item: ItemImpl = syn::parse2(item).map_err(|_| wrong(span, "this is not an impl"))?;
    let Some((path, _)) = &item.trait_ else { return Ok(item) };
    if path.segments.last().is_none_or(|last| last.ident != "Actor") {
        return Err(wrong(path.span(), "this is the impl of another trait"));
    }
    for inner in &item.items {
        let written = match inner {
            ImplItem::Const(it) if it.ident == "ID" => Some((it.ident.span(), "ID")),
            ImplItem::Fn(it) if it.sig.ident == "accept" => Some((it.sig.ident.span(), "accept")),
            _ => None,
        };
        if let Some((span, name)) = written {
            return Err(Error::new(span, format!("#[actor] writes `{name}`: remove it here")));
        }
    }
    Ok(item)
}
