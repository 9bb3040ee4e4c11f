"""asyncio and thread pools where there are no threads and no sockets.

The event loop waits on the clock alone. What would go to a thread runs at
once, in the caller: correct for anything that does not wait for its siblings.
"""

import asyncio
import concurrent.futures
import concurrent.futures.thread
import time
from asyncio import base_events, events


class _Clock:
    """What the loop asks for events: there are none, only time passes."""

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("the event loop would wait for ever: nothing is scheduled, and no file or socket can wake it")
        if timeout > 0:
            time.sleep(timeout)
        return []


class EventLoop(base_events.BaseEventLoop):
    """Runs callbacks, timers and coroutines; no sockets, no signals."""

    def __init__(self):
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    async def shutdown_default_executor(self, timeout=None):
        self._executor_shutdown_called = True
        if self._default_executor is not None:
            self._default_executor.shutdown()

    def add_signal_handler(self, sig, callback, *args):
        raise NotImplementedError("there are no signals here")

    def remove_signal_handler(self, sig):
        return False


class InlineExecutor(concurrent.futures.ThreadPoolExecutor):
    """A ThreadPoolExecutor whose one thread is the caller's."""

    def submit(self, fn, /, *args, **kwargs):
        with self._shutdown_lock:
            if self._shutdown:
                raise RuntimeError("cannot schedule new futures after shutdown")
        future = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        return future


def install():
    InlineExecutor.__name__ = InlineExecutor.__qualname__ = "ThreadPoolExecutor"
    InlineExecutor.__module__ = "concurrent.futures.thread"
    concurrent.futures.thread.ThreadPoolExecutor = InlineExecutor
    concurrent.futures.ThreadPoolExecutor = InlineExecutor
    EventLoop.__module__ = "asyncio"
    asyncio.SelectorEventLoop = asyncio.EventLoop = EventLoop
    asyncio.unix_events.SelectorEventLoop = asyncio.unix_events.EventLoop = EventLoop
    asyncio.unix_events._DefaultEventLoopPolicy._loop_factory = EventLoop
    events.EventLoop = EventLoop
