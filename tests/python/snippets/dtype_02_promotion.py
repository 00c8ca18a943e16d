# Type promotion between tensors, 0-dim tensors and Python numbers.
import torch

i32 = torch.tensor([1, 2], dtype=torch.int32)
i64 = torch.tensor([1, 2])
f32 = torch.tensor([1.0, 2.0])
f64 = torch.tensor([1.0, 2.0], dtype=torch.float64)
b = torch.tensor([True, False])
f64_0d = torch.tensor(1.5, dtype=torch.float64)
u8 = torch.tensor([250, 10], dtype=torch.uint8)

result = {
    "i32+i64": i32 + i64, "i64+f32": i64 + f32, "f32+f64": f32 + f64, "f32+f64_0d": f32 + f64_0d,
    "i64+f64_0d": i64 + f64_0d,
    "b+b": b + b, "b*2": b * 2, "b+1.5": b + 1.5, "i64*2.0": i64 * 2.0, "i32*2": i32 * 2, "f32*2j": f32 * 2j,
    "i64/i64": i64 / i64,
    "i64//2": i64 // 2, "u8+10": u8 + 10, "u8+i32": u8 + i32, "b.sum": b.sum(), "i32.sum": i32.sum(),
    "sqrt_int": i64.sqrt(),
    "mean": f64.mean(), "result_type": str(torch.result_type(i64, 1.0)),
    "promote": str(torch.promote_types(torch.int32, torch.float16)),
    "can_cast": torch.can_cast(torch.double, torch.int), "0d": torch.tensor(1) + 1.0,
}
