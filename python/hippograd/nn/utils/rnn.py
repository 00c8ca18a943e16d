"""Sequences of different lengths: padded tensors and packed sequences."""

from collections import namedtuple

from ... import _C

Tensor = _C.Tensor


class PackedSequence(namedtuple("PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])):
    """The entries of all sequences, step by step: `data` (sum of lengths, ...); batch_sizes[t] sequences reach step t."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None and sorted_indices is not None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        return type(self)(self.data.to(*args, **kwargs), *self[1:])

    def double(self):
        return type(self)(self.data.double(), *self[1:])

    def float(self):
        return type(self)(self.data.float(), *self[1:])


def invert_permutation(permutation):
    if permutation is None:
        return None
    inverse = _C.empty_like(permutation)
    inverse[permutation] = _C.arange(permutation.numel(), dtype=permutation.dtype)
    return inverse


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """(L, B, ...) (or batch first) with the true lengths -> PackedSequence."""
    lengths = [int(n) for n in lengths]
    if any(n <= 0 for n in lengths):
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0")
    x = input.transpose(0, 1) if batch_first else input
    if x.shape[1] != len(lengths):
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size="
                           f"{x.shape[1]})")
    if max(lengths) > x.shape[0]:
        raise RuntimeError(f"Expected lengths of at most {x.shape[0]}, got {max(lengths)}")
    order = None
    if not enforce_sorted:
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        lengths, order = [lengths[i] for i in order], _C.tensor(order, dtype=_C.int64)
        x = x.index_select(1, order)
    elif any(a < b for a, b in zip(lengths, lengths[1:])):
        raise RuntimeError("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
                           "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement "
                           "if you do not need ONNX exportability.")
    sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
    data = _C.cat([x[t, :n] for t, n in enumerate(sizes)])
    return PackedSequence(data, _C.tensor(sizes, dtype=_C.int64), order)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """PackedSequence -> padded (L, B, ...) (or batch first), lengths (B)."""
    sizes = [int(n) for n in sequence.batch_sizes]
    length = len(sizes) if total_length is None else total_length
    if length < len(sizes):
        raise ValueError(f"Expected total_length to be at least the length of the longest sequence in input, but got "
                         f"total_length={total_length} and max sequence length being {len(sizes)}")
    batch, rest = sizes[0], tuple(sequence.data.shape[1:])
    filler = lambda n: _C.full((n, *rest), padding_value, dtype=sequence.data.dtype)
    steps = [step if n == batch else _C.cat([step, filler(batch - n)])
             for step, n in zip(sequence.data.split(sizes), sizes)]
    steps += [filler(batch)] * (length - len(sizes))
    x = _C.stack(steps)                                                       # (L, B, ...)
    lengths = _C.tensor([sum(n > b for n in sizes) for b in range(batch)], dtype=_C.int64)
    if sequence.unsorted_indices is not None:
        x, lengths = x.index_select(1, sequence.unsorted_indices), lengths[sequence.unsorted_indices]
    return (x.transpose(0, 1) if batch_first else x), lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """List of (L_i, ...) -> (L, B, ...) (or batch first), shorter ones filled up."""
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side must be 'left' or 'right', got {padding_side!r}")
    sequences = list(sequences)
    length = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        fill = _C.full((length - s.shape[0], *s.shape[1:]), padding_value, dtype=s.dtype)
        padded.append(_C.cat([s, fill] if padding_side == "right" else [fill, s]))
    return _C.stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [s[:int(n)] for s, n in zip(x, lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    sequences = list(sequences)
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
