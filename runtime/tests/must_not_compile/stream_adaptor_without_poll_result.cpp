// Like stream_without_poll_result, but the first use is an adaptor.
//
// expect-error: static assertion failed
// expect-error: poll_next must return poll_result<std::optional<item_type>>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <optional>
#include <utility>

struct countdown : eddy::stream_ops<countdown> {
    using item_type = int;
    countdown() {}
#ifdef EDDY_CONTROL
    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::optional<int>(left_--); }
#else
    std::optional<int> poll_next(eddy::context&) { return left_--; }
#endif
    int left_ = 3;
};

eddy::task<int> use(countdown items) {
    co_return co_await std::move(items).map([](int i) { return i; }).fold(0, [](int a, int b) { return a + b; });
}
