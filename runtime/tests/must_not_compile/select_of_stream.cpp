// Combinators of futures accept the next item of a stream, but not the stream.
//
// expect-error: static assertion failed
// expect-error: eddy: this is a stream, not a future: pass its next()
// only-error
#include <eddy/future/select.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::sync::mpsc<int>::receiver rx, eddy::task<int> other) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::select(rx.next(), std::move(other)));
#else
    static_cast<void>(co_await eddy::select(rx, std::move(other)));
#endif
}
