"""hippograd: autodiff tensors, state space layers and vision-language models.   import hippograd as hg"""
from . import _processor

_processor.check()
