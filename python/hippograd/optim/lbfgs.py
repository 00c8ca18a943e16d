"""L-BFGS (Nocedal & Wright 2006, alg. 7.4 and 7.5, line search 3.5 and 3.6 with cubic interpolation)."""

import math

from .. import _C
from ..autograd.grad_mode import enable_grad, no_grad
from .optimizer import Optimizer


def _cubic(x1, f1, g1, x2, f2, g2, low=None, high=None):
    """Minimiser of the cubic with these values and slopes, inside [low, high]."""
    low, high = (min(x1, x2), max(x1, x2)) if low is None else (low, high)
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if square < 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    x = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)) if x1 <= x2 else \
        x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(x, low), high)


def _strong_wolfe(evaluate, t, d, f0, g0, slope0, c1=1e-4, c2=0.9, tolerance=1e-9, most=25):
    """A step t with f(t) <= f0 + c1 t slope0 and |slope(t)| <= c2 |slope0|. Returns f, gradient, t, evaluations."""
    size = d.abs().max().item()
    previous = (0.0, f0, g0, slope0)                                # t, f, gradient, slope
    f, g = evaluate(t)
    slope, calls, done = (g * d).sum().item(), 1, False
    for k in range(most):
        point = (t, f, g, slope)
        if f > f0 + c1 * t * slope0 or (k > 0 and f >= previous[1]) or slope >= 0:
            break
        if abs(slope) <= -c2 * slope0:
            return f, g, t, calls
        step = _cubic(previous[0], previous[1], previous[3], t, f, slope, t + 0.01 * (t - previous[0]), t * 10)
        previous, t = point, step
        f, g = evaluate(t)
        slope, calls = (g * d).sum().item(), calls + 1
    else:
        previous = (0.0, f0, g0, slope0)
    if abs(slope) <= -c2 * slope0 and f <= f0 + c1 * t * slope0:
        return f, g, t, calls
    low, high = sorted((previous, (t, f, g, slope)), key=lambda q: q[1])
    stuck = False
    for _ in range(most - calls):
        if abs(high[0] - low[0]) * size < tolerance:
            break
        t = _cubic(low[0], low[1], low[3], high[0], high[1], high[3])
        a, b = min(low[0], high[0]), max(low[0], high[0])
        margin = 0.1 * (b - a)
        if min(b - t, t - a) < margin:                              # too near an end twice, or outside: move inside
            if stuck or t >= b or t <= a:
                t, stuck = (b - margin if abs(t - b) < abs(t - a) else a + margin), False
            else:
                stuck = True
        else:
            stuck = False
        f, g = evaluate(t)
        slope, calls = (g * d).sum().item(), calls + 1
        point = (t, f, g, slope)
        if f > f0 + c1 * t * slope0 or f >= low[1]:
            high = point
            low, high = (low, high) if low[1] <= high[1] else (high, low)
        else:
            done = abs(slope) <= -c2 * slope0
            if not done and slope * (high[0] - low[0]) >= 0:
                high = low
            low = point
        if done:
            break
    return low[1], low[2], low[0], calls


class LBFGS(Optimizer):
    """One parameter group; `step(closure)` runs up to max_iter iterations, the closure recomputing the loss and gradients."""

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None, *, maximize=False):
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                                      tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
                                      history_size=history_size, line_search_fn=line_search_fn,
                                      maximize=maximize))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _gradient(self):
        """The gradient of what is minimised, one vector."""
        g = _C.cat([(_C.zeros_like(p) if p.grad is None else p.grad).detach().reshape(-1) for p in self._params])
        return -g if self.param_groups[0]["maximize"] else g

    def _move(self, d, t):
        start = 0
        for p in self._params:
            p.add_(d[start:start + p.numel()].view_as(p), alpha=t)
            start += p.numel()

    @staticmethod
    def _direction(gradient, ys, ss, scale):
        """Two-loop recursion: -H g."""
        q, coefficients = -gradient, []
        for y, s in zip(reversed(ys), reversed(ss)):
            a = (s * q).sum() / (y * s).sum()
            coefficients.append(a)
            q = q - a * y
        r = q * scale
        for y, s, a in zip(ys, ss, reversed(coefficients)):
            r = r + s * (a - (y * r).sum() / (y * s).sum())
        return r

    @no_grad()
    def step(self, closure):
        group, state = self.param_groups[0], self.state[self._params[0]]
        run, sign = enable_grad()(closure), -1.0 if group["maximize"] else 1.0
        recompute = lambda: sign * float(run())
        first_loss = run()
        loss, evaluations = sign * float(first_loss), 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        g = self._gradient()
        if g.abs().max().item() <= group["tolerance_grad"]:
            return first_loss
        n = 0
        while n < group["max_iter"]:
            n += 1
            state["n_iter"] = state.get("n_iter", 0) + 1
            d = self._next_direction(g, state, group)
            old_loss = loss
            state["prev_flat_grad"], state["prev_loss"] = g.clone(), loss
            t = min(1.0, 1.0 / g.abs().sum().item()) * group["lr"] if state["n_iter"] == 1 else float(group["lr"])
            slope = (g * d).sum().item()
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"] == "strong_wolfe":
                loss, g, t, calls = self._search(recompute, t, d, loss, g, slope)
            else:
                self._move(d, t)
                calls = 0
                if n != group["max_iter"]:
                    loss, g, calls = recompute(), self._gradient(), 1
            state["d"], state["t"] = d, t
            evaluations += calls
            state["func_evals"] += calls
            if (n == group["max_iter"] or evaluations >= group["max_eval"]
                    or g.abs().max().item() <= group["tolerance_grad"]
                    or (d * t).abs().max().item() <= group["tolerance_change"]
                    or abs(loss - old_loss) < group["tolerance_change"]):
                break
        return first_loss

    def _next_direction(self, g, state, group):
        if state["n_iter"] == 1:
            state["old_dirs"], state["old_stps"], state["H_diag"] = [], [], 1.0
            return -g
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        product = (y * s).sum().item()
        if product > 1e-10:
            state["old_dirs"] = [*state["old_dirs"], y][-group["history_size"]:]
            state["old_stps"] = [*state["old_stps"], s][-group["history_size"]:]
            state["H_diag"] = product / (y * y).sum().item()
        return self._direction(g, state["old_dirs"], state["old_stps"], state["H_diag"])

    def _search(self, recompute, t, d, loss, g, slope):
        start = [p.detach().clone() for p in self._params]

        def evaluate(step):
            self._move(d, step)
            f, gradient = recompute(), self._gradient()
            for p, old in zip(self._params, start):
                p.copy_(old)
            return f, gradient

        loss, g, t, calls = _strong_wolfe(evaluate, t, d, loss, g, slope)
        self._move(d, t)
        return loss, g, t, calls
