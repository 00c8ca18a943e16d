# Slices, integers, arrays and None in one subscript.
import torch

x = torch.arange(60).reshape(3, 4, 5)
idx = torch.tensor([0, 2])
result = {
    "arr_slice_int": x[idx, :, 1], "int_slice_arr": x[1, :, idx], "slice_arr_slice": x[:, idx, 1:3],
    "sep": x[idx, 1:3, idx].shape, "sep_v": x[idx, 1:3, idx], "none_arr": x[None, idx].shape,
    "arr_none": x[idx, None].shape,
    "ell": x[..., idx].shape, "adj": x[:, idx, idx],
    "mask_mid": x[:, torch.tensor([True, False, True, False])].shape,
    "mask_then_int": x[torch.tensor([True, False, True]), 0],
}
