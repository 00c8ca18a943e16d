"""State space layers. The layers are C++; here they are Modules whose parameters stand under their authors' paths."""
from .. import _C
from ..leaf import LeafModule

__all__ = ["MambaBlock", "MambaLayer"]


class _Mamba(LeafModule):
    _kind = None

    def __init__(self, d_model, d_state=16, d_conv=4, expand=2, dt_rank="auto", dt_min=0.001, dt_max=0.1, dt_init_floor=1e-4, conv_bias=True,
                 bias=False, *, device="cpu", dtype="float32"):
        self.d_model, self.d_state, self.d_conv, self.expand = d_model, d_state, d_conv, expand
        self._arguments = dict(d_model=d_model, d_state=d_state, d_conv=d_conv, expand=expand, dt_rank=0 if dt_rank == "auto" else dt_rank,
                               dt_min=dt_min, dt_max=dt_max, dt_init_floor=dt_init_floor, conv_bias=conv_bias, bias=bias)
        self._adopt(self._kind(**self._arguments, dtype=str(dtype).rsplit(".", 1)[-1], device=str(device)))

    def forward(self, x, state=None, return_state=False, lengths=None):
        """x (B, L, D) -> y, or (y, state) when asked. lengths (B,): rows are padded on the right."""
        return self._layer.forward(x, state, return_state, lengths)

    def step(self, x, state):
        """One token: x (B, D) -> (y (B, D), state); equals `forward` on the whole sequence."""
        return self._layer.step(x, state)

    def init_state(self, batch):
        """(conv (B, E, d_conv - 1), ssm (B, E, N)), zeros."""
        return self._layer.init_state(batch)

    def extra_repr(self):
        return f"d_model={self.d_model}, d_state={self.d_state}, d_conv={self.d_conv}, expand={self.expand}"

    def __deepcopy__(self, memo):
        copy = type(self)(**{**self._arguments, "dt_rank": self._arguments["dt_rank"] or "auto"}, dtype=next(self.parameters()).dtype)
        copy.load_state_dict(self.state_dict())
        return copy.train(self.training)


class MambaLayer(_Mamba):
    """Mamba's mixer (Gu & Dao 2023, section 3.4): in_proj, causal convolution, selective scan, gate, out_proj."""

    _kind = _C._ssm.MambaLayer


class MambaBlock(_Mamba):
    """x + MambaLayer(RMSNorm(x))."""

    _kind = _C._ssm.MambaBlock
