//! Steppers are used again: executing a statement allocates nothing.

use std::cell::RefCell;
use std::rc::Rc;

use super::{CompiledStepper, Execution};

/// Steppers that are done, to be used again: as many as ever were at work at the same time.
#[derive(Default)]
pub(crate) struct Pool {
    #[allow(clippy::vec_box, reason = "the layer below takes them in their boxes")]
    steppers: RefCell<Vec<Box<CompiledStepper>>>,
}

impl Pool {
    /// A stepper that begins.
    pub(crate) fn begin(self: &Rc<Self>, run: Execution<'_>) -> Box<CompiledStepper> {
        let spare = self.steppers.borrow_mut().pop();
        let Some(mut stepper) = spare else { return Box::new(CompiledStepper::new(Rc::clone(self), run)) };
        stepper.begin_again(Rc::clone(self), run);
        stepper
    }

    /// Keeps a stepper that is done.
    pub(super) fn put(&self, stepper: Box<CompiledStepper>) {
        self.steppers.borrow_mut().push(stepper);
    }
}
