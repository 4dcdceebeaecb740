//! One method of an actor's own impl: what its attribute says and what its signature means.
//!
//! `#[handler("area/Message")]` or `#[handler(local)]`, with `message = Name` where the name of the message matters, and
//! `read` where it only looks at the actor;
//! `#[start]`, `#[stopped]`, `#[terminated]` on those that are called by the runtime. Attributes are taken off.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ImplItemFn, LitStr, Meta, Pat, Path,
    PathArguments, ReceiverKind, Result, ReturnType, Signature, Token, Type, Visibility,
    ext::IdentExt, parse::ParseStream, parse_quote, spanned::Spanned,
};

use crate::options;

/// A method that means something.
pub(super) enum Method {
    Call(Box<Call>),
    Hook(Hook),
}

/// A method that callers use.
pub(super) struct Call {
    pub(super) function: Ident,
    pub(super) visibility: Visibility,
    pub(super) docs: Vec<Attribute>,
    /// `None` if it is local.
    pub(super) id: Option<LitStr>,
    pub(super) message: Ident,
    pub(super) arguments: Vec<(Ident, Type)>,
    pub(super) context: bool,
    /// It takes `&self`, and runs beside others of its kind.
    pub(super) reads: bool,
    pub(super) is_async: bool,
    pub(super) reply: Type,
    pub(super) error: Option<Type>,
}

/// What the runtime calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HookKind {
    Start,
    Stopped,
    Terminated,
}

/// A method that the runtime calls.
pub(super) struct Hook {
    pub(super) kind: HookKind,
    pub(super) function: Ident,
    arguments: Vec<(Ident, Type)>,
    context: bool,
    is_async: bool,
    result: bool,
}

impl HookKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stopped => "stopped",
            Self::Terminated => "terminated",
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let all = [Self::Start, Self::Stopped, Self::Terminated];
        all.into_iter().find(|kind| path.is_ident(kind.name()))
    }
}

/// What `#[handler(…)]` says.
#[derive(Default)]
struct Said {
    id: Option<LitStr>,
    local: bool,
    read: bool,
    message: Option<Ident>,
}

/// Whether the attribute gives a method its meaning.
pub(super) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("handler") || HookKind::of(attribute.path()).is_some()
}

/// Reads a method and takes its attribute off; `None` if it has none of ours.
pub(super) fn read(function: &mut ImplItemFn, actor: &Ident) -> Result<Option<Method>> {
    let Some(at) = function.attrs.iter().position(is_ours) else { return Ok(None) };
    let attribute = function.attrs.remove(at);
    if let Some(second) = function.attrs.iter().find(|it| is_ours(it)) {
        return Err(Error::new(second.span(), "one method has one meaning: remove this attribute"));
    }
    plain(&function.sig)?;
    Ok(Some(match HookKind::of(attribute.path()) {
        Some(kind) => Method::Hook(hook(kind, &attribute, &function.sig)?),
        None => Method::Call(Box::new(call(&attribute, function, actor)?)),
    }))
}

fn plain(signature: &Signature) -> Result<()> {
    if !signature.generics.params.is_empty() {
        let text = "a message has one layout: a method with generic parameters cannot be one";
        return Err(Error::new(signature.generics.span(), text));
    }
    Ok(())
}

fn call(attribute: &Attribute, function: &ImplItemFn, actor: &Ident) -> Result<Call> {
    let Said { id, message, read, .. } = said(attribute)?;
    let signature = &function.sig;
    if read {
        reader(signature)?
    } else {
        receiver(signature)?
    }
    let (arguments, context) = arguments(signature)?;
    let (reply, error) = split(&signature.output)?;
    let default = || format_ident!("{actor}{}", pascal(&signature.ident));
    Ok(Call {
        function: signature.ident.clone(),
        visibility: function.vis.clone(),
        docs: function.attrs.iter().filter(|it| it.path().is_ident("doc")).cloned().collect(),
        id,
        message: message.unwrap_or_else(default),
        arguments,
        context,
        reads: read,
        is_async: signature.asyncness.is_some(),
        reply,
        error,
    })
}

fn said(attribute: &Attribute) -> Result<Said> {
    let wrong = |span| {
        let text = "a handler says what other nodes know its message by, or that it is local: write \
                    #[handler(\"area/Message\")] or #[handler(local)]";
        Error::new(span, text)
    };
    let Meta::List(list) = &attribute.meta else { return Err(wrong(attribute.span())) };
    let mut said = Said::default();
    let mut read = |input: ParseStream<'_>| -> Result<()> {
        while !input.is_empty() {
            if input.peek(LitStr) {
                said.id = Some(options::checked(input.parse()?)?);
            } else {
                option(&mut said, input)?;
            }
            if input.is_empty() {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        Ok(())
    };
    list.parse_args_with(&mut read)?;
    if said.id.is_some() == said.local {
        return Err(wrong(list.span()));
    }
    Ok(said)
}

fn option(said: &mut Said, input: ParseStream<'_>) -> Result<()> {
    let name: Ident = input.call(Ident::parse_any)?;
    if name == "local" {
        said.local = true;
    } else if name == "read" {
        said.read = true;
    } else if name == "message" {
        input.parse::<Token![=]>()?;
        said.message = Some(input.parse()?);
    } else {
        let text = format!(
            "unknown option `{name}`: a handler takes an id or local, read, and message = Name"
        );
        return Err(Error::new(name.span(), text));
    }
    Ok(())
}

fn receiver(signature: &Signature) -> Result<()> {
    let kind = signature.receiver().map(|it| &it.kind);
    if matches!(kind, Some(ReceiverKind::Reference(_, _, Some(_)))) {
        return Ok(());
    }
    let text =
        format!("`{}` is called on the running actor: it takes `&mut self`", signature.ident);
    Err(Error::new(signature.span(), text))
}

fn reader(signature: &Signature) -> Result<()> {
    let kind = signature.receiver().map(|it| &it.kind);
    if matches!(kind, Some(ReceiverKind::Reference(_, _, None))) {
        return Ok(());
    }
    let text = format!("`{}` only reads the running actor: it takes `&self`", signature.ident);
    Err(Error::new(signature.span(), text))
}

/// The arguments by name, and whether the last is the context.
fn arguments(signature: &Signature) -> Result<(Vec<(Ident, Type)>, bool)> {
    let mut arguments = Vec::new();
    let mut context = false;
    for input in &signature.inputs {
        let FnArg::Typed(typed) = input else { continue };
        if context {
            return Err(Error::new(
                input.span(),
                "the context is the last argument: move it there",
            ));
        }
        if is_context(&typed.ty) {
            context = true;
            continue;
        }
        let Pat::Ident(name) = &*typed.pat else {
            let text = "an argument becomes a field of the message: give it a plain name";
            return Err(Error::new(typed.pat.span(), text));
        };
        if let Type::Reference(reference) = &*typed.ty {
            let text = "an argument travels with the message: take it by value";
            return Err(Error::new(reference.span(), text));
        }
        arguments.push((name.ident.clone(), (*typed.ty).clone()));
    }
    Ok((arguments, context))
}

fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(it) = &*reference.elem else { return false };
    let last = it.path.segments.last();
    last.is_some_and(|last| last.ident == "Context" || last.ident == "ReadContext")
}

/// Reply and error of a return type.
fn split(output: &ReturnType) -> Result<(Type, Option<Type>)> {
    let ReturnType::Type(_, ty) = output else { return Ok((parse_quote!(()), None)) };
    let Some(arguments) = result_arguments(ty) else { return Ok(((**ty).clone(), None)) };
    let types: Vec<&Type> = arguments
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect();
    match types[..] {
        [reply, error] => Ok((reply.clone(), Some(error.clone()))),
        _ => Err(Error::new(
            ty.span(),
            "the error is a part of the message: write both types, `Result<Reply, Error>`",
        )),
    }
}

fn result_arguments(ty: &Type) -> Option<Vec<GenericArgument>> {
    let Type::Path(it) = ty else { return None };
    let last = it.path.segments.last().filter(|last| last.ident == "Result")?;
    match &last.arguments {
        PathArguments::AngleBracketed(it) => Some(it.args.iter().cloned().collect()),
        _ => Some(Vec::new()),
    }
}

/// `get_balance` as `GetBalance`.
fn pascal(name: &Ident) -> String {
    let name = name.unraw().to_string();
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The item of a reply that is a stream of items.
fn streamed(reply: &Type) -> Option<&Type> {
    let Type::Path(it) = reply else { return None };
    let last = it.path.segments.last().filter(|last| last.ident == "Items")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(item)) if arguments.args.len() == 1 => Some(item),
        _ => None,
    }
}

impl Call {
    /// What the attribute of its message says of the answer.
    pub(super) fn answer(&self) -> TokenStream {
        let reply = &self.reply;
        match streamed(reply) {
            Some(item) => quote!(stream = #item),
            None => quote!(reply = #reply),
        }
    }

    pub(super) fn output(&self) -> TokenStream {
        let reply = &self.reply;
        match &self.error {
            Some(error) => quote!(::core::result::Result<#reply, #error>),
            None => reply.to_token_stream(),
        }
    }
}

fn hook(kind: HookKind, attribute: &Attribute, signature: &Signature) -> Result<Hook> {
    if !matches!(attribute.meta, Meta::Path(_)) {
        let text = format!("#[{}] takes no options: remove them", kind.name());
        return Err(Error::new(attribute.span(), text));
    }
    let (arguments, context, result) = if kind == HookKind::Start {
        if let Some(receiver) = signature.receiver() {
            let text =
                "#[start] makes the actor, so there is no self yet: take what it starts from";
            return Err(Error::new(receiver.span(), text));
        }
        let result = match &signature.output {
            ReturnType::Type(_, ty) => result_arguments(ty).is_some(),
            ReturnType::Default => false,
        };
        let (arguments, context) = arguments(signature)?;
        (arguments, context, result)
    } else {
        receiver(signature)?;
        let context = signature.inputs.iter().any(|input| match input {
            FnArg::Typed(typed) => is_context(&typed.ty),
            FnArg::Receiver(_) => false,
        });
        let others = signature.inputs.len() - 1 - usize::from(context);
        if others > 1 {
            let text = format!("#[{}] takes what happened, and the context after it", kind.name());
            return Err(Error::new(signature.span(), text));
        }
        let arguments = signature.inputs.iter().skip(1).take(others);
        let arguments = arguments.filter_map(|input| match input {
            FnArg::Typed(typed) => Some((format_ident!("__what"), (*typed.ty).clone())),
            FnArg::Receiver(_) => None,
        });
        (arguments.collect(), context, false)
    };
    let (function, is_async) = (signature.ident.clone(), signature.asyncness.is_some());
    Ok(Hook { kind, function, arguments, context, is_async, result })
}

impl Hook {
    fn called(&self, first: Option<TokenStream>) -> TokenStream {
        let function = &self.function;
        let names = self.arguments.iter().map(|(name, _)| name);
        let context = self.context.then(|| quote!(__context,));
        let called = quote!(Self::#function(#first #(#names,)* #context));
        if self.is_async { quote!(#called.await) } else { called }
    }

    /// `type Args` and `start`.
    pub(super) fn start(&self, root: &Path) -> TokenStream {
        let names: Vec<&Ident> = self.arguments.iter().map(|(name, _)| name).collect();
        let types: Vec<&Type> = self.arguments.iter().map(|(_, ty)| ty).collect();
        let (args, open) = match (&names[..], &types[..]) {
            ([name], [ty]) => (quote!(#ty), quote!(#name)),
            _ => (quote!((#(#types,)*)), quote!((#(#names,)*))),
        };
        let called = self.called(None);
        let value = if self.result { called } else { quote!(::core::result::Result::Ok(#called)) };
        quote! {
            type Args = #args;

            async fn start(
                #open: Self::Args,
                __context: &mut #root::Context<Self>,
            ) -> ::core::result::Result<Self, #root::StartError> {
                let _ = &__context;
                #value
            }
        }
    }

    /// `stopped` or `terminated`.
    pub(super) fn end(&self, root: &Path) -> Option<TokenStream> {
        let (name, what) = match self.kind {
            HookKind::Start => return None,
            HookKind::Stopped => (format_ident!("stopped"), quote!(&#root::ExitReason)),
            HookKind::Terminated => (format_ident!("terminated"), quote!(#root::Terminated)),
        };
        let called = self.called(Some(quote!(self,)));
        Some(quote! {
            async fn #name(&mut self, __what: #what, __context: &mut #root::Context<Self>) {
                let _ = (&__what, &__context);
                #called
            }
        })
    }
}
