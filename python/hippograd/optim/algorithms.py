"""The update rules. g: gradient (negated by `maximize`), with coupled weight decay: g <- g + weight_decay p; t counts from 1.

    SGD       b <- momentum b + (1 - dampening) g;  p <- p - lr b            (nesterov: p <- p - lr (g + momentum b))
    Adam      m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
              p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
    AdamW     p <- (1 - lr weight_decay) p, then Adam without coupled decay

`foreach`, `fused`, `capturable` and `differentiable` are accepted for PyTorch's sake and change nothing.
"""

import math

from .. import _C
from .optimizer import Optimizer, check_betas, check_range


def _decayed(g, p, group):
    return g.add(p, alpha=group["weight_decay"]) if group["weight_decay"] != 0 else g


def _count(state):
    """Increments the step counter (a 0-dim tensor, as PyTorch keeps it) and returns it as a number."""
    state["step"] += 1
    return state["step"].item()


def _refuse_fresh_state():
    """State made inside a recording would be made anew, as zeros, at each replay."""
    if _C._cuda.capturing():
        raise _C.DeviceError("capture: the optimizer has no state yet; run one step before the recording (capture(step, warmup=1) does)")


def _start(state, p, *names):
    if not state:
        _refuse_fresh_state()
        state["step"] = _C.tensor(0.0)
        for name in names:
            state[name] = _C.zeros_like(p.detach())


def _fused_batches(optimizer, group, ready):
    """Parameters with gradients that a kernel can update together: lists (parameters, gradients, states), one per dtype, device
    and step number. None where the group needs the general rule (complex or strided parameters, `maximize`)."""
    batches = {}
    for p in group["params"]:
        if p.grad is None:
            continue
        if group["maximize"] or p.dtype not in (_C.float32, _C.float64) or p.grad.dtype != p.dtype or not p.is_contiguous():
            return None
        state = optimizer.state[p]
        ready(state, p)
        batch = batches.setdefault((p.dtype, p.device, state["step"].item() if "step" in state else 0), ([], [], []))
        for part, value in zip(batch, (p, p.grad.contiguous(), state)):
            part.append(value)
    return batches.values()


def _common(foreach=None, maximize=False, capturable=False, differentiable=False, fused=None):
    return dict(foreach=foreach, maximize=maximize, capturable=capturable, differentiable=differentiable, fused=fused)


class SGD(Optimizer):
    """Gradient descent with momentum (heavy ball or Nesterov)."""

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
                 foreach=None, differentiable=False, fused=None):
        check_range("learning rate", lr)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, maximize=maximize, foreach=foreach, differentiable=differentiable,
                                      fused=fused))

    def _update(self, p, g, state, group):
        g = _decayed(g, p, group)
        momentum = group["momentum"]
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = g.detach().clone()
            else:
                buffer.mul_(momentum).add_(g, alpha=1 - group["dampening"])
            g = g.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        p.add_(g, alpha=-float(group["lr"]))

    def _step_group(self, group):
        """All parameters at once where the kernel takes them; the same numbers as `_update`, to rounding."""
        batches = None if group.get("differentiable") else _fused_batches(self, group, lambda state, p: None)
        if batches is None:
            return super()._step_group(group)
        for params, grads, states in batches:
            first = [p for p, state in zip(params, states) if group["momentum"] != 0 and state.get("momentum_buffer") is None]
            fresh = {id(p) for p in first}
            for new in (True, False):            # a new buffer starts as the gradient, whatever the momentum
                some = [k for k, p in enumerate(params) if (id(p) in fresh) == new]
                if group["momentum"] != 0:
                    if new and some:
                        _refuse_fresh_state()
                    for k in some if new else ():
                        states[k]["momentum_buffer"] = _C.zeros_like(params[k].detach())
                buffers = [states[k]["momentum_buffer"] for k in some] if group["momentum"] != 0 else []
                _C._sgd_step([params[k] for k in some], [grads[k] for k in some], buffers,
                             lambda new=new: (float(group["lr"]), 1.0 if new else 2.0), float(group["momentum"]),
                             float(group["dampening"]), float(group["weight_decay"]), bool(group["nesterov"]))


class Adam(Optimizer):
    """Adaptive moments (Kingma & Ba 2015); `amsgrad` divides by the largest v so far."""

    _decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False):
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_betas(betas)
        check_range("weight_decay value", weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                                      **_common(foreach, maximize, capturable, differentiable, fused),
                                      decoupled_weight_decay=decoupled_weight_decay))

    def _update(self, p, g, state, group):
        _start(state, p, "exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else []))
        t, (b1, b2), lr = _count(state), group["betas"], float(group["lr"])
        if group.get("decoupled_weight_decay"):
            p.mul_(1 - lr * group["weight_decay"])
        else:
            g = _decayed(g, p, group)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.lerp_(g, 1 - b1)
        v.mul_(b2).addcmul_(g, g.conj() if g.is_complex() else g, value=1 - b2)
        if group["amsgrad"]:
            v = state["max_exp_avg_sq"].copy_(_C.maximum(state["max_exp_avg_sq"], v))
        root = (v.sqrt() / math.sqrt(1 - b2 ** t)).add_(group["eps"])
        p.addcdiv_(m, root, value=-lr / (1 - b1 ** t))


    def _step_group(self, group):
        """All parameters at once where the kernel takes them; the same numbers as `_update`, to rounding."""
        batches = None if group["amsgrad"] or group.get("differentiable") else _fused_batches(
            self, group, lambda state, p: _start(state, p, "exp_avg", "exp_avg_sq"))
        if batches is None:
            return super()._step_group(group)
        for params, grads, states in batches:
            def advance(states=states):      # once per step, also when a captured step is replayed
                return float(group["lr"]), [_count(state) for state in states][-1]
            _C._adam_step(params, grads, [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states], advance,
                   *group["betas"], group["eps"], group["weight_decay"], bool(group.get("decoupled_weight_decay")))


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False,
                 foreach=None, capturable=False, differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
                         capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=True)


class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016): mu_t = b1 (1 - 0.96^(t psi) / 2)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3,
                 decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False, differentiable=False):
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_betas(betas)
        check_range("weight_decay value", weight_decay)
        check_range("momentum_decay value", momentum_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
                                      decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach,
                                      capturable=capturable, differentiable=differentiable))

    def _update(self, p, g, state, group):
        if not state:
            state["step"], state["mu_product"] = _C.tensor(0.0), _C.tensor(1.0, dtype=_C.float64)
            state["exp_avg"], state["exp_avg_sq"] = _C.zeros_like(p.detach()), _C.zeros_like(p.detach())
        t, (b1, b2), lr = _count(state), group["betas"], float(group["lr"])
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        else:
            g = _decayed(g, p, group)
        psi = group["momentum_decay"]
        mu = b1 * (1 - 0.5 * 0.96 ** (t * psi))
        mu_next = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * psi))
        state["mu_product"] *= mu
        product = state["mu_product"].item()
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.lerp_(g, 1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)
        root = (v / (1 - b2 ** t)).sqrt_().add_(group["eps"])
        p.addcdiv_(g, root, value=-lr * (1 - mu) / (1 - product))
        p.addcdiv_(m, root, value=-lr * mu_next / (1 - product * mu_next))


class RAdam(Optimizer):
    """Adam with a rectified variance (Liu et al. 2020); plain momentum while the variance is not tractable (rho <= 5)."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False, *,
                 foreach=None, maximize=False, capturable=False, differentiable=False):
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_betas(betas)
        check_range("weight_decay value", weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      foreach=foreach, capturable=capturable, decoupled_weight_decay=decoupled_weight_decay,
                                      differentiable=differentiable))

    def _update(self, p, g, state, group):
        _start(state, p, "exp_avg", "exp_avg_sq")
        t, (b1, b2), lr = _count(state), group["betas"], float(group["lr"])
        if group["decoupled_weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        else:
            g = _decayed(g, p, group)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.lerp_(g, 1 - b1)
        v.mul_(b2).addcmul_(g, g, value=1 - b2)
        correction = 1 - b2 ** t
        rho_inf = 2 / (1 - b2) - 1
        rho = rho_inf - 2 * t * b2 ** t / correction
        step = m / (1 - b1 ** t)
        if rho > 5:
            rectify = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            step = step * (rectify * math.sqrt(correction)) / v.sqrt().add_(group["eps"])
        p.add_(step, alpha=-lr)


class Adafactor(Optimizer):
    """Second moments of matrices as the product of row and column means (Shazeer & Stern 2018), no first moment.

        1 - b2 = t^beta2_decay;   r, c <- moving means of g^2 over columns, rows;   v = r c / mean(r)
        u = g / max(sqrt(v), eps1);   p <- p - max(eps2, rms(p)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / d)
    """

    def __init__(self, params, lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0, *, foreach=None,
                 maximize=False):
        check_range("learning rate", lr)
        check_range("weight_decay value", weight_decay)
        if beta2_decay > 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if d < 1:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        super().__init__(params, dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize))

    def _update(self, p, g, state, group):
        if not state:
            state["step"] = _C.tensor(0.0)
            if g.dim() > 1:
                state["row_var"], state["col_var"] = g.new_zeros(*g.shape[:-1], 1), g.new_zeros(*g.shape[:-2], 1, g.shape[-1])
            else:
                state["variance"] = _C.zeros_like(g)
        t, lr, (eps1, eps2) = _count(state), float(group["lr"]), group["eps"]
        eps1 = _C.finfo(p.dtype).eps if eps1 is None else eps1
        fresh, rate = t ** group["beta2_decay"], min(lr, 1 / math.sqrt(t))
        rate *= max(eps2, p.detach().norm().item() / math.sqrt(p.numel()))
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        square = g * g
        if g.dim() > 1:
            row = state["row_var"].lerp_(square.mean(-1, keepdim=True), fresh)
            column = state["col_var"].lerp_(square.mean(-2, keepdim=True), fresh)
            v = row @ column / row.mean(-2, keepdim=True).clamp(min=eps1)
        else:
            v = state["variance"].lerp_(square, fresh)
        u = g * v.clamp(min=eps1 * eps1).rsqrt()
        p.add_(u, alpha=-rate / max(1.0, u.norm().item() / (math.sqrt(u.numel()) * group["d"])))


class Adamax(Optimizer):
    """Adam with the infinity norm: u <- max(b2 u, |g| + eps);  p <- p - lr / (1 - b1^t) m / u"""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, foreach=None, *, maximize=False,
                 differentiable=False, capturable=False):
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_betas(betas)
        check_range("weight_decay value", weight_decay)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, capturable=capturable))

    def _update(self, p, g, state, group):
        _start(state, p, "exp_avg", "exp_inf")
        t, (b1, b2), g = _count(state), group["betas"], _decayed(g, p, group)
        m, u = state["exp_avg"], state["exp_inf"]
        m.lerp_(g, 1 - b1)
        u.copy_(_C.maximum(u * b2, g.abs() + group["eps"]))
        p.addcdiv_(m, u, value=-float(group["lr"]) / (1 - b1 ** t))


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2;  p <- p - lr g / (sqrt(v) + eps); `centered` subtracts the mean's square from v"""

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False,
                 foreach=None, maximize=False, differentiable=False):
        check_range("learning rate", lr)
        check_range("epsilon value", eps)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        check_range("alpha value", alpha)
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable))

    def _update(self, p, g, state, group):
        _start(state, p, "square_avg", *(["momentum_buffer"] if group["momentum"] > 0 else []),
               *(["grad_avg"] if group["centered"] else []))
        _count(state)
        g, v, alpha = _decayed(g, p, group), state["square_avg"], group["alpha"]
        v.mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].lerp_(g, 1 - alpha)
            v = v - mean * mean
        root = v.sqrt().add_(group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(g, root)
            p.add_(buffer, alpha=-float(group["lr"]))
        else:
            p.addcdiv_(g, root, value=-float(group["lr"]))


class Adagrad(Optimizer):
    """s <- s + g^2;  p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)"""

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *,
                 maximize=False, differentiable=False, fused=None):
        check_range("learning rate", lr)
        check_range("lr_decay value", lr_decay)
        check_range("weight_decay value", weight_decay)
        check_range("initial_accumulator_value value", initial_accumulator_value)
        check_range("epsilon value", eps)
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, fused=fused))
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"step": _C.tensor(0.0),
                                 "sum": _C.full_like(p.detach(), float(initial_accumulator_value))}

    def _update(self, p, g, state, group):
        t, g, total = _count(state), _decayed(g, p, group), state["sum"]
        total.addcmul_(g, g, value=1)
        lr = float(group["lr"]) / (1 + (t - 1) * group["lr_decay"])
        p.addcdiv_(g, total.sqrt().add_(group["eps"]), value=-lr)


class Adadelta(Optimizer):
    """v <- rho v + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(v + eps) g;  a <- rho a + (1 - rho) d^2;  p <- p - lr d"""

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
                 differentiable=False):
        check_range("learning rate", lr)
        check_range("rho value", rho, high=1.0 + 1e-12)
        check_range("epsilon value", eps)
        check_range("weight_decay value", weight_decay)
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      capturable=capturable, foreach=foreach, differentiable=differentiable))

    def _update(self, p, g, state, group):
        _start(state, p, "square_avg", "acc_delta")
        _count(state)
        g, rho, eps = _decayed(g, p, group), group["rho"], group["eps"]
        v, a = state["square_avg"], state["acc_delta"]
        v.mul_(rho).addcmul_(g, g, value=1 - rho)
        delta = (a + eps).sqrt_().div_((v + eps).sqrt_()).mul_(g)
        a.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-float(group["lr"]))


class Rprop(Optimizer):
    """Step size per entry grows by eta+ while the gradient keeps its sign and shrinks by eta- where it turns."""

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, foreach=None,
                 maximize=False, differentiable=False):
        check_range("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _update(self, p, g, state, group):
        if not state:
            state.update(step=_C.tensor(0.0), prev=_C.zeros_like(p.detach()),
                         step_size=_C.full_like(p.detach(), float(group["lr"])))
        _count(state)
        (minus, plus), (low, high) = group["etas"], group["step_sizes"]
        turn = g * state["prev"]
        factor = _C.ones_like(g).masked_fill(turn > 0, plus).masked_fill(turn < 0, minus)
        size = state["step_size"].mul_(factor).clamp_(low, high)
        g = g.masked_fill(turn < 0, 0)
        p.sub_(g.sign() * size)
        state["prev"].copy_(g)


class ASGD(Optimizer):
    """Averaged gradient descent: eta_t = lr / (1 + lambda lr t)^alpha;  ax <- ax + mu (p - ax), mu = 1 / max(1, t - t0)"""

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, maximize=False,
                 differentiable=False, capturable=False):
        check_range("learning rate", lr)
        check_range("weight_decay value", weight_decay)
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, capturable=capturable))

    def _update(self, p, g, state, group):
        if not state:
            state.update(step=_C.tensor(0.0), eta=_C.tensor(float(group["lr"]), dtype=_C.float64),
                         mu=_C.tensor(1.0, dtype=_C.float64), ax=_C.zeros_like(p.detach()))
        t, g, lr = _count(state), _decayed(g, p, group), float(group["lr"])
        eta, mu = state["eta"].item(), state["mu"].item()
        p.mul_(1 - group["lambd"] * eta).add_(g, alpha=-eta)
        state["ax"].copy_(p) if mu == 1 else state["ax"].add_((p - state["ax"]) * mu)
        state["eta"].fill_(lr / (1 + group["lambd"] * lr * t) ** group["alpha"])
        state["mu"].fill_(1 / max(1, t - group["t0"]))
