//! Non-maximum suppression: of overlapping boxes of one class, the one with the greatest score stays.

use super::candidates::Candidate;

/// The most boxes that are compared, best first, as in Ultralytics: comparisons are quadratic.
const MAX_COMPARED: usize = 30_000;

/// The most boxes that stay: more than any card or request asks for.
const MAX_KEPT: usize = infer_model_card::MAX_DETECTIONS as usize;

/// The boxes that stay, best first. Boxes of different classes do not suppress each other.
pub(super) fn suppress(
    mut candidates: Vec<Candidate>,
    iou_threshold: f32,
    oriented: bool,
) -> Vec<Candidate> {
    // A stable sort: of equal scores the first of the output stays.
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(MAX_COMPARED);
    if oriented {
        return suppress_oriented(candidates, iou_threshold);
    }
    // The kept boxes of each class, so that only these are compared.
    let mut of_class: std::collections::BTreeMap<usize, Vec<[f32; 4]>> = Default::default();
    let mut count = 0;
    candidates.retain(|candidate| {
        if count == MAX_KEPT {
            return false;
        }
        let edges = candidate.edges();
        let kept = of_class.entry(candidate.class).or_default();
        if kept.iter().any(|other| iou(other, &edges) > iou_threshold) {
            return false;
        }
        kept.push(edges);
        count += 1;
        true
    });
    candidates
}

/// The intersection over union of two boxes, as torchvision's `box_iou` computes it; NaN for two empty boxes.
fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |edges: &[f32; 4]| (edges[2] - edges[0]) * (edges[3] - edges[1]);
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let intersection = width * height;
    intersection / (area(a) + area(b) - intersection)
}

/// Fast NMS, as Ultralytics does it for oriented boxes: a box goes if any better box of its class overlaps it, also one that
/// goes itself.
fn suppress_oriented(candidates: Vec<Candidate>, iou_threshold: f32) -> Vec<Candidate> {
    let gaussians: Vec<Gaussian> = candidates.iter().map(Gaussian::new).collect();
    let stays = |index: usize| {
        let better = candidates[..index].iter().zip(&gaussians);
        let mut of_class = better.filter(|(other, _)| other.class == candidates[index].class);
        !of_class.any(|(_, other)| other.overlap(&gaussians[index]) >= iou_threshold)
    };
    let stays: Vec<bool> = (0..candidates.len()).map(stays).collect();
    let kept = candidates.into_iter().zip(stays);
    kept.filter_map(|(candidate, stays)| stays.then_some(candidate))
        .take(MAX_KEPT)
        .collect()
}

/// An oriented box as a normal distribution: "Gaussian Bounding Boxes and Probabilistic Intersection-over-Union"
/// (arXiv 2106.06072).
struct Gaussian {
    x: f32,
    y: f32,
    /// The variances across and down, and the covariance.
    a: f32,
    b: f32,
    c: f32,
}

/// Keeps divisors and logarithms from 0.
const EPSILON: f32 = 1e-7;

impl Gaussian {
    fn new(candidate: &Candidate) -> Self {
        let along = candidate.width * candidate.width / 12.0;
        let across = candidate.height * candidate.height / 12.0;
        let (sin, cos) = candidate.angle.sin_cos();
        Self {
            x: candidate.x,
            y: candidate.y,
            a: along * cos * cos + across * sin * sin,
            b: along * sin * sin + across * cos * cos,
            c: (along - across) * cos * sin,
        }
    }

    /// 1 minus the Hellinger distance.
    fn overlap(&self, other: &Self) -> f32 {
        let (a, b, c) = (self.a + other.a, self.b + other.b, self.c + other.c);
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        let determinant = a * b - c * c;
        let first = (a * dy * dy + b * dx * dx) / (determinant + EPSILON) * 0.25;
        let second = (-c * dx * dy) / (determinant + EPSILON) * 0.5;
        let own = |it: &Self| (it.a * it.b - it.c * it.c).max(0.0);
        let third =
            (determinant / (4.0 * (own(self) * own(other)).sqrt() + EPSILON) + EPSILON).ln() * 0.5;
        let distance = (first + second + third).clamp(EPSILON, 100.0);
        1.0 - (1.0 - (-distance).exp() + EPSILON).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(edges: [f32; 4], score: f32, class: usize) -> Candidate {
        Candidate {
            x: f32::midpoint(edges[0], edges[2]),
            y: f32::midpoint(edges[1], edges[3]),
            width: edges[2] - edges[0],
            height: edges[3] - edges[1],
            angle: 0.0,
            score,
            class,
            extras: Vec::new(),
        }
    }

    #[test]
    fn the_best_of_overlapping_boxes_stays() {
        let boxes = [
            boxed([0.0, 0.0, 10.0, 10.0], 0.5, 0),
            // Two thirds of the first.
            boxed([0.0, 2.0, 10.0, 12.0], 0.9, 0),
            // Another class.
            boxed([0.0, 2.0, 10.0, 12.0], 0.4, 1),
            // Apart.
            boxed([20.0, 0.0, 30.0, 10.0], 0.3, 0),
            // A tie: the first stays.
            boxed([20.0, 0.0, 30.0, 10.0], 0.3, 0),
            // Empty boxes overlap nothing, not even each other.
            boxed([5.0, 5.0, 5.0, 5.0], 0.2, 2),
            boxed([5.0, 5.0, 5.0, 5.0], 0.2, 2),
        ];
        let scores = |threshold, oriented| -> Vec<f32> {
            let kept = suppress(boxes.to_vec(), threshold, oriented);
            kept.iter().map(|candidate| candidate.score).collect()
        };
        assert_eq!(scores(0.6, false), [0.9, 0.4, 0.3, 0.2, 0.2]);
        // The threshold itself does not suppress: the overlap is 80 of 120.
        assert_eq!(scores(2.0 / 3.0, false), [0.9, 0.5, 0.4, 0.3, 0.2, 0.2]);
        assert_eq!(scores(0.0, false), [0.9, 0.4, 0.3, 0.2, 0.2]);
        assert_eq!(scores(1.0, false).len(), 7);
        assert_eq!(scores(0.5, true)[..3], [0.9, 0.4, 0.3]);
    }
}
