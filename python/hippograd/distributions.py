"""Probability distributions: sample, log_prob, entropy, kl_divergence.

Parameters broadcast; `sample(shape)` gives shape + batch_shape + event_shape. `rsample` lets gradients pass to the parameters.
"""

import math

from . import _C
from .autograd.grad_mode import no_grad
from .nn import functional as F

Tensor = _C.Tensor


def _broadcast(*values):
    """Numbers and tensors as tensors of one shape and of the tensors' dtype."""
    dtype = next((v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point()), _C.get_default_dtype())
    tensors = [v if isinstance(v, Tensor) else _C.tensor(float(v), dtype=dtype) for v in values]
    return _C.broadcast_tensors(*tensors)


class Distribution:
    """Base class: batch_shape independent variables, each of event_shape."""

    has_rsample = False

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = tuple(batch_shape), tuple(event_shape)

    batch_shape = property(lambda self: _C.Size(self._batch_shape))
    event_shape = property(lambda self: _C.Size(self._event_shape))
    stddev = property(lambda self: self.variance.sqrt())

    def _shape(self, sample_shape):
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    def sample(self, sample_shape=()):
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        raise NotImplementedError(f"{type(self).__name__}.rsample")

    def sample_n(self, n):
        return self.sample((n,))

    def log_prob(self, value):
        raise NotImplementedError(f"{type(self).__name__}.log_prob")

    def entropy(self):
        raise NotImplementedError(f"{type(self).__name__}.entropy")

    def perplexity(self):
        return self.entropy().exp()

    def _uniform(self, sample_shape, like):
        """Numbers in the open interval (0, 1)."""
        tiny = _C.finfo(like.dtype).tiny
        return _C.rand(self._shape(sample_shape), dtype=like.dtype).clamp(min=tiny)

    def _require(self, good, name, value, what):
        if not bool(good.all()):
            raise ValueError(f"Expected parameter {name} of distribution {type(self).__name__} to be {what}, but found "
                             f"invalid values:\n{value}")

    def __repr__(self):
        shown = {k: v for k, v in self.__dict__.items() if not k.startswith("_") and isinstance(v, Tensor)}
        return f"{type(self).__name__}(" + ", ".join(f"{k}: {v if v.numel() == 1 else tuple(v.shape)}"
                                                     for k, v in shown.items()) + ")"


class Normal(Distribution):
    """N(loc, scale^2)"""

    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = _broadcast(loc, scale)
        if validate_args is not False:
            self._require(self.scale > 0, "scale", self.scale, "positive")
        super().__init__(self.loc.shape)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale ** 2)

    def rsample(self, sample_shape=()):
        return self.loc + _C.randn(self._shape(sample_shape), dtype=self.loc.dtype) * self.scale

    def log_prob(self, value):
        return -((value - self.loc) ** 2) / (2 * self.scale ** 2) - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value):
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value):
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class LogNormal(Normal):
    """exp of N(loc, scale^2)"""

    mean = property(lambda self: (self.loc + self.scale ** 2 / 2).exp())
    variance = property(lambda self: (self.scale ** 2).expm1() * (2 * self.loc + self.scale ** 2).exp())
    stddev = Distribution.stddev

    def rsample(self, sample_shape=()):
        return super().rsample(sample_shape).exp()

    def log_prob(self, value):
        return super().log_prob(value.log()) - value.log()

    def entropy(self):
        return super().entropy() + self.loc


class Uniform(Distribution):
    """Constant on [low, high)"""

    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = _broadcast(low, high)
        if validate_args is not False and not bool((self.low < self.high).all()):
            raise ValueError("Uniform is not defined when low>= high")
        super().__init__(self.low.shape)

    mean = property(lambda self: (self.high + self.low) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape=()):
        return self.low + _C.rand(self._shape(sample_shape), dtype=self.low.dtype) * (self.high - self.low)

    def log_prob(self, value):
        inside = (self.low <= value) & (value < self.high)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value):
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def entropy(self):
        return (self.high - self.low).log()


class Exponential(Distribution):
    """rate exp(-rate x)"""

    has_rsample = True

    def __init__(self, rate, validate_args=None):
        self.rate, = _broadcast(rate)
        super().__init__(self.rate.shape)

    mean = property(lambda self: 1 / self.rate)
    variance = property(lambda self: self.rate ** -2)

    def rsample(self, sample_shape=()):
        return -self._uniform(sample_shape, self.rate).log() / self.rate

    def log_prob(self, value):
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        return -(-self.rate * value).expm1()

    def entropy(self):
        return 1 - self.rate.log()


class Laplace(Distribution):
    """exp(-|x - loc| / scale) / (2 scale)"""

    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = _broadcast(loc, scale)
        super().__init__(self.loc.shape)

    mean = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale ** 2)

    def rsample(self, sample_shape=()):
        u = self._uniform(sample_shape, self.loc) - 0.5
        return self.loc - self.scale * u.sign() * (-2 * u.abs()).log1p()

    def log_prob(self, value):
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def entropy(self):
        return 1 + (2 * self.scale).log()


class Gumbel(Distribution):
    """Largest of many: exp(-(z + exp(-z))) / scale, z = (x - loc) / scale"""

    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = _broadcast(loc, scale)
        super().__init__(self.loc.shape)

    mean = property(lambda self: self.loc + self.scale * 0.57721566490153286060)
    variance = property(lambda self: (math.pi ** 2 / 6) * self.scale ** 2)

    def rsample(self, sample_shape=()):
        u = self._uniform(sample_shape, self.loc)
        return self.loc - self.scale * (-u.log()).clamp(min=_C.finfo(u.dtype).tiny).log()

    def log_prob(self, value):
        z = (value - self.loc) / self.scale
        return -(z + (-z).exp()) - self.scale.log()

    def entropy(self):
        return self.scale.log() + (1 + 0.57721566490153286060)


class Bernoulli(Distribution):
    """1 with probability probs (or sigmoid(logits)), else 0"""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            self.probs, = _broadcast(probs)
            self._require((self.probs >= 0) & (self.probs <= 1), "probs", self.probs, "in [0, 1]")
            eps = _C.finfo(self.probs.dtype).eps
            p = self.probs.clamp(eps, 1 - eps)
            self.logits = p.log() - (-p).log1p()
        else:
            self.logits, = _broadcast(logits)
            self.probs = self.logits.sigmoid()
        super().__init__(self.logits.shape)

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        with no_grad():
            return _C.bernoulli(self.probs.expand(self._shape(sample_shape)))

    def log_prob(self, value):
        logits, value = _C.broadcast_tensors(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class Categorical(Distribution):
    """Index i with probability probs[..., i] (normalised) or softmax(logits)[..., i]"""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            if probs.dim() < 1:
                raise ValueError("`probs` parameter must be at least one-dimensional.")
            self._require(probs >= 0, "probs", probs, "nonnegative")
            self.probs = probs / probs.sum(-1, keepdim=True)
            eps = _C.finfo(self.probs.dtype).eps
            self.logits = self.probs.clamp(eps, 1 - eps).log()
        else:
            if logits.dim() < 1:
                raise ValueError("`logits` parameter must be at least one-dimensional.")
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
            self.probs = self.logits.softmax(-1)
        self._num_events = self.logits.shape[-1]
        super().__init__(self.logits.shape[:-1])

    mode = property(lambda self: self.probs.argmax(-1))

    def sample(self, sample_shape=()):
        with no_grad():
            count = math.prod(sample_shape)
            flat = _C.multinomial(self.probs.reshape(-1, self._num_events), count, True).t()        # (count, batch)
            return flat.reshape((*sample_shape, *self._batch_shape))

    def log_prob(self, value):
        value = value.to(_C.int64).unsqueeze(-1)
        shape = _C.broadcast_shapes(value.shape[:-1], self.logits.shape[:-1])
        logits = self.logits.expand(*shape, self._num_events)
        return logits.gather(-1, value.expand(*shape, 1)).squeeze(-1)

    def entropy(self):
        low = _C.finfo(self.logits.dtype).min
        return -(self.logits.clamp(min=low) * self.probs).sum(-1)


class OneHotCategorical(Distribution):
    """Categorical whose values are one-hot vectors"""

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        self.probs, self.logits = self._categorical.probs, self._categorical.logits
        super().__init__(self._categorical._batch_shape, (self._categorical._num_events,))

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        return F.one_hot(self._categorical.sample(sample_shape), self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self):
        return self._categorical.entropy()


class Geometric(Distribution):
    """Failures before the first success: (1 - probs)^k probs"""

    def __init__(self, probs=None, logits=None, validate_args=None):
        self.probs, = _broadcast(probs if logits is None else logits.sigmoid())
        super().__init__(self.probs.shape)

    mean = property(lambda self: 1 / self.probs - 1)
    variance = property(lambda self: (1 / self.probs - 1) / self.probs)

    def sample(self, sample_shape=()):
        with no_grad():
            return (self._uniform(sample_shape, self.probs).log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        return value * (-self.probs).log1p() + self.probs.log()

    def entropy(self):
        return -((1 - self.probs) * (-self.probs).log1p() + self.probs * self.probs.log()) / self.probs


class Poisson(Distribution):
    """rate^k exp(-rate) / k!"""

    def __init__(self, rate, validate_args=None):
        self.rate, = _broadcast(rate)
        super().__init__(self.rate.shape)

    mean = property(lambda self: self.rate)
    variance = property(lambda self: self.rate)

    def sample(self, sample_shape=()):
        with no_grad():
            return _C.poisson(self.rate.expand(self._shape(sample_shape)))

    def log_prob(self, value):
        return value * self.rate.log() - self.rate - (value + 1).lgamma()


class Independent(Distribution):
    """The last `reinterpreted_batch_ndims` batch dims of another distribution as one event"""

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        self.base_dist, self._n = base_distribution, reinterpreted_batch_ndims
        batch = base_distribution._batch_shape
        if self._n > len(batch):
            raise ValueError("Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                             f"{self._n} vs {len(batch)}")
        cut = len(batch) - self._n
        super().__init__(batch[:cut], batch[cut:] + base_distribution._event_shape)
        self.has_rsample = base_distribution.has_rsample

    mean = property(lambda self: self.base_dist.mean)
    variance = property(lambda self: self.base_dist.variance)

    def _sum(self, x):
        return x.sum(list(range(-self._n, 0))) if self._n else x

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        return self._sum(self.base_dist.log_prob(value))

    def entropy(self):
        return self._sum(self.base_dist.entropy())


class MultivariateNormal(Distribution):
    """N(loc, covariance_matrix), or by precision_matrix or the lower factor scale_tril"""

    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if sum(m is not None for m in (covariance_matrix, precision_matrix, scale_tril)) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        if scale_tril is None:
            covariance = _C.linalg.inv(precision_matrix) if covariance_matrix is None else covariance_matrix
            scale_tril = _C.linalg.cholesky(covariance)
        n = loc.shape[-1]
        batch = _C.broadcast_shapes(loc.shape[:-1], scale_tril.shape[:-2])
        self.loc, self.scale_tril = loc.expand(*batch, n), scale_tril.expand(*batch, n, n)
        super().__init__(batch, (n,))

    mean = property(lambda self: self.loc)
    covariance_matrix = property(lambda self: self.scale_tril @ self.scale_tril.transpose(-1, -2))
    variance = property(lambda self: (self.scale_tril ** 2).sum(-1))

    def rsample(self, sample_shape=()):
        z = _C.randn(self._shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self.scale_tril @ z.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self):
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value):
        difference = (value - self.loc).unsqueeze(-1)
        z = _C.linalg.solve(self.scale_tril.expand(*difference.shape[:-2], *self.scale_tril.shape[-2:]), difference)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + (z * z).sum((-2, -1))) - self._half_log_det()

    def entropy(self):
        return 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_det()


def _kl_normal(p, q):
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


def _kl_bernoulli(p, q):
    return p.probs * (p.logits - q.logits) + F.softplus(q.logits) - F.softplus(p.logits)


def _kl_categorical(p, q):
    terms = (p.probs * (p.logits - q.logits)).masked_fill((q.probs == 0).expand_as(p.probs), math.inf)
    return terms.masked_fill((p.probs == 0).expand_as(terms), 0).sum(-1)


def _kl_exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


def _kl_uniform(p, q):
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return kl.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)


def _kl_laplace(p, q):
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1


def _kl_independent(p, q):
    return p._sum(kl_divergence(p.base_dist, q.base_dist))


_KL = {(Normal, Normal): _kl_normal, (LogNormal, LogNormal): _kl_normal, (Bernoulli, Bernoulli): _kl_bernoulli,
       (Categorical, Categorical): _kl_categorical, (OneHotCategorical, OneHotCategorical): _kl_categorical,
       (Exponential, Exponential): _kl_exponential, (Uniform, Uniform): _kl_uniform, (Laplace, Laplace): _kl_laplace,
       (Poisson, Poisson): lambda p, q: p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate),
       (Independent, Independent): _kl_independent}


def register_kl(type_p, type_q):
    """Decorator: `@register_kl(P, Q) def kl(p, q): ...`"""
    def add(function):
        _KL[type_p, type_q] = function
        return function
    return add


def kl_divergence(p, q):
    """E_p[log p - log q]"""
    for a in type(p).__mro__:
        for b in type(q).__mro__:
            if (a, b) in _KL:
                return _KL[a, b](p, q)
    raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}")
