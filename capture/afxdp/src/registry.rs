//! The sockets that an area's memory is registered with, so that later ones can share them.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use crate::bind::Mode;
use crate::parked::Parked;

/// What all sockets of one registration of the memory have in common: the kernel takes it from
/// the first one and allows no flags for those that share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) mode: Mode,
    pub(crate) need_wakeup: bool,
    pub(crate) multi_buffer: bool,
}

/// The registrations of one area, and what its closed queues left behind.
#[derive(Default)]
pub(crate) struct Registry {
    registrations: Vec<Registration>,
    pub(crate) parked: Parked,
}

struct Registration {
    kind: Kind,
    members: Vec<Member>,
}

struct Member {
    interface: u32,
    queue: u32,
    socket: Weak<OwnedFd>,
}

impl Registry {
    /// A bound socket whose registration a new socket of that kind can share. Rather one of
    /// another queue: with one of the same the kernel would take the rings to be shared as well.
    pub(crate) fn sharer(
        &mut self,
        kind: Kind,
        interface: u32,
        queue: u32,
    ) -> Option<Arc<OwnedFd>> {
        for registration in &mut self.registrations {
            registration.members.retain(|member| member.socket.strong_count() > 0);
        }
        self.registrations.retain(|registration| !registration.members.is_empty());
        let members = self
            .registrations
            .iter()
            .filter(|registration| registration.kind == kind)
            .flat_map(|registration| &registration.members);
        let other = |member: &&Member| (member.interface, member.queue) != (interface, queue);
        members.clone().find(other).or(members.clone().next())?.socket.upgrade()
    }

    /// Notes a socket that was bound with memory of its own.
    pub(crate) fn found(&mut self, kind: Kind, interface: u32, queue: u32, socket: &Arc<OwnedFd>) {
        let member = Member { interface, queue, socket: Arc::downgrade(socket) };
        self.registrations.push(Registration { kind, members: vec![member] });
    }

    /// Notes a socket that was bound with the memory of another.
    pub(crate) fn join(
        &mut self,
        with: &Arc<OwnedFd>,
        interface: u32,
        queue: u32,
        socket: &Arc<OwnedFd>,
    ) {
        let is_with = |member: &Member| std::ptr::eq(member.socket.as_ptr(), Arc::as_ptr(with));
        let shares = |registration: &&mut Registration| registration.members.iter().any(is_with);
        if let Some(registration) = self.registrations.iter_mut().find(shares) {
            let member = Member { interface, queue, socket: Arc::downgrade(socket) };
            registration.members.push(member);
        }
    }

    /// How many times the memory is registered with the kernel.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.registrations.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_living_sockets_of_the_same_kind_are_shared() {
        let kind = |mode| Kind { mode, need_wakeup: true, multi_buffer: false };
        let socket = || Arc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        let (first, second, third) = (socket(), socket(), socket());
        let mut registry = Registry::default();
        let copy = kind(Mode::Copy);
        assert!(registry.sharer(copy, 1, 0).is_none());
        registry.found(copy, 1, 0, &first);
        assert!(registry.sharer(kind(Mode::ZeroCopy), 1, 1).is_none());
        assert!(Arc::ptr_eq(&registry.sharer(copy, 1, 0).unwrap(), &first));
        registry.join(&first, 1, 1, &second);
        assert!(Arc::ptr_eq(&registry.sharer(copy, 1, 0).unwrap(), &second));
        assert!(Arc::ptr_eq(&registry.sharer(copy, 1, 1).unwrap(), &first));
        drop(first);
        assert!(Arc::ptr_eq(&registry.sharer(copy, 2, 0).unwrap(), &second));
        registry.join(&second, 2, 0, &third);
        assert_eq!(registry.count(), 1);
        drop((second, third));
        assert!(registry.sharer(copy, 1, 0).is_none());
        assert_eq!(registry.count(), 0);
    }
}
