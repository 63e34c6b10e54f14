// expect-error: static assertion failed
// expect-error: eddy: this is a stream, not a future: await its next()
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::streams::once_stream<int> items) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await items.next());
#else
    static_cast<void>(co_await items);
#endif
}
