// A user-defined stream that returns items without a poll_result would compile, but could never be pending.
//
// expect-error: static assertion failed
// expect-error: poll_next must return poll_result<std::optional<item_type>>
// only-error
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <optional>

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
    auto first = co_await items.next();
    co_return *first;
}
