//! Owns the tasks of a route as those of one among several: where other routes have something to do, too, they share the threads by
//! small slices of time, so that who comes to one route is not behind a whole crowd of another. Never decides who is next: the
//! line does.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use pin_project_lite::pin_project;
use tokio::task::yield_now;

use crate::company::{Company, Lately};
use crate::line::{Line, Next, Place, Step};
use crate::route::Route;

/// A route's part of the time of the threads.
#[derive(Debug)]
pub(crate) struct Slice {
    company: Arc<Company>,
    line: Mutex<Line>,
}

impl Slice {
    /// That of a route that has this company, on so many threads.
    pub(crate) fn new(company: Arc<Company>, threads: usize) -> Self {
        Self { company, line: Mutex::new(Line::new(threads, Instant::now())) }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of a route's tasks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Only,
    OneOfMany,
}

/// Says when a thread has asked the kernel for news. It never yields itself: whoever wakes it uses the list of those who did.
struct Looked(Arc<Route>);

impl Wake for Looked {
    fn wake(self: Arc<Self>) {
        let called = self.0.slice.line().looked();
        called.into_iter().for_each(Waker::wake);
    }
}

fn act(route: &Arc<Route>, next: Next) {
    match next {
        Next::Nothing => {}
        Next::Call(waker) => waker.wake(),
        Next::Look => {
            // A task that yields is woken after the thread's next look at the kernel; nothing else is wanted of it. The runtime
            // promises no order: a few of those who are called may be before the last of those whom the news concern.
            let looked = Waker::from(Arc::new(Looked(Arc::clone(route))));
            let Poll::Pending = pin!(yield_now()).poll(&mut Context::from_waker(&looked)) else { return looked.wake() };
        }
    }
}

pin_project! {
    /// A task of a route. Where the route has used up its slice, it steps back into the line.
    #[derive(Debug)]
    pub(crate) struct Sliced<F> {
        route: Arc<Route>,
        kind: Kind,
        place: Option<Place>,
        #[pin]
        task: F,
    }

    impl<F> PinnedDrop for Sliced<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(place) = this.place.take() {
                let (waker, next) = this.route.slice.line().leave(place, Instant::now());
                drop(waker);
                act(this.route, next);
            }
        }
    }
}

impl<F> Sliced<F> {
    /// This task, as one of many of the route.
    pub(crate) fn one_of_many(route: Arc<Route>, task: F) -> Self {
        Self { route, kind: Kind::OneOfMany, place: None, task }
    }

    /// This task, which the route has once, and which lets others have their turn by itself: it is not behind the others of its route.
    pub(crate) fn only(route: Arc<Route>, task: F) -> Self {
        Self { route, kind: Kind::Only, place: None, task }
    }
}

impl<F: Future> Future for Sliced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let began = Instant::now();
        let slice = &this.route.slice;
        if slice.company.note(std::ptr::from_ref(slice).addr(), began) == Lately::Several || this.place.is_some() {
            let step = match *this.kind {
                Kind::Only => Step::Run,
                Kind::OneOfMany => slice.line().step_up(*this.place, cx.waker(), began),
            };
            if let Step::Back(place, next) = step {
                *this.place = Some(place);
                act(this.route, next);
                return Poll::Pending;
            }
        }
        let polled = this.task.poll(cx);
        let ended = Instant::now();
        let next = slice.line().ran(this.place.take(), ended.saturating_duration_since(began), ended);
        act(this.route, next);
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::net::UnixStream;
    use tokio::task::JoinSet;

    use super::*;
    use crate::route::Shared;
    use crate::test_route::{limits, route_of};

    fn routes() -> [Arc<Route>; 2] {
        let shared = Shared::of(&limits(), 1);
        ["a", "b"].map(|name| Arc::new(route_of(name, limits(), &shared)))
    }

    /// So many of the crowd; each works for a tenth of a slice whenever it may, for ever.
    const CROWD: usize = 500;
    const WORK: Duration = Duration::from_micros(20);

    fn crowd(route: &Arc<Route>) -> (JoinSet<()>, Vec<Arc<AtomicU64>>) {
        let mut crowd = JoinSet::new();
        let works: Vec<Arc<AtomicU64>> = (0..CROWD).map(|_| Arc::default()).collect();
        for worked in &works {
            let worked = Arc::clone(worked);
            crowd.spawn(Sliced::one_of_many(Arc::clone(route), async move {
                loop {
                    let until = Instant::now() + WORK;
                    while Instant::now() < until {}
                    worked.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            }));
        }
        (crowd, works)
    }

    /// What a crowd has done while somebody was answered at another route.
    struct Beside {
        /// So much of it before each answer.
        between: u64,
        /// How often each of the crowd worked.
        works: Vec<u64>,
    }

    /// Answers somebody until a crowd on another route has worked so often for each of it.
    async fn answered_until(each: u64) -> Beside {
        let [crowded, other] = routes();
        let (mut crowd, works) = crowd(&crowded);
        let told = works.clone();
        let count = move || told.iter().map(|worked| worked.load(Ordering::Relaxed)).sum::<u64>();
        let asks = Sliced::one_of_many(other, async move {
            let (near, far) = UnixStream::pair().unwrap();
            // The first ones may be before the crowd is there, and before it is known that there is another route.
            let (mut answers, mut before) = (0, 0);
            loop {
                // Once nothing was there to be read, the kernel has to be asked whether something is.
                near.try_read(&mut [0]).unwrap_err();
                far.try_write(b"!").unwrap();
                near.readable().await.unwrap();
                near.try_read(&mut [0]).unwrap();
                answers += 1;
                if answers == 10 {
                    before = count();
                } else if answers > 10 && count() - before > each * CROWD as u64 {
                    return (count() - before) / (answers - 10);
                }
            }
        });
        let between = tokio::spawn(asks).await.unwrap();
        crowd.shutdown().await;
        Beside { between, works: works.iter().map(|worked| worked.load(Ordering::Relaxed)).collect() }
    }

    #[tokio::test]
    async fn who_comes_to_another_route_is_not_behind_a_whole_crowd() {
        let between = answered_until(10).await.between;
        assert!(between < 100, "{between} of the crowd's {CROWD} were before each answer");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn who_comes_to_another_route_is_not_behind_a_crowd_that_a_threads_queue_has_no_room_for() {
        let between = answered_until(10).await.between;
        assert!(between < 100, "{between} of the crowd's {CROWD} were before each answer");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn all_of_a_crowd_have_their_turn() {
        let works = answered_until(20).await.works;
        let least = works.iter().min().unwrap();
        assert!(*least >= 3, "one worked {least} times, and all together {}", works.iter().sum::<u64>());
    }

    #[tokio::test]
    async fn a_crowd_that_ends_while_it_waits_leaves_nobody_behind() {
        let [crowded, other] = routes();
        let (mut crowd, _) = crowd(&crowded);
        let noise = Sliced::one_of_many(other, async {
            loop {
                yield_now().await;
            }
        });
        let noise = tokio::spawn(noise);
        tokio::time::sleep(Duration::from_millis(20)).await;
        crowd.shutdown().await;
        for _ in 0..3 {
            let late = Sliced::one_of_many(Arc::clone(&crowded), async {
                std::thread::sleep(Duration::from_millis(1));
                yield_now().await;
            });
            let late = tokio::spawn(late);
            tokio::time::timeout(Duration::from_secs(20), late).await.expect("nobody calls it").unwrap();
        }
        noise.abort();
    }
}
