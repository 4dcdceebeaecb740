//! The attribute of simulator tests.
//!
//! What it is: [`macro@test`], which turns an async function over a world into an ordinary test that runs it once a
//! seed. What it is NOT: usable by itself; expansions name `::odeon_sim`, which re-exports it.

use proc_macro::TokenStream;
use quote::quote;
use syn::{
    Expr, Ident, ItemFn, Token, parse::Parse, parse::ParseStream, parse_macro_input,
    spanned::Spanned as _,
};

/// Turns `async fn name(world: &mut World)` into a test that runs it once a seed, each in a fresh program.
///
/// The function returns `()` or a `Result` whose error fails the seed. A function that is not async and takes nothing,
/// `fn name() -> impl Scenario`, makes a scenario, which the test plays with the faults and the workload of each seed.
/// Options, all of them optional:
/// * `seeds = 0..10`: a number or a range of `u64`. `ODEON_SEED=7` (or `7..9`) in the environment overrides it;
///   for a scenario, `ODEON_REPLAY=file` plays a replay file instead.
/// * `link = quic`: what connections run on: `quic`, `frames`, or `both`, each seed first on the one, then on the other.
///   `ODEON_LINK=frames` in the environment overrides it. (`links = both` says the same.)
/// * `repeat = 1`: in how many fresh programs each seed is run; their hashes must be equal.
/// * `limit_s = 60`: seconds of real time until a run is killed.
/// * `fails = "text"`: every seed must fail, with a problem that contains the text.
/// * `schedule = Schedule::Random`: the order of nodes and actors that are ready together; `ODEON_SCHEDULE=pct:3:500` (or
///   `fifo`, `random`) in the environment overrides it.
/// * `buggify = 0`: how many of a hundred places that say `buggify!` are on; `ODEON_BUGGIFY=25` overrides it.
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as Options);
    let function = parse_macro_input!(function as ItemFn);
    expand(&options, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[derive(Default)]
struct Options {
    settings: Vec<(Ident, Expr)>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            options.settings.push((name, input.parse()?));
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

fn expand(options: &Options, function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    let signature = &function.sig;
    let is_body = match (signature.asyncness.is_some(), signature.inputs.len()) {
        (true, 1) => true,
        (false, 0) => false,
        _ => {
            let text = "a simulator test is `async fn name(world: &mut World)`, or, for a scenario, \
                        `fn name() -> impl Scenario`";
            return Err(syn::Error::new(signature.span(), text));
        }
    };
    let settings = options.settings.iter().map(|(name, value)| setting(name, value));
    let settings = settings.collect::<syn::Result<Vec<_>>>()?;
    let (name, attributes, block) = (&signature.ident, &function.attrs, &function.block);
    let (input, output) = (&signature.inputs, &signature.output);
    let (asyncness, trial) = if is_body {
        (quote!(async), quote!(::odeon_sim::scenario!))
    } else {
        (quote!(), quote!(::odeon_sim::play!))
    };
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() {
            #asyncness fn scenario(#input) #output #block
            let mut options = ::odeon_sim::Options::default();
            #(#settings)*
            ::odeon_sim::runner::test(&#trial(#name, scenario), &options);
        }
    })
}

fn setting(name: &Ident, value: &Expr) -> syn::Result<proc_macro2::TokenStream> {
    match name.to_string().as_str() {
        "seeds" => Ok(quote!(options.seeds = ::odeon_sim::runner::Seeds::from(#value);)),
        "link" | "links" => link(value),
        "repeat" => Ok(quote!(options.repeat = #value;)),
        "limit_s" => Ok(quote!(options.limit = ::core::time::Duration::from_secs(#value);)),
        "fails" => Ok(quote!(options.fails = ::core::option::Option::Some(#value);)),
        "schedule" => Ok(quote!(options.schedule = #value;)),
        "buggify" => Ok(quote!(options.buggify = #value;)),
        other => {
            let text = format!(
                "unknown option `{other}`: there are seeds, link, repeat, limit_s, fails, schedule and buggify"
            );
            Err(syn::Error::new(name.span(), text))
        }
    }
}

fn link(value: &Expr) -> syn::Result<proc_macro2::TokenStream> {
    let name = match value {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    };
    let variant = match name.as_deref() {
        Some("quic") => quote!(Quic),
        Some("frames") => quote!(Frames),
        Some("both") => quote!(Both),
        _ => return Err(syn::Error::new(value.span(), "a link is `quic`, `frames` or `both`")),
    };
    Ok(quote!(options.links = ::odeon_sim::runner::Links::#variant;))
}
