"""Vision-language models. The models are C++; here they are Modules whose parameters stand under their published paths."""
from .. import _C
from ..leaf import LeafModule
from .data import EasyVQA, VqaBatches

__all__ = ["EasyVQA", "EnhancedVLM", "VLMConfig", "VqaBatches", "batch_accuracy", "evaluate", "explain_bad_loss", "next_token_targets"]

VLMConfig = _C._vlm.VLMConfig
next_token_targets = _C._vlm.next_token_targets
batch_accuracy = _C._vlm.batch_accuracy


class EnhancedVLM(LeafModule):
    """Vision transformer -> SSM bridge -> cross-attention -> causal decoder (SSM-As-VLM-Bridge).

    images (B, 3, S, S), tokens (B * Q, T) with Q consecutive rows per image, targets like tokens (-100: not asked)
    -> (logits (B * Q, T, vocab), loss or None)
    """

    def __init__(self, config=None, as_published=None, dtype="float32", device="cpu"):
        config = VLMConfig() if config is None else config
        if as_published is not None:
            config.as_published = as_published
        self._model = _C._vlm.EnhancedVLM(config, str(dtype).rsplit(".", 1)[-1], str(device))
        self._adopt(self._model)

    @property
    def config(self):
        return self._model.config

    def train(self, mode=True):
        self._model.train(mode)
        return super().train(mode)

    def forward(self, images, tokens, targets=None):
        return self._model.forward(images, tokens, targets)

    def encode(self, images):
        """Vision tokens after the bridge, (B, P, D)."""
        return self._model.encode(images)

    def logits(self, vision, tokens):
        return self._model.logits(vision, tokens)

    def generate(self, images=None, prompt=None, max_length=100, temperature=1.0, top_k=None, top_p=1.0, bos=0, eos=1, *,
                 vision=None, max_new_tokens=None, seed=None, use_cache=True, return_lengths=False):
        """Token numbers (B, length). temperature 0 is greedy; a row that ended repeats `eos`. `vision` replaces images by
        what `encode` gave."""
        if (images is None) == (vision is None):
            raise ValueError("generate: give either images or vision")
        tokens, lengths = self._model.generate(images, vision, prompt, max_length, max_new_tokens, temperature, top_k, top_p, bos, eos,
                                               use_cache, seed)
        return (tokens, lengths) if return_lengths else tokens

    def save(self, path, vocabulary, step=0):
        """Weights as safetensors, with the vocabulary in the metadata."""
        _C._vlm.save_model(str(path), self._model, vocabulary, step)

    def save_checkpoint(self, folder, step):
        """Weights as folder/checkpoint-STEP.safetensors; the newest three are kept, each written whole or not at all."""
        _C._vlm.save_checkpoint(str(folder), self._model, step)

    def __deepcopy__(self, memo):
        copy = EnhancedVLM(self.config, dtype=next(self.parameters()).dtype)
        copy.load_state_dict(self.state_dict())
        return copy.train(self.training)


def explain_bad_loss(model, batch, step, loss):
    """Repeats the step with every op checked; raises an error that names the step and the op where the first NaN arose."""
    _C._vlm.explain_bad_loss(model._model, tuple(batch), step, loss)


def evaluate(model, data):
    """Greedy answers to every question of a split: ((right, asked), {kind: (right, asked)}, answers)."""
    return _C._vlm.evaluate(model._model, data._data)
