# Slices are views; fancy indexing copies.
import torch

x = torch.zeros(3, 3)
row = x[0]
row += 1
col = x[:, 2]
col.fill_(7)
copy = x[[0, 1]]
copy[0] = -5
block = x[1:, :2]
block[0, 0] = 9
t = x.t()
t[0, 2] = 3
result = {
    "x": x, "copy": copy, "same_storage": x.data_ptr() == x[0].data_ptr(), "offset": x[1].storage_offset(),
    "view": x[1].is_contiguous(), "col": col,
}
