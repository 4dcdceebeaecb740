//! What stands in the brackets of an attribute, and the way every attribute is expanded.
//!
//! Options are read by one loop that knows the names an attribute takes; an unknown or repeated one is refused here.
//! Read `message.rs` next.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Error, Ident, LitStr, Path, Result, Token, Type,
    ext::IdentExt,
    parenthesized,
    parse::{ParseStream, Parser},
    parse_quote,
    punctuated::Punctuated,
    spanned::Spanned,
};

/// A span for what is written because of `tokens`: errors point there, and names mean what they mean in the rest of
/// what is written, also when `tokens` came out of a `macro_rules!`.
pub(crate) fn written_for(tokens: &impl Spanned) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// Longest id, in bytes: ids stand in traces and handshakes.
const ID_BYTES_MAX: usize = 128;

/// Runs an attribute; on an error the item stays as it is, so that its users see no further errors.
pub(crate) fn expand(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    attribute: fn(TokenStream, TokenStream) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    expand_or(options, item, attribute, |item| item)
}

/// As [`expand`], where something must come off the item after an error.
pub(crate) fn expand_or(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
    attribute: fn(TokenStream, TokenStream) -> Result<TokenStream>,
    plain: fn(TokenStream) -> TokenStream,
) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    attribute(options.into(), item.clone())
        .unwrap_or_else(|error| {
            let (error, item) = (error.into_compile_error(), plain(item));
            quote!(#error #item)
        })
        .into()
}

/// Reads `options`, handing every name to `option` with the input behind it.
pub(crate) fn read(
    options: TokenStream,
    known: &[&str],
    mut option: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    let mut seen: Vec<Ident> = Vec::new();
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            if !known.iter().any(|known| name == known) {
                let text =
                    format!("unknown option `{name}`: this attribute takes {}", known.join(", "));
                return Err(Error::new(name.span(), text));
            }
            if seen.contains(&name) {
                let text = format!("`{name}` is given twice: remove one of them");
                return Err(Error::new(name.span(), text));
            }
            option(&name, input)?;
            seen.push(name);
            if input.is_empty() {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        Ok(())
    };
    parser.parse2(options)
}

/// The root that generated code names things through, unless `crate = path` is given.
pub(crate) fn default_root() -> Path {
    parse_quote!(::odeon)
}

/// Reads `= path`.
pub(crate) fn root(input: ParseStream<'_>) -> Result<Path> {
    input.parse::<Token![=]>()?;
    Path::parse_mod_style(input)
}

/// Reads `= "an/id"` and checks it.
pub(crate) fn id(input: ParseStream<'_>) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    checked(input.parse()?)
}

/// An id whose form is good.
pub(crate) fn checked(id: LitStr) -> Result<LitStr> {
    let text = id.value();
    let problem = if text.is_empty() {
        Some("the id is empty".to_owned())
    } else if text.len() > ID_BYTES_MAX {
        Some(format!("the id has {} bytes, and {ID_BYTES_MAX} are the most", text.len()))
    } else {
        text.chars()
            .find(|c| !matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '.' | '/' | '-'))
            .map(|c| format!("the id has {c:?} in it"))
    };
    match problem {
        None => Ok(id),
        Some(problem) => Err(Error::new(
            id.span(),
            format!(
                "{problem}: write 1 to {ID_BYTES_MAX} letters, digits, `_`, `.`, `/` or `-`, such as \"bank/Deposit\""
            ),
        )),
    }
}

/// A list of types in parentheses, none of them twice.
pub(crate) fn types(input: ParseStream<'_>) -> Result<Vec<Type>> {
    let list;
    parenthesized!(list in input);
    let types = Punctuated::<Type, Token![,]>::parse_terminated(&list)?;
    let types: Vec<Type> = types.into_iter().collect();
    refuse_twice(&types)?;
    Ok(types)
}

/// Refuses a type that stands in both lists.
pub(crate) fn refuse_both(handles: &[Type], views: &[Type]) -> Result<()> {
    let text = |ty: &Type| ty.to_token_stream().to_string();
    let both = views.iter().find(|view| handles.iter().any(|ty| text(ty) == text(view)));
    match both {
        None => Ok(()),
        Some(both) => Err(Error::new(
            both.span(),
            format!(
                "`{}` is in handles(…) and in views(…): leave it in views(…) to have it read in place, or in \
                 handles(…) to have a value made of it",
                text(both)
            ),
        )),
    }
}

fn refuse_twice(types: &[Type]) -> Result<()> {
    let texts: Vec<String> = types.iter().map(|ty| ty.to_token_stream().to_string()).collect();
    match (1..types.len()).find(|&at| texts[..at].contains(&texts[at])) {
        None => Ok(()),
        Some(at) => Err(Error::new(
            types[at].span(),
            format!("`{}` is in the list twice: remove one of them", texts[at]),
        )),
    }
}
