//! Repolls a task that woke itself, instead of sending it through the scheduler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;

/// Polls a future again if it was woken while it was being polled.
///
/// A connection and its guest share a task, so each hand-over between them wakes their own task. The runtime would
/// put that task at the end of its queue and wake another thread to steal it, which costs more than the hand-over
/// and moves the task to a core with a cold cache.
pub(crate) struct Awake<F> {
    future: F,
    wakes: Arc<Wakes>,
    waker: Waker,
    max_time: Duration,
}

/// Polls before other tasks get their turn: a future that has used up tokio's cooperative budget wakes itself until
/// it gets a new one.
const MAX_POLLS: usize = 32;

/// Time before other tasks get their turn. Shorter than an epoch, after which a computing guest yields.
const MAX_TIME: Duration = Duration::from_millis(1);

/// The future is not being polled.
const IDLE: u8 = 0;
/// The future is being polled.
const POLLING: u8 = 1;
/// The future is being polled and has been woken meanwhile.
const WOKEN: u8 = 2;

struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let polling =
            self.state
                .compare_exchange(POLLING, WOKEN, Ordering::AcqRel, Ordering::Acquire);
        if polling == Err(IDLE) {
            self.task.wake();
        }
    }
}

impl<F> Awake<F> {
    pub(crate) fn new(future: F) -> Self {
        Self::for_at_most(future, MAX_TIME)
    }

    fn for_at_most(future: F, max_time: Duration) -> Self {
        let wakes = Arc::new(Wakes {
            state: AtomicU8::new(IDLE),
            task: AtomicWaker::new(),
        });
        Self {
            future,
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
            max_time,
        }
    }
}

impl<F: Future + Unpin> Future for Awake<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        this.wakes.task.register(context.waker());
        let begun = Instant::now();
        for _ in 0..MAX_POLLS {
            this.wakes.state.store(POLLING, Ordering::Release);
            let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker));
            if polled.is_ready() {
                return polled;
            }
            if this.wakes.state.swap(IDLE, Ordering::AcqRel) == POLLING {
                return Poll::Pending;
            }
            if begun.elapsed() >= this.max_time {
                break;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often its task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Poll once a future that wakes itself that many times. Returns its result, the number of polls, and the number
    /// of times that its task was woken.
    fn poll_once(wakes_itself: usize, max_time: Duration) -> (Poll<()>, usize, usize) {
        let mut polls = 0;
        let future = poll_fn(|context| {
            polls += 1;
            if polls > wakes_itself {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        let task = Arc::new(Task::default());
        let polled = Pin::new(&mut Awake::for_at_most(future, max_time))
            .poll(&mut Context::from_waker(&task.clone().into()));
        (polled, polls, task.0.load(Ordering::Relaxed))
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again_within_bounds() {
        const LONG: Duration = Duration::MAX;
        assert_eq!(poll_once(0, LONG), (Poll::Ready(()), 1, 0));
        assert_eq!(poll_once(3, LONG), (Poll::Ready(()), 4, 0));
        // At the bound the task yields, and is woken so that it runs again.
        assert_eq!(poll_once(1000, LONG), (Poll::Pending, MAX_POLLS, 1));
        assert_eq!(poll_once(3, Duration::ZERO), (Poll::Pending, 1, 1));
    }

    #[test]
    fn a_later_wake_reaches_the_task() {
        let waker: Mutex<Option<Waker>> = Mutex::default();
        let mut polls = 0;
        let future = poll_fn(|context| {
            polls += 1;
            *waker.lock().unwrap() = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        let task = Arc::new(Task::default());
        let mut awake = Awake::new(future);
        let polled = Pin::new(&mut awake).poll(&mut Context::from_waker(&task.clone().into()));
        assert!(polled.is_pending());
        assert_eq!(task.0.load(Ordering::Relaxed), 0);
        waker.lock().unwrap().take().unwrap().wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        drop(awake);
        assert_eq!(polls, 1);
    }
}
