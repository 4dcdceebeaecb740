//! `#[message]`: the impl of `Message`, over what `data.rs` writes for any archived type.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{DeriveInput, Error, LitStr, Path, Result, Token, Type, parse_quote, spanned::Spanned};

use crate::{data, options};

struct Options {
    id: Option<LitStr>,
    local: Option<Span>,
    idempotent: bool,
    accepts: Vec<Type>,
    reply: Option<Type>,
    stream: Option<Type>,
    error: Option<Type>,
    root: Path,
}

fn read(tokens: TokenStream) -> Result<Options> {
    let mut options = Options {
        id: None,
        local: None,
        idempotent: false,
        accepts: Vec::new(),
        reply: None,
        stream: None,
        error: None,
        root: options::default_root(),
    };
    options::read(
        tokens,
        &["id", "local", "idempotent", "accepts", "reply", "stream", "error", "crate"],
        |name, input| {
            if name == "local" {
                options.local = Some(name.span());
            } else if name == "idempotent" {
                options.idempotent = true;
            } else if name == "id" {
                options.id = Some(options::id(input)?);
            } else if name == "crate" {
                options.root = options::root(input)?;
            } else if name == "accepts" {
                options.accepts = options::types(input)?;
            } else {
                input.parse::<Token![=]>()?;
                let ty: Type = input.parse()?;
                let option = match name {
                    name if name == "reply" => &mut options.reply,
                    name if name == "stream" => &mut options.stream,
                    _ => &mut options.error,
                };
                *option = Some(ty);
            }
            Ok(())
        },
    )?;
    refuse_with_stream(&options)?;
    if let (Some(_), Some(former)) = (options.local, options.accepts.first()) {
        return Err(Error::new(
            former.span(),
            "a local message never leaves its node, so no other node can send an older layout of it: remove `accepts`",
        ));
    }
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

/// What a message whose reply is a stream cannot have.
fn refuse_with_stream(options: &Options) -> Result<()> {
    let Some(item) = &options.stream else { return Ok(()) };
    if let Some(reply) = &options.reply {
        return Err(Error::new(
            reply.span(),
            "the reply of this message is its stream: remove `reply`, or make it a part of the items",
        ));
    }
    if options.idempotent {
        return Err(Error::new(
            item.span(),
            "a stream that was begun is not begun again for another attempt: remove `idempotent`, and ask again from \
             where the stream ended",
        ));
    }
    Ok(())
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
    let Options { id, idempotent, root, .. } = options;
    let ident = &item.ident;
    let reply: Type = match (&options.reply, &options.stream) {
        (_, Some(item)) => {
            syn::parse2(quote_spanned!(options::written_for(item) => #root::Items<#item>))
                .expect("a type in the angle brackets of a path is a type")
        }
        (Some(reply), None) => reply.clone(),
        (None, None) => parse_quote!(()),
    };
    let make = match options.stream {
        Some(_) => quote_spanned!(options::written_for(&reply) => streaming),
        None => quote_spanned!(options::written_for(&reply) => new),
    };
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
        Some(id) => quote_spanned! {options::written_for(&reply) =>
            ::core::option::Option::Some(#root::Codec::#make(#id))
        },
        None => quote!(::core::option::Option::None),
    };
    let (formers, checks) = formers(options, &name);
    quote! {
        #[automatically_derived]
        impl #root::Message for #ident {
            type Reply = #reply;
            type Error = #error;
            type Output = #output;
            const NAME: &'static str = #name;
            const CODEC: ::core::option::Option<#root::Codec<Self>> = #codec;
            const IDEMPOTENT: bool = #idempotent;

            #formers

            #[inline]
            fn answer(output: Self::Output) -> ::core::result::Result<Self::Reply, Self::Error> {
                #answer
            }
        }
        #checks
    }
}

/// Tells of the older layouts, and checks on every build that each is one of this message.
fn formers(options: &Options, name: &LitStr) -> (TokenStream, TokenStream) {
    let Options { accepts, root, .. } = options;
    if accepts.is_empty() {
        return Default::default();
    }
    // Outside of the function, which nobody may use in this crate.
    let checks = accepts.iter().map(|former| {
        let text = format!(
            "`{}` is no older layout of this message, because its id is another one: give both the id {:?}",
            former.to_token_stream(),
            name.value(),
        );
        quote_spanned! {options::written_for(former) =>
            const _: () = ::core::assert!(#root::is_same_id(<#former as #root::Message>::NAME, #name), #text);
        }
    });
    let calls = accepts
        .iter()
        .map(|former| quote_spanned!(options::written_for(former) => formers.former::<#former>();));
    let function = quote! {
        #[doc(hidden)]
        fn formers(formers: &mut impl #root::Formers<Self>) {
            #(#calls)*
        }
    };
    (function, quote!(#(#checks)*))
}
