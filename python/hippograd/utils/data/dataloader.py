"""DataLoader: batches of a dataset, in order or shuffled, prepared ahead by worker threads.

Differs from PyTorch: workers are threads of this process (ops release the GIL), so nothing is pickled, `worker_init_fn` runs once
per worker before the first batch, and results arrive in order whatever the number of workers.
"""

import collections
import threading
from dataclasses import dataclass

from ... import _C
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler

_local = threading.local()


@dataclass
class WorkerInfo:
    """What `get_worker_info()` gives inside a worker."""

    id: int
    num_workers: int
    seed: int
    dataset: object


def get_worker_info():
    """None in the main program."""
    return getattr(_local, "info", None)


def default_convert(data):
    """Arrays and tensors inside `data` as tensors; the rest as it is."""
    if isinstance(data, _C.Tensor):
        return data
    if type(data).__module__ == "numpy" and hasattr(data, "dtype"):
        return data if data.dtype.kind in "SUO" else _C.as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        return {k: default_convert(v) for k, v in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(v) for v in data))
    if isinstance(data, (tuple, list)):
        return [default_convert(v) for v in data]
    return data


def default_collate(batch):
    """List of samples -> one sample of batched tensors: tensors are stacked, numbers become tensors, containers are entered."""
    first = batch[0]
    if isinstance(first, _C.Tensor):
        return _C.stack(list(batch))
    if type(first).__module__ == "numpy" and hasattr(first, "dtype"):
        if first.dtype.kind in "SUO":
            raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
                            f"{first.dtype}")
        return _C.stack([_C.as_tensor(b) for b in batch]) if first.shape else _C.as_tensor(_array(batch))
    if isinstance(first, bool):
        return _C.tensor(list(batch))
    if isinstance(first, float):
        return _C.tensor(list(batch), dtype=_C.float64)
    if isinstance(first, int):
        return _C.tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, collections.abc.Mapping):
        return {k: default_collate([b[k] for b in batch]) for k in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch)))
    if isinstance(first, collections.abc.Sequence):
        if any(len(b) != len(first) for b in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(column) for column in zip(*batch)]
    raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
                    f"{type(first)}")


def _array(numbers):
    import numpy
    return numpy.array(numbers)


def _pinned(batch):
    """The same batch with its tensors in page-locked memory."""
    if isinstance(batch, _C.Tensor):
        return batch.pin_memory()
    if isinstance(batch, collections.abc.Mapping):
        return type(batch)({name: _pinned(part) for name, part in batch.items()})
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_pinned(part) for part in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(_pinned(part) for part in batch)
    return batch


class DataLoader:
    """Iterable over batches: `for x, y in DataLoader(dataset, batch_size=32, shuffle=True)`."""

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None,
                 pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None,
                 generator=None, *, prefetch_factor=None, persistent_workers=False, pin_memory_device="", in_order=True):
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable "
                             "multiprocessing, otherwise set prefetch_factor to None.")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.pin_memory, self.worker_init_fn, self.generator = pin_memory, worker_init_fn, generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self._streaming = isinstance(dataset, IterableDataset)
        if self._streaming:
            if shuffle:
                raise ValueError(f"DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle="
                                 f"{shuffle}")
            if sampler is not None or batch_sampler is not None:
                raise ValueError("DataLoader with IterableDataset: expected unspecified sampler and batch_sampler options")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None and not self._streaming:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None and not self._streaming:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if self._streaming and batch_size is not None and batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        self.batch_size, self.drop_last, self.sampler, self.batch_sampler = batch_size, drop_last, sampler, batch_sampler
        self._batches = batch_sampler is not None or (self._streaming and batch_size is not None)
        self.collate_fn = collate_fn or (default_collate if self._batches else default_convert)

    def __len__(self):
        if self._streaming:
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self):
        from ... import cuda
        batches = self._batches_in_order()
        return map(_pinned, batches) if self.pin_memory and cuda.is_available() else batches

    def _batches_in_order(self):
        # Drawn whatever the number of workers, so that it does not change what follows.
        seed = int(_C.randint(0, 2 ** 62, (), dtype=_C.int64, generator=self.generator))
        infos = [WorkerInfo(i, self.num_workers, seed + i, self.dataset) for i in range(self.num_workers)]
        if self._streaming:
            return self._stream() if self.num_workers == 0 else self._stream_by_workers(infos)
        requests = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        return map(self._fetch, requests) if self.num_workers == 0 else self._fetch_by_workers(requests, infos)

    def _fetch(self, request):
        """The batch (or sample) of a list of indices (or one index)."""
        if not self._batches:
            return self.collate_fn(self.dataset[request])
        if hasattr(self.dataset, "__getitems__"):
            return self.collate_fn(self.dataset.__getitems__(request))
        return self.collate_fn([self.dataset[i] for i in request])

    def _enter(self, info):
        """Makes the calling thread worker `info`."""
        _local.info = info
        if self.worker_init_fn is not None:
            self.worker_init_fn(info.id)

    def _fetch_by_workers(self, requests, infos):
        from concurrent.futures import ThreadPoolExecutor
        numbers = iter(infos)
        pool = ThreadPoolExecutor(self.num_workers, "hippograd-data", lambda: self._enter(next(numbers)))
        ahead, waiting = self.num_workers * self.prefetch_factor, collections.deque()
        try:
            for request in requests:
                waiting.append(pool.submit(self._fetch, request))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result(self.timeout or None)
            while waiting:
                yield waiting.popleft().result(self.timeout or None)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _stream(self):
        if not self._batches:
            yield from map(self.collate_fn, self.dataset)
            return
        batch = []
        for sample in self.dataset:
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.collate_fn(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.collate_fn(batch)

    def _stream_by_workers(self, infos):
        """One stream per worker, taken in turn; `get_worker_info()` tells the dataset whose turn it is."""
        streams = [(info, self._stream()) for info in infos]
        started = set()
        while streams:
            for entry in list(streams):
                info, stream = entry
                before, _local.info = get_worker_info(), info
                try:
                    if info.id not in started:
                        started.add(info.id)
                        self._enter(info)
                    batch = next(stream)
                except StopIteration:
                    streams.remove(entry)
                    continue
                finally:
                    _local.info = before
                yield batch
