// expect-error: static assertion failed
// expect-error: eddy: this is a stream, not a future: pass its next()
// only-error
#include <eddy/stream.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include <chrono>

eddy::task<void> use(eddy::sync::mpsc<int>::receiver rx) {
    const std::chrono::seconds limit(1);
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::time::timeout(limit, rx.next()));
#else
    static_cast<void>(co_await eddy::time::timeout(limit, rx));
#endif
}
