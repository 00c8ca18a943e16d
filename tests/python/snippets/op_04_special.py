# torch.special and other special functions.
import torch

x = torch.tensor([0.3, 1.0, 2.5])
p = torch.tensor([0.1, 0.5, 0.9])
result = {
    "lgamma": torch.lgamma(x), "digamma": torch.digamma(x), "erf": torch.special.erf(x),
    "erfc": torch.erfc(x), "erfinv": torch.erfinv(p), "expit": torch.special.expit(x),
    "logit": torch.special.logit(p), "i0": torch.special.i0(x), "gammaln": torch.special.gammaln(x),
    "entr": torch.special.entr(p), "xlog1py": torch.special.xlog1py(x, p), "polygamma": torch.polygamma(1, x),
    "ndtr": torch.special.ndtr(x), "log1p": torch.special.log1p(x),
    "softmax": torch.special.softmax(x, dim=0),
}
