//! The stack that tasks share, and the task that drives it.

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use crate::io::IoError;
use crate::profile::{Full, Profile};
use crate::stack::{Stack, Wake};
use crate::time::Instant;
use crate::waker::WakerSlot;

use super::profile::{Async, TaskWaker};
use super::timer::{Notify, Timer};

/// A stack that any number of tasks of one thread share.
pub struct Shared<'a, P: Profile<Waker = TaskWaker> = Async<Full>> {
    inner: RefCell<Inner<'a, P>>,
    timer: &'a dyn Timer,
}

struct Inner<'a, P: Profile<Waker = TaskWaker>> {
    stack: Stack<'a, P>,
    /// The task that drives it.
    runner: TaskWaker,
    /// When that task will be woken by the timer.
    armed: Option<Instant>,
}

impl<'a, P: Profile<Waker = TaskWaker>> Shared<'a, P> {
    /// Shares a stack. It has its addresses already, or gets them through [`Shared::with`].
    #[must_use]
    pub const fn new(stack: Stack<'a, P>, timer: &'a dyn Timer) -> Self {
        let inner = Inner { stack, runner: TaskWaker::EMPTY, armed: None };
        Self { inner: RefCell::new(inner), timer }
    }

    /// Drives the stack with this device, for ever: takes what it receives, sends what sockets
    /// have to send, acts on deadlines, and wakes those who wait. One task at a time does this.
    pub async fn run<D: Notify>(&self, device: &mut D) -> ! {
        match poll_fn(|context| self.poll(context, device)).await {}
    }

    /// One turn of [`Shared::run`], for those who drive it themselves. Never ready: it is to be
    /// called again when the waker of `context` is woken.
    pub fn poll<D: Notify>(&self, context: &mut Context<'_>, device: &mut D) -> Poll<Infallible> {
        let waker = context.waker();
        // Before the device is asked: what comes after that wakes us.
        device.notify(waker);
        let now = self.timer.now();
        let Ok(mut inner) = self.inner.try_borrow_mut() else {
            waker.wake_by_ref();
            return Poll::Pending;
        };
        let displaced = inner.runner.register(waker);
        let wake = inner.stack.poll(now, device);
        let at = match wake {
            Wake::At(at) | Wake::OnRoom { or_at: Some(at) } => Some(at),
            Wake::Now | Wake::OnIngress | Wake::OnRoom { or_at: None } => None,
        };
        inner.armed = at;
        drop(inner);
        drop(displaced);
        self.deliver();
        if let Some(at) = at {
            self.timer.wake_at(at, waker);
        }
        if wake == Wake::Now {
            waker.wake_by_ref();
        }
        Poll::Pending
    }

    /// Lets `act` work on the stack itself, and sees to what follows from it. Events of sockets
    /// come to the tasks that wait for them, never to `act`.
    ///
    /// # Errors
    ///
    /// [`IoError::Reentered`] where it is called from inside of another `act`, or from a device.
    pub fn with<R>(&self, act: impl FnOnce(&mut Stack<'a, P>) -> R) -> Result<R, IoError> {
        let now = self.timer.now();
        let mut inner = self.inner.try_borrow_mut().map_err(|_| IoError::Reentered)?;
        inner.stack.advance(now);
        let result = act(&mut inner.stack);
        let runner = inner.runner_if_due(now);
        drop(inner);
        self.deliver();
        if let Some(runner) = runner {
            runner.wake();
        }
        Ok(result)
    }

    /// As [`Shared::with`], for a future: `act` gets the waker and returns the one that it
    /// displaced, whose task must look again.
    pub(super) fn poll_with<R>(
        &self,
        act: impl FnOnce(&mut Stack<'a, P>) -> Step<R>,
    ) -> Poll<Result<R, IoError>> {
        match self.with(act) {
            Ok(Step { poll, displaced }) => {
                if let Some(displaced) = displaced {
                    displaced.wake();
                }
                poll
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The time of its timer.
    pub(super) fn now(&self) -> Instant {
        self.timer.now()
    }

    /// Wakes the tasks for whose sockets there is news. They are woken, and dropped, while nothing
    /// is borrowed: a waker may run what it likes.
    fn deliver(&self) {
        loop {
            let Ok(mut inner) = self.inner.try_borrow_mut() else { return };
            let Some(woken) = inner.stack.take_woken() else { return };
            drop(inner);
            woken.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

impl<P: Profile<Waker = TaskWaker>> Inner<'_, P> {
    /// The driving task, where the stack has to be driven earlier than it is going to be.
    fn runner_if_due(&mut self, now: Instant) -> Option<Waker> {
        let due = match self.stack.next_wake(now) {
            Wake::Now => true,
            Wake::At(at) | Wake::OnRoom { or_at: Some(at) } => {
                self.armed.is_none_or(|armed| at < armed)
            }
            Wake::OnIngress | Wake::OnRoom { or_at: None } => false,
        };
        if due { self.runner.take() } else { None }
    }
}

/// How far a future has come.
pub(super) struct Step<R> {
    poll: Poll<Result<R, IoError>>,
    displaced: Option<Waker>,
}

impl<R> Step<R> {
    /// It is done.
    pub(super) const fn ready(result: Result<R, IoError>) -> Self {
        Self { poll: Poll::Ready(result), displaced: None }
    }

    /// It has to wait; `displaced` is whose place it took.
    pub(super) const fn waits(displaced: Option<Waker>) -> Self {
        Self { poll: Poll::Pending, displaced }
    }
}
