//! Requests that wait together run as one batch.
//!
//! The requests of a graph meet in a queue. A task takes the first one, waits for more, joins their inputs along the
//! first dimension, computes once and splits the outputs. A request runs alone if it cannot be joined: its sizes
//! differ, its inputs have different numbers of items, or it has more items than a batch. If a batch fails, each of
//! its requests runs again alone, so that a bad request fails only itself.

use std::collections::VecDeque;

use bytes::Bytes;
use infer_tensor::{Dim, Error, Signature};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::backend::{Batching, Shared, Tensor};
use super::computer::Computer;
use crate::worker::Thread;

/// The queue of one graph.
pub(super) struct Batcher {
    computer: Computer,
    batching: Batching,
    /// Whether the graph's first dimensions are all free.
    can_join: bool,
    /// Made with the first request, since there is no Tokio runtime before.
    queue: std::sync::OnceLock<mpsc::UnboundedSender<Job>>,
}

/// A request in the queue.
struct Job {
    inputs: Vec<Tensor>,
    /// The size of the first dimension.
    items: u32,
    response: oneshot::Sender<Result<Vec<Tensor>, Error>>,
}

impl Batcher {
    pub(super) fn new(computer: Computer, batching: Batching) -> Self {
        Self {
            can_join: is_free(computer.signature()),
            computer,
            batching,
            queue: std::sync::OnceLock::new(),
        }
    }

    /// Compute inputs that have been checked, in a batch if they can be joined with others.
    pub(super) async fn compute(
        &self,
        inputs: Vec<Tensor>,
        thread: &Thread,
    ) -> Result<Vec<Tensor>, Error> {
        let items = items(&inputs).filter(|items| self.can_join && *items < self.batching.max_size);
        let Some(items) = items else {
            return self.computer.compute(inputs, thread).await;
        };
        let queue = self.queue.get_or_init(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(work(receiver, self.computer.clone(), self.batching));
            sender
        });
        let (response, computed) = oneshot::channel();
        let gone = |_| Error::runtime("the host is stopping");
        queue
            .send(Job {
                inputs,
                items,
                response,
            })
            .map_err(|_| gone(()))?;
        computed.await.map_err(|_| gone(()))?
    }
}

/// Whether the first dimension of every input and output is of any size.
fn is_free(signature: &Signature) -> bool {
    signature.tensors().all(|info| {
        let dims = info.shape.as_deref().unwrap_or_default();
        matches!(dims.first(), Some(Dim::Any | Dim::Symbolic(_)))
    })
}

/// The size of the first dimension, if it is the same in all inputs and not 0.
fn items(inputs: &[Tensor]) -> Option<u32> {
    let first = *inputs.first()?.shape.first()?;
    let same = inputs
        .iter()
        .all(|input| input.shape.first() == Some(&first));
    (same && first > 0).then_some(first)
}

/// Whether two requests differ in the first dimension at most.
fn fits(a: &Job, b: &Job) -> bool {
    a.inputs
        .iter()
        .zip(&b.inputs)
        .all(|(a, b)| a.datatype == b.datatype && a.shape.get(1..) == b.shape.get(1..))
}

/// Take batches from the queue until all its senders are gone.
async fn work(mut queue: mpsc::UnboundedReceiver<Job>, computer: Computer, batching: Batching) {
    // The requests that did not fit into the last batch.
    let mut left: VecDeque<Job> = VecDeque::new();
    loop {
        let first = match left.pop_front() {
            Some(job) => job,
            None => match queue.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        if first.response.is_closed() {
            continue;
        }
        let mut total = first.items;
        let mut batch = vec![first];
        let mut rest = VecDeque::new();
        let mut take = |job: Job, batch: &mut Vec<Job>| {
            let sum = total.checked_add(job.items);
            let room = sum.filter(|sum| *sum <= batching.max_size);
            match room {
                // Its client is gone.
                _ if job.response.is_closed() => {}
                Some(sum) if batch.first().is_some_and(|first| fits(first, &job)) => {
                    total = sum;
                    batch.push(job);
                }
                _ => rest.push_back(job),
            }
            total < batching.max_size
        };
        let mut has_room = true;
        for job in left.drain(..) {
            has_room = take(job, &mut batch);
        }
        let until = Instant::now() + batching.max_delay;
        while has_room {
            match timeout_at(until, queue.recv()).await {
                Ok(Some(job)) => has_room = take(job, &mut batch),
                Ok(None) | Err(_) => break,
            }
        }
        left = rest;
        // In a task of its own, so that the next batch gathers meanwhile.
        tokio::spawn(compute(batch, computer.clone()));
    }
}

/// Compute a batch and respond to each of its requests.
async fn compute(mut batch: Vec<Job>, computer: Computer) {
    if batch.len() > 1 {
        let joined = join(&batch);
        // A batch ends early if the clients of all its requests are gone.
        let together = async { computer.compute(joined?, &Thread::default()).await };
        let outputs = tokio::select! {
            outputs = together => outputs,
            () = all_gone(&mut batch) => return,
        };
        let items: Vec<u32> = batch.iter().map(|job| job.items).collect();
        if let Ok(parts) = outputs.and_then(|outputs| split(&outputs, &items)) {
            for (job, part) in batch.into_iter().zip(parts) {
                _ = job.response.send(Ok(part));
            }
            return;
        }
    }
    for Job {
        inputs,
        mut response,
        ..
    } in batch
    {
        let computer = computer.clone();
        tokio::spawn(async move {
            let thread = Thread::default();
            let outputs = tokio::select! {
                outputs = computer.compute(inputs, &thread) => outputs,
                () = response.closed() => return,
            };
            _ = response.send(outputs);
        });
    }
}

async fn all_gone(batch: &mut [Job]) {
    for job in batch {
        job.response.closed().await;
    }
}

/// Concatenate the inputs along the first dimension.
fn join(batch: &[Job]) -> Result<Vec<Tensor>, Error> {
    let unfit = || Error::runtime("the inputs of a batch do not fit together");
    let first = batch.first().ok_or_else(unfit)?;
    let total = batch.iter().map(|job| job.items).sum();
    first
        .inputs
        .iter()
        .enumerate()
        .map(|(place, tensor)| {
            let mut shape = tensor.shape.clone();
            *shape.first_mut().ok_or_else(unfit)? = total;
            let size = tensor.datatype.tensor_bytes(&shape).ok_or_else(unfit)?;
            let mut data = Vec::with_capacity(size);
            for job in batch {
                data.extend_from_slice(job.inputs.get(place).ok_or_else(unfit)?.bytes());
            }
            Ok(Tensor {
                datatype: tensor.datatype,
                shape,
                data: Shared::new(Bytes::from(data)),
            })
        })
        .collect()
}

/// Split the outputs into each request's part.
fn split(outputs: &[Tensor], items: &[u32]) -> Result<Vec<Vec<Tensor>>, Error> {
    let total: u32 = items.iter().sum();
    let mut parts: Vec<Vec<Tensor>> = items.iter().map(|_| Vec::new()).collect();
    for output in outputs {
        if output.shape.first() != Some(&total) {
            return Err(Error::runtime(format!(
                "the graph computes an output of shape {:?} for a batch of {total}, which cannot be split",
                output.shape
            )));
        }
        let bytes = output.bytes();
        let item_bytes = bytes.len() / total as usize;
        let mut start = 0;
        for (part, items) in parts.iter_mut().zip(items) {
            let end = start + item_bytes * *items as usize;
            let mut shape = output.shape.clone();
            if let Some(first) = shape.first_mut() {
                *first = *items;
            }
            let data = bytes.get(start..end).unwrap_or_default();
            part.push(Tensor {
                datatype: output.datatype,
                shape,
                data: Shared::new(Bytes::copy_from_slice(data)),
            });
            start = end;
        }
    }
    Ok(parts)
}
