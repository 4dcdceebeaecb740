//! `#[actor]` on an actor's own impl: messages, handlers, list and calls, all written from its methods.
//!
//! What it is: for each method with `#[handler(…)]` a message, its handler, a line in the list of what other nodes may
//! send, and a method of an extension trait by which callers use it; `#[start]`, `#[stopped]` and `#[terminated]`
//! become the life of the actor. What it is NOT: another way to be an actor; everything written here could be written
//! by hand, and `#[message]` is what writes the messages. Methods are read in `calls/method.rs`.

mod method;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Error, Ident, ImplItem, ItemImpl, Path, Result, Type, Visibility, spanned::Spanned};

use crate::{
    actor::{Options, assert_alone, assert_remote, list_views},
    options,
};
use method::{Call, Hook, Method};

/// An actor with the methods that mean something.
struct Actor {
    ident: Ident,
    visibility: Visibility,
    calls: Vec<Call>,
    hooks: Vec<Hook>,
    options: Options,
}

pub(crate) fn expand(mut item: ItemImpl, options: Options) -> Result<TokenStream> {
    let ident = actor_name(&item)?;
    let (mut calls, mut hooks) = (Vec::new(), Vec::new());
    for inner in &mut item.items {
        let ImplItem::Fn(function) = inner else { continue };
        match method::read(function, &ident)? {
            Some(Method::Call(call)) => calls.push(*call),
            Some(Method::Hook(hook)) => hooks.push(hook),
            None => {}
        }
    }
    refuse(&calls, &hooks, &options)?;
    let visibility = calls.first().map_or(Visibility::Inherited, |call| call.visibility.clone());
    let actor = Actor { ident, visibility, calls, hooks, options };
    let root = &actor.options.root;
    let messages: TokenStream = actor.calls.iter().map(|call| actor.message(call, root)).collect();
    let handlers: TokenStream = actor.calls.iter().map(|call| actor.handler(call, root)).collect();
    let life = actor.life(root);
    let views: TokenStream = actor.options.views.iter().map(|ty| actor.check_view(ty)).collect();
    let calls = actor.extension(root);
    Ok(quote!(#item #messages #handlers #life #views #calls))
}

/// An impl without the attributes that only this attribute knows.
pub(crate) fn plain(item: TokenStream) -> TokenStream {
    let Ok(mut parsed) = syn::parse2::<ItemImpl>(item.clone()) else { return item };
    for inner in &mut parsed.items {
        if let ImplItem::Fn(function) = inner {
            function.attrs.retain(|attribute| !method::is_ours(attribute));
        }
    }
    quote!(#parsed)
}

fn actor_name(item: &ItemImpl) -> Result<Ident> {
    if !item.generics.params.is_empty() {
        return Err(Error::new(
            item.generics.span(),
            "an actor with generic parameters cannot have its messages written: write `impl Actor for …` and its \
             handlers by hand",
        ));
    }
    match &*item.self_ty {
        Type::Path(it) if it.qself.is_none() => it.path.get_ident().cloned(),
        _ => None,
    }
    .ok_or_else(|| {
        Error::new(
            item.self_ty.span(),
            "the actor's bare name is needed, messages are called after it: write `impl Account`",
        )
    })
}

fn refuse(calls: &[Call], hooks: &[Hook], options: &Options) -> Result<()> {
    if let Some(listed) = options.handles.first() {
        return Err(Error::new(
            listed.span(),
            "the list is written from the #[handler] methods: remove `handles(…)`",
        ));
    }
    if calls.is_empty() && options.views.is_empty() {
        return Err(Error::new(
            Span::call_site(),
            "no method is a handler: put #[handler(\"area/Message\")] or #[handler(local)] on those that callers use",
        ));
    }
    let first = calls.first().map(|call| &call.visibility);
    if let Some(other) = calls.iter().find(|call| Some(&call.visibility) != first) {
        return Err(Error::new(
            other.function.span(),
            "handlers of one actor are called through one trait: make all of them as visible as the first",
        ));
    }
    if let Some(remote) = calls.iter().find(|call| call.id.is_some())
        && options.id.is_none()
    {
        return Err(Error::new(
            remote.function.span(),
            "other nodes can send this, so the actor needs an id as well: write #[actor(id = \"area/Name\")], or make \
             the handler #[handler(local)]",
        ));
    }
    if let Some(view) = options.views.first()
        && options.id.is_none()
    {
        return Err(Error::new(
            view.span(),
            "only what other nodes send is read in place, so the actor needs an id: write #[actor(id = \"area/Name\", \
             views(…))]",
        ));
    }
    for (at, hook) in hooks.iter().enumerate() {
        if hooks[..at].iter().any(|other| other.kind == hook.kind) {
            let text = format!("there is a #[{}] already: keep one of them", hook.kind.name());
            return Err(Error::new(hook.function.span(), text));
        }
    }
    Ok(())
}

impl Actor {
    fn message(&self, call: &Call, root: &Path) -> TokenStream {
        let Call { message, error, arguments, .. } = call;
        let answer = call.answer();
        let (actor, visibility) = (&self.ident, &self.visibility);
        let id = match &call.id {
            Some(id) => quote!(id = #id),
            None => quote!(local),
        };
        let error = error.as_ref().map(|error| quote!(, error = #error));
        let about = format!("The message of [`{actor}::{}`].", call.function);
        let fields = arguments.iter().map(|(name, ty)| {
            let about = format!("Its argument `{name}`.");
            quote!(#[doc = #about] pub #name: #ty,)
        });
        let body = if arguments.is_empty() { quote!(;) } else { quote!({ #(#fields)* }) };
        quote_spanned! {options::written_for(&call.function) =>
            #[doc = #about]
            #[#root::message(#id, #answer #error, crate = #root)]
            #visibility struct #message #body
        }
    }

    fn handler(&self, call: &Call, root: &Path) -> TokenStream {
        let Call { message, function, arguments, .. } = call;
        let actor = &self.ident;
        let names: Vec<&Ident> = arguments.iter().map(|(name, _)| name).collect();
        let context = call.context.then(|| quote!(__context,));
        let called = quote!(<#actor>::#function(self, #(#names,)* #context));
        let called = if call.is_async { quote!(#called.await) } else { called };
        let output = call.output();
        let open = (!names.is_empty()).then(|| quote!(let #message { #(#names),* } = __message;));
        if call.reads {
            return quote_spanned! {options::written_for(function) =>
                #[automatically_derived]
                impl #root::ReadHandler<#message> for #actor {
                    async fn read(
                        &self,
                        __message: #message,
                        __context: &#root::ReadContext<Self>,
                    ) -> #output {
                        let _ = (&__message, &__context);
                        #open
                        #called
                    }
                }

                #root::reads!(#actor: #message);
            };
        }
        quote_spanned! {options::written_for(function) =>
            #[automatically_derived]
            impl #root::Handler<#message> for #actor {
                async fn handle(
                    &mut self,
                    __message: #message,
                    __context: &mut #root::Context<Self>,
                ) -> #output {
                    let _ = (&__message, &__context);
                    #open
                    #called
                }
            }
        }
    }

    fn life(&self, root: &Path) -> TokenStream {
        let actor = &self.ident;
        let id = match &self.options.id {
            Some(id) => quote!(::core::option::Option::Some(#id)),
            None => quote!(::core::option::Option::None),
        };
        let remote: Vec<&Ident> =
            self.calls.iter().filter(|call| call.id.is_some()).map(|call| &call.message).collect();
        let views = &self.options.views;
        let in_place = list_views(views);
        let table = match remote.len() + views.len() {
            0 => quote!(_table),
            _ => quote!(table),
        };
        let start = self.hooks.iter().find(|hook| hook.kind == method::HookKind::Start);
        let start = start.map_or_else(
            || {
                quote! {
                    type Args = Self;

                    async fn start(
                        args: Self,
                        _: &mut #root::Context<Self>,
                    ) -> ::core::result::Result<Self, #root::StartError> {
                        ::core::result::Result::Ok(args)
                    }
                }
            },
            |hook| hook.start(root),
        );
        let ends = self.hooks.iter().filter_map(|hook| hook.end(root));
        quote! {
            #[automatically_derived]
            impl #root::Actor for #actor {
                const ID: ::core::option::Option<&'static str> = #id;

                #start

                #(#ends)*

                #[doc(hidden)]
                fn accept(#table: &mut #root::Accepts<Self>) {
                    #(table.handles::<#remote>();)*
                    #in_place
                }
            }
        }
    }

    fn check_view(&self, message: &Type) -> TokenStream {
        let root = &self.options.root;
        let remote = assert_remote(message, root);
        let alone = assert_alone(&self.ident, message, root);
        quote!(#remote #alone)
    }

    fn extension(&self, root: &Path) -> TokenStream {
        let (actor, visibility) = (&self.ident, &self.visibility);
        let name = format_ident!("{actor}Calls");
        let about = format!("What can be asked of an actor of type [`{actor}`], wherever it is.");
        let methods = self.calls.iter().map(|call| {
            let Call { function, message, arguments, docs, .. } = call;
            let names: Vec<&Ident> = arguments.iter().map(|(name, _)| name).collect();
            let types = arguments.iter().map(|(_, ty)| ty);
            let value =
                if names.is_empty() { quote!(#message) } else { quote!(#message { #(#names),* }) };
            let about = format!("Asks for [`{actor}::{function}`].");
            let docs = if docs.is_empty() { quote!(#[doc = #about]) } else { quote!(#(#docs)*) };
            quote! {
                #docs
                fn #function(&self, #(#names: #types),*) -> #root::Ask<#actor, #message> {
                    #root::Target::ask(self, #value)
                }
            }
        });
        quote! {
            #[doc = #about]
            #visibility trait #name: #root::Target<Actor = #actor> {
                #(#methods)*
            }

            #[automatically_derived]
            impl<__T: #root::Target<Actor = #actor> + ?::core::marker::Sized> #name for __T {}
        }
    }
}
