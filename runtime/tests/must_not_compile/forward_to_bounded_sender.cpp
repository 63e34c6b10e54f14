// A bounded sender waits for capacity with futures. It needs a poll_sender to be a sink.
//
// expect-error: static assertion failed
// expect-error: eddy: a bounded sender is not a sink: use sync::poll_sender(tx)
// only-error
#include <eddy/stream.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/poll_sender.hpp>
#include <eddy/task/task.hpp>

#include <utility>

eddy::task<void> use(eddy::streams::once_stream<int> items, eddy::sync::mpsc<int>::sender tx) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await std::move(items).forward(eddy::sync::poll_sender(std::move(tx))));
#else
    static_cast<void>(co_await std::move(items).forward(std::move(tx)));
#endif
}
