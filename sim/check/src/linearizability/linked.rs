//! The calls and ends of one part in the order of time, as a list from which operations are lifted and put back.
//!
//! What it is: the doubly linked list of Wing and Gong over indices. What it is NOT: an owner of operations; it knows
//! their numbers.

/// A node of the list: the call of an operation or its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Which operation.
    pub(super) operation: usize,
    pub(super) is_call: bool,
    /// Of an answered operation's call: the node of its end.
    end: Option<usize>,
    before: usize,
    after: usize,
}

/// The list. Node 0 is the head and belongs to no operation.
#[derive(Debug)]
pub(super) struct Linked {
    links: Vec<Link>,
}

/// What the list is made of: an operation's call or its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Call(usize),
    End(usize),
}

const HEAD: usize = 0;

impl Linked {
    /// A list of these marks in the order of time; every end has its call before it.
    pub(super) fn new(marks: &[Mark], operations: usize) -> Self {
        let head =
            Link { operation: usize::MAX, is_call: true, end: None, before: HEAD, after: HEAD };
        let mut links = vec![head];
        let mut calls = vec![HEAD; operations];
        for mark in marks {
            let at = links.len();
            let (operation, is_call) = match *mark {
                Mark::Call(operation) => (operation, true),
                Mark::End(operation) => (operation, false),
            };
            if is_call {
                calls[operation] = at;
            } else {
                links[calls[operation]].end = Some(at);
            }
            links.push(Link { operation, is_call, end: None, before: at - 1, after: HEAD });
            links[at - 1].after = at;
        }
        Self { links }
    }

    /// The first node.
    pub(super) fn first(&self) -> Option<usize> {
        self.after(HEAD)
    }

    /// The node after this one.
    pub(super) fn after(&self, at: usize) -> Option<usize> {
        let after = self.links[at].after;
        (after != HEAD).then_some(after)
    }

    pub(super) fn link(&self, at: usize) -> &Link {
        &self.links[at]
    }

    /// Takes an operation out of the list, by the node of its call.
    pub(super) fn lift(&mut self, call: usize) {
        self.unhook(call);
        if let Some(end) = self.links[call].end {
            self.unhook(end);
        }
    }

    /// Puts it back; operations are put back in the opposite order of their lifting.
    pub(super) fn unlift(&mut self, call: usize) {
        if let Some(end) = self.links[call].end {
            self.hook(end);
        }
        self.hook(call);
    }

    fn unhook(&mut self, at: usize) {
        let Link { before, after, .. } = self.links[at];
        self.links[before].after = after;
        if after != HEAD {
            self.links[after].before = before;
        }
    }

    fn hook(&mut self, at: usize) {
        let Link { before, after, .. } = self.links[at];
        self.links[before].after = at;
        if after != HEAD {
            self.links[after].before = at;
        }
    }
}
