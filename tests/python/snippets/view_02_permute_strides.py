# Strides, contiguity and transposition.
import torch

x = torch.arange(24).reshape(2, 3, 4)
p = x.permute(2, 0, 1)
t = x.transpose(1, 2)
result = {
    "stride": x.stride(), "p_shape": p.shape, "p_stride": p.stride(),
    "contig": [x.is_contiguous(), p.is_contiguous(), p.contiguous().is_contiguous()], "t": t, "p": p[1],
    "stride0": x.stride(0), "mT": x.mT.shape, "T": x[0].T, "swapaxes": x.swapaxes(0, 2).shape,
    "movedim": torch.movedim(x, 0, -1).shape,
    "moveaxis": x.moveaxis((0, 1), (1, 2)).shape, "shares": p.data_ptr() == x.data_ptr(),
    "contig_copies": p.contiguous().data_ptr() == x.data_ptr(), "func": torch.permute(x, (1, 0, 2)).shape,
    "neg": x.transpose(-1, -2).shape, "offset": x[1, 2].storage_offset(),
}
