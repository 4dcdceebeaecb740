//! `#[message]`: the impl of `Message`, over what `data.rs` writes for any archived type.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Error, LitStr, Path, Result, Token, Type, parse_quote, spanned::Spanned};

use crate::{data, options};

struct Options {
    id: Option<LitStr>,
    local: Option<Span>,
    idempotent: bool,
    reply: Type,
    error: Option<Type>,
    root: Path,
}

fn read(tokens: TokenStream) -> Result<Options> {
    let mut options = Options {
        id: None,
        local: None,
        idempotent: false,
        reply: parse_quote!(()),
        error: None,
        root: options::default_root(),
    };
    options::read(
        tokens,
        &["id", "local", "idempotent", "reply", "error", "crate"],
        |name, input| {
            if name == "local" {
                options.local = Some(name.span());
            } else if name == "idempotent" {
                options.idempotent = true;
            } else if name == "id" {
                options.id = Some(options::id(input)?);
            } else if name == "crate" {
                options.root = options::root(input)?;
            } else {
                input.parse::<Token![=]>()?;
                let ty: Type = input.parse()?;
                if name == "reply" { options.reply = ty } else { options.error = Some(ty) }
            }
            Ok(())
        },
    )?;
    match (&options.id, options.local) {
        (None, None) => Err(Error::new(
            Span::call_site(),
            "a message needs an id that other nodes know it by: write #[message(id = \"area/Name\")], or \
             #[message(local)] if it never leaves its node",
        )),
        (Some(_), Some(local)) => Err(Error::new(
            local,
            "a local message never leaves its node and has no id: remove `local` or the id",
        )),
        _ => Ok(options),
    }
}

pub(crate) fn expand(tokens: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = read(tokens)?;
    let item: DeriveInput = data::parse(item, "#[message]")?;
    if !item.generics.params.is_empty() {
        return Err(Error::new(
            item.generics.span(),
            "a message has one id and one layout, so it cannot be generic: write one message for each type, or make \
             the generic part a #[data] type",
        ));
    }
    let message = implement(&item, &options);
    if options.local.is_some() {
        return Ok(quote!(#item #message));
    }
    let archived = data::archived(item, &options.root)?;
    Ok(quote!(#archived #message))
}

fn implement(item: &DeriveInput, options: &Options) -> TokenStream {
    let Options { id, idempotent, reply, root, .. } = options;
    let ident = &item.ident;
    let (error, output, answer) = match &options.error {
        Some(error) => (
            quote!(#error),
            quote_spanned!(options::written_for(error) => ::core::result::Result<#reply, #error>),
            quote!(output),
        ),
        None => (
            quote!(::core::convert::Infallible),
            quote!(#reply),
            quote!(::core::result::Result::Ok(output)),
        ),
    };
    let name = id.clone().unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()));
    let codec = match id {
        Some(id) => quote_spanned! {options::written_for(reply) =>
            ::core::option::Option::Some(#root::Codec::new(#id))
        },
        None => quote!(::core::option::Option::None),
    };
    quote! {
        #[automatically_derived]
        impl #root::Message for #ident {
            type Reply = #reply;
            type Error = #error;
            type Output = #output;
            const NAME: &'static str = #name;
            const CODEC: ::core::option::Option<#root::Codec<Self>> = #codec;
            const IDEMPOTENT: bool = #idempotent;

            #[inline]
            fn answer(output: Self::Output) -> ::core::result::Result<Self::Reply, Self::Error> {
                #answer
            }
        }
    }
}
