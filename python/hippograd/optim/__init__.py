"""Optimizers and learning rate schedules, as in PyTorch."""

from .algorithms import ASGD, SGD, Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop
from .lbfgs import LBFGS
from .optimizer import Optimizer
from . import lr_scheduler, swa_utils
