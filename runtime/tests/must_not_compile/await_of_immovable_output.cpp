// expect-error: static assertion failed
// expect-error: eddy: this future's output is moved to the awaiting coroutine, and its type cannot be moved
// only-error
#include <eddy/task/task.hpp>

struct fixed {
    fixed() {}
    fixed(fixed&&) = delete;
};

template <class T>
struct at_once {
    using output_type = T;
    at_once() {}
    eddy::poll_result<T> poll(eddy::context&) { return eddy::poll_result<T>(5); }
};

eddy::task<int> use() {
#ifdef EDDY_CONTROL
    co_return co_await at_once<int>();
#else
    co_return co_await at_once<fixed>();
#endif
}
