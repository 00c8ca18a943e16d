"""Recurrent layers, step by step in Python over ops.

    RNN   h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    LSTM  i, f, g, o = the same sums;  c_t = s(f) c_{t-1} + s(i) tanh(g);  h_t = s(o) tanh(c_t)
    GRU   r, z, n;  n = tanh(x_n + s(r) h_n);  h_t = (1 - s(z)) n + s(z) h_{t-1}

The input products of all steps are one matrix product; only W_hh h is done per step. Parameters are PyTorch's
(weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ..., suffix _reverse) and start uniform in +- 1 / sqrt(hidden_size).
"""

import math

from .. import _C
from . import init
from .linear import _empty
from .module import Module
from .utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def _rnn_step(act, x, h, w, b):
    return (act(x + _C.linear(h[0], w, b)),)


def _lstm_step(x, state, w, b):
    h, c = state[0], state[1]
    i, f, g, o = (x + _C.linear(h, w, b)).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_step(x, state, w, b):
    h = state[0]
    xr, xz, xn = x.chunk(3, -1)
    hr, hz, hn = _C.linear(h, w, b).chunk(3, -1)
    z = (xz + hz).sigmoid()
    n = (xn + (xr + hr).sigmoid() * hn).tanh()
    return (n + z * (h - n),)


class RNNBase(Module):
    """Stacked, optionally bidirectional recurrence over (L, B, input_size), or (B, L, input_size) with batch_first.

    Returns (outputs (L, B, directions * hidden_size), last state (layers * directions, B, hidden_size)); B may be missing, a
    PackedSequence may take the place of the input.
    """

    gates, states = 1, 1

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):
        if proj_size:
            raise NotImplementedError(f"{type(self).__name__}: proj_size is not supported; put a Linear behind the layer")
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being "
                             "zeroed")
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, float(dropout), bidirectional
        rows = self.gates * hidden_size
        for suffix, layer in self._suffixes():
            width = input_size if layer == 0 else hidden_size * (2 if bidirectional else 1)
            setattr(self, "weight_ih" + suffix, _empty(rows, width, device=device, dtype=dtype))
            setattr(self, "weight_hh" + suffix, _empty(rows, hidden_size, device=device, dtype=dtype))
            if bias:
                setattr(self, "bias_ih" + suffix, _empty(rows, device=device, dtype=dtype))
                setattr(self, "bias_hh" + suffix, _empty(rows, device=device, dtype=dtype))
        self.reset_parameters()

    def _suffixes(self):
        return [(f"_l{layer}{end}", layer) for layer in range(self.num_layers)
                for end in (("", "_reverse") if self.bidirectional else ("",))]

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self):
        """Nothing to do here; exists for PyTorch code."""

    def _step(self, x, state, w, b):
        raise NotImplementedError

    def _run(self, x, state, suffix, batch_sizes):
        """One direction of one layer.   x: (L, B, I) -> (L, B, H), final state. Rows b >= batch_sizes[t] do not exist at t."""
        bias = (lambda name: getattr(self, name + suffix)) if self.bias else (lambda name: None)
        projected = _C.linear(x, getattr(self, "weight_ih" + suffix), bias("bias_ih")).unbind(0)
        weight, b_hh = getattr(self, "weight_hh" + suffix), bias("bias_hh")
        backwards = suffix.endswith("_reverse")
        outputs = [None] * len(projected)
        for t in reversed(range(len(projected))) if backwards else range(len(projected)):
            if batch_sizes is None or batch_sizes[t] == x.shape[1]:
                state = self._step(projected[t], state, weight, b_hh)
                outputs[t] = state[0]
            else:
                n = batch_sizes[t]
                live = self._step(projected[t][:n], tuple(s[:n] for s in state), weight, b_hh)
                state = tuple(_C.cat([new, old[n:]]) for new, old in zip(live, state))
                outputs[t] = _C.cat([live[0], _C.zeros_like(state[0][n:])])
        return _C.stack(outputs), state

    def _layers(self, x, initial, batch_sizes):
        """x: (L, B, I), initial: tuple of (layers * directions, B, H)."""
        directions, finals = 2 if self.bidirectional else 1, []
        for layer in range(self.num_layers):
            outputs = []
            for k in range(directions):
                index = layer * directions + k
                y, last = self._run(x, tuple(s[index] for s in initial), self._suffixes()[index][0], batch_sizes)
                outputs.append(y)
                finals.append(last)
            x = outputs[0] if directions == 1 else _C.cat(outputs, -1)
            if self.dropout > 0 and layer + 1 < self.num_layers:
                x = _C.dropout(x, self.dropout, self.training)
        return x, tuple(_C.stack([f[i] for f in finals]) for i in range(self.states))

    def _initial(self, hx, x, batched, order):
        count = self.num_layers * (2 if self.bidirectional else 1)
        if hx is None:
            zero = _C.zeros(count, x.shape[1], self.hidden_size, dtype=x.dtype, device=x.device)
            return (zero,) * self.states
        hx = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        hx = tuple(h if batched else h.unsqueeze(1) for h in hx)
        expected = (count, x.shape[1], self.hidden_size)
        for h in hx:
            if tuple(h.shape) != expected:
                raise RuntimeError(f"Expected hidden size {expected}, got {list(h.shape)}")
        return hx if order is None else tuple(h.index_select(1, order) for h in hx)

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                               f"{input.shape[-1]}")
        batched = input.dim() == 3
        x = (input.transpose(0, 1) if self.batch_first else input) if batched else input.unsqueeze(1)    # (L, B, I)
        y, last = self._layers(x, self._initial(hx, x, batched, None), None)
        if not batched:
            y, last = y.squeeze(1), tuple(s.squeeze(1) for s in last)
        elif self.batch_first:
            y = y.transpose(0, 1)
        return y, last if self.states > 1 else last[0]

    def _forward_packed(self, packed, hx):
        sizes = [int(n) for n in packed.batch_sizes]
        sorted_form = PackedSequence(packed.data, packed.batch_sizes)
        x, lengths = pad_packed_sequence(sorted_form)                                                    # (L, B, I)
        y, last = self._layers(x, self._initial(hx, x, True, packed.sorted_indices), sizes)
        y = pack_padded_sequence(y, lengths)
        if packed.unsorted_indices is not None:
            last = tuple(s.index_select(1, packed.unsorted_indices) for s in last)
        y = PackedSequence(y.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        return y, last if self.states > 1 else last[0]

    def extra_repr(self):
        s = f"{self.input_size}, {self.hidden_size}"
        for name, default in (("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0),
                              ("bidirectional", False)):
            if getattr(self, name) != default:
                s += f", {name}={getattr(self, name)}"
        return s


class RNN(RNNBase):
    """h_t = tanh or relu (W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)"""

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    def _step(self, x, state, w, b):
        return _rnn_step(_C.tanh if self.nonlinearity == "tanh" else _C.relu, x, state, w, b)


class LSTM(RNNBase):
    """Gates i, f, g, o; the state is the pair (h, c)."""

    gates, states = 4, 2

    def _step(self, x, state, w, b):
        return _lstm_step(x, state, w, b)


class GRU(RNNBase):
    """Gates r, z, n."""

    gates = 3

    def _step(self, x, state, w, b):
        return _gru_step(x, state, w, b)


class RNNCellBase(Module):
    """One step: (B, input_size) or (input_size), state (B, hidden_size) -> next state."""

    gates, states = 1, 1

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = _empty(rows, input_size, device=device, dtype=dtype)
        self.weight_hh = _empty(rows, hidden_size, device=device, dtype=dtype)
        self.register_parameter("bias_ih", _empty(rows, device=device, dtype=dtype) if bias else None)
        self.register_parameter("bias_hh", _empty(rows, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    reset_parameters = RNNBase.reset_parameters

    def forward(self, input, hx=None):
        if input.dim() not in (1, 2):
            raise ValueError(f"{self._get_name()}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        if hx is None:
            hx = (_C.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype, device=input.device),) * self.states
        state = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        result = self._step(_C.linear(input, self.weight_ih, self.bias_ih), state, self.weight_hh, self.bias_hh)
        return result if self.states > 1 else result[0]

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """h' = tanh or relu (W_ih x + b_ih + W_hh h + b_hh)"""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        if nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {nonlinearity}")
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias, device, dtype)

    _step = RNN._step


class LSTMCell(RNNCellBase):
    """(x, (h, c)) -> (h', c')"""
    gates, states = 4, 2
    _step = LSTM._step


class GRUCell(RNNCellBase):
    """(x, h) -> h'"""
    gates = 3
    _step = GRU._step
