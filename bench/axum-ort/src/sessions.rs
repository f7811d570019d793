//! A pool of ONNX Runtime sessions.

use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::{Context, Result};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, PrepackedWeights};
use ort::value::TensorRef;

use crate::Arguments;

/// The network's input.
const SHAPE: [usize; 4] = [1, 3, 224, 224];

/// Sessions of one network, each of which runs one inference at a time.
pub struct Sessions {
    idle: Mutex<Vec<Session>>,
    returned: Condvar,
}

impl Sessions {
    /// Load the network once per session; the sessions share the packed weights.
    pub fn load(arguments: &Arguments) -> Result<Self> {
        let Arguments {
            model,
            sessions,
            threads,
            stop_spinning,
            ..
        } = arguments;
        let stop = if *stop_spinning { "1" } else { "0" };
        let environment = ort::init().with_telemetry(false).build()?;
        let weights = PrepackedWeights::new();
        let load = || -> Result<Session> {
            let mut builder = Session::builder(&environment)?
                .with_optimization_level(GraphOptimizationLevel::All)
                .and_then(|builder| builder.with_intra_threads(*threads))
                .and_then(|builder| builder.with_prepacked_weights(&weights))
                .and_then(|builder| builder.with_config_entry("session.force_spinning_stop", stop))
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            builder
                .commit_from_file(model)
                .with_context(|| format!("cannot load `{}`", model.display()))
        };
        let sessions = (0..*sessions).map(|_| load()).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            idle: Mutex::new(sessions),
            returned: Condvar::new(),
        })
    }

    /// Compute the logits of one input.
    pub fn run(&self, input: &[f32]) -> Result<Vec<f32>> {
        let tensor = TensorRef::from_array_view((SHAPE, input))?;
        let mut session = self.take();
        let logits = compute(&mut session, tensor);
        self.give_back(session);
        logits
    }

    fn take(&self) -> Session {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(session) = idle.pop() {
                return session;
            }
            idle = self
                .returned
                .wait(idle)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, session: Session) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(session);
        self.returned.notify_one();
    }
}

fn compute(session: &mut Session, tensor: TensorRef<'_, f32>) -> Result<Vec<f32>> {
    let outputs = session.run(ort::inputs![tensor])?;
    let (_, logits) = outputs[0].try_extract_tensor::<f32>()?;
    Ok(logits.to_vec())
}
