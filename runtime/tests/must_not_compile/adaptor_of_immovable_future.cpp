// expect-error: static assertion failed
// expect-error: eddy: this moves its futures in, and one of them cannot be moved
// expect-error: store it in a variable and pass std::ref(f)
// only-error
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include <functional>

using namespace std::chrono_literals;

struct fixed {
    using output_type = int;
    fixed() {}
    fixed(fixed&&) = delete;
    eddy::poll_result<int> poll(eddy::context&) { return 1; }
};

eddy::task<int> use() {
#ifdef EDDY_CONTROL
    fixed made;
    auto output = co_await eddy::time::timeout(1s, std::ref(made));
#else
    auto output = co_await eddy::time::timeout(1s, fixed());
#endif
    co_return output ? *output : 0;
}
