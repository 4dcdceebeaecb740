//! `#[odeon::main]` and `#[odeon::test]`: a function that begins a program or a test, around an async body.
//!
//! What is written is a call of the runtime's own entry functions; what they do is said there (`odeon`'s `entry.rs`).

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, FnArg, ItemFn, LitInt, LitStr, Pat, Path, Result, Token, parse_quote, spanned::Spanned,
};

use crate::options;

/// The name of a node whose program does not say another.
const NAME: &str = "main";

pub(crate) fn main(tokens: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut name: Option<LitStr> = None;
    let mut root = options::default_root();
    options::read(tokens, &["name", "crate"], |option, input| {
        if option == "crate" {
            root = options::root(input)?;
        } else {
            input.parse::<Token![=]>()?;
            name = Some(input.parse()?);
        }
        Ok(())
    })?;
    let entry = Entry::read(item, "#[odeon::main]")?;
    if let (Some(name), None) = (&name, &entry.node) {
        let text =
            "nobody takes a node here: remove the name, or write `async fn main(node: Node)`";
        return Err(Error::new(name.span(), text));
    }
    let name = name.unwrap_or_else(|| LitStr::new(NAME, proc_macro2::Span::call_site()));
    Ok(entry.write(&parse_quote!(#root::entry), |body, node| match node {
        Some(node) => quote!(main_with_node(#name, async move |#node| #body)),
        None => quote!(main(async move #body)),
    }))
}

pub(crate) fn test(tokens: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut exits: Option<LitInt> = None;
    let mut root = options::default_root();
    options::read(tokens, &["exits", "crate"], |option, input| {
        if option == "crate" {
            root = options::root(input)?;
        } else {
            input.parse::<Token![=]>()?;
            exits = Some(input.parse()?);
        }
        Ok(())
    })?;
    let exits = exits.map_or(Ok(0), |exits| exits.base10_parse::<u64>())?;
    let entry = Entry::read(item, "#[odeon::test]")?;
    if entry.node.is_none() {
        let text = "the test's node is what is watched for unexpected exits: write `async fn test(node: Node)`";
        return Err(Error::new(entry.item.sig.span(), text));
    }
    let written = entry.write(
        &parse_quote!(#root::entry),
        |body, node| quote!(test(#exits, async move |#node| #body)),
    );
    Ok(quote!(#[::core::prelude::v1::test] #written))
}

/// The function that an attribute stands on.
struct Entry {
    item: ItemFn,
    node: Option<TokenStream>,
}

impl Entry {
    fn read(item: TokenStream, attribute: &str) -> Result<Self> {
        let span = item.span();
        let item: ItemFn = syn::parse2(item)
            .map_err(|_| Error::new(span, format!("put {attribute} on an async function")))?;
        if item.sig.asyncness.is_none() {
            let text =
                format!("{attribute} runs an async function: write `async fn {}`", item.sig.ident);
            return Err(Error::new(item.sig.span(), text));
        }
        let node = match item.sig.inputs.first() {
            None => None,
            Some(FnArg::Typed(typed)) if item.sig.inputs.len() == 1 => {
                let Pat::Ident(_) = &*typed.pat else {
                    return Err(Error::new(
                        typed.pat.span(),
                        "give the node a plain name: `node: Node`",
                    ));
                };
                Some(quote!(#typed))
            }
            Some(_) => {
                let text = "the one argument that there can be is the node: `node: Node`";
                return Err(Error::new(item.sig.inputs.span(), text));
            }
        };
        Ok(Self { item, node })
    }

    /// The function without `async` and arguments, whose body calls an entry function with the old body.
    fn write(
        &self,
        entry: &Path,
        call: impl FnOnce(&syn::Block, Option<&TokenStream>) -> TokenStream,
    ) -> TokenStream {
        let ItemFn { attrs, vis, sig, block, .. } = &self.item;
        let (name, output) = (&sig.ident, &sig.output);
        let call = call(block, self.node.as_ref());
        quote! {
            #(#attrs)*
            #vis fn #name() #output {
                #entry::#call
            }
        }
    }
}
