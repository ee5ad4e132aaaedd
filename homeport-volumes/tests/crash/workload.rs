//! Owns what a workload is: steps that each end with a promise, and a judge of what is there after a crash. Never decides
//! when the crash comes.

use std::path::Path;

use crate::disk::Device;

/// What a judge sees.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    /// The mounted file system.
    pub(crate) root: &'a Path,
    /// How many steps had made their promise before the crash. The next one may have been under way.
    pub(crate) steps: usize,
    /// The word of the last of them, where it is another than in what is known.
    pub(crate) word: Option<&'a str>,
    /// How often there was a crash before, while a judge was already mending what it found.
    pub(crate) earlier: u64,
}

/// What is done, and what must be true whenever it is cut off.
pub(crate) trait Workload {
    /// What the judge has to know of the run: what was there before, and what was promised.
    type Known;

    /// How many steps there are.
    const STEPS: usize;

    /// Fills the new file system; all of it is safe before the first step.
    fn prepare(&self, root: &Path);

    /// Looks at what is there before the first step.
    fn begin(&self, root: &Path) -> Self::Known;

    /// Does the step with this number, from 0, in any process. When it returns without an error, it promises what it did;
    /// the word says more where that is needed.
    fn step(&self, root: &Path, step: usize) -> Result<String, String>;

    /// Looks at what the step has done, and makes it known.
    fn promise(&self, root: &Path, known: &mut Self::Known, step: usize, word: &str);

    /// Mends what a crash left, as the host would, and judges it before and after.
    fn judge(&self, scene: &Scene, known: &Self::Known) -> Result<(), String>;
}

/// All steps, with a mark on the disk after each promise.
pub(crate) fn work<W: Workload>(workload: &W, root: &Path, device: &Device) -> W::Known {
    let mut known = workload.begin(root);
    for step in 0..W::STEPS {
        let word = workload.step(root, step).unwrap();
        device.mark();
        workload.promise(root, &mut known, step, &word);
    }
    known
}
