# Boolean masks select and assign.
import torch

x = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
mask = x > 0
rows = torch.tensor([True, False])
y = x.clone()
y[y < 0] = 0
z = x.clone()
z[mask] = torch.tensor([10.0, 20.0, 30.0])
w = x.clone()
w[mask] *= 2
result = {
    "select": x[mask], "rows": x[rows], "rows_col": x[rows, 1],
    "col_mask": x[:, torch.tensor([True, False, True])], "zeroed": y, "assigned": z, "scaled": w,
    "masked_select": torch.masked_select(x, x.abs() > 2),
    "count": mask.sum(), "none": x[x > 100].shape, "invert": x[~mask], "both": x[(x > -5) & (x < 2)],
}
